"""Hearing of what is new on servers: by asking their change feeds, and by what their own scripts post to us.

Both end in the event ``server_changed``: ``server``, ``kind`` (study, series or instance), the UIDs that are known,
and ``count``, how many changes it stands for. Many changes of one series or study are one event, and there are at
most ten events per second. The number of the last change heard of is kept per server across restarts.

Threads: ``change-poller`` asks, ``change-events`` tells (`change_events`), and the end point has its own
(`servers.notifier`). The classes may be used from any thread.
"""

from __future__ import annotations

import logging
import secrets as random_text
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.engine.change_events import ChangeEvents, Tell
from VisualDICOMBrowserLib.engine.offline import OFFLINE
from VisualDICOMBrowserLib.errors import JobCancelled, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl, NullControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import SecretSource
from VisualDICOMBrowserLib.servers.node.notifier import Notification, Notifier
from VisualDICOMBrowserLib.servers.web.orthanc_rest import Change, OrthancRest
from VisualDICOMBrowserLib.settings import Settings

__all__ = ["CHANGES_HEARD", "OWN_SECRETS", "ChangePoller", "Notifications"]

logger = logging.getLogger(__name__)

OWN_SECRETS = ":notifications"
"""Under which name the secrets keep the token of our end point."""

CHANGES_HEARD = "orthanc-changes"
"""Section of our own store with how far each server was heard, by its name."""

_LONGEST_PAUSE_S = 600.0
_LOOK_AT_SERVERS_S = 5.0
_LONGEST_TIMEOUT_S = 10.0
_KIND_OF_CHANGE = {"NewStudy": "study", "StableStudy": "study", "NewSeries": "series", "NewInstance": "instance"}


class ChangePoller:
    """Asks change feeds; remembers per server how far it has heard.

    Parameters
    ----------
    own : OwnStore
        Where that is kept.
    secrets : SecretSource, optional
        Has ``rest_password``.
    add : callable
        Takes server, kind and UIDs of each change.
    """

    def __init__(self, own: OwnStore, secrets: SecretSource | None, add: Callable[..., None]) -> None:
        self._own = own
        self._secrets = secrets
        self._add = add

    def poll_once(self, config: ServerConfig, control: JobControl | None = None) -> int:
        """Ask one server what is new since the last time; the number of changes.

        The first time nothing is new: the feed is taken up at its end. A feed that began anew is told of as a
        change without UIDs.

        Raises
        ------
        PeerError, NetworkError, PeerTimeoutError, UsageError
            As `OrthancRest.changes`.
        """
        given = control or NullControl()
        rest = OrthancRest(config, self._secrets)
        try:
            kept = self._own.get(CHANGES_HEARD, config.name)
            if not kept or kept["rest_url"] != config.rest_url:
                self._keep(config, rest.last_change(given))
                return 0
            if rest.last_change(given) < kept["last"]:
                self._keep(config, rest.last_change(given))
                self._add(config.name, "study")
                return 1
            changes, last = rest.changes(kept["last"], given)
        finally:
            rest.close()
        for change in _without_repeats(changes):
            uids = change.uids
            self._add(
                config.name,
                _KIND_OF_CHANGE[change.kind],
                uids.StudyInstanceUID,
                uids.SeriesInstanceUID,
                uids.SOPInstanceUID,
            )
        if last != kept["last"]:
            self._keep(config, last)
        return len(changes)

    def _keep(self, config: ServerConfig, last: int) -> None:
        self._own.put(CHANGES_HEARD, config.name, {"rest_url": config.rest_url, "last": last})


class Notifications:
    """All of it for one engine.

    Parameters
    ----------
    servers : callable
        Gives the servers as they are set up now.
    settings : Settings
        ``notify/...``.
    own : OwnStore
    tell : callable
        Publishes an event: its name, and JSON fields.
    secrets : SecretSource, optional
        Passwords, and the token of our end point.
    """

    def __init__(
        self,
        servers: Callable[[], Iterable[ServerConfig]],
        settings: Settings,
        own: OwnStore,
        tell: Tell,
        secrets: SecretSource | None = None,
    ) -> None:
        self._servers = servers
        self._settings = settings
        self._tell = tell
        self._secrets = secrets
        self._events = ChangeEvents(tell)
        self._poller = ChangePoller(own, secrets, self._events.add)
        self._lock = threading.Lock()
        self._notifier: Notifier | None = None
        self._address: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._cancel = _Cancel()
        self._thread: threading.Thread | None = None
        self._look_again = False
        self._due: dict[str, float] = {}
        self._failing: dict[str, float] = {}

    def start(self) -> None:
        """Begin to ask servers, and to listen if the settings say so.

        Raises
        ------
        NetworkError
            The end point cannot listen; servers are asked nevertheless.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="change-poller", daemon=True)
                self._thread.start()
        if self._settings.flag("notify/enabled"):
            self.start_endpoint()

    def stop(self) -> None:
        """End every thread; may be called again."""
        self._cancel.request()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.stop_endpoint()
        self._events.close()

    close = stop

    def poll_once(self, server: str, control: JobControl | None = None) -> int:
        """Ask one server now; the number of changes. Raises as `ChangePoller.poll_once`, and for an unknown name."""
        for config in self._servers():
            if config.name == server:
                return self._poller.poll_once(config, control)
        message = f"There is no server {server!r}."
        raise UsageError(message, code="unknown_server", server=server)

    def servers_changed(self) -> None:
        """Look at the servers' settings again at once."""
        with self._changed:
            self._look_again = True
            self._changed.notify_all()

    def start_endpoint(self, host: str = "", port: int | None = None) -> dict[str, Any]:
        """Listen to what servers' scripts post; where it listens: ``host``, ``port``, ``url``, ``token``.

        Raises
        ------
        NetworkError
            It cannot listen there.
        """
        with self._lock:
            if self._notifier is None:
                address = host or self._settings.text("notify/host")
                number = self._settings.integer("notify/port") if port is None else port
                token = self._token()
                notifier = Notifier(address, number, token, self._take)
                notifier.start()
                self._notifier = notifier
                shown = f"[{address}]" if ":" in address else address
                url = f"http://{shown}:{notifier.port}/notify"
                self._address = {"host": address, "port": notifier.port, "url": url, "token": token}
            return dict(self._address)

    def stop_endpoint(self) -> None:
        """Listen to servers' scripts no more; may be called again."""
        with self._lock:
            notifier, self._notifier, self._address = self._notifier, None, {}
        if notifier is not None:
            notifier.close()

    def _token(self) -> str:
        """The token of our end point, made and kept when there is none."""
        kept = "" if self._secrets is None else self._secrets.get(OWN_SECRETS).get("notify_token", "")
        if kept:
            return kept
        token = random_text.token_urlsafe(32)
        if self._secrets is not None:
            self._secrets.put(OWN_SECRETS, "notify_token", token)
        return token

    def _take(self, notification: Notification) -> None:
        """Tell of what a script posted.

        Raises
        ------
        ValueError
            There is no server of that name.
        """
        server = notification["server"]
        if server not in {config.name for config in self._servers()}:
            message = "There is no server of that name."
            raise ValueError(message)
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        self._events.add(server, notification["kind"], *(notification.get(name, "") for name in names))

    def _run(self) -> None:
        while not self._cancel.ended():
            now = time.monotonic()
            for config in self._asked_servers():
                if self._cancel.ended():
                    return
                if self._due.get(config.name, 0.0) <= now:
                    self._due[config.name] = time.monotonic() + self._ask(config)
            with self._changed:
                upcoming = [due - time.monotonic() for due in self._due.values()]
                pause = max(0.0, min([*upcoming, _LOOK_AT_SERVERS_S]))
                if self._changed.wait_for(lambda: self._cancel.ended() or self._look_again, pause):
                    self._look_again = False
                    self._due.clear()
                    self._failing.clear()

    def _asked_servers(self) -> list[ServerConfig]:
        if self._settings.flag(OFFLINE):
            return []
        try:
            servers = [c for c in self._servers() if c.enabled and c.rest_url and c.notification_interval_s > 0]
        except VisualDICOMError as error:
            logger.info("The servers cannot be looked at: %s", error)
            return []
        names = {config.name for config in servers}
        self._due = {name: due for name, due in self._due.items() if name in names}
        return servers

    def _ask(self, config: ServerConfig) -> float:
        """Ask one server; seconds until it is to be asked again, longer and longer while it fails."""
        try:
            # One thread asks all servers, so none may hold up the others for long.
            self._poller.poll_once(replace(config, timeout_s=min(config.timeout_s, _LONGEST_TIMEOUT_S)), self._cancel)
        except VisualDICOMError as error:
            pause = min(_LONGEST_PAUSE_S, 2 * self._failing.get(config.name, config.notification_interval_s))
            if config.name not in self._failing and not self._cancel.cancel_requested:
                logger.info("A server cannot be asked for changes: %s", error)
                self._tell("server_changes_failed", server=config.name, error=error.as_dict())
            self._failing[config.name] = max(pause, config.notification_interval_s)
            return self._failing[config.name]
        except Exception:
            logger.exception("Asking a server for changes failed")
            return _LONGEST_PAUSE_S
        self._failing.pop(config.name, None)
        return config.notification_interval_s


class _Cancel(NullControl):
    """Control of requests under way, which end when the engine does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._callback: Callable[[], None] | None = None

    @property
    def cancel_requested(self) -> bool:  # type: ignore[override]
        """True once the engine ends."""
        return self._requested

    def ended(self) -> bool:
        """True once the engine ends."""
        return self._requested

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` once the engine ends."""
        if self._requested:
            message = "The engine ends."
            raise JobCancelled(message)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call the latest callback at the end: one request is under way at a time."""
        with self._lock:
            if not self._requested:
                self._callback = callback
                return
        callback()

    def request(self) -> None:
        """End what is under way."""
        with self._lock:
            self._requested = True
            callback, self._callback = self._callback, None
        if callback is not None:
            callback()


def _without_repeats(changes: Iterable[Change]) -> list[Change]:
    """Changes without those that say the same of the same, the first of each."""
    seen: dict[tuple[str, Any], Change] = {}
    for change in changes:
        seen.setdefault((_KIND_OF_CHANGE[change.kind], change.uids), change)
    return list(seen.values())
