"""Which plugin classes are in force: those of Slicer's DICOMLib, or ours where there is none.

Everything that subclasses or makes `DICOMLoadable` and `DICOMPlugin` imports them from here, so that in
Slicer our plugins are real Slicer plugins. Main thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.loading.plugin import DICOMLoadable, DICOMPlugin
else:
    try:
        from DICOMLib import DICOMLoadable, DICOMPlugin
    except ImportError:
        from VisualDICOMBrowserLib.loading.plugin import DICOMLoadable, DICOMPlugin

__all__ = ["DICOMLoadable", "DICOMPlugin"]
