"""Strips and slices on demand: what they show, how they are told, and that they never hold anything up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from Testing.engine.conftest import Listener
from Testing.support.ct_series import CtSeries, make_ct_series
from VisualDICOMBrowserLib.engine.engine import Engine
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.picture_pool import MOST_WAITING, PicturePool
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import Level

pydicom_data = pytest.importorskip("pydicom.data")
TEST_FILES = Path(pydicom_data.__file__).parent / "test_files"


@pytest.fixture
def session(tmp_path: Path, listener: Listener) -> Iterator[Session]:
    """A session that tells `listener`, on a database without pictures made ahead."""
    with Session(open_engine(tmp_path / "database")) as opened:
        opened.client.request("set_setting", key="thumbnails/automatic", value=False)
        opened.subscribe(listener)
        yield opened


def imported(session: Session, *names: str) -> dict[str, str]:
    """Series UIDs by name of imported sample files."""
    found = {}
    for name in names:
        found[name] = session.import_files([TEST_FILES / name], timeout=60)["series_uids"][0]
    return found


def stepped(folder: Path, count: int) -> CtSeries:
    """A series whose slice n is even with value n * 10."""
    made = make_ct_series(folder, count)
    for number, path in enumerate(made.files.values()):
        dataset = dcmread(path)
        dataset.PixelData = np.full((32, 32), number * 10, np.int16).tobytes()
        dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 500, 1000, "LINEAR_EXACT"
        dataset.save_as(path)
    return made


def pixels_of(answer: dict[str, Any]) -> np.ndarray:
    """The picture that an event names."""
    with Image.open(answer["path"]) as picture:
        return np.asarray(picture)


def strip_of(session: Session, listener: Listener, series: str, side: int = 64) -> dict[str, Any]:
    before = sum(event["event"] == "strip_ready" for event in listener.events)
    session.client.request("ask_strip", series=series, side=side)
    return listener.wait_named("strip_ready", before + 1)


def slice_of(session: Session, listener: Listener, request: str = "preview", **wish: Any) -> dict[str, Any]:
    before = sum(event["event"] == "picture_ready" for event in listener.events)
    session.client.request("ask_slice", request=request, **wish)
    return listener.wait_named("picture_ready", before + 1)


def test_a_strip_shows_slices_in_order(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = stepped(tmp_path / "ct", 100)
    session.import_files([made.folder], timeout=60)
    strip = strip_of(session, listener, made.SeriesInstanceUID)
    assert (strip["series"], strip["frames"], strip["reason"]) == (made.SeriesInstanceUID, 100, "")
    assert (len(strip["indices"]), strip["indices"][0], strip["indices"][-1]) == (32, 0, 99)
    assert (strip["width"], strip["height"]) == (64, 64)
    pixels = pixels_of(strip)
    assert pixels.shape == (64, 64 * 32)
    middles = [int(pixels[32, number * 64 + 32]) for number in range(32)]
    assert middles == [pytest.approx(index * 10 * 255 / 1000, abs=1.5) for index in strip["indices"]]


def test_a_strip_is_kept_until_the_series_changes(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = stepped(tmp_path / "ct", 3)
    files = list(made.files.values())
    session.import_files(files[:2], timeout=60)
    first = strip_of(session, listener, made.SeriesInstanceUID)
    written = Path(first["path"]).stat().st_mtime_ns
    assert strip_of(session, listener, made.SeriesInstanceUID) == first
    assert Path(first["path"]).stat().st_mtime_ns == written
    session.import_files(files[2:], timeout=60)
    assert strip_of(session, listener, made.SeriesInstanceUID)["indices"] == [0, 1, 2]


def test_strips_go_with_their_series(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = make_ct_series(tmp_path / "ct", 3)
    session.import_files([made.folder], timeout=60)
    path = Path(strip_of(session, listener, made.SeriesInstanceUID)["path"])
    session.wait(session.client.request("remove", level="SERIES", uid=made.SeriesInstanceUID), timeout=60)
    listener.wait(lambda event: event["event"] == "content_changed" and bool(event["removed"]))
    assert not path.exists()
    assert not path.parent.exists()


def test_multi_frame_and_colour_have_strips(session: Session, listener: Listener) -> None:
    series = imported(session, "examples_ybr_color.dcm")["examples_ybr_color.dcm"]
    strip = strip_of(session, listener, series, 80)
    assert (strip["frames"], len(strip["indices"])) == (30, 30)
    pixels = pixels_of(strip)
    assert pixels.shape == (strip["height"], strip["width"] * 30, 3)
    assert len({pixels[:, n * strip["width"] : (n + 1) * strip["width"]].tobytes() for n in range(30)}) > 20


def test_what_has_no_picture_says_why(session: Session, listener: Listener, tmp_path: Path) -> None:
    series = imported(session, "rtplan.dcm")["rtplan.dcm"]
    strip = strip_of(session, listener, series)
    assert (strip["path"], strip["frames"]) == ("", 1)
    assert strip["reason"] == "RT plan: there is no picture to show."
    assert strip_of(session, listener, series) == strip
    assert slice_of(session, listener, series=series)["reason"] == strip["reason"]
    absent = slice_of(session, listener, series="1.2.3")
    assert (absent["path"], absent["reason"]) == ("", "No image of this series is in the local database.")
    assert strip_of(session, listener, "1.2.3")["reason"] == absent["reason"]
    with pytest.raises(UsageError, match="image or a series"):
        session.client.request("ask_slice", request="x")


def test_a_slice_is_found_by_place_and_by_instance(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = stepped(tmp_path / "ct", 7)
    session.import_files([made.folder], timeout=60)
    middle = slice_of(session, listener, series=made.SeriesInstanceUID, side=100)
    assert (middle["index"], middle["count"], middle["position"]) == (3, 7, 4.5)
    assert (middle["columns"], middle["rows"], middle["spacing"]) == (32, 32, [0.7, 0.7])
    assert (middle["center"], middle["width"]) == (500, 1000)
    assert pixels_of(middle).shape == (100, 100)
    last = slice_of(session, listener, SOPInstanceUID=list(made.files)[6])
    assert (last["index"], last["SOPInstanceUID"], last["position"]) == (6, list(made.files)[6], 9.0)
    beyond = slice_of(session, listener, series=made.SeriesInstanceUID, index=99)
    assert beyond["index"] == 6
    frames = imported(session, "examples_ybr_color.dcm")["examples_ybr_color.dcm"]
    sop = session.client.request("instances", series=frames)[0]["SOPInstanceUID"]
    cine = slice_of(session, listener, SOPInstanceUID=sop, frame=12)
    assert (cine["index"], cine["frame"], cine["count"]) == (12, 12, 30)
    assert (cine["center"], cine["width"]) == (None, None)


def test_a_window_chosen_by_a_person_is_applied_as_it_is(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = stepped(tmp_path / "ct", 7)
    session.import_files([made.folder], timeout=60)
    wish = {"series": made.SeriesInstanceUID, "index": 5, "side": 32}
    shown = slice_of(session, listener, **wish, center=50, width=20)
    assert (shown["center"], shown["width"]) == (50, 20)
    assert pixels_of(shown).mean() == pytest.approx(134, abs=3)
    dark = slice_of(session, listener, **wish, center=500, width=0)
    assert pixels_of(dark).max() == 0


def test_every_sample_has_a_slice_or_a_reason(session: Session, listener: Listener, pydicom_files: list[Path]) -> None:
    session.import_files([TEST_FILES], timeout=120)
    for record in session.records(Level.SERIES):
        shown = slice_of(session, listener, series=record.SeriesInstanceUID, side=128)
        assert bool(shown["path"]) != bool(shown["reason"]), shown
        if shown["path"]:
            assert max(pixels_of(shown).shape) <= 128


def test_slices_do_not_pile_up_and_are_gone_in_the_end(tmp_path: Path, listener: Listener) -> None:
    made = make_ct_series(tmp_path / "ct", 2)
    with Session(open_engine(tmp_path / "database")) as session:
        session.subscribe(listener)
        session.import_files([made.folder], timeout=60)
        for number in range(70):
            shown = slice_of(session, listener, request=str(number), series=made.SeriesInstanceUID, side=16)
        assert len(list(Path(shown["path"]).parent.iterdir())) == 64
    assert not Path(shown["path"]).parent.exists()


def test_a_database_for_reading_only_has_pictures_too(tmp_path: Path, listener: Listener) -> None:
    made = make_ct_series(tmp_path / "ct", 3)
    folder = tmp_path / "database"
    with Session(open_engine(folder)) as session:
        session.import_files([made.folder], timeout=60)
    import sqlite3

    with sqlite3.connect(folder / "ctkDICOM.sql") as connection:
        connection.execute("UPDATE SchemaInfo SET Version = '9.0.0'")
    connection.close()
    engine = Engine(folder)
    try:
        engine.subscribe(listener)
        engine.handle("ask_strip", {"series": made.SeriesInstanceUID})
        path = Path(listener.wait_named("strip_ready")["path"])
        assert path.is_file()
        assert folder not in path.parents
        assert path.parents[2].stat().st_mode & 0o077 == 0 or os.name == "nt"
    finally:
        engine.close()
    assert not path.parents[2].exists()


def test_the_newest_wish_goes_first_and_takes_the_place_of_older_ones() -> None:
    pool = PicturePool(workers=1)
    hold, begun, told, done = threading.Event(), threading.Event(), [], threading.Event()

    def slow() -> dict[str, Any]:
        begun.set()
        hold.wait(30)
        return {"name": "slow"}

    def note(fields: dict[str, Any]) -> None:
        told.append(fields["name"])
        if fields["name"] == "a":
            done.set()

    pool.wish("first", slow, note)
    assert begun.wait(30)
    for key, name in (("a", "a"), ("b", "old"), ("c", "c"), ("b", "b")):
        pool.wish(key, lambda name=name: {"name": name}, note)
    hold.set()
    assert done.wait(30)
    pool.close()
    assert told == ["slow", "b", "c", "a"]


def test_an_answer_that_comes_late_is_not_told() -> None:
    pool = PicturePool(workers=2)
    hold, begun, newer, finished = threading.Event(), threading.Event(), threading.Event(), threading.Event()
    told: list[str] = []

    def slow() -> dict[str, Any]:
        begun.set()
        hold.wait(30)
        return {"name": "old"}

    def note(fields: dict[str, Any]) -> None:
        told.append(fields["name"])
        {"new": newer, "last": finished}.get(fields["name"], threading.Event()).set()

    pool.wish("preview", slow, note)
    assert begun.wait(30)
    pool.wish("preview", lambda: {"name": "new"}, note)
    assert newer.wait(30)
    hold.set()
    pool.wish("other", lambda: {"name": "last"}, note)
    assert finished.wait(30)
    pool.close()
    assert told == ["new", "last"]


def test_more_wishes_than_anybody_looks_at_are_dropped() -> None:
    pool = PicturePool(workers=1)
    hold, begun, finished = threading.Event(), threading.Event(), threading.Event()
    told: list[int] = []

    def slow() -> None:
        begun.set()
        hold.wait(30)

    def note(fields: dict[str, Any]) -> None:
        told.append(fields["number"])
        if len(told) == MOST_WAITING:
            finished.set()

    pool.wish("first", slow, note)
    assert begun.wait(30)
    for number in range(MOST_WAITING + 50):
        pool.wish(str(number), lambda number=number: {"number": number}, note)
    hold.set()
    assert finished.wait(30)
    pool.close()
    assert min(told) == 50
    pool.wish("late", lambda: {"number": 0}, note)
