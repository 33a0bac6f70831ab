"""What an Orthanc offers beside DICOM, used by searches and retrieves of the engine: its REST address, its storage."""

from __future__ import annotations

import datetime
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.orthanc import Orthanc
from Testing.support.processes import free_port
from Testing.support.worklists import Entry, WlmScpFs
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.model import Level, StudyRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig

WAIT_S = 120
OWN_FILE = "visual-dicom-browser.sql"
TODAY = datetime.date.today().strftime("%Y%m%d")
WAYS = ("dimse", "dicomweb")


@dataclass
class Archive:
    """An Orthanc with a study of two series, one of today and one of 2019."""

    server: Orthanc
    storage: Path
    study: list[CtSeries]

    @property
    def files(self) -> dict[str, Path]:
        """What the study consists of, by SOP Instance UID."""
        return {uid: path for series in self.study for uid, path in series.files.items()}

    def config(self, way: str, *, rest: bool = True, **changes: Any) -> ServerConfig:
        """How to reach it."""
        given = {"rest_url": f"http://127.0.0.1:{self.server.http_port}" if rest else "", "timeout_s": 20.0, **changes}
        return self.server.config(**given) if way == "dimse" else self.server.web_config(**given)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Filled once; nothing of it is removed."""
    folder = tmp_path_factory.mktemp("archive")
    first = make_ct_series(folder / "1", 12)
    second = make_ct_series(folder / "2", 6, study=first.StudyInstanceUID, number=2)
    server = Orthanc(folder / "orthanc", dicomweb=True)
    try:
        server.start()
        new = make_ct_series(folder / "new", 1, number=3, patient=("NEW-1", "Today^One"), date=TODAY)
        old = make_ct_series(folder / "old", 1, number=4, patient=("OLD-1", "Former^One"), date="20191231")
        for series in (first, second, new, old):
            assert server.put(series.files.values()) == len(series.files)
        yield Archive(server, folder / "orthanc" / "storage", [first, second])
    finally:
        server.stop()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """An engine on an empty database."""
    with Session(open_engine(tmp_path / "database")) as opened:
        yield opened


def add(session: Session, config: ServerConfig) -> None:
    session.client.request("add_server", **config.to_dict())


def found(session: Session, server: str = "Orthanc", **filters: Any) -> tuple[list[StudyRecord], dict[str, Any]]:
    """Studies that a search finds, and the result of its job."""
    job_id = session.client.request("find", server=server, level="STUDY", **filters)
    result = session.wait(job_id, WAIT_S)["result"]
    records = [StudyRecord(**fields) for fields in session.client.request("find_results", job_id=job_id)]
    return records, result


def patients(session: Session, server: str = "Orthanc", **filters: Any) -> set[str]:
    return {record.PatientID for record in found(session, server, **filters)[0]}


def fetched(session: Session, study: str) -> tuple[dict[str, Any], str]:
    """Result and log of a retrieve of a whole study."""
    job_id = session.client.request("retrieve", server="Orthanc", StudyInstanceUID=study)
    job = session.wait(job_id, WAIT_S)
    return job["result"], "\n".join(session.client.request("job", job_id=job_id)["log"])


def here(session: Session) -> dict[str, Path]:
    return {record.SOPInstanceUID: Path(record.path) for record in session.records(Level.IMAGE)}


# The storage folder


@pytest.fixture
def half_storage(archive: Archive, tmp_path: Path) -> Path:
    """A copy of the storage with nine images of the first series, as on a disk that lags behind."""
    folder = tmp_path / "storage"
    shutil.copytree(archive.storage, folder)
    kept = {archive.study[0].files[uid].read_bytes() for uid in list(archive.study[0].files)[:9]}
    files = [path for path in folder.rglob("*-*-*-*-*") if path.is_file()]
    for path in files:
        if path.read_bytes() not in kept:
            path.unlink()
    return folder


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rest", [True, False], ids=["REST", "index of headers"])
def test_what_the_storage_lacks_comes_by_network(
    session: Session, archive: Archive, half_storage: Path, way: str, rest: bool
) -> None:
    add(session, archive.config(way, rest=rest, storage_folder=str(half_storage)))
    result, log = fetched(session, archive.study[0].StudyInstanceUID)
    assert "9 images came from the storage folder of Orthanc." in log
    # Each image was received once, so only nine more came by network.
    assert {key: result[key] for key in ("received", "imported", "unchanged", "failed_count")} == {
        "received": 18, "imported": 18, "unchanged": 0, "failed_count": 0,
    }  # fmt: skip
    assert result["sources"] == {"Orthanc": 18}
    copies = here(session)
    assert copies.keys() == archive.files.keys()
    assert all(dataset_bytes(copies[uid]) == dataset_bytes(path) for uid, path in archive.files.items())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rest", [True, False], ids=["REST", "index of headers"])
def test_a_study_comes_from_the_disk_alone(session: Session, archive: Archive, way: str, rest: bool) -> None:
    add(session, archive.config(way, rest=rest, storage_folder=str(archive.storage)))
    result, log = fetched(session, archive.study[0].StudyInstanceUID)
    assert "18 images came from the storage folder of Orthanc." in log
    assert (result["received"], result["imported"], result["failed_count"]) == (18, 18, 0)
    assert result["bytes"] == sum(path.stat().st_size for path in here(session).values())
    again = session.retrieve("Orthanc", archive.study[0].StudyInstanceUID, force=True, timeout=WAIT_S)
    assert (again["received"], again["failed_count"]) == (18, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_storage_that_is_not_there_is_said_and_done_without(
    session: Session, archive: Archive, tmp_path: Path, way: str
) -> None:
    add(session, archive.config(way, storage_folder=str(tmp_path / "unplugged")))
    result, log = fetched(session, archive.study[0].StudyInstanceUID)
    assert "The storage folder of Orthanc is not read: " in log
    assert (result["received"], result["failed_count"]) == (18, 0)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_nowhere_is_counted_as_failed(session: Session, tmp_path: Path, way: str) -> None:
    """Files lost from the archive's own disk: neither there nor over the network."""
    series = make_ct_series(tmp_path / "series", 8)
    # It would answer from its memory else.
    server = Orthanc(tmp_path / "orthanc", dicomweb=True, options={"MaximumStorageCacheSize": 0})
    try:
        server.start()
        server.put(series.files.values())
        storage = tmp_path / "orthanc" / "storage"
        lost = list(series.files)[2:4]
        contents = {series.files[uid].read_bytes() for uid in lost}
        for path in [path for path in storage.rglob("*-*-*-*-*") if path.is_file()]:
            if path.read_bytes() in contents:
                path.unlink()
        config = Archive(server, storage, [series]).config(way, storage_folder=str(storage), max_waiting_s=0.0)
        add(session, config)
        job_id = session.client.request("retrieve", server="Orthanc", StudyInstanceUID=series.StudyInstanceUID)
        session.wait(job_id, WAIT_S)
    finally:
        server.stop()
    job = session.client.request("job", job_id=job_id)
    result, log = job["result"], "\n".join(job["log"])
    assert "6 images came from the storage folder of Orthanc." in log
    assert (job["state"], result["received"], result["imported"], result["failed_count"]) == ("partly", 6, 6, 2)
    if way == "dimse":  # by DICOMweb it fails as a whole, which might pass, and no image is to blame
        assert {item["SOPInstanceUID"] for item in result["failed"]} == set(lost)
    assert here(session).keys() == series.files.keys() - set(lost)


# The list of studies


@pytest.mark.parametrize("way", WAYS)
def test_studies_by_rest_are_those_by_dicom(session: Session, archive: Archive, way: str) -> None:
    add(session, archive.config(way))
    add(session, archive.config(way, rest=False, name="Plain"))
    for filters in ({}, {"PatientName": "phantom"}, {"PatientID": "-1", "Modalities": ["CT"]}, {"date_from": TODAY}):
        by_rest, result = found(session, **filters)
        by_dicom, _ = found(session, "Plain", **filters)
        assert result["warnings"] == []
        assert {key_facts(record) for record in by_rest} == {key_facts(record) for record in by_dicom}
        assert by_rest


def key_facts(record: StudyRecord) -> tuple[tuple[str, Any], ...]:
    fields = asdict(record)
    del fields["server"]
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in sorted(fields.items()))


@pytest.mark.parametrize("way", WAYS)
def test_the_list_is_kept_until_enough_has_changed(session: Session, tmp_path: Path, way: str) -> None:
    server = Orthanc(tmp_path / "orthanc", dicomweb=True)
    try:
        server.start()
        server.put(make_ct_series(tmp_path / "1", 1).files.values())
        add(session, Archive(server, tmp_path, []).config(way, cache_threshold=20))
        assert patients(session) == {"CT-1"}
        few = make_ct_series(tmp_path / "2", 2, number=2, patient=("FEW-1", "Few"))
        server.put(few.files.values())
        assert patients(session) == {"CT-1"}
        # A search always asks.
        assert patients(session, PatientID="FEW") == {"FEW-1"}
        server.put(make_ct_series(tmp_path / "3", 25, number=3, patient=("MANY-1", "Many")).files.values())
        assert patients(session) == {"CT-1", "FEW-1", "MANY-1"}
    finally:
        server.stop()


@pytest.mark.parametrize("way", WAYS)
def test_a_rest_address_that_fails_is_a_warning(session: Session, archive: Archive, way: str) -> None:
    add(session, archive.config(way, rest_url=f"http://127.0.0.1:{free_port()}"))
    records, result = found(session)
    assert {record.PatientID for record in records} == {"CT-1", "NEW-1", "OLD-1"}
    (warning,) = result["warnings"]
    assert warning.startswith("The studies were searched by DICOM, because the REST address did not help: ")
    assert "nothing listens on port" in warning


# Dates and limits

KINDS = ("dimse", "dimse with REST", "dicomweb", "dicomweb with REST", "folder")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of server."""
    return str(request.param)


def config_of(kind: str, archive: Archive, folder: Path, **changes: Any) -> ServerConfig:
    """A server of that kind with the same four studies."""
    if kind != "folder":
        way, _, rest = kind.partition(" ")
        return archive.config(way, rest=bool(rest), **changes)
    source = archive.study[0].folder.parent
    for name in ("1", "2", "new", "old"):
        if not (folder / name).exists():
            shutil.copytree(source / name, folder / name)
    fields = {"name": "Orthanc", "protocol": "folder", "folder": str(folder), "folder_mode": "link"}
    return ServerConfig(**{**fields, **changes})


def test_dates_and_limits_hold_for_every_kind_of_server(
    session: Session, archive: Archive, tmp_path: Path, kind: str
) -> None:
    def edit(**changes: Any) -> None:
        plain = {"date_from": "", "date_to": "", "recent_count": 0, "query_limit": 0, "search_limit": 0}
        session.client.request("edit_server", name="Orthanc", **{**plain, **changes})

    session.client.request("set_setting", key="folder/quiet_s", value=0)
    add(session, config_of(kind, archive, tmp_path / "folder"))
    assert patients(session) == {"CT-1", "NEW-1", "OLD-1"}
    edit(date_from="20200101", date_to="20251231")
    assert patients(session) == {"CT-1"}
    assert patients(session, date_from="20190101") == {"CT-1"}
    edit(recent_count=3, recent_unit="days")
    assert patients(session) == {"NEW-1"}
    assert patients(session, PatientID="CT-1") == set()
    # A study that is named is not hidden.
    assert patients(session, StudyInstanceUID=archive.study[0].StudyInstanceUID) == {"CT-1"}
    # The settings' own dates make no search of a list, so it is the list's limit that holds.
    edit(date_from="20190101", query_limit=2, search_limit=1)
    records, result = found(session)
    assert (len(records), result["limit_reached"]) == (2, True)
    records, result = found(session, Modalities=["CT"])
    assert (len(records), result["limit_reached"]) == (1, True)
    records, result = found(session, PatientID="OLD")
    assert (len(records), result["limit_reached"]) == (1, False)


def test_a_worklist_has_neither(session: Session, tmp_path: Path) -> None:
    server = WlmScpFs(tmp_path / "worklist", Entry(number=1), Entry(number=2, patient="P-2", accession="ACC2"))
    try:
        server.start()
        limits = {"query_limit": 1, "search_limit": 1, "date_from": TODAY, "recent_count": 1}
        add(session, server.config(worklist_enabled=True, **limits))
        (name,) = [values["name"] for values in session.client.request("servers")]
        assert len(session.worklist(name, timeout=WAIT_S)) == 2
    finally:
        server.stop()


# Names


def kept_by_name(database: Path) -> dict[str, set[str]]:
    """Names under which something is kept, by what it is."""
    with closing(sqlite3.connect(f"file:{database / OWN_FILE}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT section, key FROM Entries").fetchall()
    kept: dict[str, set[str]] = {}
    for section, key in rows:
        what, colon, name = section.partition(":")
        if colon and what in ("folder", "storage"):
            kept.setdefault(what, set()).add(name)
        elif section in ("orthanc-cache", "orthanc-changes"):
            kept.setdefault(section, set()).add(key)
    return kept


def test_what_is_kept_goes_with_its_server(session: Session, archive: Archive, tmp_path: Path) -> None:
    database = tmp_path / "database"
    incoming = tmp_path / "incoming"
    shutil.copytree(archive.study[1].folder, incoming)
    session.client.request("set_setting", key="folder/quiet_s", value=0)
    add(session, archive.config("dimse", name="A", cache_threshold=1_000))
    add(session, archive.config("dimse", rest=False, name="B", storage_folder=str(archive.storage)))
    add(session, ServerConfig(name="C", protocol="folder", folder=str(incoming), folder_mode="link"))
    assert len(found(session, "A")[0]) == 3
    session.retrieve("B", archive.study[0].StudyInstanceUID, timeout=WAIT_S)
    assert patients(session, "C") == {"CT-1"}
    with closing(OwnStore(database / OWN_FILE)) as own:
        own.put("orthanc-changes", "A", {"rest_url": "http://127.0.0.1", "last": 7})
    before = {"orthanc-cache": {"A"}, "orthanc-changes": {"A"}, "storage": {"B"}, "folder": {"C"}}
    assert kept_by_name(database) == before

    for name in "ABC":
        session.client.request("edit_server", name=name, new_name=f"New {name}")
    assert kept_by_name(database) == {what: {f"New {name}" for name in names} for what, names in before.items()}
    # The kept list is that of the server under its new name.
    records, _ = found(session, "New A")
    assert {record.server for record in records} == {"New A"}
    assert patients(session, "New C") == {"CT-1"}

    for name in "ABC":
        session.client.request("remove_server", name=f"New {name}")
    assert kept_by_name(database) == {}
