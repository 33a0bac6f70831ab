"""The records that every layer passes on, and the protocols by which layers hand each other work.

Patients, studies, series and instances as found in the local database or on a server; queries; what a
retrieve was asked for and what came of it; and the two seams that a server driver needs without knowing
the job queue or the database: `JobControl` and `InstanceSink`.

Fields that are DICOM attributes bear their DICOM keyword; dates are DICOM DA text (``YYYYMMDD``), times
DICOM TM text, person names raw PN text (``Family^Given``). Records are frozen and valid once made.
Standard library only, any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "AnyRecord",
    "FailedInstance",
    "FindResult",
    "InstanceRecord",
    "InstanceSink",
    "JobControl",
    "Level",
    "NullControl",
    "PartSink",
    "PatientRecord",
    "Query",
    "ReceivedFile",
    "RetrieveRequest",
    "RetrieveResult",
    "SentInstance",
    "SeriesRecord",
    "StoredInstance",
    "StudyRecord",
    "WorklistItem",
    "WorklistQuery",
    "priority_of",
    "record_as_dict",
    "record_from_dict",
]


class Level(str, Enum):
    """Query/retrieve level (DICOM PS3.4 C.3)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRecord:
    """One patient. ``key`` is the row of the local ``Patients`` table, None for a patient of a server."""

    PatientID: str
    PatientName: str = ""
    PatientBirthDate: str = ""
    PatientSex: str = ""
    NumberOfPatientRelatedStudies: int | None = None
    LastStudyDate: str = ""
    OtherBirthDates: tuple[str, ...] = ()
    key: int | None = None
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One study, with the patient's identity as the source gave it."""

    StudyInstanceUID: str
    PatientID: str = ""
    PatientName: str = ""
    PatientBirthDate: str = ""
    PatientSex: str = ""
    StudyDate: str = ""
    StudyTime: str = ""
    StudyID: str = ""
    StudyDescription: str = ""
    AccessionNumber: str = ""
    ModalitiesInStudy: tuple[str, ...] = ()
    InstitutionName: str = ""
    ReferringPhysicianName: str = ""
    NumberOfStudyRelatedSeries: int | None = None
    NumberOfStudyRelatedInstances: int | None = None
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRecord:
    """One series. ``thumbnail`` is the path of its picture, empty where there is none."""

    SeriesInstanceUID: str
    StudyInstanceUID: str = ""
    PatientID: str = ""
    SeriesNumber: int | None = None
    SeriesDescription: str = ""
    Modality: str = ""
    SeriesDate: str = ""
    SeriesTime: str = ""
    BodyPartExamined: str = ""
    FrameOfReferenceUID: str = ""
    NumberOfSeriesRelatedInstances: int | None = None
    Rows: int | None = None
    Columns: int | None = None
    thumbnail: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One SOP instance. ``path`` is the absolute file path of a local one, empty for one of a server."""

    SOPInstanceUID: str
    SOPClassUID: str = ""
    SeriesInstanceUID: str = ""
    StudyInstanceUID: str = ""
    InstanceNumber: int | None = None
    Rows: int | None = None
    Columns: int | None = None
    NumberOfFrames: int | None = None
    path: str = ""
    server: str = ""


AnyRecord = PatientRecord | StudyRecord | SeriesRecord | InstanceRecord

_RECORD_OF_LEVEL: dict[Level, type[Any]] = {
    Level.PATIENT: PatientRecord,
    Level.STUDY: StudyRecord,
    Level.SERIES: SeriesRecord,
    Level.IMAGE: InstanceRecord,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for, locally or on a server.

    Text fields match case-insensitively anywhere in the attribute; empty fields do not restrict.
    ``date_from`` and ``date_to`` bound StudyDate (``YYYYMMDD``, both ends included). ``limit`` is the
    largest number of answers wanted, 0 for no limit; ``offset`` is how many a server that counts them passes over.
    """

    level: Level = Level.STUDY
    PatientID: str = ""
    PatientName: str = ""
    StudyInstanceUID: str = ""
    SeriesInstanceUID: str = ""
    SOPInstanceUID: str = ""
    StudyDescription: str = ""
    SeriesDescription: str = ""
    AccessionNumber: str = ""
    Modalities: tuple[str, ...] = ()
    date_from: str = ""
    date_to: str = ""
    limit: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindResult:
    """Answer of a server: records in its order, and whether more exist than were given.

    ``next_offset`` is the `Query.offset` at which a server that counts its answers goes on, None if it does not.
    """

    records: tuple[AnyRecord, ...] = ()
    limit_reached: bool = False
    warnings: tuple[str, ...] = ()
    next_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveRequest:
    """A study, or one series of it, or some instances of that series.

    ``SOPClassUIDs`` are those the server named for it (used for presentation contexts; empty: unknown);
    ``expected`` is the number of instances the server announced, None if it did not.
    """

    StudyInstanceUID: str
    SeriesInstanceUID: str = ""
    SOPInstanceUIDs: tuple[str, ...] = ()
    PatientID: str = ""
    SOPClassUIDs: tuple[str, ...] = ()
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """One instance whole in ``path``, a ``.part`` file with File Meta Information, not yet indexed.

    ``flushed`` tells that its content is on the disk already, not only with the operating system. ``head`` holds the
    first bytes of the file if its receiver still had them, so that they need not be read again.
    """

    path: Path
    SOPClassUID: str
    SOPInstanceUID: str
    TransferSyntaxUID: str
    size: int
    flushed: bool = False
    head: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedInstance:
    """An instance that was asked for and did not arrive, or was not taken, and why."""

    SOPInstanceUID: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveResult:
    """What came of a retrieve: counts of instances, bytes received, and those that failed.

    ``warnings`` is what the server counted as completed with warning. ``failed`` lists UIDs where the
    server named them; ``failed_count`` counts them also where it did not.
    """

    received: int = 0
    bytes: int = 0
    warnings: int = 0
    failed_count: int = 0
    failed: tuple[FailedInstance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstance:
    """What became of an instance that reached the local database.

    ``status`` is ``imported``, ``unchanged``, ``conflict`` or ``rejected``, with the reason of the latter two.
    """

    SOPInstanceUID: str
    SeriesInstanceUID: str = ""
    status: str = "imported"
    reason: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentInstance:
    """What became of one instance that was to be sent.

    ``status`` is ``sent`` (confirmed by the receiver), ``warning`` (taken with a remark), or ``failed``: refused,
    or never offered because the receiver cannot have it. ``code`` is the receiver's own status, None without one.
    """

    SOPInstanceUID: str
    status: str = "sent"
    code: int | None = None
    reason: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistQuery:
    """What a worklist is asked for (DICOM PS3.4 K.6.1); empty fields do not restrict, dates are ``YYYYMMDD``."""

    ScheduledStationAETitle: str = ""
    Modality: str = ""
    date_from: str = ""
    date_to: str = ""
    PatientID: str = ""
    PatientName: str = ""
    AccessionNumber: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistItem:
    """One scheduled procedure step of a worklist."""

    PatientID: str = ""
    PatientName: str = ""
    PatientBirthDate: str = ""
    PatientSex: str = ""
    AccessionNumber: str = ""
    StudyInstanceUID: str = ""
    RequestedProcedureID: str = ""
    RequestedProcedureDescription: str = ""
    ReferringPhysicianName: str = ""
    Modality: str = ""
    ScheduledStationAETitle: str = ""
    ScheduledProcedureStepStartDate: str = ""
    ScheduledProcedureStepStartTime: str = ""
    ScheduledPerformingPhysicianName: str = ""
    ScheduledProcedureStepDescription: str = ""
    ScheduledProcedureStepID: str = ""
    server: str = ""


class JobControl(Protocol):
    """How running work hears of cancel and tells of progress; given by whoever runs it.

    A control may also have ``priority``, which changes while the work runs; ask `priority_of`.
    """

    @property
    def cancel_requested(self) -> bool:
        """True once the user asked to give up."""
        ...

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` once the user asked to give up."""
        ...

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, from any thread, when cancel is asked for (at once if it was already)."""
        ...

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        """Tell how much is done, of how much if known, and how many bytes came so far."""
        ...

    def log(self, message: str) -> None:
        """Add one sentence to the job's log."""
        ...


def priority_of(control: JobControl) -> int:
    """How urgent the work under this control is at the moment (a greater number goes first), 10 if nobody said."""
    return int(getattr(control, "priority", 10))


class PartSink(Protocol):
    """Where received instances go. Safe from several threads."""

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file on the disk where instances are kept; not yet created."""
        ...

    def add(self, received: ReceivedFile) -> None:
        """Hand over one file that is written whole and closed; the sink owns it from here on."""
        ...

    def discard(self, path: Path) -> None:
        """Remove a ``.part`` file that will not be completed."""
        ...


class InstanceSink(PartSink, Protocol):
    """The sink of one retrieve, as a driver gets it."""

    def stored(self, instances: Sequence[StoredInstance]) -> None:
        """Count instances of this retrieve that came into the database by another way (C-MOVE, an import)."""
        ...


class NullControl:
    """A `JobControl` that is never cancelled and tells nobody."""

    cancel_requested = False

    def raise_if_cancelled(self) -> None:
        """Do nothing."""

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Do nothing."""

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        """Do nothing."""

    def log(self, message: str) -> None:
        """Do nothing."""


def record_as_dict(record: AnyRecord) -> dict[str, Any]:
    """Plain fields of a record without those that are empty, for the wire and for ``--json``."""
    return {key: value for key, value in asdict(record).items() if value not in (None, "", ())}


def record_from_dict(level: Level | str, values: dict[str, Any]) -> Any:
    """Record of `level` from what `record_as_dict` wrote, also through JSON; unknown keys are dropped."""
    kind = _RECORD_OF_LEVEL[Level(level)]
    known = {field.name for field in fields(kind)}
    return kind(
        **{
            key: tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
            for key, value in values.items()
            if key in known
        }
    )
