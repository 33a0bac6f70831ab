"""How quick is the filter over 10,000 patients and 50,000 series?

Makes their rows in memory, as the engine's ``overview`` sends them, and prints how long the catalogue takes to read
them, the longest page (which holds up the event loop), and for each filter the median time to the filtered patients
and to a repainted `PatientTable`, with how many times that is the time of a pass over the series that only compares
their folded descriptions, the lower limit. Run it as::

    python Testing/Benchmarks/filter_speed.py [--patients N]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).parents[2]))

from VisualDICOMBrowserLib.desktop.app import application

application()

import qt  # noqa: E402 - there since `application` installed it

from VisualDICOMBrowserLib.database.overview import FIELDS  # noqa: E402
from VisualDICOMBrowserLib.model import Level  # noqa: E402
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue  # noqa: E402
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters  # noqa: E402
from VisualDICOMBrowserLib.widgets.look.theme import Theme  # noqa: E402
from VisualDICOMBrowserLib.widgets.patients.patient_table import PatientTable  # noqa: E402

FAMILIES = ("Müller", "Smith", "García", "Nowák", "de la Cruz", "O'Neill", "Łukasz", "Yılmaz", "Jørgensen", "Dubois")
GIVEN = ("Anna", "Hans", "José", "Zoë", "Per", "Mary", "Élise", "Ivan", "Li", "Åse")
MODALITIES = ("CT", "MR", "US", "PT", "CR")
REGIONS = ("Head", "Thorax", "Abdomen", "Knee", "Schädel", "Spine")
STUDIES_EACH, SERIES_EACH, PAGE = 2, 5, 2000
CASES = {
    "no filter": Filters(),
    "one letter": Filters(PatientName="a"),
    "name": Filters(PatientName="anna mull"),
    "ID": Filters(PatientID="0042"),
    "study description": Filters(StudyDescription="schadel"),
    "series description": Filters(SeriesDescription="protocol 17"),
    "modality": Filters(Modalities=("PT",)),
    "modality and date": Filters(Modalities=("PT",), date="range", date_from="20230101"),
    "five filters": Filters(
        PatientName="a", StudyDescription="e", SeriesDescription="1", Modalities=("CT", "MR"), date="last_20_years"
    ),
    "nobody": Filters(SeriesDescription="no such thing"),
}


def rows(count: int) -> dict[Level, list[list[Any]]]:
    """Rows of every level for so many patients."""
    chooser = random.Random(1)
    made: dict[Level, list[list[Any]]] = {Level.PATIENT: [], Level.STUDY: [], Level.SERIES: []}
    for key in range(1, count + 1):
        name = f"{chooser.choice(FAMILIES)}{chooser.randrange(900)}^{chooser.choice(GIVEN)}"
        made[Level.PATIENT].append([key, f"PID{key:06d}", name, "19700101", "F", "2024-01-01T00:00:00.000"])
    for number in range(count * STUDIES_EACH):
        date = f"{2005 + number % 20}{1 + number % 12:02d}15"
        description = f"{REGIONS[number % len(REGIONS)]} {number % 97}"
        named = sorted({MODALITIES[number % 5], MODALITIES[(number // 3) % 5]})
        row = [f"1.2.{number}", 1 + number % count, date, "1200", "", description, f"A{number}", named, "Clinic", ""]
        made[Level.STUDY].append(row)
    for number in range(count * SERIES_EACH):
        study = number % (count * STUDIES_EACH)
        description = f"{MODALITIES[number % 5]} protocol {number % 211}"
        row = [f"1.2.{study}.{number}", f"1.2.{study}", number // count, description, MODALITIES[number % 5], "HEAD"]
        made[Level.SERIES].append([*row, "", "", 20, 512, 512, 20, "", ""])
    return made


def pages(made: dict[Level, list[list[Any]]]) -> Iterator[tuple[Level, list[list[Any]]]]:
    """The rows as the loader asks for them."""
    for level, all_rows in made.items():
        for start in range(0, len(all_rows), PAGE):
            yield level, all_rows[start : start + PAGE]


def loaded(count: int) -> Catalogue:
    """A catalogue of so many patients; prints what reading took."""
    catalogue = Catalogue()
    times = []
    for level, page in pages(rows(count)):
        started = time.perf_counter()
        catalogue.set_rows(level.value, FIELDS[level], page)
        times.append(time.perf_counter() - started)
    started = time.perf_counter()
    catalogue.loaded = True
    catalogue.patients()
    ordered = time.perf_counter() - started
    print(f"{catalogue.totals()}")
    print(f"read in {1000 * sum(times):.0f} ms, longest page {1000 * max(times):.1f} ms, order {1000 * ordered:.0f} ms")
    return catalogue


def median_time(action: Callable[[], object], runs: int = 9) -> float:
    """Median seconds of `action`, once it has run."""
    action()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def plain_pass(catalogue: Catalogue) -> object:
    """What going once through all series costs."""
    return [one for patient in catalogue.patients() for s in patient.studies for one in s.series if "17" in one.text]


class Remembered(dict[str, Any]):
    """View settings in memory."""

    def put(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = value


class NoEngine:
    """A context without engine: the table asks for the names of its columns and gets no answer."""

    def __init__(self) -> None:
        self.theme = Theme("light")
        self.view_settings = Remembered()

    def ask(self, *_arguments: Any, **_named: Any) -> None:
        """Nobody answers."""


def compare(catalogue: Catalogue) -> None:
    """Print the table of filters."""
    table = PatientTable(NoEngine(), _nothing, _nothing, _nothing)
    table.resize(1000, 700)
    table.show()
    limit = median_time(lambda: plain_pass(catalogue))
    print(f"a plain pass over all series: {1000 * limit:.1f} ms")
    print(f"{'filter':20}{'patients':>10}{'filter ms':>11}{'to screen ms':>14}{'ratio':>8}")
    for name, filters in CASES.items():

        def to_screen(filters: Filters = filters) -> None:
            table.show_patients(catalogue.filtered(filters))
            qt.QApplication.processEvents()

        def between() -> None:
            table.show_patients([])
            qt.QApplication.processEvents()

        found = len(catalogue.filtered(filters))
        alone = median_time(lambda filters=filters: catalogue.filtered(filters))
        times = []
        for _ in range(9):
            between()
            started = time.perf_counter()
            to_screen()
            times.append(time.perf_counter() - started)
        whole = statistics.median(times)
        print(f"{name:20}{found:10}{1000 * alone:11.1f}{1000 * whole:14.1f}{whole / limit:8.1f}")


def _nothing(*_arguments: Any) -> None:
    """Nobody listens."""


def main() -> None:
    """Make the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=10_000)
    compare(loaded(parser.parse_args().patients))


if __name__ == "__main__":
    main()
