"""DICOM files written byte by byte, for tests that need files as they should not be."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

UNDEFINED = 0xFFFFFFFF
_LONG = {"OB", "OW", "OF", "SQ", "UC", "UN", "UR", "UT"}
_ROOT = "1.2.826.0.1.3680043.8.498"

Element = tuple[str, str, bytes | str]


def element(
    tag: str, vr: str, value: bytes | str, *, syntax: str = EXPLICIT_LITTLE, length: int | None = None
) -> bytes:
    """One element; `length` is what its length field says, where it shall lie."""
    order = ">" if syntax == EXPLICIT_BIG else "<"
    data = value.encode("latin_1") if isinstance(value, str) else value
    data += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(data) % 2)
    said = len(data) if length is None else length
    head = struct.pack(order + "HH", int(tag[:4], 16), int(tag[5:], 16))
    if syntax == IMPLICIT_LITTLE:
        return head + struct.pack("<I", said) + data
    if vr in _LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", said) + data
    return head + vr.encode() + struct.pack(order + "H", said) + data


def item(content: bytes, *, length: int | None = None) -> bytes:
    """One little endian item of a sequence or fragment of pixel data."""
    said = len(content) if length is None else length
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", said) + content


ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def nested(depth: int) -> bytes:
    """Sequences of undefined length in one another."""
    opening = element("0008,1140", "SQ", b"", length=UNDEFINED) + item(b"", length=UNDEFINED)
    return opening * depth + element("0008,0060", "CS", "MR") + (ITEM_END + SEQUENCE_END) * depth


def fragments(*lengths: int) -> bytes:
    """Encapsulated pixel data with an empty offset table, without the delimiter."""
    return b"".join(item(bytes(length)) for length in (0, *lengths))


def meta(syntax: str, sop_uid: str = "", sop_class: str = CT_IMAGE) -> bytes:
    """Preamble, prefix and File Meta Information."""
    group = element("0002,0001", "OB", b"\0\1") + element("0002,0002", "UI", sop_class)
    group += element("0002,0003", "UI", sop_uid) + element("0002,0010", "UI", syntax)
    return b"\0" * 128 + b"DICM" + element("0002,0000", "UL", struct.pack("<I", len(group))) + group


def uids(study: int = 1, series: int = 1, number: int = 1) -> dict[str, str]:
    """UIDs of an instance by tag."""
    return {
        "0008,0018": f"{_ROOT}.{study}.{series}.{number}",
        "0020,000D": f"{_ROOT}.{study}",
        "0020,000E": f"{_ROOT}.{study}.{series}",
    }


def ct_slice(
    study: int = 1,
    series: int = 1,
    number: int = 1,
    *,
    syntax: str = EXPLICIT_LITTLE,
    pixels: bytes = bytes(512),
    more: tuple[Element, ...] = (),
    without: tuple[str, ...] = (),
) -> bytes:
    """A small CT image of patient ``P<study>``; `more` adds or replaces elements, `without` leaves some out."""
    named = uids(study, series, number)
    order = ">" if syntax == EXPLICIT_BIG else "<"
    elements: dict[str, tuple[str, bytes | str]] = {
        "0008,0005": ("CS", "ISO_IR 100"),
        "0008,0016": ("UI", CT_IMAGE),
        "0008,0018": ("UI", named["0008,0018"]),
        "0008,0020": ("DA", "20240119"),
        "0008,0060": ("CS", "CT"),
        "0008,103E": ("LO", f"Series {series}"),
        "0010,0010": ("PN", f"Patient^P{study}"),
        "0010,0020": ("LO", f"P{study}"),
        "0020,000D": ("UI", named["0020,000D"]),
        "0020,000E": ("UI", named["0020,000E"]),
        "0020,0011": ("IS", str(series)),
        "0020,0013": ("IS", str(number)),
        "0028,0010": ("US", struct.pack(order + "H", 16)),
        "0028,0011": ("US", struct.pack(order + "H", 16)),
        "0028,0100": ("US", struct.pack(order + "H", 16)),
        "7FE0,0010": ("OW", pixels),
    }
    elements.update({tag: (vr, value) for tag, vr, value in more})
    written = b"".join(
        element(tag, vr, value, syntax=EXPLICIT_LITTLE if syntax == DEFLATED else syntax)
        for tag, (vr, value) in sorted(elements.items())
        if tag not in without
    )
    if syntax == DEFLATED:
        written = deflated(written)
    return meta(syntax, named["0008,0018"]) + written


def deflated(data: bytes) -> bytes:
    """Raw deflate as PS3.5 A.5 has it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def write_series(folder: Path, count: int, *, study: int = 1, series: int = 1, size: int = 512) -> list[Path]:
    """`count` slices as files in `folder`, each with pixels of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(1, count + 1):
        path = folder / f"{study}-{series}-{number:04d}.dcm"
        pixels = struct.pack("<HHH", study, series, number) * (size // 6)
        path.write_bytes(ct_slice(study, series, number, pixels=pixels + bytes(size % 6)))
        paths.append(path)
    return paths
