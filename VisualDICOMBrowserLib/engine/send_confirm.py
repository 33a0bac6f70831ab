"""Whether a server lists what was sent to it; part of the job kind ``send``. Runs in the job's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, Level, Query
from VisualDICOMBrowserLib.servers.driver import ServerDriver

__all__ = ["not_listed"]

# Servers index what they took a little later, so that what is missing is asked for again after these seconds.
_PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)

_Series = tuple[str, str]


def not_listed(
    driver: ServerDriver, records: Iterable[InstanceRecord], control: JobControl, pauses_s: Sequence[float] = _PAUSES_S
) -> list[str]:
    """SOP Instance UIDs of those of `records` that the server does not list, asked series by series.

    Raises
    ------
    NetworkError, PeerTimeoutError, AssociationError, PeerError, UsageError, JobCancelled
        The server cannot be asked.
    """
    missing: dict[_Series, set[str]] = {}
    for record in records:
        missing.setdefault((record.StudyInstanceUID, record.SeriesInstanceUID), set()).add(record.SOPInstanceUID)
    pause = threading.Event()
    control.on_cancel(pause.set)
    for seconds in pauses_s:
        if not missing:
            break
        pause.wait(seconds)
        for series, wanted in list(missing.items()):
            control.raise_if_cancelled()
            missing[series] = wanted - _listed(driver, series, wanted, control)
            if not missing[series]:
                del missing[series]
    return sorted(uid for wanted in missing.values() for uid in wanted)


def _listed(driver: ServerDriver, series: _Series, wanted: set[str], control: JobControl) -> set[str]:
    query = Query(level=Level.IMAGE, StudyInstanceUID=series[0], SeriesInstanceUID=series[1])
    answer = driver.find(query, control)
    listed = _uids(answer.records)
    if not answer.limit_reached:
        return listed
    # The server gives no more than so many answers at once.
    for uid in sorted(wanted - listed):
        single = Query(level=Level.IMAGE, StudyInstanceUID=series[0], SeriesInstanceUID=series[1], SOPInstanceUID=uid)
        listed |= _uids(driver.find(single, control).records)
    return listed


def _uids(records: Iterable[object]) -> set[str]:
    return {record.SOPInstanceUID for record in records if isinstance(record, InstanceRecord)}
