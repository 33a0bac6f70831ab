"""Short rows of everything local, instances in slice order, and files: what a window is filled with."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.Benchmarks.query_million import fill
from Testing.support.ct_series import CtSeries, make_ct_series
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.overview import Overview
from VisualDICOMBrowserLib.database.slice_order import OrderedInstance, in_slice_order
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import Level

pydicom_data = pytest.importorskip("pydicom.data")
TEST_FILES = Path(pydicom_data.__file__).parent / "test_files"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session on a database without pictures made ahead."""
    with Session(open_engine(tmp_path / "database")) as opened:
        opened.client.request("set_setting", key="thumbnails/automatic", value=False)
        yield opened


def named(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows with the names of their fields."""
    return [dict(zip(answer["fields"], row, strict=True)) for row in answer["rows"]]


def everything(session: Session, level: str, limit: int) -> list[dict[str, Any]]:
    """All pages of a level."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = session.client.request("overview", level=level, after=after, limit=limit)
        assert len(answer["rows"]) <= limit
        found += named(answer)
        after = answer["next"]
    return found


@pytest.fixture
def phantom(session: Session, tmp_path: Path) -> CtSeries:
    """An imported series of five slices."""
    made = make_ct_series(tmp_path / "ct", 5)
    session.import_files([made.folder], timeout=60)
    return made


def test_rows_of_every_level_say_what_the_records_say(session: Session, pydicom_files: list[Path]) -> None:
    session.import_files([TEST_FILES], timeout=120)
    for level, key in (("PATIENT", "key"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID")):
        records = {getattr(record, key): record for record in session.records(Level(level))}
        rows = everything(session, level, 3)
        assert [row[key] for row in rows] == list(dict.fromkeys(row[key] for row in rows))
        assert {row[key] for row in rows} == set(records)
        for row in rows:
            record = records[row[key]]
            shared = set(row) & set(type(record).__dataclass_fields__)
            assert len(shared) >= 4
            for name in shared:
                assert row[name] == (list(value) if isinstance(value := getattr(record, name), tuple) else value), name
    counts = {row["SeriesInstanceUID"]: row["instances"] for row in everything(session, "SERIES", 5000)}
    assert sum(counts.values()) == session.client.request("counts")["instances"]


def test_frames_are_counted_where_files_hold_several(session: Session) -> None:
    session.import_files([TEST_FILES / "examples_ybr_color.dcm", TEST_FILES / "CT_small.dcm"], timeout=60)
    rows = {row["Modality"]: row for row in everything(session, "SERIES", 10)}
    assert (rows["US"]["instances"], rows["US"]["frames"]) == (1, 30)
    assert (rows["CT"]["instances"], rows["CT"]["frames"]) == (1, 1)
    assert (rows["CT"]["Rows"], rows["CT"]["Columns"]) == (128, 128)


def test_pictures_are_named(session: Session, phantom: CtSeries) -> None:
    uid = phantom.SeriesInstanceUID
    assert everything(session, "SERIES", 10)[0]["thumbnail"] == ""
    session.import_files([TEST_FILES / "rtplan.dcm"], timeout=60)
    plan = next(row["SeriesInstanceUID"] for row in everything(session, "SERIES", 10) if row["Modality"] == "RTPLAN")
    session.wait(session.client.request("make_thumbnails", series=[uid, plan]), timeout=60)
    rows = {row["SeriesInstanceUID"]: row for row in everything(session, "SERIES", 10)}
    assert rows[uid]["thumbnail"] == session.client.request("thumbnail", series=uid)["path"]
    assert Path(rows[uid]["thumbnail"]).is_file()
    assert (rows[plan]["thumbnail"], rows[plan]["label"]) == ("", "RT plan")


def test_rows_of_what_changed_bring_all_that_is_above(session: Session, phantom: CtSeries, tmp_path: Path) -> None:
    more = make_ct_series(tmp_path / "more", 2, study=phantom.StudyInstanceUID, number=2)
    make_ct_series(tmp_path / "other", 2, number=3, patient=("CT-2", "Other"))
    session.import_files([tmp_path / "more", tmp_path / "other"], timeout=60)
    answer = session.client.request("rows", series=[more.SeriesInstanceUID])
    assert [row["SeriesInstanceUID"] for row in named(answer["series"])] == [more.SeriesInstanceUID]
    assert [row["StudyInstanceUID"] for row in named(answer["studies"])] == [phantom.StudyInstanceUID]
    assert [row["PatientID"] for row in named(answer["patients"])] == ["CT-1"]
    assert named(answer["studies"])[0]["patient"] == named(answer["patients"])[0]["key"]
    of_study = named(session.client.request("rows", studies=[phantom.StudyInstanceUID])["series"])
    assert {row["SeriesInstanceUID"] for row in of_study} == {more.SeriesInstanceUID, phantom.SeriesInstanceUID}
    nothing = session.client.request("rows", series=["1.2.3"], studies=["4.5.6"])
    assert [answer["rows"] for answer in nothing.values()] == [[], [], []]


def test_rows_of_a_patient_bring_all_that_is_below(session: Session, phantom: CtSeries, tmp_path: Path) -> None:
    more = make_ct_series(tmp_path / "more", 2, number=2)
    make_ct_series(tmp_path / "other", 2, number=3, patient=("CT-2", "Other"))
    session.import_files([tmp_path / "more", tmp_path / "other"], timeout=60)
    keys = {row["PatientID"]: row["key"] for row in everything(session, "PATIENT", 10)}
    answer = session.client.request("rows", patients=[keys["CT-1"]])
    assert [row["PatientID"] for row in named(answer["patients"])] == ["CT-1"]
    studies = {row["StudyInstanceUID"] for row in named(answer["studies"])}
    assert studies == {phantom.StudyInstanceUID, more.StudyInstanceUID}
    series = {row["SeriesInstanceUID"] for row in named(answer["series"])}
    assert series == {phantom.SeriesInstanceUID, more.SeriesInstanceUID}
    nobody = session.client.request("rows", patients=[max(keys.values()) + 1])
    assert [part["rows"] for part in nobody.values()] == [[], [], []]


def test_an_overview_of_images_is_refused(session: Session) -> None:
    with pytest.raises(UsageError, match="no overview"):
        session.client.request("overview", level="IMAGE")


def test_instances_come_in_slice_order(session: Session, tmp_path: Path) -> None:
    from pydicom import dcmread

    made = make_ct_series(tmp_path / "ct", 5)
    for number, path in enumerate(reversed(made.files.values()), start=1):
        dataset = dcmread(path)
        dataset.InstanceNumber = number
        dataset.save_as(path)
    session.import_files([made.folder], copy=False, timeout=60)
    found = session.client.request("instances", series=made.SeriesInstanceUID)
    assert [item["SOPInstanceUID"] for item in found] == list(made.files)
    assert [item["InstanceNumber"] for item in found] == [5, 4, 3, 2, 1]
    assert [item["position"] for item in found] == [0.0, 1.5, 3.0, 4.5, 6.0]
    first = next(iter(made.files.values()))
    assert (found[0]["path"], found[0]["linked"], found[0]["size"]) == (str(first), True, first.stat().st_size)
    paths = session.client.request("files", series=[made.SeriesInstanceUID, "1.2"])
    assert set(paths) == {made.SeriesInstanceUID, "1.2"}
    assert sorted(paths[made.SeriesInstanceUID]) == [str(path) for path in made.files.values()]
    assert paths["1.2"] == []


def test_copies_are_told_from_links_and_lost_files_have_no_size(session: Session, phantom: CtSeries) -> None:
    copied = Path(shutil.copy(TEST_FILES / "CT_small.dcm", phantom.folder.parent))
    session.import_files([copied], copy=True, timeout=60)
    own = next(row for row in everything(session, "SERIES", 10) if row["instances"] == 1)
    assert session.client.request("instances", series=own["SeriesInstanceUID"])[0]["linked"] is False
    next(iter(phantom.files.values())).unlink()
    sizes = [item["size"] for item in session.client.request("instances", series=phantom.SeriesInstanceUID)]
    assert sizes[0] is None
    assert all(sizes[1:])


def test_order_is_by_number_where_slices_are_not_parallel() -> None:
    instances = [OrderedInstance(f"1.{number}", number, 1, "x") for number in (1, 2, 3)]
    positions = [(0.0, 0.0, 9.0), (0.0, 0.0, 5.0), (0.0, 0.0, 1.0)]
    axial, sagittal = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    assert [item.InstanceNumber for item in in_slice_order(instances, positions, [axial] * 3)] == [3, 2, 1]
    assert in_slice_order(instances, positions, [axial, sagittal, axial]) == instances
    assert in_slice_order(instances, [*positions[:2], None], [axial] * 3) == instances
    assert in_slice_order(instances, positions, [(0.0,) * 6] * 3) == instances


def test_a_large_database_is_shown_without_delay(tmp_path: Path) -> None:
    """100,000 instances in 5,000 series: a twentieth of a second for a million would be 2 s."""
    fill(tmp_path, 100_000)
    database = LocalDatabase.open(tmp_path)
    try:
        overview = Overview(database, lambda uid, state: ("", ""))
        began = time.perf_counter()
        for level, count in ((Level.PATIENT, 1000), (Level.STUDY, 2000), (Level.SERIES, 5000)):
            rows, following = overview.page(level, limit=10_000)
            assert (len(rows), following) == (count, None)
        spent = time.perf_counter() - began
        plain = time.perf_counter()
        database.connections.rows("SELECT * FROM Series")
        plain = time.perf_counter() - plain
    finally:
        database.close()
    assert spent < max(80 * plain, 1.0)
    print(f"overview of 5,000 series: {spent:.3f} s, {spent / plain:.0f} times a plain SELECT")  # noqa: T201
