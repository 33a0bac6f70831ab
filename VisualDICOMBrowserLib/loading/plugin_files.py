"""Plugins from files written for Slicer, outside Slicer.

Such a file is a scripted module that imports names which only the application has. `load_plugin_file`
supplies those that loading needs, runs the file and gives the plugin classes in it. What needs a window
(settings panels, export dialogs) stays out of reach. Main thread only.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer

from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.loading.dicomlib import DICOMLoadable, DICOMPlugin
from VisualDICOMBrowserLib.loading.registry import PluginFactory
from VisualDICOMBrowserLib.loading.scene import Application

__all__ = ["load_plugin_file", "provide_application_names"]

# Bases of the module, widget, logic and test classes that stand beside a plugin in its file.
_MODULE_CLASSES = tuple(f"ScriptedLoadableModule{part}" for part in ("", "Widget", "Logic", "Test"))


def load_plugin_file(path: Path, application: Application) -> dict[str, PluginFactory]:
    """Plugin classes defined in a Python file, by class name, for the ``plugins`` argument of loading.

    Parameters
    ----------
    path : Path
        The file; it is run.
    application : Application
        Scene and logic that plugins find as `slicer.app.applicationLogic()`.

    Raises
    ------
    LoadError
        The file cannot be run here, or defines no plugin.
    """
    provide_application_names(application)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        message = f"{path} is no Python file."
        raise LoadError(message, subject=str(path))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        message = f"The plugin file {path} cannot be used outside Slicer: {error}."
        raise LoadError(message, subject=str(path)) from error
    found: dict[str, PluginFactory] = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, DICOMPlugin) and value.__module__ == path.stem
    }
    if not found:
        message = f"{path} defines no DICOM plugin."
        raise LoadError(message, subject=str(path))
    return found


def provide_application_names(application: Application) -> None:
    """Give the modules and attributes that plugin files use; only outside Slicer."""
    _provide("DICOMLib", DICOMLoadable=DICOMLoadable, DICOMPlugin=DICOMPlugin)
    _provide("vtkITK", **{name: value for name, value in vars(slicer).items() if name.startswith("vtkITK")})
    _provide("slicer.i18n", tr=_same_text, translate=lambda _context, text: text)
    slicer.i18n = sys.modules["slicer.i18n"]
    _provide("slicer.ScriptedLoadableModule", **{name: type(name, (), {}) for name in _MODULE_CLASSES})
    if importlib.util.find_spec("qt") is None:
        # The application's settings cannot be asked without Qt: everything is at its default.
        slicer.util.settingsValue = _default_setting
    slicer.app = SimpleNamespace(applicationLogic=lambda: application.logic)
    slicer.modules = SimpleNamespace(
        dicomPlugins={},
        DICOMInstance=SimpleNamespace(),
        colors=_module(application, "Colors"),
        volumes=_module(application, "Volumes"),
        sequences=SimpleNamespace(setToolBarActiveBrowserNode=_show_nothing, showSequenceBrowser=_show_nothing),
    )


def _provide(name: str, **members: Any) -> None:
    if name not in sys.modules:
        module = ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module


def _same_text(text: str) -> str:
    return text


def _default_setting(_key: str, default: Any, *_args: Any, **_options: Any) -> Any:
    return default


def _module(application: Application, name: str) -> SimpleNamespace:
    return SimpleNamespace(logic=lambda: application.module_logics[name])


def _show_nothing(_node: Any) -> None:
    """Views that the application would change do not exist here."""
