"""Where values of headers come from, as a protocol; a database of ours or of CTK is one. Standard library only."""

from __future__ import annotations

from typing import Protocol

__all__ = ["ValueSource"]


class ValueSource(Protocol):
    """Values of top-level elements by file; an empty string for what is unknown or absent."""

    def fileValue(self, filePath: str, tag: str, /) -> str:
        """Value of one element of a file."""
        ...
