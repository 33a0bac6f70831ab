"""One record for the same patient, study, series or instance on several servers and in the local database.

`MergedRecords` gathers what comes from everywhere and tells it as plain dicts. Pure bookkeeping, one thread at a
time. The same study, series and instance have the same UID; the same patient has the same PatientID and name, as CTK
has it, but case, accents and blanks of the name do not count, since servers differ in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from VisualDICOMBrowserLib.database.values import folded_name, natural_key, readable_name
from VisualDICOMBrowserLib.model import AnyRecord, Level, PatientRecord

__all__ = ["HERE", "Key", "MergedRecords", "identity_of"]

HERE = ""
"""Stands for the local database where servers are named, as in CTK's column Connections."""

_UID_OF_LEVEL = {
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}
_INSTANCES = {Level.STUDY: "NumberOfStudyRelatedInstances", Level.SERIES: "NumberOfSeriesRelatedInstances"}
_SIZE = {**_INSTANCES, Level.PATIENT: "NumberOfPatientRelatedStudies"}
_NOT_MERGED = frozenset(("server", "OtherBirthDates"))
_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
_LOCAL_ONLY = frozenset(("key", "path", "thumbnail"))

Plain = dict[str, Any]
Key = tuple[str, ...]
"""What makes a record the same thing as another."""


def identity_of(record: AnyRecord, level: Level) -> Key:
    """What makes two records the same thing."""
    if isinstance(record, PatientRecord):
        name = record.PatientName if record.PatientName.strip(" ^=") else record.PatientID
        return record.PatientID.strip(), " ".join(folded_name(name).split())
    return (str(getattr(record, _UID_OF_LEVEL[level])),)


class MergedRecords:
    """Records of one level.

    Parameters
    ----------
    level : Level
    order : sequence of str
        Servers, the first of which is believed first where the local row says nothing.
    """

    def __init__(self, level: Level, order: Sequence[str]) -> None:
        self.level = level
        self._order = [HERE, *order]
        self._found: dict[Key, dict[str, Plain]] = {}
        self._local: dict[Key, int] = {}

    def add(self, server: str, records: Iterable[AnyRecord]) -> list[Key]:
        """Take what `server` said, in place of what it said of the same before; identities of what changed."""
        changed: dict[Key, None] = {}
        for record in records:
            key, plain = identity_of(record, self.level), asdict(record)
            known = self._found.setdefault(key, {})
            if known.get(server) != plain:
                known[server] = plain
                changed[key] = None
        return list(changed)

    def add_local(self, record: AnyRecord, instances: int) -> Key:
        """Take a local record with its number of instances; returns its identity."""
        (key,) = self.add(HERE, [record]) or [identity_of(record, self.level)]
        self._local[key] = instances
        return key

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def plain(self, keys: Iterable[Key]) -> list[Plain]:
        """Merged records with these identities.

        Each has ``level``, the fields of its record, and ``sources`` (numbers of instances and series, for patients
        also of studies, by server), ``local`` (number of instances here) and ``complete`` (the servers, and ``""``
        for here, that hold the largest known number). A study has ``OtherPatients`` if servers name another patient
        than is believed: by server its ``PatientID``, ``PatientName``, ``PatientBirthDate`` and ``PatientSex``.
        """
        return [self._merged(key) for key in keys]

    def all(self) -> list[Plain]:
        """Every record, in natural order."""
        return sorted(self.plain(self._found), key=self._place)

    def _merged(self, key: Key) -> Plain:
        named = self._found[key]
        # The local row first, then servers in the user's order, then those that were removed meanwhile.
        found = {name: named[name] for name in (*self._order, *named) if name in named}
        rows = list(found.values())
        merged: Plain = {"level": self.level.value}
        for field in rows[0]:
            if field in _NOT_MERGED:
                continue
            believed = [found[HERE]] if field in _LOCAL_ONLY and HERE in found else rows
            values = [row[field] for row in believed if row[field] not in (None, "", ())]
            if values:
                merged[field] = _joined(field, values)
        if self.level is Level.PATIENT:
            _add_birth_dates(merged, rows)
        elif self.level is Level.STUDY:
            _add_other_patients(merged, found)
        local = self._local.get(key, 0)
        sources = {name: self._numbers(row) for name, row in found.items() if name != HERE}
        return {**merged, "sources": sources, "local": local, "complete": self._complete(found)}

    def _numbers(self, row: Plain) -> dict[str, int | None]:
        if self.level is Level.IMAGE:
            return {"instances": 1, "series": None}
        numbers = {
            "instances": row.get(_INSTANCES.get(self.level, "")),
            "series": row.get("NumberOfStudyRelatedSeries"),
        }
        if self.level is Level.PATIENT:
            numbers["studies"] = row.get("NumberOfPatientRelatedStudies")
        return numbers

    def _complete(self, found: Mapping[str, Plain]) -> list[str]:
        if self.level is Level.IMAGE:
            return list(found)
        sizes = {name: row.get(_SIZE[self.level]) or 0 for name, row in found.items()}
        most = max(sizes.values())
        return [name for name, size in sizes.items() if most and size == most]

    def _place(self, row: Plain) -> tuple[Any, ...]:
        """Sort key: patients by name, studies with the newest first, all else by number."""
        if self.level is Level.PATIENT:
            return natural_key(readable_name(row.get("PatientName", ""))), natural_key(row.get("PatientID", ""))
        if self.level is Level.STUDY:
            moment = row.get("StudyDate", "") + row.get("StudyTime", "")
            return not moment, [-ord(sign) for sign in moment], row.get("StudyInstanceUID", "")
        number = row.get("SeriesNumber" if self.level is Level.SERIES else "InstanceNumber")
        parent = row.get("StudyInstanceUID" if self.level is Level.SERIES else "SeriesInstanceUID", "")
        return parent, number is None, number or 0, natural_key(row[_UID_OF_LEVEL[self.level]])


def _joined(field: str, values: Sequence[Any]) -> Any:
    """One value of those that sources give, the most believed first: all modalities, the largest number."""
    if field.startswith("NumberOf") and field != "NumberOfFrames":
        return max(values)
    if isinstance(values[0], tuple):
        return sorted({item for value in values for item in value})
    return values[0]


def _add_birth_dates(merged: Plain, rows: Sequence[Plain]) -> None:
    """Birth dates that differ from the one that is shown; CTK hides all but the first."""
    dates = {row["PatientBirthDate"] for row in rows} | {date for row in rows for date in row["OtherBirthDates"]}
    others = sorted(dates - {"", merged.get("PatientBirthDate", "")})
    if others:
        merged["OtherBirthDates"] = others


def _add_other_patients(merged: Plain, found: Mapping[str, Plain]) -> None:
    """Patients to whom sources ascribe the study, where ID, name or birth date contradict what is shown."""
    others = {name: {field: row[field] for field in _PATIENT if row[field]} for name, row in found.items()}
    others = {name: told for name, told in others.items() if _contradicts(told, merged)}
    if others:
        merged["OtherPatients"] = others


def _contradicts(told: Plain, shown: Plain) -> bool:
    """Whether both name an ID, a name or a birth date, and not the same one."""
    return any(
        field in told and shown.get(field) and _compared(field, told[field]) != _compared(field, shown[field])
        for field in ("PatientID", "PatientName", "PatientBirthDate")
    )


def _compared(field: str, value: str) -> str:
    return " ".join(folded_name(value).split()) if field == "PatientName" else value.strip()
