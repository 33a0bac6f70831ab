"""Run by `test_demo_window` in a process of its own: the demo's window, driven as its first lines say.

Writes pictures of the steps into the folder given and prints the volume that was loaded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.desktop.app import application

application(offscreen=True)

import qt  # noqa: E402 - there since `application` installed it

from VisualDICOMBrowserLib.cli import main  # noqa: E402
from VisualDICOMBrowserLib.desktop.qt import attributes_for  # noqa: E402

attributes_for("__main__")
attributes_for("Testing.support.widget_driving")

from Testing.support.widget_driving import press, type_into  # noqa: E402

WAIT_S = 240.0
Condition = Callable[[], Any]


def steps(window: Any, folder: Path) -> Iterator[Condition]:
    """What a new user does; each condition is waited for."""
    browser = window.browser
    window.resize(1440, 900)
    yield lambda: browser.catalogue.loaded and browser.search_bar.servers and browser.showing.current
    window.grab().save(str(folder / "demo-start.png"))
    type_into(browser, "Patient name", "phantom")
    yield lambda: browser.run.states and browser.run.finished
    yield lambda: browser.catalogue.patients_of("PHANTOM-1")
    browser.show_patient("PHANTOM-1")
    yield lambda: browser.showing.current.studies[0].series and browser.page.view.model().rowCount() > 1
    series = browser.showing.current.studies[0].series[0]
    assert series.local == 0
    window.grab().save(str(folder / "demo-found.png"))
    browser.page.select([series.SeriesInstanceUID])
    press(browser.page.view, qt.Qt.Key_Return, "\r")
    yield lambda: browser.job_of(series)
    window.grab().save(str(folder / "demo-fetching.png"))
    yield lambda: series.SeriesInstanceUID in window.host.in_scene()
    assert series.complete
    yield lambda: window.host.volume_window is not None and window.host.volume_window.visible
    yield lambda: browser.feed.state.summary().unfinished == 0 and series.thumbnail
    window.grab().save(str(folder / "demo-loaded.png"))
    window.host.volume_window.grab().save(str(folder / "demo-volume.png"))
    sys.stdout.write(f"loaded {window.host.volume_window.node.GetImageData().GetDimensions()}\n")


class Driver:
    """Goes from step to step while the window's event loop runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps: Iterator[Condition] | None = None
        self._condition: Condition | None = None
        self._deadline = time.monotonic() + WAIT_S
        self._timer = qt.QTimer()
        self._timer.interval = 50
        self._timer.timeout.connect(self.tick)
        self._timer.start()

    def tick(self) -> None:
        try:
            self._step()
        except Exception:
            self._end()
            raise

    def _step(self) -> None:
        windows = [each for each in qt.QApplication.topLevelWidgets() if each.inherits("QMainWindow")]
        if time.monotonic() > self._deadline:
            message = f"waited in vain in step {self._condition}"
            raise TimeoutError(message)
        if not windows or windows[0].browser is None:
            return
        if self._steps is None:
            self._steps = steps(windows[0], self._folder)
            self._condition = next(self._steps)
        if self._condition is not None and self._condition():
            self._condition = next(self._steps, None)
            if self._condition is None:
                self._end()

    def _end(self) -> None:
        self._timer.stop()
        for each in qt.QApplication.topLevelWidgets():
            each.close()
        qt.QApplication.quit()


if __name__ == "__main__":
    output = Path(sys.argv[1])
    driver = Driver(output)
    sys.exit(main(["demo", "--output", str(output)]))
