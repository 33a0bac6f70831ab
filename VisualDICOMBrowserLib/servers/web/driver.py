"""`WebDriver`: one DICOM server by DICOMweb (QIDO-RS, WADO-RS, STOW-RS).

Puts the parts together: sign-in, session, search, fetch, send. Whole series and studies are fetched by the worker
processes of `BulkPool` where there are any, since splitting and writing would take this process's turn from all
other jobs; the worker gets the sign-in of the moment through its pipe. One job, one thread.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import PeerError, UsageError
from VisualDICOMBrowserLib.model import (
    FindResult,
    InstanceRecord,
    InstanceSink,
    JobControl,
    Level,
    Query,
    RetrieveRequest,
    RetrieveResult,
    WorklistItem,
    WorklistQuery,
)
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices, OnRecords, OnSent
from VisualDICOMBrowserLib.servers.query_limits import effective_query
from VisualDICOMBrowserLib.servers.web.fetch import FEW_INSTANCES, WebLogin, fetch_request
from VisualDICOMBrowserLib.servers.web.http import SecretHeaders, WebSession, secret_headers
from VisualDICOMBrowserLib.servers.web.query import WebSearch
from VisualDICOMBrowserLib.servers.web.sign_in import SignIn
from VisualDICOMBrowserLib.servers.web.store import WebSender
from VisualDICOMBrowserLib.servers.web.urls import WebUrls
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool

__all__ = ["WebDriver"]

_PICTURE_SIDE = 256
_MOST_PICTURE_BYTES = 16 * 1024 * 1024
_NO_PICTURE = frozenset(("not_found", "http_400", "http_405", "http_406", "http_415", "http_500", "http_501"))
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n"


class WebDriver:
    """`ServerDriver` for DICOMweb.

    Parameters
    ----------
    config : ServerConfig
        The server.
    settings : Settings
        Settings of the engine.
    pool : BulkPool, optional
        Worker processes for whole series and studies.
    services : DriverServices, optional
        Secrets, shared tokens, and the way to tell a person to sign in.
    """

    def __init__(
        self,
        config: ServerConfig,
        settings: Settings,
        pool: BulkPool | None = None,
        services: DriverServices | None = None,
    ) -> None:
        self._config = config
        self._settings = settings
        # A limit of speed holds within one process (``servers.speed``).
        self._pool = None if config.speed_limit_mb_s else pool
        self._services = services or DriverServices()
        self._sign_in = SignIn(config, self._services)
        self._session = WebSession(config, self._secrets(), self._sign_in)
        self._sign_in.post = self._session.post_form

    @property
    def name(self) -> str:
        """The server's name."""
        return self._config.name

    def echo(self, control: JobControl) -> float:
        """Ask for one study; seconds from connecting to the answer."""
        started = time.monotonic()
        self._find(Query(level=Level.STUDY, limit=1), control)
        return time.monotonic() - started

    def find(self, query: Query, control: JobControl, on_records: OnRecords | None = None) -> FindResult:
        """Records that match (QIDO-RS, studies by the REST address if there is one); `on_records` gets batches."""
        query = effective_query(self._config, query, datetime.date.today())
        if not self._config.rest_url:
            return self._find(query, control, on_records)
        from VisualDICOMBrowserLib.servers.web.orthanc_cache import find_records

        return find_records(self._config, self._services, query, control, on_records, self._find)

    def _find(self, query: Query, control: JobControl, on_records: OnRecords | None = None) -> FindResult:
        """Ask by QIDO-RS."""
        with self._session.cancellable(control):
            return WebSearch(self._config, self._session, query, control, on_records).run()

    def retrieve(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """Fetch instances (WADO-RS) into `sink`: one streamed answer, or one by one where only few are missing.

        What lies in the server's storage folder is read there.
        """
        control.raise_if_cancelled()
        if not self._config.storage_folder:
            return self._fetch(request, sink, control)
        from VisualDICOMBrowserLib.servers.folders.storage_retrieve import retrieve_past_network

        return retrieve_past_network(
            self._config, self._services, request, sink, control, fetch=self._fetch, find=self._find
        )

    def _fetch(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        few = 0 < len(request.SOPInstanceUIDs) <= FEW_INSTANCES
        if few and not request.SeriesInstanceUID:
            request = self._with_series(request, control)
        if few or self._pool is None or not self._pool.workers:
            return fetch_request(self._config, self._session, request, sink, control)
        return self._retrieve_in_pool(request, sink, control)

    def store(self, instances: Sequence[InstanceRecord], control: JobControl, on_sent: OnSent) -> None:
        """Send local instances (STOW-RS); `on_sent` hears of each as soon as its fate is known."""
        with self._session.cancellable(control):
            WebSender(self._config, self._session, control, on_sent).send(instances)

    def worklist(self, query: WorklistQuery, control: JobControl) -> tuple[WorklistItem, ...]:
        """Not offered.

        Raises
        ------
        UsageError
            Always: DICOMweb servers have no worklist of this kind.
        """
        message = f"{self.name} is a DICOMweb server, which offers no worklist."
        raise UsageError(message, code="not_offered", server=self.name)

    def picture(self, study: str, series: str, instance: str, control: JobControl) -> bytes | None:
        """A small picture that the server draws (PS3.18 10.4.1.1.3), None where it does not."""
        side = _PICTURE_SIDE
        url = WebUrls(self._config).retrieve(study, series, instance, "rendered") + f"?viewport={side},{side}"
        headers = {"Accept": "image/jpeg", "Accept-Encoding": "identity"}
        try:
            with (
                self._session.cancellable(control),
                self._session.request("GET", url, control, headers=headers) as answer,
            ):
                content = answer.content(_MOST_PICTURE_BYTES)
        except PeerError as refusal:
            if refusal.code in _NO_PICTURE:
                return None
            raise
        return content if content.startswith((_JPEG, _PNG)) else None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _retrieve_in_pool(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        part = FetchPart(requests=(request,), SOPClassUIDs=())
        login = self._login(control)
        try:
            return self._fetch_in_pool(login, part, sink, control)
        except PeerError as refusal:
            # A worker cannot sign in anew; a refused sign-in comes before the first image.
            if refusal.code != "sign_in" or not self._sign_in.renewed(login.authorization, control):
                raise
        return self._fetch_in_pool(self._login(control), part, sink, control)

    def _fetch_in_pool(
        self, login: WebLogin, part: FetchPart, sink: InstanceSink, control: JobControl
    ) -> RetrieveResult:
        if self._pool is None:
            return fetch_request(self._config, self._session, part.requests[0], sink, control)
        return self._pool.retrieve(self._config, login, [part], sink, control)

    def _login(self, control: JobControl) -> WebLogin:
        with self._session.cancellable(control):
            return WebLogin(self._sign_in.header(control), self._secrets())

    def _with_series(self, request: RetrieveRequest, control: JobControl) -> RetrieveRequest:
        """The request with its series where all instances are of one, which fetching one by one needs to know."""
        query = Query(level=Level.IMAGE, StudyInstanceUID=request.StudyInstanceUID)
        wanted = set(request.SOPInstanceUIDs)
        found: Any = self._find(query, control).records
        series = {item.SeriesInstanceUID for item in found if item.SOPInstanceUID in wanted}
        return replace(request, SeriesInstanceUID=series.pop()) if len(series) == 1 else request

    def _secrets(self) -> SecretHeaders:
        secrets = self._services.secrets
        return secret_headers(secrets.get(self._config.name)) if secrets is not None else SecretHeaders()
