"""From series in the local database to MRML nodes.

Here live the DICOM plugin interface (compatible with Slicer's), the registry of plugins, our
scalar-volume plugin, the scene outside Slicer, and what is done with a loaded node (save it, take a
picture of a slice). No network, no jobs, no Qt; nothing below this package imports `slicer` or `vtk`.

Main thread only: MRML nodes may not be touched from another one. Importing this package costs nothing;
`slicer`, `vtk`, `numpy` and `pydicom` are imported at the first use of one of the names below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.loading.loader import LoadReport, examine_series, load_series
    from VisualDICOMBrowserLib.loading.nodes import save_volume, slice_picture
    from VisualDICOMBrowserLib.loading.scene import application_scene

__all__ = [
    "LoadReport",
    "application_scene",
    "examine_series",
    "load_series",
    "save_volume",
    "slice_picture",
]

_HOMES = {
    "LoadReport": "loader",
    "application_scene": "scene",
    "examine_series": "loader",
    "load_series": "loader",
    "save_volume": "nodes",
    "slice_picture": "nodes",
}


def __getattr__(name: str) -> Any:
    """Import the module of `name` when it is first asked for."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)
