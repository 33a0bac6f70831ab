"""Decoding by Specific Character Set, against pydicom and the examples of the standard."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from VisualDICOMBrowserLib.database.charsets import DEFAULT_CODEC, codecs_of, decode_text

TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}
# pydicom leaves the escape sequence of this one in the text.
TERMS = sorted(term for term in python_encoding if term not in ("ISO 2022 IR 58", "ISO 2022 58"))


@pytest.mark.parametrize(
    ("character_set", "value", "text"),
    [
        # DICOM PS3.5 annexes H to K
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (
            "\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
            "Hong^Gildong=洪^吉洞",
        ),
        ("ISO_IR 192", b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1", "Wang^XiaoDong=王^小東"),
        ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
        (
            "\\ISO 2022 IR 58",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
            "Zhang^XiaoDong=张^小东",
        ),
        ("ISO_IR 144", b"\xbb\xee\xda\x63\x65\xdc\xd1", "Люкceмб"),
        ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
        # what files have instead of the standard's terms
        ("ISO-IR 100", b"\xe9", "é"),
        ("ISO IR 192", b"\xc3\xa9", "é"),
        ("iso_ir 100", b"\xe9", "é"),
        ("UTF-8", b"\xc3\xa9", "é"),
        ("ISO-2022-IR 87", b"\x1b$B;3\x1b(B", "山"),
        ("", b"\xe9", "é"),
        ("nonsense", b"\xe9", "é"),
        # announced is not what is there
        ("ISO_IR 192", b"\xe9t\xe9", "�t�"),
        ("ISO 2022 IR 6", b"a\x1b$B;3", "a\x1b$B;3"),
    ],
)
def test_text_of_examples(character_set: str, value: bytes, text: str) -> None:
    assert decode_text(value, codecs_of(character_set)) == text


def test_characters_that_stand_alone_allow_no_others() -> None:
    assert codecs_of("ISO_IR 192\\ISO 2022 IR 87") == ("utf_8",)
    assert codecs_of("ISO 2022 IR 100\\GB18030") == ("latin_1",)
    assert codecs_of("") == (DEFAULT_CODEC,)


@settings(max_examples=300, deadline=None)
@given(
    terms=st.lists(st.sampled_from(TERMS), min_size=1, max_size=3),
    parts=st.lists(
        st.binary(max_size=8)
        | st.sampled_from(
            [b"\x1b(B", b"\x1b-A", b"\x1b-L", b"\x1b$B;3", b"\x1b$)C\xfb\xf3", b"\x1b(J\xd4", b"\r\n", b"^"]
        ),
        max_size=5,
    ),
)
def test_any_bytes_decode_as_with_pydicom(terms: list[str], parts: list[bytes]) -> None:
    value = b"".join(parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = decode_bytes(value, convert_encodings(list(terms)), TEXT_DELIMITERS)
    found = decode_text(value, codecs_of("\\".join(terms)))
    if b"\x1b$)A" not in value:
        assert found == expected
