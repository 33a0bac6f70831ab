"""Images to try the browser with: those that come with pydicom. No Qt; any thread."""

from __future__ import annotations

import importlib.util
from pathlib import Path

__all__ = ["sample_paths"]

_FAMILY = ("data", "test_files", "dicomdirtests")
_MORE = ("CT_small.dcm", "MR_small.dcm", "SC_rgb_jpeg_dcmtk.dcm", "US1_UNCR.dcm")


def sample_paths() -> list[str]:
    """Files and folders to import; empty where pydicom has none."""
    found = importlib.util.find_spec("pydicom")
    if found is None or found.origin is None:
        return []
    family = Path(found.origin).parent.joinpath(*_FAMILY)
    return [str(path) for path in (family, *(family.parent / name for name in _MORE)) if path.exists()]
