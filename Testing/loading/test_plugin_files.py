"""A plugin file written for Slicer runs unmodified outside Slicer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import slicer
from loading_series import FilesDatabase

from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.loading.loader import load_series
from VisualDICOMBrowserLib.loading.plugin import DICOMLoadable, DICOMPlugin
from VisualDICOMBrowserLib.loading.plugin_files import load_plugin_file

PLUGIN = """
import vtk
import slicer
import vtkITK
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import *
from DICOMLib import DICOMLoadable, DICOMPlugin


class FirstFilePluginClass(DICOMPlugin):
    def __init__(self):
        super().__init__()
        self.loadType = _("First file")
        self.tags["modality"] = "0008,0060"

    def examineFiles(self, files):
        detailed = slicer.util.settingsValue("DICOM/detailedLogging", False, converter=slicer.util.toBool)
        loadable = DICOMLoadable()
        loadable.files = files
        loadable.name = self.defaultSeriesNodeName(slicer.dicomDatabase.seriesForFile(files[0]))
        loadable.confidence = 0.9
        return [] if detailed else [loadable]

    def load(self, loadable):
        reader = vtkITK.vtkITKArchetypeImageSeriesScalarReader()
        reader.SetArchetype(loadable.files[0])
        reader.Update()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", loadable.name)
        image = reader.GetOutput()
        image.SetSpacing(1, 1, 1)
        image.SetOrigin(0, 0, 0)
        node.SetAndObserveImageData(image)
        self.addReferences(loadable)
        self.addSeriesInSubjectHierarchy(loadable, node)
        slicer.app.applicationLogic().GetSelectionNode().SetReferenceActiveVolumeID(node.GetID())
        return node


class FirstFilePlugin:
    def __init__(self, parent):
        slicer.modules.dicomPlugins["FirstFilePlugin"] = FirstFilePluginClass
"""


@pytest.fixture(autouse=True)
def names_put_back(monkeypatch):
    """Whatever loading a plugin file adds to `slicer` and to the modules is taken away again."""
    for name in ("app", "modules", "i18n"):
        monkeypatch.setattr(slicer, name, None, raising=False)
    monkeypatch.setattr(slicer.util, "settingsValue", slicer.util.settingsValue)
    for name in ("DICOMLib", "vtkITK", "slicer.i18n", "slicer.ScriptedLoadableModule"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def plugin_file(tmp_path) -> Path:
    path = tmp_path / "first_file_plugin.py"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


def test_plugin_file_written_for_slicer(plugin_file, series, application):
    plugins = load_plugin_file(plugin_file, application)
    assert list(plugins) == ["FirstFilePluginClass"]
    referenced = "1.2.3.4"
    series.add_stack([0, 2.0], ReferencedImageSequence=[reference(referenced)])
    database = FilesDatabase(series.paths)
    report = load_series(database, database.series_uids, application.scene, plugins=plugins)
    (node,) = report.nodes
    assert node.GetName() == "4: Thorax"
    assert application.logic.GetSelectionNode().GetActiveVolumeID() == node.GetID()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(application.scene)
    item = hierarchy.GetItemByDataNode(node)
    assert hierarchy.GetItemAttribute(item, "DICOM.ReferencedInstanceUIDs") == referenced


def reference(uid):
    from pydicom.dataset import Dataset

    dataset = Dataset()
    dataset.ReferencedSOPInstanceUID = uid
    return dataset


def test_file_without_plugin_is_refused(tmp_path, application):
    path = tmp_path / "nothing.py"
    path.write_text("value = 1\n", encoding="utf-8")
    with pytest.raises(LoadError, match="defines no DICOM plugin"):
        load_plugin_file(path, application)


def test_file_that_needs_more_is_refused_with_the_reason(tmp_path, application):
    path = tmp_path / "needs_more.py"
    path.write_text("import a_module_that_is_not_there\n", encoding="utf-8")
    with pytest.raises(LoadError, match="cannot be used outside Slicer: No module named"):
        load_plugin_file(path, application)


def test_loadables_are_cached_by_their_files():
    plugin = DICOMPlugin()
    assert plugin.getCachedLoadables(["a", "b"]) is None
    loadables = [DICOMLoadable()]
    plugin.cacheLoadables(["a", "b"], loadables)
    assert plugin.getCachedLoadables(["a", "b"]) is loadables
    assert plugin.getCachedLoadables(["b", "a"]) is None
    assert plugin.getCachedLoadables(["ab"]) is None


def test_loadable_copies_another():
    source = DICOMLoadable()
    source.files, source.name, source.warning, source.confidence = ["a"], "n", "w", 0.7
    copy = DICOMLoadable(source)
    assert (copy.files, copy.name, copy.warning, copy.confidence) == (["a"], "n", "w", 0.7)
    assert copy.files is not source.files


def test_quantities_and_private_tags():
    from pydicom.dataset import Dataset

    plugin = DICOMPlugin()
    quantity, units = plugin.mapSOPClassUIDToDICOMQuantityAndUnits("1.2.840.10008.5.1.4.1.1.2")
    assert (quantity.GetCodeValue(), units.GetCodeValue()) == ("112031", "[hnsf'U]")
    assert plugin.mapSOPClassUIDToModality("1.2.840.10008.5.1.4.1.1.128") == "PT"
    assert plugin.mapSOPClassUIDToModality("1.2.3") is None
    dataset = Dataset()
    block = dataset.private_block(0x0029, "SOMEONE", create=True)
    block.add_new(0x10, "LO", "x")
    assert plugin.findPrivateTag(dataset, 0x0029, 0x10, "SOMEONE") == (0x0029, 0x1010)
    assert plugin.findPrivateTag(dataset, 0x0029, 0x10, "NOBODY") is None
