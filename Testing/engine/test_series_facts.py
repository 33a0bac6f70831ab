"""What the engine finds out about series for their cards: as loading will say it, beside the queue, and kept."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from Testing.engine.conftest import Listener
from Testing.support.ct_series import make_ct_series
from Testing.support.marked_series import (
    TEST_FILES,
    changed_slices,
    make_marked_patient,
    slice_is_missing,
    spaced_unevenly,
    two_echoes,
    with_localizer,
    written_as,
)
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session


@pytest.fixture
def session(tmp_path: Path, listener: Listener) -> Iterator[Session]:
    """A session that tells `listener`, on a database without pictures made ahead."""
    with Session(open_engine(tmp_path / "database")) as opened:
        opened.client.request("set_setting", key="thumbnails/automatic", value=False)
        opened.subscribe(listener)
        yield opened


def facts(session: Session, listener: Listener, *series: str) -> list[dict[str, Any]]:
    """What is told of series, in the order in which it was told."""
    before = sum(event["event"] == "series_facts" for event in listener.events)
    session.client.request("series_facts", series=list(series))
    listener.wait_named("series_facts", before + len(series))
    return [event for event in listener.events if event["event"] == "series_facts"][before:]


def imported(session: Session, *paths: Path) -> list[str]:
    """Series UIDs of imported files, in the order of the files."""
    return [session.import_files([path], timeout=60)["series_uids"][0] for path in paths]


def test_segmentations_and_structure_sets_name_their_images_and_parts(session: Session, listener: Listener) -> None:
    uids = imported(session, TEST_FILES / "liver_1frame.dcm", TEST_FILES / "rtstruct.dcm")
    segmentation, structures = facts(session, listener, *uids)
    header = dcmread(TEST_FILES / "liver_1frame.dcm")
    assert list(segmentation["refers_to"]) == [header.ReferencedSeriesSequence[0].SeriesInstanceUID]
    assert (segmentation["references_text"], segmentation["needs"]) == ("1 segment", "QuantitativeReporting")
    assert len(structures["refers_to"]) == 1
    assert (structures["references_text"], structures["needs"]) == ("3 structures", "SlicerRT")


def test_a_plan_needs_an_extension_and_a_dose_that_is_read_here_does_not(session: Session, listener: Listener) -> None:
    uids = imported(session, TEST_FILES / "rtplan.dcm", TEST_FILES / "rtdose.dcm", TEST_FILES / "reportsi.dcm")
    assert [each["needs"] for each in facts(session, listener, *uids)] == ["SlicerRT", "", ""]


def test_a_dose_is_followed_over_plan_and_structures_to_the_image(
    session: Session, listener: Listener, tmp_path: Path
) -> None:
    series = make_marked_patient(tmp_path / "marked")
    (dose,) = imported(session, tmp_path / "marked" / "dose.dcm")
    assert list(facts(session, listener, dose)[0]["refers_to"]) == []
    # What has come since is found, though the dose itself has not changed.
    session.import_files([tmp_path / "marked"], timeout=60)
    named = list(facts(session, listener, dose)[0]["refers_to"])
    assert named == [series["brain"], series["plan"], series["contours"]]


def test_failing_all_else_the_place_tells_the_image(session: Session, listener: Listener, tmp_path: Path) -> None:
    image = make_ct_series(tmp_path / "ct", 3)
    frame = dcmread(next(iter(image.files.values()))).FrameOfReferenceUID

    def lost(header: Dataset) -> None:
        del header.ReferencedRTPlanSequence
        header.FrameOfReferenceUID = frame

    written_as(TEST_FILES / "rtdose.dcm", tmp_path / "dose.dcm", image, lost)
    _, dose = imported(session, image.folder, tmp_path / "dose.dcm")
    assert list(facts(session, listener, dose)[0]["refers_to"]) == [image.SeriesInstanceUID]


def unplaced(_number: int, header: Dataset) -> None:
    del header.ImagePositionPatient


@pytest.mark.parametrize(
    ("change", "warning", "sets"),
    [
        (lambda _number, _header: None, "", 1),
        (spaced_unevenly, "Uneven spacing", 1),
        (slice_is_missing, "Slices missing", 1),
        (with_localizer, "Localizer inside", 1),
        (two_echoes, "", 2),
        (unplaced, "No positions", 1),
    ],
    ids=["plain", "uneven", "gap", "localizer", "echoes", "unplaced"],
)
def test_warnings_and_frame_sets(
    session: Session, listener: Listener, tmp_path: Path, change: Any, warning: str, sets: int
) -> None:
    made = changed_slices(make_ct_series(tmp_path / "ct", 12), change)
    imported(session, made.folder)
    (told,) = facts(session, listener, made.SeriesInstanceUID)
    assert (told["warning"], told["sets"]) == (warning, sets)
    assert bool(told["sentences"]) is bool(warning)


def test_the_card_says_what_loading_says(session: Session, listener: Listener) -> None:
    pytest.importorskip("slicer")
    from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.loading.examination import examine_series

    root = Path(os.environ.get("VISUAL_DICOM_TEST_DATA") or "/nowhere") / "ct-ge-variable"
    if not root.is_dir():
        pytest.skip("VISUAL_DICOM_TEST_DATA has no such series")
    (series,) = imported(session, root)
    (told,) = facts(session, listener, series)
    folder = Path(session.client.request("database_info")["folder"])
    database = LocalDatabase.open(folder)
    try:
        (chosen,) = examine_series(DicomDatabase(database), [series]).selected
    finally:
        database.close()
    assert told["warning"] == "Uneven spacing"
    assert " ".join(told["sentences"]) == chosen.loadable.warning


def test_radiographs_are_no_frame_sets(session: Session, listener: Listener, tmp_path: Path) -> None:
    def radiograph(_number: int, header: Dataset) -> None:
        header.Modality = "CR"
        del header.ImagePositionPatient
        del header.ImageOrientationPatient

    made = changed_slices(make_ct_series(tmp_path / "cr", 2), radiograph)
    imported(session, made.folder)
    (told,) = facts(session, listener, made.SeriesInstanceUID)
    assert (told["warning"], told["sets"]) == ("", 1)


def test_answers_are_kept_until_the_series_changes(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = changed_slices(make_ct_series(tmp_path / "ct", 12), slice_is_missing)
    files = list(made.files.values())
    session.import_files(files[:6], timeout=60)
    assert facts(session, listener, made.SeriesInstanceUID)[0]["warning"] == ""
    # Without the files nothing could be found out again.
    for path in files[:6]:
        shutil.move(path, tmp_path / path.name)
    assert facts(session, listener, made.SeriesInstanceUID)[0]["warning"] == ""
    for path in files[:6]:
        shutil.move(tmp_path / path.name, path)
    session.import_files(files[6:], timeout=60)
    assert facts(session, listener, made.SeriesInstanceUID)[0]["warning"] == "Slices missing"


def test_answers_outlive_the_engine(tmp_path: Path, listener: Listener) -> None:
    made = changed_slices(make_ct_series(tmp_path / "ct", 12), slice_is_missing)
    for turn in range(2):
        with Session(open_engine(tmp_path / "database")) as session:
            session.subscribe(listener)
            if turn == 0:
                imported(session, made.folder)
            else:
                shutil.rmtree(made.folder)
            assert facts(session, listener, made.SeriesInstanceUID)[0]["warning"] == "Slices missing"


def test_what_is_asked_last_comes_first_in_its_order(session: Session, listener: Listener, tmp_path: Path) -> None:
    made = [make_ct_series(tmp_path / str(number), 3, number=number) for number in range(1, 7)]
    imported(session, tmp_path)
    uids = [each.SeriesInstanceUID for each in made]
    assert [each["series"] for each in facts(session, listener, *uids)] == uids
    assert [each["series"] for each in facts(session, listener, *uids[::-1])] == uids[::-1]


def test_series_that_are_not_here_are_passed_over_and_the_thread_ends(
    session: Session, listener: Listener, tmp_path: Path
) -> None:
    made = make_ct_series(tmp_path / "ct", 2)
    imported(session, made.folder)
    session.client.request("series_facts", series=["1.2.3.4"])
    facts(session, listener, made.SeriesInstanceUID)
    assert any(thread.name == "series-facts" for thread in threading.enumerate())
    assert not any(event.get("series") == "1.2.3.4" for event in listener.events)
    session.close()
    assert not any(thread.name == "series-facts" for thread in threading.enumerate())
