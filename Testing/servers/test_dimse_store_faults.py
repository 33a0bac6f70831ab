"""Sending to peers that refuse, break off, stall or answer wrongly: nothing counts as sent that was not confirmed."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from Testing.support.store_scripts import Receiver, Sending, failed_sending, records_of, send, stored
from VisualDICOMBrowserLib.errors import AssociationError, JobCancelled, NetworkError, PeerError, PeerTimeoutError
from VisualDICOMBrowserLib.model import SentInstance
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.sending import StoredFile
from VisualDICOMBrowserLib.servers.dimse.store import needs_of
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import accept_pdu, parse_request
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Eight small slices."""
    return make_ct_series(tmp_path_factory.mktemp("small"), 8)


@pytest.fixture(scope="module")
def large_series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Three slices of 2 MB, more than the sockets hold."""
    return make_ct_series(tmp_path_factory.mktemp("large"), 3, size=1024)


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (0xB000, "warning", "Some values were changed there (B000)."),
        (0xB006, "warning", "Some elements were left out there (B006)."),
        (0xB007, "warning", "The object does not fit its SOP class, it was taken all the same (B007)."),
        (0xA900, "failed", "The object does not fit its SOP class (A900)."),
        (0xC123, "failed", "The server cannot understand the object (C123)."),
        (0x0122, "failed", "SOP class not supported (0122)."),
        (0x0124, "failed", "Not authorised (0124)."),
        (0xFF00, "failed", "Unknown status (FF00)."),
        (0x1234, "failed", "Unknown status (1234)."),
    ],
)
def test_each_status_is_told_in_words(series: CtSeries, status: int, outcome: str, reason: str) -> None:
    sending = send(records_of(series), Receiver(lambda number: status if number == 2 else 0))
    assert sending.failure is None
    odd = sending.told[2]
    assert (odd.status, odd.code, odd.reason) == (outcome, status, reason)
    assert sending.statuses.count("sent") == 7
    assert (odd.size > 0) == (outcome == "warning")


def test_one_instance_out_of_resources_is_listed(series: CtSeries) -> None:
    sending = send(records_of(series), Receiver(lambda number: 0xA700 if number in (1, 2, 7) else 0))
    assert sending.failure is None
    refused = [item for item in sending.told if item.status == "failed"]
    assert [item.code for item in refused] == [0xA700] * 3
    assert refused[0].reason == "Out of resources (A700)."
    assert sending.statuses.count("sent") == 5


def test_a_server_that_stays_out_of_resources_is_left_in_peace(series: CtSeries) -> None:
    failure, told = failed_sending(records_of(series), Receiver(lambda number: 0xA701 if number >= 2 else 0))
    assert isinstance(failure, PeerError)
    assert (failure.code, failure.server) == ("busy", "PACS")
    assert failure.message == "PACS takes no images now: out of resources (A701)."
    assert failure.next_step
    assert [item.status for item in told] == ["sent"] * 2


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("end", "kind", "code"),
    [
        (lambda peer: peer.send_pdu(7, bytes(4)), (AssociationError, NetworkError), ("aborted", "connection_lost")),
        (PeerSide.reset, (NetworkError,), ("connection_lost",)),
        (PeerSide.wait_for_end, (PeerTimeoutError,), ("timeout",)),
    ],
)
def test_the_peer_breaks_off_within_an_instance(
    large_series: CtSeries,
    share: float,
    end: Callable[[PeerSide], None],
    kind: tuple[type[Exception], ...],
    code: tuple[str, ...],
) -> None:
    """Case 54."""
    size = len(dataset_bytes(next(iter(large_series.files.values()))))
    receiver = Receiver()

    def script(peer: PeerSide) -> None:
        peer.accept()
        receiver.take(peer)
        read = 0
        peer.read_pdu()  # the command
        while read < share * size:
            read += len(peer.read_pdu()[1]) - 6
        end(peer)

    failure, told = failed_sending(records_of(large_series), script, timeout_s=1.0)
    assert isinstance(failure, kind)
    assert failure.code in code
    assert [item.status for item in told] == ["sent"]
    assert list(receiver.received) == [told[0].SOPInstanceUID]


def test_a_peer_that_reads_drop_by_drop_is_borne(series: CtSeries) -> None:
    """Case 54."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        data = b""
        while len(data) < 2000:
            data += peer.socket.recv(7)
        peer.send_pdu(7, bytes(4))

    failure, told = failed_sending(records_of(series), script)
    assert failure.code == "aborted"
    assert told == []


@pytest.mark.parametrize("max_pdu", [0, 128, 4096, 4097, 16384, 131072])
def test_every_pdu_size_of_the_peer(series: CtSeries, max_pdu: int) -> None:
    """Case 55."""
    receiver = Receiver(max_pdu=max_pdu)
    longest = 0

    def script(peer: PeerSide) -> None:
        nonlocal longest
        read_pdu = peer.read_pdu

        def measured() -> tuple[int, bytes]:
            nonlocal longest
            kind, body = read_pdu()
            if kind == 4:
                longest = max(longest, len(body))
                assert len(body) % 2 == 0
            return kind, body

        peer.read_pdu = measured  # type: ignore[method-assign]
        receiver(peer)

    assert send(records_of(series), script).statuses == ["sent"] * 8
    assert receiver.received == {uid: dataset_bytes(path) for uid, path in series.files.items()}
    assert longest <= (max_pdu or 131072)


@pytest.mark.parametrize(
    "answer",
    [
        lambda command: stored(command, responded_to=4711),
        lambda command: stored(command, status=None),
        lambda command: stored(command).__class__(field=0x8030, responded_to=command.message_id, status=0),
    ],
)
def test_an_answer_to_something_else_confirms_nothing(series: CtSeries, answer: Callable[..., object]) -> None:
    """Case 55."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, command, _ = peer.read_message()
        peer.send(context, answer(command))  # type: ignore[arg-type]
        peer.wait_for_end()

    failure, told = failed_sending(records_of(series), script)
    assert (type(failure), failure.code) == (PeerError, "protocol")
    assert told == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x09\0\0\0\0\x04abcd",
        b"\x04\0\xff\xff\xff\xff",
        b"\x04\0\0\0\0\x06" + struct.pack(">LBB", 900, 1, 3),
        b"\x04\0\0\0\0\x0a" + struct.pack(">LBB", 6, 1, 3) + b"\x01\x02\x03\x04",
    ],
)
def test_garbage_instead_of_an_answer(series: CtSeries, garbage: bytes) -> None:
    """Case 55."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        peer.read_message()
        peer.socket.sendall(garbage)
        peer.wait_for_end()

    failure, told = failed_sending(records_of(series), script)
    assert (type(failure), failure.code) == (PeerError, "protocol")
    assert told == []


def test_the_peer_releases_while_we_send(series: CtSeries) -> None:
    def script(peer: PeerSide) -> None:
        peer.accept()
        peer.read_message()
        peer.send_pdu(5, bytes(4))
        peer.wait_for_end()

    failure, told = failed_sending(records_of(series), script)
    assert (type(failure), failure.code) == (AssociationError, "released")
    assert told == []


def cancelled(series: CtSeries, script: Callable[[PeerSide, ControlOfTest], None]) -> Sending:
    control = ControlOfTest()
    sending = send(records_of(series), lambda peer: script(peer, control), control=control, timeout_s=20.0)
    assert isinstance(sending.failure, JobCancelled)
    return sending


def test_cancel_while_the_answer_is_awaited(series: CtSeries) -> None:
    """Case 57."""

    def script(peer: PeerSide, control: ControlOfTest) -> None:
        peer.accept()
        peer.read_message()
        control.cancel()
        peer.wait_for_end()

    assert cancelled(series, script).told == []


def test_cancel_within_an_instance_that_does_not_flow(large_series: CtSeries) -> None:
    """Case 57."""

    def script(peer: PeerSide, control: ControlOfTest) -> None:
        peer.accept()
        peer.read_pdu()
        control.cancel()
        peer.wait_for_end()

    assert cancelled(large_series, script).told == []


def test_a_file_that_shrinks_while_it_is_sent(tmp_path: Path) -> None:
    series = make_ct_series(tmp_path, 3, size=1024)
    second = list(series.files)[1]
    told: list[SentInstance] = []

    class Cutting(ControlOfTest):
        """Is asked before each instance and after each write; cuts the second file after its first write."""

        asked = 0

        def raise_if_cancelled(self) -> None:
            self.asked += len(told) == 1
            if self.asked == 2:
                os.truncate(series.files[second], 900_000)

    def torn(peer: PeerSide) -> None:
        peer.accept()
        receiver.take(peer)
        peer.wait_for_end()

    receiver = Receiver()
    sending = send(records_of(series), torn, receiver, control=Cutting(), on_sent=told.append)
    assert sending.failure is None
    assert sending.statuses == ["sent", "failed", "sent"]
    assert sending.told[1].reason == "The file became shorter while it was sent."
    assert second not in receiver.received


def make_classes(folder: Path, series: CtSeries, count: int) -> dict[str, Path]:
    """Copies of one slice, each of a SOP class of its own."""
    files = {}
    dataset = pydicom.dcmread(next(iter(series.files.values())))
    for number in range(count):
        uid = f"1.2.3.{number}"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.9999.{number}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        files[uid] = folder / f"{number}.dcm"
        dataset.save_as(files[uid], enforce_file_format=True)
    return files


def test_more_than_128_contexts_take_several_associations(series: CtSeries, tmp_path: Path) -> None:
    """Case 50."""
    files = make_classes(tmp_path, series, 100)
    receiver = Receiver()
    sending = send(records_of(files), receiver, receiver)
    assert sending.statuses == ["sent"] * 100
    assert len(receiver.received) == 100
    assert receiver.associations == 2


def test_classes_that_take_turns_do_not_cost_an_association_each(series: CtSeries, tmp_path: Path) -> None:
    files = make_classes(tmp_path, series, 80)
    records = records_of(files)
    receiver = Receiver()
    sending = send([*records, *records, *records], receiver, receiver)
    assert sending.statuses == ["sent"] * 240
    assert receiver.associations == 2


def test_needs_fit_one_association() -> None:
    files = [StoredFile(Path("x"), f"1.2.{number}", "1", "1.2.840.10008.1.2.4.70", 0) for number in range(100)]
    needs = needs_of(files)
    assert len(needs) == 126
    assert needs[:3] == [
        ("1.2.0", "1.2.840.10008.1.2.4.70"),
        ("1.2.0", "1.2.840.10008.1.2.1"),
        ("1.2.0", "1.2.840.10008.1.2"),
    ]


def test_all_contexts_refused_is_a_reason_for_each(series: CtSeries) -> None:
    """Case 50."""

    def script(peer: PeerSide) -> None:
        _, body = peer.read_pdu()
        peer.socket.sendall(accept_pdu(parse_request(body), [], 16384))
        peer.wait_for_end()

    sending = send(records_of(series), script)
    assert sending.failure is None
    assert {item.reason for item in sending.told} == {"PACS does not take objects of the kind CT Image Storage."}
    assert sending.statuses == ["failed"] * 8


def test_progress_counts_bytes_within_an_instance(large_series: CtSeries) -> None:
    seen: list[tuple[int, int | None]] = []

    class Watching(ControlOfTest):
        """Remembers all progress."""

        def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
            super().progress(done, total, received_bytes)
            seen.append((done, received_bytes))

    pause = threading.Event()

    def script(peer: PeerSide) -> None:
        peer.accept()
        peer.read_pdu()
        for _ in range(40):
            peer.read_pdu()
            pause.wait(0.01)
        peer.send_pdu(7, bytes(4))

    send(records_of(large_series), script, control=Watching())
    assert any(done == 0 and size for done, size in seen)


def test_what_the_callback_raises_ends_the_sending(series: CtSeries) -> None:
    def refuse(sent: SentInstance) -> None:
        message = "the database is full"
        raise OverflowError(message)

    def script(peer: PeerSide) -> None:
        peer.accept()
        receiver.take(peer)
        peer.wait_for_end()

    receiver = Receiver()
    with FaultyPeer(script) as peer, pytest.raises(OverflowError):
        DimseDriver(peer.config(), Settings()).store(records_of(series), ControlOfTest(), refuse)
