"""Real servers of the session, filled with the same two series, and our own node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import DcmQrScp, StoreScp
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.settings import Settings

COMPRESSED_FILES = (
    "JPEG2000.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEG-lossy.dcm",
)


@pytest.fixture(scope="session")
def thorax_series(tmp_path_factory: pytest.TempPathFactory) -> list[CtSeries]:
    """Two series of one study: 30 and 12 slices."""
    folder = tmp_path_factory.mktemp("thorax")
    first = make_ct_series(folder / "1", 30)
    second = make_ct_series(folder / "2", 12, study=first.StudyInstanceUID, number=2, description="Coronal")
    return [first, second]


@pytest.fixture(scope="session")
def other_patient(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """One slice of a patient whose name is not ASCII, of another year."""
    folder = tmp_path_factory.mktemp("other")
    return make_ct_series(folder, 1, number=7, patient=("MR-9", "Mueller^Jo"), date="20191231", description="Scout")


@pytest.fixture(scope="session")
def compressed_files() -> list[Path]:
    """Real compressed files of pydicom, one per transfer syntax."""
    from pydicom.data import get_testdata_file

    return [Path(str(get_testdata_file(name))) for name in COMPRESSED_FILES]


@pytest.fixture(scope="session")
def orthanc(
    tmp_path_factory: pytest.TempPathFactory,
    thorax_series: list[CtSeries],
    other_patient: CtSeries,
) -> Iterator[Orthanc]:
    """Orthanc as shipped, with the CT series."""
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    try:
        server.start()
        for series in (*thorax_series, other_patient):
            assert server.put(series.files.values()) == len(series.files)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def quick_orthanc(tmp_path_factory: pytest.TempPathFactory, thorax_series: list[CtSeries]) -> Iterator[Orthanc]:
    """Orthanc with TCP_NODELAY=1, with the thorax series only."""
    server = Orthanc(tmp_path_factory.mktemp("quick-orthanc"), no_delay=True)
    try:
        server.start()
        for series in thorax_series:
            server.put(series.files.values())
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def dcmqrscp(tmp_path_factory: pytest.TempPathFactory, thorax_series: list[CtSeries]) -> Iterator[DcmQrScp]:
    """DCMTK's query/retrieve server with the thorax series."""
    server = DcmQrScp(tmp_path_factory.mktemp("dcmqrscp"))
    try:
        server.start()
        for series in thorax_series:
            server.put(series.folder)
        yield server
    finally:
        server.stop()


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[StoreScp]:
    """DCMTK's storage server with an empty folder."""
    server = StoreScp(tmp_path / "storescp")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def settings() -> Settings:
    """Default settings."""
    return Settings()


@pytest.fixture
def control() -> ControlOfTest:
    """Control of a job that nobody cancels unless the test does."""
    return ControlOfTest()


@pytest.fixture
def sink(tmp_path: Path) -> FileSink:
    """Sink with an empty folder."""
    return FileSink(tmp_path / "received")


@pytest.fixture(scope="module")
def pool() -> Iterator[BulkPool]:
    """Two warm workers."""
    workers = BulkPool(2)
    workers.start()
    yield workers
    workers.close()


@pytest.fixture
def local_database(tmp_path: Path) -> Iterator[LocalDatabase]:
    """An empty database."""
    database = LocalDatabase.open(tmp_path / "database")
    yield database
    database.close()


@pytest.fixture
def instance_store(local_database: LocalDatabase) -> Iterator[InstanceStore]:
    """The store of that database."""
    store = InstanceStore(local_database)
    yield store
    store.close()


@pytest.fixture
def start_node(local_database: LocalDatabase, instance_store: InstanceStore) -> Iterator[Callable[..., Node]]:
    """Starts our node on a free port; takes further arguments of `Node`."""
    nodes: list[Node] = []

    def start(**arguments: object) -> Node:
        node = Node(local_database, instance_store, **{"ae_title": "NODE", **arguments})  # type: ignore[arg-type]
        node.start()
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.close()


@pytest.fixture
def node(start_node: Callable[..., Node]) -> Node:
    """Our node with default arguments."""
    return start_node()


@pytest.fixture
def node_config(node: Node) -> ServerConfig:
    """How to reach the node."""
    return ServerConfig(name="Node", host="127.0.0.1", port=node.port, called_ae_title="NODE")
