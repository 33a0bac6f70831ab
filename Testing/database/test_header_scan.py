"""The header scan against pydicom, and against files as they should not be."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from index_samples import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM_END,
    JPEG_BASELINE,
    SEQUENCE_END,
    UNDEFINED,
    ct_slice,
    element,
    fragments,
    item,
    meta,
    nested,
    uids,
)
from pydicom.data import get_testdata_file
from pydicom.multival import MultiValue

from VisualDICOMBrowserLib.database.header_scan import read_values, scan_file
from VisualDICOMBrowserLib.database.records import ScannedFile

PRECACHED = [
    "0008,0018",
    "0008,0020",
    "0008,0021",
    "0008,0030",
    "0008,0031",
    "0008,0050",
    "0008,0060",
    "0008,0061",
    "0008,0080",
    "0008,0090",
    "0008,1030",
    "0008,103E",
    "0008,1050",
    "0010,0010",
    "0010,0020",
    "0010,0030",
    "0010,0032",
    "0010,0040",
    "0010,1010",
    "0010,4000",
    "0018,0010",
    "0018,0015",
    "0018,0020",
    "0018,0086",
    "0020,000D",
    "0020,000E",
    "0020,0010",
    "0020,0011",
    "0020,0012",
    "0020,0052",
    "0020,0100",
    "0028,0010",
    "0028,0011",
]
# What plugins ask for: numbers, several values, text of every kind, private elements.
FURTHER = [
    "0008,0005",
    "0008,0008",
    "0008,0016",
    "0008,0022",
    "0008,0032",
    "0008,0054",
    "0008,0070",
    "0008,0201",
    "0008,1010",
    "0008,2111",
    "0010,21C0",
    "0018,0022",
    "0018,0050",
    "0018,1020",
    "0018,1164",
    "0018,9087",
    "0020,0013",
    "0020,0032",
    "0020,0037",
    "0020,4000",
    "0028,0004",
    "0028,0008",
    "0028,0009",
    "0028,0030",
    "0028,0100",
    "0028,0103",
    "0028,0106",
    "0028,0107",
    "0028,1050",
    "0028,1052",
    "0028,1101",
    "0029,1010",
    "0043,1039",
    "0051,100B",
    "300A,0002",
    "3004,000E",
    "3006,0002",
]


def pydicom_text(data_set: pydicom.Dataset, tag: str) -> str:
    """What the database shall keep of an element, by pydicom's decoding alone."""
    number = int(tag[:4] + tag[5:], 16)
    if number not in data_set:
        return ""
    found = data_set[number]
    value: Any = found.value
    if found.VR == "SQ" or value is None:
        return ""
    if isinstance(value, bytes):
        return "\\".join(f"{byte:02x}" for byte in value) if len(value) <= 1024 else "__VALUE_IS_NOT_STORED__"
    values = list(value) if isinstance(value, (MultiValue, list)) else [value]
    return "\\".join(_one_text(found.VR, each) for each in values)


def _one_text(vr: str, value: Any) -> str:
    if vr in ("DS", "IS"):
        return str(getattr(value, "original_string", value)).strip()
    if vr == "AT":
        return f"({value.group:04x},{value.element:04x})"
    if vr in ("FL", "FD"):
        return repr(value).removesuffix(".0")
    return str(value).rstrip(" \0")


def differences(path: Path) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        expected = {tag: pydicom_text(data_set, tag) for tag in [*PRECACHED, *FURTHER]}
    found = read_values(path, [*PRECACHED, *FURTHER])
    return [
        f"{path.name} {tag}: {found.get(tag, '')!r} instead of {text!r}"
        for tag, text in expected.items()
        if found.get(tag, "") != text
    ]


def test_values_equal_those_of_pydicom_in_all_its_files(pydicom_files: list[Path]) -> None:
    assert len(pydicom_files) == 188
    assert [line for path in pydicom_files for line in differences(path)] == []


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "rtstruct.dcm"])
def test_values_equal_those_of_pydicom_without_meta_information(name: str) -> None:
    assert differences(Path(str(get_testdata_file(name)))) == []


def test_values_equal_those_of_pydicom_in_real_series(test_data: Path) -> None:
    paths = [path for path in sorted(test_data.rglob("*")) if path.is_file() and _is_part_10(path)]
    assert len(paths) > 150
    assert [line for path in paths for line in differences(path)] == []


def _is_part_10(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@pytest.fixture
def scanned(tmp_path: Path) -> Any:
    """Scan the bytes given."""

    def scan(data: bytes, *tags: str) -> ScannedFile:
        path = tmp_path / "file.dcm"
        path.write_bytes(data)
        return scan_file(path, tags or PRECACHED)

    return scan


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED])
def test_every_encoding_gives_the_same_values(scanned: Any, syntax: str) -> None:
    file = scanned(ct_slice(2, 3, 4, syntax=syntax), "0010,0010", "0028,0010", "0020,0013")
    assert dict(file.values) == {
        **uids(2, 3, 4),
        "0008,0016": "1.2.840.10008.5.1.4.1.1.2",
        "0010,0010": "Patient^P2",
        "0028,0010": "16",
        "0020,0013": "4",
    }
    assert (file.owned, file.SOPInstanceUID) == (False, uids(2, 3, 4)["0008,0018"])


def test_tags_may_be_written_in_lower_case(scanned: Any) -> None:
    assert scanned(ct_slice(series=7), "0008,103e").values["0008,103E"] == "Series 7"


def test_a_header_longer_than_the_first_read_is_read_on(scanned: Any) -> None:
    private = (("0009,0010", "LO", "ACME"), ("0009,1001", "OB", bytes(300_000)), ("0010,4000", "LT", "x" * 9000))
    file = scanned(ct_slice(more=private), "0010,4000", "0020,0013")
    assert file.values["0010,4000"] == "x" * 9000
    assert file.values["0020,0013"] == "1"


def test_a_value_far_too_long_for_an_index_is_not_kept(scanned: Any) -> None:
    file = scanned(ct_slice(more=(("0010,4000", "UT", "x" * 500_000),)), "0010,4000")
    assert file.values["0010,4000"] == "__VALUE_IS_NOT_STORED__"


@pytest.mark.parametrize("depth", [1, 50, 200, 5000])
def test_nesting_of_any_depth_is_skipped(scanned: Any, depth: int) -> None:
    whole = ct_slice()
    cut = whole.index(struct.pack("<HH", 0x0010, 0x0010))
    file = scanned(whole[:cut] + nested(depth) + whole[cut:])
    assert (file.values["0008,0060"], file.values["0010,0020"]) == ("CT", "P1")


def test_unknown_sequences_are_implicit_inside(scanned: Any) -> None:
    content = element("0008,0060", "CS", "MR", syntax=IMPLICIT_LITTLE)
    value = item(content + ITEM_END, length=UNDEFINED) + SEQUENCE_END
    unknown = element("0009,1002", "UN", value, length=UNDEFINED)
    whole = ct_slice()
    cut = whole.index(struct.pack("<HH", 0x0010, 0x0010))
    assert scanned(whole[:cut] + unknown + whole[cut:]).values["0010,0020"] == "P1"


def test_what_the_own_reader_does_not_understand_is_left_to_pydicom(tmp_path: Path) -> None:
    odd = element("0008,1140", "SQ", b"\xfe\xff\x01\xe0\0\0\0\0" + SEQUENCE_END, length=UNDEFINED)
    whole = ct_slice(syntax=EXPLICIT_LITTLE)
    cut = whole.index(struct.pack("<HH", 0x0010, 0x0010))
    path = tmp_path / "odd.dcm"
    path.write_bytes(whole[:cut] + odd + whole[cut:])
    assert scan_file(path, PRECACHED).values["0010,0020"] == "P1"
    assert differences(path) == []


def test_ambiguous_numbers_follow_the_pixel_representation(scanned: Any) -> None:
    smallest = ("0028,0106", "US", struct.pack("<h", -5))
    signed = ("0028,0103", "US", struct.pack("<H", 1))
    found = scanned(ct_slice(syntax=IMPLICIT_LITTLE, more=(smallest, signed)), "0028,0106")
    assert found.values["0028,0106"] == "-5"
    found = scanned(ct_slice(syntax=IMPLICIT_LITTLE, more=(smallest,)), "0028,0106")
    assert found.values["0028,0106"] == "65531"


def test_private_elements_are_decoded_by_their_creator(scanned: Any) -> None:
    private = (("0019,0010", "LO", "SIEMENS MR HEADER"), ("0019,100C", "IS", "1000"))
    assert scanned(ct_slice(syntax=IMPLICIT_LITTLE, more=private), "0019,100C").values["0019,100C"] == "1000"
    unknown = (("0019,0010", "LO", "NOBODY"), ("0019,100C", "IS", "10"))
    assert scanned(ct_slice(syntax=IMPLICIT_LITTLE, more=unknown), "0019,100C").values["0019,100C"] == "31\\30"


def test_a_wrong_transfer_syntax_does_not_matter(scanned: Any) -> None:
    body = ct_slice(syntax=IMPLICIT_LITTLE)[len(meta(IMPLICIT_LITTLE, uids()["0008,0018"])) :]
    assert scanned(meta(EXPLICIT_LITTLE) + body).values["0010,0020"] == "P1"
    body = ct_slice()[len(meta(EXPLICIT_LITTLE, uids()["0008,0018"])) :]
    assert scanned(meta(IMPLICIT_LITTLE) + body).values["0010,0020"] == "P1"


def test_a_lying_group_length_does_not_matter(scanned: Any) -> None:
    whole = bytearray(ct_slice())
    for lie in (0, 4, 100_000, UNDEFINED):
        whole[140:144] = struct.pack("<I", lie)
        assert scanned(bytes(whole)).values["0010,0020"] == "P1"


def test_files_without_preamble_are_read(scanned: Any) -> None:
    for syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG):
        whole = ct_slice(syntax=syntax)
        assert scanned(whole[132:]).values["0010,0020"] == "P1"
        assert scanned(whole[len(meta(syntax, uids()["0008,0018"])) :]).values["0010,0020"] == "P1"


def test_a_command_group_in_front_is_passed_over(scanned: Any) -> None:
    whole = ct_slice(syntax=IMPLICIT_LITTLE)
    head = len(meta(IMPLICIT_LITTLE, uids()["0008,0018"]))
    command = element("0000,0002", "UI", "1.2.840.10008.1.1", syntax=IMPLICIT_LITTLE)
    assert scanned(whole[:head] + command + whole[head:]).values["0010,0020"] == "P1"


def test_padding_of_uids_is_forgiven(scanned: Any) -> None:
    named = uids()
    more = tuple((tag, "UI", uid + "  ") for tag, uid in named.items())
    assert scanned(ct_slice(more=more)).SOPInstanceUID == named["0008,0018"]


def test_a_preamble_with_a_program_is_accepted(scanned: Any) -> None:
    assert scanned(b"MZ" + ct_slice()[2:]).values["0010,0020"] == "P1"


def test_encapsulated_pixel_data_may_lack_their_delimiter(scanned: Any) -> None:
    head = ct_slice(syntax=JPEG_BASELINE, without=("7FE0,0010",))
    start = element("7FE0,0010", "OB", b"", length=UNDEFINED)
    for end in (SEQUENCE_END, b""):
        assert scanned(head + start + fragments(100, 20_000) + end).values["0010,0020"] == "P1"
