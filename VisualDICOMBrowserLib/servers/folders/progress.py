"""Progress of several imports as one. Used by a look into a folder, on its thread."""

from __future__ import annotations

from collections.abc import Callable

from VisualDICOMBrowserLib.model import JobControl

__all__ = ["ProgressOfParts"]


class ProgressOfParts:
    """A job's control for one import after the other, which counts on.

    Parameters
    ----------
    control : JobControl
        Of the whole.
    total : int
        Files of all parts.
    """

    def __init__(self, control: JobControl, total: int) -> None:
        self._control = control
        self._total = total
        self._before = 0

    @property
    def cancel_requested(self) -> bool:
        """As of the whole."""
        return self._control.cancel_requested

    def raise_if_cancelled(self) -> None:
        """As of the whole."""
        self._control.raise_if_cancelled()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """As of the whole."""
        self._control.on_cancel(callback)

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        """What is done of this part, counted on top of the parts before."""
        self._control.progress(self._before + done, self._total, received_bytes)

    def log(self, message: str) -> None:
        """As of the whole."""
        self._control.log(message)

    def next_part(self, count: int) -> None:
        """The part that is done had that many files."""
        self._before += count
