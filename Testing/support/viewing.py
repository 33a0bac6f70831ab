"""A catalogue of what is really in a database, and events of the mouse, for tests of the viewers. Test code only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import qt

from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue

__all__ = ["imported", "mouse", "real_data", "settle", "wheel"]


def imported(client: Any, wait_until: Any, *folders: Path) -> Catalogue:
    """What the database has when folders were imported."""
    for folder in folders:
        job = client.request("import_files", paths=[str(folder)], copy=False)
        wait_until(lambda job=job: client.request("job", job_id=job)["finished"] is not None)
    catalogue = Catalogue()
    for level in ("PATIENT", "STUDY", "SERIES"):
        reply = client.request("overview", level=level)
        catalogue.set_rows(level, reply["fields"], reply["rows"])
    return catalogue


def real_data(name: str) -> Path:
    """A folder of real series; skips the test where there are none."""
    root = os.environ.get("VISUAL_DICOM_TEST_DATA")
    if not root or not (Path(root) / name).is_dir():
        pytest.skip("VISUAL_DICOM_TEST_DATA has no such series")
    return Path(root) / name


def mouse(widget: Any, kind: Any, x: float, y: float, held: Any = qt.Qt.NoButton) -> None:
    """A mouse event at a place of a widget; `held` is the button that is down or goes up."""
    pressed = qt.Qt.NoButton if kind == qt.QEvent.MouseButtonRelease else held
    button = qt.Qt.NoButton if kind == qt.QEvent.MouseMove else held
    place = qt.QPointF(x, y)
    far = qt.QPointF(widget.mapToGlobal(place.toPoint()))
    qt.QApplication.sendEvent(widget, qt.QMouseEvent(kind, place, far, button, pressed, qt.Qt.NoModifier))


def wheel(widget: Any, steps: int) -> None:
    """Turn the wheel towards the user."""
    place = qt.QPointF(widget.width / 2, widget.height / 2)
    far = qt.QPointF(widget.mapToGlobal(place.toPoint()))
    turn = qt.QPoint(0, -120 * steps)
    event = qt.QWheelEvent(
        place, far, qt.QPoint(0, 0), turn, qt.Qt.NoButton, qt.Qt.NoModifier, qt.Qt.NoScrollPhase, False
    )
    qt.QApplication.sendEvent(widget, event)


def settle() -> None:
    """Let Qt do what waits."""
    for _turn in range(5):
        qt.QApplication.processEvents()
