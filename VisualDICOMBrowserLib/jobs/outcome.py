"""One start of a job: calls its kind and turns whatever happens into an `Outcome`.

Runs on a worker thread without any lock; nothing a kind raises gets past it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.errors import BugError, JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobKind, JobRecord
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["Outcome", "run_kind"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a start: a result, or an error."""

    result: dict[str, Any] | None = None
    error: VisualDICOMError | None = None

    @property
    def gave_up(self) -> bool:
        """Whether the work ended because it was told to."""
        return isinstance(self.error, JobCancelled)

    @property
    def partly(self) -> bool:
        """Whether the result counts failures."""
        return bool((self.result or {}).get("failed_count"))


def run_kind(kind: JobKind, record: JobRecord, control: JobControl) -> Outcome:
    """Do the work of `record` and tell what came of it; never raises."""
    try:
        return Outcome(result=_json_object(kind.run(record, control)))
    except VisualDICOMError as error:
        if isinstance(error, BugError):
            _logger.exception("Job %s met a fault of this program", record.job_id)
        return Outcome(error=error)
    except BaseException as error:
        _logger.exception("Job %s met a fault of this program", record.job_id)
        message = f"The job met a fault of this program ({type(error).__name__}: {error})."
        return Outcome(error=BugError(message, subject=record.job_id, next_step="The log has the details."))


def _json_object(result: dict[str, Any]) -> dict[str, Any]:
    """`result` as it comes back from the journal."""
    plain = json.loads(json.dumps(result, allow_nan=False))
    if not isinstance(plain, dict):
        message = "A job kind returned something that is no JSON object."
        raise BugError(message)
    return plain
