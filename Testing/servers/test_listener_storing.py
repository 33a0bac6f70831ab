"""What our node confirms is safe: full disks, locked databases, conflicts, removal, and what C-MOVE waits for."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from Testing.support.byte_caller import associate, data_set, status_of, store_request
from Testing.support.certificates import Authority
from Testing.support.ct_series import CtSeries, dataset_bytes
from Testing.support.dcmtk import run_client
from Testing.support.faulty_peer import PeerSide
from VisualDICOMBrowserLib.database import connection as database_connection
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.model import Level, Query, StoredInstance
from VisualDICOMBrowserLib.servers.arrivals import Arrivals
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.node.store import confirmation
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, encode_message
from VisualDICOMBrowserLib.servers.upper_layer.tls import server_context

StartNode = Callable[..., Node]
INCOMING = "visual-dicom-browser-incoming"
OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000
PATIENCE_S = 20.0


@contextlib.contextmanager
def caller_of(node: Node) -> Iterator[PeerSide]:
    """An open association."""
    with socket.create_connection(("127.0.0.1", node.port)) as sock:
        side = PeerSide(sock)
        associate(side)
        yield side


def store(side: PeerSide, uid: str, **fields: object) -> int | None:
    return status_of(side, store_request(uid), data_set(uid, **fields))  # type: ignore[arg-type]


def instances(database: LocalDatabase) -> dict[str, Path]:
    """Files by SOP Instance UID."""
    return {record.SOPInstanceUID: Path(record.path) for record in database.reader.find(Query(level=Level.IMAGE))}


def incoming(database: LocalDatabase) -> list[Path]:
    folder = database.folder / INCOMING
    return sorted(path for path in folder.rglob("*") if path.suffix in (".part", ".arrived", ".intent"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that wait only shortly for others."""
    monkeypatch.setattr(database_connection, "BUSY_TIMEOUT_S", 0.3)


def test_what_a_locked_database_refuses_is_not_confirmed(
    impatient: None, start_node: StartNode, local_database: LocalDatabase
) -> None:
    """Case 64: the database is locked by another program; what was confirmed before that showed gets indexed."""
    node = start_node()
    other = sqlite3.connect(local_database.folder / "ctkDICOM.sql", isolation_level=None)
    confirmed, refused = set(), set()
    deadline = time.monotonic() + PATIENCE_S
    with contextlib.closing(other), caller_of(node) as side:
        other.execute("BEGIN EXCLUSIVE")
        number = 0
        while len(refused) < 3:
            assert time.monotonic() < deadline
            number += 1
            uid = f"1.5.{number}"
            status = store(side, uid)
            assert status in (0, OUT_OF_RESOURCES)
            (refused if status else confirmed).add(uid)
        assert len(confirmed) > 0
        comment = _refusal_of(side, "1.5.0")
        assert comment == "The database is in use by another program; try again later."
        other.execute("ROLLBACK")
        while store(side, "1.6.1") != 0:
            assert time.monotonic() < deadline
    node.close()
    assert set(instances(local_database)) == confirmed | {"1.6.1"}
    assert incoming(local_database) == []


def _refusal_of(side: PeerSide, uid: str) -> str:
    side.send(1, store_request(uid), data_set(uid))
    answer = side.read_message()[1]
    assert answer.status == OUT_OF_RESOURCES
    return answer.comment


def test_what_was_confirmed_is_indexed_by_the_next_start(
    impatient: None, start_node: StartNode, local_database: LocalDatabase, instance_store: InstanceStore
) -> None:
    """Case 64: the node ends while the database is still locked."""
    node = start_node()
    other = sqlite3.connect(local_database.folder / "ctkDICOM.sql", isolation_level=None)
    with contextlib.closing(other), caller_of(node) as side:
        other.execute("BEGIN EXCLUSIVE")
        assert [store(side, f"1.5.{number}") for number in range(5)] == [0] * 5
        node.close()
        assert instances(local_database) == {}
        assert incoming(local_database)
    instance_store.close()
    with contextlib.closing(InstanceStore(local_database)) as again:
        assert again.recover().indexed == 5
    assert set(instances(local_database)) == {f"1.5.{number}" for number in range(5)}
    assert incoming(local_database) == []


@pytest.mark.parametrize("flush", [False, True])
def test_a_disk_that_fills_refuses_and_keeps_no_partial_file(
    start_node: StartNode, local_database: LocalDatabase, flush: bool
) -> None:
    """Case 64: small ones are still taken, the large one is answered A700."""
    resource = pytest.importorskip("resource", reason="the system has no limit of file sizes")
    node = start_node(flush_before_answer=flush)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with caller_of(node) as side:
        assert store(side, "1.5.1", more=1000) == 0
        node_is_idle(node)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            assert store(side, "1.5.2", more=2_000_000) == OUT_OF_RESOURCES
            assert [path for path in incoming(local_database) if path.suffix == ".part"] == []
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store(side, "1.5.3", more=2_000_000) == 0
    node.close()
    assert set(instances(local_database)) == {"1.5.1", "1.5.3"}
    assert incoming(local_database) == []


def node_is_idle(node: Node) -> None:
    """Wait until everything is indexed: an association of its own that is released."""
    assert run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(node.port)).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="a folder cannot be taken away from under open files there")
def test_a_disk_that_cannot_be_written_is_told(
    node: Node, local_database: LocalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 64: the system says that no space is left, when the file is made."""

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with caller_of(node) as side:
        with monkeypatch.context() as patched:
            patched.setattr("VisualDICOMBrowserLib.servers.dimse.receiving.os.writev", full)
            assert "The disk of the database is full" in _refusal_of(side, "1.5.1")
        assert incoming(local_database) == []
        assert store(side, "1.5.1") == 0


def test_an_instance_that_is_there_already(node: Node, local_database: LocalDatabase) -> None:
    """Case 65: the same bytes are confirmed, others refused, also while the first still waits for its batch."""
    with caller_of(node) as first, caller_of(node) as second:
        assert store(first, "1.5.1", more=100) == 0
        assert store(second, "1.5.1", more=100) == 0
        assert store(second, "1.5.1", patient="Q", more=100) == CANNOT_UNDERSTAND
        assert store(first, "1.5.1", series="1.2.1.9", more=100) == CANNOT_UNDERSTAND
        assert local_database.reader.counts().instances == 1
        assert store(first, "1.5.1", more=100) == 0
    node.close()
    assert set(instances(local_database)) == {"1.5.1"}
    assert len(local_database.own.conflicts()) >= 1
    assert incoming(local_database) == []


def test_an_instance_that_is_being_removed(node: Node, local_database: LocalDatabase) -> None:
    """Case 65: whatever comes first, rows and files agree, and a later store is kept."""
    with caller_of(node) as side:
        for turn in range(15):
            uids = [f"1.{turn}.{number}" for number in range(1, 6)]
            assert [store(side, uid) for uid in uids] == [0] * 5
            assert store(side, uids[0]) == 0  # waits until it is indexed
            remover = threading.Thread(target=local_database.writer.remove_series, args=("1.2.1.1",))
            remover.start()
            answers = [store(side, uid) for uid in uids]
            remover.join()
            assert set(answers) <= {0, OUT_OF_RESOURCES, CANNOT_UNDERSTAND}
            assert [store(side, uid) for uid in uids] == [0] * 5
            assert store(side, uids[-1]) == 0
            known = instances(local_database)
            assert set(uids) <= set(known)
            assert all(path.is_file() for path in known.values())
            local_database.writer.remove_series("1.2.1.1")
    node.close()
    assert [path for path in (local_database.folder / "dicom").rglob("*") if path.is_file()] == []
    assert incoming(local_database) == []


def test_batches_while_they_come(
    start_node: StartNode, local_database: LocalDatabase, thorax_series: list[CtSeries]
) -> None:
    """Several senders share batches; each instance is told once, after it is indexed."""
    told: list[str] = []
    seen: list[bool] = []
    arrivals = Arrivals()

    def stored(found: Sequence[StoredInstance]) -> None:
        for instance in found:
            told.append(instance.SOPInstanceUID)
            seen.append(bool(local_database.reader.find(Query(level=Level.IMAGE, SOPInstanceUID=told[-1]))))

    node = start_node(arrivals=arrivals, batch_files=7)
    with arrivals.expect(lambda arrival: arrival.calling_ae_title == "SENDER", stored) as expected:
        senders = [threading.Thread(target=_send, args=(node, series)) for series in thorax_series]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        node.close()
    wanted = {uid for series in thorax_series for uid in series.files}
    assert sorted(told) == sorted(wanted)
    assert all(seen)
    assert expected.instances == wanted
    sent = {uid: path for series in thorax_series for uid, path in series.files.items()}
    assert {uid: dataset_bytes(path) for uid, path in instances(local_database).items()} == {
        uid: dataset_bytes(path) for uid, path in sent.items()
    }


def test_what_came_is_found_while_its_sender_goes_on(start_node: StartNode, local_database: LocalDatabase) -> None:
    """No release, no end of the association, and no query of the node makes it index what came so far."""
    arrivals = Arrivals()
    node = start_node(arrivals=arrivals, batch_files=10)
    with (
        arrivals.expect(lambda arrival: arrival.StudyInstanceUID == "1.2.1", lambda _: None) as expected,
        caller_of(node) as side,
    ):
        for turn in (1, 2):
            uids = {f"1.{turn}.{number}" for number in range(25)}
            assert {store(side, uid) for uid in uids} == {0}
            while expected.count < turn * 25:
                assert expected.wait_for_more(expected.count, PATIENCE_S)
            assert uids <= set(instances(local_database))


def _send(node: Node, series: CtSeries) -> None:
    done = run_client("storescu", "-aet", "SENDER", "-aec", "NODE", "127.0.0.1", str(node.port), *series.files.values())
    assert done.returncode == 0, done.stderr


def test_callers_with_and_without_tls(
    start_node: StartNode, local_database: LocalDatabase, thorax_series: list[CtSeries], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs = authority.leaf("node"), authority.leaf("scanner")
    node = start_node(tls=server_context(str(ours.certificate), str(ours.key), str(authority.certificate), True))
    own = ("+tls", theirs.key, theirs.certificate, "+cf", authority.certificate)
    target = ("-aec", "NODE", "127.0.0.1", str(node.port))
    done = run_client("storescu", *own, *target, *thorax_series[1].files.values())
    assert done.returncode == 0, done.stderr
    assert local_database.reader.counts().instances == len(thorax_series[1].files)
    assert run_client("echoscu", *target).returncode != 0
    assert run_client("echoscu", "+tla", "+cf", authority.certificate, *target).returncode != 0
    assert run_client("echoscu", *own, *target).returncode == 0


@pytest.mark.parametrize("sop_class", ["", "1.2.840.10008.5.1.4.1.1.2", "1.2.3"])
@pytest.mark.parametrize("uid", ["", "1.5.1", "1.5.12"])
def test_the_quick_confirmation_is_the_usual_one(sop_class: str, uid: str) -> None:
    request = Command(field=1, message_id=65530, sop_class=sop_class, sop_instance=uid)
    answer = Command(field=0x8001, responded_to=65530, sop_class=sop_class, sop_instance=uid, status=0)
    assert Command.parse(confirmation(7, request)[12:]) == Command.parse(encode_message(7, answer)[12:])
    if sop_class and uid:
        assert confirmation(7, request) == encode_message(7, answer)
