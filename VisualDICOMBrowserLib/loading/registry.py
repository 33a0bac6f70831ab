"""Which DICOM plugins there are.

In Slicer: what its modules put into `slicer.modules.dicomPlugins`, less those switched off in the
settings. Elsewhere: our own plugins. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from VisualDICOMBrowserLib.loading.scalar_volume import ScalarVolumePlugin
from VisualDICOMBrowserLib.loading.scene import is_slicer_application
from VisualDICOMBrowserLib.series.kinds import EXTENSION_READERS

__all__ = ["PluginFactory", "has_extension", "own_plugins", "registered_plugins"]

PluginFactory = Callable[[], Any]


def own_plugins() -> dict[str, PluginFactory]:
    """The plugins that this package brings, by name."""
    return {"VisualDICOMBrowserScalarVolumePlugin": ScalarVolumePlugin}


def registered_plugins() -> dict[str, PluginFactory]:
    """Plugins in force, by the name they registered under, in the order in which they are asked."""
    if not is_slicer_application():
        return own_plugins()
    from DICOMLib import DICOMUtils

    registered = getattr(slicer.modules, "dicomPlugins", {})
    return {name: registered[name] for name in DICOMUtils.getDefaultPluginClassNames() if name in registered}


def has_extension(name: str) -> bool:
    """Whether the reader that an extension of Slicer brings is among the plugins in force."""
    return EXTENSION_READERS.get(name, "") in registered_plugins()
