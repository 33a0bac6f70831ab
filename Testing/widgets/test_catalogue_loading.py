"""The catalogue follows a real engine: its overview, imports and removals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.catalogue.loading import CatalogueLoader
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def context(client: QProcessClient) -> BrowserContext:
    return BrowserContext(client, Theme("light"), None, MemoryViewSettings(), lambda *_: None)


@pytest.fixture
def loader(context: BrowserContext) -> Iterator[CatalogueLoader]:
    made = CatalogueLoader(context, Catalogue(), lambda: None)
    made.start()
    yield made
    made.close()


@pytest.fixture
def catalogue(loader: CatalogueLoader) -> Catalogue:
    return loader._catalogue


def test_import_and_removal_are_followed(
    context: BrowserContext, loader: CatalogueLoader, catalogue: Catalogue, dicom_folder: Path, wait_until: Wait
):
    wait_until(lambda: catalogue.loaded and loader.idle)
    assert catalogue.patients() == []
    context.ask("import_files", paths=[str(dicom_folder)])
    wait_until(lambda: catalogue.totals()["images"] == 2 and loader.idle)
    assert catalogue.totals() == {
        "patients": 2, "local": 2, "remote": 0, "studies": 2, "series": 2, "images": 2,
    }  # fmt: skip
    (compressed,) = catalogue.filtered(Filters(Modalities=("CT",)))
    assert (compressed.shown_name, compressed.PatientID, compressed.new) == ("CompressedSamples, CT1", "1CT1", 1)
    (study,) = catalogue.studies(compressed)
    (series,) = catalogue.series(study.StudyInstanceUID)
    context.ask("remove", level="SERIES", uid=series.SeriesInstanceUID)
    wait_until(lambda: catalogue.totals()["patients"] == 1 and loader.idle)
    assert catalogue.one_series(series.SeriesInstanceUID) is None


def test_reading_anew_finds_what_was_removed_meanwhile(
    context: BrowserContext, loader: CatalogueLoader, catalogue: Catalogue, dicom_folder: Path, wait_until: Wait
):
    context.ask("import_files", paths=[str(dicom_folder)])
    wait_until(lambda: catalogue.totals()["images"] == 2 and loader.idle)
    loader.close()
    gone = []
    context.ask("remove", gone.append, level="PATIENT", uid=catalogue.patients()[0].row)
    left: list[dict[str, int]] = []

    def removed() -> bool:
        context.ask("counts", left.append)
        return bool(gone) and bool(left) and left[-1]["patients"] == 1

    wait_until(removed)
    before = catalogue.patients()
    again = CatalogueLoader(context, catalogue, lambda: None)
    again.start()
    wait_until(lambda: again.idle)
    again.close()
    assert catalogue.patients() == before[1:]
    assert [entry.new for entry in catalogue.patients()] == [1]


def test_a_patient_that_is_wanted_is_known_before_the_others(
    context: BrowserContext, dicom_folder: Path, wait_until: Wait
):
    first = Catalogue()
    whole = CatalogueLoader(context, first, lambda: None)
    whole.start()
    context.ask("import_files", paths=[str(dicom_folder)])
    wait_until(lambda: first.totals()["images"] == 2 and whole.idle)
    wanted = first.patients()[0]
    late: list[None] = []
    whole.hurry(wanted.rows, lambda: late.append(None))
    assert whole.idle  # all is known: nothing is asked
    whole.close()

    catalogue = Catalogue()
    known: list[tuple[int, bool]] = []

    def note() -> None:
        (entry,) = catalogue.patients_of(wanted.PatientID)
        known.append((entry.image_count, catalogue.loaded))

    loader = CatalogueLoader(context, catalogue, lambda: None, lambda: loader.hurry(wanted.rows, note))
    loader.start()
    wait_until(lambda: known and loader.idle)
    loader.hurry((), note)
    loader.close()
    assert known[0][0] == wanted.image_count
    assert (len(known), late) == (1, [])
    assert catalogue.totals() == first.totals()
