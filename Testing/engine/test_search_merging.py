"""The same thing from several places is one record that knows where it is."""

from __future__ import annotations

from VisualDICOMBrowserLib.engine.merged import MergedRecords
from VisualDICOMBrowserLib.model import InstanceRecord, Level, PatientRecord, SeriesRecord, StudyRecord


def test_the_local_row_says_first_then_the_servers_in_their_order() -> None:
    merged = MergedRecords(Level.STUDY, ["A", "B"])
    merged.add("B", [StudyRecord(StudyInstanceUID="1", StudyDescription="B says", AccessionNumber="7", server="B")])
    merged.add("A", [StudyRecord(StudyInstanceUID="1", StudyDescription="A says", StudyID="S", server="A")])
    (row,) = merged.all()
    assert (row["StudyDescription"], row["AccessionNumber"], row["StudyID"]) == ("A says", "7", "S")
    merged.add_local(StudyRecord(StudyInstanceUID="1", StudyDescription="Here"), 3)
    (row,) = merged.all()
    assert (row["StudyDescription"], row["local"], row["level"]) == ("Here", 3, "STUDY")
    assert "server" not in row


def test_numbers_by_source_and_who_is_complete() -> None:
    merged = MergedRecords(Level.STUDY, ["A", "B", "C"])
    for server, instances, series in (("A", 10, 2), ("B", 25, 3), ("C", None, None)):
        record = StudyRecord(
            StudyInstanceUID="1",
            NumberOfStudyRelatedInstances=instances,
            NumberOfStudyRelatedSeries=series,
            ModalitiesInStudy=("CT",) if server == "A" else ("CT", "SR"),
        )
        merged.add(server, [record])
    merged.add_local(StudyRecord(StudyInstanceUID="1", NumberOfStudyRelatedInstances=25), 25)
    (row,) = merged.all()
    assert row["sources"] == {
        "A": {"instances": 10, "series": 2},
        "B": {"instances": 25, "series": 3},
        "C": {"instances": None, "series": None},
    }
    assert row["complete"] == ["", "B"]
    assert row["NumberOfStudyRelatedInstances"] == 25
    assert row["ModalitiesInStudy"] == ["CT", "SR"]


def test_patients_are_one_by_id_and_name_whatever_the_case_and_accents() -> None:
    merged = MergedRecords(Level.PATIENT, ["A", "B"])
    merged.add("A", [PatientRecord(PatientID="7", PatientName="Müller^Jo", PatientBirthDate="19700101")])
    merged.add("B", [PatientRecord(PatientID="7 ", PatientName="MULLER^JO^^", PatientBirthDate="19700102")])
    merged.add("B", [PatientRecord(PatientID="7", PatientName="Other^Name")])
    merged.add("B", [PatientRecord(PatientID="8", PatientName="Müller^Jo")])
    rows = merged.all()
    assert len(rows) == 3
    both = next(row for row in rows if len(row["sources"]) == 2)
    assert (both["PatientBirthDate"], both["OtherBirthDates"]) == ("19700101", ["19700102"])


def test_an_empty_name_is_the_patient_id() -> None:
    merged = MergedRecords(Level.PATIENT, ["A"])
    merged.add("A", [PatientRecord(PatientID="7", PatientName=" ^")])
    merged.add_local(PatientRecord(PatientID="7", PatientName="7", key=3), 5)
    (row,) = merged.all()
    assert (row["key"], row["local"]) == (3, 5)


def test_only_what_changed_is_told_again() -> None:
    merged = MergedRecords(Level.SERIES, ["A"])
    series = SeriesRecord(SeriesInstanceUID="1", NumberOfSeriesRelatedInstances=4)
    assert merged.add("A", [series]) == [("1",)]
    assert merged.add("A", [series]) == []
    assert merged.add("A", [SeriesRecord(SeriesInstanceUID="1", NumberOfSeriesRelatedInstances=5)]) == [("1",)]


def test_records_come_in_natural_order() -> None:
    studies = MergedRecords(Level.STUDY, ["A"])
    for uid, date in (("1", "20200101"), ("2", ""), ("3", "20240101")):
        studies.add("A", [StudyRecord(StudyInstanceUID=uid, StudyDate=date)])
    assert [row["StudyInstanceUID"] for row in studies.all()] == ["3", "1", "2"]
    series = MergedRecords(Level.SERIES, ["A"])
    for uid, number in (("1", 10), ("2", None), ("3", 2)):
        series.add("A", [SeriesRecord(SeriesInstanceUID=uid, SeriesNumber=number)])
    assert [row["SeriesInstanceUID"] for row in series.all()] == ["3", "1", "2"]
    patients = MergedRecords(Level.PATIENT, ["A"])
    for name in ("Zoe^A", "adam^b"):
        patients.add("A", [PatientRecord(PatientID=name, PatientName=name)])
    assert [row["PatientID"] for row in patients.all()] == ["adam^b", "Zoe^A"]
    images = MergedRecords(Level.IMAGE, ["A"])
    images.add("A", [InstanceRecord(SOPInstanceUID="1", InstanceNumber=2), InstanceRecord(SOPInstanceUID="2")])
    assert [row["complete"] for row in images.all()] == [["A"], ["A"]]
