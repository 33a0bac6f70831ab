"""A forced retrieve's new files take the place of the old ones: all of a series, in one step, killed or not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_harness import Importer, files_below, opened_importer
from index_samples import ct_slice, uids, write_series

from VisualDICOMBrowserLib.database.index_workers import child_environment
from VisualDICOMBrowserLib.database.replacing import SeriesReplacement
from VisualDICOMBrowserLib.model import Level, Query

COUNT = 4
CHILD_TIMEOUT_S = 60
NEW = (("0008,103E", "LO", "Corrected"), ("0010,0010", "PN", "Right^Name"))

# Replaces a series and kills itself at the step of that number: a rename, a removal, or the opening of a folder.
CHILD = """
import os, signal, sys
from pathlib import Path
from index_harness import opened_importer
from test_replacing import held_copy
folder, last = Path(sys.argv[1]), int(sys.argv[2])
steps, armed = 0, False
def watch(event, arguments):
    global steps
    if not armed:
        return
    is_folder = event == "open" and isinstance(arguments[0], str) and os.path.isdir(arguments[0])
    if event in ("os.rename", "os.remove") or is_folder:
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
with opened_importer(folder) as importer:
    replacement = held_copy(importer)
    armed = True
    replacement.commit(replacement.series)
    armed = False
print("done", flush=True)
"""


@pytest.fixture
def importer(tmp_path: Path) -> Iterator[Importer]:
    with opened_importer(tmp_path / "db") as opened:
        yield opened


def new_slice(number: int, *, study: int = 1, series: int = 1) -> bytes:
    """A slice whose content was corrected on the server."""
    return ct_slice(study, series, number, pixels=b"\2" * 512, more=NEW)


def store_old(importer: Importer, count: int = COUNT, *, series: int = 1) -> None:
    importer.store.accept([importer.part(ct_slice(series=series, number=number)) for number in range(1, count + 1)])


def held_copy(importer: Importer, count: int = COUNT, *, series: int = 1) -> SeriesReplacement:
    """A new copy of a series, held aside."""
    replacement = SeriesReplacement(importer.store)
    numbers = range(1, count + 1)
    held = replacement.accept([importer.part(new_slice(number, series=series)) for number in numbers])
    assert {outcome.status for outcome in held} == {"held"}
    return replacement


def contents(importer: Importer) -> dict[str, bytes]:
    """Content by SOP Instance UID."""
    records = importer.database.reader.instances(Query(level=Level.IMAGE))
    return {record.SOPInstanceUID: Path(record.path).read_bytes() for record in records}


def copy_of(make: object, count: int = COUNT) -> dict[str, bytes]:
    return {uids(number=number)["0008,0018"]: make(number=number) for number in range(1, count + 1)}  # type: ignore[operator]


def test_what_is_here_stays_until_the_new_copy_is_put_in_place(importer: Importer) -> None:
    store_old(importer)
    replacement = held_copy(importer)
    assert contents(importer) == copy_of(ct_slice)
    outcomes = replacement.commit(replacement.series)
    assert [outcome.status for outcome in outcomes] == ["replaced"] * COUNT
    assert contents(importer) == copy_of(new_slice)
    assert importer.database.own.conflicts() == []
    assert not list(importer.database.folder.rglob("*.part"))
    assert not list(importer.database.folder.rglob("*.replacing"))


def test_rows_and_tag_cache_say_what_the_new_files_say(importer: Importer) -> None:
    store_old(importer)
    assert importer.store.tag_cache.wait(10)
    replacement = held_copy(importer)
    replacement.commit(replacement.series)
    (series,) = importer.database.reader.series()
    assert (series.SeriesDescription, series.NumberOfSeriesRelatedInstances) == ("Corrected", COUNT)
    (patient,) = importer.database.reader.patients()
    assert (patient.PatientName, patient.NumberOfPatientRelatedStudies) == ("Right^Name", 1)
    assert importer.store.tag_cache.wait(10)
    assert importer.cached(uids()["0008,0018"])["0010,0010"] == "Right^Name"


def test_another_series_of_the_patient_keeps_its_rows(importer: Importer) -> None:
    store_old(importer)
    store_old(importer, 2, series=2)
    replacement = held_copy(importer)
    replacement.commit(replacement.series)
    counts = importer.database.reader.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (1, 1, 2, COUNT + 2)
    (patient,) = importer.database.reader.patients()
    assert patient.PatientName == "Patient^P1"


def test_instances_that_did_not_come_again_stay_and_new_ones_are_added(importer: Importer) -> None:
    store_old(importer, 3)
    replacement = SeriesReplacement(importer.store)
    replacement.accept([importer.part(new_slice(number)) for number in (2, 3, 4)])
    outcomes = replacement.commit(replacement.series)
    assert [outcome.status for outcome in outcomes] == ["replaced", "replaced", "imported"]
    expected = {**copy_of(new_slice), uids(number=1)["0008,0018"]: ct_slice(number=1)}
    assert contents(importer) == expected


def test_linked_files_are_left_where_they_are(importer: Importer, tmp_path: Path) -> None:
    linked = write_series(tmp_path / "in", COUNT)
    before = [path.read_bytes() for path in linked]
    importer.run(tmp_path / "in")
    replacement = held_copy(importer)
    replacement.commit(replacement.series)
    assert [path.read_bytes() for path in linked] == before
    assert contents(importer) == copy_of(new_slice)
    assert all(str(name).startswith("dicom/") for (name,) in importer.rows("SELECT Filename FROM Images"))


def test_own_files_of_another_name_are_removed(importer: Importer) -> None:
    store_old(importer, 1)
    folder = importer.database.folder
    ((name,),) = importer.rows("SELECT Filename FROM Images")
    other = folder / "dicom" / "0" / "0" / "elsewhere.dcm"
    other.parent.mkdir(parents=True)
    (folder / str(name)).rename(other)
    with importer.database.writer._file.transaction() as connection:
        connection.execute("UPDATE Images SET Filename = 'dicom/0/0/elsewhere.dcm'")
    replacement = held_copy(importer, 1)
    replacement.commit(replacement.series)
    assert not other.exists()
    assert contents(importer) == copy_of(new_slice, 1)


def test_what_is_dropped_leaves_nothing(importer: Importer) -> None:
    store_old(importer)
    replacement = held_copy(importer)
    bad = replacement.accept([importer.part(b"nonsense"), importer.part(new_slice(1))])
    assert [outcome.status for outcome in bad] == ["rejected", "held"]
    replacement.drop()
    assert contents(importer) == copy_of(ct_slice)
    assert not list(importer.database.folder.rglob("*.part"))


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_replacement_that_is_killed_leaves_all_old_or_all_new(tmp_path: Path) -> None:
    template = tmp_path / "template"
    with opened_importer(template) as importer:
        store_old(importer)
        assert importer.store.tag_cache.wait(10)
    environment = child_environment()
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    found: list[bool] = []
    for last in range(1, 100):
        folder = tmp_path / str(last)
        shutil.copytree(template, folder)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(folder), str(last)],
            env=environment,
            capture_output=True,
            timeout=CHILD_TIMEOUT_S,
            check=False,
        )
        if b"done" in done.stdout:
            break
        assert done.returncode < 0, done.stderr
        found.append(_is_new_after_recovery(folder))
    assert len(found) > COUNT
    # Before the intent nothing is new, after it everything is.
    assert found == sorted(found)
    assert found[-1]


def _is_new_after_recovery(folder: Path) -> bool:
    before = {path.read_bytes() for path in (folder / "dicom").rglob("*.dcm")}
    assert before <= {*copy_of(ct_slice).values(), *copy_of(new_slice).values()}
    with opened_importer(folder) as importer:
        found = contents(importer)
        assert found in (copy_of(ct_slice), copy_of(new_slice))
        is_new = found == copy_of(new_slice)
        (series,) = importer.database.reader.series()
        assert (series.SeriesDescription == "Corrected") == is_new
        assert importer.store.tag_cache.wait(10)
        named = importer.cached(uids()["0008,0018"])["0010,0010"]
        assert (named == "Right^Name") == is_new
        names = {Path(str(name)).relative_to("dicom") for (name,) in importer.rows("SELECT Filename FROM Images")}
        assert files_below(folder / "dicom") == names
        left = {path.suffix for path in files_below(folder / "visual-dicom-browser-incoming")}
        assert not left & {".part", ".replacing", ".intent"}
    return is_new
