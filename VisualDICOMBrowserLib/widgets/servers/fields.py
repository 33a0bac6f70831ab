"""What a field of a form is: its name, label and kind. Plain data; no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ALL", "DICOMWEB", "DIMSE", "FOLDER", "NETWORK", "Field", "Row", "Tab", "row_is_shown"]

DIMSE, DICOMWEB, FOLDER = "dimse", "dicomweb", "folder"
ALL = (DIMSE, DICOMWEB, FOLDER)
NETWORK = (DIMSE, DICOMWEB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value that a form lets the user change.

    Parameters
    ----------
    name : str
        The setting that it changes.
    kind : str
        ``text``, ``whole``, ``number``, ``flag``, ``choice``, ``combo`` (a choice that may be typed), ``date``,
        ``file``, ``folder``, ``server``, ``headers``, ``callers``, ``secret`` or ``secret_headers``.
    label : str
        Stands beside a check mark, and before a field that is not the first of its row.
    accessible : str
        What screen readers say, where the label of the row does not.
    choices : tuple of (value, text)
    lowest, highest : float
        Range of a number, as it is shown.
    scale : float
        The setting is what is shown times this.
    zero : str
        What a number shows in place of 0.
    unit : str
        Stands behind a number.
    placeholder : str
        Stands in an empty text.
    width : int
        Width in characters; 0 for as wide as there is room.
    """

    name: str
    kind: str = "text"
    label: str = ""
    accessible: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    lowest: float = 0
    highest: float = 10_000_000
    scale: float = 1
    zero: str = ""
    unit: str = ""
    placeholder: str = ""
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Fields beside each other, with a label before and a remark behind them.

    Shown for servers of `protocols`, and with `only` (a field and its values) only while it has one of them.
    """

    label: str
    fields: tuple[Field, ...]
    remark: str = ""
    protocols: tuple[str, ...] = ALL
    only: tuple[str, tuple[Any, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the form; one that has no row for a protocol is not offered for it."""

    key: str
    title: str
    rows: tuple[Row, ...]


def row_is_shown(row: Row, values: Mapping[str, Any]) -> bool:
    """Whether a server with these values has a use for the row."""
    if values.get("protocol", DIMSE) not in row.protocols:
        return False
    return row.only is None or values.get(row.only[0]) in row.only[1]
