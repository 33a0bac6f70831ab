"""Reading instances directly from a server's storage folder, where that lies on a disk that we reach.

An Orthanc with a REST address says which file holds an instance; of any other storage the headers are read once and
an index is kept in our own store. What is not there, compressed by the server, or not what it should be, is left to
the network. Used by a retrieve, on its thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from VisualDICOMBrowserLib.database.header_meta import locate_data_set
from VisualDICOMBrowserLib.database.header_plan import plan_for
from VisualDICOMBrowserLib.database.header_scan import file_window, open_regular, scan_values
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.errors import RejectedFileError, StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceSink, JobControl, ReceivedFile, RetrieveRequest
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.faults import storage_fault
from VisualDICOMBrowserLib.servers.folders.index import FolderIndex, KnownFile, section_of_storage
from VisualDICOMBrowserLib.servers.folders.walk import FolderWalk, SeenFile, reach
from VisualDICOMBrowserLib.servers.web.orthanc_rest import OrthancRest

__all__ = ["StorageFetch", "StorageFolder", "open_storage"]

_MOST_SCANNED = 300_000
_SAVE_EVERY = 5_000
_BLOCK = 1 << 20
_WAIT_STEP_S = 0.2
_is_storage_name = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch

# Several series are fetched at once; one of their jobs reads the headers for all.
_indexing = threading.Lock()


@dataclass(frozen=True, slots=True)
class StorageFetch:
    """What was read: SOP Instance UIDs that the sink got, their bytes, and those known to be wanted that it did not.

    ``listed`` are the series by SOP Instance UID of all that the server said it has, None if it was not asked.
    ``reason`` says why nothing could be read, empty if the folder was usable.
    """

    fetched: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    bytes: int = 0
    listed: Mapping[str, str] | None = None
    reason: str = ""

    def is_sure(self, request: RetrieveRequest) -> bool:
        """Whether it can be said which instances of a request are left."""
        if not self.fetched or request.SOPInstanceUIDs or self.listed is not None:
            return True
        return request.expected is not None and len(self.fetched) >= request.expected and not self.missing

    def left(self, request: RetrieveRequest) -> list[RetrieveRequest]:
        """What is still to be asked for over the network: some instances of a series, or series of which none came.

        Where it cannot be said which instances are left, that is the whole request again.
        """
        if not self.fetched or not self.is_sure(request):
            return [request]
        if request.SOPInstanceUIDs:
            missing = self.missing
            return [replace(request, SOPInstanceUIDs=missing, expected=len(missing))] if missing else []
        listed = self.listed or {}
        series_of: dict[str, list[str]] = {}
        for uid, series in listed.items():
            if uid not in self.fetched:
                series_of.setdefault(series, []).append(uid)
        if "" in series_of:
            return [request]
        begun = {listed.get(uid) for uid in self.fetched}
        return [
            replace(
                request,
                SeriesInstanceUID=series,
                SOPInstanceUIDs=tuple(uids) if series in begun else (),
                expected=len(uids),
            )
            for series, uids in series_of.items()
        ]


class StorageFolder:
    """The storage folder of one server.

    Parameters
    ----------
    config : ServerConfig
        ``storage_folder``.
    rest : OrthancRest, optional
        Where to ask for the names of files.
    own : OwnStore, optional
        Where an index of headers is kept; without both, nothing is found.
    """

    def __init__(self, config: ServerConfig, rest: OrthancRest | None = None, own: OwnStore | None = None) -> None:
        self._config = config
        self._folder = Path(config.storage_folder).absolute()
        self._rest = rest
        self._own = own

    def fetch(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> StorageFetch:
        """Copy the instances of a request that lie in the folder into `sink`.

        Never fails because of the folder or the server: then nothing, or not all, is fetched.

        Raises
        ------
        JobCancelled
        StorageFault
            The disk of the database is full or failed.
        """
        try:
            reach(_as_folder(self._config))
            listed, found = self._located(request, control)
        except StorageFault:
            raise
        except VisualDICOMError as error:
            control.raise_if_cancelled()
            return StorageFetch(missing=request.SOPInstanceUIDs, reason=error.message)
        except OSError as error:
            return StorageFetch(missing=request.SOPInstanceUIDs, reason=str(error.strerror or error))
        fetched: set[str] = set()
        size = 0
        for uid, path in found.items():
            control.raise_if_cancelled()
            received = self._copied(path, uid, sink)
            if received is not None:
                sink.add(received)
                fetched.add(uid)
                size += received.size
                control.progress(len(fetched), len(found), size)
        wanted = request.SOPInstanceUIDs or tuple(listed or found)
        missing = tuple(uid for uid in wanted if uid not in fetched)
        return StorageFetch(frozenset(fetched), missing, size, listed)

    def _located(self, request: RetrieveRequest, control: JobControl) -> tuple[dict[str, str] | None, dict[str, Path]]:
        """What the server says it has (series by SOP Instance UID), and paths of what it or our index names."""
        listed: dict[str, str] | None = None
        if self._rest is not None:
            asked = {"StudyInstanceUID": request.StudyInstanceUID, "SeriesInstanceUID": request.SeriesInstanceUID}
            if len(request.SOPInstanceUIDs) == 1:
                asked["SOPInstanceUID"] = request.SOPInstanceUIDs[0]
            files = self._rest.files_of({key: uid for key, uid in asked.items() if uid}, control)
            listed = {file.SOPInstanceUID: file.SeriesInstanceUID for file in files if file.SOPInstanceUID}
            named = {file.SOPInstanceUID: file.name for file in files if _is_storage_name(file.name)}
            paths = {uid: self._folder / name[:2] / name[2:4] / name for uid, name in named.items()}
        elif self._own is not None:
            paths = self._indexed(self._own, request, control)
        else:
            paths = {}
        wanted = set(request.SOPInstanceUIDs)
        return listed, {uid: path for uid, path in paths.items() if not wanted or uid in wanted}

    def _indexed(self, own: OwnStore, request: RetrieveRequest, control: JobControl) -> dict[str, Path]:
        """Paths from the index of headers, brought up to date first."""
        while not _indexing.acquire(timeout=_WAIT_STEP_S):
            control.raise_if_cancelled()
        try:
            index = FolderIndex(own, section_of_storage(self._config.name), str(self._folder))
            self._bring_up_to_date(index, control)
        finally:
            _indexing.release()
        return {
            known.SOPInstanceUID: self._folder / relative
            for relative, known in index.files.items()
            if known.SOPInstanceUID
            and known.StudyInstanceUID == request.StudyInstanceUID
            and request.SeriesInstanceUID in ("", known.SeriesInstanceUID)
        }

    def _bring_up_to_date(self, index: FolderIndex, control: JobControl) -> None:
        """Read the headers of files that are new or changed, and forget those that are gone."""
        scanned = 0
        seen: set[str] = set()
        walk = FolderWalk(self._folder, recursive=True)
        try:
            for file in walk.files(control):
                seen.add(file.relative)
                known = index.files.get(file.relative)
                if (known is None or not known.is_of(file)) and scanned < _MOST_SCANNED:
                    scanned += 1
                    index.note(file.relative, _header_of(file))
                    if scanned % _SAVE_EVERY == 0:
                        control.log(f"{scanned} files of the storage folder of {self._config.name} were looked at.")
                        index.save()
            gone = set(index.files) - seen if not walk.faults else set()
            for relative in gone:
                index.drop(relative)
        finally:
            index.save()

    @staticmethod
    def _copied(path: Path, uid: str, sink: InstanceSink) -> ReceivedFile | None:
        """A copy among the sink's part files; None if the file is gone, compressed, cut, or another instance."""
        part = sink.new_part()
        kept = False
        try:
            if not _copy(path, part):
                return None
            size, values = scan_values(str(part), plan_for(()))
            syntax = _transfer_syntax(part)
            kept = values["0008,0018"] == uid
        except RejectedFileError:
            return None
        finally:
            if not kept:
                sink.discard(part)
        if not kept:
            return None
        return ReceivedFile(
            path=part,
            SOPClassUID=values.get("0008,0016", ""),
            SOPInstanceUID=uid,
            TransferSyntaxUID=syntax,
            size=size,
        )


@contextmanager
def open_storage(config: ServerConfig, services: DriverServices) -> Iterator[StorageFolder | None]:
    """The storage folder of a server with what it needs, closed at the end of the block; None if it has none."""
    if not config.storage_folder:
        yield None
        return
    own = None if services.database is None or services.database.read_only else services.database.own
    rest = OrthancRest(config, services.secrets) if config.rest_url else None
    try:
        yield StorageFolder(config, rest, own)
    finally:
        if rest is not None:
            rest.close()


def _copy(source: Path, part: Path) -> bool:
    """Copy the bytes of a file; False if it cannot be read.

    Raises
    ------
    StorageFault
        The copy cannot be written.
    """
    try:
        opened = source.open("rb")
    except OSError:
        return False
    with opened:
        try:
            written = part.open("wb")
        except OSError as error:
            raise storage_fault(error) from error
        with written:
            while True:
                try:
                    block = opened.read(_BLOCK)
                except OSError:
                    return False
                if not block:
                    return True
                try:
                    written.write(block)
                except OSError as error:
                    with contextlib.suppress(OSError):
                        written.close()
                    raise storage_fault(error) from error


def _transfer_syntax(path: Path) -> str:
    descriptor, size = open_regular(str(path))
    try:
        encoding = locate_data_set(file_window(descriptor, size))
    finally:
        os.close(descriptor)
    return encoding.transfer_syntax if encoding else ""


def _header_of(file: SeenFile) -> KnownFile:
    """What the index keeps of a file, also of one that is not DICOM."""
    try:
        _, values = scan_values(file.path, plan_for(()))
    except RejectedFileError:
        return KnownFile(file.size, file.modified_ns, "rejected")
    uids = (values["0008,0018"], values["0020,000E"], values["0020,000D"])
    return KnownFile(file.size, file.modified_ns, "seen", *uids)


def _as_folder(config: ServerConfig) -> ServerConfig:
    """The server's storage as a folder, for asking whether it is there."""
    return replace(config, protocol="folder", folder=config.storage_folder)
