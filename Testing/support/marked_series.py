"""Series that have something to beware of, and objects that lie on them. Test code only."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pydicom.data
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from Testing.support.ct_series import CtSeries, make_ct_series

__all__ = [
    "TEST_FILES",
    "changed_slices",
    "make_marked_patient",
    "referenced",
    "slice_is_missing",
    "spaced_unevenly",
    "two_echoes",
    "with_localizer",
    "written_as",
]

TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"
_STRUCTURES_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


def changed_slices(made: CtSeries, change: Callable[[int, Dataset], None]) -> CtSeries:
    """The series with every slice changed."""
    for number, path in enumerate(made.files.values()):
        dataset = dcmread(path)
        change(number, dataset)
        dataset.save_as(path)
    return made


def spaced_unevenly(number: int, header: Dataset) -> None:
    """Three distances between slices."""
    header.ImagePositionPatient = [0, 0, number * 1.5 + (3.1 if number > 6 else 0) + (1.2 if number > 9 else 0)]


def slice_is_missing(number: int, header: Dataset) -> None:
    """One slice was never written."""
    header.ImagePositionPatient = [0, 0, 1.5 * (number + (number > 5))]


def with_localizer(number: int, header: Dataset) -> None:
    """The first slice is a sagittal overview."""
    if number == 0:
        header.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]


def two_echoes(number: int, header: Dataset) -> None:
    """Two images at each place."""
    header.ImagePositionPatient, header.EchoTime = [0, 0, 1.5 * (number // 2)], str(10 + 80 * (number % 2))


def written_as(source: Path, target: Path, study: CtSeries, change: Callable[[Dataset], None]) -> tuple[str, str]:
    """Write `source` as a new series of the study of another; returns its series and SOP Instance UID."""
    first = dcmread(next(iter(study.files.values())))
    dataset = dcmread(source, force=True)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"):
        setattr(dataset, keyword, getattr(first, keyword))
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    change(dataset)
    dataset.save_as(target)
    return str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)


def referenced(uid: str, sop_class: str = _STRUCTURES_CLASS) -> Dataset:
    """Item that names an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def make_marked_patient(folder: Path) -> dict[str, str]:
    """Write two studies of one patient; series UIDs by name.

    ``brain`` is an image that a ``segmentation`` and a structure set (``contours``) lie on, ``plan`` and ``dose`` lead
    to it; ``uneven``, ``scout`` and ``echoes`` have something to be said of; ``old`` is in a study of earlier years.
    """
    patient = ("MK-1", "Marks^Anna")

    def series(number: int, description: str, study: str = "", date: str = "20240102") -> CtSeries:
        target = folder / description.replace(" ", "-")
        return make_ct_series(
            target, 12, size=64, patient=patient, number=number, description=description, study=study, date=date
        )

    brain = series(2, "Brain 5 mm")
    study = brain.StudyInstanceUID
    made = {
        "uneven": changed_slices(series(3, "Bone 1 mm", study), spaced_unevenly),
        "scout": changed_slices(series(4, "Spine", study), with_localizer),
        "echoes": changed_slices(series(5, "Two echoes", study), two_echoes),
        "old": series(1, "Earlier", date="20190102"),
    }
    found = {"brain": brain.SeriesInstanceUID, **{name: each.SeriesInstanceUID for name, each in made.items()}}
    frame = dcmread(next(iter(brain.files.values()))).FrameOfReferenceUID

    def segmentation(header: Dataset) -> None:
        header.SeriesNumber, header.SeriesDescription, header.FrameOfReferenceUID = 201, "Infarct SEG", frame
        header.ReferencedSeriesSequence[0].SeriesInstanceUID = brain.SeriesInstanceUID
        for number in (2, 3, 4):
            segment = copy.deepcopy(header.SegmentSequence[0])
            segment.SegmentNumber = number
            header.SegmentSequence.append(segment)

    def contours(header: Dataset) -> None:
        header.SeriesNumber, header.SeriesDescription = 301, "Contours"
        named = header.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
        named.RTReferencedSeriesSequence[0].SeriesInstanceUID = brain.SeriesInstanceUID

    def plan(header: Dataset) -> None:
        header.SeriesNumber, header.SeriesDescription = 302, "Plan"
        header.ReferencedStructureSetSequence = [referenced(contours_sop)]

    def dose(header: Dataset) -> None:
        header.SeriesNumber, header.SeriesDescription, header.FrameOfReferenceUID = 303, "Dose", generate_uid()
        header.ReferencedRTPlanSequence = [referenced(plan_sop)]

    found["segmentation"], _sop = written_as(
        TEST_FILES / "liver_1frame.dcm", folder / "segmentation.dcm", brain, segmentation
    )
    found["contours"], contours_sop = written_as(TEST_FILES / "rtstruct.dcm", folder / "contours.dcm", brain, contours)
    found["plan"], plan_sop = written_as(TEST_FILES / "rtplan.dcm", folder / "plan.dcm", brain, plan)
    found["dose"], _sop = written_as(TEST_FILES / "rtdose.dcm", folder / "dose.dcm", brain, dose)
    return found
