"""The plugin that makes volume nodes: CT, MR, PET, dose, and any other images with pixels.

Ties the parts together: headers to slices, slices to volumes (`grouping`), geometry, voxels, node. Main
thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.loading.dicomlib import DICOMLoadable, DICOMPlugin
from VisualDICOMBrowserLib.loading.plugin import HostedPlugin, series_name
from VisualDICOMBrowserLib.loading.quantities import quantity_and_units
from VisualDICOMBrowserLib.loading.volume_node import add_acquisition_transform, add_volume_node
from VisualDICOMBrowserLib.loading.voxels import read_image
from VisualDICOMBrowserLib.series.geometry import stack_geometry
from VisualDICOMBrowserLib.series.grouping import Volume, divide
from VisualDICOMBrowserLib.series.headers import TAGS, TRAIT_TAGS
from VisualDICOMBrowserLib.series.slices import Slice
from VisualDICOMBrowserLib.series.volumes import SeriesVolumes, image_slices, volumes_of_series

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
        found = volumes_of_series(self.database, files)
        if not found.volumes:
            return []
        name = series_name(self.database, found.volumes[0].slices[0].file)
        return [self._loadable(volume, name, found) for volume in found.volumes]

    def load(self, loadable: Any) -> Any:
        """Volume node of a loadable in the scene, placed in the subject hierarchy.

        Raises
        ------
        LoadError
            Files are missing or cannot be decoded, or hold no images.
        """
        slices = getattr(loadable, "slices", None)
        if slices is None:
            volumes = divide(image_slices(self.database, loadable.files))
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

    def _loadable(self, volume: Volume, name: str, found: SeriesVolumes) -> Any:
        loadable: Any = DICOMLoadable()
        loadable.files = list(dict.fromkeys(item.file for item in volume.slices))
        loadable.slices = volume.slices
        loadable.name = f"{name} ({volume.label})" if volume.label else name
        loadable.tooltip = f"{len(volume.slices)} images, first file: {loadable.files[0]}"
        loadable.warning = " ".join(found.remarks(volume))
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
