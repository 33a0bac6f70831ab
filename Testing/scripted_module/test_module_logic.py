"""The module's logic without Slicer and without a window, on real engines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from Testing.support.shipped import MODULE
from VisualDICOMBrowserLib.errors import DatabaseFault, EngineError, NetworkError, UsageError

TIMEOUT_S = 120


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The scripted module, imported from its own folder as Slicer does."""
    monkeypatch.syspath_prepend(MODULE)
    import VisualDICOMBrowser

    return VisualDICOMBrowser


@pytest.fixture
def make_logic(module: Any, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Makes logics on folders of this test, and closes them."""
    made = []

    def make(name: str) -> Any:
        made.append(module.VisualDICOMBrowserLogic(str(tmp_path / name)))
        return made[-1]

    yield make
    for logic in made:
        logic.close()


@pytest.fixture
def logic(make_logic: Callable[[str], Any]) -> Any:
    """A logic on an empty database."""
    return make_logic("database")


@pytest.fixture
def ct_file() -> str:
    return str(pydicom.data.get_testdata_file("CT_small.dcm"))


def test_import_then_list(logic: Any, ct_file: str):
    result = logic.importFiles([ct_file])
    assert (result["imported"], result["rejected"]) == (1, [])
    (patient,) = logic.patients()
    (study,) = logic.studies(PatientID=patient.PatientID)
    (series,) = logic.series(StudyInstanceUID=study.StudyInstanceUID)
    assert (patient.PatientID, series.Modality) == ("1CT1", "CT")
    assert logic.patients(PatientName="nobody") == []


def test_copied_files_are_in_the_database(logic: Any, ct_file: str):
    logic.importFiles([ct_file], copyFiles=True)
    assert len(list((logic.databaseDirectory() / "dicom").rglob("*.dcm"))) == 1


def test_imported_series_becomes_a_volume(logic: Any, ct_file: str):
    pytest.importorskip("slicer_core", reason="loading needs slicer-core (extra 'desktop')")
    logic.importFiles([ct_file])
    (node,) = logic.loadSeries([logic.series()[0].SeriesInstanceUID])
    assert node.GetImageData().GetDimensions() == (128, 128, 1)


def test_find_and_retrieve_from_another_database(logic: Any, make_logic: Callable[[str], Any], ct_file: str):
    pacs = make_logic("pacs")
    pacs.importFiles([ct_file])
    node = pacs.client().request("start_node", port=0, ae_title="PACS")
    logic.addServer("PACS", node["host"], node["port"], "PACS", timeout_s=10)
    assert logic.testServer("PACS") >= 0
    (study,) = logic.find("PACS", PatientName="CompressedSamples")
    result = logic.retrieve("PACS", study.StudyInstanceUID)
    assert (result["imported"], result["failed_count"]) == (1, 0)
    assert [patient.PatientID for patient in logic.patients()] == ["1CT1"]


def test_servers_are_added_changed_and_removed(logic: Any):
    logic.addServer("PACS", "127.0.0.1", 11112, "PACS")
    assert logic.editServer("PACS", port=11113)["port"] == 11113
    assert [server["name"] for server in logic.servers()] == ["PACS"]
    logic.removeServer("PACS")
    assert logic.servers() == []


def test_failed_job_raises_its_reason(logic: Any, free_port: int):
    logic.addServer("PACS", "127.0.0.1", free_port, "PACS")
    with pytest.raises(NetworkError, match=f"nothing listens on port {free_port}"):
        logic.testServer("PACS")
    with pytest.raises(UsageError):
        logic.find("no such server")


def test_job_started_in_the_background_is_waited_for(logic: Any, ct_file: str):
    job_id = logic.startImport([ct_file])
    assert logic.waitForJob(job_id, TIMEOUT_S)["state"] == "done"
    assert job_id in [job["job_id"] for job in logic.jobs()]
    assert logic.cancelJob(job_id) is False


def test_waiting_for_a_job_ends_after_its_time(logic: Any, silent_port: int):
    logic.addServer("PACS", "127.0.0.1", silent_port, "PACS", timeout_s=2)
    job_id = logic.client().request("test_server", name="PACS")
    with pytest.raises(EngineError, match="has not ended"):
        logic.waitForJob(job_id, 0.05)
    assert logic.cancelJob(job_id)
    assert logic.waitForJob(job_id, TIMEOUT_S)["state"] == "cancelled"


def test_subscribers_hear_events_until_they_leave(logic: Any, ct_file: str):
    events = []
    leave = logic.subscribe(events.append)
    logic.importFiles([ct_file])
    assert {"job_changed", "job_finished"} <= {event["event"] for event in events}
    leave()
    for job in logic.jobs():
        logic.waitForJob(job["job_id"], TIMEOUT_S)
    count = len(events)
    logic.importFiles([ct_file])
    assert len(events) == count


def test_close_and_go_on(logic: Any, ct_file: str):
    logic.importFiles([ct_file])
    logic.close()
    assert len(logic.patients()) == 1


def test_without_slicer_a_folder_must_be_given(module: Any):
    with pytest.raises(DatabaseFault, match="No DICOM database is open"):
        module.VisualDICOMBrowserLogic().patients()


def test_module_alone_on_the_path_finds_its_library():
    code = "import VisualDICOMBrowser, VisualDICOMBrowserLib"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(MODULE)!r}); {code}"]
    done = subprocess.run(command, cwd=MODULE, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
