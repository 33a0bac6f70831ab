"""Retrieves from several real servers: who is asked, what happens when one is dead, and forced ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.database.patient_connections import allow_server
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import Level, Query, SeriesRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig


@dataclass
class Pair:
    """Two Orthancs: the first has slices 0 to 19 of a series and a second series, the other slices 10 to 29."""

    first: Orthanc
    second: Orthanc
    series: list[CtSeries]

    @property
    def study(self) -> str:
        return self.series[0].StudyInstanceUID

    @property
    def configs(self) -> list[ServerConfig]:
        return [self.first.config(name="First"), self.second.config(name="Second")]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    one = make_ct_series(folder / "1", 30)
    two = make_ct_series(folder / "2", 5, study=one.StudyInstanceUID, number=2)
    servers = Orthanc(folder / "first", dicomweb=True), Orthanc(folder / "second")
    files = list(one.files.values())
    try:
        for server in servers:
            server.start()
        servers[0].put([*files[:20], *two.files.values()])
        servers[1].put(files[10:])
        yield Pair(*servers, [one, two])
    finally:
        for server in servers:
            server.stop()


@pytest.fixture
def engine(tmp_path: Path, pair: Pair) -> Iterator[ManyServers]:
    opened = ManyServers(tmp_path / "database", pair.configs)
    yield opened
    opened.close()


def dead_config(port: int, **fields: object) -> ServerConfig:
    return ServerConfig(
        **{"name": "Dead", "host": "127.0.0.1", "port": port, "called_ae_title": "DEAD", "timeout_s": 2, **fields}  # type: ignore[arg-type]
    )


def test_each_instance_comes_from_one_server(engine: ManyServers, pair: Pair) -> None:
    job = engine.retrieve(StudyInstanceUID=pair.study)
    result = job.result or {}
    assert job.state is JobState.DONE
    assert (result["imported"], result["unchanged"], result["received"]) == (35, 0, 35)
    assert sum(result["sources"].values()) == 35
    assert len(engine.instances()) == 35
    assert engine.pictures_asked_for() == [{"series": sorted(series.SeriesInstanceUID for series in pair.series)}]
    assert f"5 images of series {pair.series[1].SeriesInstanceUID} came from First." in "\n".join(job.log)
    known = engine.remote.instances(pair.study, pair.series[0].SeriesInstanceUID)
    assert {server: len(uids) for server, uids in known.items()} == {"First": 20, "Second": 20}


def test_a_dead_server_is_noted_and_left_out(engine: ManyServers, pair: Pair, free_port: int) -> None:
    engine.add(dead_config(free_port))
    job = engine.retrieve(StudyInstanceUID=pair.study)
    assert job.state is JobState.DONE
    assert any("Dead is left out: " in line for line in job.log)
    assert list((job.result or {})["left_out"]) == ["Dead"]
    assert len(engine.instances()) == 35


def test_what_a_dead_server_was_known_to_have_is_missing(engine: ManyServers, pair: Pair, free_port: int) -> None:
    engine.add(dead_config(free_port))
    lost = SeriesRecord(StudyInstanceUID=pair.study, SeriesInstanceUID="1.2.3", NumberOfSeriesRelatedInstances=4)
    engine.remote.seen("Dead", [lost])
    job = engine.retrieve(StudyInstanceUID=pair.study)
    assert job.state is JobState.PARTLY
    assert (job.result or {})["failed_count"] == 4
    assert "Dead" in (job.result or {})["reason"]


def test_when_all_are_dead_the_job_fails_with_their_error(engine: ManyServers, free_port: int) -> None:
    engine.add(dead_config(free_port))
    engine.add(dead_config(free_port, name="Dead too"))
    job = engine.retrieve(StudyInstanceUID="1.2.3", sources=["Dead", "Dead too"])
    assert job.state is JobState.FAILED
    assert (job.error or {})["type"] == "NetworkError"


def test_a_study_that_nobody_has_is_told_in_one_sentence(engine: ManyServers) -> None:
    job = engine.retrieve(StudyInstanceUID="1.2.3")
    assert job.state is JobState.FAILED
    assert (job.error or {})["code"] == "not_found"
    assert (job.error or {})["message"] == "None of First and Second has the study 1.2.3."


def test_images_are_looked_for_everywhere(engine: ManyServers, pair: Pair) -> None:
    uids = list(pair.series[0].files)
    wanted = [uids[0], uids[15], uids[29]]
    job = engine.retrieve(
        StudyInstanceUID=pair.study, SeriesInstanceUID=pair.series[0].SeriesInstanceUID, SOPInstanceUIDs=wanted
    )
    assert (job.result or {})["failed_count"] == 0
    assert engine.instances().keys() == set(wanted)
    again = engine.retrieve(
        StudyInstanceUID=pair.study,
        SeriesInstanceUID=pair.series[0].SeriesInstanceUID,
        SOPInstanceUIDs=[*wanted, uids[1], "1.2.3.4"],
    )
    result = again.result or {}
    assert again.state is JobState.PARTLY
    assert (result["present"], result["imported"], result["failed_count"]) == (3, 1, 1)
    assert result["failed"][0]["SOPInstanceUID"] == "1.2.3.4"


def test_dicomweb_is_preferred_to_c_get(tmp_path: Path, pair: Pair) -> None:
    engine = ManyServers(tmp_path / "web", [pair.first.config(name="Get"), pair.first.web_config(name="Web")])
    try:
        job = engine.retrieve(StudyInstanceUID=pair.study)
        assert job.state is JobState.DONE
        assert (job.result or {})["sources"] == {"Web": 25}
    finally:
        engine.close()


def test_what_a_folder_has_is_not_fetched_from_a_server(tmp_path: Path, pair: Pair) -> None:
    inside = list(pair.series[0].files.items())[:12]
    (tmp_path / "inbox").mkdir()
    for _, path in inside:
        (tmp_path / "inbox" / path.name).write_bytes(path.read_bytes())
    folder = ServerConfig(name="Folder", protocol="folder", folder=str(tmp_path / "inbox"))
    engine = ManyServers(tmp_path / "with-folder", [*pair.configs, folder], options={"folder/quiet_s": 0.0})
    try:
        job = engine.retrieve(StudyInstanceUID=pair.study, SeriesInstanceUID=pair.series[0].SeriesInstanceUID)
        result = job.result or {}
        assert job.state is JobState.DONE, job.error
        assert len(engine.instances()) == 30
        # Looking through the folder has brought its files into the database.
        assert (result["present"], result["imported"], result["unchanged"]) == (12, 18, 0)
    finally:
        engine.close()


def test_a_server_that_is_not_trusted_is_asked_for_allowed_patients_only(
    tmp_path: Path, engine: ManyServers, pair: Pair
) -> None:
    engine.parts.servers.edit("Second", trusted=False)
    first = engine.retrieve(StudyInstanceUID=pair.study, PatientID="CT-1")
    assert (first.result or {})["sources"] == {"First": 25}
    allow_server(engine.parts.database, "CT-1", "Second")
    second = engine.retrieve(StudyInstanceUID=pair.study, PatientID="CT-1")
    assert (second.result or {})["sources"] == {"Second": 10}


def test_removed_servers_are_skipped_and_names_are_checked(engine: ManyServers, pair: Pair) -> None:
    job = engine.retrieve(StudyInstanceUID=pair.study, sources=["Gone", "Second"])
    assert (job.result or {})["sources"] == {"Second": 20}
    alone = engine.retrieve(StudyInstanceUID=pair.study, sources=["Gone"])
    assert (alone.error or {})["code"] == "unknown_server"


# Forced retrieves


def changed_copies(series: CtSeries, folder: Path) -> list[Path]:
    """The same instances with another description."""
    from pydicom import dcmread

    folder.mkdir()
    copies = []
    for path in series.files.values():
        dataset = dcmread(path)
        dataset.SeriesDescription = "Corrected"
        dataset.save_as(folder / path.name)
        copies.append(folder / path.name)
    return copies


@pytest.fixture
def own_series(tmp_path: Path, pair: Pair) -> CtSeries:
    """A series of a study of its own, on the first server."""
    series = make_ct_series(tmp_path / "own", 6, number=9)
    pair.first.put(series.files.values())
    return series


def test_a_forced_retrieve_replaces_what_is_here(
    engine: ManyServers, pair: Pair, own_series: CtSeries, tmp_path: Path
) -> None:
    study = own_series.StudyInstanceUID
    engine.retrieve("First", StudyInstanceUID=study)
    copies = changed_copies(own_series, tmp_path / "changed")
    pair.first.put(copies)
    plain = engine.retrieve("First", StudyInstanceUID=study)
    assert (plain.result or {})["present"] == 6
    forced = engine.retrieve("First", StudyInstanceUID=study, force=True)
    result = forced.result or {}
    assert forced.state is JobState.DONE, forced.error
    assert (result["replaced"], result["imported"], result["failed_count"], result["kept"]) == (6, 0, 0, {})
    expected = sorted(dataset_bytes(path) for path in copies)
    assert sorted(dataset_bytes(path) for path in engine.instances().values()) == expected
    (series,) = engine.parts.database.reader.series(Query(level=Level.SERIES, StudyInstanceUID=study))
    assert series.SeriesDescription == "Corrected"
    assert engine.pictures_asked_for()[-1] == {"series": [own_series.SeriesInstanceUID], "force": True}
    assert engine.parts.database.own.conflicts() == []


def test_images_that_the_server_no_longer_has_stay_and_are_told(
    engine: ManyServers, pair: Pair, own_series: CtSeries, tmp_path: Path
) -> None:
    from pydicom import dcmread

    extra = dcmread(next(iter(own_series.files.values())))
    extra.SOPInstanceUID = extra.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    extra.save_as(tmp_path / "extra.dcm")
    engine.put([*own_series.files.values(), tmp_path / "extra.dcm"])
    job = engine.retrieve(StudyInstanceUID=own_series.StudyInstanceUID, force=True)
    result = job.result or {}
    assert job.state is JobState.DONE
    assert (result["replaced"], result["kept"]) == (6, {own_series.SeriesInstanceUID: 1})
    assert any("did not come again" in line for line in job.log)
    assert len(engine.instances()) == 7


def test_a_copy_that_does_not_come_whole_changes_nothing(tmp_path: Path) -> None:
    series = make_ct_series(tmp_path / "files", 40, size=256)
    server = Orthanc(tmp_path / "dying")
    server.start()
    engine = ManyServers(
        tmp_path / "database",
        [server.config(name="Dying")],
        on_stored=lambda count: server.kill() if count == 55 else None,
        options={"database/batch_files": 5},
    )
    try:
        server.put(series.files.values())
        assert engine.retrieve("Dying", StudyInstanceUID=series.StudyInstanceUID).state is JobState.DONE
        before = {uid: (path, path.stat().st_mtime_ns) for uid, path in engine.instances().items()}
        job = engine.retrieve("Dying", StudyInstanceUID=series.StudyInstanceUID, force=True)
        assert job.state is JobState.FAILED
        assert (job.error or {})["code"] == "connection_lost"
        assert any("did not come whole; what was here of it stays." in line for line in job.log)
        assert {uid: (path, path.stat().st_mtime_ns) for uid, path in engine.instances().items()} == before
    finally:
        engine.close()
        server.stop()
    assert not list((tmp_path / "database").rglob("*.part"))


def test_a_single_source_that_dies_leaves_a_job_that_is_partly_done(tmp_path: Path) -> None:
    series = make_ct_series(tmp_path / "files", 40, size=256)
    server = Orthanc(tmp_path / "dying")
    server.start()
    engine = ManyServers(
        tmp_path / "database",
        [server.config(name="Dying")],
        on_stored=lambda count: server.kill() if count == 5 else None,
        options={"database/batch_files": 5},
    )
    try:
        server.put(series.files.values())
        job = engine.retrieve("Dying", StudyInstanceUID=series.StudyInstanceUID)
        result = job.result or {}
        assert job.state is JobState.PARTLY
        assert result["reason_code"] == "connection_lost"
        assert 0 < result["imported"] < 40
        assert result["done_count"] == result["imported"] == len(engine.instances())
        assert result["failed_count"] == 40 - result["imported"]
    finally:
        engine.close()
        server.stop()
