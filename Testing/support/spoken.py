"""Hears what Qt tells assistive programs, as a screen reader would; PySide6 on Linux. Test code only."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path

import PySide6
from PySide6.QtGui import QAccessible

__all__ = ["heard"]

_INSTALL = "_ZN11QAccessible20installUpdateHandlerEPFvP16QAccessibleEventE"
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# The type stands behind the table of virtual functions.
_TYPE_AT = ctypes.sizeof(ctypes.c_void_p)


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Names of the events (``NameChanged``, ``Announcement``) that Qt sends while the block runs."""
    events: list[str] = []

    def hear(event: int) -> None:
        events.append(QAccessible.Event(ctypes.c_int.from_address(event + _TYPE_AT).value).name)

    handler = _HANDLER(hear)
    library = ctypes.CDLL(str(Path(PySide6.__file__).parent / "Qt" / "lib" / "libQt6Gui.so.6"))
    install = getattr(library, _INSTALL)
    install.restype = ctypes.c_void_p
    before = install(handler)
    QAccessible.setActive(True)
    try:
        yield events
    finally:
        QAccessible.setActive(False)
        install(ctypes.c_void_p(before))
