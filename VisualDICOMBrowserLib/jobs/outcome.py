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

__all__ = ["Outcome", "UnfinishedWork", "partial_result", "run_kind", "something_done"]

_logger = logging.getLogger(__name__)


class UnfinishedWork(Exception):
    """Raised by a kind whose work stopped halfway: why, and what is done.

    Whether it is tried again depends on `error`. If not, the job has failed, or is partly done where ``done_count``
    in the result is above 0.

    Parameters
    ----------
    error : VisualDICOMError
        What stopped it.
    result : dict
        A JSON object with ``done_count``, how much of the job is done (by earlier starts too), and otherwise what
        the kind returns.
    """

    def __init__(self, error: VisualDICOMError, result: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error
        self.result = result


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a start: a result, an error, or both where the work stopped halfway."""

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
        try:
            return Outcome(result=_json_object(kind.run(record, control)))
        except UnfinishedWork as stopped:
            return Outcome(result=_json_object(stopped.result), error=stopped.error)
    except VisualDICOMError as error:
        if isinstance(error, BugError):
            _logger.exception("Job %s met a fault of this program", record.job_id)
        return Outcome(error=error)
    except BaseException as error:
        _logger.exception("Job %s met a fault of this program", record.job_id)
        message = f"The job met a fault of this program ({type(error).__name__}: {error})."
        return Outcome(error=BugError(message, subject=record.job_id, next_step="The log has the details."))


def something_done(result: dict[str, Any] | None) -> bool:
    """Whether work that stopped halfway has done a part of it."""
    return bool((result or {}).get("done_count"))


def partial_result(result: dict[str, Any], error: VisualDICOMError) -> dict[str, Any]:
    """The result of a job that is partly done, with the reason as ``reason`` (a sentence) and ``reason_code``."""
    failed_count = max(1, int(result.get("failed_count") or 0))
    return {**result, "failed_count": failed_count, "reason": str(error), "reason_code": error.code}


def _json_object(result: dict[str, Any]) -> dict[str, Any]:
    """`result` as it comes back from the journal."""
    plain = json.loads(json.dumps(result, allow_nan=False))
    if not isinstance(plain, dict):
        message = "A job kind returned something that is no JSON object."
        raise BugError(message)
    return plain
