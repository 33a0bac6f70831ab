"""Orthanc's REST interface against a real Orthanc: changes, lists of studies, and its storage folder read directly."""

from __future__ import annotations

import datetime
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import NetworkError, PeerError, PeerTimeoutError, UsageError
from VisualDICOMBrowserLib.model import NullControl, Query, RetrieveRequest
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.folders.storage_folder import StorageFolder, open_storage
from VisualDICOMBrowserLib.servers.query_limits import effective_query
from VisualDICOMBrowserLib.servers.web.orthanc_cache import StudyListCache
from VisualDICOMBrowserLib.servers.web.orthanc_rest import OrthancRest, Uids

CONTROL = NullControl()


class Passwords:
    """Secrets of one server."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, server: str) -> dict[str, str]:
        return self.values

    def put(self, server: str, field: str, value: str) -> None:
        self.values[field] = value


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Orthanc of these tests keeps its files."""
    return tmp_path_factory.mktemp("archive")


@pytest.fixture(scope="module")
def archive(storage: Path, thorax_series: list[CtSeries], other_patient: CtSeries) -> Iterator[Orthanc]:
    """Orthanc with three series in two studies."""
    server = Orthanc(storage)
    try:
        server.start()
        for series in (*thorax_series, other_patient):
            assert server.put(series.files.values()) == len(series.files)
        yield server
    finally:
        server.stop()


def config_of(server: Orthanc, **changes: object) -> ServerConfig:
    return server.config(rest_url=f"http://127.0.0.1:{server.http_port}", timeout_s=20.0, **changes)


@pytest.fixture
def rest(archive: Orthanc) -> Iterator[OrthancRest]:
    opened = OrthancRest(config_of(archive))
    yield opened
    opened.close()


def test_changes_name_dicom_uids_and_go_on_from_where_they_ended(
    archive: Orthanc, rest: OrthancRest, thorax_series: list[CtSeries], tmp_path: Path
) -> None:
    changes, last = rest.changes(0)
    assert last == rest.last_change()
    assert len([change for change in changes if change.kind == "NewInstance"]) == 43
    assert {change.uids.StudyInstanceUID for change in changes if change.kind == "NewStudy"} >= {
        thorax_series[0].StudyInstanceUID
    }
    first = next(iter(thorax_series[0].files))
    expected = Uids(
        StudyInstanceUID=thorax_series[0].StudyInstanceUID,
        SeriesInstanceUID=thorax_series[0].SeriesInstanceUID,
        SOPInstanceUID=first,
    )
    assert expected in [change.uids for change in changes]
    assert rest.changes(last) == ([], last)

    new = make_ct_series(tmp_path / "new", 2, number=8, patient=("N-1", "New^One"))
    archive.put(new.files.values())
    changes, _ = rest.changes(last)
    found = {(change.kind, change.uids.SeriesInstanceUID) for change in changes}
    assert {("NewInstance", new.SeriesInstanceUID), ("NewSeries", new.SeriesInstanceUID)} <= found


def test_a_deleted_resource_is_left_out(archive: Orthanc, rest: OrthancRest, tmp_path: Path) -> None:
    last = rest.last_change()
    new = make_ct_series(tmp_path / "gone", 1, number=9, patient=("G-1", "Gone^One"))
    archive.put(new.files.values())
    delete_study(archive, new.StudyInstanceUID)
    changes, after = rest.changes(last)
    assert new.StudyInstanceUID not in {change.uids.StudyInstanceUID for change in changes}
    assert after > last


def delete_study(server: Orthanc, uid: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    try:
        connection.request("POST", "/tools/lookup", uid)
        (found,) = json.loads(connection.getresponse().read())
        connection.request("DELETE", found["Path"])
        connection.getresponse().read()
    finally:
        connection.close()


def test_lists_and_searches_have_their_own_limits(archive: Orthanc, thorax_series: list[CtSeries]) -> None:
    config = config_of(archive, query_limit=1, search_limit=5)
    rest = OrthancRest(config)
    try:
        answer = rest.find_studies(effective_query(config, Query(), datetime.date.today()))
        assert (len(answer.records), answer.limit_reached) == (1, True)
        answer = rest.find_studies(Query(PatientName="phantom", Modalities=("CT",), date_from="20240101"))
        (study,) = answer.records
        assert study.StudyInstanceUID == thorax_series[0].StudyInstanceUID
        assert (study.PatientID, study.PatientName, study.StudyDate) == ("CT-1", "Phantom^Thorax", "20240102")
        assert (study.NumberOfStudyRelatedSeries, study.server) == (2, "Orthanc")
        assert (study.NumberOfStudyRelatedInstances, study.ModalitiesInStudy) == (42, ("CT",))
        assert study.StudyInstanceUID in {record.StudyInstanceUID for record in rest.find_studies(Query()).records}
        assert rest.find_studies(Query(PatientName="Phantom*")).records == (study,)
        assert rest.find_studies(Query(PatientName="Thorax*")).records == ()
        assert not answer.limit_reached
        assert rest.find_studies(Query(PatientName="nobody")).records == ()
        assert len(rest.find_studies(Query(date_from="20191231", date_to="20191231")).records) == 1
    finally:
        rest.close()


def test_the_kept_list_is_used_until_enough_has_changed(
    archive: Orthanc, local_database: LocalDatabase, tmp_path: Path
) -> None:
    config = config_of(archive, cache_threshold=40)
    rest = OrthancRest(config)
    try:
        cache = StudyListCache(config, rest, local_database.own)
        before = cache.find(Query())
        last = rest.last_change()
        # A study with two images is about five changes: too few to ask again.
        archive.put(make_ct_series(tmp_path / "few", 2, number=10, patient=("F-1", "Few")).files.values())
        assert cache.find(Query()) == before
        assert not rest.needs_refresh(last, 40)
        assert rest.needs_refresh(last, 1)
        assert rest.needs_refresh(last + 1_000_000, 40)
        assert [record.PatientID for record in cache.find(Query(PatientID="F-1")).records] == ["F-1"]
        archive.put(make_ct_series(tmp_path / "many", 45, number=11, patient=("M-1", "Many")).files.values())
        assert {record.PatientID for record in cache.find(Query()).records} >= {"F-1", "M-1"}
        # Another limit is another list.
        short = config_of(archive, cache_threshold=40, query_limit=1)
        limited = OrthancRest(short)
        try:
            answer = StudyListCache(short, limited, local_database.own).find(Query(limit=1))
            assert (len(answer.records), answer.limit_reached) == (1, True)
        finally:
            limited.close()
    finally:
        rest.close()


def test_the_password_is_asked_for_and_sent(tmp_path: Path) -> None:
    server = Orthanc(tmp_path, options={"AuthenticationEnabled": True, "RegisteredUsers": {"me": "secret-word"}})
    try:
        server.start()
        for user, secrets, right in (
            ("", None, False),
            ("me", Passwords(rest_password="wrong"), False),
            ("me", Passwords(rest_password="secret-word"), True),
        ):
            rest = OrthancRest(config_of(server, rest_user=user), secrets)
            try:
                if right:
                    assert rest.last_change() == 0
                    continue
                with pytest.raises(PeerError, match="Sign-in to Orthanc is needed") as fault:
                    rest.last_change()
                assert (fault.value.code, "wrong" in str(fault.value)) == ("sign_in", False)
            finally:
                rest.close()
    finally:
        server.stop()


def test_what_is_no_orthanc_is_said(archive: Orthanc, free_port: int, silent_port: int) -> None:
    def fault_at(url: str) -> Exception:
        rest = OrthancRest(archive.config(rest_url=url, timeout_s=1.0))
        try:
            with pytest.raises((PeerError, NetworkError)) as fault:
                rest.last_change()
        finally:
            rest.close()
        return fault.value

    root = f"http://127.0.0.1:{archive.http_port}"
    assert "does not answer as an Orthanc" in str(fault_at(root + "/app/explorer.html?"))
    assert getattr(fault_at(root + "/nowhere"), "code", "") == "not_found"
    assert getattr(fault_at(f"http://127.0.0.1:{free_port}"), "code", "") == "refused"
    assert isinstance(fault_at(f"http://127.0.0.1:{silent_port}"), PeerTimeoutError)
    with pytest.raises(UsageError, match="has no REST address"):
        OrthancRest(archive.config())


def request_of(series: CtSeries, *instances: str) -> RetrieveRequest:
    return RetrieveRequest(
        StudyInstanceUID=series.StudyInstanceUID,
        SeriesInstanceUID=series.SeriesInstanceUID,
        SOPInstanceUIDs=instances,
    )


@pytest.mark.parametrize("asked", ["REST", "index of headers"])
def test_files_are_read_from_the_storage_folder(
    archive: Orthanc,
    storage: Path,
    local_database: LocalDatabase,
    thorax_series: list[CtSeries],
    sink: FileSink,
    asked: str,
) -> None:
    config = config_of(archive, storage_folder=str(storage / "storage"))
    rest = OrthancRest(config) if asked == "REST" else None
    try:
        folder = StorageFolder(config, rest, local_database.own)
        series = thorax_series[1]
        control = ControlOfTest()
        fetch = folder.fetch(request_of(series), sink, control)
        assert (fetch.fetched, fetch.missing, fetch.reason) == (frozenset(series.files), (), "")
        counted = replace(request_of(series), expected=len(series.files))
        assert fetch.left(counted) == []
        for received in sink.files:
            assert dataset_bytes(received.path) == dataset_bytes(series.files[received.SOPInstanceUID])
            assert received.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert fetch.bytes == sum(received.size for received in sink.files)
        some = list(series.files)[:3]
        fetch = folder.fetch(request_of(series, *some, "1.2.3"), sink, control)
        assert (fetch.fetched, fetch.missing) == (frozenset(some), ("1.2.3",))
        (left,) = fetch.left(request_of(series, *some, "1.2.3"))
        assert (left.SOPInstanceUIDs, left.expected) == (("1.2.3",), 1)
        assert folder.fetch(request_of(series, some[0]), sink, control).fetched == {some[0]}
        assert sink.stray_files() == []
    finally:
        if rest is not None:
            rest.close()


def test_compressed_missing_and_wrong_files_are_left_to_the_network(
    tmp_path: Path, sink: FileSink, thorax_series: list[CtSeries]
) -> None:
    series = thorax_series[1]
    server = Orthanc(tmp_path, options={"StorageCompression": True})
    try:
        server.start()
        server.put(series.files.values())
        config = config_of(server, storage_folder=str(tmp_path / "storage"))
        rest = OrthancRest(config)
        try:
            fetch = StorageFolder(config, rest).fetch(request_of(series), sink, CONTROL)
            assert (fetch.fetched, set(fetch.missing)) == (frozenset(), set(series.files))
            by_name = {file.name: file.SOPInstanceUID for file in rest.files_of(
                {"SeriesInstanceUID": series.SeriesInstanceUID}, CONTROL
            )}  # fmt: skip
            (first, own), (second, _), (third, _), *_ = by_name.items()
            whole = series.files[own].read_bytes()
            paths = [tmp_path / "storage" / name[:2] / name[2:4] / name for name in (first, second, third)]
            paths[0].write_bytes(whole)
            paths[1].write_bytes(whole)  # another instance than its name says
            paths[2].write_bytes(whole[:-10])
            fetch = StorageFolder(config, rest).fetch(request_of(series), sink, CONTROL)
            assert fetch.fetched == {own}
        finally:
            rest.close()
        assert sink.stray_files() == []
        away = config_of(server, storage_folder=str(tmp_path / "unplugged"))
        fetch = StorageFolder(away, None).fetch(request_of(series, "1.2.3"), sink, CONTROL)
        assert fetch.missing == ("1.2.3",)
        assert "is not there" in fetch.reason
        assert fetch.left(request_of(series)) == [request_of(series)]
        with open_storage(config, DriverServices()) as storage:
            assert storage is not None
            assert storage.fetch(request_of(series), sink, CONTROL).fetched == {own}
        with open_storage(server.config(), DriverServices()) as storage:
            assert storage is None
    finally:
        server.stop()
