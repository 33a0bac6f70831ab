"""The plugin that makes volume nodes: CT, MR, PET, dose, and any other images with pixels.

Ties the parts together: headers to slices, slices to volumes (`grouping`), geometry, voxels, node. Main
thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.loading.dicomlib import DICOMLoadable, DICOMPlugin
from VisualDICOMBrowserLib.loading.frames import multi_frame_slices
from VisualDICOMBrowserLib.loading.geometry import stack_geometry
from VisualDICOMBrowserLib.loading.grouping import Volume, divide
from VisualDICOMBrowserLib.loading.headers import TAGS, TRAIT_TAGS, single_frame_slice, whole_number
from VisualDICOMBrowserLib.loading.kinds import NOT_VOLUMES
from VisualDICOMBrowserLib.loading.plugin import HostedPlugin, series_name
from VisualDICOMBrowserLib.loading.quantities import quantity_and_units
from VisualDICOMBrowserLib.loading.slices import Slice
from VisualDICOMBrowserLib.loading.volume_node import add_acquisition_transform, add_volume_node
from VisualDICOMBrowserLib.loading.voxels import read_image

__all__ = ["ScalarVolumePlugin"]

_RESCALE_TYPE = "0028,1054"
_PET_UNITS = "0054,1001"
_DOSE_UNITS = "3004,0002"
# As in Slicer: 0.5 for what is proposed, not more than 0.45 for what is not.
_CONFIDENCE = {"main": 0.5, "scout": 0.4, "part": 0.45, "repeat": 0.3}
_CONFIDENCE_UNPROPOSED = 0.45


class ScalarVolumePlugin(DICOMPlugin, HostedPlugin):
    """Loads images as `vtkMRMLScalarVolumeNode`, colour images as `vtkMRMLVectorVolumeNode`.

    Parameters
    ----------
    acquisition_transform : bool
        Where slices are spaced unevenly, put the volume below a grid transform that moves each slice to
        its true place, as Slicer does by default.
    """

    def __init__(self, acquisition_transform: bool = True) -> None:
        super().__init__()
        self.loadType = "Scalar Volume"
        self.acquisition_transform = acquisition_transform
        self.tags.update(TAGS)
        self.tags.update({name.replace(" ", "_"): tag for name, tag in TRAIT_TAGS.items()})
        self.tags.update(rescaleType=_RESCALE_TYPE, units=_PET_UNITS, doseUnits=_DOSE_UNITS)

    def examineFiles(self, files: Sequence[str]) -> list[Any]:
        """Volumes that these files of one series hold, the proposed ones first; none without pixels.

        Loadables have the further attribute ``slices`` (tuple of `Slice`, in loading order).
        """
        present = [file for file in files if Path(file).is_file()]
        slices = self._slices(present)
        if not slices:
            return []
        modality = self.database.fileValue(slices[0].file, TAGS["modality"])
        name = series_name(self.database, slices[0].file)
        without_image = len(present) - len({item.file for item in slices})
        notes = _left_out_notes(len(files) - len(present), without_image)
        return [self._loadable(volume, name, notes) for volume in divide(slices, modality)]

    def load(self, loadable: Any) -> Any:
        """Volume node of a loadable in the scene, placed in the subject hierarchy.

        Raises
        ------
        LoadError
            Files are missing or cannot be decoded, or hold no images.
        """
        slices = getattr(loadable, "slices", None)
        if slices is None:
            volumes = divide(self._slices(loadable.files))
            if not volumes:
                message = f"The files of '{loadable.name}' hold no images."
                raise LoadError(message, subject=loadable.name)
            slices = volumes[0].slices
        geometry = stack_geometry(slices)
        image = read_image(slices, geometry.is_even)
        node = add_volume_node(self.scene, loadable.name, image, geometry, slices)
        if self.acquisition_transform and not geometry.is_even:
            add_acquisition_transform(self.scene, node, geometry)
        self._describe(node, slices)
        self.addSeriesInSubjectHierarchy(loadable, node)
        return node

    def _slices(self, files: Iterable[str]) -> list[Slice]:
        """Planes of all files that have pixels to show."""
        found: list[Slice] = []
        for file in files:
            if self.database.fileValue(file, TAGS["sopClassUID"]) in NOT_VOLUMES:
                continue
            if whole_number(self.database.fileValue(file, TAGS["rows"])) == 0:
                continue
            if self._is_multi_frame(file):
                found += multi_frame_slices(file)
            else:
                found.append(single_frame_slice(self.database, file))
        return found

    def _is_multi_frame(self, file: str) -> bool:
        """True where geometry or values are not told by top-level elements of the header."""
        frames = self.database.fileValue(file, TAGS["numberOfFrames"])
        if self.database.fileValue(file, TAGS["modality"]) == "RTDOSE":
            return True
        return bool(frames) and (frames != "1" or not self.database.fileValue(file, TAGS["position"]))

    def _loadable(self, volume: Volume, name: str, notes: Sequence[str]) -> Any:
        geometry = stack_geometry(volume.slices)
        warnings = [*volume.notes, *geometry.warnings, *_mosaic_notes(volume)]
        if volume.role == "main":
            warnings += notes
        loadable: Any = DICOMLoadable()
        loadable.files = list(dict.fromkeys(item.file for item in volume.slices))
        loadable.slices = volume.slices
        loadable.name = f"{name} ({volume.label})" if volume.label else name
        loadable.tooltip = f"{len(volume.slices)} images, first file: {loadable.files[0]}"
        loadable.warning = " ".join(warnings)
        loadable.selected = volume.selected
        loadable.confidence = _CONFIDENCE[volume.role]
        if volume.role == "main" and not volume.selected:
            loadable.confidence = _CONFIDENCE_UNPROPOSED
        return loadable

    def _describe(self, node: Any, slices: Sequence[Slice]) -> None:
        """Instance UIDs and numbers, quantity and units."""
        instances = {item.SOPInstanceUID: str(item.InstanceNumber) for item in slices}
        node.SetAttribute("DICOM.instanceUIDs", " ".join(instances))
        node.SetAttribute("DICOM.instanceNumbers", " ".join(instances.values()))
        if slices[0].pixels.colour:
            return
        file = slices[0].file
        quantity, units = quantity_and_units(
            self.database.fileValue(file, TAGS["modality"]),
            rescale_type=self.database.fileValue(file, _RESCALE_TYPE),
            units=self.database.fileValue(file, _PET_UNITS) or self.database.fileValue(file, _DOSE_UNITS),
        )
        if quantity is not None:
            node.SetVoxelValueQuantity(quantity)
        if units is not None:
            node.SetVoxelValueUnits(units)


def _left_out_notes(missing: int, without_image: int) -> list[str]:
    """Sentences on files of the series that no volume has."""
    notes = []
    if missing:
        files = "1 file of the series is" if missing == 1 else f"{missing} files of the series are"
        notes.append(f"{files} no longer on disk and left out: import or retrieve the series again.")
    if without_image:
        files = "1 file of the series holds" if without_image == 1 else f"{without_image} files of the series hold"
        notes.append(f"{files} no image and {'is' if without_image == 1 else 'are'} left out.")
    return notes


def _mosaic_notes(volume: Volume) -> list[str]:
    first = volume.slices[0]
    if first.mosaic:
        return [
            "This is a Siemens mosaic: all slices of a volume tiled in one picture. It is loaded as that "
            "flat picture; the slices are not taken apart."
        ]
    return []
