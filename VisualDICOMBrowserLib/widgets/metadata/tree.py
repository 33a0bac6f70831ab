"""Two headers merged into one tree of rows, and what of it is seen under a search. Pure, standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.metadata.words import group_of

__all__ = ["Row", "Seen", "Shown", "merged", "seen"]

Node = Mapping[str, Any]
_NO_LETTER = re.compile(r"'s\b|\W")
"""What names have more than keywords: Patient's Name, PatientName."""
Path = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Row:
    """A line of the tree.

    ``kind`` is ``group``, ``element`` or ``item``; ``a`` and ``b`` are the values, None where there is no such
    element; ``path`` names it across instances, so that what is unfolded stays so.
    """

    kind: str
    path: Path
    tag: str = ""
    name: str = ""
    vr: str = ""
    a: str | None = None
    b: str | None = None
    private: bool = False
    differs: bool = False
    rows: list[Row] = field(default_factory=list)
    text: str = ""


@dataclass(slots=True)
class Shown:
    """A row as it is listed; ``unfolded`` is None for one that has nothing below."""

    row: Row
    depth: int
    unfolded: bool | None


@dataclass(slots=True)
class Seen:
    """What a search leaves: the ``lines``, and how many elements were ``found`` of ``total``.

    ``differing`` counts all elements whose values differ, ``found_differing`` those of them that were found.
    """

    lines: list[Shown] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    found: int = 0
    total: int = 0
    differing: int = 0
    found_differing: int = 0


def merged(a: Sequence[Node], b: Sequence[Node] | None = None) -> list[Row]:
    """Groups of rows of one header, or of two next to each other.

    Parameters
    ----------
    a, b : sequence of mapping
        As the command ``metadata`` gives them; `b` None to compare with nothing.
    """
    groups: dict[tuple[Any, ...], Row] = {}
    for row in _elements(a, b, ()):
        order, title = group_of(row.tag, row.vr, row.path[-1])
        if order not in groups:
            groups[order] = Row("group", ("group", title), name=title)
        groups[order].rows.append(row)
    for group in groups.values():
        group.differs = any(row.differs for row in group.rows)
    return [groups[order] for order in sorted(groups)]


def seen(groups: Iterable[Row], text: str, only_differences: bool, private: bool, toggled: Set[Path]) -> Seen:
    """What is listed.

    Parameters
    ----------
    groups : iterable of Row
    text : str
        Looked for in tags, names and values.
    only_differences, private : bool
        Leave out what is the same; show private elements.
    toggled : set of path
        Rows that the user folded or unfolded.
    """
    walk = _Walk(_plain(text), only_differences, private, toggled)
    for group in groups:
        kept = walk.kept(group.rows)
        if kept:
            shown = Row("group", group.path, name=group.name, differs=group.differs, rows=kept)
            walk.seen.rows.append(shown)
            walk.list_lines(shown, 0)
    return walk.seen


class _Walk:
    """One search through the tree."""

    def __init__(self, text: str, only_differences: bool, private: bool, toggled: Set[Path]) -> None:
        self._text = text
        self._only_differences = only_differences
        self._private = private
        self._toggled = toggled
        self.seen = Seen()

    def kept(self, rows: Iterable[Row], whole: bool = False) -> list[Row]:
        """Copies of the rows that are listed; `whole` where what they stand below was found itself."""
        return [copy for row in rows if (copy := self._kept(row, whole)) is not None]

    def _kept(self, row: Row, whole: bool) -> Row | None:
        if row.private and not self._private:
            return None
        found = row.kind == "element" and (not self._text or self._text in row.text)
        alone = row.differs and not row.rows
        if row.kind == "element":
            self.seen.total += 1
            self.seen.differing += alone
        below = self.kept(row.rows, whole or (found and bool(self._text)))
        if self._only_differences and not row.differs:
            return None
        if found:
            self.seen.found += 1
            self.seen.found_differing += alone
        if not (found or below or (whole and row.kind == "element")):
            return None
        return Row(
            row.kind, row.path, row.tag, row.name, row.vr, row.a, row.b, row.private, row.differs, below, row.text
        )

    def list_lines(self, row: Row, depth: int) -> None:
        """List a row and, where it is unfolded, what is below."""
        if not row.rows:
            self.seen.lines.append(Shown(row, depth, None))
            return
        searching = bool(self._text) or self._only_differences
        unfolded = (searching or row.kind != "element") != (row.path in self._toggled)
        self.seen.lines.append(Shown(row, depth, unfolded))
        if unfolded:
            for each in row.rows:
                self.list_lines(each, depth if row.kind == "group" else depth + 1)


def _elements(a: Sequence[Node], b: Sequence[Node] | None, path: Path) -> list[Row]:
    left = {_key(node): node for node in a}
    right = {_key(node): node for node in b or ()}
    keys = sorted(left.keys() | right.keys(), key=lambda key: (left.get(key) or right[key])["tag"])
    return [_element(left.get(key), right.get(key), b is not None, (*path, key)) for key in keys]


def _element(a: Node | None, b: Node | None, comparing: bool, path: Path) -> Row:
    node: Node = a if a is not None else b or {}
    row = Row("element", path, str(node["tag"]), str(node["name"]), str(node["vr"]), private=bool(node["private"]))
    row.a = None if a is None else str(a["value"])
    row.b = None if b is None else str(b["value"])
    row.rows = _items(a, b, comparing, path)
    row.differs = comparing and (row.a != row.b or any(each.differs for each in row.rows))
    words = (row.tag, row.tag.replace(",", ""), row.name, _NO_LETTER.sub("", row.name), row.a or "", row.b or "")
    row.text = "\n".join(words).casefold()
    return row


def _items(a: Node | None, b: Node | None, comparing: bool, path: Path) -> list[Row]:
    """Items of a sequence; a single one is not shown as such."""
    left: Sequence[Sequence[Node]] = a["items"] if a is not None else ()
    right: Sequence[Sequence[Node]] = b["items"] if b is not None else ()
    count = max(len(left), len(right))
    rows = []
    for number in range(count):
        ours = left[number] if number < len(left) else ()
        theirs = right[number] if number < len(right) else ()
        place = (*path, f"item {number + 1}")
        below = _elements(ours, theirs if comparing else None, place)
        if count == 1:
            return below
        item = Row("item", place, name=_("Item {number}").format(number=number + 1), rows=below)
        item.a = _size(ours) if number < len(left) else None
        item.b = _size(theirs) if number < len(right) else None
        item.private = bool(below) and all(each.private for each in below)
        item.differs = comparing and (item.a != item.b or any(each.differs for each in below))
        rows.append(item)
    return rows


def _size(nodes: Sequence[Node]) -> str:
    return plural(len(nodes), "{count} attribute", "{count} attributes")


def _key(node: Node) -> str:
    """Names an element in both headers: private blocks may lie at different numbers for the same creator."""
    tag, creator = str(node["tag"]), str(node["private"])
    if not creator:
        return tag
    low = tag[-2:] if len(tag) == 9 and tag[5:7] != "00" else ""
    return f"{tag[:5]}{low}|{creator}"


def _plain(text: str) -> str:
    return text.strip().strip("()").casefold()
