"""The displayed-field rules of CTK and Slicer: the default rule and the one for radiotherapy.

Fields, order and merging are CTK's (`ctkDICOMDisplayedFieldGeneratorDefaultRule` and
`…RadiotherapySeriesDescriptionRule`). Different on purpose: a placeholder such as "Unnamed RT Plan" gives way
to a real description, and patients without PatientID or PatientName get their displayed name too. Counts and
last dates are no rules of one instance; `rule_set` keeps them. Pure functions of header values.
"""

from __future__ import annotations

from collections.abc import Mapping

from VisualDICOMBrowserLib.database.displayed_fields import RULES, DisplayedFieldRule, Merge
from VisualDICOMBrowserLib.database.values import date_to_column, readable_name

__all__ = [
    "LAST_STUDY_DATE_RULE",
    "PATIENT_COUNT_RULE",
    "SERIES_COUNT_RULE",
    "STUDY_COUNT_RULE",
    "DefaultRule",
    "RadiotherapyRule",
]

# What `rule_set` computes from rows, under the names by which CTK's table switches it off.
LAST_STUDY_DATE_RULE = "LastStudyDate"
SERIES_COUNT_RULE = "SeriesImageCount"
STUDY_COUNT_RULE = "StudyNumberOfSeries"
PATIENT_COUNT_RULE = "PatientNumberOfStudies"

_MODALITY = "0008,0060"
_NAMES_BY_MODALITY = {
    "RTPLAN": (("300A,0003", "300A,0002"), "Unnamed RT Plan"),
    "RTSTRUCT": (("3006,0004", "3006,0002"), "Unnamed RT Structure Set"),
    "RTIMAGE": (("3002,0003", "3002,0002"), "Unnamed RT Image"),
}


class DefaultRule(DisplayedFieldRule):
    """Readable patient name, descriptions, modality and image size."""

    name = "Default"
    tags = (
        "0008,0020",
        "0008,0060",
        "0008,0061",
        "0008,0080",
        "0008,0090",
        "0008,1030",
        "0008,103E",
        "0010,0010",
        "0020,0011",
        "0028,0010",
        "0028,0011",
    )
    merges = {
        "Patients.DisplayedPatientsName": Merge.SAME_VALUE,
        "Studies.StudyDescription": Merge.CONCATENATE,
        "Studies.StudyDate": Merge.SAME_VALUE,
        "Studies.ModalitiesInStudy": Merge.CONCATENATE,
        "Studies.InstitutionName": Merge.SAME_VALUE,
        "Studies.ReferringPhysician": Merge.CONCATENATE,
        "Series.SeriesNumber": Merge.SAME_VALUE,
        "Series.Modality": Merge.SAME_VALUE,
        "Series.SeriesDescription": Merge.CONCATENATE,
        "Series.DisplayedSize": Merge.SAME_VALUE,
    }

    def fields(self, values: Mapping[str, str]) -> dict[str, str]:
        """See `DisplayedFieldRule.fields`."""
        rows, columns = values.get("0028,0010", ""), values.get("0028,0011", "")
        return {
            "Patients.DisplayedPatientsName": readable_name(values.get("0010,0010", "")),
            "Studies.StudyDescription": values.get("0008,1030", ""),
            "Studies.StudyDate": date_to_column(values.get("0008,0020", "")) or "",
            "Studies.ModalitiesInStudy": values.get("0008,0061", ""),
            "Studies.InstitutionName": values.get("0008,0080", ""),
            "Studies.ReferringPhysician": values.get("0008,0090", ""),
            "Series.SeriesNumber": values.get("0020,0011", ""),
            "Series.Modality": values.get(_MODALITY, ""),
            "Series.SeriesDescription": values.get("0008,103E", ""),
            "Series.DisplayedSize": f"{columns}x{rows}" if rows and columns else "",
        }


class RadiotherapyRule(DisplayedFieldRule):
    """Description of RT plans, structure sets and images: their name, else label, else a placeholder."""

    name = "RadiotherapySeriesDescription"
    tags = (_MODALITY, "300A,0002", "300A,0003", "3006,0002", "3006,0004", "3002,0002", "3002,0003", "3002,0004")
    merges = {"Series.SeriesDescription": Merge.CONCATENATE}
    placeholders = tuple(placeholder for _, placeholder in _NAMES_BY_MODALITY.values())

    def fields(self, values: Mapping[str, str]) -> dict[str, str]:
        """See `DisplayedFieldRule.fields`."""
        known = _NAMES_BY_MODALITY.get(values.get(_MODALITY, ""))
        if known is None:
            return {}
        tags, placeholder = known
        name = next((values[tag] for tag in tags if values.get(tag)), placeholder)
        return {"Series.SeriesDescription": name}


RULES.register(DefaultRule())
RULES.register(RadiotherapyRule())
