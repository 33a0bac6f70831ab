"""Files that the header scan must refuse, and why; and that nothing else than a refusal can happen."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_samples import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    SEQUENCE_END,
    UNDEFINED,
    ct_slice,
    deflated,
    element,
    fragments,
    meta,
    nested,
    uids,
)
from pydicom.data import get_testdata_file

from VisualDICOMBrowserLib.database.header_scan import scan_file
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.errors import RejectedFileError

TAGS = [
    "0008,0005",
    "0008,0060",
    "0008,103E",
    "0008,1140",
    "0009,1001",
    "0010,0010",
    "0010,0020",
    "0019,100C",
    "0020,0013",
    "0020,0032",
    "0028,0010",
    "0028,0106",
    "300A,0002",
]


@pytest.fixture
def scanned(tmp_path: Path) -> Any:
    """Scan the bytes given."""

    def scan(data: bytes, *tags: str) -> ScannedFile:
        path = tmp_path / "file.dcm"
        path.write_bytes(data)
        return scan_file(path, tags or TAGS)

    return scan


def reason_for(scanned: Any, data: bytes) -> str:
    with pytest.raises(RejectedFileError) as caught:
        scanned(data)
    return caught.value.message


def test_files_that_are_cut_short_are_rejected(scanned: Any) -> None:
    whole = ct_slice()
    pixels = whole.index(b"\xe0\x7f\x10\x00")
    for length in (len(whole) - 1, len(whole) - 300, pixels + 11, pixels - 1, 390, 200):
        assert reason_for(scanned, whole[:length]).startswith("The file is cut short"), length
    start = element("7FE0,0010", "OB", b"", length=UNDEFINED)
    packed = ct_slice(syntax=JPEG_BASELINE, without=("7FE0,0010",)) + start + fragments(1000, 30_000)
    for lost in (1, 20_000):
        assert reason_for(scanned, packed[:-lost]).startswith("The file is cut short")
    assert reason_for(scanned, packed + SEQUENCE_END[:-1]).startswith("The file is cut short")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The file is empty."),
        (b"x", "This is not a DICOM file."),
        (b"\0" * 131, "This is not a DICOM file."),
        (b"\0" * 200, "This is not a DICOM file."),
        (b"\0" * 128 + b"DICM", "The file has no Study Instance UID."),
        (b"%PDF-1.4" + b" " * 500, "This is not a DICOM file."),
        (b"\x1f\x8b\x08" + b" " * 500, "This is a gzip file; unpack it first."),
        (b"\x08\x00\x05\x00" + b"\xff" * 500, "This is not a DICOM file."),
        (ct_slice(without=("0020,000D",)), "The file has no Study Instance UID."),
        (ct_slice(without=("0020,000E",)), "The file has no Series Instance UID."),
        (ct_slice(without=("0008,0018",)), "The file has no SOP Instance UID."),
        (ct_slice(more=(("0008,0018", "UI", ""),)), "The file has no SOP Instance UID."),
    ],
)
def test_unusable_files_are_rejected_with_their_reason(scanned: Any, data: bytes, reason: str) -> None:
    assert reason_for(scanned, data) == reason


@pytest.mark.parametrize(
    "uid",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "..\\..\\x",
        "C:\\x",
        "1.2\n3",
        "1.2.\xe9",
        "1..2",
        ".",
        "....",
        "1.2.",
        "CON",
        "1.2.3 4",
        "1.2\0.3",
        "1." * 40 + "1",
        "1.2\\1.3",
    ],
)
def test_malformed_uids_are_rejected(scanned: Any, uid: str) -> None:
    for tag in uids():
        assert "is not a valid UID" in reason_for(scanned, ct_slice(more=((tag, "UI", uid),)))


def test_a_dicomdir_is_not_an_image() -> None:
    for name in ("DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit"):
        with pytest.raises(RejectedFileError, match="This is a DICOMDIR"):
            scan_file(Path(str(get_testdata_file(f"dicomdirtests/{name}"))), TAGS)


def test_what_is_no_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "folder.dcm").mkdir()
    for name, reason in (("folder.dcm", "This is a folder"), ("nothing.dcm", "The file is not there")):
        with pytest.raises(RejectedFileError, match=reason):
            scan_file(tmp_path / name, TAGS)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither named pipes in folders nor these links")
def test_pipes_devices_and_dangling_links_are_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "dangling.dcm").symlink_to(tmp_path / "gone.dcm")
    (tmp_path / "loop.dcm").symlink_to(tmp_path / "loop.dcm")
    reasons = {"pipe.dcm": "named pipe", "dangling.dcm": "link points to nothing", "loop.dcm": "cannot be read"}
    for name, reason in reasons.items():
        with pytest.raises(RejectedFileError, match=reason):
            scan_file(tmp_path / name, TAGS)
    with pytest.raises(RejectedFileError, match="This is a device"):
        scan_file(Path("/dev/zero"), TAGS)


def test_a_deflate_bomb_is_refused(scanned: Any) -> None:
    body = ct_slice()[len(meta(EXPLICIT_LITTLE, uids()["0008,0018"])) :]
    assert scanned(meta(DEFLATED) + deflated(body)).values["0010,0020"] == "P1"
    bomb = meta(DEFLATED) + deflated(body[: body.index(b"\xe0\x7f\x10\x00")] + bytes(400 << 20))
    assert len(bomb) < 1 << 20
    assert "grows beyond what is allowed" in reason_for(scanned, bomb)


def test_damaged_deflated_files_are_rejected(scanned: Any) -> None:
    whole = ct_slice(syntax=DEFLATED)
    assert "has no end" in reason_for(scanned, whole[:-3])
    assert "is damaged" in reason_for(scanned, meta(DEFLATED) + b"\xff" * 100)


def test_a_header_of_millions_of_elements_is_refused(scanned: Any) -> None:
    tiny = element("0009,1001", "UN", b"")
    assert scanned(ct_slice(more=(("0009,0010", "LO", "ACME"),)) + tiny).values["0010,0020"] == "P1"
    head = ct_slice(without=("7FE0,0010",))
    assert "millions of elements" in reason_for(scanned, head + tiny * (70 * 1024 * 1024 // len(tiny)))


PIECES = st.sampled_from(
    [
        ct_slice(),
        ct_slice(syntax=IMPLICIT_LITTLE),
        ct_slice(syntax=EXPLICIT_BIG),
        ct_slice(syntax=DEFLATED),
        ct_slice(syntax=JPEG_BASELINE, without=("7FE0,0010",)),
        nested(3),
        fragments(10, 20),
        b"\0" * 128 + b"DICM",
    ]
)


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Files put together from pieces of real ones, with bytes changed, removed and added."""
    data = bytearray(b"".join(draw(st.lists(PIECES | st.binary(max_size=300), max_size=4))))
    for _ in range(draw(st.integers(0, 8))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        count = draw(st.integers(0, 40))
        data[at : at + count] = draw(st.binary(max_size=40))
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(data=damaged_files())
def test_any_bytes_give_values_or_one_reason(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.dcm"
    path.write_bytes(data)
    with contextlib.suppress(RejectedFileError):
        file = scan_file(path, TAGS)
        assert file.SOPInstanceUID
        assert all(isinstance(value, str) and value for value in file.values.values())
