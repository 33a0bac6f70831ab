"""Loading series of a database folder into the scene, and what is said of it afterwards. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.loading import LoadReport

__all__ = ["described_node", "load_from_folder"]


def load_from_folder(folder: Path, series_uids: Sequence[str]) -> LoadReport:
    """Load series of the database in `folder` into the scene of this process.

    Raises
    ------
    DatabaseFault
        The database cannot be opened.
    LoadError
        Nothing could be loaded.
    """
    from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.loading import application_scene, load_series

    database = LocalDatabase.open(folder, read_only=True)
    try:
        return load_series(DicomDatabase(database), series_uids, application_scene())
    finally:
        database.close()


def described_node(node: Any) -> str:
    """Name of a node, and of a volume its size and spacing."""
    image = node.GetImageData() if hasattr(node, "GetImageData") else None
    if image is None:
        return str(node.GetName())
    size = " x ".join(str(length) for length in image.GetDimensions())
    spacing = " x ".join(f"{length:.3g}" for length in node.GetSpacing())
    return f"{node.GetName()} ({size}, {spacing} mm)"
