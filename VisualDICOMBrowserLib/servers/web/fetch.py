"""WADO-RS retrieve (DICOM PS3.18 10.4): whole studies and series in one streamed answer, few instances one by one.

The answer is split while it arrives, each part goes straight to its file, and what was whole before a fault is kept.
Instances one by one go over as many connections as the server's settings allow (threads ``web-fetch-N``).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.errors import BugError, NetworkError, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import FailedInstance, JobControl, PartSink, RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.progress import ProgressSum, is_answered, settled
from VisualDICOMBrowserLib.servers.speed import throttle_of
from VisualDICOMBrowserLib.servers.web.body import WebAnswer
from VisualDICOMBrowserLib.servers.web.faults import not_dicomweb, protocol_fault, transport_fault
from VisualDICOMBrowserLib.servers.web.http import SecretHeaders, WebSession
from VisualDICOMBrowserLib.servers.web.multipart import (
    MultipartFault,
    MultipartSplitter,
    PartBegin,
    PartData,
    PartLengthFault,
    boundary_of,
)
from VisualDICOMBrowserLib.servers.web.receiving import PartWriter, WebReceiver, Writers
from VisualDICOMBrowserLib.servers.web.urls import WebUrls

__all__ = ["FEW_INSTANCES", "WebLogin", "fetch_over_web", "fetch_request"]

FEW_INSTANCES = 48
"""Up to so many instances of a series are asked for one by one."""

# As they are stored first; servers that do not know the parameter, or the form, are asked more plainly.
_ACCEPTS = (
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"',
    "multipart/related; type=application/dicom, application/dicom",
)
# Servers that cannot read one image, or not send it in any form, still send the others.
_MOST_BROKEN = 4
_OF_ONE_IMAGE = frozenset(("http_400", "http_406", "http_409", "http_415", "http_422", "http_500", "http_501"))
_ASK_OTHERWISE = frozenset((400, 406, 415))
_ONE_FILE = frozenset(("application/dicom", "application/octet-stream", "application/dicom; transfer-syntax=*"))


@dataclass(frozen=True, slots=True)
class WebLogin:
    """A sign-in of this moment, for a worker process; a `SignedIn` that cannot be renewed there."""

    authorization: str = field(default="", repr=False)
    secrets: SecretHeaders = field(default_factory=SecretHeaders, repr=False)

    def header(self, control: JobControl) -> str:
        """The Authorization header."""
        return self.authorization

    def renewed(self, rejected: str, control: JobControl) -> bool:
        """False; whoever gave the login renews it."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Plain fields for the pipe to a worker; nowhere else."""
        headers = dict(self.secrets.headers)
        return {
            "authorization": self.authorization,
            "headers": headers,
            "key_password": self.secrets.key_password,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WebLogin:
        """Login with the fields that `to_dict` wrote."""
        return cls(values["authorization"], SecretHeaders(values["headers"], values["key_password"]))


def fetch_over_web(
    config: ServerConfig,
    login: WebLogin,
    requests: Sequence[RetrieveRequest],
    sink: PartSink,
    control: JobControl,
) -> RetrieveResult:
    """Fetch `requests` one after the other with connections of its own.

    Raises
    ------
    NetworkError, PeerError, StorageFault, JobCancelled
        It ended early; what had arrived whole is in the sink.
    """
    session = WebSession(config, login.secrets, login)
    counts = [_count_of(request) for request in requests]
    total = ProgressSum(control, None if None in counts else sum(count or 0 for count in counts))
    outcomes: list[tuple[int | None, RetrieveResult | VisualDICOMError]] = []
    try:
        for request in requests:
            try:
                found = fetch_request(config, session, request, sink, total.part())
                outcomes.append((_count_of(request), found))
            except PeerError as error:
                if not is_answered(error):
                    raise
                outcomes.append((_count_of(request), error))
    finally:
        session.close()
    return settled(control, outcomes)


def _count_of(request: RetrieveRequest) -> int | None:
    """How many instances a request is about, None if nobody knows."""
    return len(request.SOPInstanceUIDs) or request.expected


def fetch_request(
    config: ServerConfig, session: WebSession, request: RetrieveRequest, sink: PartSink, control: JobControl
) -> RetrieveResult:
    """Fetch one request over `session`; failures of single instances are counted.

    Raises
    ------
    NetworkError, PeerError, StorageFault, JobCancelled
        It ended early; what had arrived whole is in the sink.
    """
    few = bool(request.SeriesInstanceUID) and 0 < len(request.SOPInstanceUIDs) <= FEW_INSTANCES
    throttle = throttle_of(config, lambda: control.cancel_requested)
    receiver = WebReceiver(sink, request, control, only_wanted=not few, throttle=throttle)
    try:
        with session.cancellable(control), Writers(receiver) as writers:
            fetch = _Fetch(config, session, request, writers, control)
            failed = fetch.one_by_one() if few else fetch.whole()
    except (NetworkError, PeerError) as fault:
        if receiver.received:
            of_total = f" of {receiver.expected}" if receiver.expected else ""
            fault.message += f" {receiver.received}{of_total} images had arrived and are kept."
        raise
    receiver.tell()
    return _result(config, request, receiver, failed, control)


def _result(
    config: ServerConfig,
    request: RetrieveRequest,
    receiver: WebReceiver,
    failed: dict[str, str],
    control: JobControl,
) -> RetrieveResult:
    if receiver.foreign:
        control.log(
            f"{config.name} sent {receiver.foreign} images of another study or series than asked for; "
            "they are kept where they belong."
        )
    if not (receiver.received or receiver.refused or failed):
        message = f"{config.name} has none of the images asked for."
        raise PeerError(message, code="not_found", server=config.name, next_step="Query the server again.")
    missing = [uid for uid in request.SOPInstanceUIDs if uid not in receiver.instances]
    lost = [
        FailedInstance(SOPInstanceUID=uid, reason=failed.get(uid, f"{config.name} did not send it.")) for uid in missing
    ]
    short = (receiver.expected or 0) - len(receiver.instances)
    return RetrieveResult(
        received=receiver.received,
        bytes=receiver.bytes,
        warnings=receiver.foreign,
        failed_count=max(len(receiver.refused), len(lost), short),
        failed=(*receiver.refused, *lost),
    )


class _Fetch:
    """One request over one session."""

    def __init__(
        self,
        config: ServerConfig,
        session: WebSession,
        request: RetrieveRequest,
        writers: Writers,
        control: JobControl,
    ) -> None:
        self._config = config
        self._session = session
        self._urls = WebUrls(config)
        self._request = request
        self._writers = writers
        self._receiver = writers.receiver
        self._control = control
        self._accepts: tuple[str, ...] = _ACCEPTS

    def whole(self) -> dict[str, str]:
        """Fetch the series, or the study, in one answer."""
        self._get(self._urls.retrieve(self._request.StudyInstanceUID, self._request.SeriesInstanceUID))
        return {}

    def one_by_one(self) -> dict[str, str]:
        """Fetch the instances listed; reasons by UID of those that the server refused."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for uid in self._request.SOPInstanceUIDs:
            waiting.put(uid)
        side = _SideBySide(self, waiting)
        most = min(self._config.workers("fetch"), len(self._request.SOPInstanceUIDs))
        threads = [threading.Thread(target=side.run, name=f"web-fetch-{n}", daemon=True) for n in range(1, most)]
        for thread in threads:
            thread.start()
        side.run()
        for thread in threads:
            thread.join()
        if side.failure is not None:
            raise side.failure
        if not side.came and side.broken:
            raise side.broken[0]
        return side.refused

    def instance(self, uid: str) -> None:
        """Fetch one instance."""
        self._control.raise_if_cancelled()
        self._get(self._urls.retrieve(self._request.StudyInstanceUID, self._request.SeriesInstanceUID, uid))

    def _get(self, url: str) -> None:
        """Receive one answer, asked for in the first form that the server takes."""
        for accept in self._accepts:
            last = accept == self._accepts[-1]
            headers = {"Accept": accept, "Accept-Encoding": "identity"}
            with self._session.request("GET", url, self._control, headers=headers, any_status=True) as answer:
                if answer.status in _ASK_OTHERWISE and not last:
                    answer.drain()
                    continue
                # The next instance is asked for in the form that was taken; instances side by side may differ.
                self._accepts = _ACCEPTS[_ACCEPTS.index(accept) :]
                failure = answer.failure()
                if failure is not None:
                    answer.drain()
                    raise failure
                try:
                    self._receive(answer)
                except PartLengthFault:
                    pass
                else:
                    return
            self._get_without_lengths(url, accept)
            return

    def _get_without_lengths(self, url: str, accept: str) -> None:
        """Receive an answer whose parts tell wrong lengths; what was whole comes again and is the same."""
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        with self._session.request("GET", url, self._control, headers=headers) as answer:
            self._receive(answer, believe_lengths=False)

    def _receive(self, answer: WebAnswer, *, believe_lengths: bool = True) -> None:
        if answer.status == 204:
            return
        if answer.content_type.startswith("multipart/"):
            self._receive_parts(answer, believe_lengths)
        elif answer.content_type in _ONE_FILE:
            self._receive_file(answer)
        else:
            raise not_dicomweb(self._config, "something else than images")

    def _receive_file(self, answer: WebAnswer) -> None:
        writer = self._writers.part()
        try:
            while data := answer.read():
                self._receiver.count_bytes(len(data))
                writer.write(data)
        except BaseException:
            writer.discard()
            raise
        writer.finish()

    def _receive_parts(self, answer: WebAnswer, believe_lengths: bool) -> None:
        boundary = boundary_of(answer.headers.get("Content-Type", ""))
        if not boundary:
            raise protocol_fault(self._config, "parts without a boundary")
        splitter = MultipartSplitter(boundary, believe_lengths=believe_lengths)
        parts = _Parts(self._writers)
        try:
            while data := answer.read():
                self._receiver.count_bytes(len(data))
                parts.take(splitter, data)
                if splitter.ended:
                    break
                self._control.raise_if_cancelled()
            parts.finish(splitter)
            if not splitter.ended:
                # The server died while it answered; what is missing can be asked for again.
                raise transport_fault(self._config, ConnectionError("no final boundary"), answer.url)
            answer.finish()
        except PartLengthFault:
            raise
        except MultipartFault as fault:
            raise protocol_fault(self._config, str(fault)) from None
        finally:
            parts.discard()


class _Parts:
    """Events of a splitter as files; at most one is open."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._writer: PartWriter | None = None

    def take(self, splitter: MultipartSplitter, data: bytes) -> None:
        for event in splitter.feed(data):
            self._event(event)

    def finish(self, splitter: MultipartSplitter) -> None:
        for event in splitter.finish():
            self._event(event)

    def discard(self) -> None:
        """Drop the part in transit, if there is one."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()

    def _event(self, event: object) -> None:
        if isinstance(event, PartBegin):
            self._writer = self._writers.part()
        elif isinstance(event, PartData):
            if self._writer is not None:
                self._writer.write(event.data)
        elif self._writer is not None:
            writer, self._writer = self._writer, None
            writer.finish()


class _SideBySide:
    """Takes instances from a queue in several threads until it is empty or something breaks."""

    def __init__(self, fetch: _Fetch, waiting: queue.SimpleQueue[str]) -> None:
        self._fetch = fetch
        self._waiting = waiting
        self.failure: VisualDICOMError | None = None
        self.refused: dict[str, str] = {}
        self.broken: list[PeerError] = []
        self.came = False

    def run(self) -> None:
        """Fetch until there is nothing more to do."""
        while self.failure is None:
            try:
                uid = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._fetch.instance(uid)
                self.came = True
            except VisualDICOMError as error:
                if is_answered(error) or self._is_of_one_image(error):
                    self.refused[uid] = str(error)
                else:
                    self.failure = self.failure or error
            except Exception as error:  # noqa: BLE001 - threads hand their end to the one that waits for them
                self.failure = self.failure or BugError(f"{type(error).__name__}: {error}")

    def _is_of_one_image(self, error: VisualDICOMError) -> bool:
        """Whether the other images may come all the same; not where a server sends none of the first few."""
        if not isinstance(error, PeerError) or error.code not in _OF_ONE_IMAGE:
            return False
        self.broken.append(error)
        return self.came or len(self.broken) < _MOST_BROKEN
