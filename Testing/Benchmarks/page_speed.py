"""How long a patient with many series takes to appear on the page.

    python Testing/Benchmarks/page_speed.py [--series 200] [--most-ms 100]

Makes a patient of 4 studies with pictures of 256 x 256 pixels as files, and measures from `PatientPage.show_patient`
to the first complete painting of a window of 1440 x 900 pixels, pictures of a page that was seen before included;
then the same with no picture in memory, opening another patient in between. Also a change of the picture size and
100 jobs that move on at once. Exit status 1 if the first median is above ``--most-ms``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from VisualDICOMBrowserLib.desktop.app import application

application(offscreen=True)

import qt  # noqa: E402 - there since `application` installed it

from Testing.support.page_samples import KeptSettings, RecordedActions, a_patient, a_series, a_study, job  # noqa: E402
from VisualDICOMBrowserLib.thumbnails.png import png_bytes  # noqa: E402
from VisualDICOMBrowserLib.widgets.context import BrowserContext  # noqa: E402
from VisualDICOMBrowserLib.widgets.look.theme import Theme  # noqa: E402
from VisualDICOMBrowserLib.widgets.page.page import PatientPage  # noqa: E402

TURNS = 15
STUDIES = 4


def make_patient(folder: Path, count: int) -> object:
    """A patient whose series have a picture file each."""
    random = np.random.default_rng(3)
    patient = a_patient()
    for number in range(STUDIES):
        study = a_study(patient, f"1.{number}", f"2026080{9 - number}", "MR head with contrast", AccessionNumber="A-1")
        for place in range(count // STUDIES):
            path = folder / f"{number}-{place}.png"
            picture = random.normal(90, 40, (256, 256)).clip(0, 255).astype(np.uint8)
            path.write_bytes(png_bytes(picture))
            a_series(study, place + 1, f"T1 axial {place}", thumbnail=str(path))
    return patient


def median_ms(turns: int, act: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    """Median of `act` in milliseconds."""
    times = []
    for _turn in range(turns):
        before()
        qt.QApplication.processEvents()
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--most-ms", type=float, default=100.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        patient = make_patient(Path(folder), options.series)
        series = {each.StudyInstanceUID: each.series for each in patient.studies}
        context = BrowserContext(None, Theme("light"), None, KeptSettings(), lambda _text, _level: None)
        page = PatientPage(context, RecordedActions())
        context.theme.apply(page)
        page.resize(1440, 900)
        page.show()
        nobody = a_patient()

        def leave() -> None:
            page.show_patient(nobody, [], {})

        def leave_and_forget() -> None:
            leave()
            page.view.pictures.clear()

        def show() -> None:
            page.show_patient(patient, patient.studies, series)
            page.view.viewport().repaint()

        sides = [120, 140]

        def change_size() -> None:
            sides.reverse()
            page.set_size(sides[0])
            page.view.viewport().repaint()

        uids = [each.SeriesInstanceUID for each in page._list.all_series()][:100]
        done = [0]

        def move_jobs() -> None:
            done[0] += 1
            page.update_jobs({uid: job("running", uid, progress_done=done[0], progress_total=100) for uid in uids})
            page._refresh()
            page.view.viewport().repaint()

        show()
        for _turn in range(20):
            qt.QApplication.processEvents()
        opened = median_ms(TURNS, show, leave)
        fresh = median_ms(TURNS, show, leave_and_forget)
        for _turn in range(20):
            qt.QApplication.processEvents()
        uids += [each.SeriesInstanceUID for each in page._list.all_series()][:100]
        sized = median_ms(TURNS, change_size)
        moved = median_ms(TURNS, move_jobs)
    print(f"open a patient of {options.series} series, pictures in memory: {opened:.1f} ms")
    print(f"open it with no picture in memory:                     {fresh:.1f} ms")
    print(f"change the size of the pictures:                       {sized:.1f} ms")
    print(f"100 jobs move on:                                      {moved:.1f} ms")
    return int(opened > options.most_ms)


if __name__ == "__main__":
    sys.exit(main())
