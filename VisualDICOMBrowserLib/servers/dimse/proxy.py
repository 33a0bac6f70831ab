"""Retrieve by way of a proxy: a server that knows only C-MOVE sends to another one, from which we fetch.

The proxy is any server of the registry that takes C-STORE and is fetched from by its own driver. It is asked first
what it has, so that nothing is moved twice. One thread per call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from VisualDICOMBrowserLib.errors import PeerError, UsageError
from VisualDICOMBrowserLib.model import (
    FailedInstance,
    FindResult,
    InstanceRecord,
    InstanceSink,
    JobControl,
    Level,
    Query,
    RetrieveRequest,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.move_outcome import Destination, Moved, nothing_came, nothing_sent
from VisualDICOMBrowserLib.servers.driver import ServerDriver

__all__ = ["ProxyRetrieval", "proxy_config", "proxy_destination"]

Find = Callable[[Query, JobControl], FindResult]
Move = Callable[[RetrieveRequest, Destination, JobControl], Moved]

_ASK_AGAIN_S = 0.5


def proxy_config(config: ServerConfig, server: Callable[[str], ServerConfig] | None) -> ServerConfig:
    """Settings of the proxy of `config`.

    Raises
    ------
    UsageError
        There is none of that name (``unknown_proxy``), or it cannot be a proxy (``bad_proxy``).
    """
    name = config.proxy
    try:
        found = server(name) if server is not None else None
    except UsageError:
        found = None
    if found is None:
        message = f"{config.name} is fetched by way of the proxy {name!r}, which is not among the servers."
        raise UsageError(
            message, code="unknown_proxy", server=config.name, next_step="Add the proxy, or choose another one."
        )
    if found.name == config.name or (found.protocol == "dimse" and found.retrieve_protocol == "proxy"):
        message = f"{config.name} cannot be fetched by way of {name!r}, which needs a proxy itself."
        raise UsageError(message, code="bad_proxy", server=config.name, next_step="Choose another proxy.")
    if not (found.called_ae_title or config.move_destination):
        message = f"The AE title under which {config.name} knows the proxy {name!r} is missing."
        raise UsageError(
            message, code="bad_proxy", server=config.name, next_step="Set the called AE title of the proxy."
        )
    return found


def proxy_destination(config: ServerConfig, proxy: ServerConfig) -> Destination:
    """Where `config` sends so that it reaches the proxy."""
    title = proxy.called_ae_title or config.move_destination
    return Destination(title, proxy.host, proxy.store_port or proxy.port)


class ProxyRetrieval:
    """One retrieve by way of a proxy.

    Parameters
    ----------
    config : ServerConfig
        The server that has the instances.
    proxy : ServerDriver
        The proxy.
    proxy_address : ServerConfig
        Its settings.
    find : callable
        C-FIND at the server.
    move : callable
        C-MOVE at the server.
    wait_s : float
        How long the proxy may take to show what it was sent, in seconds.
    """

    def __init__(
        self,
        config: ServerConfig,
        proxy: ServerDriver,
        proxy_address: ServerConfig,
        *,
        find: Find,
        move: Move,
        wait_s: float,
    ) -> None:
        self._config = config
        self._proxy = proxy
        self._destination = proxy_destination(config, proxy_address)
        self._find = find
        self._move = move
        self._wait_s = wait_s

    def run(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """Move what the proxy lacks, then fetch from the proxy.

        Raises
        ------
        PeerError
            The server does not know the proxy (``move_destination``), or reports success although nothing came there
            (``move_nothing_came``). Else as the drivers of both.
        """
        wanted = self._wanted(request, control)
        count = len(wanted) or request.expected
        there = self._at_proxy(request, control)
        moved: Moved | None = None
        if _has_all(there, wanted, count):
            control.log(f"{self._proxy.name} has all images of {self._config.name} already.")
        else:
            control.log(f'{self._config.name} sends by C-MOVE to the proxy {self._proxy.name} ("{self._title}").')
            moved = self._move(request, self._destination, control)
            there = self._arrived(request, wanted, count, moved, there, control)
        useful = there & wanted if wanted else there
        if not useful:
            raise self._nothing_came(moved)
        uids = tuple(uid for uid in request.SOPInstanceUIDs if uid in useful)
        from_proxy = replace(request, SOPInstanceUIDs=uids, expected=len(useful), SOPClassUIDs=())
        fetched = self._proxy.retrieve(from_proxy, sink, control)
        lacking = wanted - useful
        # Where it is not known how many there are, the server's own count of failures has to do.
        lost = max(len(lacking), count - len(useful), 0) if count else (moved.failed if moved is not None else 0)
        return self._settled(fetched, lacking, lost, control)

    @property
    def _title(self) -> str:
        return self._destination.ae_title

    def _wanted(self, request: RetrieveRequest, control: JobControl) -> frozenset[str]:
        """UIDs of what the server has of the request; empty if it cannot be asked."""
        if request.SOPInstanceUIDs:
            return frozenset(request.SOPInstanceUIDs)
        try:
            found = self._find(_images(request), control)
        except PeerError as refusal:
            control.log(str(refusal))
            return frozenset()
        uids = frozenset(record.SOPInstanceUID for record in found.records if isinstance(record, InstanceRecord))
        # A list that is cut would lose what it lacks.
        complete = not found.limit_reached and len(uids) >= (request.expected or 0)
        return uids if complete else frozenset()

    def _at_proxy(self, request: RetrieveRequest, control: JobControl) -> frozenset[str]:
        found = self._proxy.find(_images(request), control).records
        return frozenset(record.SOPInstanceUID for record in found if isinstance(record, InstanceRecord))

    def _arrived(
        self,
        request: RetrieveRequest,
        wanted: frozenset[str],
        count: int | None,
        moved: Moved,
        before: frozenset[str],
        control: JobControl,
    ) -> frozenset[str]:
        """What the proxy has, once it shows all that was sent or nothing more for the waiting time."""
        there = self._at_proxy(request, control)
        refused = nothing_sent(self._config, self._destination, moved) is not None
        promised = 0 if refused else (moved.completed if moved.completed is not None else count)
        changed_at = time.monotonic()
        pause = _Pause(control)
        while not _has_all(there, wanted, count) and len(there) < len(before) + (promised or 0):
            if time.monotonic() - changed_at > self._wait_s:
                break
            pause.wait(_ASK_AGAIN_S)
            now = self._at_proxy(request, control)
            if len(now) != len(there):
                changed_at = time.monotonic()
            there = now
        return there

    def _nothing_came(self, moved: Moved | None) -> PeerError:
        refusal = nothing_sent(self._config, self._destination, moved) if moved is not None else None
        return refusal or nothing_came(self._config, self._destination, f"at the proxy {self._proxy.name}", "the proxy")

    def _settled(
        self, fetched: RetrieveResult, lacking: frozenset[str], lost: int, control: JobControl
    ) -> RetrieveResult:
        """The proxy's result with what never reached the proxy."""
        if not lost:
            return fetched
        control.log(f"{lost} images of {self._config.name} did not reach the proxy {self._proxy.name}.")
        reason = f"{self._config.name} did not send it to the proxy {self._proxy.name}."
        return replace(
            fetched,
            failed_count=fetched.failed_count + lost,
            failed=(
                *fetched.failed,
                *(FailedInstance(SOPInstanceUID=uid, reason=reason) for uid in sorted(lacking)),
            ),
        )


class _Pause:
    """Waits that a cancel ends at once."""

    def __init__(self, control: JobControl) -> None:
        self._control = control
        self._cancelled = threading.Event()
        control.on_cancel(self._cancelled.set)

    def wait(self, seconds: float) -> None:
        """Wait, and raise `JobCancelled` if the user gave up."""
        self._cancelled.wait(seconds)
        self._control.raise_if_cancelled()


def _images(request: RetrieveRequest) -> Query:
    return Query(
        level=Level.IMAGE, StudyInstanceUID=request.StudyInstanceUID, SeriesInstanceUID=request.SeriesInstanceUID
    )


def _has_all(there: frozenset[str], wanted: frozenset[str], count: int | None) -> bool:
    """Whether the proxy has what is wanted, by UID, or by number if the UIDs are not known."""
    return wanted <= there if wanted else count is not None and 0 < count <= len(there)
