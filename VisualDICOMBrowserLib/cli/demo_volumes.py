"""Loading for the demo: one series as a volume node and its middle slice as a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.cli.local import volume_fields
from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.loading import application_scene, load_series, slice_picture
from VisualDICOMBrowserLib.model import SeriesRecord

__all__ = ["load_and_picture"]


def load_and_picture(database_folder: Path, series: SeriesRecord, path: Path) -> tuple[dict[str, Any], list[str]]:
    """Load `series` of the database in `database_folder` and write its middle slice to `path`.

    Returns
    -------
    tuple
        Name, dimensions and spacing of the volume, and warnings of the loading.
    """
    from PIL import Image

    database = LocalDatabase.open(database_folder, read_only=True)
    try:
        report = load_series(DicomDatabase(database), [series.SeriesInstanceUID], application_scene())
    finally:
        database.close()
    node = report.nodes[0]
    Image.fromarray(slice_picture(node)).save(path)
    return {"name": node.GetName(), **volume_fields(node)}, list(report.warnings)
