"""The list of studies of an Orthanc, kept in our own store until enough has changed on the server.

``cache_threshold`` of the server says how many changes are let pass: 0 asks anew after any change. Only the plain list
is kept; a search always asks. Any thread; the store is shared.
"""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.model import FindResult, JobControl, Level, Query, record_as_dict, record_from_dict
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.web.orthanc_rest import OrthancRest, is_search

__all__ = ["StudyListCache"]

_SECTION = "orthanc-cache"
_MOST_STUDIES = 50_000


class StudyListCache:
    """The kept list of one server.

    Parameters
    ----------
    config : ServerConfig
    rest : OrthancRest
    own : OwnStore
    """

    def __init__(self, config: ServerConfig, rest: OrthancRest, own: OwnStore) -> None:
        self._config = config
        self._rest = rest
        self._own = own

    def find(self, query: Query, control: JobControl | None = None) -> FindResult:
        """Studies that match, from the kept list where that is still good.

        Raises
        ------
        PeerError, NetworkError, PeerTimeoutError
            As `OrthancRest.find_studies`.
        """
        if is_search(query):
            return self._rest.find_studies(query, control)
        kept = self._kept(query)
        if kept and not self._rest.needs_refresh(kept["last"], self._config.cache_threshold, control):
            records = tuple(record_from_dict(Level.STUDY, fields) for fields in kept["records"])
            return FindResult(records=records, limit_reached=kept["limit_reached"])
        # Asked before the list, so that what comes meanwhile counts as a change.
        last = self._rest.last_change(control)
        found = self._rest.find_studies(query, control)
        if len(found.records) <= _MOST_STUDIES:
            self._keep(query, last, found)
        return found

    def forget(self) -> None:
        """Ask anew at the next list."""
        self._own.delete(_SECTION, self._config.name)

    def _kept(self, query: Query) -> dict[str, Any] | None:
        kept = self._own.get(_SECTION, self._config.name)
        return kept if kept and kept["asked"] == self._asked(query) else None

    def _keep(self, query: Query, last: int, found: FindResult) -> None:
        records = [record_as_dict(record) for record in found.records]
        value = {"asked": self._asked(query), "last": last, "limit_reached": found.limit_reached, "records": records}
        self._own.put(_SECTION, self._config.name, value)

    def _asked(self, query: Query) -> list[Any]:
        """What the list depends on."""
        return [self._config.rest_url, self._config.query_limit, query.limit]
