"""The page "When one machine is not enough", run: Orthanc on PostgreSQL, and two workplaces with our engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.orthanc import Orthanc
from Testing.support.postgres import Postgres
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.model import Level

PAGE = Path(__file__).parents[2] / "Docs" / "shared-archive.md"
PASSWORD = "known-to-two"
WAIT_S = 120


def configuration_of_page() -> dict[str, Any]:
    """The configuration block of the page."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    values: dict[str, Any] = json.loads(block)
    return values


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """An empty PostgreSQL."""
    cluster = Postgres(PASSWORD)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Orthanc]:
    """Orthanc as the page configures it; only ports, passwords and folders are those of the test."""
    options = configuration_of_page()
    for plugin in options["Plugins"]:
        if not Path(plugin).exists():
            pytest.skip("orthanc-postgresql is not installed")
    folder = tmp_path_factory.mktemp("archive")
    options["PostgreSQL"] |= {"Port": postgres.port, "Password": PASSWORD}
    options |= {"StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage")}
    options["AuthenticationEnabled"] = False
    for key in ("HttpPort", "DicomPort", "DicomAet"):
        del options[key]
    server = Orthanc(folder, options=options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """What is stored."""
    return make_ct_series(tmp_path_factory.mktemp("series"), 20)


def workplace(folder: Path, archive: Orthanc) -> Session:
    """An engine on a database of its own that knows the archive."""
    session = Session(open_engine(folder))
    fields = {"name": "Shared archive", "host": "127.0.0.1", "port": archive.port, "called_ae_title": "ORTHANC"}
    session.client.request("add_server", **fields)
    return session


def test_two_workplaces_share_the_archive(
    archive: Orthanc, postgres: Postgres, series: CtSeries, tmp_path: Path
) -> None:
    with workplace(tmp_path / "first", archive) as first:
        first.import_files([series.folder], timeout=WAIT_S)
        first.send(first.records(Level.STUDY), ["Shared archive"], timeout=WAIT_S)
    assert archive.instance_count() == 20
    # Index and files are in PostgreSQL, nothing is on Orthanc's own disk.
    assert postgres.rows("SELECT count(*) FROM resources WHERE resourcetype = 3") == "20"
    assert int(postgres.rows("SELECT count(*) FROM storagearea")) >= 20

    with workplace(tmp_path / "second", archive) as second:
        (study,) = second.find("Shared archive", Level.STUDY, PatientName="phantom", timeout=WAIT_S)
        assert study.StudyInstanceUID == series.StudyInstanceUID
        result = second.retrieve("Shared archive", study.StudyInstanceUID, timeout=WAIT_S)
        assert (result["imported"], result["failed_count"]) == (20, 0)
        for record in second.records(Level.IMAGE):
            assert dataset_bytes(Path(record.path)) == dataset_bytes(series.files[record.SOPInstanceUID])


def test_the_page_names_what_it_configures() -> None:
    options = configuration_of_page()
    page = PAGE.read_text(encoding="utf-8")
    for name in ("EnableStorage", "Lock", "IndexConnectionsCount", "OverwriteInstances", "StorageCompression"):
        assert f"`{name}`" in page
    assert options["PostgreSQL"]["EnableIndex"] is True
    assert options["OverwriteInstances"] is False
    assert f"--aet {options['DicomAet']}" in page
    assert f"--port {options['DicomPort']}" in page
