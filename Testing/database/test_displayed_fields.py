"""Displayed fields: the built-in rules, merging, rules of one's own, and rows that other programs left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from scanned_files import CTK_IMAGE, CTK_PATIENT, CTK_SERIES, CTK_STUDY, other_program, query, scanned

from VisualDICOMBrowserLib.database.displayed_fields import DisplayedFieldRule, Merge, RuleRegistry, merged
from VisualDICOMBrowserLib.database.displayed_rules import DefaultRule, RadiotherapyRule
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.values import readable_name
from VisualDICOMBrowserLib.errors import JobCancelled, UsageError
from VisualDICOMBrowserLib.model import NullControl


class ProtocolRule(DisplayedFieldRule):
    """A rule as a user writes it."""

    name = "Protocol"
    tags = ("0018,1030",)
    merges = {"Studies.StudyDescription": Merge.CONCATENATE, "Series.BodyPartExamined": Merge.SAME_VALUE}

    def fields(self, values: Mapping[str, str]) -> dict[str, str]:
        protocol = values.get("0018,1030", "")
        return {"Studies.StudyDescription": protocol, "Series.BodyPartExamined": protocol.upper()}


def series_fields(folder: Path, columns: str) -> list[tuple[object, ...]]:
    return query(folder, f"SELECT {columns} FROM Series ORDER BY SeriesInstanceUID")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Doe^John^Q^Dr.^Jr.", "Doe, John Q, Jr. (Dr.)"),
        ("Doe", "Doe"),
        ("Doe^", "Doe"),
        ("^John", "John"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("=山田^太郎", "山田, 太郎"),
        ("", ""),
        ("^^^", ""),
        ("A^B^C^D^E^F", "A, B C, E (D)"),
    ],
)
def test_readable_names(name: str, shown: str) -> None:
    assert readable_name(name) == shown


@pytest.mark.parametrize(
    ("how", "present", "new", "result"),
    [
        (Merge.SAME_VALUE, "", "b", "b"),
        (Merge.SAME_VALUE, "a", "b", "a"),
        (Merge.SAME_VALUE, "a", "", "a"),
        (Merge.CONCATENATE, "a", "b", "a, b"),
        (Merge.CONCATENATE, "a, b", "b", "a, b"),
        (Merge.CONCATENATE, "none", "b", "b"),
        (Merge.CONCATENATE, "a", "none", "a"),
        (Merge.CONCATENATE, "x" * 250, "y" * 10, "x" * 250),
    ],
)
def test_merging(how: Merge, present: str, new: str, result: str) -> None:
    assert merged(how, present, new, ["none"]) == result


def test_a_later_import_adds_to_joined_descriptions(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1, StudyDescription="Head"), scanned(2, StudyDescription="Neck")])
    database.writer.add_files([scanned(3, StudyDescription="Chest", SeriesNumber="4", Rows="2", Columns="3")])
    assert query(database.folder, "SELECT StudyDescription FROM Studies") == [("Head, Neck, Chest",)]
    assert series_fields(database.folder, "SeriesNumber, DisplayedSize, DisplayedCount") == [(4, "3x2", 3)]


def test_descriptions_of_radiotherapy(database: LocalDatabase) -> None:
    database.writer.add_files(
        [
            scanned(1, SeriesInstanceUID="1", Modality="RTPLAN"),
            scanned(2, SeriesInstanceUID="2", Modality="RTSTRUCT", StructureSetLabel="Organs", SeriesDescription="Set"),
            scanned(3, SeriesInstanceUID="3", Modality="RTIMAGE", SeriesDescription="Portal"),
            scanned(4, SeriesInstanceUID="4", Modality="CT", StructureSetLabel="Organs"),
        ]
    )
    assert series_fields(database.folder, "SeriesDescription") == [
        ("Unnamed RT Plan",),
        ("Set, Organs",),
        ("Portal",),
        ("",),
    ]
    database.writer.add_files([scanned(5, SeriesInstanceUID="1", Modality="RTPLAN", RTPlanLabel="Boost")])
    assert series_fields(database.folder, "SeriesDescription")[0] == ("Boost",)


def test_rule_of_ones_own_adds_tags_and_values(tmp_path: Path) -> None:
    registry = RuleRegistry([DefaultRule(), RadiotherapyRule(), ProtocolRule()])
    database = LocalDatabase.open(tmp_path / "db", registry=registry)
    assert "0018,1030" in database.tags_to_precache
    database.writer.add_files([scanned(1, StudyDescription="Head", ProtocolName="spiral")])
    assert query(database.folder, "SELECT StudyDescription FROM Studies") == [("Head, spiral",)]
    assert series_fields(database.folder, "BodyPartExamined") == [("SPIRAL",)]
    database.close()


def test_rule_that_fails_does_not_end_an_import(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(ProtocolRule):
        name = "Faulty"

        def fields(self, values: Mapping[str, str]) -> dict[str, str]:
            return {"Studies.StudyDescription": values["0099,0099"]}

    database = LocalDatabase.open(tmp_path / "db", registry=RuleRegistry([Faulty(), DefaultRule()]))
    outcomes = database.writer.add_files([scanned(1, StudyDescription="Head"), scanned(2, Modality="CT")])
    assert [outcome.status for outcome in outcomes] == ["imported", "imported"]
    assert query(database.folder, "SELECT StudyDescription FROM Studies") == [("Head",)]
    assert [record.message for record in caplog.records] == ["The displayed-field rule Faulty failed"]
    database.close()


def test_rules_are_switched_off_in_the_table_of_ctk(database: LocalDatabase) -> None:
    with other_program(database.folder) as connection:
        for rule in ("Default", "SeriesImageCount"):
            connection.execute("INSERT INTO DisplayedFieldGeneratorRules (Name, Enabled) VALUES (?, 0)", (rule,))
    database.writer.add_files([scanned(1, StudyDescription="A"), scanned(2, StudyDescription="B")])
    assert query(database.folder, "SELECT StudyDescription FROM Studies") == [("A",)]
    assert series_fields(database.folder, "DisplayedCount") == [(None,)]
    assert database.reader.series()[0].NumberOfSeriesRelatedInstances == 2


@pytest.mark.parametrize(
    "attributes",
    [
        {"name": ""},
        {"name": "x", "tags": ("0008,103e",)},
        {"name": "x", "merges": {"Series.Nonsense": Merge.SAME_VALUE}},
        {"name": "x", "merges": {"Patients.PatientID": Merge.SAME_VALUE}},
        {"name": "x", "merges": {"Patients.Connections": Merge.SAME_VALUE}},
    ],
)
def test_unusable_rules_are_refused(attributes: dict[str, object]) -> None:
    rule = type("Rule", (DisplayedFieldRule,), attributes)()
    with pytest.raises(UsageError, match="not usable"):
        RuleRegistry().register(rule)


def test_last_study_date_understands_every_form(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1, StudyDate="20200101")])
    with other_program(database.folder) as connection:
        connection.execute(CTK_STUDY, ("1.2.7", 1, 20210203))
    database.writer.add_files([scanned(2, StudyInstanceUID="1.2.8", SeriesInstanceUID="8", StudyDate="20190101")])
    assert query(database.folder, "SELECT DisplayedLastStudyDate, DisplayedNumberOfStudies FROM Patients") == [
        ("2021-02-03", 3)
    ]


def add_rows_of_ctk(folder: Path, count: int) -> None:
    """Local rows as CTK's indexer leaves them before its displayed fields are computed."""
    with other_program(folder) as connection:
        key = connection.execute(CTK_PATIENT, ("Roe^Jane", "R1", None, None)).lastrowid
        connection.execute(CTK_STUDY, ("4.1", key, "2024-01-19"))
        connection.execute(CTK_SERIES, ("4.1.1", "4.1", "MR"))
        for number in range(count):
            connection.execute(CTK_IMAGE, (f"4.1.1.{number}", f"/gone/{number}.dcm", "", "4.1.1"))


def test_fields_that_another_program_left_are_computed(database: LocalDatabase) -> None:
    add_rows_of_ctk(database.folder, 30)
    rows = [("4.1.1.0", "0008,0060", "MR"), ("4.1.1.0", "0008,103E", "T1"), ("4.1.1.1", "0008,103E", "T2")]
    database.writer.add_cached_tags([*rows, ("4.1.1.1", "0008,0060", "MR")])
    assert database.writer.update_displayed_fields() == 30
    assert database.writer.update_displayed_fields() == 0
    assert series_fields(database.folder, "SeriesDescription, DisplayedCount") == [("T1, T2", 30)]
    rows = query(database.folder, "SELECT DisplayedPatientsName, DisplayedNumberOfStudies, Connections FROM Patients")
    assert rows == [("Roe, Jane", 1, None)]
    assert query(database.folder, "SELECT DISTINCT InsertTimestamp FROM Images") == [("T",)]


def test_computing_fields_can_be_cancelled(database: LocalDatabase) -> None:
    class Cancelled(NullControl):
        def raise_if_cancelled(self) -> None:
            message = "Given up."
            raise JobCancelled(message)

    add_rows_of_ctk(database.folder, 3)
    with pytest.raises(JobCancelled):
        database.writer.update_displayed_fields(Cancelled())


def test_fields_are_read_from_the_file_where_nothing_is_cached(database: LocalDatabase, test_data: Path) -> None:
    file = sorted((test_data / "mr-head").glob("*.IMA"))[0]
    with other_program(database.folder) as connection:
        key = connection.execute(CTK_PATIENT, ("A^B", "R1", None, None)).lastrowid
        connection.execute(CTK_STUDY, ("4.1", key, None))
        connection.execute(CTK_SERIES, ("4.1.1", "4.1", "MR"))
        connection.execute(CTK_IMAGE, ("4.1.1.1", str(file), "", "4.1.1"))
    assert database.writer.update_displayed_fields() == 1
    assert series_fields(database.folder, "DisplayedSize <> ''") == [(1,)]
