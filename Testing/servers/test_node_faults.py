"""Our own node as callers should not use it, and under a driver that cancels or meets missing files."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.byte_caller import CT, STUDY_ROOT_FIND, associate, data_set, status_of, store_request
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import run_client
from Testing.support.faulty_peer import COMMAND, LAST, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import RetrieveRequest
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import driver_for
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

FILE_LIMIT = 300_000


@pytest.fixture
def caller(node: Node) -> Iterator[PeerSide]:
    """An open association, spoken at byte level."""
    with socket.create_connection(("127.0.0.1", node.port)) as sock:
        side = PeerSide(sock)
        associate(side)
        yield side


def part_files(database: LocalDatabase) -> list[Path]:
    return list((database.folder / "visual-dicom-browser-incoming").rglob("*.part"))


def test_what_cannot_be_stored_is_answered_with_its_status(
    caller: PeerSide, node: Node, local_database: LocalDatabase
) -> None:
    """Case 62: the data set has another SOP Instance UID than the command."""
    assert status_of(caller, store_request("1.5.1"), data_set("1.5.1")) == 0
    assert status_of(caller, store_request("1.5.2"), data_set("1.5.3")) == 0xA900
    assert status_of(caller, store_request("../1"), data_set("../1")) == 0xA900
    assert status_of(caller, store_request("1.5.4"), data_set("1.5.4", study="")) == 0xC000
    assert status_of(caller, store_request("1.5.5"), data_set("1.5.5"), context=3) == 0x0122
    assert status_of(caller, Command(field=0x0140, message_id=1, sop_class=CT), data_set("1")) == 0x0211
    node.close()
    assert local_database.reader.counts().instances == 1
    assert part_files(local_database) == []


@pytest.mark.parametrize("end", ["abort", "reset", "lying length", "other context"])
def test_a_store_that_is_broken_off_leaves_nothing(
    caller: PeerSide, node: Node, local_database: LocalDatabase, end: str
) -> None:
    caller.send_command_only(1, store_request("1.5.1"))
    caller.send_pdv(1, 0, data_set("1.5.1")[:20])
    if end == "abort":
        caller.send_pdu(7, bytes(4))
    elif end == "reset":
        caller.reset()
    elif end == "lying length":
        caller.send_pdu(4, b"x", length=10**9)
    else:
        caller.send_pdv(3, COMMAND | LAST, b"x")
    if end != "reset":
        caller.wait_for_end()
    node.close()
    assert part_files(local_database) == []
    assert local_database.reader.counts().instances == 0


def test_a_full_disk_is_answered_with_out_of_resources(
    node: Node, local_database: LocalDatabase, tmp_path: Path
) -> None:
    """Case 64: as DCMTK's storescu hears it."""
    resource = pytest.importorskip("resource", reason="the system has no limit of file sizes")
    (large,) = make_ct_series(tmp_path / "large", 1, size=512).files.values()
    (small,) = make_ct_series(tmp_path / "small", 1, size=16).files.values()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, hard))
    try:
        done = run_client("storescu", "-v", "-aec", "NODE", "127.0.0.1", str(node.port), large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "OutOfResources" in done.stdout + done.stderr
    assert part_files(local_database) == []
    assert run_client("storescu", "-aec", "NODE", "127.0.0.1", str(node.port), small).returncode == 0
    assert local_database.reader.counts().instances == 1


def test_a_missing_file_is_a_failed_sub_operation(
    node: Node,
    node_config: ServerConfig,
    local_database: LocalDatabase,
    thorax_series: list[CtSeries],
    settings: Settings,
    sink: FileSink,
) -> None:
    second = thorax_series[1]
    run_client("storescu", "-aec", "NODE", "127.0.0.1", str(node.port), *second.files.values())
    lost = local_database.reader.instances_of_series(second.SeriesInstanceUID)[4]
    Path(lost.path).unlink()
    driver = driver_for(node_config, settings)
    result = driver.retrieve(RetrieveRequest(StudyInstanceUID=second.StudyInstanceUID), sink, ControlOfTest())
    driver.close()
    assert (result.received, result.failed_count) == (len(second.files) - 1, 1)
    assert [failed.SOPInstanceUID for failed in result.failed] == [lost.SOPInstanceUID]


def test_our_driver_cancels_our_node(
    node: Node, node_config: ServerConfig, thorax_series: list[CtSeries], settings: Settings, tmp_path: Path
) -> None:
    first = thorax_series[0]
    run_client("storescu", "-aec", "NODE", "127.0.0.1", str(node.port), *first.files.values())
    control = ControlOfTest()
    sink = FileSink(tmp_path / "received", on_add=lambda count: control.cancel() if count == 2 else None)
    driver = driver_for(node_config, settings)
    with pytest.raises(JobCancelled):
        driver.retrieve(RetrieveRequest(StudyInstanceUID=first.StudyInstanceUID), sink, control)
    assert 2 <= len(sink.files) < len(first.files)
    assert sink.stray_files() == []
    assert driver.echo(ControlOfTest()) > 0
    driver.close()


@pytest.mark.parametrize("longest", [1, 6, 7])
def test_an_absurd_pdu_length_does_not_keep_the_node_busy(node: Node, longest: int) -> None:
    with socket.create_connection(("127.0.0.1", node.port)) as sock:
        side = PeerSide(sock)
        associate(side, longest)
        find = Command(field=CommandField.C_FIND_RQ, message_id=1, sop_class=STUDY_ROOT_FIND, priority=0)
        assert status_of(side, find, encode_elements([(0x00080052, "CS", b"STUDY ")], implicit=False), 3) == 0


def test_a_search_for_all_images_is_refused(caller: PeerSide) -> None:
    find = Command(field=CommandField.C_FIND_RQ, message_id=1, sop_class=STUDY_ROOT_FIND, priority=0)
    assert status_of(caller, find, encode_elements([(0x00080052, "CS", b"IMAGE ")], implicit=False), 3) == 0xA900
    uids = "\\".join(f"1.{number}" for number in range(200)).encode()
    keys = [(0x00080052, "CS", b"IMAGE "), (0x0020000D, "UI", uids), (0x0020000E, "UI", uids)]
    assert status_of(caller, find, encode_elements(keys, implicit=False), 3) == 0xA900
