"""How many rows go into one transaction, learnt from how long transactions take.

Slicer's window stands still while CTK waits for the write lock, so a transaction should hold it for some
12 ms and never for more than about 30. One `Pace` per kind of work; any thread, for a lost update only costs time.
"""

from __future__ import annotations

__all__ = ["Pace"]

_TARGET_S = 0.012


class Pace:
    """Number of items (``size``) whose work takes about 12 ms, within bounds."""

    def __init__(self, *, first: int, smallest: int, largest: int) -> None:
        self.size = first
        self._smallest = smallest
        self._largest = largest

    def learn(self, count: int, seconds: float) -> None:
        """Take note that the work on `count` items took `seconds`."""
        wanted = int(count * _TARGET_S / max(seconds, 1e-6))
        if wanted > self.size and count < self.size:
            return
        bounded = max(self.size // 2, min(self.size * 2, wanted))
        self.size = max(self._smallest, min(self._largest, bounded))
