"""The steps that every server of images has: search for one study, fetch one image of it and throw it away.

Works through the server's own driver, so that what passes here passes in a job. One thread per walk.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from VisualDICOMBrowserLib.errors import PeerError, StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import (
    InstanceRecord,
    Level,
    Query,
    ReceivedFile,
    RetrieveRequest,
    SeriesRecord,
    StoredInstance,
    StudyRecord,
)
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import NOT_TRIED, Omitted, Walk

__all__ = ["Sample", "ThrowAwaySink"]

_SERIES_LOOKED_AT = 50
# One image of these may be larger than a whole series of others.
_LARGE = frozenset(("SM", "XA", "RF", "US", "MG", "IVUS", "OPT", "NM", "XC"))


class ThrowAwaySink:
    """An `InstanceSink` that counts and keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._number = 0
        self.count = 0
        self.bytes = 0
        self.kept = 0

    def new_part(self) -> Path:
        """A fresh path."""
        with self._lock:
            self._number += 1
            return self._folder / f"{self._number}.part"

    def add(self, received: ReceivedFile) -> None:
        """Count a whole file and remove it."""
        with self._lock:
            self.count += 1
            self.bytes += received.size
        self.discard(received.path)

    def discard(self, path: Path) -> None:
        """Remove a file."""
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def stored(self, instances: Sequence[StoredInstance]) -> None:
        """Count what came into the database by another way (C-MOVE to our listener)."""
        with self._lock:
            self.count += len(instances)
            self.kept += len(instances)
            self.bytes += sum(instance.size for instance in instances)


class Sample:
    """Finds and fetches one image.

    Parameters
    ----------
    walk : Walk
        The walk it belongs to, whose driver does the work.
    """

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._study: StudyRecord | None = None
        self._request: RetrieveRequest | None = None

    def query(self) -> str:
        """Search for any one study."""
        found = self._walk.driver().find(Query(level=Level.STUDY, limit=1), self._walk.control)
        studies = [record for record in found.records if isinstance(record, StudyRecord) and record.StudyInstanceUID]
        if not studies:
            return "The search was answered; no study was found."
        self._study = studies[0]
        return "The search was answered; one study was looked at."

    def fetch(self, way: str) -> str:
        """Fetch one image of that study; `way` names how."""
        if not self._walk.config.retrieve_enabled:
            message = "Fetching from this server is switched off."
            raise Omitted(message)
        request = self.request()
        started = time.monotonic()
        with _temporary_folder() as folder:
            sink = ThrowAwaySink(Path(folder))
            result = self._walk.driver().retrieve(request, sink, self._walk.control)
        if not sink.count:
            raise self._nothing_came(result.failed[0].reason if result.failed else "")
        seconds = time.monotonic() - started
        size = f"{sink.bytes / 1e6:.1f} MB" if sink.bytes >= 1e5 else f"{sink.bytes / 1e3:.0f} kB"
        fate = "It is kept in the local database." if sink.kept else "It was thrown away again."
        duration = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        return f"One image ({size}) came {way} in {duration}. {fate}"

    def request(self) -> RetrieveRequest:
        """A request for one image of that study."""
        if self._study is None:
            message = "There is no study to fetch an image of."
            raise Omitted(message)
        if self._request is None:
            self._request = self._request_for(self._study)
        return self._request

    def _request_for(self, study: StudyRecord) -> RetrieveRequest:
        """A request for one image of a series that is likely to have small ones."""
        control = self._walk.control
        query = Query(level=Level.SERIES, StudyInstanceUID=study.StudyInstanceUID, PatientID=study.PatientID)
        try:
            found = self._walk.driver().find(query, control).records[:_SERIES_LOOKED_AT]
            series = [record for record in found if isinstance(record, SeriesRecord) and record.SeriesInstanceUID]
            series.sort(key=lambda record: record.Modality in _LARGE)
            for record in series[:3]:
                query = Query(
                    level=Level.IMAGE,
                    StudyInstanceUID=study.StudyInstanceUID,
                    SeriesInstanceUID=record.SeriesInstanceUID,
                    PatientID=study.PatientID,
                    limit=1,
                )
                images = self._walk.driver().find(query, control).records
                for image in images:
                    if isinstance(image, InstanceRecord) and image.SOPInstanceUID:
                        return RetrieveRequest(
                            StudyInstanceUID=study.StudyInstanceUID,
                            SeriesInstanceUID=record.SeriesInstanceUID,
                            SOPInstanceUIDs=(image.SOPInstanceUID,),
                            PatientID=study.PatientID,
                            SOPClassUIDs=(image.SOPClassUID,) if image.SOPClassUID else (),
                            expected=1,
                        )
        except PeerError as fault:
            # A server may refuse to list images and still send them; a whole series is too much for a test.
            message = f"The images of a study cannot be listed, so none was fetched: {fault.message}"
            raise Omitted(message, NOT_TRIED) from fault
        message = "The study that was found has no images that can be listed."
        raise Omitted(message)

    def _nothing_came(self, reason: str) -> VisualDICOMError:
        name = self._walk.config.name
        words = f"{name} did not send the image: {reason.rstrip('.')}." if reason else ""
        return PeerError(
            words or f"{name} said that it had sent the image, but nothing came.",
            code="nothing_came",
            server=name,
            next_step="Ask its administrator why it does not send images to us.",
        )


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="visual-dicom-test-", ignore_cleanup_errors=True)
    except OSError as fault:
        message = f"There is no room for a temporary file: {fault.strerror or fault}."
        raise StorageFault(message, next_step="Free some space.") from fault
