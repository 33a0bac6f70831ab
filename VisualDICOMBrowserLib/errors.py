"""The failures that callers of this library meet, each a sentence for a person.

One base class; below it the faults of the *environment* (a peer, the network, a disk, a file), requests
that cannot be carried out as given (`UsageError`), and `BugError` for what should never happen.
Libraries below (pynetdicom, pydicom, sqlite3) are mapped to these once, where they are called.
Any thread, any layer; no imports from the rest of the package.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AssociationError",
    "BugError",
    "DatabaseFault",
    "DatabaseReadOnlyError",
    "EngineError",
    "EnvironmentFault",
    "ImageFault",
    "JobCancelled",
    "JournalError",
    "LoadError",
    "MissingDecoderError",
    "NetworkError",
    "PeerError",
    "PeerTimeoutError",
    "RejectedFileError",
    "StorageFault",
    "UnknownJobError",
    "UsageError",
    "VisualDICOMError",
    "error_from_dict",
]


class VisualDICOMError(Exception):
    """Base of every failure this library reports.

    Parameters
    ----------
    message : str
        What failed and where, one sentence a person understands.
    code : str
        Short stable name for programs, such as ``"association_rejected"``.
    server : str
        Name of the server concerned, empty if none.
    subject : str
        File, UID or job concerned, empty if none.
    next_step : str
        What the reader can do about it, one sentence, empty if nothing.
    retry_after : float, optional
        Seconds that the peer asks us to wait before the next try.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        server: str = "",
        subject: str = "",
        next_step: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.server = server
        self.subject = subject
        self.next_step = next_step
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def as_dict(self) -> dict[str, Any]:
        """Fields of this error as plain values, for the wire and for ``--json``."""
        fields = {
            "type": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "server": self.server,
            "subject": self.subject,
            "next_step": self.next_step,
        }
        return fields if self.retry_after is None else {**fields, "retry_after": self.retry_after}


class EnvironmentFault(VisualDICOMError):
    """Something outside this program failed: a peer, the network, a disk, a file."""

    code = "environment"


class NetworkError(EnvironmentFault):
    """A host is unknown, refuses the connection or broke it off."""

    code = "network"


class PeerTimeoutError(NetworkError):
    """A peer did not answer in the time it was given."""

    code = "timeout"


class PeerError(EnvironmentFault):
    """A peer answered with a failure."""

    code = "peer"


class AssociationError(PeerError):
    """A DICOM association was rejected, aborted, or lacks the needed presentation context."""

    code = "association"


class StorageFault(EnvironmentFault):
    """A disk is full, read-only, or failed."""

    code = "storage"


class JournalError(StorageFault):
    """The record of jobs kept beside the database cannot be read or written."""

    code = "journal"


class DatabaseFault(EnvironmentFault):
    """The local database cannot be used as it is (damaged, older, locked)."""

    code = "database"


class DatabaseReadOnlyError(DatabaseFault):
    """The local database may only be read (newer schema, read-only folder)."""

    code = "database_read_only"


class RejectedFileError(EnvironmentFault):
    """A file is not taken into the database; the message is the plain reason."""

    code = "rejected_file"


class LoadError(EnvironmentFault):
    """A series could not be made into a MRML node."""

    code = "load"


class ImageFault(EnvironmentFault):
    """The pixels of a file cannot be shown; the message is the plain reason."""

    code = "image"


class MissingDecoderError(ImageFault):
    """Compressed pixels need a package that is not installed; the message names it."""

    code = "missing_decoder"


class EngineError(EnvironmentFault):
    """The background engine cannot be reached or was restarted."""

    code = "engine"


class UsageError(VisualDICOMError):
    """The request itself cannot be carried out: unknown server, series or job, bad option."""

    code = "usage"


class UnknownJobError(UsageError):
    """Neither queue nor journal has this job."""

    code = "unknown_job"


class JobCancelled(VisualDICOMError):
    """The work was given up because the user asked for it."""

    code = "cancelled"


class BugError(VisualDICOMError):
    """A fault of this program; the technical log has the traceback."""

    code = "bug"


def error_from_dict(fields: dict[str, Any]) -> VisualDICOMError:
    """Error with the fields that `VisualDICOMError.as_dict` wrote; unknown types become the base class."""
    kind = globals().get(str(fields.get("type", "")))
    if not (isinstance(kind, type) and issubclass(kind, VisualDICOMError)):
        kind = VisualDICOMError
    return kind(
        str(fields.get("message", "")),
        code=str(fields.get("code", "")),
        server=str(fields.get("server", "")),
        subject=str(fields.get("subject", "")),
        next_step=str(fields.get("next_step", "")),
        retry_after=fields.get("retry_after"),
    )
