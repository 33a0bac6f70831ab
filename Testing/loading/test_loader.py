"""The load API: choice among candidates, reports, errors, plugins of others, subject hierarchy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from loading_series import FilesDatabase, read, real_values, voxels_of
from pydicom.uid import generate_uid

from VisualDICOMBrowserLib.errors import JobCancelled, LoadError
from VisualDICOMBrowserLib.loading.dicomlib import DICOMLoadable, DICOMPlugin
from VisualDICOMBrowserLib.loading.loader import examine_series, load_candidates, load_series
from VisualDICOMBrowserLib.loading.registry import registered_plugins
from VisualDICOMBrowserLib.loading.scalar_volume import ScalarVolumePlugin


def load_files(paths, scene, **options):
    database = FilesDatabase(paths)
    return load_series(database, database.series_uids, scene, **options)


def named(files, name):
    return next(path for path in files if path.name == name)


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, VisualDICOMBrowserLib.loading as loading; "
        "assert 'load_series' in loading.__all__; "
        "heavy = {'slicer', 'vtk', 'numpy', 'pydicom'} & set(sys.modules); assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_of_the_package_are_those_of_its_modules():
    from VisualDICOMBrowserLib import loading

    assert loading.load_series is load_series
    for name in loading.__all__:
        assert getattr(loading, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        loading.nothing  # noqa: B018


def test_one_unreadable_series_does_not_keep_the_others_away(series, pydicom_files, scene):
    series.add_stack([0, 2.0])
    report = load_files([*series.paths, named(pydicom_files, "rtplan.dcm")], scene)
    assert len(report.nodes) == 1
    (failure,) = report.failed
    assert failure.reason == "No reader for this kind (RTPLAN). The extension SlicerRT can."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("rtplan.dcm", "No reader for this kind (RTPLAN). The extension SlicerRT can."),
        ("liver_1frame.dcm", "No reader for this kind (SEG). The DICOM plugins of Slicer 5.12"),
        ("test-SR.dcm", "No reader for this kind (SR)."),
    ],
)
def test_kinds_that_no_plugin_reads(pydicom_files, scene, name, sentence):
    with pytest.raises(LoadError) as caught:
        load_files([named(pydicom_files, name)], scene)
    assert str(caught.value).startswith(sentence)


def test_unknown_series(scene):
    with pytest.raises(LoadError, match="has no files of series 1"):
        load_series(FilesDatabase([]), ["1.2"], scene)


def test_file_that_went_missing_is_left_out_and_told(series, scene):
    series.add_stack(np.arange(6) * 2.0)
    database = FilesDatabase(series.paths)
    series.paths[2].unlink()
    (loaded,) = load_series(database, database.series_uids, scene).loaded
    assert "1 slice seems to be missing, the first between slice 2 and 3" in loaded.warning
    assert "1 file of the series is no longer on disk and left out: import or retrieve" in loaded.warning


def test_series_whose_files_are_all_gone(series, scene):
    series.add_stack([0, 2.0])
    database = FilesDatabase(series.paths)
    for path in series.paths:
        path.unlink()
    with pytest.raises(LoadError, match="is on disk any more"):
        load_series(database, database.series_uids, scene)


def test_file_that_goes_missing_after_the_examination(series, scene):
    series.add_stack([0, 2.0, 4.0])
    database = FilesDatabase(series.paths)
    examination = examine_series(database, database.series_uids, scene)
    series.paths[1].unlink()
    (failure,) = load_candidates(database, examination.selected, scene).failed
    assert "1 of 3 files are no longer on disk" in failure.reason
    assert failure.error.subject == str(series.paths[1])
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def test_file_cut_short_is_named(series, scene):
    series.add_stack([0, 2.0, 4.0])
    database = FilesDatabase(series.paths)
    content = series.paths[1].read_bytes()
    series.paths[1].write_bytes(content[:-50])
    with pytest.raises(LoadError, match="cannot be decoded") as caught:
        load_series(database, database.series_uids, scene)
    assert caught.value.subject == str(series.paths[1])


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_compressed_file_cut_short_is_refused(pydicom_files, tmp_path, scene, name):
    content = named(pydicom_files, name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content)
    database = FilesDatabase([path])
    path.write_bytes(content[: -len(content) // 4])
    with pytest.raises(LoadError, match="the file has none, or is cut short"):
        load_series(database, database.series_uids, scene)


def test_data_after_the_pixels_does_not_matter(series, scene):
    series.add_stack([0, 2.0], DataSetTrailingPadding=b"\0" * 8)
    (node,) = load_files(series.paths, scene).nodes
    np.testing.assert_array_equal(voxels_of(node)[1], real_values(read(series.paths[1])))


def test_files_without_images_are_left_out_and_counted(series, scene):
    series.add_stack([0, 2.0])
    extra = read(series.paths[0])
    extra.SOPInstanceUID = generate_uid()
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(extra, keyword)
    extra.save_as(series.folder / "extra.dcm")
    report = load_files([*series.paths, series.folder / "extra.dcm"], scene)
    assert report.loaded[0].warning == "1 file of the series holds no image and is left out."


def test_subject_hierarchy(series, scene):
    import slicer

    series.add_stack([0, 2.0])
    (node,) = load_files(series.paths, scene).nodes
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    study = hierarchy.GetItemParent(item)
    patient = hierarchy.GetItemParent(study)
    assert hierarchy.GetItemUID(item, "DICOM") == series.SeriesInstanceUID
    assert hierarchy.GetItemUID(item, "DICOMInstanceUID") == node.GetAttribute("DICOM.instanceUIDs")
    assert hierarchy.GetItemAttribute(item, "DICOM.Modality") == "CT"
    assert hierarchy.GetItemName(study) == "Study (20240102)"
    assert hierarchy.GetItemUID(study, "DICOM") == series.StudyInstanceUID
    assert hierarchy.GetItemName(patient) == "Phantom^Test (P-1)"
    assert hierarchy.GetItemUID(patient, "DICOM") == "P-1"
    assert hierarchy.GetItemLevel(study) == "Study"
    assert hierarchy.GetItemLevel(patient) == "Patient"


def test_second_series_joins_the_patient_and_study(series, scene):
    import slicer

    series.add_stack([0, 2.0])
    load_files(series.paths, scene)
    load_files(series.paths, scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetNumberOfItems() == 4
    assert [scene.GetNthNodeByClass(n, "vtkMRMLVolumeNode").GetName() for n in (0, 1)] == [
        "4: Thorax",
        "4: Thorax_1",
    ]


def test_progress_is_told_and_may_cancel(series, scene):
    series.add_stack([0, 2.0])
    told = []
    load_files(series.paths, scene, progress=lambda *step: told.append(step))
    assert told == [(0, 1, "Examining series 1 of 1"), (0, 1, "Loading 4: Thorax"), (1, 1, "Loaded")]

    def cancel(done, total, label):
        message = "Cancelled."
        raise JobCancelled(message)

    with pytest.raises(JobCancelled):
        load_files(series.paths, scene, progress=cancel)


def test_candidates_can_be_loaded_against_the_choice(series, scene):
    series.add_stack(np.arange(12) * 2.0)
    series.add_stack([10.0])
    database = FilesDatabase(series.paths)
    examination = examine_series(database, database.series_uids, scene)
    spare = [item for item in examination.candidates if not item.loadable.selected]
    (node,) = load_candidates(database, spare, scene).nodes
    assert node.GetImageData().GetDimensions()[2] == 1


class WholeSeriesPlugin(DICOMPlugin):
    """Claims whole series in two ways at the same confidence, as stock plugins do."""

    confidence = 0.5

    def examineFiles(self, files):
        found = []
        for part in (files, files[:1]):
            loadable = DICOMLoadable()
            loadable.files, loadable.confidence, loadable.selected = part, self.confidence, True
            found.append(loadable)
        return found

    def load(self, loadable):
        return self.scene.AddNewNodeByClass("vtkMRMLTextNode", loadable.name)


class FailingPlugin(DICOMPlugin):
    def examineFiles(self, files):
        message = "bad plugin"
        raise ValueError(message)


class SurePlugin(WholeSeriesPlugin):
    confidence = 0.9

    def load(self, loadable):
        message = "out of ideas"
        raise RuntimeError(message)


def test_ties_never_load_an_image_twice(series, scene):
    series.add_stack([0, 2.0])
    plugins = {"own": ScalarVolumePlugin, "other": WholeSeriesPlugin}
    report = load_files(series.paths, scene, plugins=plugins)
    assert [item.plugin_name for item in report.loaded] == ["own"]


def test_most_confident_plugin_wins(series, scene):
    series.add_stack([0, 2.0])
    database = FilesDatabase(series.paths)
    plugins = {"own": ScalarVolumePlugin, "sure": SurePlugin}
    examination = examine_series(database, database.series_uids, scene, plugins=plugins)
    assert [item.plugin_name for item in examination.selected] == ["sure"]
    assert set(examination.by_plugin()) == {"own", "sure"}


def test_failure_of_a_foreign_plugin_is_a_load_error(series, scene, caplog):
    series.add_stack([0, 2.0])
    with pytest.raises(LoadError, match="could not be loaded as Generic DICOM: out of ideas"):
        load_files(series.paths, scene, plugins={"sure": SurePlugin})
    assert "failed to load" in caplog.text


def test_plugin_that_fails_to_examine_does_not_stop_others(series, scene, caplog):
    series.add_stack([0, 2.0])
    report = load_files(series.paths, scene, plugins={"bad": FailingPlugin, "own": ScalarVolumePlugin})
    assert len(report.nodes) == 1
    assert "bad plugin" in caplog.text


def test_registry_outside_slicer_is_our_own():
    assert list(registered_plugins().values()) == [ScalarVolumePlugin]


def test_plugin_written_for_slicer_finds_its_globals(series, scene):
    """A plugin that knows only `slicer.dicomDatabase` and `slicer.mrmlScene`, and no `attach`."""

    class StockPlugin:
        loadType = "Stock"

        def examineForImport(self, fileLists):
            import slicer

            loadable = DICOMLoadable()
            loadable.files = list(fileLists[0])
            loadable.name = slicer.dicomDatabase.fileValue(loadable.files[0], "0008,103E")
            return [loadable]

        def load(self, loadable):
            import slicer

            slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", loadable.name)
            return True

    series.add_stack([0, 2.0])
    report = load_files(series.paths, scene, plugins={"stock": StockPlugin})
    assert [node.GetName() for node in report.nodes] == ["Thorax"]


def test_every_file_of_pydicom_loads_or_says_why(pydicom_files, scene):
    """No crash, no VTK message, and values equal to pydicom's wherever pydicom has them."""
    loaded = failed = 0
    for path in pydicom_files:
        dataset = read(path)
        database = FilesDatabase([path])
        if not database.series_uids:
            continue
        try:
            report = load_series(database, database.series_uids, scene)
        except LoadError:
            failed += 1
            continue
        loaded += len(report.nodes)
        node = report.nodes[0]
        if node.IsA("vtkMRMLVectorVolumeNode") or dataset.get("Modality") == "RTDOSE":
            continue
        if "JPEG Extended" in dataset.file_meta.TransferSyntaxUID.name or len(report.nodes) > 1:
            continue
        expected = real_values(dataset).reshape(voxels_of(node).shape)
        np.testing.assert_array_equal(voxels_of(node).astype(np.float64), expected, err_msg=path.name)
    assert loaded > 60
    assert failed > 5
