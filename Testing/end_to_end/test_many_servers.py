"""The same patient on two Orthancs and a PACS that only knows C-MOVE, one of which dies in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import DcmQrScp
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.servers.config import ServerConfig

KILLED_AFTER = 10
LISTENER_TITLE = "BROWSER"


@dataclass
class Spread:
    """Servers, what they were given, how to reach them, and the port of our listener."""

    dying: Orthanc
    configs: list[ServerConfig]
    files: dict[str, Path]
    study: str
    port: int


@pytest.fixture
def spread(tmp_path: Path) -> Iterator[Spread]:
    """One study over three servers with overlaps; what the first has, the others have between them."""
    series = [make_ct_series(tmp_path / "1", 60, size=256)]
    study = series[0].StudyInstanceUID
    series += [
        make_ct_series(tmp_path / str(number), count, study=study, number=number)
        for number, count in ((2, 20), (3, 12), (4, 8))
    ]
    port = free_port()
    first, second = Orthanc(tmp_path / "first"), Orthanc(tmp_path / "second")
    third = DcmQrScp(tmp_path / "third", peers={LISTENER_TITLE: port}, options=["--disable-get"])
    servers = (first, second, third)
    try:
        for server in servers:
            server.start()
        large = list(series[0].files.values())
        first.put([*large, *series[1].files.values()])
        second.put([*large[:40], *series[2].files.values()])
        _put(third, tmp_path / "for-third", [*large[30:], *series[1].files.values(), *series[3].files.values()])
        configs = [
            first.config(name="First"),
            second.config(name="Second"),
            third.config(name="Third", retrieve_protocol="C-MOVE"),
        ]
        yield Spread(first, configs, _all_files(series), study, port)
    finally:
        for server in servers:
            server.stop()


def _put(server: DcmQrScp, folder: Path, files: list[Path]) -> None:
    folder.mkdir()
    for path in files:
        (folder / path.name).hardlink_to(path)
    server.put(folder)


def _all_files(series: list[CtSeries]) -> dict[str, Path]:
    return {uid: path for each in series for uid, path in each.files.items()}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_server_killed_in_the_middle_of_a_retrieve_costs_nothing(
    tmp_path: Path, spread: Spread, workers: int
) -> None:
    """Every instance is there once, and the job's log says from where."""
    kills: list[int] = []

    def kill_once(count: int) -> None:
        if count >= KILLED_AFTER and not kills:
            kills.append(count)
            spread.dying.kill()

    options = {
        "retrieve/workers": workers,
        "database/batch_files": KILLED_AFTER,
        "node/ae_title": LISTENER_TITLE,
        "node/port": spread.port,
    }
    engine = ManyServers(tmp_path / "database", spread.configs, options=options, on_stored=kill_once)
    try:
        found = engine.search("STUDY", PatientID="CT-1")
        (study,) = found["records"]
        assert set(study["sources"]) == {"First", "Second", "Third"}

        job = engine.retrieve(StudyInstanceUID=spread.study)

        assert job.state is JobState.DONE, job.error
        assert kills
        here = engine.instances()
        assert here.keys() == spread.files.keys()
        assert all(dataset_bytes(path) == dataset_bytes(spread.files[uid]) for uid, path in here.items())
        result = job.result or {}
        assert result["failed_count"] == 0
        assert result["imported"] == len(spread.files)
        assert result["unchanged"] == 0, "an image came twice"
        assert sum(result["sources"].values()) == len(spread.files)
        assert list(result["left_out"]) == ["First"]
        log = "\n".join(job.log)
        assert "images of series" in log
        assert "to come from Second instead, because First did not send them: " in log
        for server, count in result["sources"].items():
            assert count == 0 or f"came from {server}." in log
        again = engine.retrieve(StudyInstanceUID=spread.study, sources=["Second", "Third"])
        assert (again.result or {})["present"] == len(spread.files)
        assert (again.result or {})["received"] == 0
    finally:
        engine.close()
    assert not list((tmp_path / "database").rglob("*.part"))
