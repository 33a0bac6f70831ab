"""Looking after the database: what a removal means, removing, checking, columns, pictures, who may be asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from Testing.support.ct_series import CtSeries, make_ct_series
from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import DatabaseFault, UsageError
from VisualDICOMBrowserLib.model import Level, SeriesRecord


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session on a database without pictures made ahead."""
    with Session(open_engine(tmp_path / "database")) as opened:
        opened.client.request("set_setting", key="thumbnails/automatic", value=False)
        yield opened


@pytest.fixture
def linked(session: Session, tmp_path: Path) -> CtSeries:
    made = make_ct_series(tmp_path / "linked", 3)
    session.import_files([made.folder], copy=False, timeout=60)
    return made


@pytest.fixture
def copied(session: Session, tmp_path: Path, linked: CtSeries) -> CtSeries:
    """A series of the same study, copied into the database."""
    made = make_ct_series(tmp_path / "copied", 4, study=linked.StudyInstanceUID, number=2)
    session.import_files([made.folder], copy=True, timeout=60)
    return made


def size_of(*series: CtSeries) -> int:
    return sum(path.stat().st_size for made in series for path in made.files.values())


def test_a_footprint_says_what_a_removal_means(
    session: Session, linked: CtSeries, copied: CtSeries, tmp_path: Path
) -> None:
    session.client.request("add_server", name="PACS", host="127.0.0.1", port=104, called_ae_title="PACS")
    remote = RemoteRecords(tmp_path / "database" / "visual-dicom-browser.sql")
    there = SeriesRecord(SeriesInstanceUID=copied.SeriesInstanceUID, StudyInstanceUID=copied.StudyInstanceUID)
    remote.seen("PACS", [there])
    remote.seen("Removed server", [there])
    remote.close()
    whole = {
        "series": 2, "studies": 1, "instances": 7, "bytes": size_of(linked, copied), "estimated": False,
        "deleted_series": 1, "deleted_files": 4, "linked_files": 3, "only_here_series": 1, "elsewhere": {"PACS": 1},
    }  # fmt: skip
    key = session.records(Level.PATIENT)[0].key
    assert session.client.request("footprint", patients=[key]) == whole
    assert session.client.request("footprint", studies=[linked.StudyInstanceUID]) == whole
    both = [linked.SeriesInstanceUID, copied.SeriesInstanceUID]
    assert session.client.request("footprint", series=both, studies=[linked.StudyInstanceUID]) == whole
    one = session.client.request("footprint", series=[copied.SeriesInstanceUID, "1.2.3"])
    assert (one["series"], one["linked_files"], one["only_here_series"]) == (1, 0, 0)
    assert session.client.request("footprint")["series"] == 0


def test_several_things_are_removed_in_one_job(
    session: Session, linked: CtSeries, copied: CtSeries, tmp_path: Path
) -> None:
    other = make_ct_series(tmp_path / "other", 2, number=3, patient=("CT-2", "Other"))
    session.import_files([other.folder], timeout=60)
    items = [
        {"level": "SERIES", "uid": copied.SeriesInstanceUID},
        {"level": "STUDY", "uid": linked.StudyInstanceUID},
        {"level": "STUDY", "uid": "1.2.3"},
        {"level": "PATIENT", "uid": next(r.key for r in session.records(Level.PATIENT) if r.PatientID == "CT-2")},
    ]
    result = session.wait(session.client.request("remove_many", items=items), timeout=60)["result"]
    gone = {copied.SeriesInstanceUID, linked.SeriesInstanceUID, other.SeriesInstanceUID}
    assert set(result["series_uids"]) == gone
    assert (result["patients"], result["instances"], result["deleted_files"]) == (2, 9, 4)
    assert session.records(Level.PATIENT) == []
    assert all(path.exists() for path in linked.files.values())


@pytest.mark.parametrize("items", [[], [{"level": "IMAGE", "uid": "1"}], [{"uid": "1"}]])
def test_nothing_to_remove_is_refused(session: Session, items: list[dict[str, str]]) -> None:
    with pytest.raises(UsageError):
        session.client.request("remove_many", items=items)


def test_the_database_describes_itself(session: Session, linked: CtSeries, copied: CtSeries, tmp_path: Path) -> None:
    info = session.client.request("database_info")
    assert (info["folder"], info["schema"], info["read_only"]) == (str(tmp_path / "database"), "0.8.1", False)
    assert [info[name] for name in ("patients", "studies", "series", "instances")] == [1, 1, 2, 7]
    assert (info["copies"], info["copies_bytes"], info["estimated"]) == (4, size_of(copied), False)
    assert info["index_bytes"] > 50_000
    assert abs(info["free_bytes"] - shutil.disk_usage(tmp_path).free) < 1 << 30
    assert info["notices"] == []


def test_a_status_line_is_told_less(session: Session, linked: CtSeries, tmp_path: Path) -> None:
    info = session.client.request("database_info", brief=True)
    assert (info["folder"], info["patients"], info["read_only"]) == (str(tmp_path / "database"), 1, False)
    assert abs(info["free_bytes"] - shutil.disk_usage(tmp_path).free) < 1 << 30
    assert set(info) == {"folder", "patients", "free_bytes", "read_only"}


def test_the_size_of_many_copies_is_estimated(session: Session, tmp_path: Path) -> None:
    made = [make_ct_series(tmp_path / str(number), 50, number=number) for number in range(1, 9)]
    session.import_files([one.folder for one in made], copy=True, timeout=120)
    info = session.client.request("database_info")
    assert (info["copies"], info["estimated"]) == (400, True)
    assert info["copies_bytes"] == pytest.approx(size_of(*made), rel=0.05)


def test_a_check_finds_files_that_are_gone(session: Session, linked: CtSeries, copied: CtSeries) -> None:
    lost = next(iter(linked.files.values()))
    lost.unlink()
    result = session.wait(session.client.request("check_database"), timeout=60)["result"]
    assert (result["files"], result["missing"], result["missing_paths"]) == (7, 1, [str(lost)])
    assert result["missing_series"] == [linked.SeriesInstanceUID]


def test_a_check_tells_of_damage(session: Session, linked: CtSeries, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "database" / "ctkDICOM.sql") as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX SeriesStudyIndex ON Series (Modality)'"
            " WHERE name = 'SeriesStudyIndex'"
        )
    connection.close()
    with pytest.raises(DatabaseFault, match="damaged"):
        session.wait(session.client.request("check_database"), timeout=60)


def test_columns_are_kept_where_ctk_keeps_them_and_ours_beside(session: Session) -> None:
    columns = session.client.request("column_properties", table="Patients")
    assert columns[0] == {**columns[0], "field": "DisplayedPatientsName", "title": "Patient name", "visible": True}
    changed = session.client.request(
        "set_column_properties",
        table="Patients",
        columns=[
            {"field": "PatientsBirthDate", "title": "Born", "weight": 0},
            {"field": "PatientsSex", "visible": False},
            {"field": "where", "title": "Where", "weight": 9},
        ],
    )
    by_field = {column["field"]: column for column in changed}
    assert changed[0]["field"] == "PatientsBirthDate"
    assert by_field["PatientsBirthDate"]["title"] == "Born"
    assert by_field["PatientsSex"]["visible"] is False
    assert by_field["where"] == {"field": "where", "title": "Where", "visible": True, "weight": 9, "format": ""}
    again = session.client.request(
        "set_column_properties", table="Patients", columns=[{"field": "where", "visible": False}]
    )
    assert {column["field"]: column for column in again}["where"]["title"] == "Where"
    with pytest.raises(UsageError, match="no table"):
        session.client.request("column_properties", table="Images")


def test_who_may_be_asked_about_a_patient(session: Session, linked: CtSeries) -> None:
    for name, trusted in (("Near", True), ("Far", False)):
        session.client.request(
            "add_server", name=name, host="127.0.0.1", port=104, called_ae_title="X", trusted=trusted
        )

    def states() -> dict[str, tuple[str, bool]]:
        found = session.client.request("patient_servers", PatientID="CT-1")
        return {item["server"]: (item["state"], item["asked"]) for item in found}

    assert states() == {"Near": ("", True), "Far": ("", False)}
    session.client.request("set_patient_server", PatientID="CT-1", server="Near", state="deny")
    session.client.request("set_patient_server", PatientID="CT-1", server="Far", state="allow")
    assert states() == {"Near": ("deny", False), "Far": ("allow", True)}
    session.client.request("set_patient_server", PatientID="CT-1", server="Far", state="")
    assert states()["Far"] == ("", False)
    for wrong in ({"state": "maybe"}, {"server": "Unknown"}, {"PatientID": "Nobody"}):
        arguments = {"PatientID": "CT-1", "server": "Near", "state": "allow", **wrong}
        with pytest.raises(UsageError):
            session.client.request("set_patient_server", **arguments)


def test_a_chosen_slice_is_the_picture_until_it_is_taken_back(session: Session, tmp_path: Path) -> None:
    made = make_ct_series(tmp_path / "ct", 5)
    for number, path in enumerate(made.files.values()):
        dataset = dcmread(path)
        dataset.PixelData = np.full((32, 32), number * 100, np.int16).tobytes()
        dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 250, 500, "LINEAR_EXACT"
        dataset.save_as(path)
    session.import_files([made.folder], timeout=60)
    uid = made.SeriesInstanceUID

    def level() -> float:
        with Image.open(session.client.request("thumbnail", series=uid)["path"]) as picture:
            return float(np.asarray(picture).mean())

    def make() -> None:
        session.wait(session.client.request("make_thumbnails", series=[uid]), timeout=60)

    make()
    assert level() == pytest.approx(102, abs=2)
    for number, expected in ((4, 204), (1, 51)):
        job = session.client.request("use_as_picture", series=uid, SOPInstanceUID=list(made.files)[number])
        session.wait(job, timeout=60)
        assert level() == pytest.approx(expected, abs=2)
    make()
    assert level() == pytest.approx(51, abs=2)
    # Who changes his mind while the picture is being made gets what he chose last.
    files = list(made.files)
    jobs = {session.client.request("use_as_picture", series=uid, SOPInstanceUID=files[n % 5]) for n in range(40)}
    for job in jobs:
        session.wait(job, timeout=60)
    assert level() == pytest.approx(204, abs=2)
    session.wait(session.client.request("use_as_picture", series=uid, SOPInstanceUID=""), timeout=60)
    assert level() == pytest.approx(102, abs=2)
    with pytest.raises(UsageError, match="not in the local"):
        session.client.request("use_as_picture", series=uid, SOPInstanceUID="1.2.3")
