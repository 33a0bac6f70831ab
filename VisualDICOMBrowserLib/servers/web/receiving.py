"""Instances on their way from a web answer to the disk: the bytes of each part as they are, one ``.part`` file each.

Used by ``fetch``. A part is known by the header of its file once it is whole; one that does not become whole, or
is no DICOM object that can be indexed, leaves no file. Instances are written by threads of their own (``web-write``),
since making pages for a file costs more than receiving it. Counts are under a lock; a `PartWriter` belongs to one
thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path

from VisualDICOMBrowserLib.database.header_meta import locate_data_set
from VisualDICOMBrowserLib.database.header_scan import file_window, open_regular, scan_file
from VisualDICOMBrowserLib.database.header_source import TruncatedHeader
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.model import FailedInstance, JobControl, PartSink, ReceivedFile, RetrieveRequest
from VisualDICOMBrowserLib.servers.faults import storage_fault
from VisualDICOMBrowserLib.servers.speed import Throttle, throttle_of

__all__ = ["PartWriter", "WebReceiver", "Writers"]

_WRITERS = 2
# At most so many instances of at most so many bytes are held for the writers.
_MOST_HELD = 6
_LARGE_BYTES = 1024 * 1024
_PROGRESS_S = 0.1
_STUDY_UID, _SERIES_UID, _SOP_CLASS = "0020,000D", "0020,000E", "0008,0016"


class WebReceiver:
    """Takes the instances of one request and gives whole files to the sink.

    Parameters
    ----------
    sink : PartSink
        Where instances go.
    request : RetrieveRequest
        What was asked for; instances that name another study or series are kept and counted in ``foreign``.
    control : JobControl
        Hears of progress.
    only_wanted : bool
        Whether instances of the series that the request does not list are left out without a word, because more was
        asked of the server than is needed; else they are refused.
    throttle : callable, optional
        Called with the bytes that came; rests where the server's speed is limited.
    """

    def __init__(
        self,
        sink: PartSink,
        request: RetrieveRequest,
        control: JobControl,
        *,
        only_wanted: bool = False,
        throttle: Throttle | None = None,
    ) -> None:
        self._throttle = throttle or throttle_of(None)
        self.sink = sink
        self._request = request
        self._wanted = frozenset(request.SOPInstanceUIDs)
        self._control = control
        self._only_wanted = only_wanted
        self._lock = threading.Lock()
        self._told = 0.0
        self.expected = len(self._wanted) or request.expected
        self.received = 0
        self.bytes = 0
        self.foreign = 0
        self.instances: set[str] = set()
        self.refused: list[FailedInstance] = []

    def count_bytes(self, count: int) -> None:
        """Note bytes that arrived, rest if they came too fast, and tell of progress now and then."""
        self._throttle(count)
        now = time.monotonic()
        with self._lock:
            self.bytes += count
            if now - self._told < _PROGRESS_S:
                return
            self._told = now
        self.tell()

    def tell(self) -> None:
        """Tell how much has come."""
        total = None if self.expected is None else max(self.expected, self.received)
        self._control.progress(self.received, total, self.bytes)

    def take(self, path: Path, size: int) -> None:
        """Judge a whole file and give it to the sink."""
        try:
            received, study, series = _identified(path, size)
        except (RejectedFileError, TruncatedHeader) as fault:
            self._refuse(path, "", f"It cannot be kept: {fault}")
            return
        ours = study == self._request.StudyInstanceUID and series == (self._request.SeriesInstanceUID or series)
        unwanted = bool(self._wanted) and received.SOPInstanceUID not in self._wanted
        if ours and unwanted:
            if self._only_wanted:
                self.sink.discard(path)
            else:
                self._refuse(path, received.SOPInstanceUID, "It was not asked for.")
            return
        self.sink.add(received)
        with self._lock:
            self.received += 1
            self.foreign += not ours
            if ours:
                self.instances.add(received.SOPInstanceUID)

    def _refuse(self, path: Path, uid: str, reason: str) -> None:
        self.sink.discard(path)
        with self._lock:
            self.refused.append(FailedInstance(SOPInstanceUID=uid, reason=reason))


class Writers:
    """Threads that write whole instances, so that the network does not wait for the disk; a context manager.

    At its end all instances are written, and the first fault of them is raised.
    """

    def __init__(self, receiver: WebReceiver) -> None:
        self.receiver = receiver
        self._room = threading.Semaphore(_MOST_HELD)
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="web-write")
        self._failure: BaseException | None = None

    def part(self) -> PartWriter:
        """A fresh instance."""
        return PartWriter(self)

    def put(self, pieces: list[bytes | memoryview]) -> None:
        """Write a whole instance; waits while enough of them wait already.

        Raises
        ------
        StorageFault
            An earlier one could not be written.
        """
        self.raise_failure()
        self._room.acquire()
        self._pool.submit(self._write, pieces)

    def raise_failure(self) -> None:
        """Raise what kept an instance from being written."""
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, kind: object, fault: object, trace: object) -> None:
        self._pool.shutdown()
        if fault is None:
            self.raise_failure()

    def _write(self, pieces: list[bytes | memoryview]) -> None:
        try:
            if self._failure is None:
                file = _PartFile(self.receiver)
                file.write(pieces)
                file.finish()
        except BaseException as fault:  # noqa: BLE001 - handed to the thread that fetches
            self._failure = self._failure or fault
        finally:
            self._room.release()


class PartWriter:
    """One instance while it arrives: held until it is whole, a large one written as it comes."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers
        self._pieces: list[bytes | memoryview] = []
        self._held = 0
        self._file: _PartFile | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes as they came.

        Raises
        ------
        StorageFault
            The file cannot be made or written.
        """
        self._pieces.append(data)
        self._held += len(data)
        if self._file is not None or self._held > _LARGE_BYTES:
            self._file = self._file or _PartFile(self._writers.receiver)
            pieces, self._pieces = self._pieces, []
            self._file.write(pieces)

    def finish(self) -> None:
        """The instance is whole."""
        if self._file is None:
            self._writers.put(self._pieces)
        else:
            self._file.finish()

    def discard(self) -> None:
        """Forget the instance; it will not become whole."""
        self._pieces = []
        if self._file is not None:
            self._file.discard()


class _PartFile:
    """A ``.part`` file of the sink; one that cannot be written is removed, and ends in `StorageFault`."""

    def __init__(self, receiver: WebReceiver) -> None:
        self._receiver = receiver
        self._path = receiver.sink.new_part()
        self._size = 0
        try:
            self._file: FileIO = self._path.open("xb", buffering=0)
        except OSError as fault:
            raise storage_fault(fault) from fault

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        try:
            # In one call, so that the system can make room for all of it at once.
            for piece in [b"".join(pieces)] if len(pieces) > 1 else pieces:
                view = memoryview(piece)
                while view:
                    written = self._file.write(view)
                    self._size += written
                    view = view[written:]
        except OSError as fault:
            self.discard()
            raise storage_fault(fault) from fault

    def finish(self) -> None:
        try:
            self._file.close()
        except OSError as fault:
            self._receiver.sink.discard(self._path)
            raise storage_fault(fault) from fault
        self._receiver.take(self._path, self._size)

    def discard(self) -> None:
        self._file.close()
        self._receiver.sink.discard(self._path)


def _identified(path: Path, size: int) -> tuple[ReceivedFile, str, str]:
    """What a file is, with its study and series."""
    values = scan_file(path, ()).values
    descriptor, _ = open_regular(str(path))
    try:
        encoding = locate_data_set(file_window(descriptor, size))
    finally:
        os.close(descriptor)
    received = ReceivedFile(
        path=path,
        SOPClassUID=values.get(_SOP_CLASS, ""),
        SOPInstanceUID=values.get("0008,0018", ""),
        TransferSyntaxUID=encoding.transfer_syntax if encoding else "",
        size=size,
    )
    return received, values.get(_STUDY_UID, ""), values.get(_SERIES_UID, "")
