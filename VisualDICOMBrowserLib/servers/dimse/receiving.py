"""Instances on their way from a peer to the disk: bytes as they came behind a File Meta group (DICOM PS3.10 7.1).

Used by C-GET and by the storage side of our node. Nothing is decoded. An instance that does not become
whole leaves no file. One thread per `InstanceReceiver`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from VisualDICOMBrowserLib.model import FailedInstance, PartSink, ReceivedFile
from VisualDICOMBrowserLib.servers.faults import storage_fault
from VisualDICOMBrowserLib.servers.speed import Throttle
from VisualDICOMBrowserLib.servers.upper_layer.elements import (
    IMPLICIT_LITTLE,
    encode_elements,
    parse_elements,
    uid_bytes,
)
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION",
    "InstanceReceiver",
    "PartFile",
    "file_meta",
]

IMPLEMENTATION_CLASS_UID = "2.25.236637572567068505261713355052189858893"
IMPLEMENTATION_VERSION = "VISUALDICOM_01"

_INVALID_UIDS = 0xA900
_SOP_CLASS_NOT_SUPPORTED = 0x0122
_NOT_ASKED_FOR = 0xC000

_STUDY_UID = 0x0020000D
_SERIES_UID = 0x0020000E
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BEGINNING_BYTES = 16 * 1024
# As many as indexing looks at first.
_HEAD_BYTES = 8 * 1024

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
_MOST_AT_ONCE = 512

_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = b"\x02\0\0\0UL\x04\0"
_INSTANCE = b"\x02\0\x03\0UI"
_UID_HEADER = 8
_uid = re.compile(r"[0-9.]{1,64}")


def file_meta(sop_class: str, sop_instance: str, transfer_syntax: str, source: str) -> bytes:
    """Preamble, prefix and File Meta group of one instance that came from the AE title `source`."""
    before, after = _meta_parts(sop_class, transfer_syntax, source)
    uid = uid_bytes(sop_instance)
    length = _GROUP_LENGTH + (len(before) + _UID_HEADER + len(uid) + len(after)).to_bytes(4, "little")
    return b"".join((_PREAMBLE, length, before, _INSTANCE + len(uid).to_bytes(2, "little"), uid, after))


@lru_cache(maxsize=256)
def _meta_parts(sop_class: str, transfer_syntax: str, source: str) -> tuple[bytes, bytes]:
    """Elements before and after the SOP Instance UID, the same for all instances of a series."""
    before = [(0x00020001, "OB", b"\0\1"), (0x00020002, "UI", uid_bytes(sop_class))]
    after = [
        (0x00020010, "UI", uid_bytes(transfer_syntax)),
        (0x00020012, "UI", uid_bytes(IMPLEMENTATION_CLASS_UID)),
        (0x00020013, "SH", IMPLEMENTATION_VERSION.encode("ascii")),
    ]
    if source:
        after.append((0x00020016, "AE", source.encode("ascii", "replace")))
    return encode_elements(before, implicit=False), encode_elements(after, implicit=False)


class PartFile:
    """One instance while it arrives, in a ``.part`` file of the sink.

    Raises
    ------
    StorageFault
        The file cannot be made or written; it has been discarded.
    """

    def __init__(self, sink: PartSink, command: Command, transfer_syntax: str, source: str) -> None:
        self._sink = sink
        self._command = command
        self._transfer_syntax = transfer_syntax
        self._size = 0
        self._path = sink.new_part()
        try:
            # Not a file object: several instances come per millisecond, and each of its steps would count.
            self._descriptor = os.open(self._path, _NEW_FILE, 0o666)
        except OSError as fault:
            raise storage_fault(fault) from fault
        # Written together with the first piece of the data set.
        self._waiting = file_meta(command.sop_class, command.sop_instance, transfer_syntax, source)
        self._head = b""

    def write(self, *pieces: bytes | memoryview) -> None:
        """Append bytes as they came."""
        views: Sequence[bytes | memoryview] = pieces
        if self._waiting:
            views = (self._waiting, *pieces)
            self._head = b"".join((self._waiting, *(piece[:_HEAD_BYTES] for piece in pieces[:1])))
            self._waiting = b""
        try:
            self._size += _write_all(self._descriptor, views)
        except OSError as fault:
            self.discard()
            raise storage_fault(fault) from fault

    def finish(self) -> ReceivedFile:
        """Close the whole file and tell what it is."""
        try:
            if self._waiting:
                self.write()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
        except OSError as fault:
            self._sink.discard(self._path)
            raise storage_fault(fault) from fault
        return ReceivedFile(
            path=self._path,
            SOPClassUID=self._command.sop_class,
            SOPInstanceUID=self._command.sop_instance,
            TransferSyntaxUID=self._transfer_syntax,
            size=self._size,
            head=self._head,
        )

    def discard(self) -> None:
        """Remove the file; it will not become whole."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._sink.discard(self._path)


class InstanceReceiver:
    """Takes the C-STORE sub-operations of one retrieve and gives whole files to the sink.

    Parameters
    ----------
    sink : PartSink
        Where instances go.
    source : str
        AE title of the peer, kept in the File Meta group.
    wanted : frozenset of str
        SOP Instance UIDs that were asked for; others are refused. Empty: all are taken.
    on_change : callable, optional
        Called after each instance and each report of the peer.
    study, series : str
        UIDs that the instances should have; those that name others are kept and counted in ``foreign``.
    throttle : callable, optional
        Called with the bytes of each piece; rests where the server's speed is limited.
    """

    def __init__(
        self,
        sink: PartSink,
        source: str,
        wanted: frozenset[str] = frozenset(),
        on_change: Callable[[], None] = lambda: None,
        *,
        study: str = "",
        series: str = "",
        throttle: Throttle | None = None,
    ) -> None:
        self._sink = sink
        self._throttle = throttle
        self._source = source
        self._wanted = wanted
        self.on_change = on_change
        self._part: PartFile | None = None
        self.remaining: int | None = None
        self.received = 0
        self.bytes = 0
        self.refused: list[FailedInstance] = []
        self.instances: set[str] = set()
        self.foreign = 0
        self._uids = ((_STUDY_UID, study.encode("ascii", "replace")), (_SERIES_UID, series.encode("ascii", "replace")))
        self._instance = ""
        self._transfer_syntax = ""
        self._begun = False

    def begin(self, command: Command, transfer_syntax: str) -> int:
        """Start an instance; the status to answer at its end, 0 if it will be kept.

        `transfer_syntax` is that of its presentation context, empty if the context is not for storage.
        """
        status, reason = self._refusal(command, transfer_syntax)
        if status:
            self.refused.append(FailedInstance(SOPInstanceUID=command.sop_instance, reason=reason))
        else:
            self._part = PartFile(self._sink, command, transfer_syntax, self._source)
            self._instance, self._transfer_syntax, self._begun = command.sop_instance, transfer_syntax, False
        return status

    def write(self, *pieces: bytes | memoryview) -> None:
        """Take pieces of the instance's data set; dropped if the instance was refused."""
        if self._part is not None:
            if not self._begun:
                self._begun = True
                self.foreign += self._names_others(pieces[0])
            self._part.write(*pieces)
            size = sum(map(len, pieces))
            self.bytes += size
            if self._throttle is not None:
                self._throttle(size)

    def finish(self) -> None:
        """Give the whole instance to the sink."""
        if self._part is not None:
            part, self._part = self._part, None
            self._sink.add(part.finish())
            self.received += 1
            self.instances.add(self._instance)
            self.on_change()

    def announced(self, remaining: int | None) -> None:
        """Note how many instances the peer says are still to come."""
        self.remaining = remaining
        self.on_change()

    def discard(self) -> None:
        """Drop the instance in transit, if there is one."""
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _names_others(self, beginning: bytes | memoryview) -> bool:
        """Whether the first piece of a data set names another study or series; what it does not show is believed."""
        if self._transfer_syntax == _DEFLATED:
            return False
        raw = bytes(beginning[:_BEGINNING_BYTES])
        # Tag, four bytes of VR and length, value: true of explicit and implicit VR, and far quicker than reading all.
        doubtful = [
            (tag, uid)
            for tag, uid in self._uids
            if uid and not re.search(re.escape(_tag(tag)) + b"(?s:.{4})" + re.escape(uid) + rb"(?![0-9.])", raw)
        ]
        if not doubtful:
            return False
        found = parse_elements(raw, implicit=self._transfer_syntax == IMPLICIT_LITTLE, beginning_only=True)
        return any(found.get(tag, b"").strip(b"\0 ") not in (b"", uid) for tag, uid in doubtful)

    def _refusal(self, command: Command, transfer_syntax: str) -> tuple[int, str]:
        if not transfer_syntax:
            return _SOP_CLASS_NOT_SUPPORTED, "It was sent in a context that is not for images."
        if not (_uid.fullmatch(command.sop_class) and _uid.fullmatch(command.sop_instance)):
            return _INVALID_UIDS, "Its SOP Class UID or SOP Instance UID is not valid."
        if not command.has_data:
            return _INVALID_UIDS, "It was sent without data."
        if self._wanted and command.sop_instance not in self._wanted:
            return _NOT_ASKED_FOR, "It was not asked for."
        return 0, ""


def _tag(tag: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")


def _write_all(descriptor: int, pieces: Sequence[bytes | memoryview]) -> int:
    """Write all of `pieces`, in one step where the system can; the number of bytes."""
    total = sum(map(len, pieces))
    if hasattr(os, "writev") and len(pieces) <= _MOST_AT_ONCE:
        written = os.writev(descriptor, pieces)
        if written == total:
            return total
    else:
        written = 0
    for piece in pieces:
        if written >= len(piece):
            written -= len(piece)
            continue
        view = memoryview(piece)[written:]
        written = 0
        while view:
            view = view[os.write(descriptor, view) :]
    return total
