"""Names of groups, what servers told of a series, and texts to copy. Pure functions, standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.page.words import number_text, title_of
from VisualDICOMBrowserLib.widgets.wording import written_date

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.widgets.metadata.tree import Row

__all__ = ["group_of", "json_of", "row_text", "series_choice", "text_of", "told_nodes", "uid_name"]

_TITLES = {
    0x0002: "File",
    0x0008: "Identification",
    0x0010: "Patient",
    0x0012: "Clinical trial",
    0x0018: "Acquisition",
    0x0020: "Place in the study",
    0x0022: "Ophthalmology",
    0x0028: "Image",
    0x0032: "Request",
    0x0038: "Visit",
    0x0040: "Procedure",
    0x0048: "Specimen",
    0x0054: "Nuclear medicine",
    0x0070: "Presentation",
    0x0088: "Storage",
    0x2050: "Presentation",
    0x5400: "Waveform",
    0x7FE0: "Pixel data",
}
_STANDARD = "1.2.840.10008."
_OTHER, _SEQUENCES, _PRIVATE = 0x1_0000, 0x1_0001, 0x1_0002


def group_of(tag: str, vr: str, key: str) -> tuple[tuple[int, str], str]:
    """Order and title of the group that an element is listed in; `key` is as in ``tree``."""
    number = int(tag[:4], 16)
    if "|" in key:
        creator = key.split("|", 1)[1]
        return (_PRIVATE, creator), _("Private ({creator})").format(creator=creator)
    if vr == "SQ":
        return (_SEQUENCES, ""), _("Sequences")
    if number in _TITLES:
        title = _TITLES[number]
        first = min(each for each, name in _TITLES.items() if name == title)
        return (first, ""), _(title)
    if 0x3000 <= number <= 0x300F:
        return (0x3000, ""), _("Radiotherapy")
    if number & 0xFF00 in (0x5000, 0x6000):
        return (number & 0xFF00, ""), _("Overlays and curves")
    return (_OTHER, ""), _("Other")


def series_choice(series: Any) -> str:
    """A series in a list to choose from."""
    parts = [number_text(series), title_of(series)]
    title = "  ".join(part for part in parts if part)
    date = written_date(str(series.SeriesDate or series.study.StudyDate or ""))
    text = _("{series}, {date}").format(series=title, date=date) if date else title
    return text if series.local else _("{series} (not here)").format(series=text)


def uid_name(uid: str) -> str:
    """Name of a UID of the standard, empty for others."""
    from pydicom.uid import UID

    if not uid.startswith(_STANDARD):
        return ""
    name = str(UID(uid).name)
    return "" if name == uid else name


def told_nodes(series: Any) -> list[dict[str, Any]]:
    """What servers told of a series that is not here, as the command ``metadata`` gives elements."""
    study, patient = series.study, series.study.patient
    counts = ", ".join(
        _("{server}: {count}").format(server=server, count=told["instances"])
        for server, told in series.sources.items()
        if told.get("instances") is not None
    )
    told = (
        ("0008,0020", "Study Date", "DA", study.StudyDate),
        ("0008,0021", "Series Date", "DA", series.SeriesDate),
        ("0008,0030", "Study Time", "TM", study.StudyTime),
        ("0008,0031", "Series Time", "TM", series.SeriesTime),
        ("0008,0050", "Accession Number", "SH", study.AccessionNumber),
        ("0008,0054", "Retrieve AE Title", "AE", "\\".join(series.sources)),
        ("0008,0060", "Modality", "CS", series.Modality),
        ("0008,0080", "Institution Name", "LO", study.InstitutionName),
        ("0008,0090", "Referring Physician's Name", "PN", study.ReferringPhysicianName),
        ("0008,1030", "Study Description", "LO", study.StudyDescription),
        ("0008,103E", "Series Description", "LO", series.SeriesDescription),
        ("0010,0010", "Patient's Name", "PN", patient.PatientName),
        ("0010,0020", "Patient ID", "LO", patient.PatientID),
        ("0010,0030", "Patient's Birth Date", "DA", patient.birth),
        ("0010,0040", "Patient's Sex", "CS", patient.sex),
        ("0018,0015", "Body Part Examined", "CS", series.BodyPartExamined),
        ("0020,000D", "Study Instance UID", "UI", series.StudyInstanceUID),
        ("0020,000E", "Series Instance UID", "UI", series.SeriesInstanceUID),
        ("0020,0010", "Study ID", "SH", study.StudyID),
        ("0020,0011", "Series Number", "IS", number_text(series)),
        ("0020,1209", "Number of Series Related Instances", "IS", counts),
    )
    fields = ("tag", "name", "vr", "value")
    return [{**dict(zip(fields, each, strict=True)), "private": "", "items": []} for each in told if each[3]]


def row_text(row: Row, comparing: bool, depth: int = 0) -> str:
    """A row as a line with tabs, as tables take it."""
    if row.kind == "group":
        return row.name
    cells = ["  " * depth + row.tag, row.name, row.vr, row.a or ""]
    return "\t".join([*cells, row.b or ""] if comparing else cells)


def text_of(rows: Iterable[Row], comparing: bool, depth: int = 0) -> str:
    """Rows and all below as lines."""
    lines = []
    for row in rows:
        lines.append(row_text(row, comparing, depth))
        if row.rows:
            lines.append(text_of(row.rows, comparing, depth if row.kind == "group" else depth + 1))
    return "\n".join(lines)


def json_of(rows: Iterable[Row], comparing: bool) -> str:
    """Elements as JSON: a list of objects with ``tag name vr value``, or ``a`` and ``b``, and ``items``."""
    elements = [element for group in rows for element in group.rows]
    return json.dumps([_plain(row, comparing) for row in elements], indent=1, ensure_ascii=False)


def _plain(row: Row, comparing: bool) -> dict[str, Any]:
    if row.kind == "item":
        return {"item": row.name, "items": [_plain(each, comparing) for each in row.rows]}
    plain: dict[str, Any] = {"tag": row.tag, "name": row.name, "vr": row.vr}
    plain.update({"a": row.a, "b": row.b} if comparing else {"value": row.a})
    if row.rows:
        plain["items"] = [_plain(each, comparing) for each in row.rows]
    return plain
