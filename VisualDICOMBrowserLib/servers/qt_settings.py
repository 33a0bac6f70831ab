"""Reads INI files that Qt's QSettings wrote, without Qt.

Keys are as Qt names them (``DICOM/StoragePort``); values are text, bytes (``@ByteArray``), or maps, lists and plain
values (``@Variant``). Written from Qt's documented file format and its data stream; what is not understood becomes
None. Reads one file at a call; any thread.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import StorageFault, UsageError

__all__ = ["read_qt_settings"]

_LARGEST = 16 * 1024 * 1024
_DEEPEST = 8

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_escape = re.compile(r"\\(?:x([0-9A-Fa-f]+)|([0-7]{1,3})|(.))", re.DOTALL)
_key_escape = re.compile(r"%U([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")


def read_qt_settings(path: Path) -> dict[str, Any]:
    """All values of an INI file by key.

    Raises
    ------
    StorageFault
        The file cannot be read.
    UsageError
        It is much too large to be a file of settings.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as fault:
        message = f"The settings in {path} cannot be read: {fault.strerror or fault}."
        raise StorageFault(message, subject=str(path), next_step="Choose the file Slicer.ini.") from fault
    if len(content) > _LARGEST:
        message = f"{path} is too large for a file of settings."
        raise UsageError(message, subject=str(path), next_step="Choose the file Slicer.ini.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # Qt 5
    values: dict[str, Any] = {}
    section = ""
    for line in _lines(text):
        if line.startswith("["):
            section = _section(line[1:].split("]")[0])
        elif "=" in line:
            key, value = line.split("=", 1)
            values[section + _key(key.strip()).replace("\\", "/")] = _value(value.strip())
    return values


def _lines(text: str) -> list[str]:
    """Lines without comments; one that ends with a backslash goes on."""
    joined = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n", r"\1", text)
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", joined)]
    return [line for line in lines if line and not line.startswith(";")]


def _section(raw: str) -> str:
    name = raw.strip()
    if name.lower() == "general":
        return ""
    return ("General" if name.lower() == "%general" else _key(name)).replace("\\", "/") + "/"


def _key(raw: str) -> str:
    return _key_escape.sub(lambda match: chr(int(match[1] or match[2], 16)), raw)


def _value(raw: str) -> Any:
    parts = [_unescaped(part) for part in _split(raw)]
    if len(parts) > 1:
        return [_typed(part) for part in parts]
    return _typed(parts[0]) if parts else ""


def _split(raw: str) -> list[str]:
    """Parts of a list at its commas; quotes are taken off, and hold commas together."""
    parts = [""]
    quoted = False
    for token in re.findall(r"\\.|[^\\]|\\", raw, re.DOTALL):
        if token == '"':
            quoted = not quoted
        elif token == "," and not quoted:
            parts.append("")
        elif quoted or not (token.isspace() and not parts[-1]):
            parts[-1] += token
    return parts


def _unescaped(raw: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16) & 0xFFFF)
        if match[2]:
            return chr(int(match[2], 8) & 0xFFFF)
        return _ESCAPES.get(match[3], match[3])

    text = _escape.sub(character, raw)
    # Qt 5 writes a letter beyond the first 65,536 as two halves.
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _typed(text: str) -> Any:
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@ByteArray(") and text.endswith(")"):
        return text[11:-1].encode("latin-1", "replace")
    if text.startswith("@Variant(") and text.endswith(")"):
        try:
            return _Stream(text[9:-1].encode("latin-1", "replace")).variant()
        except (struct.error, ValueError, IndexError):
            return None
    return None if text == "@Invalid()" else text


class _Stream:
    """What QDataStream wrote in the version that QSettings uses (big endian, no mark for null)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._depth = 0
        self._readers: dict[int, Callable[[], Any]] = {
            0: self._nothing,
            1: lambda: bool(self._number(">B")),
            2: lambda: self._number(">i"),
            3: lambda: self._number(">I"),
            4: lambda: self._number(">q"),
            5: lambda: self._number(">Q"),
            6: lambda: self._number(">d"),
            8: self._map,
            9: lambda: [self.variant() for _ in range(self._count())],
            10: self._text,
            11: lambda: [self._text() for _ in range(self._count())],
            12: self._bytes,
        }

    def variant(self) -> Any:
        """The value that comes next; ValueError for a type that is not known."""
        kind = int(self._number(">I"))
        self._depth += 1
        if kind not in self._readers or self._depth > _DEEPEST:
            message = "not a value that settings hold"
            raise ValueError(message)
        value = self._readers[kind]()
        self._depth -= 1
        return value

    def _map(self) -> dict[str, Any]:
        return {self._text(): self.variant() for _ in range(self._count())}

    def _nothing(self) -> None:
        # An invalid value is followed by an empty text.
        self._number(">I")

    def _text(self) -> str:
        return self._bytes().decode("utf-16-be")

    def _bytes(self) -> bytes:
        length = int(self._number(">I"))
        if length == 0xFFFFFFFF:
            return b""
        data = self._data[self._position : self._position + length]
        if len(data) != length:
            message = "the value ends early"
            raise ValueError(message)
        self._position += length
        return data

    def _count(self) -> int:
        count = int(self._number(">I"))
        if count > len(self._data):
            message = "more values announced than there are bytes"
            raise ValueError(message)
        return count

    def _number(self, layout: str) -> Any:
        (value,) = struct.unpack_from(layout, self._data, self._position)
        self._position += struct.calcsize(layout)
        return value
