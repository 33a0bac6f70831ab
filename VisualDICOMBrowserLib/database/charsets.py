"""Text of DICOM strings by their Specific Character Set.

What lives here: the map from DICOM's character set terms to Python codecs and the decoding of one value,
code extensions (ISO 2022 escape sequences) included. Splitting values and stripping padding is for
`elements`. Pure functions, no imports from the package, any thread. Undecodable bytes become
replacement characters, never an error.

References: DICOM PS3.3 C.12.1.1.2, PS3.5 6.1.2.4 and 6.1.2.5.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["DEFAULT_CODEC", "codecs_of", "decode_text"]

# Latin 1 under a name of its own, for an escape sequence to Latin 1 counts only where it was announced.
DEFAULT_CODEC = "iso8859_1"

_SINGLE_BYTE = {
    "6": DEFAULT_CODEC,
    "13": "shift_jis",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "166": "tis_620",
    "203": "iso8859_15",
}
_MULTI_BYTE = {"58": "gb2312", "87": "iso2022_jp", "149": "euc_kr", "159": "iso2022_jp_2"}
_ALONE = {
    "ISO_IR 192": "utf_8",
    "UTF-8": "utf_8",
    "UTF8": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
_EXTENSIONS = {"ISO 2022 GBK": "gbk", "ISO 2022 58": "gb2312"}
_TERM = re.compile(r"ISO.IR.(\d+)|ISO.2022.IR.(\d+)", re.ASCII)

_CODEC_OF_ESCAPE = {
    b"\x1b(B": DEFAULT_CODEC,
    b"\x1b-A": "latin_1",
    b"\x1b)I": "shift_jis",
    b"\x1b(J": "shift_jis",
    b"\x1b$B": "iso2022_jp",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "tis_620",
    b"\x1b-b": "iso8859_15",
    b"\x1b$)C": "euc_kr",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)A": "gb2312",
}
# These codecs of Python read the escape sequence themselves.
_READ_ESCAPES = frozenset({"iso2022_jp", "iso2022_jp_2"})
_FRAGMENT = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
# Line ends, tabulator and form feed switch back to the first character set (PS3.5 6.1.2.5.3).
_RESET = re.compile(rb"[\r\n\t\f]")


@lru_cache(maxsize=256)
def codecs_of(character_set: str) -> tuple[str, ...]:
    """Python codecs of the text of (0008,0005), the first for text without escape sequences.

    Parameters
    ----------
    character_set : str
        The values joined by backslash, as in the file; common misspellings such as ``ISO-IR 100`` are
        understood, unknown terms stand for the default repertoire.

    Returns
    -------
    tuple of str
        At least one codec name.
    """
    terms = [_spelled_right(term.strip(" \0").upper()) for term in character_set.split("\\")]
    if terms[0] in _ALONE:
        return (_ALONE[terms[0]],)
    return tuple(_codec_of(term) for term in terms if term not in _ALONE)


def decode_text(value: bytes, codecs: tuple[str, ...]) -> str:
    """Unicode text of `value`, escape sequences resolved.

    An escape sequence of a character set that the file did not announce is left in the text, for its
    bytes cannot be told from data.
    """
    if b"\x1b" not in value:
        return value.decode(codecs[0], "replace")
    return "".join(_decode_fragment(part, codecs) for part in _FRAGMENT.findall(value))


def _spelled_right(term: str) -> str:
    match = _TERM.fullmatch(term)
    if match is None:
        return term
    return f"ISO_IR {match[1]}" if match[1] else f"ISO 2022 IR {match[2]}"


def _codec_of(term: str) -> str:
    if term in _EXTENSIONS:
        return _EXTENSIONS[term]
    match = _TERM.fullmatch(term)
    if match is None:
        return DEFAULT_CODEC
    number = match[1] or match[2]
    return _SINGLE_BYTE.get(number) or (match[2] and _MULTI_BYTE.get(number)) or DEFAULT_CODEC


def _decode_fragment(part: bytes, codecs: tuple[str, ...]) -> str:
    """Text of a part that begins with an escape sequence, or of what stands before the first."""
    length = 4 if part.startswith((b"\x1b$(", b"\x1b$)")) else 3
    codec = _CODEC_OF_ESCAPE.get(part[:length], "")
    if codec in codecs or codec == DEFAULT_CODEC:
        try:
            return _decode_escaped(part, length, codec, codecs[0])
        except UnicodeError:
            pass  # not what it is announced to be; decoded as far as possible
    return part.decode(codecs[0], "replace")


def _decode_escaped(part: bytes, length: int, codec: str, first: str) -> str:
    if codec in _READ_ESCAPES:
        return part.decode(codec)
    text = part[length:]
    reset = _RESET.search(text)
    if reset is None:
        return text.decode(codec)
    return text[: reset.start()].decode(codec) + text[reset.start() :].decode(first)
