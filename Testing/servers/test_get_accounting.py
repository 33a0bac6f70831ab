"""What a C-GET counts as received, missing and foreign, over several requests too."""

from __future__ import annotations

import dataclasses

import pytest

from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.get_scripts import (
    ANNOUNCED,
    CT,
    begin_get,
    data_set,
    failure_of,
    final,
    retrieve,
    store,
    store_command,
)
from VisualDICOMBrowserLib.errors import AssociationError, JobCancelled, PeerError
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse import get as dimse_get
from VisualDICOMBrowserLib.servers.dimse import links
from VisualDICOMBrowserLib.servers.dimse.get import PATIENT_ROOT_GET
from VisualDICOMBrowserLib.servers.faults import operation_failed
from VisualDICOMBrowserLib.servers.progress import is_answered
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements


def test_an_instance_that_comes_twice_stands_for_no_other(sink: FileSink) -> None:
    """Case 52: the same instance twice."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1", 1) == store(peer, context, "1.5.1", 2) == 0
        peer.send(get_context, final(completed=2))
        peer.finish()

    result = retrieve(script, sink)
    assert (result.received, result.failed_count) == (2, 1)


def test_instances_that_do_not_come_are_named(sink: FileSink) -> None:
    """Case 52: fewer instances than the counters say."""

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        peer.send(get_context, final(completed=1))
        peer.finish()

    request = dataclasses.replace(ANNOUNCED, SOPInstanceUIDs=("1.5.1", "1.5.2"))
    result = retrieve(script, sink, request=request)
    assert [(item.SOPInstanceUID, item.reason) for item in result.failed] == [("1.5.2", "PACS did not send it.")]


def test_success_without_any_instance_is_not_found(sink: FileSink) -> None:
    """Case 52: 0x0000 with no sub-operation."""

    def script(peer: PeerSide) -> None:
        get_context, _ = begin_get(peer)
        peer.send(get_context, final())
        peer.finish()

    assert failure_of(script, sink).code == "not_found"


@pytest.mark.parametrize("status", [0xA702, 0xA700, 0xFE00])
def test_a_refused_list_does_not_spoil_the_others(status: int, sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dimse_get, "_MOST_UIDS", 1)
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1") == 0
        peer.send(get_context, final(completed=1))
        peer.read_message()
        peer.send(get_context, final(status, failed=1))
        peer.read_message()
        assert store(peer, context, "1.5.3") == 0
        peer.send(get_context, final(completed=1))
        peer.finish()

    request = dataclasses.replace(ANNOUNCED, SOPInstanceUIDs=("1.5.1", "1.5.2", "1.5.3"), expected=3)
    result = retrieve(script, sink, request=request, control=control)
    assert (result.received, result.failed_count) == (2, 1)
    assert control.last_progress[:2] == (2, 3)
    assert len(control.messages) == 1


@pytest.mark.parametrize(("study", "foreign"), [("1.2.3", 0), ("1.2.30", 1), ("9.9", 1)])
def test_images_of_another_study_are_not_taken_silently(study: str, foreign: int, sink: FileSink) -> None:
    """Case 52: another study's, or another patient's, instance."""
    control = ControlOfTest()
    content = data_set("1.5.1")
    uids = encode_elements([(0x0020000D, "UI", study.encode()), (0x0020000E, "UI", b"1.2.3.4")], implicit=False)

    def script(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        peer.send(context, store_command("1.5.1"), content[:14] + uids + content[14:])
        assert peer.read_message()[1].status == 0
        peer.send(get_context, final(completed=1))
        peer.finish()

    result = retrieve(script, sink, control=control, request=dataclasses.replace(ANNOUNCED, expected=1))
    assert (result.received, result.warnings, len(control.messages)) == (1, foreign, foreign)


def test_instances_in_a_context_of_the_other_model_are_refused(sink: FileSink) -> None:
    """Case 52: an instance in a context that was not accepted for it."""

    def script(peer: PeerSide) -> None:
        get_context, _ = begin_get(peer)
        assert store(peer, peer.context_for(PATIENT_ROOT_GET), "1.5.1") == 0x0122
        peer.send(get_context, final(completed=1))
        peer.finish()

    assert retrieve(script, sink, request=dataclasses.replace(ANNOUNCED, expected=1)).received == 0
    assert sink.files == []


def test_cancel_ends_an_instance_that_never_ends(sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 57: cancelled within an instance."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.3)
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        _, context = begin_get(peer)
        peer.send_command_only(context, store_command("1.5.1"))
        peer.send_pdv(context, 0, bytes(1000))
        control.cancel()
        for _ in range(200_000):
            try:
                peer.send_pdv(context, 0, bytes(1000))
            except ConnectionError:
                return
        message = "the transfer was not ended"
        raise AssertionError(message)

    with pytest.raises(JobCancelled):
        retrieve(script, sink, control=control)
    assert sink.stray_files() == []


def test_a_part_refused_with_out_of_resources_is_not_asked_for_again(pool: BulkPool, sink: FileSink) -> None:
    def refusing(peer: PeerSide) -> None:
        get_context, _ = begin_get(peer)
        peer.send(get_context, final(0xA700, failed=2))
        peer.finish()

    def sending(peer: PeerSide) -> None:
        get_context, context = begin_get(peer)
        assert store(peer, context, "1.5.1", 1) == store(peer, context, "1.5.2", 2) == 0
        peer.send(get_context, final(completed=2))
        peer.finish()

    part = FetchPart(requests=(ANNOUNCED,), SOPClassUIDs=(CT,))
    with FaultyPeer(refusing, sending) as peer:
        result = pool.retrieve(peer.config(), Caller("US", 16384), [part, part], sink, ControlOfTest())
    assert (result.received, result.failed_count) == (2, 2)


def test_a_busy_server_and_a_busy_answer_are_told_apart() -> None:
    config = ServerConfig(name="PACS", host="127.0.0.1", called_ae_title="PACS")
    answer = operation_failed(config, "could not send", 0xA700, "a\x1b[2Jb" + "c" * 999)
    assert isinstance(answer, PeerError)
    assert is_answered(answer)
    assert not is_answered(AssociationError("busy", code="busy"))
    assert answer.message.isprintable()
    assert len(answer.message) < 400
