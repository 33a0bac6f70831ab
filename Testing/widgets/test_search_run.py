"""Queries with a real engine and real servers: answers, limits, failures, stopping, and the chips beside them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import make_ct_series
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.search.search_run import SearchRun
from VisualDICOMBrowserLib.widgets.search.source_chips import ChipActions, SourceChips
from VisualDICOMBrowserLib.widgets.search.worklist import WorklistRun
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


class Online:
    """A host that lets every server be asked."""

    def before_network(self) -> bool:
        return True


class Asking:
    """A run with its catalogue and chips."""

    def __init__(self, client: QProcessClient) -> None:
        self.client = client
        self.context = BrowserContext(client, Theme("light"), Online(), MemoryViewSettings(), lambda *_: None)
        self.catalogue = Catalogue()
        self.changes = 0
        self.run = SearchRun(self.context, self.catalogue, self._changed)
        self.chips = SourceChips(self.context, ChipActions(retry=self.run.retry, stop=self.run.stop))
        self.chips.resize(1600, 40)
        self.chips.show()

    def _changed(self) -> None:
        self.changes += 1
        self.chips.note_search(self.run.states, self.run.finished)

    def add_server(self, name: str, **fields: Any) -> None:
        self.client.request("add_server", name=name, **fields)
        self.chips.set_servers(self.client.request("servers"))

    def studies(self) -> list[str]:
        patients = self.catalogue.filtered(Filters())
        return sorted(study.StudyDate for each in patients for study in self.catalogue.studies(each))

    def words(self) -> dict[str, str]:
        return {chip.name: chip.words for chip in self.chips.shown}

    def close(self) -> None:
        self.run.close()
        self.chips.end()
        self.chips.close()


@pytest.fixture
def asking(client: QProcessClient) -> Iterator[Asking]:
    made = Asking(client)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five studies of one patient, one for each day."""
    for day in range(1, 6):
        make_ct_series(tmp_path / "archive" / str(day), 1, number=day, date=f"2024010{day}")
    return tmp_path / "archive"


@pytest.fixture
def pacs(tmp_path: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """A node that offers the five studies."""
    client = QProcessClient(tmp_path / "pacs")
    job = client.request("import_files", paths=[str(folder)])
    assert client.wait(lambda: client.request("job", job_id=job)["finished"] is not None, 60)
    node = client.request("start_node", port=0, ae_title="PACS")
    yield {"protocol": "dimse", "host": "127.0.0.1", "port": node["port"], "called_ae_title": "PACS"}
    client.close()


def test_answers_come_into_the_catalogue_and_each_server_says_its_number(
    asking: Asking, pacs: dict[str, Any], free_port: int, wait_until
):
    asking.add_server("PACS", **pacs)
    asking.add_server("Old", **{**pacs, "port": free_port})
    asking.add_server("Other", **pacs)
    asking.run.ask(Filters(PatientID="CT-1", date="range", date_from="20240102"), ["PACS", "Old"])
    assert asking.run.states["PACS"]["state"] == "queued"
    wait_until(lambda: asking.run.finished)
    assert asking.studies() == [f"2024010{day}" for day in range(2, 6)]
    words = asking.words()
    assert words["PACS"].startswith("4 studies · ")
    assert words["Old"] == "connection refused"
    assert words["Other"] == "not asked"
    (patient,) = asking.catalogue.filtered(Filters())
    assert (patient.local, patient.servers) == (False, ("PACS",))
    hint = next(chip.hint for chip in asking.chips.shown if chip.name == "Old")
    assert f"nothing listens on port {free_port}" in hint
    assert "date_from: 20240102" in hint


def test_a_new_question_forgets_the_old_answers(asking: Asking, pacs: dict[str, Any], wait_until):
    asking.add_server("PACS", **pacs)
    asking.run.ask(Filters(PatientID="CT-1"), ["PACS"])
    wait_until(lambda: asking.run.finished)
    asking.run.ask(Filters(PatientID="nobody"), ["PACS"])
    wait_until(lambda: asking.run.finished)
    assert asking.studies() == []
    assert asking.words()["PACS"].startswith("nothing found")
    asking.run.ask_again()
    wait_until(lambda: asking.run.finished)
    assert asking.run.states["PACS"]["state"] == "done"


def test_a_server_that_failed_is_asked_again_alone(asking: Asking, pacs: dict[str, Any], free_port: int, wait_until):
    asking.add_server("PACS", **{**pacs, "port": free_port})
    asking.run.ask(Filters(PatientID="CT-1"), ["PACS"])
    wait_until(lambda: asking.run.finished)
    assert asking.words()["PACS"] == "connection refused"
    asking.client.request("edit_server", name="PACS", port=pacs["port"])
    (chip,) = [each for each in asking.chips._chips if each.state.name == "PACS"]
    chip.press("retry")
    wait_until(lambda: asking.run.finished)
    assert asking.words()["PACS"].startswith("5 studies")
    assert len(asking.studies()) == 5


def test_the_rest_behind_a_limit_is_asked_for_by_halving_the_dates(asking: Asking, pacs: dict[str, Any], wait_until):
    asking.add_server("PACS", **pacs, search_limit=2)
    asking.run.ask(Filters(date="range", date_from="20240101", date_to="20240105"), ["PACS"])
    wait_until(lambda: asking.run.finished)
    assert asking.words()["PACS"] == "first 2 studies, more exist"
    for _round in range(4):
        if asking.run.states["PACS"]["limit_reached"]:
            asking.run.ask_next("PACS")
            wait_until(lambda: asking.run.finished)
    assert asking.studies() == [f"2024010{day}" for day in range(1, 6)]
    assert asking.run.states["PACS"]["count"] == 5
    assert not asking.run.states["PACS"]["limit_reached"]


def test_a_silent_server_is_stopped_while_the_other_has_answered(
    asking: Asking, pacs: dict[str, Any], silent_port: int, wait_until
):
    asking.add_server("PACS", **pacs)
    asking.add_server("Silent", **{**pacs, "port": silent_port})
    asking.run.ask(Filters(PatientID="CT-1"), ["PACS", "Silent"])
    wait_until(lambda: asking.run.states["PACS"]["state"] == "done")
    assert not asking.run.finished
    assert asking.words()["PACS"].startswith("5 studies")
    wait_until(lambda: "asking" in asking.words()["Silent"])
    (chip,) = [each for each in asking.chips._chips if each.state.name == "Silent"]
    chip.press("stop")
    assert asking.run.finished
    assert asking.words()["Silent"] == "stopped"
    assert len(asking.studies()) == 5


def test_series_of_a_study_and_priors_are_learnt_without_touching_the_chips(
    asking: Asking, pacs: dict[str, Any], wait_until
):
    asking.add_server("PACS", **pacs)
    ended: list[str] = []
    asking.run.ask_patient("CT-1", ["PACS"], lambda: ended.append("patient"))
    wait_until(lambda: ended == ["patient"])
    (patient,) = asking.catalogue.filtered(Filters())
    study = asking.catalogue.studies(patient)[0].StudyInstanceUID
    asking.run.ask_series(study, ["PACS"], lambda: ended.append("series"))
    wait_until(lambda: ended == ["patient", "series"])
    assert len(asking.catalogue.series(study)) == 1
    assert asking.run.states == {}


def test_an_unknown_server_fails_with_its_sentence(asking: Asking, wait_until):
    asking.run.ask(Filters(PatientID="1"), ["Nowhere"])
    wait_until(lambda: asking.run.finished)
    assert asking.run.states["Nowhere"]["state"] == "failed"
    assert "Nowhere" in asking.run.states["Nowhere"]["error"]["message"]


def test_servers_asked_when_the_engine_ends_say_so(asking: Asking, pacs: dict[str, Any], silent_port: int, wait_until):
    asking.add_server("Silent", **{**pacs, "port": silent_port})
    asking.run.ask(Filters(PatientID="1"), ["Silent"])
    wait_until(lambda: asking.run.states["Silent"]["state"] == "running")
    os.kill(asking.client.pid, signal.SIGKILL)
    wait_until(lambda: asking.run.finished)
    assert asking.words()["Silent"] == "engine was restarted"


def test_a_worklist_server_that_fails_is_named(asking: Asking, pacs: dict[str, Any], free_port: int, wait_until):
    asking.add_server("RIS", **{**pacs, "port": free_port}, worklist_enabled=True)
    run = WorklistRun(asking.context, lambda: None)
    run.set_servers(asking.client.request("servers"))
    assert run.available
    run.ask()
    wait_until(lambda: not run.busy)
    assert f"nothing listens on port {free_port}" in run.failures["RIS"]
    run.close()


def test_the_rest_of_one_server_leaves_what_another_told(asking: Asking, pacs: dict[str, Any], wait_until):
    asking.add_server("PACS", **pacs)
    asking.add_server("Small", **pacs, search_limit=2)
    asking.run.ask(Filters(date="range", date_from="20240101", date_to="20240105"), ["PACS", "Small"])
    wait_until(lambda: asking.run.finished)
    while asking.run.states["Small"]["limit_reached"]:
        asking.run.ask_next("Small")
        wait_until(lambda: asking.run.finished)
    (patient,) = asking.catalogue.filtered(Filters())
    assert {tuple(sorted(study.sources)) for study in patient.studies} == {("PACS", "Small")}


def test_what_servers_cannot_be_asked_for_is_said(asking: Asking, pacs: dict[str, Any], wait_until):
    asking.add_server("PACS", **pacs)
    asking.run.ask(Filters(SeriesDescription="Axial"), ["PACS"])
    wait_until(lambda: asking.run.finished)
    assert asking.run.states["PACS"]["warnings"] == [
        "PACS cannot search studies by series description. Asked without it."
    ]
