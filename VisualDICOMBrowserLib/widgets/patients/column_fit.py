"""Which columns of the patient list there is room for. Pure function; knows no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["fitting"]

_FIRST = ("patient", "last", "modalities", "id", "where", "description", "images", "studies", "age", "sex")
"""In this order columns stay; the others go before all of these."""


def fitting(widths: Mapping[str, int], room: int, asked_for: Collection[str] = ()) -> set[str]:
    """Names of the columns that fit side by side.

    Parameters
    ----------
    widths : mapping
        Width of each column that the user wants.
    room : int
        Width of the list.
    asked_for : collection of str
        What the user has just asked for stays, whether it fits or not.
    """
    places = {name: place for place, name in enumerate(_FIRST)}
    ordered = sorted(widths, key=lambda name: (name not in asked_for, places.get(name, len(_FIRST))))
    left = room
    kept: set[str] = set()
    for name in ordered:
        left -= widths[name]
        if kept and left < 0 and name not in asked_for:
            break
        kept.add(name)
    return kept
