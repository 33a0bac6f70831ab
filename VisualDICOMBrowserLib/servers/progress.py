"""Progress and outcome of a retrieve that is made of parts, one after the other or side by side. Any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from VisualDICOMBrowserLib.errors import AssociationError, JobCancelled, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl, RetrieveResult, priority_of

__all__ = ["PartControl", "ProgressSum", "combined", "ends_in_order", "is_answered", "settled"]

_ANSWERED = frozenset(("peer_status", "not_found", "busy", "peer_cancelled"))


class ProgressSum:
    """Sums up what parts tell, and tells the job.

    Parameters
    ----------
    control : JobControl
        The job's.
    total : int or None
        Instances expected of all parts together; None sums up what the parts expect.
    """

    def __init__(self, control: JobControl, total: int | None = None) -> None:
        self.control = control
        self._total = total
        self._lock = threading.Lock()
        self._parts: list[tuple[int, int | None, int]] = []

    def part(self) -> PartControl:
        """Control for one more part."""
        with self._lock:
            self._parts.append((0, None, 0))
            return PartControl(self, len(self._parts) - 1)

    def update(self, part: int, done: int, total: int | None, received_bytes: int | None) -> None:
        """Note how far a part is."""
        with self._lock:
            self._parts[part] = (done, total, received_bytes or 0)
            parts = list(self._parts)
        totals = [total for _, total, _ in parts]
        whole = self._total
        if whole is None and None not in totals:
            whole = sum(total or 0 for total in totals)
        all_done = sum(done for done, _, _ in parts)
        if whole is not None:
            whole = max(whole, all_done)
        self.control.progress(all_done, whole, sum(size for _, _, size in parts))


class PartControl:
    """`JobControl` of one part: priority, cancel and log are the job's, progress goes into the sum."""

    def __init__(self, parent: ProgressSum, part: int) -> None:
        self._parent = parent
        self._part = part

    @property
    def priority(self) -> int:
        """How urgent the job is at the moment."""
        return priority_of(self._parent.control)

    @property
    def job_id(self) -> str:
        """Id of the job, empty where there is none."""
        return str(getattr(self._parent.control, "job_id", ""))

    @property
    def cancel_requested(self) -> bool:
        """True once the user asked to give up."""
        return self._parent.control.cancel_requested

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` once the user asked to give up."""
        self._parent.control.raise_if_cancelled()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when cancel is asked for."""
        self._parent.control.on_cancel(callback)

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        """Tell how far this part is."""
        self._parent.update(self._part, done, total, received_bytes)

    def log(self, message: str) -> None:
        """Add one sentence to the job's log."""
        self._parent.control.log(message)


def is_answered(error: VisualDICOMError) -> bool:
    """Whether the server answered in order that it cannot send; other parts may still come."""
    return isinstance(error, PeerError) and not isinstance(error, AssociationError) and error.code in _ANSWERED


def ends_in_order(error: BaseException) -> bool:
    """Whether nothing is on its way after this error, so that the association can be released."""
    return isinstance(error, JobCancelled) or (isinstance(error, VisualDICOMError) and is_answered(error))


def combined(results: Sequence[RetrieveResult]) -> RetrieveResult:
    """The results of parts as one."""
    return RetrieveResult(
        received=sum(result.received for result in results),
        bytes=sum(result.bytes for result in results),
        warnings=sum(result.warnings for result in results),
        failed_count=sum(result.failed_count for result in results),
        failed=tuple(item for result in results for item in result.failed),
    )


def settled(
    control: JobControl, outcomes: Sequence[tuple[int | None, RetrieveResult | VisualDICOMError]]
) -> RetrieveResult:
    """One result of parts, each with the number expected of it and its result or error.

    A part that the server answered with a failure counts as failed instances while other parts came;
    its reason goes to the job's log.

    Raises
    ------
    VisualDICOMError
        The first error that broke a part off, or that of the first part if none came.
    """
    errors = [item for _, item in outcomes if isinstance(item, VisualDICOMError)]
    broken = [error for error in errors if not is_answered(error)]
    if broken or len(errors) == len(outcomes):
        raise (broken or errors)[0]
    results = []
    for expected, item in outcomes:
        if isinstance(item, VisualDICOMError):
            control.log(str(item))
            item = RetrieveResult(failed_count=expected or 1)
        results.append(item)
    return combined(results)
