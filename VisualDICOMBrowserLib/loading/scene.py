"""The MRML scene that nodes are loaded into.

In Slicer that is `slicer.mrmlScene`. Elsewhere a scene is set up here as the application would do it:
application logic, colour nodes, subject hierarchy, slice orientations. One such scene is kept for the
process (`application_scene`); tests and hosts with several scenes make their own (`new_application`).
Main thread only.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import slicer
import vtk

__all__ = ["Application", "application_scene", "is_slicer_application", "new_application"]


@dataclass(frozen=True)
class Application:
    """A scene and what serves it: the application's logic and, by name, those of modules.

    Keep it as long as the scene is used: the scene does not keep its logics alive.
    """

    scene: Any
    logic: Any
    module_logics: dict[str, Any]


def is_slicer_application() -> bool:
    """True within the Slicer application, False where only its libraries (slicer-core) are there."""
    return "slicer_core" not in sys.modules


def application_scene() -> Any:
    """The scene of this process: Slicer's own, or one set up at the first call and kept."""
    return slicer.mrmlScene if is_slicer_application() else _own_application().scene


def new_application() -> Application:
    """A fresh scene with application logic, default nodes and colours, outside Slicer."""
    scene = slicer.vtkMRMLScene()
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    colors = logic.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    patient_right_is_screen_left = True
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, patient_right_is_screen_left)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    module_logics = {
        "Colors": colors,
        "Volumes": slicer.vtkSlicerVolumesLogic(),
        "Sequences": slicer.vtkSlicerSequencesLogic(),
        "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic(),
    }
    for name, module_logic in module_logics.items():
        module_logic.SetMRMLScene(scene)
        module_logic.SetMRMLApplicationLogic(logic)
        logic.SetModuleLogic(name, module_logic)
    return Application(scene, logic, module_logics)


@lru_cache(maxsize=1)
def _own_application() -> Application:
    return new_application()
