"""Texts for people pass through here, so that Slicer can translate them. Standard library only.

Use whole sentences with named places: ``_("Load {count} series").format(count=3)``.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["_", "plural", "translate_by"]

_translator: Callable[[str], str] = str


def _(text: str) -> str:
    """The text in the user's language."""
    return _translator(text)


def plural(count: int, one: str, many: str) -> str:
    """The text for a number, its ``{count}`` filled in: ``plural(3, "{count} image", "{count} images")``."""
    return _(one if count == 1 else many).format(count=f"{count:,}")


def translate_by(translator: Callable[[str], str]) -> None:
    """Take the host's translations; in Slicer those of ``slicer.i18n.tr``."""
    global _translator
    _translator = translator
