"""One ID and two persons: the warning in the header and the window that compares, with a real engine and Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
import qt

from Testing.support.browser_driving import Wait, names, query
from Testing.support.orthanc import Orthanc
from Testing.support.widget_driving import shown, texts
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient


def a_slice(folder: Path, number: int, **changes: Any) -> Path:
    """An image of a study of its own, with other values."""
    dataset = pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    values = {
        "SOPInstanceUID": f"1.2.3.{number}",
        "SeriesInstanceUID": f"1.2.4.{number}",
        "StudyInstanceUID": f"1.2.5.{number}",
        "PatientID": "42",
        "PatientName": "Doe^Jane",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
    }
    del dataset.OtherPatientIDsSequence
    for keyword, value in {**values, **changes}.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path = folder / f"{number}.dcm"
    dataset.save_as(str(path))
    return path


def import_files(browser: Browser, wait_until: Wait, *paths: Path) -> None:
    before = len(browser.feed.state.jobs())
    browser.import_paths([str(path) for path in paths])
    wait_until(lambda: len(browser.feed.state.jobs()) > before and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: browser.loader.idle and browser.page.patient is not None)


def compared(browser: Browser, wait_until: Wait) -> Any:
    """The window that Compare opens, with everything read."""
    wait_until(lambda: browser.remarks.visible)
    shown(browser.remarks, "Compare").click()
    window = browser.windows._windows["compare"]
    wait_until(lambda: not window.busy)
    return window


@pytest.fixture
def orthanc(tmp_path: Path, client: QProcessClient) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path / "orthanc")
    server.start()
    try:
        config = server.config().to_dict()
        client.request("add_server", **{**config, "name": "Main PACS"})
        yield server
    finally:
        server.stop()


def test_two_local_birth_dates_under_one_name_and_id_are_told_and_compared(
    browser: Browser, tmp_path: Path, wait_until: Wait
) -> None:
    first = a_slice(tmp_path, 1, IssuerOfPatientID="Hospital A", OtherPatientIDs="X-1")
    second = a_slice(tmp_path, 2, PatientBirthDate="19900202", IssuerOfPatientID="Hospital B")
    import_files(browser, wait_until, first)
    assert not browser.remarks.visible
    import_files(browser, wait_until, second)
    assert names(browser) == ["Doe, Jane"]  # the database files them together, as CTK does
    wait_until(lambda: "give another birth date: 1990-02-02" in texts(browser))
    assert browser.showing.current.where == "check"
    window = compared(browser, wait_until)
    assert window.windowModality == qt.Qt.NonModal
    ours, other = window.sides
    assert [study.StudyInstanceUID for study in ours.studies] == ["1.2.5.1"]
    assert [study.StudyInstanceUID for study in other.studies] == ["1.2.5.2"]
    lines = dict(row.split("\t", 1) for row in window.text().splitlines())
    assert lines["Birth date"] == "1950-01-01\t1990-02-02\tdiffers"
    assert lines["Issuer of the ID"] == "Hospital A\tHospital B\tdiffers"
    assert lines["Name"] == "Doe, Jane\tDoe, Jane\tthe same"
    assert lines["Other IDs"] == "X-1\tempty\tnot comparable"


def test_a_server_with_another_birth_date_for_other_studies_is_a_patient_of_its_own(
    browser: Browser, orthanc: Orthanc, tmp_path: Path, wait_until: Wait
) -> None:
    import_files(browser, wait_until, a_slice(tmp_path, 1))
    orthanc.put([a_slice(tmp_path, 2, PatientBirthDate="19900202")])
    query(browser, wait_until, "42")
    wait_until(lambda: names(browser) == ["Doe, Jane", "Doe, Jane"])
    assert "The ID 42 also stands for Doe, Jane, born 1990-02-02." in texts(browser)
    window = compared(browser, wait_until)
    assert [side.heading for side in window.sides] == ["Local database", "Main PACS"]
    assert window.sides[1].values["PatientBirthDate"] == "19900202"
    assert "not told" in texts(window)
    shown(window, "Show Doe, Jane, Main PACS").click()
    assert browser.showing.current is window.sides[1].entry
    assert browser.remarks.visible
    shown(window, "Keep apart").click()
    assert not window.visible
    assert len(names(browser)) == 2


def test_a_server_with_another_birth_date_for_the_same_study_is_told(
    browser: Browser, orthanc: Orthanc, tmp_path: Path, wait_until: Wait
) -> None:
    import_files(browser, wait_until, a_slice(tmp_path, 1))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    orthanc.put([a_slice(elsewhere, 1, PatientBirthDate="19900202", PatientName="DOE^Janet")])
    query(browser, wait_until, "42")
    wait_until(lambda: "Main PACS has 1 study of this patient under DOE, Janet, born 1990-02-02." in texts(browser))
    window = compared(browser, wait_until)
    assert window.sides[1].heading == "As told by Main PACS"
    assert window.sides[1].entry is None
    lines = dict(row.split("\t", 1) for row in window.text().splitlines())
    assert lines["Name"] == "Doe, Jane\tDOE, Janet\tdiffers"
    assert lines["Birth date"].endswith("differs")


def test_the_same_person_everywhere_needs_no_warning(
    browser: Browser, orthanc: Orthanc, tmp_path: Path, wait_until: Wait
) -> None:
    import_files(browser, wait_until, a_slice(tmp_path, 1))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    orthanc.put([a_slice(elsewhere, 1, PatientName="DOE^JANE^^"), a_slice(elsewhere, 2, PatientBirthDate="")])
    query(browser, wait_until, "42")
    wait_until(lambda: browser.showing.current.study_count == 2)
    assert names(browser) == ["Doe, Jane"]
    assert not browser.remarks.visible


def test_escape_closes_the_comparison_and_it_follows_the_look(
    browser: Browser, tmp_path: Path, wait_until: Wait
) -> None:
    import_files(browser, wait_until, a_slice(tmp_path, 1), a_slice(tmp_path, 2, PatientName="Smith^John"))
    window = compared(browser, wait_until)
    (key,) = window.findChildren(qt.QShortcut)
    key.activated.emit()
    assert not window.visible
