"""Text of query attributes to and from bytes (DICOM PS3.5 6.1, PS3.3 C.12.1.1.2).

Decoding itself is ``database.charsets``; here is what queries add: which set to write in, and what to make of
servers that declare none. Never fails: what cannot be decoded is replaced. Any thread.
"""

from __future__ import annotations

from VisualDICOMBrowserLib.database import charsets

__all__ = ["SPECIFIC_CHARACTER_SET", "character_set_for", "decode_text", "encode_text"]

SPECIFIC_CHARACTER_SET = 0x00080005

_WRITTEN = {"": "ascii", "ISO_IR 100": "latin_1", "ISO_IR 192": "utf_8"}


def character_set_for(texts: list[str]) -> str:
    """Defined term with which all `texts` can be written: none for ASCII, else Latin-1 if it will do."""
    whole = "".join(texts)
    if whole.isascii():
        return ""
    try:
        whole.encode("latin_1")
    except UnicodeEncodeError:
        return "ISO_IR 192"
    return "ISO_IR 100"


def encode_text(text: str, character_set: str) -> bytes:
    """`text` in a character set that `character_set_for` chose."""
    return text.encode(_WRITTEN[character_set], "replace")


def decode_text(value: bytes, character_set: bytes = b"") -> str:
    """`value` as text without padding; `character_set` is the raw Specific Character Set (0008,0005).

    Bytes beyond ASCII without a declared set are taken for UTF-8, and for Latin-1 if they are none.
    """
    stripped = value.strip(b"\0 ")
    declared = character_set.decode("ascii", "replace").strip("\0 ")
    if not declared and b"\x1b" not in stripped:
        try:
            return stripped.decode("utf_8").strip()
        except UnicodeDecodeError:
            return stripped.decode("latin_1").strip()
    return charsets.decode_text(stripped, charsets.codecs_of(declared)).strip()
