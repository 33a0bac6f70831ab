"""The whole header of a DICOM file as a tree of plain values, for reading by a person.

Values are text as the file has it, cut where they are long; bulk data are only measured, never read. What would
make a tree nobody can look through (the functional groups of thousands of frames) is shown for one frame. Any
thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import RejectedFileError

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

__all__ = ["LONGEST_VALUE", "MOST_ITEMS", "header_tree"]

LONGEST_VALUE = 1000
MOST_ITEMS = 200
_MOST_ELEMENTS = 20_000
_DEFERRED_BYTES = 1 << 16
_LONGEST_HEX = 32
_UNDEFINED = 0xFFFFFFFF
_PER_FRAME = 0x52009230
_UNKNOWN = "Unknown element"
# Read as the bytes of the file: their text is ASCII, and turning numbers into objects and back would alter them.
_ASCII = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"))
_BULK = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))

Node = dict[str, Any]


def header_tree(path: str, frame: int = 0) -> list[Node]:
    """Every element of the file at `path`, File Meta Information first.

    Parameters
    ----------
    path : str
        DICOM file.
    frame : int
        Which item of the Per-Frame Functional Groups Sequence is shown, from 0.

    Returns
    -------
    list of dict
        Of each element ``tag`` (``GGGG,EEEE``), ``name``, ``vr``, ``value`` (text), ``private`` (creator, ``?`` if
        none is stated; empty for standard elements), ``items`` (of a sequence: a list for each item).

    Raises
    ------
    RejectedFileError
        The file is gone or no readable DICOM file.
    """
    from pydicom import dcmread

    try:
        with dcmread(path, force=True, defer_size=_DEFERRED_BYTES) as dataset:
            walk = _Walk(os.path.getsize(path), frame)  # noqa: PTH202  (text in)
            nodes = [*walk.nodes(dataset.file_meta), *walk.nodes(dataset)]
    except OSError as error:
        message = f"The file cannot be read: {error.strerror or error}."
        raise RejectedFileError(message, subject=path) from error
    except Exception as error:  # whatever pydicom raises on damaged input
        message = f"The header cannot be read ({error})."
        raise RejectedFileError(message, subject=path) from error
    if all(node["name"] in ("", _UNKNOWN) for node in nodes):
        message = "This is not a DICOM file."
        raise RejectedFileError(message, subject=path)
    return nodes


class _Walk:
    """One way through a header, with what is left of the number of elements that a tree may have."""

    def __init__(self, file_size: int, frame: int) -> None:
        self._file_size = file_size
        self._frame = frame
        self._left = _MOST_ELEMENTS

    def nodes(self, dataset: Dataset) -> list[Node]:
        """Nodes of the elements of a data set."""
        return list(self._nodes(dataset))

    def _nodes(self, dataset: Dataset) -> Iterator[Node]:
        for tag in sorted(dataset.keys()):
            if self._left <= 0:
                return
            self._left -= 1
            try:
                yield self._node(dataset, int(tag))
            except Exception as error:  # noqa: BLE001  (one damaged element hides no other)
                yield _empty_node(int(tag), f"not readable: {error}")

    def _node(self, dataset: Dataset, tag: int) -> Node:
        element = dataset.get_item(tag, keep_deferred=True)
        node = _empty_node(tag, "")
        node["vr"] = str(getattr(element, "VR", "") or "")
        creator = dataset.private_creators(tag >> 16) if tag >> 16 & 1 else []
        node["name"], node["private"] = _name(tag, dataset, bool(creator))
        size = self._bulk_size(element, node["vr"])
        if size:
            node["value"] = size
            return node
        if (raw := _ascii_text(element, node["vr"])) is not None:
            node["value"] = raw[:LONGEST_VALUE]
            return node
        whole = dataset[tag]
        node["vr"] = str(whole.VR)
        if node["vr"] == "SQ":
            self._add_items(node, whole, tag)
        else:
            node["value"] = _text(whole.value)[:LONGEST_VALUE]
        return node

    def _bulk_size(self, element: DataElement | RawDataElement | None, vr: str) -> str:
        """Words for a value that is not shown, empty for one that is."""
        value = getattr(element, "value", None)
        length = getattr(element, "length", None)
        deferred = value is None and length not in (None, 0)
        if deferred and length == _UNDEFINED:
            start = int(getattr(element, "value_tell", 0))
            return f"about {self._file_size - start:,} bytes, compressed"
        if deferred and vr in _BULK:
            return f"{length:,} bytes"
        if isinstance(value, (bytes, bytearray)) and vr in _BULK:
            return f"{len(value):,} bytes" if len(value) > _LONGEST_HEX or _is_pixels(element) else ""
        return ""

    def _add_items(self, node: Node, element: DataElement, tag: int) -> None:
        items = list(element.value or ())
        shown = items[:MOST_ITEMS]
        node["value"] = f"{len(items)} items" if len(items) != 1 else "1 item"
        if tag == _PER_FRAME and len(items) > 1:
            number = max(0, min(self._frame, len(items) - 1))
            shown = [items[number]]
            node["value"] = f"{len(items)} items, item {number + 1} shown"
        elif len(items) > len(shown):
            node["value"] += f", the first {len(shown)} shown"
        node["items"] = [self.nodes(item) for item in shown]


def _empty_node(tag: int, value: str) -> Node:
    text = f"{tag >> 16:04X},{tag & 0xFFFF:04X}"
    return {"tag": text, "name": "", "vr": "", "value": value, "private": "", "items": []}


def _name(tag: int, dataset: Dataset, has_creators: bool) -> tuple[str, str]:
    """Name of an element and, for a private one, its creator."""
    from pydicom.datadict import dictionary_description, private_dictionary_description

    if not tag >> 16 & 1:
        try:
            return ("Group Length" if not tag & 0xFFFF else dictionary_description(tag)), ""
        except KeyError:
            return _UNKNOWN, ""
    block = tag >> 8 & 0xFF
    if 0x10 <= (tag & 0xFFFF) <= 0xFF:
        return "Private Creator", str(dataset.get((tag >> 16, tag & 0xFFFF)).value)
    creator = str(dataset[tag >> 16, block].value).strip() if has_creators and (tag >> 16, block) in dataset else ""
    try:
        return private_dictionary_description(tag, creator), creator
    except KeyError:
        return "Private element", creator or "?"


def _ascii_text(element: Any, vr: str) -> str | None:
    value = getattr(element, "value", None)
    if vr not in _ASCII or not isinstance(value, bytes):
        return None
    return value[: LONGEST_VALUE + 1].decode("ascii", "replace").strip(" \0")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray)):
        return " ".join(f"{byte:02X}" for byte in value)
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(_text(part) for part in value)
    return str(value)


def _is_pixels(element: Any) -> bool:
    return int(getattr(element, "tag", 0)) in (0x7FE00008, 0x7FE00009, 0x7FE00010)
