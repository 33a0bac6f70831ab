"""What a limit held back is asked for again and again until nothing is left, each study once; a real Orthanc."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from Testing.support.web_server import Answer, Request, WebServer, json_answer, study_json
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig

# Two studies on each of two days, so that a limit of two falls between and onto days.
DATES = ("20240101", "20240101", "20240105", "20240105", "20240301", "20230630", "20200229")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[CtSeries]:
    folder = tmp_path_factory.mktemp("files")
    return [make_ct_series(folder / str(number), 1, number=number, date=date) for number, date in enumerate(DATES, 1)]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, studies: list[CtSeries]) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path_factory.mktemp("orthanc"), dicomweb=True)
    server.start()
    try:
        server.put(path for study in studies for path in study.files.values())
        yield server
    finally:
        server.stop()


def engine_on(folder: Path, config: ServerConfig) -> ManyServers:
    return ManyServers(folder / "database", [config])


def ask_on(engine: ManyServers, name: str, **fields: Any) -> tuple[Counter[str], list[dict[str, Any]], int]:
    """How often each study was named until nothing was left, the queries that asked, and how many rounds it took."""
    named: Counter[str] = Counter()
    queries: list[dict[str, Any]] = []
    result = engine.search("STUDY", [name], **fields)
    open_ids = take(named, engine, result, name, "search-1")
    rounds = 0
    while open_ids:
        rounds += 1
        assert rounds < 30
        open_ids = [each for search_id in open_ids for each in next_round(engine, named, queries, search_id, name)]
    return named, queries, rounds


def next_round(
    engine: ManyServers, named: Counter[str], queries: list[dict[str, Any]], search_id: str, name: str
) -> list[str]:
    still_open = []
    for part in engine.engine.handle("search_next", {"search_id": search_id, "server": name}):
        queries.append(part["query"])
        while not engine.found(part["search_id"])["finished"]:
            engine.event("search_finished")
        still_open += take(named, engine, engine.found(part["search_id"]), name, part["search_id"])
    return still_open


def take(named: Counter[str], engine: ManyServers, result: dict[str, Any], name: str, search_id: str) -> list[str]:
    named.update(row["StudyInstanceUID"] for row in result["records"])
    assert result["servers"][name]["state"] == "done", json.dumps(result["servers"])
    return [search_id] if result["servers"][name]["limit_reached"] else []


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
def test_a_dicomweb_server_goes_on_at_the_offset(
    tmp_path: Path, orthanc: Orthanc, studies: list[CtSeries], limit: int
) -> None:
    engine = engine_on(tmp_path, orthanc.web_config(name="Web", query_limit=limit, search_limit=limit))
    try:
        named, queries, rounds = ask_on(engine, "Web")
        assert named == Counter(study.StudyInstanceUID for study in studies)  # each exactly once
        assert [query["offset"] for query in queries] == list(range(limit, len(DATES), limit))
        assert rounds == (len(DATES) - 1) // limit
    finally:
        engine.close()


def test_the_offset_counts_what_fits_the_filters(tmp_path: Path, orthanc: Orthanc, studies: list[CtSeries]) -> None:
    engine = engine_on(tmp_path, orthanc.web_config(name="Web", search_limit=1))
    try:
        named, queries, _rounds = ask_on(engine, "Web", PatientID="CT-1", date_from="20240102")
        assert named == Counter(study.StudyInstanceUID for study in studies[2:5])
        assert all(query["date_from"] == "20240102" and query["PatientID"] == "CT-1" for query in queries)
    finally:
        engine.close()


def test_a_dimse_server_is_asked_by_halves_of_the_dates(
    tmp_path: Path, orthanc: Orthanc, studies: list[CtSeries]
) -> None:
    engine = engine_on(tmp_path, orthanc.config(name="PACS", query_limit=2, search_limit=2))
    try:
        named, queries, _rounds = ask_on(engine, "PACS")
        assert set(named) == {study.StudyInstanceUID for study in studies}
        assert all("offset" not in query for query in queries)
    finally:
        engine.close()


def test_dates_that_cannot_be_narrowed_are_said(tmp_path: Path, orthanc: Orthanc) -> None:
    engine = engine_on(tmp_path, orthanc.config(name="PACS", query_limit=1, search_limit=1))
    try:
        engine.search("STUDY", ["PACS"], date_from="20240105", date_to="20240105")
        with pytest.raises(UsageError, match="cannot be narrowed"):
            engine.engine.handle("search_next", {"search_id": "search-1", "server": "PACS"})
        with pytest.raises(UsageError, match="held back nothing"):
            engine.engine.handle("search_next", {"search_id": "search-9", "server": "PACS"})
    finally:
        engine.close()


def test_a_server_that_ignores_the_offset_is_asked_by_dates(tmp_path: Path) -> None:
    dates = {f"1.2.{number}": f"202401{number:02}" for number in range(1, 8)}

    def first_matches(request: Request) -> Answer:
        first, _, last = request.query.get("StudyDate", ["-"])[0].partition("-")
        fit = [uid for uid, date in dates.items() if (first or "0") <= date <= (last or first or "9")]
        found = [study_json(uid, **{"00080020": {"vr": "DA", "Value": [dates[uid]]}}) for uid in fit]
        return json_answer(found[: int(request.query["limit"][0])])

    with WebServer(first_matches) as server:
        config = ServerConfig(name="Odd", protocol="dicomweb", url=server.url, query_limit=2, search_limit=2)
        engine = engine_on(tmp_path, config)
        try:
            named, queries, _rounds = ask_on(engine, "Odd")
        finally:
            engine.close()
    assert set(named) == set(dates)
    assert queries[0]["offset"] == 2
    assert any("date_to" in query for query in queries)
