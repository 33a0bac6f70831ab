"""What a retrieve tells in the end: counts, what failed and why, and from where everything came.

Pure functions over what `retrieve_run` leaves. Instances that were listed are accounted for one by one, all others by
the number that the server announced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.engine.retrieve_run import Asked
from VisualDICOMBrowserLib.errors import PeerError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.retry import may_pass
from VisualDICOMBrowserLib.model import JobControl, RetrieveResult

__all__ = ["Account", "account_of", "as_list", "log_sources", "none_came", "worst_error"]

# A study of more series than this is told of in one line for each source.
_SERIES_IN_LOG = 20


@dataclass(slots=True)
class Account:
    """What did not come: how many, how many of them because of a conflict, and those known by UID with the reason."""

    count: int = 0
    conflicts: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, uid: str, reason: str) -> None:
        """Count one instance, once."""
        if uid not in self.failed:
            self.failed[uid] = reason
            self.count += 1


def account_of(
    asked: Sequence[Asked], missing: Iterable[str], control: JobControl, known: Mapping[str, int] | None = None
) -> Account:
    """What did not come, after everybody was asked; `missing` are the listed instances that are nowhere.

    `known` tells how many instances a series has where the server that was asked did not announce it.
    """
    account = Account()
    reasons = _reasons(asked)
    stored = {uid for request in asked for uid in request.delivery.stored_series}
    for uid in missing:
        account.add(uid, reasons.get(uid) or "None of the servers sent it.")
    for request in asked:
        for refused in request.delivery.refused:
            if refused.SOPInstanceUID not in stored:
                account.conflicts += refused.status == "conflict" and refused.SOPInstanceUID not in account.failed
                account.add(refused.SOPInstanceUID, refused.reason)
    for request in asked:
        if not request.listed:
            _add_unlisted(account, request, control, known or {})
        elif request.result is not None:
            # The server failed with more than we had heard of: what these are nobody knows.
            lost = sum(uid not in request.delivery.stored_series for piece in request.pieces for uid in piece.uids)
            account.count += max(0, request.result.failed_count - lost)
    return account


def _add_unlisted(account: Account, request: Asked, control: JobControl, known: Mapping[str, int]) -> None:
    result = request.result or RetrieveResult()
    named = {item.SOPInstanceUID for item in result.failed}
    for item in result.failed:
        account.add(item.SOPInstanceUID, item.reason)
    account.count += max(0, result.failed_count - len(named))
    told = max(result.failed_count, len(named)) + len(request.delivery.refused)
    if request.request.expected is None:
        if request.error is not None:
            whole = sum(known.get(piece.series, 0) for piece in request.pieces)
            account.count += max(1, whole - len(request.delivery.stored_series) - told)
        return
    short = max(0, request.request.expected - len(request.delivery.stored_series) - told)
    account.count += short
    if short and request.error is None:
        control.log(f"{request.source} announced {short} more images than came, without saying which.")


def _reasons(asked: Sequence[Asked]) -> dict[str, str]:
    """Why instances did not come, by UID; the last word on each."""
    reasons: dict[str, str] = {}
    for request in asked:
        why = str(request.error) if request.error else f"{request.source} did not send it."
        reasons.update(dict.fromkeys((uid for piece in request.pieces for uid in piece.uids), why))
        if request.result is not None:
            reasons.update((item.SOPInstanceUID, item.reason) for item in request.result.failed)
        reasons.update((item.SOPInstanceUID, item.reason) for item in request.delivery.refused)
    return reasons


def none_came(account: Account, asked: Sequence[Asked]) -> PeerError:
    """The failure of a retrieve that brought nothing although servers answered."""
    refused = any(request.delivery.refused for request in asked)
    servers = list(dict.fromkeys(request.source for request in asked))
    came = "could be kept" if refused else f"came from {' or '.join(servers)}"
    message = f"None of the {account.count} images asked for {came}."
    reason = next(iter(account.failed.values()), "")
    return PeerError(message, server=servers[0] if len(servers) == 1 else "", next_step=reason)


def worst_error(errors: Iterable[VisualDICOMError]) -> VisualDICOMError | None:
    """The error that decides what becomes of the job: the last that may pass by itself, else the last."""
    known = list(errors)
    chosen = [error for error in known if may_pass(error)] or known
    return chosen[-1] if chosen else None


def log_sources(asked: Sequence[Asked], control: JobControl) -> dict[str, int]:
    """Write to the job's log from where each series came; instances by server."""
    counts: dict[str, Counter[str]] = {}
    for request in asked:
        counts.setdefault(request.source, Counter()).update(request.delivery.stored_series.values())
    for source, by_series in counts.items():
        _log_source(source, by_series, control)
    return {source: by_series.total() for source, by_series in counts.items()}


def _log_source(source: str, by_series: Mapping[str, int], control: JobControl) -> None:
    if len(by_series) > _SERIES_IN_LOG:
        total = sum(by_series.values())
        control.log(f"{total} images of {len(by_series)} series came from {source}.")
        return
    for series, count in by_series.items():
        control.log(f"{count} {'image' if count == 1 else 'images'} of series {series} came from {source}.")


def as_list(failed: Mapping[str, str]) -> list[dict[str, Any]]:
    """Failed instances as plain values."""
    return [{"SOPInstanceUID": uid, "reason": reason} for uid, reason in failed.items()]
