"""The multipart splitter: any bodies at any chunking come out identical; what is no multipart is told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Testing.support.web_server import multipart
from VisualDICOMBrowserLib.servers.web.multipart import (
    MultipartFault,
    MultipartSplitter,
    PartBegin,
    PartData,
    PartEnd,
    PartLengthFault,
    boundary_of,
)

BOUNDARY = "edge"
# Pieces that look like delimiters, beginnings of them and ends of lines, mixed with any bytes.
TRICKY = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"--", b"\r\n--", b"\r\n--ed", b"\r\n--edgeX", b"--edge", b"\r\n--edge-"]
        ),
    ),
    max_size=8,
).map(b"".join)


def holds_delimiter(body: bytes) -> bool:
    """Whether a body has a real delimiter line in it, which no sender may choose as boundary."""
    return any(
        body[found:].startswith((b"\r\n--edge--", b"\r\n--edge\r\n", b"\r\n--edge ", b"\r\n--edge\t"))
        or body[found:] in (b"\r\n--edge", b"\r\n--edge-", b"\r\n--edge\r")
        for found in range(len(body))
    ) or body.startswith((b"--edge--", b"--edge\r\n", b"--edge ", b"--edge\t"))


def split(splitter: MultipartSplitter, chunks: Sequence[bytes]) -> list[tuple[dict[str, str], bytes, bool]]:
    """Headers, bytes and wholeness of each part."""
    parts: list[tuple[dict[str, str], bytearray, bool]] = []
    for chunk in [*chunks, None]:
        for event in splitter.finish() if chunk is None else splitter.feed(chunk):
            if isinstance(event, PartBegin):
                parts.append((event.headers, bytearray(), False))
            elif isinstance(event, PartData):
                parts[-1][1].extend(event.data)
            else:
                assert isinstance(event, PartEnd)
                parts[-1] = (*parts[-1][:2], True)
    return [(headers, bytes(data), whole) for headers, data, whole in parts]


def chunked(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The body cut at these places."""
    places = sorted({cut % (len(body) + 1) for cut in cuts} | {0, len(body)})
    return [body[start:end] for start, end in itertools.pairwise(places)]


@given(
    st.lists(TRICKY.filter(lambda body: not holds_delimiter(body)), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=40),
    st.sampled_from([b"", b"preamble", b"two\r\nlines\r\n", b"--edg"]),
    st.sampled_from([b"", b"\r\n", b"\r\nepilogue --edge"]),
    st.booleans(),
)
def test_any_bodies_at_any_chunking_come_out_identical(
    bodies: list[bytes], cuts: list[int], preamble: bytes, epilogue: bytes, headers: bool
) -> None:
    """Case 69: boundary-like bytes inside data, preamble, epilogue, parts without Content-Type."""
    head = "Content-Type: application/dicom" if headers else ""
    body = multipart(bodies, BOUNDARY, head=head) + epilogue
    whole = preamble + (b"\r\n" if preamble else b"") + body
    splitter = MultipartSplitter(BOUNDARY)
    parts = split(splitter, chunked(whole, cuts))
    assert [data for _, data, _ in parts] == bodies
    assert all(complete for _, _, complete in parts)
    assert splitter.ended


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.lists(st.integers(0, 1000), max_size=20))
def test_told_lengths_let_parts_hold_anything(bodies: list[bytes], cuts: list[int]) -> None:
    """Case 69: even the boundary itself inside data."""
    bodies = [b"\r\n--edge\r\n\r\n" + body + b"\r\n--edge--" for body in bodies]
    body = b"".join(b"--edge\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(data), data) for data in bodies) + b"--edge--"
    splitter = MultipartSplitter(BOUNDARY)
    assert [data for _, data, _ in split(splitter, chunked(body, cuts))] == bodies
    assert splitter.ended


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_any_bytes_end_in_parts_or_a_fault(body: bytes, cuts: list[int]) -> None:
    """Nothing else than `MultipartFault` is raised, and no part is called whole that has no end."""
    splitter = MultipartSplitter(BOUNDARY)
    try:
        parts = split(splitter, chunked(body, cuts))
    except MultipartFault:
        return
    assert all(whole for _, _, whole in parts[:-1])


@given(st.integers(0, 60))
def test_a_cut_body_keeps_its_whole_parts(cut: int) -> None:
    """Case 69: missing final boundary, cut in the middle of a part."""
    body = multipart([b"first", b"second part", b"third"], BOUNDARY)
    splitter = MultipartSplitter(BOUNDARY)
    parts = split(splitter, [body[: len(body) - 1 - cut]])
    assert not splitter.ended
    assert [data for _, data, whole in parts if whole] == [b"first", b"second part", b"third"][
        : sum(w for *_, w in parts)
    ]
    assert not parts or not parts[-1][2] or len(parts) < 3


@pytest.mark.parametrize("told", [3, 200])
def test_a_wrong_length_is_told_and_can_be_passed_over(told: int) -> None:
    """Case 69: a length that lies."""
    body = f"--edge\r\nContent-Length: {told}\r\n\r\n".encode() + b"ten bytes!" + b"\r\n--edge\r\n\r\nB\r\n--edge--"
    splitter = MultipartSplitter(BOUNDARY)
    if told == 3:
        with pytest.raises(PartLengthFault):
            split(splitter, [body])
    else:
        assert not any(whole for _, _, whole in split(splitter, [body]))
        assert not splitter.ended
    forgiving = MultipartSplitter(BOUNDARY, believe_lengths=False)
    assert [data for _, data, _ in split(forgiving, [body])] == [b"ten bytes!", b"B"]


def test_the_last_part_is_whole_by_its_length() -> None:
    """Case 69: missing final boundary behind a part that says how long it is."""
    splitter = MultipartSplitter(BOUNDARY)
    parts = split(splitter, [b"--edge\r\nContent-Length: 4\r\n\r\ndata"])
    assert parts == [({"content-length": "4"}, b"data", True)]
    assert not splitter.ended


def test_headers_without_end_are_bounded() -> None:
    """A part that only announces itself does not fill the memory."""
    splitter = MultipartSplitter(BOUNDARY)
    with pytest.raises(MultipartFault, match="headers of a part are too long"):
        split(splitter, [b"--edge\r\n", *[b"X-Header: " + b"x" * 1000 + b"\r\n"] * 100])


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc-1', "abc-1"),
        ('multipart/related; boundary="with space; and=more"; type="application/dicom"', "with space; and=more"),
        ("Multipart/Related;BOUNDARY=Edge", "Edge"),
        ("multipart/related", ""),
        ("multipart/related; boundary=", ""),
        ("", ""),
        ("multipart/related; boundary=" + "x" * 300, ""),
    ],
)
def test_boundaries_of_content_types(content_type: str, boundary: str) -> None:
    """Case 69: without boundary, quoted boundary."""
    assert boundary_of(content_type) == boundary


def test_no_boundary_is_a_fault() -> None:
    """There is nothing to split at."""
    with pytest.raises(MultipartFault):
        MultipartSplitter("")
