"""The volumes that the files of one series hold, and what is to be said of each; told from headers alone.

Loading and what cards say of a series both come from here, so that they agree. No VTK; one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from VisualDICOMBrowserLib.series.frames import multi_frame_slices
from VisualDICOMBrowserLib.series.geometry import stack_geometry
from VisualDICOMBrowserLib.series.grouping import Volume, divide
from VisualDICOMBrowserLib.series.headers import TAGS, single_frame_slice, whole_number
from VisualDICOMBrowserLib.series.kinds import NOT_VOLUMES
from VisualDICOMBrowserLib.series.remarks import Remark
from VisualDICOMBrowserLib.series.slices import Slice
from VisualDICOMBrowserLib.series.value_source import ValueSource

__all__ = ["SeriesVolumes", "image_slices", "volumes_of_series"]


@dataclass(frozen=True)
class SeriesVolumes:
    """Volumes of a series, the proposed ones first, and sentences on files that none of them has."""

    volumes: tuple[Volume, ...] = ()
    left_out: tuple[str, ...] = ()

    def remarks(self, volume: Volume) -> list[str]:
        """Sentences that a person should know before `volume` is loaded."""
        found = [*volume.notes, *stack_geometry(volume.slices).warnings, *_mosaic_remarks(volume)]
        return [*found, *self.left_out] if volume.role == "main" else found


def volumes_of_series(values: ValueSource, files: Sequence[str]) -> SeriesVolumes:
    """Volumes that these files of one series hold; none without pixels to show."""
    present = [file for file in files if Path(file).is_file()]
    slices = image_slices(values, present)
    if not slices:
        return SeriesVolumes()
    without_image = len(present) - len({item.file for item in slices})
    modality = values.fileValue(slices[0].file, TAGS["modality"])
    return SeriesVolumes(
        tuple(divide(slices, modality)), tuple(_left_out_remarks(len(files) - len(present), without_image))
    )


def image_slices(values: ValueSource, files: Iterable[str]) -> list[Slice]:
    """Planes of all files that have pixels to show."""
    found: list[Slice] = []
    for file in files:
        if values.fileValue(file, TAGS["sopClassUID"]) in NOT_VOLUMES:
            continue
        if whole_number(values.fileValue(file, TAGS["rows"])) == 0:
            continue
        if _is_multi_frame(values, file):
            found += multi_frame_slices(file)
        else:
            found.append(single_frame_slice(values, file))
    return found


def _is_multi_frame(values: ValueSource, file: str) -> bool:
    """True where geometry or values are not told by top-level elements of the header."""
    frames = values.fileValue(file, TAGS["numberOfFrames"])
    if values.fileValue(file, TAGS["modality"]) == "RTDOSE":
        return True
    return bool(frames) and (frames != "1" or not values.fileValue(file, TAGS["position"]))


def _left_out_remarks(missing: int, without_image: int) -> list[str]:
    """Sentences on files of the series that no volume has."""
    remarks: list[str] = []
    if missing:
        files = "1 file of the series is" if missing == 1 else f"{missing} files of the series are"
        sentence = f"{files} no longer on disk and left out: import or retrieve the series again."
        remarks.append(Remark(sentence, "Files missing"))
    if without_image:
        files = "1 file of the series holds" if without_image == 1 else f"{without_image} files of the series hold"
        sentence = f"{files} no image and {'is' if without_image == 1 else 'are'} left out."
        remarks.append(Remark(sentence, "Files without image"))
    return remarks


def _mosaic_remarks(volume: Volume) -> list[str]:
    if not volume.slices[0].mosaic:
        return []
    sentence = (
        "This is a Siemens mosaic: all slices of a volume tiled in one picture. It is loaded as that "
        "flat picture; the slices are not taken apart."
    )
    return [Remark(sentence, "Flat mosaic")]
