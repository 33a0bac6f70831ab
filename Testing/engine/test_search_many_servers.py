"""One search over two real servers and the local database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.database.patient_connections import connections_of
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig


@dataclass
class Hospital:
    """Two Orthancs: the shared study is on both (the second lacks a series), each has one of its own."""

    configs: list[ServerConfig]
    shared: list[CtSeries]
    only_first: CtSeries
    only_second: CtSeries


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    shared = [make_ct_series(folder / "1", 6)]
    shared.append(make_ct_series(folder / "2", 3, study=shared[0].StudyInstanceUID, number=2))
    only_first = make_ct_series(folder / "3", 2, patient=("MR-9", "Mueller^Jo"), date="20191231")
    only_second = make_ct_series(folder / "4", 4, date="20230505", description="Control")
    first, second = Orthanc(folder / "first"), Orthanc(folder / "second")
    try:
        first.start()
        second.start()
        for series in (*shared, only_first):
            first.put(series.files.values())
        for series in (shared[0], only_second):
            second.put(series.files.values())
        configs = [first.config(name="First"), second.config(name="Second")]
        yield Hospital(configs, shared, only_first, only_second)
    finally:
        first.stop()
        second.stop()


@pytest.fixture
def engine(tmp_path: Path, hospital: Hospital) -> Iterator[ManyServers]:
    opened = ManyServers(tmp_path / "database", hospital.configs)
    yield opened
    opened.close()


def by_uid(result: dict[str, list[dict[str, object]]], field: str) -> dict[str, dict[str, object]]:
    return {str(row[field]): row for row in result["records"]}


def test_a_study_on_two_servers_and_here_is_one_record(engine: ManyServers, hospital: Hospital) -> None:
    engine.put(list(hospital.shared[0].files.values())[:2])
    result = engine.search("STUDY")
    rows = by_uid(result, "StudyInstanceUID")
    assert result["finished"]
    assert len(rows) == 3
    shared = rows[hospital.shared[0].StudyInstanceUID]
    assert shared["sources"] == {"First": {"instances": 9, "series": 2}, "Second": {"instances": 6, "series": 1}}
    assert (shared["local"], shared["complete"]) == (2, ["First"])
    assert rows[hospital.only_second.StudyInstanceUID]["sources"].keys() == {"Second"}  # type: ignore[attr-defined]
    assert {name: (state["state"], state["count"]) for name, state in result["servers"].items()} == {
        "First": ("done", 2),
        "Second": ("done", 2),
    }
    assert engine.remote.studies(hospital.shared[0].StudyInstanceUID).keys() == {"First", "Second"}


def test_patients_and_series_are_merged_too(engine: ManyServers, hospital: Hospital) -> None:
    engine.put(hospital.shared[0].files.values())
    patients = by_uid(engine.search("PATIENT"), "PatientID")
    assert patients.keys() == {"CT-1", "MR-9"}
    assert patients["CT-1"]["sources"].keys() == {"First", "Second"}  # type: ignore[attr-defined]
    assert patients["CT-1"]["local"] == 6
    series = by_uid(engine.search("SERIES", StudyInstanceUID=hospital.shared[0].StudyInstanceUID), "SeriesInstanceUID")
    first = series[hospital.shared[0].SeriesInstanceUID]
    assert (first["local"], first["complete"]) == (6, ["", "First", "Second"])
    assert series[hospital.shared[1].SeriesInstanceUID]["sources"].keys() == {"First"}  # type: ignore[attr-defined]


def test_what_is_here_counts_even_if_it_does_not_fit_the_query(engine: ManyServers, hospital: Hospital) -> None:
    """A server knows the study by a description that the local copy lacks."""
    from pydicom import dcmread

    path = next(iter(hospital.only_second.files.values()))
    local = dcmread(path)
    local.StudyDescription = "Renamed"
    local.save_as(path.with_name("local.dcm"))
    engine.put([path.with_name("local.dcm")])
    rows = by_uid(engine.search("STUDY", StudyDescription="Thorax", date_from="20230101"), "StudyInstanceUID")
    assert rows[hospital.only_second.StudyInstanceUID]["local"] == 1
    assert rows[hospital.only_second.StudyInstanceUID]["StudyDescription"] == "Renamed"


def test_answers_stream_in_and_the_end_is_told_once(engine: ManyServers) -> None:
    search_id = engine.start_search()
    seen: dict[str, dict[str, object]] = {}
    while True:
        event = engine.events.get(timeout=30)
        if event["event"] == "search_records":
            assert event["search_id"] == search_id
            seen.update((row["StudyInstanceUID"], row) for row in event["records"])
        if event["event"] == "search_finished":
            break
    result = engine.found(search_id)
    assert seen == by_uid(result, "StudyInstanceUID")
    assert event["servers"] == result["servers"]


def test_failures_and_limits_are_part_of_the_result(engine: ManyServers, free_port: int) -> None:
    dead = ServerConfig(name="Dead", host="127.0.0.1", port=free_port, called_ae_title="DEAD", timeout_s=2)
    engine.add(dead)
    result = engine.search("STUDY", limit=1)
    assert result["servers"]["Dead"]["state"] == "failed"
    assert result["servers"]["Dead"]["error"]["code"] == "refused"
    assert result["servers"]["First"]["limit_reached"]
    assert result["servers"]["First"]["count"] == 1


def test_one_question_asked_twice_is_one_job_and_two_results(engine: ManyServers) -> None:
    searches = [engine.start_search() for _ in range(3)]
    for search_id in searches:
        engine.event("search_finished")
        assert search_id
    results = [engine.found(search_id)["records"] for search_id in searches]
    assert len(results[0]) == 3
    assert results[0] == results[1] == results[2]


def test_a_server_that_is_not_trusted_is_asked_only_if_named_or_allowed(
    engine: ManyServers, hospital: Hospital
) -> None:
    engine.put(hospital.shared[0].files.values())
    engine.parts.servers.edit("Second", trusted=False)
    result = engine.search("STUDY", PatientID="CT-1")
    assert result["servers"]["Second"]["state"] == "not_asked"
    assert "not trusted" in result["servers"]["Second"]["warnings"][0]
    assert all("Second" not in row["sources"] for row in result["records"])
    named = engine.search("STUDY", servers=["Second"], PatientID="CT-1")
    assert named["servers"].keys() == {"Second"}
    (connections,) = connections_of(engine.parts.database, "CT-1")
    assert (connections.allow, connections.deny) == (("", "Second"), ())
    allowed = engine.search("STUDY", PatientID="CT-1")
    assert allowed["servers"]["Second"]["state"] == "done"
    engine.parts.database.writer.set_connections(connections.key, [""], ["First"])
    denied = engine.search("STUDY", PatientID="CT-1")
    assert {state["state"] for state in denied["servers"].values()} == {"not_asked"}


def test_a_silent_server_holds_up_nobody_and_can_be_given_up(engine: ManyServers, silent_port: int) -> None:
    silent = ServerConfig(name="Silent", host="127.0.0.1", port=silent_port, called_ae_title="S", timeout_s=600)
    engine.add(silent)
    search_id = engine.start_search()
    seen: set[str] = set()
    while len(seen) < 3:
        event = engine.event("search_records")
        seen |= {row["StudyInstanceUID"] for row in event["records"]}
    assert not engine.found(search_id)["finished"]
    engine.give_up(search_id)
    servers = engine.event("search_finished")["servers"]
    assert servers["Silent"]["state"] == "cancelled"


def test_wrong_questions_are_refused_at_once(engine: ManyServers) -> None:
    with pytest.raises(UsageError, match="no server 'Nowhere'"):
        engine.start_search(servers=["Nowhere"])
    with pytest.raises(UsageError, match="not a level"):
        engine.start_search("HOSPITAL")
    with pytest.raises(UsageError, match="no filter Colour"):
        engine.start_search(Colour="blue")
    with pytest.raises(UsageError, match="not kept"):
        engine.found("search-99")


def test_without_servers_the_local_database_answers(tmp_path: Path, hospital: Hospital) -> None:
    engine = ManyServers(tmp_path / "alone", [])
    try:
        engine.put(hospital.only_first.files.values())
        result = engine.search("STUDY")
        assert [row["local"] for row in result["records"]] == [2]
        assert result["servers"] == {}
    finally:
        engine.close()
