"""Which slices have come, told while a series is fetched: by their numbers, in whatever order, at most so often."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.engine.conftest import Listener
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.ordered_pacs import OrderedPacs
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.engine.arrived_slices import ArrivedSlices, ranges_of
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session

SLICES, HELD_AFTER = 12, 5
SERIES = "1.2.3"


def came(number: int | None, uid: str = "", status: str = "imported", series: str = SERIES) -> AddOutcome:
    return AddOutcome(status, uid or f"{series}.{number}", series, "", number=number)


@pytest.fixture
def slices() -> ArrivedSlices:
    return ArrivedSlices(lambda: None)


@pytest.mark.parametrize(
    ("numbers", "most", "ranges"),
    [
        ([], 9, []),
        ([3, 1, 2, 2], 9, [[1, 3]]),
        ([9, 1, 5, 8], 9, [[1, 1], [5, 5], [8, 9]]),
        ([-1, 0, 1], 9, [[-1, 1]]),
        ([1, 3, 10, 100], 2, [[1, 10], [100, 100]]),
    ],
)
def test_numbers_are_told_as_runs_of_a_bounded_number(numbers: list[int], most: int, ranges: list[list[int]]) -> None:
    assert ranges_of(numbers, most) == ranges


def test_only_series_that_are_fetched_are_kept_in_mind(slices: ArrivedSlices) -> None:
    slices.add([came(1)])
    assert slices.take() == {}
    slices.begin({SERIES: {"here": 7}})
    slices.add([came(8), came(9, status="conflict"), came(3, series="4.5.6")])
    assert slices.take() == {SERIES: {"count": 2, "ranges": [[7, 8]]}}
    assert slices.take() == {}
    slices.end([SERIES])
    slices.add([came(9)])
    assert slices.take() == {}


def test_two_retrieves_of_a_series_end_one_by_one(slices: ArrivedSlices) -> None:
    slices.begin({SERIES: {}})
    slices.begin({SERIES: {}})
    slices.end([SERIES])
    slices.add([came(2)])
    assert slices.take()[SERIES]["ranges"] == [[2, 2]]


def test_what_came_by_another_way_is_counted_once(slices: ArrivedSlices) -> None:
    slices.begin({SERIES: {}})
    slices.add([came(4, "a")])
    slices.add([came(None, "a"), came(None, "b")])
    assert slices.take() == {SERIES: {"count": 2, "ranges": [[4, 4]]}}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    return make_ct_series(tmp_path_factory.mktemp("series"), SLICES)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """An engine on an empty database."""
    with Session(open_engine(tmp_path / "database")) as opened:
        yield opened


def told(listener: Listener) -> list[dict[str, Any]]:
    return [event["series"] for event in listener.events if event["event"] == "slices_arrived"]


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE"])
def test_slices_are_told_in_place_while_they_come_backwards(
    session: Session, series: CtSeries, listener: Listener, way: str
) -> None:
    client, uid = session.client, series.SeriesInstanceUID
    port = free_port()
    if way == "C-MOVE":
        client.request("start_node", port=port, ae_title="BROWSER")
    with OrderedPacs(list(reversed(series.files.values())), HELD_AFTER, port) as pacs:
        fields = {"host": "127.0.0.1", "port": pacs.port, "called_ae_title": "PACS", "retrieve_protocol": way}
        client.request("add_server", name="PACS", protocol="dimse", **fields)
        client.subscribe(listener)
        job = client.request("retrieve", server="PACS", StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=uid)
        half = {"count": HELD_AFTER, "ranges": [[SLICES - HELD_AFTER + 1, SLICES]]}
        listener.wait(lambda event: event["event"] == "slices_arrived" and event["series"].get(uid) == half)
        pacs.go_on()
        assert session.wait(job, 60)["state"] == "done"
    assert len(client.request("instances", series=uid)) == SLICES
    assert told(listener)[0] == {uid: {"count": 0, "ranges": []}}


def test_what_is_here_already_is_told_at_the_beginning(session: Session, series: CtSeries, listener: Listener) -> None:
    client, uid, files = session.client, series.SeriesInstanceUID, list(series.files.values())
    session.wait(client.request("import_files", paths=[str(path) for path in files[2:5]]), 60)
    client.subscribe(listener)
    with OrderedPacs(files, SLICES) as pacs:
        fields = {"host": "127.0.0.1", "port": pacs.port, "called_ae_title": "PACS", "retrieve_protocol": "C-GET"}
        client.request("add_server", name="PACS", protocol="dimse", **fields)
        job = client.request("retrieve", server="PACS", StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=uid)
        session.wait(job, 60)
    assert told(listener)[0] == {uid: {"count": 3, "ranges": [[3, 5]]}}


def test_events_come_at_most_ten_times_a_second(listener: Listener) -> None:
    from VisualDICOMBrowserLib.engine.events import ContentChanges, EventHub

    hub, times = EventHub(), []
    hub.subscribe(lambda event: times.append((time.monotonic(), event)))
    changes = ContentChanges(hub)
    changes.arrived.begin({SERIES: {}})
    ended = time.monotonic() + 0.55
    number = 0
    while time.monotonic() < ended:
        number += 1
        changes.arrived.add([came(number)])
    changes.close()
    assert times[-1][1]["series"][SERIES]["ranges"] == [[1, number]]
    # The last one comes at the end, whenever that is.
    waits = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(times[:-1])]
    assert len(times) <= 8
    assert min(waits) >= 0.09
