"""A patient in every state that a card can show, with real pictures, for tests of the patient page.

The entries are the catalogue's; pictures are drawn from DICOM files as the engine draws them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
from pydicom.pixels import apply_voi_lut

from VisualDICOMBrowserLib.thumbnails.png import png_bytes
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, SeriesEntry, StudyEntry
from VisualDICOMBrowserLib.widgets.page.states import Marks

NOW = 1_000_000.0
PACS = "Main PACS"


def job(state: str, series: str = "", **fields: Any) -> dict[str, Any]:
    """A retrieve as the engine tells of it."""
    return {
        "job_id": f"job-{series}",
        "kind": "retrieve",
        "state": state,
        "error": None,
        "concerns": {"study": "1.9", "series": [series]},
        **fields,
    }


def a_patient(**fields: Any) -> PatientEntry:
    """Jane."""
    values = {"birth": "19680314", "sex": "F", "row": 1, "local": True, **fields}
    return PatientEntry(("DEMO-004217", "demo jane"), "DEMO-004217", "DEMO^Jane", "DEMO, Jane", **values)


def a_study(patient: PatientEntry, uid: str, date: str, description: str, **fields: Any) -> StudyEntry:
    """A study of a patient."""
    study = StudyEntry(uid, patient, StudyDate=date, StudyDescription=description, **fields)
    patient.studies.append(study)
    return study


def a_series(
    study: StudyEntry, number: int | None, description: str, modality: str = "MR", **fields: Any
) -> SeriesEntry:
    """A series of a study, here unless it says otherwise."""
    uid = f"{study.StudyInstanceUID}.{len(study.series) + 1}"
    values: dict[str, Any] = {"local": 44, "Rows": 256, "Columns": 256, "frames": 44, **fields}
    series = SeriesEntry(uid, study.StudyInstanceUID, study, number, description, modality, **values)
    study.series.append(series)
    study.local += series.local
    study.ModalitiesInStudy = tuple(dict.fromkeys([*study.ModalitiesInStudy, modality]))
    return series


def draw_pictures(folder: Path) -> list[str]:
    """PNG files of real images: a head, a small CT, a small MR."""
    sources = [Path(str(pydicom.data.get_testdata_file(name))) for name in ("CT_small.dcm", "MR_small.dcm")]
    data = os.environ.get("VISUAL_DICOM_TEST_DATA", "")
    if data:
        sources = [
            *sorted(Path(data).glob("mr-head/**/*.dcm"))[:1],
            *sorted(Path(data).glob("ct-ge*/*.dcm"))[7:8],
            *sources,
        ]
    paths = []
    for number, source in enumerate(sources):
        dataset = pydicom.dcmread(source)
        pixels = apply_voi_lut(dataset.pixel_array.astype(float), dataset)
        pixels = pixels if pixels.ndim == 2 else pixels[len(pixels) // 2]
        pixels = (pixels - pixels.min()) / max(1.0, float(pixels.max() - pixels.min())) * 255
        path = folder / f"picture-{number}.png"
        path.write_bytes(png_bytes(pixels.astype("uint8")))
        paths.append(str(path))
    return paths


class Everything:
    """One study with a series in each state, and what goes with it."""

    def __init__(self, folder: Path) -> None:
        self._pictures = draw_pictures(folder)
        self.patient = a_patient()
        self.study = a_study(
            self.patient, "1.9", "20260819", "MR head without and with contrast", StudyTime="104200",
            AccessionNumber="SYN-26-11873", sources={PACS: {"instances": 1486}},
        )  # fmt: skip
        self.jobs: dict[str, dict[str, Any]] = {}
        self.marks: dict[str, Marks] = {}
        self.in_scene: dict[str, str] = {}
        self._fill()
        older = a_study(
            self.patient, "1.8", "20260818", "CT head, emergency", StudyTime="230700", AccessionNumber="SYN-26-11790"
        )
        for number, name in enumerate(("Topogram", "Brain 5 mm", "Bone 1 mm"), start=1):
            a_series(older, number, name, "CT", Rows=512, Columns=512, frames=28, thumbnail=self._picture())
        oldest = a_study(
            self.patient, "1.7", "20250203", "XR chest PA", sources={"Research archive": {"instances": 2}}, expected=2
        )
        oldest.expected_series, oldest.ModalitiesInStudy = 1, ("CR",)

    def _picture(self) -> str:
        return self._pictures[len(self.study.series) % len(self._pictures)]

    def _add(self, number: int, description: str, modality: str = "MR", *, pictured: bool = True, **fields: Any) -> str:
        values = {"thumbnail": self._picture() if pictured else "", **fields}
        return a_series(self.study, number, description, modality, **values).SeriesInstanceUID

    def _fill(self) -> None:
        remote: dict[str, Any] = {"local": 0, "frames": 0, "sources": {PACS: {"instances": 176}}}
        self._add(4, "FLAIR ax")
        self._add(12, "T1 post ax", expected=176, **remote)
        self._add(5, "MPR coronal", "CT", pictured=False, expected=96, **remote)
        self._add(6, "Spine bone", "CT", local=114, expected=210, sources={PACS: {"instances": 210}})
        self._with_job(self._add(10, "T1 post Gd ax", expected=176, **remote), "queued", place=2)
        arriving = {"progress_done": 61, "progress_total": 100, "speed": 22e6}
        self._with_job(self._add(9, "T1 post cor", local=61, expected=100), "running", **arriving)
        self._with_job(self._add(11, "SWI minIP", local=4, expected=40), "waiting", next_try=NOW + 38)
        refused = {"code": "refused", "message": "Main PACS: nothing listens on port 11112."}
        self._with_job(self._add(13, "Abdomen 1.0", "CT", local=0, expected=80), "failed", error=refused)
        self.in_scene[self._add(14, "Brain 5 mm", "CT", frames=28)] = "28 slices"
        streaming = self._add(8, "fMRI rest", local=112, expected=300)
        self._with_job(streaming, "running", progress_done=112, progress_total=300, speed=9e6)
        self.in_scene[streaming] = "112 slices"
        self._add(15, "Chest PA", "CR", Rows=1955, Columns=1841, frames=2, local=2, new=2)
        self.marks[self._add(16, "DWI b0 b1000")] = Marks(sets=2)
        segmentation = self._add(201, "Infarct SEG", "SEG", label="4 segments")
        self.marks[self._add(17, "Brain 5 mm", "CT", frames=28)] = Marks(overlays=(segmentation,))
        self.marks[self._add(18, "Bone 1 mm", "CT")] = Marks(warning="Uneven spacing")
        self.marks[self._add(301, "Dose plan", "RTDOSE", local=1)] = Marks(needs="SlicerRT")
        bare: dict[str, Any] = {"pictured": False, "Rows": None, "Columns": None, "local": 1, "frames": 1}
        self._add(502, "Radiation dose report", "SR", label="Radiation dose report", **bare)
        self._add(7, "12-lead resting ECG", "ECG", label="ECG", **bare)
        self._add(19, "Echo report", "DOC", expected=2, **{**bare, **remote})
        self._add(20, "Unreadable", "CT", pictured=False, label="Its pixels are compressed in a way that is not known.")

    def _with_job(self, uid: str, state: str, **fields: Any) -> None:
        self.jobs[uid] = job(state, uid, **fields)

    @property
    def studies(self) -> list[StudyEntry]:
        """Newest first."""
        return self.patient.studies

    @property
    def series_by_study(self) -> dict[str, list[SeriesEntry]]:
        """All series."""
        return {each.StudyInstanceUID: each.series for each in self.studies}


class RecordedActions:
    """Writes down what the page asks for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., bool]:
        def act(*arguments: Any) -> bool:
            self.calls.append((name, arguments))
            return False

        return act

    def last(self) -> tuple[str, tuple[Any, ...]]:
        """The last call."""
        return self.calls[-1]


class KeptSettings:
    """View settings that last as long as the object."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`."""
        return self._values.get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._values[key] = value
