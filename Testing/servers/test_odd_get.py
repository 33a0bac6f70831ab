"""C-GET from peers that are odd but bearable, that refuse, or that are deaf to cancel."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from Testing.support.faulty_peer import COMMAND, LAST, FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.get_scripts import (
    ANNOUNCED,
    Script,
    begin_get,
    data_set,
    final,
    retrieve,
    store,
    store_command,
)
from VisualDICOMBrowserLib.errors import (
    JobCancelled,
    PeerError,
)
from VisualDICOMBrowserLib.model import RetrieveResult
from VisualDICOMBrowserLib.servers.dimse import links, pynetdicom_link
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField, encode_command
from VisualDICOMBrowserLib.settings import Settings


def test_fragmented_command_and_data(sink: FileSink) -> None:
    """Case 55: messages in many small pieces."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        command = encode_command(store_command("1.5.1"), with_data=True)
        for start in range(0, len(command), 7):
            last = LAST if start + 7 >= len(command) else 0
            peer.send_pdv(context, COMMAND | last, command[start : start + 7])
        content = data_set("1.5.1")
        for start in range(0, len(content), 1000):
            peer.send_pdv(context, 0, content[start : start + 1000])
        peer.send_pdv(context, LAST, b"")
        assert peer.read_message()[1].status == 0
        peer.send(get_context, final(completed=1))
        peer.finish()

    request = dataclasses.replace(ANNOUNCED, expected=1)
    assert retrieve(script, sink, request=request) == RetrieveResult(received=1, bytes=len(data_set("1.5.1")))
    (received,) = sink.files
    assert received.path.read_bytes().endswith(data_set("1.5.1"))


def test_more_instances_than_announced_and_one_twice(sink: FileSink) -> None:
    """Case 52: more instances than announced, the same instance twice."""
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        for number, uid in enumerate(("1.5.1", "1.5.2", "1.5.3", "1.5.1")):
            assert store(peer, context, uid, number) == 0
        peer.send(get_context, final(completed=2))
        peer.finish()

    result = retrieve(script, sink, control=control)
    assert (result.received, result.failed_count) == (4, 0)
    assert control.last_progress[:2] == (4, 4)


@pytest.mark.parametrize(
    ("answer", "failed_count"),
    [
        (final(completed=2), 1),
        (final(), 1),
        (final(0xB000, completed=1, failed=5), 5),
        (final(0xA702, completed=1, failed=1), 1),
        (final(0xC000), 1),
        (final(0xFE00, completed=1, remaining=7), 7),
    ],
)
def test_missing_instances_are_counted_whatever_the_counters_say(
    answer: Command, failed_count: int, sink: FileSink
) -> None:
    """Case 52: wrong and missing counters, 0xB000, 0xA702, 0xC000, 0xFE00."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        peer.send(get_context, answer)
        peer.finish()

    result = retrieve(script, sink)
    assert (result.received, result.failed_count) == (1, failed_count)


def test_failed_instances_are_named_with_the_reason(sink: FileSink) -> None:
    """Case 52: 0xB000 with the list of failed instances."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        failed = encode_elements([(0x00080058, "UI", b"1.5.2\\1.5.3")], implicit=False)
        peer.send(get_context, final(0xB000, completed=1, failed=2), failed)
        peer.finish()

    result = retrieve(script, sink)
    assert [item.SOPInstanceUID for item in result.failed] == ["1.5.2", "1.5.3"]
    assert result.failed_count == 2
    assert result.failed[0].reason == "PACS could not send it: some of the images could not be sent (B000)."


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (0x0000, "PACS has none of the images asked for."),
        (0xA702, "PACS could not send the images: none of the images could be sent (A702)."),
        (0xA900, "PACS could not send the images: the request does not fit the SOP class (A900)."),
        (0x1F1F, "PACS could not send the images: unknown status (1F1F)."),
        (0xFE00, "PACS could not send the images: cancelled by the server (FE00)."),
    ],
)
def test_nothing_came_and_why(status: int, message: str, sink: FileSink) -> None:
    """Case 52: 0x0000 with no sub-operation, 0xA702, 0xA900, an unknown status, 0xFE00."""

    def script(peer: PeerSide) -> None:
        get_context, _ = begin_get(peer)
        peer.send(get_context, final(status))
        peer.finish()

    request = dataclasses.replace(ANNOUNCED, expected=None)
    with FaultyPeer(lambda peer: _tolerate_abort(peer, script)) as peer, pytest.raises(PeerError) as raised:
        DimseDriver(peer.config(), Settings()).retrieve(request, sink, ControlOfTest())
    assert raised.value.message == message


def _tolerate_abort(peer: PeerSide, script: Script) -> None:
    try:
        script(peer)
    except AssertionError:
        peer.wait_for_end()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (store_command("../../etc/passwd"), 0xA900),
        (store_command("1.5.2", sop_class=""), 0xA900),
        (store_command("1" * 65), 0xA900),
    ],
)
def test_instances_without_valid_uids_are_refused(command: Command, status: int, sink: FileSink) -> None:
    """Case 52: instances without usable UIDs."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        peer.send(context, command, data_set("1.5.2"))
        assert peer.read_message()[1].status == status
        peer.send(get_context, final(completed=2))
        peer.finish()

    result = retrieve(script, sink)
    assert (result.received, result.failed_count) == (1, 1)
    assert result.failed[0].reason
    assert sink.stray_files() == []


def test_foreign_instances_and_foreign_contexts_are_refused(sink: FileSink) -> None:
    """Case 52: instances not asked for, and one in a context that is not for storage."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        assert store(peer, context, "9.9.9") == 0xC000
        assert store(peer, get_context, "1.5.2") == 0x0122
        peer.send(get_context, final(completed=1))
        peer.finish()

    request = dataclasses.replace(ANNOUNCED, SOPInstanceUIDs=("1.5.1", "1.5.2"))
    result = retrieve(script, sink, request=request)
    assert [item.SOPInstanceUID for item in sink.files] == ["1.5.1"]
    assert {item.SOPInstanceUID for item in result.failed} == {"9.9.9", "1.5.2"}


def test_cancel_is_sent_and_its_answer_awaited(tmp_path: Path) -> None:
    """Case 57: cancelled between two instances."""
    control = ControlOfTest()
    sink = FileSink(tmp_path / "received", on_add=lambda count: control.cancel())

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        _, cancel, _ = peer.read_message()
        assert (cancel.field, cancel.responded_to) == (CommandField.C_CANCEL_RQ, 1)
        peer.send(get_context, final(0xFE00, completed=1, remaining=1))
        peer.finish()

    with pytest.raises(JobCancelled):
        retrieve(script, sink, control=control)
    assert len(sink.files) == 1


def test_a_peer_deaf_to_cancel_is_aborted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 57: cancelled within an instance, and the peer does not obey."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.5)
    control = ControlOfTest()
    sink = FileSink(tmp_path / "received", on_add=lambda count: control.cancel())

    def script(peer: PeerSide) -> None:
        _, context = begin_get(peer)
        peer.send(context, store_command("1.5.1"), data_set("1.5.1"))
        peer.send_command_only(context, store_command("1.5.2", 2))
        peer.wait_for_end()

    with pytest.raises(JobCancelled, match="PACS did not answer the cancel request within"):
        retrieve(script, sink, control=control)
    assert sink.stray_files() == []


@pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])
def test_pending_answers_without_counters(sink: FileSink, own_loop: bool) -> None:
    """Case 52: pending without counters."""
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        for number, uid in enumerate(("1.5.1", "1.5.2")):
            assert store(peer, context, uid, number + 1) == 0
            peer.send(get_context, final(0xFF00))
        peer.send(get_context, final())
        peer.finish()

    result = retrieve(script, sink, control=control, own_loop=own_loop)
    assert (result.received, result.failed_count) == (2, 0)
    assert control.last_progress[:2] == (2, 2)


def test_an_instance_in_a_context_that_was_never_proposed(sink: FileSink) -> None:
    """Case 52: a context not accepted; the instance is refused, the others are kept."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        assert store(peer, 253, "1.5.2", 2) == 0x0122
        peer.send(get_context, final(0xB000, completed=1, failed=1))
        peer.finish()

    result = retrieve(script, sink)
    assert (result.received, result.failed_count) == (1, 1)
    assert sink.stray_files() == []


@pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])
@pytest.mark.parametrize("stage", ["opening", "silent"])
def test_cancel_of_a_retrieve_before_its_first_instance(
    stage: str, sink: FileSink, own_loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 57: cancelled while the association opens, and before the first instance."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.3)
    monkeypatch.setattr(pynetdicom_link, "CANCEL_WAIT_S", 0.3)
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        if stage == "opening":
            peer.read_pdu()
        else:
            begin_get(peer)
        control.cancel()
        peer.wait_for_end()

    with pytest.raises(JobCancelled):
        retrieve(script, sink, control=control, own_loop=own_loop)
    assert sink.files == sink.stray_files() == []
