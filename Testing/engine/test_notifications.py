"""``server_changed`` from a real Orthanc: by asking it, and by its own Lua script posting to us."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.engine.change_events import ChangeEvents
from VisualDICOMBrowserLib.engine.notifications import OWN_SECRETS, Notifications
from VisualDICOMBrowserLib.errors import NetworkError, UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.settings import Settings

PAGE = Path(__file__).parents[2] / "Docs" / "orthanc-notifications.md"
WAIT_S = 30.0


class Heard:
    """Events, with a way to wait for one."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._changed = threading.Condition()

    def __call__(self, event: str, **fields: Any) -> None:
        with self._changed:
            self.events.append({"event": event, **json.loads(json.dumps(fields))})
            self.times.append(time.monotonic())
            self._changed.notify_all()

    def wait(self, test: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event that passes `test`."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(test, self.events)), WAIT_S), self.events
            return next(filter(test, self.events))


class Secrets:
    """Secrets in memory."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}

    def get(self, server: str) -> dict[str, str]:
        return self.values.get(server, {})

    def put(self, server: str, field: str, value: str) -> None:
        self.values.setdefault(server, {})[field] = value


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LocalDatabase]:
    opened = LocalDatabase.open(tmp_path / "database")
    yield opened
    opened.close()


@pytest.fixture
def make(database: LocalDatabase, heard: Heard) -> Iterator[Callable[..., Notifications]]:
    """Makes notifications for some servers; they end with the test."""
    made: list[Notifications] = []

    def build(
        *given: ServerConfig, servers: list[ServerConfig] | None = None, secrets: Secrets | None = None, **settings: Any
    ) -> Notifications:
        values = Settings({key.replace("_", "/", 1): value for key, value in settings.items()})
        values["notify/port"] = 0
        notifications = Notifications(
            lambda: given if servers is None else servers, values, database.own, heard, secrets
        )
        made.append(notifications)
        return notifications

    yield build
    for notifications in made:
        notifications.stop()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def config_of(server: Orthanc, **changes: Any) -> ServerConfig:
    return server.config(rest_url=f"http://127.0.0.1:{server.http_port}", **changes)


def put(server: Orthanc, folder: Path, count: int, number: int) -> CtSeries:
    series = make_ct_series(folder / str(number), count, number=number, patient=(f"P-{number}", f"Name{number}"))
    assert server.put(series.files.values()) == count
    return series


def test_what_comes_to_an_orthanc_is_told(
    make: Callable[..., Notifications], heard: Heard, orthanc: Orthanc, tmp_path: Path
) -> None:
    put(orthanc, tmp_path, 1, 1)
    config = config_of(orthanc)
    notifications = make(config)
    # What was there before we ever asked is no news.
    assert notifications.poll_once("Orthanc") == 0
    series = put(orthanc, tmp_path, 5, 2)
    assert notifications.poll_once("Orthanc") >= 7
    instances = heard.wait(lambda event: event["kind"] == "instance")
    uids = {"StudyInstanceUID": series.StudyInstanceUID, "SeriesInstanceUID": series.SeriesInstanceUID}
    assert instances == {
        "event": "server_changed", "server": "Orthanc", "kind": "instance", **uids, "SOPInstanceUID": "", "count": 5
    }  # fmt: skip
    heard.wait(lambda event: event["kind"] == "study" and event["StudyInstanceUID"] == series.StudyInstanceUID)
    assert notifications.poll_once("Orthanc") == 0

    # A later start goes on where this one ended.
    notifications.stop()
    later = put(orthanc, tmp_path, 1, 3)
    again = make(config)
    assert again.poll_once("Orthanc") >= 3
    single = heard.wait(lambda event: event["StudyInstanceUID"] == later.StudyInstanceUID and event["SOPInstanceUID"])
    assert single["SOPInstanceUID"] in later.files
    with pytest.raises(UsageError, match="no server"):
        again.poll_once("Nobody")


def test_servers_are_asked_in_their_interval_and_failures_are_told_once(
    make: Callable[..., Notifications], heard: Heard, orthanc: Orthanc, tmp_path: Path, free_port: int
) -> None:
    gone = ServerConfig(
        name="Gone", host="127.0.0.1", called_ae_title="GONE", rest_url=f"http://127.0.0.1:{free_port}",
        notification_interval_s=0.05,
    )  # fmt: skip
    notifications = make(gone, config_of(orthanc, name="Archive", notification_interval_s=0.1))
    notifications.poll_once("Archive")
    notifications.start()
    failure = heard.wait(lambda event: event["event"] == "server_changes_failed")
    assert (failure["server"], failure["error"]["code"]) == ("Gone", "refused")
    series = put(orthanc, tmp_path, 2, 4)
    heard.wait(lambda event: event.get("StudyInstanceUID") == series.StudyInstanceUID)
    notifications.stop()
    assert len([event for event in heard.events if event["event"] == "server_changes_failed"]) == 1


def test_a_changed_server_is_asked_at_once(
    make: Callable[..., Notifications], heard: Heard, orthanc: Orthanc, free_port: int
) -> None:
    names = {"host": "127.0.0.1", "called_ae_title": "X", "rest_url": f"http://127.0.0.1:{free_port}"}
    servers = [ServerConfig(name="First", notification_interval_s=3600, **names)]
    notifications = make(servers=servers)
    notifications.start()
    heard.wait(lambda event: event["server"] == "First")
    servers.append(ServerConfig(name="Second", notification_interval_s=3600, **names))
    started = time.monotonic()
    notifications.servers_changed()
    heard.wait(lambda event: event["server"] == "Second")
    assert time.monotonic() - started < 4


def test_a_hanging_server_does_not_hold_up_the_end(
    make: Callable[..., Notifications], heard: Heard, silent_port: int
) -> None:
    silent = ServerConfig(
        name="Silent", host="127.0.0.1", called_ae_title="SILENT", rest_url=f"http://127.0.0.1:{silent_port}",
        notification_interval_s=1, timeout_s=300,
    )  # fmt: skip
    notifications = make(silent)
    notifications.start()
    started = time.monotonic()
    notifications.stop()
    assert time.monotonic() - started < 10
    assert heard.events == []


def test_a_feed_that_began_anew_is_one_change_of_everything(
    make: Callable[..., Notifications], heard: Heard, orthanc: Orthanc, database: LocalDatabase
) -> None:
    config = config_of(orthanc)
    database.own.put("orthanc-changes", "Orthanc", {"rest_url": config.rest_url, "last": 1_000_000})
    notifications = make(config)
    assert notifications.poll_once("Orthanc") == 1
    event = heard.wait(lambda event: event["event"] == "server_changed")
    assert (event["kind"], event["StudyInstanceUID"], event["count"]) == ("study", "", 1)
    assert notifications.poll_once("Orthanc") == 0


def test_many_changes_are_few_events(heard: Heard) -> None:
    events = ChangeEvents(heard)
    try:
        for number in range(5_000):
            events.add("Busy", "instance", "1.2", f"1.2.{number % 3}", f"1.2.{number}")
        heard.wait(lambda event: event["SeriesInstanceUID"] == "1.2.2")
        heard.wait(lambda event: sum(each["count"] for each in heard.events) == 5_000)
        assert len(heard.events) <= 30
        gaps = [later - before for before, later in zip(heard.times, heard.times[1:], strict=False)]
        assert min(gaps) > 0.09
        # What nobody could list any more is one event about the server.
        for number in range(2_000):
            events.add("Busy", "study", f"1.3.{number}")
        heard.wait(lambda event: event["kind"] == "study" and not event["StudyInstanceUID"])
    finally:
        events.close()


def lua_script(url: str, token: str, server: str) -> str:
    """The script of the page, with its first lines filled in."""
    (script,) = re.findall(r"```lua\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for name, value in (("URL", url), ("TOKEN", token), ("SERVER", server)):
        script, count = re.subn(rf"^local {name} = '[^']*'", f"local {name} = '{value}'", script, flags=re.MULTILINE)
        assert count == 1
    return script


def test_the_script_of_the_page_runs_in_orthanc(
    make: Callable[..., Notifications], heard: Heard, tmp_path: Path
) -> None:
    notifications = make(ServerConfig(name="Main PACS", host="127.0.0.1", called_ae_title="X"), secrets=Secrets())
    listening = notifications.start_endpoint()
    script = tmp_path / "notify.lua"
    script.write_text(lua_script(listening["url"], listening["token"], "Main PACS"))
    server = Orthanc(tmp_path / "orthanc", options={"LuaScripts": [str(script)], "StableAge": 1})
    try:
        server.start()
        series = put(server, tmp_path, 2, 1)
        image = heard.wait(lambda event: event["kind"] == "instance")
        assert (image["server"], image["StudyInstanceUID"]) == ("Main PACS", series.StudyInstanceUID)
        assert image["SeriesInstanceUID"] == series.SeriesInstanceUID
        study = heard.wait(lambda event: event["kind"] == "study")
        assert study["StudyInstanceUID"] == series.StudyInstanceUID
        # With nobody listening Orthanc goes on with its work.
        notifications.stop_endpoint()
        put(server, tmp_path, 2, 2)
        assert server.instance_count() == 4
    finally:
        server.stop()


def test_the_token_is_made_once_and_kept(make: Callable[..., Notifications]) -> None:
    secrets = Secrets()
    notifications = make(secrets=secrets)
    first = notifications.start_endpoint()
    assert len(first["token"]) > 30
    assert secrets.get(OWN_SECRETS) == {"notify_token": first["token"]}
    assert notifications.start_endpoint() == first
    notifications.stop_endpoint()
    assert notifications.start_endpoint()["token"] == first["token"]


def test_the_end_point_starts_with_the_rest_if_so_set(make: Callable[..., Notifications]) -> None:
    notifications = make(notify_enabled=True)
    notifications.start()
    url = notifications.start_endpoint()["url"]
    request = urllib.request.Request(url, data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code == 401
    taken = make()
    with pytest.raises(NetworkError, match="cannot be taken"):
        taken.start_endpoint(port=int(url.rsplit(":", 1)[1].partition("/")[0]))
