"""What an engine puts right in its database while nobody waits for it.

One thread, ``engine-upkeep``, runs once after the start: displayed fields of rows that another program (CTK,
Slicer) left uncomputed. It gives up as soon as the engine closes and goes on at the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.model import NullControl

__all__ = ["Upkeep"]

logger = logging.getLogger(__name__)


class Upkeep:
    """Runs the upkeep of one database in the background until it is done or closed.

    Parameters
    ----------
    database : LocalDatabase
        Opened for writing.
    on_change : callable
        Called once, from the thread, if rows changed.
    """

    def __init__(self, database: LocalDatabase, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change
        self._control = _UntilClosed()
        self._thread = threading.Thread(target=self._run, name="engine-upkeep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give up what is not done and end the thread."""
        self._control.closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            changed = self._database.writer.update_displayed_fields(self._control)
        except JobCancelled:
            return
        except VisualDICOMError as error:
            logger.warning("Displayed fields of rows made by another program stay incomplete: %s", error)
            return
        if changed:
            self._on_change()


class _UntilClosed(NullControl):
    """Work under this control is cancelled when the engine closes."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def raise_if_cancelled(self) -> None:
        """Give up once the engine closes."""
        if self.closed.is_set():
            message = "The engine closes."
            raise JobCancelled(message)
