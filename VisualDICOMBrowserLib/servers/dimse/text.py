"""Text of query attributes to and from bytes (DICOM PS3.5 6.1, PS3.3 C.12.1.1.2).

Decoding itself is ``database.charsets``; here is what queries add: which set to write in, and what to make of
servers that declare none. Never fails: what cannot be decoded is replaced. Any thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from VisualDICOMBrowserLib.database import charsets
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["SPECIFIC_CHARACTER_SET", "QueryStyle", "character_set_for", "decode_text", "encode_text"]

SPECIFIC_CHARACTER_SET = 0x00080005

_KOREAN = "\\ISO 2022 IR 149"
_KOREAN_ESCAPE = b"\x1b$)C"
# Between these, text begins anew in the first character set (PS3.5 6.1.2.5.3).
_DELIMITERS = re.compile(r"([\\^=])")


@dataclass(frozen=True, slots=True)
class QueryStyle:
    """How queries to a server are written, as `ServerConfig` has it.

    ``wildcards`` tells whether text is looked for anywhere in a value; ``character_set`` is empty to take the plainest
    that will do, else also what answers are taken to be in that name none.
    """

    wildcards: bool = True
    character_set: str = ""

    @classmethod
    def of(cls, config: ServerConfig) -> QueryStyle:
        """The style that a server's settings ask for."""
        term = config.character_set
        # These come by escape sequences, with plain ASCII as the first, unnamed value (PS3.3 C.12.1.1.2).
        return cls(config.wildcards, f"\\{term}" if term.startswith("ISO 2022") else term)

    def written_in(self, texts: Sequence[str]) -> str:
        """Defined terms of the character set in which `texts` are written, empty for ASCII."""
        return self.character_set or character_set_for(list(texts))

    def answered_in(self, named: bytes) -> bytes:
        """Character set of an answer that names `named`."""
        return named if named.strip(b"\0 ") else self.character_set.encode("ascii")

    def pattern(self, text: str) -> str:
        """What is asked for to find `text`: anywhere in a value (PS3.4 C.2.2.2.4), unless that is switched off or the
        user put wild cards.
        """
        plain = text.strip().replace("\\", "?")
        return plain if not plain or not self.wildcards or "*" in plain or "?" in plain else f"*{plain}*"


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
    """`text` in a character set of `QueryStyle.written_in`; a letter that it lacks becomes ``?``, which finds any."""
    if character_set == _KOREAN:
        pieces = _DELIMITERS.split(text)
        return b"".join(
            (b"" if piece.isascii() else _KOREAN_ESCAPE) + piece.encode("euc_kr", "replace") for piece in pieces
        )
    codec = charsets.codecs_of(character_set)[-1]
    return text.encode("ascii" if not character_set else codec, "replace")


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
