"""Patient, study and series of a loaded node in the subject hierarchy, as Slicer's DICOM module makes them.

Attribute names, UIDs and item names are those that Slicer's own plugins write, so that its subject
hierarchy tools (and a scene opened in Slicer) treat the node alike. Main thread only.
"""

from __future__ import annotations

from typing import Any

import slicer

from VisualDICOMBrowserLib.loading.plugin_database import PluginDatabase

__all__ = ["place_series"]

_TAGS = {
    "patientID": "0010,0020",
    "patientName": "0010,0010",
    "patientBirthDate": "0010,0030",
    "patientSex": "0010,0040",
    "patientComments": "0010,4000",
    "studyInstanceUID": "0020,000D",
    "studyID": "0020,0010",
    "studyDescription": "0008,1030",
    "studyDate": "0008,0020",
    "studyTime": "0008,0030",
    "seriesInstanceUID": "0020,000E",
    "seriesNumber": "0020,0011",
    "modality": "0008,0060",
    "frameOfReferenceUID": "0020,0052",
}


def place_series(database: PluginDatabase, scene: Any, loadable: Any, node: Any) -> None:
    """Put `node` as a series item below its study and patient, which are made if they are not there.

    Without study and series UID (a file that no database would take) the item stays at the top. The header
    values are those of the loadable's first file; a patient without PatientID is identified by the study,
    as in the DICOM database.
    """
    names = slicer.vtkMRMLSubjectHierarchyConstants
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    values = {key: database.fileValue(loadable.files[0], tag) for key, tag in _TAGS.items()}
    patient_uid = values["patientID"] or values["studyInstanceUID"]
    series = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemUID(series, names.GetDICOMUIDName(), values["seriesInstanceUID"])
    instances = list(dict.fromkeys(database.instanceForFile(file) for file in loadable.files))
    hierarchy.SetItemUID(series, names.GetDICOMInstanceUIDName(), " ".join(instances))
    _set_attributes(
        hierarchy,
        series,
        {
            names.GetDICOMSeriesModalityAttributeName(): values["modality"],
            names.GetDICOMSeriesNumberAttributeName(): values["seriesNumber"],
            names.GetDICOMFrameOfReferenceUIDAttributeName(): values["frameOfReferenceUID"],
            names.GetDICOMReferencedInstanceUIDsAttributeName(): " ".join(
                getattr(loadable, "referencedInstanceUIDs", [])
            ),
        },
    )
    if not (values["studyInstanceUID"] and values["seriesInstanceUID"]):
        return
    known_patient = hierarchy.GetItemByUID(names.GetDICOMUIDName(), patient_uid)
    known_study = hierarchy.GetItemByUID(names.GetDICOMUIDName(), values["studyInstanceUID"])
    slicer.vtkSlicerSubjectHierarchyModuleLogic.InsertDicomSeriesInHierarchy(
        hierarchy, patient_uid, values["studyInstanceUID"], values["seriesInstanceUID"]
    )
    if not known_patient:
        _describe_patient(hierarchy, hierarchy.GetItemByUID(names.GetDICOMUIDName(), patient_uid), values)
    if not known_study:
        study = hierarchy.GetItemByUID(names.GetDICOMUIDName(), values["studyInstanceUID"])
        _describe_study(hierarchy, study, values)


def _describe_patient(hierarchy: Any, item: int, values: dict[str, str]) -> None:
    names = slicer.vtkMRMLSubjectHierarchyConstants
    name = values["patientName"] or "No name"
    _set_attributes(
        hierarchy,
        item,
        {
            names.GetDICOMPatientNameAttributeName(): name,
            names.GetDICOMPatientIDAttributeName(): values["patientID"],
            names.GetDICOMPatientSexAttributeName(): values["patientSex"],
            names.GetDICOMPatientBirthDateAttributeName(): values["patientBirthDate"],
            names.GetDICOMPatientCommentsAttributeName(): values["patientComments"],
        },
    )
    hierarchy.SetItemName(item, f"{name} ({values['patientID']})" if values["patientID"] else name)


def _describe_study(hierarchy: Any, item: int, values: dict[str, str]) -> None:
    names = slicer.vtkMRMLSubjectHierarchyConstants
    description = values["studyDescription"] or "No study description"
    _set_attributes(
        hierarchy,
        item,
        {
            names.GetDICOMStudyInstanceUIDAttributeName(): values["studyInstanceUID"],
            names.GetDICOMStudyIDAttributeName(): values["studyID"],
            names.GetDICOMStudyDescriptionAttributeName(): values["studyDescription"],
            names.GetDICOMStudyDateAttributeName(): values["studyDate"],
            names.GetDICOMStudyTimeAttributeName(): values["studyTime"],
        },
    )
    hierarchy.SetItemName(item, f"{description} ({values['studyDate']})" if values["studyDate"] else description)


def _set_attributes(hierarchy: Any, item: int, attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        hierarchy.SetItemAttribute(item, name, value)
