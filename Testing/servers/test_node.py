"""Our own node with DCMTK's clients, real DICOM files and a real destination."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import StoreScp, run_client
from Testing.support.file_sink import ControlOfTest, FileSink
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import NetworkError, UsageError
from VisualDICOMBrowserLib.model import Level, Query, RetrieveRequest
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import driver_for
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.settings import Settings

StartNode = Callable[..., Node]


def send(node: Node, *files: Path) -> None:
    done = run_client("storescu", "-R", "-aec", "NODE", "127.0.0.1", str(node.port), *files)
    assert done.returncode == 0, done.stderr


def find(node: Node, *keys: str) -> list[str]:
    """Lines of the matches that findscu prints."""
    arguments = [part for key in keys for part in ("-k", key)]
    done = run_client("findscu", "-S", "-aec", "NODE", *arguments, "127.0.0.1", str(node.port))
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).splitlines()


def values(lines: list[str], tag: str) -> list[str]:
    return [line.split("[", 1)[1].split("]")[0].strip(" \0") for line in lines if f"({tag})" in line and "[" in line]


@pytest.fixture
def filled_node(node: Node, thorax_series: list[CtSeries], other_patient: CtSeries) -> Node:
    for series in (*thorax_series, other_patient):
        send(node, *series.files.values())
    return node


def test_echo_and_the_called_ae_title(node: Node) -> None:
    assert run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(node.port)).returncode == 0
    refused = run_client("echoscu", "-aec", "OTHER", "127.0.0.1", str(node.port))
    assert "Called AE Title Not Recognized" in refused.stderr + refused.stdout


def test_only_allowed_callers(start_node: StartNode) -> None:
    node = start_node(rules=ListenerRules(["FRIEND"]))
    friend = run_client("echoscu", "-aet", "FRIEND", "-aec", "NODE", "127.0.0.1", str(node.port))
    assert friend.returncode == 0
    stranger = run_client("echoscu", "-aet", "STRANGER", "-aec", "NODE", "127.0.0.1", str(node.port))
    assert "Calling AE Title Not Recognized" in stranger.stderr + stranger.stdout


def test_stored_instances_are_in_the_database_byte_for_byte(
    node: Node, local_database: LocalDatabase, thorax_series: list[CtSeries]
) -> None:
    first = thorax_series[0]
    send(node, *first.files.values())
    records = local_database.reader.instances_of_series(first.SeriesInstanceUID)
    assert {record.SOPInstanceUID for record in records} == set(first.files)
    for record in records:
        assert dataset_bytes(Path(record.path)) == dataset_bytes(first.files[record.SOPInstanceUID])
    send(node, *first.files.values())
    assert local_database.reader.counts().instances == len(first.files)
    incoming = local_database.folder / "visual-dicom-browser-incoming"
    assert list(incoming.rglob("*.part")) == []


def test_an_instance_that_is_there_with_other_content_is_refused(
    node: Node, local_database: LocalDatabase, tmp_path: Path
) -> None:
    series = make_ct_series(tmp_path / "one", 1)
    (path,) = series.files.values()
    send(node, path)
    changed = pydicom.dcmread(path)
    changed.PatientID = "SOMEBODY-ELSE"
    other = tmp_path / "other.dcm"
    changed.save_as(other)
    done = run_client("storescu", "-v", "-aec", "NODE", "127.0.0.1", str(node.port), other)
    assert "0xc000" in (done.stdout + done.stderr).lower() or "CannotUnderstand" in done.stdout + done.stderr
    (record,) = local_database.reader.instances_of_series(series.SeriesInstanceUID)
    assert dataset_bytes(Path(record.path)) == dataset_bytes(path)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["PatientName=phantom*"], ["Phantom^Thorax"]),
        (["PatientName=*^T?orax"], ["Phantom^Thorax"]),
        (["PatientName=Phantom"], []),
        (["PatientName", "StudyDate=20200101-"], ["Phantom^Thorax"]),
        (["PatientName", "StudyDate=-20200101"], ["Mueller^Jo"]),
        (["PatientName", "StudyDate=20240102"], ["Phantom^Thorax"]),
        (["PatientName", "StudyDate=20190101-20250101"], ["Mueller^Jo", "Phantom^Thorax"]),
        (["PatientName", "ModalitiesInStudy=MR"], []),
        (["PatientName", "ModalitiesInStudy=CT", "PatientID=CT-1"], ["Phantom^Thorax"]),
        (["PatientName", "PatientID=T-1"], []),
    ],
)
def test_study_search_matches_as_dicom_wants(filled_node: Node, keys: list[str], names: list[str]) -> None:
    lines = find(filled_node, "QueryRetrieveLevel=STUDY", *keys)
    assert sorted(values(lines, "0010,0010")) == names


def test_every_level_and_lists_of_uids(filled_node: Node, thorax_series: list[CtSeries]) -> None:
    first, second = thorax_series
    lines = find(filled_node, "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={first.StudyInstanceUID}", "SeriesNumber")
    assert sorted(values(lines, "0020,0011")) == ["1", "2"]
    both = "\\".join([first.SeriesInstanceUID, second.SeriesInstanceUID])
    lines = find(
        filled_node,
        "QueryRetrieveLevel=SERIES",
        f"StudyInstanceUID={first.StudyInstanceUID}",
        f"SeriesInstanceUID={both}",
    )
    assert sorted(values(lines, "0020,000e")) == sorted([first.SeriesInstanceUID, second.SeriesInstanceUID])
    lines = find(
        filled_node,
        "QueryRetrieveLevel=IMAGE",
        f"StudyInstanceUID={first.StudyInstanceUID}",
        f"SeriesInstanceUID={second.SeriesInstanceUID}",
        "SOPInstanceUID",
        "SOPClassUID",
    )
    assert sorted(values(lines, "0008,0018")) == sorted(second.files)
    assert sum("=CTImageStorage" in line for line in lines) == len(second.files)
    assert values(find(filled_node, "QueryRetrieveLevel=STUDY", "StudyInstanceUID=1.2.3"), "0020,000d") == []


def test_names_in_other_scripts_are_found_and_answered(node: Node, tmp_path: Path) -> None:
    (path,) = make_ct_series(tmp_path / "one", 1).files.values()
    slice_ = pydicom.dcmread(path)
    slice_.SpecificCharacterSet, slice_.PatientName = "ISO_IR 192", "山田^太郎"
    slice_.save_as(path)
    send(node, path)
    lines = find(node, "SpecificCharacterSet=ISO_IR 192", "QueryRetrieveLevel=STUDY", "PatientName=山田*")
    assert values(lines, "0010,0010") == ["山田^太郎"]
    assert values(lines, "0008,0005") == ["ISO_IR 192"]


def test_a_wrong_level_is_refused(filled_node: Node) -> None:
    done = run_client(
        "findscu", "-v", "-S", "-aec", "NODE", "-k", "QueryRetrieveLevel=ROOM", "127.0.0.1", str(filled_node.port)
    )
    assert "DataSetDoesNotMatchSOPClass" in done.stderr + done.stdout


def test_getscu_gets_a_study_as_it_was_stored(filled_node: Node, thorax_series: list[CtSeries], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    study = thorax_series[0].StudyInstanceUID
    arguments = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    done = run_client("getscu", "+B", "-aec", "NODE", "-od", out, *arguments, "127.0.0.1", str(filled_node.port))
    assert done.returncode == 0, done.stderr
    sent = {uid: path for series in thorax_series for uid, path in series.files.items()}
    received = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in out.iterdir()}
    assert set(received) == set(sent)
    assert all(dataset_bytes(received[uid]) == dataset_bytes(sent[uid]) for uid in sent)


def test_compressed_instances_go_as_they_are_or_decompressed(
    node: Node,
    node_config: ServerConfig,
    settings: Settings,
    sink: FileSink,
    compressed_files: list[Path],
    tmp_path: Path,
) -> None:
    jpeg = next(path for path in compressed_files if path.name == "JPEG2000.dcm")
    original = pydicom.dcmread(jpeg)
    done = run_client("storescu", "-xw", "-aec", "NODE", "127.0.0.1", str(node.port), jpeg)
    assert done.returncode == 0, done.stderr
    driver = driver_for(node_config, settings)
    request = RetrieveRequest(StudyInstanceUID=str(original.StudyInstanceUID))
    assert driver.retrieve(request, sink, ControlOfTest()).received == 1
    driver.close()
    assert pydicom.dcmread(sink.files[0].path).PixelData == original.PixelData
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={original.StudyInstanceUID}")
    out = tmp_path / "out"
    out.mkdir()
    got = run_client("getscu", "+B", "-aec", "NODE", "-od", out, *keys, "127.0.0.1", str(node.port))
    assert got.returncode == 0, got.stderr
    (converted,) = out.iterdir()
    copy = pydicom.dcmread(converted)
    assert not copy.file_meta.TransferSyntaxUID.is_compressed
    assert copy.SOPInstanceUID == original.SOPInstanceUID
    assert (copy.pixel_array == original.pixel_array).all()


def test_movescu_sends_to_a_known_destination_only(
    start_node: StartNode, storescp: StoreScp, thorax_series: list[CtSeries]
) -> None:
    node = start_node(destinations={storescp.AE_TITLE: storescp.config()})
    second = thorax_series[1]
    send(node, *second.files.values())
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={second.StudyInstanceUID}")
    done = run_client("movescu", "-S", "-aem", storescp.AE_TITLE, "-aec", "NODE", *keys, "127.0.0.1", str(node.port))
    assert done.returncode == 0, done.stderr
    assert len(list(storescp.received.iterdir())) == len(second.files)
    unknown = run_client("movescu", "-S", "-aem", "NOBODY", "-aec", "NODE", *keys, "127.0.0.1", str(node.port))
    assert "MoveDestinationUnknown" in unknown.stderr + unknown.stdout
    storescp.stop()
    down = run_client("movescu", "-S", "-aem", storescp.AE_TITLE, "-aec", "NODE", *keys, "127.0.0.1", str(node.port))
    assert down.returncode != 0


def test_an_unknown_study_gives_nothing(filled_node: Node, tmp_path: Path) -> None:
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3")
    run_client("getscu", "-aec", "NODE", "-od", tmp_path, *keys, "127.0.0.1", str(filled_node.port))
    assert not list(tmp_path.glob("*.dcm"))


def test_real_files_go_in_and_come_out(
    node: Node, local_database: LocalDatabase, pydicom_files: list[Path], tmp_path: Path
) -> None:
    wanted = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "reportsi.dcm", "MR_small_bigendian.dcm")
    files = [path for path in pydicom_files if path.name in wanted]
    for path in files:
        done = run_client("storescu", "-v", "-R", "-aec", "NODE", "127.0.0.1", str(node.port), path)
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
    stored = {series.SeriesInstanceUID for series in local_database.reader.series(Query(level=Level.SERIES))}
    assert stored == {str(pydicom.dcmread(path).SeriesInstanceUID) for path in files}


def test_garbage_and_idle_callers_do_no_harm(node: Node) -> None:
    idle = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(20)]
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">BxL", 1, 2**32 - 1) + bytes(1000), bytes(500)):
        with socket.create_connection(("127.0.0.1", node.port)) as caller:
            caller.settimeout(10)
            caller.sendall(garbage)
            while caller.recv(4096):
                pass
    assert run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(node.port)).returncode == 0
    for caller in idle:
        caller.close()


def test_closing_breaks_off_callers_and_frees_the_port(start_node: StartNode) -> None:
    node = start_node()
    port = node.port
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.settimeout(10)
        node.close()
        # A caller that was not accepted yet is reset instead.
        with contextlib.suppress(ConnectionResetError):
            assert caller.recv(10) == b""
    node.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("node-")]
    again = start_node(port=port)
    assert again.port == port


def test_a_port_in_use_and_a_bad_title_are_named(start_node: StartNode) -> None:
    node = start_node()
    with pytest.raises(NetworkError, match=f"^Port {node.port} is used by another program"):
        start_node(port=node.port)
    with pytest.raises(UsageError, match="AE title of the node"):
        start_node(ae_title="A\\B")


@pytest.mark.parametrize("patient", ["*", "CT-?", "ct-1"])
def test_a_retrieve_names_one_patient_exactly(filled_node: Node, tmp_path: Path, patient: str) -> None:
    keys = ("-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={patient}")
    run_client("getscu", "-P", "+B", "-aec", "NODE", "-od", tmp_path, *keys, "127.0.0.1", str(filled_node.port))
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
    assert values(find(filled_node, "QueryRetrieveLevel=STUDY", "PatientID=ct-1"), "0010,0020") == []


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small.dcm"])
def test_uncompressed_instances_come_in_the_syntax_they_are_stored_in(
    node: Node, node_config: ServerConfig, settings: Settings, sink: FileSink, pydicom_files: list[Path], name: str
) -> None:
    path = next(path for path in pydicom_files if path.name == name)
    syntax = "-xi" if "implicit" in name else "-xe"
    done = run_client("storescu", syntax, "-aec", "NODE", "127.0.0.1", str(node.port), path)
    assert done.returncode == 0, done.stderr
    stored = pydicom.dcmread(path)
    driver = driver_for(node_config, settings)
    driver.retrieve(RetrieveRequest(StudyInstanceUID=str(stored.StudyInstanceUID)), sink, ControlOfTest())
    driver.close()
    (received,) = sink.files
    assert received.TransferSyntaxUID == stored.file_meta.TransferSyntaxUID
    assert pydicom.dcmread(received.path).PixelData == stored.PixelData
