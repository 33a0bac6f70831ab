"""The sans-IO codecs: any chunking gives the same messages, any bytes give messages or one error type."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.servers.upper_layer.elements import MalformedElements, encode_elements, parse_elements
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import accept_pdu, accepted_contexts, parse_request
from VisualDICOMBrowserLib.servers.upper_layer.pdata import (
    DATA,
    Command,
    CommandField,
    Fragment,
    MessageReader,
    PduBuffer,
    ProtocolFault,
    encode_command,
    encode_message,
)

MAX_PDU = 4096
REQUEST = Command(
    field=CommandField.C_STORE_RQ,
    message_id=7,
    sop_class="1.2.840.10008.5.1.4.1.1.2",
    sop_instance="1.2.3.4.5",
    priority=0,
)

uids = st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,5}){0,8}", fullmatch=True)
numbers = st.none() | st.integers(0, 0xFFFF)
commands = st.builds(
    Command,
    field=st.integers(0, 0xFFFF),
    message_id=numbers,
    responded_to=numbers,
    sop_class=st.just("") | uids,
    sop_instance=st.just("") | uids,
    status=numbers,
    remaining=numbers,
    completed=numbers,
    failed=numbers,
    warning=numbers,
)


def read_all(stream: bytes, sizes: list[int]) -> list[tuple[int, Command | None, bytes, bool]]:
    """Fragments of a stream that arrives in pieces of these sizes, then whole."""
    buffer, reader = PduBuffer(MAX_PDU), MessageReader()
    found = []
    while stream:
        room = buffer.room()
        count = min(len(stream), len(room), sizes.pop(0) if sizes else len(stream))
        room[:count] = stream[:count]
        stream = stream[count:]
        buffer.received(count)
        while (pdu := buffer.next_pdu()) is not None:
            assert pdu[0] == DATA
            found += [Fragment(*item[:2], bytes(item.data), item.last) for item in reader.fragments(pdu[1])]
    return found


@given(commands, st.none() | st.binary(min_size=1, max_size=40000), st.lists(st.integers(1, 9000), max_size=30))
def test_messages_survive_any_chunking(command: Command, data: bytes | None, sizes: list[int]) -> None:
    stream = encode_message(5, command, data, max_pdu=MAX_PDU)
    found = read_all(stream * 2, sizes)
    for context_id, seen, _, _ in found:
        assert context_id == 5
        if seen is not None:
            assert seen.has_data == (data is not None)
            assert encode_command(seen) == encode_command(command)
    assert sum(seen is not None for _, seen, _, _ in found) == 2
    assert b"".join(piece for _, _, piece, _ in found) == (data or b"") * 2


@given(st.binary(max_size=400))
def test_any_bytes_give_messages_or_a_protocol_fault(stream: bytes) -> None:
    buffer, reader = PduBuffer(MAX_PDU), MessageReader()
    buffer.room()[: len(stream)] = stream
    buffer.received(len(stream))
    with contextlib.suppress(ProtocolFault):
        while (pdu := buffer.next_pdu()) is not None:
            list(reader.fragments(pdu[1]))


@given(st.binary(max_size=400))
def test_any_request_is_parsed_or_refused(body: bytes) -> None:
    try:
        request = parse_request(bytes(68) + body)
    except ProtocolFault:
        return
    accept_pdu(request, accepted_contexts(request, lambda *_: "1.2.840.10008.1.2"), 16384)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_give_elements_or_one_error(data: bytes, implicit: bool) -> None:
    with contextlib.suppress(MalformedElements):
        parse_elements(data, implicit=implicit)


@pytest.mark.parametrize("implicit", [True, False])
def test_sequences_are_skipped(implicit: bool) -> None:
    inner = encode_elements([(0x00100020, "LO", b"inner")], implicit=implicit)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    content = item + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    header = struct.pack("<HHL", 0x0008, 0x1110, 0xFFFFFFFF)
    if not implicit:
        header = struct.pack("<HH2sHL", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF)
    after = encode_elements([(0x00100010, "PN", b"Outer")], implicit=implicit)
    defined = encode_elements([(0x00081140, "SQ", item)], implicit=False) if not implicit else b""
    values = parse_elements(header + content + defined + after, implicit=implicit)
    assert values == {0x00100010: b"Outer "}


def test_the_beginning_of_a_data_set_is_read_as_far_as_it_goes() -> None:
    whole = encode_elements([(0x00080018, "UI", b"1.2.3\0"), (0x00100010, "PN", b"A" * 500)], implicit=False)
    assert parse_elements(whole[:100], implicit=False, beginning_only=True) == {0x00080018: b"1.2.3\0"}
    with pytest.raises(MalformedElements):
        parse_elements(whole[:100], implicit=False)


def test_a_command_in_pieces_and_several_pdvs_in_one_pdu() -> None:
    command = encode_command(REQUEST, with_data=True)
    pdvs = b"".join(
        struct.pack(">LBB", len(piece) + 2, 3, control) + piece
        for piece, control in ((command[:11], 1), (command[11:], 3), (b"da", 0), (b"ta", 2))
    )
    stream = struct.pack(">BxL", DATA, len(pdvs)) + pdvs
    found = read_all(stream, [])
    assert [item[1] is not None for item in found] == [True, False, False]
    assert [(bytes(item[2]), item[3]) for item in found[1:]] == [(b"da", False), (b"ta", True)]


def test_a_command_without_group_length_is_read() -> None:
    bare = encode_command(REQUEST)[12:]
    assert Command.parse(bare) == Command.parse(encode_command(REQUEST))


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"\x48TTP/1.1 400", "unknown PDU type 48"),
        (struct.pack(">BxL", DATA, MAX_PDU + 5000), "announces"),
        (struct.pack(">BxL", 1, 2**32 - 1), "announces"),
        (struct.pack(">BxLLBB", DATA, 6, 1, 1, 3), "does not fit"),
        (struct.pack(">BxLLBB", DATA, 6, 400, 1, 3), "does not fit"),
        (struct.pack(">BxL", DATA, 3) + b"abc", "within a PDV header"),
        (struct.pack(">BxLLBB", DATA, 8, 4, 1, 2) + b"ab", "command expected"),
        (struct.pack(">BxLLBB", DATA, 8, 4, 1, 3) + b"ab", "unreadable command set"),
        (struct.pack(">BxLLBB", DATA, 6, 2, 1, 3), "without command field"),
        (
            struct.pack(">BxLLBB", DATA, 8, 4, 1, 1) + b"ab" + struct.pack(">BxLLBB", DATA, 8, 4, 3, 3) + b"cd",
            "goes on in context 3",
        ),
    ],
)
def test_what_is_not_allowed_is_refused(stream: bytes, words: str) -> None:
    with pytest.raises(ProtocolFault, match=words):
        read_all(stream, [])


def test_more_sub_operations_than_the_field_holds() -> None:
    command = Command(field=CommandField.C_GET_RSP, status=0xFF00, remaining=70_000)
    assert Command.parse(encode_command(command)).remaining == 0xFFFF
