"""Imports from their paths to their reports."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from index_harness import Importer, RecordingControl, files_below, opened_importer
from index_samples import ct_slice, uids, write_series

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import DatabaseReadOnlyError, JobCancelled


@pytest.fixture
def importer(tmp_path: Path) -> Iterator[Importer]:
    with opened_importer(tmp_path / "db") as opened:
        yield opened


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two series of five and three slices."""
    write_series(tmp_path / "study" / "one", 5, series=1)
    write_series(tmp_path / "study" / "two", 3, series=2)
    return tmp_path / "study"


@pytest.mark.parametrize("copy", [False, True])
def test_an_import_is_reported_and_visible(importer: Importer, study: Path, copy: bool) -> None:
    report = importer.run(study, copy=copy)
    assert (report.imported, report.unchanged, report.rejected, report.conflicts) == (8, 0, (), ())
    assert (report.patients, report.studies, report.series) == (1, 1, 2)
    assert sorted(report.series_uids) == [uids(series=1)["0020,000E"], uids(series=2)["0020,000E"]]
    counts = importer.database.reader.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (1, 1, 2, 8)
    assert importer.cached(uids(series=2, number=3)["0008,0018"])["0020,0013"] == "3"


def test_links_stay_where_they_are(importer: Importer, study: Path) -> None:
    importer.run(study)
    stored = {str(name) for (name,) in importer.rows("SELECT Filename FROM Images")}
    assert stored == {str(path) for path in study.rglob("*.dcm")}
    assert not (importer.database.folder / "dicom").exists()


def test_copies_are_whole_and_the_database_s_own(importer: Importer, study: Path) -> None:
    importer.run(study, copy=True)
    stored = importer.database.folder / "dicom"
    assert {path.read_bytes() for path in stored.rglob("*.dcm")} == {path.read_bytes() for path in study.rglob("*.dcm")}
    assert all(str(name).startswith("dicom/") for (name,) in importer.rows("SELECT Filename FROM Images"))


@pytest.mark.parametrize("copy", [False, True])
def test_a_second_import_changes_nothing(importer: Importer, study: Path, copy: bool) -> None:
    importer.run(study, copy=copy)
    before = importer.rows("SELECT * FROM Images")
    report = importer.run(study, copy=copy)
    assert (report.imported, report.unchanged, report.series, report.series_uids) == (0, 8, 0, ())
    assert importer.rows("SELECT * FROM Images") == before


def test_known_files_are_not_even_opened(importer: Importer, study: Path) -> None:
    importer.run(study)
    for path in study.rglob("*.dcm"):
        before = path.stat()
        path.write_bytes(b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert importer.run(study).unchanged == 8


def test_a_linked_file_that_was_written_to_is_read_again(importer: Importer, study: Path) -> None:
    importer.run(study)
    changed = next(study.rglob("*.dcm"))
    changed.write_bytes(changed.read_bytes().replace(b"Patient^P1", b"Person^P1 "))
    os.utime(changed, (time.time() + 5, time.time() + 5))
    assert importer.run(study).unchanged == 8
    sop_uid = pydicom.dcmread(changed).SOPInstanceUID
    assert importer.cached(sop_uid)["0010,0010"] == "Person^P1"


def test_rows_follow_files_that_were_moved(importer: Importer, study: Path, tmp_path: Path) -> None:
    importer.run(study)
    study.rename(tmp_path / "elsewhere")
    report = importer.run(tmp_path / "elsewhere")
    assert (report.imported, report.series, report.conflicts) == (8, 0, ())
    stored = {str(name) for (name,) in importer.rows("SELECT Filename FROM Images")}
    assert stored == {str(path) for path in (tmp_path / "elsewhere").rglob("*.dcm")}


@pytest.mark.parametrize("copy", [False, True])
def test_the_first_of_two_contents_stays_and_the_other_is_reported(
    importer: Importer, study: Path, tmp_path: Path, copy: bool
) -> None:
    importer.run(study, copy=copy)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "same.dcm").write_bytes(next((study / "one").iterdir()).read_bytes())
    (tmp_path / "other" / "new.dcm").write_bytes(ct_slice(1, 1, 99))
    conflicting = tmp_path / "other" / "different.dcm"
    conflicting.write_bytes(ct_slice(1, 1, 1, pixels=b"\7" * 512))
    report = importer.run(tmp_path / "other", copy=copy)
    assert (report.imported, report.unchanged, report.rejected) == (1, 1, ())
    assert [Path(item.path) for item in report.conflicts] == [conflicting]
    assert "other content was there first" in report.conflicts[0].reason
    assert [Path(item.path) for item in importer.database.own.conflicts()] == [conflicting]


def test_many_files_go_through_worker_processes(importer: Importer, tmp_path: Path) -> None:
    for series in range(1, 5):
        write_series(tmp_path / "many" / str(series), 150, series=series)
    (tmp_path / "many" / "2" / "note.txt").write_text("nothing")
    report = importer.run(tmp_path / "many")
    assert (report.imported, report.series) == (600, 4)
    assert [Path(item.path).name for item in report.rejected] == ["note.txt"]
    done = [done for done, _ in importer.control.steps]
    assert done == sorted(done)
    assert done[-1] == 601
    assert {total for _, total in importer.control.steps} <= {None, 601}
    for series in range(1, 5):
        assert importer.cached(uids(series=series, number=150)["0008,0018"])["0020,0011"] == str(series)
    assert importer.run(tmp_path / "many").unchanged == 600


@pytest.mark.parametrize("copy", [False, True])
def test_cancel_keeps_what_is_committed(importer: Importer, tmp_path: Path, copy: bool) -> None:
    write_series(tmp_path / "many", 1500)
    importer.control = RecordingControl(cancel_at=100)
    with pytest.raises(JobCancelled):
        importer.run(tmp_path / "many", copy=copy)
    kept = importer.database.reader.counts().instances
    assert 100 <= kept < 1500
    assert not list(importer.database.folder.rglob("*.part"))
    assert len(files_below(importer.database.folder / "dicom")) == (kept if copy else 0)
    importer.control = RecordingControl()
    report = importer.run(tmp_path / "many", copy=copy)
    assert (report.imported, report.unchanged) == (1500 - kept, kept)


def test_files_with_odd_names_are_imported_or_reported(importer: Importer, tmp_path: Path) -> None:
    folder = tmp_path / "Käse 医 %20 #'\";--"
    folder.mkdir()
    (folder / "a\tb").write_bytes(ct_slice())
    assert importer.run(folder).imported == 1
    assert importer.run(folder).unchanged == 1


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are text there")
def test_a_name_that_is_no_text_can_be_copied_but_not_linked(importer: Importer, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.dcm"))
    path.write_bytes(ct_slice())
    assert "not valid text" in importer.run(path).rejected[0].reason
    assert importer.run(path, copy=True).imported == 1
    path.write_bytes(ct_slice(pixels=b"\1" * 512))
    assert len(importer.run(path, copy=True).conflicts) == 1


def test_a_read_only_database_refuses_imports(study: Path, tmp_path: Path) -> None:
    with opened_importer(tmp_path / "db"):
        pass
    from VisualDICOMBrowserLib.database.indexer import Indexer
    from VisualDICOMBrowserLib.database.storing import InstanceStore
    from VisualDICOMBrowserLib.model import NullControl
    from VisualDICOMBrowserLib.settings import Settings

    database = LocalDatabase.open(tmp_path / "db", read_only=True)
    store = InstanceStore(database)
    try:
        store.recover()
        with pytest.raises(DatabaseReadOnlyError):
            Indexer(database, store, Settings()).import_paths([study], copy=False, control=NullControl())
    finally:
        store.close()
        database.close()


def objects_with_identity(paths: list[Path]) -> list[tuple[str, str, str, tuple[str, str]]]:
    """SOP, series, study UID and patient of each object that has all of them, by pydicom, each instance once.

    The first file of an instance counts, as in an import; files that are cut short are never the first.
    """
    found: dict[str, tuple[str, str, str, tuple[str, str]]] = {}
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data_set: Any = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        identity = [str(data_set.get(name, "")) for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")]
        if all(identity):
            patient_id = str(data_set.get("PatientID", "") or "") or identity[2]
            patient = (patient_id, str(data_set.get("PatientName", "") or "") or patient_id)
            found.setdefault(identity[0], (identity[0], identity[1], identity[2], patient))
    return list(found.values())


def in_import_order(folder: Path) -> list[Path]:
    """Files as an import meets them: a folder's files by name, then its subfolders."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir()):
        files += in_import_order(subfolder)
    return files


def check_against_pydicom(importer: Importer, folder: Path, copy: bool) -> None:
    paths = in_import_order(folder)
    objects = objects_with_identity(paths)
    expected = [len({item[level] for item in objects}) for level in (3, 2, 1, 0)]
    report = importer.run(folder, copy=copy)
    counts = importer.database.reader.counts()
    assert [counts.patients, counts.studies, counts.series, counts.instances] == expected
    assert [report.patients, report.studies, report.series, report.imported] == expected
    assert all(item.reason.endswith((".", ".dcm")) or item.reason for item in report.rejected)
    used_dicomdirs = sum(path.name == "DICOMDIR" for path in paths)
    total = report.imported + report.unchanged + len(report.rejected) + len(report.conflicts)
    assert total == len(paths) - used_dicomdirs


@pytest.mark.parametrize("copy", [False, True])
def test_pydicom_s_files_are_counted_as_pydicom_counts_them(importer: Importer, copy: bool) -> None:
    check_against_pydicom(importer, Path(pydicom.__file__).parent / "data", copy)
    assert importer.database.reader.counts().instances == 131


@pytest.mark.parametrize("copy", [False, True])
def test_real_series_are_counted_as_pydicom_counts_them(importer: Importer, test_data: Path, copy: bool) -> None:
    check_against_pydicom(importer, test_data, copy)
