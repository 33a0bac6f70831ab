"""The models behind the lists, and how values are worded."""

from __future__ import annotations

from pathlib import Path

import pytest
import qt

from VisualDICOMBrowserLib.widgets.job_model import JobModel
from VisualDICOMBrowserLib.widgets.record_model import PATIENT_COLUMNS, RecordModel
from VisualDICOMBrowserLib.widgets.series_model import SeriesDelegate, SeriesModel
from VisualDICOMBrowserLib.widgets.wording import (
    counted,
    job_progress,
    job_title,
    person_name,
    size_text,
    written_date,
)

PATIENT = {"PatientID": "1", "PatientName": "Doe^Jane", "PatientBirthDate": "19680314"}
SERIES = {"SeriesInstanceUID": "1.2", "SeriesNumber": 4, "Modality": "MR", "NumberOfSeriesRelatedInstances": 1}


def texts(model: qt.QAbstractItemModel) -> list[list[str]]:
    return [
        [model.data(model.index(row, column)) for column in range(model.columnCount())]
        for row in range(model.rowCount())
    ]


def test_records_are_shown_in_words():
    model = RecordModel(PATIENT_COLUMNS, lambda record: record["PatientID"])
    model.show([PATIENT])
    assert texts(model) == [["Doe, Jane", "1", "", "1968-03-14", "", ""]]
    assert model.headerData(0, qt.Qt.Horizontal) == "Patient"
    assert model.row_of("1") == 0
    assert model.row_of("2") == -1


def test_same_records_reset_nothing():
    model = RecordModel(PATIENT_COLUMNS, lambda record: record["PatientID"])
    resets = []
    model.modelReset.connect(lambda *_: resets.append(True))
    assert model.show([PATIENT])
    assert not model.show([dict(PATIENT)])
    assert len(resets) == 1


def test_model_keeps_qts_rules():
    from PySide6.QtTest import QAbstractItemModelTester

    models = [RecordModel(PATIENT_COLUMNS, lambda record: record["PatientID"]), JobModel(), SeriesModel()]
    testers = [QAbstractItemModelTester(each, QAbstractItemModelTester.FailureReportingMode.Fatal) for each in models]
    models[0].show([PATIENT])
    models[0].add([{**PATIENT, "PatientID": "2"}])
    models[1].show([{"job_id": "a", "kind": "find", "state": "running"}])
    models[1].update_job({"job_id": "b", "kind": "import", "state": "queued"})
    models[2].show([SERIES])
    assert [each.rowCount() for each in models] == [2, 2, 1]
    del testers


def test_new_job_comes_on_top_and_known_one_is_updated():
    model = JobModel()
    model.show([{"job_id": "a", "kind": "find", "state": "running"}])
    model.update_job({"job_id": "b", "kind": "import", "state": "queued", "label": "folder"})
    model.update_job({"job_id": "a", "kind": "find", "state": "done", "finished": 1.0, "result": {"count": 3}})
    assert texts(model) == [["Import: folder", "Queued", ""], ["Query", "3 found", ""]]
    assert model.unfinished() == 1


def test_series_without_picture_takes_little_room(tmp_path: Path):
    model, delegate = SeriesModel(), SeriesDelegate()
    model.show([SERIES])
    option = qt.QStyleOptionViewItem()
    low = delegate.sizeHint(option, model.index(0, 0)).height()
    picture = qt.QPixmap(64, 64)
    picture.fill(qt.QColor(200, 0, 0))
    path = tmp_path / "picture.png"
    picture.save(str(path))
    model.note_thumbnail({"series": "1.2", "path": str(path), "kind": "picture", "label": ""})
    assert delegate.sizeHint(option, model.index(0, 0)).height() > 2 * low


def test_card_is_painted_with_its_picture(tmp_path: Path):
    model, delegate = SeriesModel(), SeriesDelegate()
    picture = qt.QPixmap(64, 64)
    picture.fill(qt.QColor(200, 0, 0))
    path = tmp_path / "picture.png"
    picture.save(str(path))
    model.show([{**SERIES, "thumbnail": str(path)}])
    option = qt.QStyleOptionViewItem()
    size = delegate.sizeHint(option, model.index(0, 0))
    option.rect = qt.QRect(0, 0, size.width(), size.height())
    image = qt.QImage(size.width(), size.height(), qt.QImage.Format_RGB32)
    image.fill(qt.QColor(255, 255, 255))
    painter = qt.QPainter(image)
    try:
        delegate.paint(painter, option, model.index(0, 0))
    finally:
        painter.end()
    assert image.pixelColor(size.width() // 2, 70).red() == 200
    assert image.pixelColor(size.width() // 2, 70).green() == 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (person_name("Doe^Jane^^Dr"), "Doe, Jane"),
        (person_name("^^^^"), ""),
        (person_name("=山田^太郎"), "山田, 太郎"),
        (written_date("20260819"), "2026-08-19"),
        (written_date("today"), "today"),
        (counted(1, "study", "studies"), "1 study"),
        (counted(1200, "image"), "1,200 images"),
        (size_text(999), "999 bytes"),
        (size_text(52_400_000), "52 MB"),
        (job_title({"kind": "retrieve", "label": "CT"}), "Fetch: CT"),
        (job_progress({"state": "running", "progress_done": 61, "progress_total": 100}), "61 of 100"),
        (job_progress({"state": "running", "cancel_requested": True}), "Cancelling"),
        (job_progress({"state": "failed", "error": {"message": "No."}}), "Failed: No."),
        (
            job_progress({"kind": "retrieve", "state": "partly", "result": {"imported": 114, "failed_count": 96}}),
            "114 images new, 96 missing",
        ),
    ],
)
def test_wording(written: str, said: str):
    assert written == said
