"""STOW-RS (DICOM PS3.18 10.5): files as they are in streamed multipart requests, and the fate of each instance.

Batches are bounded by count and size. Nothing counts as sent that the answer, or the server asked afterwards, does not
name. One thread per `WebSender`.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from VisualDICOMBrowserLib.errors import NetworkError, PeerError
from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, Level, Query, SentInstance
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.receiving import file_meta
from VisualDICOMBrowserLib.servers.dimse.sending import CannotSend, read_stored_file, uncompressed_data_set
from VisualDICOMBrowserLib.servers.dimse.status import status_text
from VisualDICOMBrowserLib.servers.driver import OnSent
from VisualDICOMBrowserLib.servers.speed import throttle_of
from VisualDICOMBrowserLib.servers.upper_layer.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from VisualDICOMBrowserLib.servers.web.body import WebAnswer
from VisualDICOMBrowserLib.servers.web.faults import not_dicomweb
from VisualDICOMBrowserLib.servers.web.http import WebSession
from VisualDICOMBrowserLib.servers.web.json import items_of, text_of
from VisualDICOMBrowserLib.servers.web.query import WebSearch
from VisualDICOMBrowserLib.servers.web.urls import WebUrls

__all__ = ["WebSender"]

_BATCH_INSTANCES = 100
_BATCH_BYTES = 64 * 1024 * 1024
# What a part has around its file.
_PART_BYTES = 128
_MOST_ANSWER_BYTES = 16 * 1024 * 1024
_PROGRESS_S = 0.1
_PREFIX_END = 132
_UNCOMPRESSED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, "1.2.840.10008.1.2.2")

_FAILED, _STORED = "00081198", "00081199"
_INSTANCE, _FAILURE, _WARNING = "00081155", "00081197", "00081196"


@dataclass(frozen=True, slots=True)
class _File:
    """A local instance that is ready to go: what goes before the bytes of its file from `offset` on, or all of it.

    `size` are the bytes up to the end of the file; they begin at `offset`.
    """

    record: InstanceRecord
    head: bytes
    offset: int
    size: int


class WebSender:
    """Sends instances to one server.

    Parameters
    ----------
    config : ServerConfig
        The server.
    session : WebSession
        Connections to it.
    control : JobControl
        Cancel and progress.
    on_sent : callable
        Hears of each instance as soon as its fate is known.
    """

    def __init__(self, config: ServerConfig, session: WebSession, control: JobControl, on_sent: OnSent) -> None:
        self._config = config
        self._session = session
        self._control = control
        self._on_sent = on_sent
        self._throttle = throttle_of(config, lambda: control.cancel_requested)
        self._settled = 0
        self._total = 0
        self._bytes = 0
        self._told = 0.0
        self._most_bytes = int(config.stow_limit_mb * 1024 * 1024) or _BATCH_BYTES
        self._most_instances = config.images_per_batch or _BATCH_INSTANCES
        if not config.keep_compression:
            # What was decompressed waits in memory.
            self._most_bytes = min(self._most_bytes, _BATCH_BYTES)

    def send(self, instances: Sequence[InstanceRecord]) -> None:
        """Send all of them.

        Raises
        ------
        NetworkError, PeerError, JobCancelled
            It cannot go on; what was not told of is not confirmed.
        """
        self._total = len(instances)
        for batch in self._batches(instances):
            self._send_batch(batch)

    def _batches(self, instances: Sequence[InstanceRecord]) -> Iterator[list[_File]]:
        batch: list[_File] = []
        size = 0
        for record in instances:
            try:
                file = _prepared(record, keep_compression=self._config.keep_compression)
            except CannotSend as reason:
                self._tell(record.SOPInstanceUID, "failed", reason=f"It was not sent: {reason}.")
                continue
            if batch and (len(batch) >= self._most_instances or size + file.size + _PART_BYTES > self._most_bytes):
                yield batch
                batch, size = [], 0
            batch.append(file)
            size += file.size + _PART_BYTES
        if batch:
            yield batch

    def _send_batch(self, batch: list[_File]) -> None:
        self._control.raise_if_cancelled()
        try:
            fates, confirmed = self._post(batch)
        except PeerError as refusal:
            if refusal.code != "too_large":
                raise
            self._send_smaller(batch, refusal)
            return
        for file in batch:
            uid = file.record.SOPInstanceUID
            fate = fates.get(uid)
            if fate is None:
                fate = self._unnamed(file, confirmed=confirmed)
            self._on_fate(fate, file)

    def _send_smaller(self, batch: list[_File], refusal: PeerError) -> None:
        if len(batch) == 1:
            self._tell(batch[0].record.SOPInstanceUID, "failed", code=413, reason=refusal.message)
            return
        half = len(batch) // 2
        # What comes later is not sent in vain first.
        self._most_bytes = min(self._most_bytes, sum(file.size + _PART_BYTES for file in batch[:half]))
        self._control.log(f"{self._config.name} takes no {len(batch)} images at once; they are sent in smaller parts.")
        self._send_batch(batch[:half])
        self._send_batch(batch[half:])

    def _post(self, batch: list[_File]) -> tuple[dict[str, SentInstance], bool]:
        """Fates by UID that the answer tells, and whether it told any at all."""
        boundary = secrets.token_hex(24)
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json, application/dicom+xml;q=0.5",
            "Accept-Encoding": "identity",
        }
        before = self._bytes

        def body() -> _Body:
            self._bytes = before
            return _Body(batch, boundary, self._count)

        url = WebUrls(self._config).store()
        with self._session.request("POST", url, self._control, headers=headers, body=body, any_status=True) as answer:
            content = answer.content(_MOST_ANSWER_BYTES)
            fates = _fates(content)
            # Servers tell of refused instances with 202 and 409, and some with 400 or 500.
            if fates:
                return fates, True
            failure = answer.failure()
            if failure is not None:
                raise failure
            self._check(answer, content)
            return {}, False

    def _check(self, answer: WebAnswer, content: bytes) -> None:
        if content.strip() and answer.content_type not in ("", "text/plain") and "dicom" not in answer.content_type:
            if answer.content_type in ("application/json", "text/xml", "application/xml"):
                return
            raise not_dicomweb(self._config, "something else than a store answer")

    def _unnamed(self, file: _File, *, confirmed: bool) -> SentInstance:
        """Fate of an instance of which the answer says nothing."""
        uid, name = file.record.SOPInstanceUID, self._config.name
        if confirmed:
            return SentInstance(SOPInstanceUID=uid, status="failed", reason=f"{name} did not confirm it.")
        try:
            listed = self._is_listed(file.record)
        except (NetworkError, PeerError):
            reason = f"{name} took it without confirmation, and cannot be asked for it."
            return SentInstance(SOPInstanceUID=uid, status="warning", reason=reason)
        if listed:
            return SentInstance(SOPInstanceUID=uid)
        reason = f"{name} did not confirm it and does not list it."
        return SentInstance(SOPInstanceUID=uid, status="failed", reason=reason)

    def _is_listed(self, record: InstanceRecord) -> bool:
        query = Query(
            level=Level.IMAGE,
            StudyInstanceUID=record.StudyInstanceUID,
            SeriesInstanceUID=record.SeriesInstanceUID,
            SOPInstanceUID=record.SOPInstanceUID,
        )
        found = WebSearch(self._config, self._session, query, self._control).run().records
        return any(isinstance(item, InstanceRecord) and item.SOPInstanceUID == record.SOPInstanceUID for item in found)

    def _on_fate(self, fate: SentInstance, file: _File) -> None:
        self._tell(fate.SOPInstanceUID, fate.status, code=fate.code, reason=fate.reason, size=file.size)

    def _tell(self, uid: str, status: str, *, code: int | None = None, reason: str = "", size: int = 0) -> None:
        self._settled += 1
        self._on_sent(SentInstance(SOPInstanceUID=uid, status=status, code=code, reason=reason, size=size))
        self._control.progress(self._settled, self._total, self._bytes)

    def _count(self, count: int) -> None:
        self._bytes += count
        self._throttle(count)
        now = time.monotonic()
        if now - self._told >= _PROGRESS_S:
            self._told = now
            self._control.progress(self._settled, self._total, self._bytes)


class _Body:
    """The multipart body of a batch, read from the files while it is sent; its length is known beforehand."""

    def __init__(self, batch: Sequence[_File], boundary: str, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes = on_bytes
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        end = f"--{boundary}--\r\n".encode("ascii")
        self._length = sum(len(head) + len(file.head) + file.size - file.offset + 2 for file in batch) + len(end)
        self._pieces = self._content(batch, head, end)
        self._piece = memoryview(b"")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """What tells requests that this is a stream."""
        return self._pieces

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, all that is left of the present piece with -1; empty at the end."""
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        end = len(self._piece) if size is None or size < 0 else size
        data, self._piece = bytes(self._piece[:end]), self._piece[end:]
        self._on_bytes(len(data))
        return data

    def _content(self, batch: Sequence[_File], head: bytes, end: bytes) -> Iterator[bytes]:
        for file in batch:
            yield head + file.head
            left = file.size - file.offset
            if not left:
                yield b"\r\n"
                continue
            with Path(file.record.path).open("rb", buffering=0) as stream:
                stream.seek(file.offset)
                while left:
                    data = stream.read(min(left, 256 * 1024))
                    if not data:
                        # The length is announced already, so that only breaking off keeps a torn instance away.
                        message = "a file became shorter while it was sent"
                        raise ConnectionAbortedError(message)
                    left -= len(data)
                    yield data
            yield b"\r\n"
        yield end


def _prepared(record: InstanceRecord, *, keep_compression: bool) -> _File:
    """What has to be known to send a local instance; a file without File Meta Information gets one.

    Without `keep_compression`, a compressed one is decompressed at once, as explicit VR little endian.

    Raises
    ------
    CannotSend
        The file is gone, is no DICOM file any more, or cannot be decompressed.
    """
    stored = read_stored_file(record)
    if not keep_compression and stored.transfer_syntax not in _UNCOMPRESSED:
        data = uncompressed_data_set(stored, EXPLICIT_LITTLE)
        whole = file_meta(stored.sop_class, stored.sop_instance, EXPLICIT_LITTLE, "") + data
        return _File(record, whole, len(whole), len(whole))
    try:
        with stored.path.open("rb", buffering=0) as stream:
            start = stream.read(_PREFIX_END)
            size = os.fstat(stream.fileno()).st_size
    except OSError as fault:
        message = f"the file cannot be read ({fault.strerror})"
        raise CannotSend(message) from fault
    if start[128:] == b"DICM":
        return _File(record, b"", 0, size)
    head = file_meta(stored.sop_class, stored.sop_instance, stored.transfer_syntax, "")
    return _File(record, head, stored.offset, size)


def _fates(content: bytes) -> dict[str, SentInstance]:
    """Fates by UID that a store answer tells (PS3.18 10.5.3, table 10.5.3-2), in JSON or in XML."""
    values: Any = None
    text = content.lstrip()
    if text.startswith((b"{", b"[")):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        if isinstance(values, list) and values:
            values = values[0]
    elif text.startswith(b"<"):
        values = _from_xml(text)
    fates: dict[str, SentInstance] = {}
    for item in items_of(values, _STORED):
        if uid := text_of(item, _INSTANCE):
            code = _code(item, _WARNING)
            reason = f"Taken with a remark: {status_text(code)}." if code else ""
            fates[uid] = SentInstance(
                SOPInstanceUID=uid, status="warning" if code else "sent", code=code, reason=reason
            )
    for item in items_of(values, _FAILED):
        if uid := text_of(item, _INSTANCE):
            code = _code(item, _FAILURE)
            reason = f"It was refused: {status_text(code)}." if code else "It was refused without a reason."
            fates[uid] = SentInstance(SOPInstanceUID=uid, status="failed", code=code, reason=reason)
    return fates


def _code(item: Mapping[str, Any], tag: str) -> int | None:
    text = text_of(item, tag)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= 0xFFFF else None


def _from_xml(text: bytes) -> dict[str, Any]:
    """The Native DICOM Model (PS3.19 A.1) in the shape of the JSON model, two levels deep as a store answer is."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return {}
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return {}
    values: dict[str, Any] = {}
    for attribute in _named(root, "DicomAttribute"):
        items = [_plain(item) for item in _named(attribute, "Item")]
        values[attribute.get("tag", "").upper()] = {"Value": items}
    return values


def _plain(item: ElementTree.Element) -> dict[str, Any]:
    return {
        attribute.get("tag", "").upper(): {"Value": [value.text or "" for value in _named(attribute, "Value")]}
        for attribute in _named(item, "DicomAttribute")
    }


def _named(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (child for child in parent if child.tag.rpartition("}")[2] == name)
