"""The scene outside Slicer."""

from __future__ import annotations

from VisualDICOMBrowserLib.loading.scene import application_scene, is_slicer_application, new_application


def test_one_scene_is_kept_for_the_process():
    assert not is_slicer_application()
    assert application_scene() is application_scene()


def test_scene_has_what_nodes_need(application):
    scene = application.scene
    assert scene.GetNodeByID("vtkMRMLColorTableNodeGrey") is not None
    assert scene.GetNodeByID("vtkMRMLColorTableNodeInvertedGrey") is not None
    assert scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is not None
    assert application.logic.GetSelectionNode() is not None
    assert application.logic.GetModuleLogic("Volumes") is not None


def test_applications_are_independent():
    one, other = new_application(), new_application()
    one.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "only here")
    assert other.scene.GetFirstNodeByName("only here") is None
