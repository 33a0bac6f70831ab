"""`import qt` outside Slicer: PySide6 under the names and manners that PythonQt has in Slicer.

`install` enters a module ``qt`` that holds the classes of QtCore, QtGui, QtWidgets and QtNetwork side by side,
and lets the modules of the widgets see Qt's properties as attributes (``label.text = "x"``), as PythonQt does.
PySide6 decides that by the name of the module whose code runs, so modules that stand elsewhere, such as tests
that drive the widgets, ask for it by `attributes_for`. Main thread, before the first widget module is imported.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import VisualDICOMBrowserLib.widgets

__all__ = ["attributes_for", "install"]

_QT_MODULES = ("QtCore", "QtGui", "QtWidgets", "QtNetwork")
_PROPERTIES_AS_ATTRIBUTES = 0x02
_LAYOUTS = ("QBoxLayout", "QHBoxLayout", "QVBoxLayout", "QGridLayout", "QFormLayout", "QStackedLayout")
_WINDOW_MODULES = ("host", "screenshot", "slice_view", "volume_window", "window")
_OTHER_MODULES = ("VisualDICOMBrowser", *(f"VisualDICOMBrowserLib.desktop.{name}" for name in _WINDOW_MODULES))


def install() -> ModuleType:
    """Make ``import qt`` work and return the module; further calls return the same one.

    Raises
    ------
    ImportError
        PySide6 is not installed (extra ``desktop``).
    """
    present = sys.modules.get("qt")
    if present is not None:
        return present
    module = ModuleType("qt", "Qt's classes as PythonQt offers them, over PySide6.")
    module.__spec__ = ModuleSpec("qt", None)  # Without one `importlib.util.find_spec` fails.
    for name in _QT_MODULES:
        source = importlib.import_module(f"PySide6.{name}")
        for member in dir(source):
            if not member.startswith("_"):
                setattr(module, member, getattr(source, member))
    _adapt(module)
    sys.modules["qt"] = module
    folder = VisualDICOMBrowserLib.widgets
    for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
        attributes_for(found.name)
    for name in _OTHER_MODULES:
        attributes_for(name)
    return module


def attributes_for(module_name: str) -> None:
    """Let code of the module named so see Qt's properties as attributes."""
    import PySide6.QtCore  # noqa: F401 - brings shibokensupport
    from shibokensupport import feature

    feature.set_selection(_PROPERTIES_AS_ATTRIBUTES, module_name)


def _adapt(module: Any) -> None:
    """Replace the classes whose use differs in more than properties."""
    module.QFileDialog = _file_dialog(module.QFileDialog)
    for name in _LAYOUTS:
        setattr(module, name, _layout(getattr(module, name)))


def _layout(base: Any) -> type:
    """Layout with ``setContentsMargins``: its margins are a property in Qt 6 and none in Qt 5."""

    def setContentsMargins(self: Any, left: int, top: int, right: int, bottom: int) -> None:
        base.setContentsMargins(self, left, top, right, bottom)

    return type(base.__name__, (base,), {"setContentsMargins": setContentsMargins})


def _file_dialog(base: Any) -> type:
    """File dialog whose static functions return the choice alone, as PythonQt's do."""

    class QFileDialog(base):
        @staticmethod
        def getOpenFileNames(*arguments: Any) -> list[str]:
            return list(base.getOpenFileNames(*arguments)[0])

        @staticmethod
        def getOpenFileName(*arguments: Any) -> str:
            return str(base.getOpenFileName(*arguments)[0])

        @staticmethod
        def getSaveFileName(*arguments: Any) -> str:
            return str(base.getSaveFileName(*arguments)[0])

    return QFileDialog
