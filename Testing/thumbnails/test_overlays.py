"""Segmentations, dose and structure sets over the image they refer to: colours at places worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from thumbnail_objects import CT_IMAGE, image_dataset, save_dataset

from VisualDICOMBrowserLib.thumbnails.drawing import draw
from VisualDICOMBrowserLib.thumbnails.overlays import Drawing

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
AXIAL = [1, 0, 0, 0, 1, 0]
# sRGB red in the Lab encoding of DICOM.
LAB_RED = [35579, 53664, 50857]
SLICES, SIDE, SPACING, GAP = 5, 64, 2.0, 3.0
GREY = 100


class Slices:
    """Five axial CT slices, grey level 100 + 20 per slice, and an `ImageSource` that has them."""

    def __init__(self, folder: Path) -> None:
        self.study, self.series, self.frame_of_reference = (generate_uid() for _ in range(3))
        self.sops: list[str] = []
        self.paths: dict[str, Path] = {}
        self.hidden = False
        for number in range(SLICES):
            pixels = np.full((SIDE, SIDE), GREY + 20 * number, np.int16)
            header = self.placed(image_dataset(pixels, WindowCenter=127.5, WindowWidth=255))
            header.VOILUTFunction, header.SeriesInstanceUID = "LINEAR_EXACT", self.series
            header.ImagePositionPatient = [-10, -20, number * GAP]
            # One darker corner, or the window would show an even picture without contrast.
            pixels[:2, :2] = 0
            header.PixelData = pixels.tobytes()
            self.sops.append(header.SOPInstanceUID)
            self.paths[header.SOPInstanceUID] = save_dataset(header, folder / f"ct{number}.dcm")

    def placed(self, header: Dataset) -> Dataset:
        """`header` in the study and frame of reference of the slices, axial with their spacing."""
        header.StudyInstanceUID, header.FrameOfReferenceUID = self.study, self.frame_of_reference
        header.ImageOrientationPatient, header.PixelSpacing = AXIAL, [SPACING, SPACING]
        return header

    def image_path(self, sop: str) -> Path | None:
        return None if self.hidden else self.paths.get(sop)

    def series_paths(self, series: str) -> list[Path]:
        return list(self.paths.values()) if series == self.series and not self.hidden else []

    def series_in_frame(self, study: str, frame_of_reference: str) -> list[str]:
        here = (study, frame_of_reference) == (self.study, self.frame_of_reference)
        return [self.series] if here and not self.hidden else []


@pytest.fixture
def slices(tmp_path: Path) -> Slices:
    return Slices(tmp_path)


def at(drawing: Drawing, row: float, column: float) -> list[int]:
    """Colour at the centre of pixel `row`, `column` of a 64 x 64 image in its thumbnail of 256 x 256."""
    assert drawing.picture is not None
    assert drawing.picture.shape == (256, 256, 3)
    return drawing.picture[int(row * 4 + 2), int(column * 4 + 2)].tolist()


def item(**attributes: Any) -> Dataset:
    header = Dataset()
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return header


def segment_frame(
    number: int, position: list[float] | None, sop: str | None, orientation: list[float] = AXIAL
) -> Dataset:
    frame = item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)])
    if position is not None:
        frame.PlanePositionSequence = [item(ImagePositionPatient=position)]
        frame.PlaneOrientationSequence = [item(ImageOrientationPatient=orientation)]
        frame.PixelMeasuresSequence = [item(PixelSpacing=[SPACING, SPACING])]
    if sop is not None:
        source = item(ReferencedSOPClassUID=CT_IMAGE, ReferencedSOPInstanceUID=sop)
        frame.DerivationImageSequence = [item(SourceImageSequence=[source])]
    return frame


def segmentation(folder: Path, slices: Slices, masks: np.ndarray, frames: list[Dataset], **attributes: Any) -> Path:
    packed = np.packbits(masks.ravel(), bitorder="little").tobytes()
    header = slices.placed(image_dataset(masks))
    header.SOPClassUID, header.Modality, header.SegmentationType = SEGMENTATION, "SEG", "BINARY"
    header.BitsAllocated = header.BitsStored = 1
    header.PixelData = packed + b"\0" * (len(packed) % 2)
    del header.ImageOrientationPatient, header.PixelSpacing
    header.PerFrameFunctionalGroupsSequence = frames
    header.SegmentSequence = [
        item(SegmentNumber=1, RecommendedDisplayCIELabValue=LAB_RED),
        item(SegmentNumber=2),
    ]
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return save_dataset(header, folder / "seg.dcm")


def block(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 1
    return mask


def test_segmentation_over_the_image_it_names(tmp_path: Path, slices: Slices) -> None:
    mask = block((SIDE, SIDE), slice(10, 20), slice(30, 50))
    frames = [segment_frame(1, [-10, -20, index * GAP], slices.sops[index]) for index in range(3)]
    path = segmentation(tmp_path, slices, np.stack([mask] * 3), frames)
    drawing = draw(path, slices, 256)
    assert drawing.label == "2 segments"
    assert drawing.base == slices.paths[slices.sops[1]]
    # Slice 1 has grey 120; fill: 0.6 * 120 + 0.4 * (255, 0, 0); outline: the colour itself.
    assert at(drawing, 15, 40) == pytest.approx([174, 72, 72], abs=2)
    assert at(drawing, 40, 15) == [120, 120, 120]
    assert drawing.picture is not None
    assert drawing.picture[10 * 4, 40 * 4].tolist() == pytest.approx([255, 0, 0], abs=2)


def test_segments_have_different_colours(tmp_path: Path, slices: Slices) -> None:
    masks = np.stack(
        [block((SIDE, SIDE), slice(5, 15), slice(5, 15)), block((SIDE, SIDE), slice(40, 50), slice(40, 50))]
    )
    frames = [segment_frame(number, [-10, -20, 6.0], slices.sops[2]) for number in (1, 2)]
    drawing = draw(segmentation(tmp_path, slices, masks, frames), slices, 256)
    first, second = at(drawing, 10, 10), at(drawing, 45, 45)
    assert first[0] > first[1]
    assert second[1] > second[0]


def test_segmentation_by_position_with_another_grid(tmp_path: Path, slices: Slices) -> None:
    # Half the field, shifted by 16 pixels (32 mm), nearest to slice 3 at z = 9.
    mask = block((32, 32), slice(0, 8), slice(0, 8))[None]
    frames = [segment_frame(1, [-10 + 32, -20 + 32, 8.5], None)]
    drawing = draw(segmentation(tmp_path, slices, mask, frames), slices, 256)
    assert drawing.base == slices.paths[slices.sops[3]]
    assert at(drawing, 20, 20)[0] > at(drawing, 20, 20)[1]
    assert at(drawing, 30, 30) == [160, 160, 160]
    assert at(drawing, 10, 10) == [160, 160, 160]


def test_empty_frames_in_the_middle_are_passed_over(tmp_path: Path, slices: Slices) -> None:
    masks = np.zeros((5, SIDE, SIDE), np.uint8)
    masks[4, 10:20, 10:20] = 1
    frames = [segment_frame(1, [-10, -20, index * GAP], slices.sops[index]) for index in range(5)]
    drawing = draw(segmentation(tmp_path, slices, masks, frames), slices, 256)
    assert drawing.base == slices.paths[slices.sops[4]]


def test_segmentation_at_an_angle_is_drawn_alone(tmp_path: Path, slices: Slices) -> None:
    mask = block((SIDE, SIDE), slice(10, 20), slice(10, 20))[None]
    frames = [segment_frame(1, [-10, -20, 6.0], slices.sops[2], [1, 0, 0, 0, 0, -1])]
    drawing = draw(segmentation(tmp_path, slices, mask, frames), slices, 256)
    assert drawing.base is None
    assert at(drawing, 40, 40) == [0, 0, 0]


def test_segmentation_without_its_image_is_drawn_on_black(tmp_path: Path, slices: Slices) -> None:
    slices.hidden = True
    mask = block((SIDE, SIDE), slice(10, 20), slice(10, 20))[None]
    drawing = draw(segmentation(tmp_path, slices, mask, [segment_frame(1, None, None)]), slices, 256)
    assert drawing.base is None
    assert drawing.is_overlay
    assert at(drawing, 15, 15) == pytest.approx([102, 0, 0], abs=2)
    assert at(drawing, 40, 40) == [0, 0, 0]


def test_fractional_segmentation(tmp_path: Path, slices: Slices) -> None:
    values = np.zeros((1, SIDE, SIDE), np.uint8)
    values[0, :32], values[0, 32:] = 40, 60
    path = segmentation(
        tmp_path,
        slices,
        values,
        [segment_frame(1, None, slices.sops[0])],
        SegmentationType="FRACTIONAL",
        MaximumFractionalValue=100,
        BitsAllocated=8,
        BitsStored=8,
        PixelData=values.tobytes(),
    )
    drawing = draw(path, slices, 256)
    assert at(drawing, 16, 30) == [100, 100, 100]
    assert at(drawing, 48, 30)[0] > 150


def test_label_map(tmp_path: Path, slices: Slices) -> None:
    values = np.zeros((1, SIDE, SIDE), np.uint8)
    values[0, 8:24, 8:24], values[0, 40:56, 40:56] = 1, 2
    path = segmentation(
        tmp_path,
        slices,
        values,
        [segment_frame(1, None, slices.sops[0])],
        SOPClassUID=LABEL_MAP,
        SegmentationType="LABELMAP",
        BitsAllocated=8,
        BitsStored=8,
        PixelData=values.tobytes(),
    )
    drawing = draw(path, slices, 256)
    assert at(drawing, 16, 16)[0] > at(drawing, 16, 16)[1]
    assert at(drawing, 48, 48)[1] > at(drawing, 48, 48)[0]


def dose_grid(folder: Path, slices: Slices, doses: np.ndarray, **attributes: Any) -> Path:
    header = slices.placed(image_dataset(doses))
    header.SOPClassUID, header.Modality, header.PixelSpacing = DOSE, "RTDOSE", [8.0, 8.0]
    header.ImagePositionPatient = [-10 + 3, -20 + 3, 0.0]
    header.GridFrameOffsetVector = [index * GAP for index in range(len(doses))]
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return save_dataset(header, folder / "dose.dcm")


@pytest.fixture
def doses() -> np.ndarray:
    """Three frames of 16 x 16 dose pixels, each as large as 4 x 4 image pixels: none, low, and high."""
    grid = np.zeros((3, 16, 16), np.uint32)
    grid[1, :, 4:8] = 500
    grid[1, :, 8:12] = 1000
    grid[1, 0, 15] = 50
    return grid


def test_dose_is_washed_over_the_nearest_slice(tmp_path: Path, slices: Slices, doses: np.ndarray) -> None:
    drawing = draw(dose_grid(tmp_path, slices, doses), slices, 256)
    assert drawing.base == slices.paths[slices.sops[1]]
    assert drawing.label == "Dose"
    # Half the highest dose is (128, 255, 128), the highest (255, 0, 0); both half over grey 120.
    assert at(drawing, 30, 20) == pytest.approx([124, 188, 124], abs=2)
    assert at(drawing, 30, 36) == pytest.approx([188, 60, 60], abs=2)
    # Five per cent of the highest dose stay invisible, like none.
    assert at(drawing, 1, 62) == [120, 120, 120]
    assert at(drawing, 30, 5) == [120, 120, 120]


def test_dose_offsets_may_be_patient_positions(tmp_path: Path, slices: Slices, doses: np.ndarray) -> None:
    path = dose_grid(
        tmp_path, slices, doses, ImagePositionPatient=[-7, -17, 6.0], GridFrameOffsetVector=[6.0, 9.0, 12.0]
    )
    assert draw(path, slices, 256).base == slices.paths[slices.sops[3]]


def test_dose_far_from_every_slice_is_drawn_alone(tmp_path: Path, slices: Slices, doses: np.ndarray) -> None:
    drawing = draw(dose_grid(tmp_path, slices, doses, ImagePositionPatient=[-7, -17, 200.0]), slices, 256)
    assert drawing.base is None
    assert drawing.picture is not None
    assert drawing.picture.shape == (64, 64, 3)
    assert drawing.picture[30, 24].tolist() == pytest.approx([128, 255, 128], abs=2)
    assert drawing.picture[30, 4].tolist() == [0, 0, 0]


def contour(points: list[float], sop: str | None) -> Dataset:
    found = item(ContourGeometricType="CLOSED_PLANAR", ContourData=points, NumberOfContourPoints=len(points) // 3)
    if sop is not None:
        found.ContourImageSequence = [item(ReferencedSOPClassUID=CT_IMAGE, ReferencedSOPInstanceUID=sop)]
    return found


def square(z: float, low: float, high: float) -> list[float]:
    """Square in the patient whose corners lie on pixels `low` and `high` of the slices."""
    x = [-10 + SPACING * pixel for pixel in (low, high, high, low)]
    y = [-20 + SPACING * pixel for pixel in (low, low, high, high)]
    return [value for corner in zip(x, y, [z] * 4, strict=True) for value in corner]


def structure_set(folder: Path, slices: Slices, contours: list[list[Dataset]]) -> Path:
    header = image_dataset(None, SOPClassUID=STRUCTURES, Modality="RTSTRUCT", StudyInstanceUID=slices.study)
    header.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=slices.frame_of_reference)]
    header.ROIContourSequence = [
        item(ROIDisplayColor=colour, ContourSequence=of_region)
        for colour, of_region in zip(([255, 0, 0], [0, 255, 0]), contours, strict=False)
    ]
    return save_dataset(header, folder / "structures.dcm")


@pytest.mark.parametrize("names_images", [True, False])
def test_contours_over_their_image(tmp_path: Path, slices: Slices, names_images: bool) -> None:
    sops = slices.sops if names_images else [None] * SLICES
    red = [contour(square(index * GAP, 10, 30), sops[index]) for index in range(4)]
    green = [contour(square(2 * GAP, 40, 60), sops[2])]
    drawing = draw(structure_set(tmp_path, slices, [red, green]), slices, 256)
    # Only slice 2 shows both regions.
    assert drawing.base == slices.paths[slices.sops[2]]
    assert drawing.label == "2 structures"
    assert at(drawing, 10, 20) == [255, 0, 0]
    assert at(drawing, 20, 30) == [255, 0, 0]
    assert at(drawing, 50, 40) == [0, 255, 0]
    assert at(drawing, 20, 20) == [140, 140, 140]


def test_contours_without_their_image_fill_a_black_square(tmp_path: Path, slices: Slices) -> None:
    slices.hidden = True
    path = structure_set(tmp_path, slices, [[contour(square(6.0, 10, 30), None)]])
    drawing = draw(path, slices, 256)
    assert drawing.base is None
    assert drawing.picture is not None
    rows, columns = np.nonzero(drawing.picture[..., 0])
    # The margin leaves 1/1.15 of the box.
    assert rows.max() - rows.min() == pytest.approx(256 / 1.15, abs=2)
    assert columns.max() - columns.min() == pytest.approx(256 / 1.15, abs=2)
    assert drawing.picture[128, 128].tolist() == [0, 0, 0]


def test_structure_set_of_points_has_only_a_label(tmp_path: Path, slices: Slices) -> None:
    point = item(ContourGeometricType="POINT", ContourData=[0, 0, 0])
    drawing = draw(structure_set(tmp_path, slices, [[point]]), slices, 256)
    assert drawing.picture is None
    assert drawing.label == "RT structure set"
