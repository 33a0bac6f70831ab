"""The list of studies of an Orthanc, kept in our own store until enough has changed on the server.

``cache_threshold`` of the server says how many changes are let pass: 0 asks anew after any change. Only the plain list
is kept; a search always asks. `find_records` is how drivers come to it. Any thread; the store is shared.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.errors import JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.model import FindResult, JobControl, Level, Query, record_as_dict, record_from_dict
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices, OnRecords
from VisualDICOMBrowserLib.servers.query_limits import is_search
from VisualDICOMBrowserLib.servers.web.orthanc_rest import OrthancRest

__all__ = ["STUDY_LISTS", "StudyListCache", "find_records"]

STUDY_LISTS = "orthanc-cache"
"""Section of our own store with the kept lists, by server."""

_MOST_STUDIES = 50_000
_RECORDS_AT_ONCE = 200


class StudyListCache:
    """The kept list of one server.

    Parameters
    ----------
    config : ServerConfig
    rest : OrthancRest
    own : OwnStore, optional
        Without it nothing is kept.
    """

    def __init__(self, config: ServerConfig, rest: OrthancRest, own: OwnStore | None) -> None:
        self._config = config
        self._rest = rest
        self._own = own

    def find(self, query: Query, control: JobControl | None = None) -> FindResult:
        """Studies that match, from the kept list where that is still good.

        The query is one that `effective_query` made.

        Raises
        ------
        PeerError, NetworkError, PeerTimeoutError
            As `OrthancRest.find_studies`.
        """
        own = self._own
        if own is None or is_search(self._config, query, datetime.date.today()):
            return self._rest.find_studies(query, control)
        kept = self._kept(own, query)
        if kept and not self._rest.needs_refresh(kept["last"], self._config.cache_threshold, control):
            named = {"server": self._config.name}
            records = tuple(record_from_dict(Level.STUDY, {**fields, **named}) for fields in kept["records"])
            return FindResult(records=records, limit_reached=kept["limit_reached"])
        # Asked before the list, so that what comes meanwhile counts as a change.
        last = self._rest.last_change(control)
        found = self._rest.find_studies(query, control)
        if len(found.records) <= _MOST_STUDIES:
            self._keep(own, query, last, found)
        return found

    def _kept(self, own: OwnStore, query: Query) -> dict[str, Any] | None:
        kept = own.get(STUDY_LISTS, self._config.name)
        return kept if kept and kept["asked"] == self._asked(query) else None

    def _keep(self, own: OwnStore, query: Query, last: int, found: FindResult) -> None:
        # The name of the server may change while the list is kept.
        records = [record_as_dict(replace(record, server="")) for record in found.records]
        value = {"asked": self._asked(query), "last": last, "limit_reached": found.limit_reached, "records": records}
        own.put(STUDY_LISTS, self._config.name, value)

    def _asked(self, query: Query) -> list[Any]:
        """What the list depends on."""
        return [self._config.rest_url, query.date_from, query.date_to, query.limit]


def find_records(
    config: ServerConfig,
    services: DriverServices,
    query: Query,
    control: JobControl,
    on_records: OnRecords | None,
    ask: Callable[[Query, JobControl, OnRecords | None], FindResult],
) -> FindResult:
    """Records that match, studies by way of the REST address where the server has one.

    Parameters
    ----------
    config : ServerConfig
    services : DriverServices
        Its ``database`` keeps the list, its ``secrets`` have the password.
    query : Query
        As `effective_query` made it.
    control : JobControl
    on_records : callable or None
        Gets records in batches.
    ask : callable
        Asks the server by DICOM: for everything else, and for studies if REST fails, which is told as a warning.
    """
    below = query.SeriesDescription or query.SeriesInstanceUID or query.SOPInstanceUID
    if not config.rest_url or query.level is not Level.STUDY or below:
        return ask(query, control, on_records)
    database = services.database
    own = None if database is None or database.read_only else database.own
    try:
        with closing(OrthancRest(config, services.secrets)) as rest:
            found = StudyListCache(config, rest, own).find(query, control)
    except JobCancelled:
        raise
    except VisualDICOMError as error:
        control.raise_if_cancelled()
        warning = f"The studies were searched by DICOM, because the REST address did not help: {error.message}"
        answer = ask(query, control, on_records)
        return replace(answer, warnings=(warning, *answer.warnings))
    if on_records is not None:
        for start in range(0, len(found.records), _RECORDS_AT_ONCE):
            on_records(list(found.records[start : start + _RECORDS_AT_ONCE]))
    return found
