"""What the catalogue makes of local rows and of answers, and what filters let through."""

from __future__ import annotations

import datetime

import pytest

from Testing.support.catalogue_rows import PATIENTS, fill, listed, rows_of, series_record, study_record
from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters, date_span
from VisualDICOMBrowserLib.widgets.patients.columns import age_text, where_words

TODAY = datetime.date(2026, 3, 31)


def names(entries: list[PatientEntry]) -> list[str]:
    return [entry.shown_name for entry in entries]


def one(catalogue: Catalogue, patient_id: str) -> PatientEntry:
    (entry,) = catalogue.patients_of(patient_id)
    return entry


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(PatientName="jane dem"), ["DEMO, Jane"]),
        (Filters(PatientName="νικος"), ["ΔΟΚΙΜΗ, Νίκος"]),
        (Filters(PatientName="dem*j?ne"), ["DEMO, Jane"]),
        (Filters(PatientName="j?ne"), ["DEMO, Jane"]),
        (Filters(PatientID="qa-"), ["PHANTOM, Head"]),
        (Filters(StudyDescription="KNEE"), ["TEST, Łukasz"]),
        (Filters(SeriesDescription="rtdose series"), ["FANTASMA, Pedro"]),
        (Filters(SeriesDescription="rt*series 3"), ["FANTASMA, Pedro"]),
        (Filters(Modalities=("US",)), ["SAMPLE, Priya", "النموذج, ليلى"]),
        (Filters(Modalities=("US",), SeriesDescription="series 2"), []),
        (Filters(date="range", date_from="20260725", date_to="20260728"), ["TEST, Łukasz", "見本, 花子"]),
        (Filters(date="range", date_to="20260710"), ["NOBODY, No Name"]),
        (Filters(BodyPartExamined="chest"), []),
        (Filters(PatientName="nobody", PatientID="x"), []),
    ],
)
def test_filters_let_through_what_fits(filters: Filters, found: list[str]):
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS)
    assert names(catalogue.filtered(filters)) == found
    assert Query(**catalogue_query(filters))  # servers are asked with known fields only


def catalogue_query(filters: Filters) -> dict[str, object]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in filters.as_query().items()}


@pytest.mark.parametrize(
    ("date", "span"),
    [
        ("", ("", "")),
        ("today", ("20260331", "20260331")),
        ("yesterday", ("20260330", "20260330")),
        ("last_7_days", ("20260324", "")),
        ("last_1_months", ("20260228", "")),
        ("last_12_months", ("20250331", "")),
        ("last_3_years", ("20230331", "")),
        ("last_99999_years", ("00010131", "")),
        ("nonsense", ("", "")),
    ],
)
def test_presets_of_dates(date: str, span: tuple[str, str]):
    assert date_span(Filters(date=date), TODAY) == span


def test_filters_name_what_restricts():
    filters = Filters(PatientName="  ", PatientID="7", Modalities=("CT",), date="range", date_from="20260101")
    assert filters.active() == ["PatientID", "Modalities", "date"]
    assert filters.without("date").without("Modalities") == Filters(PatientName="  ", PatientID="7")
    assert filters.as_query() == {"PatientID": "7", "Modalities": ["CT"], "date_from": "20260101"}


def test_partly_shown_study_is_counted():
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS)
    filters = Filters(Modalities=("MR",))
    assert catalogue.shown_of("1.1.0", filters) == (1, 3)
    assert [each.Modality for each in catalogue.series("1.1.0", filters)] == ["MR"]
    assert len(catalogue.series("1.1.0")) == 3


def test_patient_here_and_on_a_server_is_one_row():
    catalogue = listed()
    jane = one(catalogue, "DEMO-004217")
    assert (jane.local, jane.complete, jane.where, jane.servers) == (True, False, "both", ("Main PACS",))
    assert (jane.study_count, jane.series_count, jane.image_count) == (1, 5, 96)
    assert catalogue.totals() == {
        "patients": 11, "local": 10, "remote": 1, "studies": 11, "series": 22, "images": 426,
    }  # fmt: skip
    luca = one(catalogue, "DEMO-003377")
    assert where_words(luca) == ("cloud", "accent", "Main PACS")


def test_forgetting_servers_leaves_what_is_here():
    catalogue = listed()
    jane = one(catalogue, "DEMO-004217")
    catalogue.clear_remote()
    assert catalogue.patients_of("DEMO-003377") == []
    assert one(catalogue, "DEMO-004217") is jane
    assert (jane.where, jane.servers, jane.image_count) == ("local", (), 60)


def test_same_name_in_other_spelling_is_the_same_patient():
    catalogue = Catalogue()
    fill(catalogue, ("Müller^Änne", "7", "F", "", ("20200101", "a", "CT")))
    catalogue.add_remote("STUDY", [study_record("2.1", "MULLER^ANNE ", "7", PatientBirthDate="19700101")])
    (anne,) = catalogue.patients()
    assert (anne.shown_name, anne.birth, anne.study_count) == ("Müller, Änne", "19700101", 2)


@pytest.mark.parametrize(("name", "birth"), [("Other^Name", "19700101"), ("Doe^Jane", "19800101")])
def test_same_id_with_other_identity_is_not_merged_but_marked(name: str, birth: str):
    catalogue = Catalogue()
    fill(catalogue, ("Doe^Jane", "7", "F", "19700101", ("20200101", "a", "CT")))
    catalogue.add_remote("STUDY", [study_record("2.1", name, "7", PatientBirthDate=birth)])
    assert [entry.where for entry in catalogue.patients_of("7")] == ["check", "check"]
    catalogue.clear_remote()
    assert one(catalogue, "7").where == "local"


def test_removed_series_takes_empty_study_and_patient_along():
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS)
    catalogue.remove(["1.4.0.1"])
    assert catalogue.patients_of("DEMO-004102") == []
    assert catalogue.one_study("1.4.0") is None
    catalogue.remove(["1.1.0.1", "unknown"])
    assert one(catalogue, "DEMO-004217").series_count == 2


def test_removed_series_that_a_server_has_stays_as_remote():
    catalogue = Catalogue()
    fill(catalogue, PATIENTS[3])
    catalogue.add_remote("STUDY", [study_record("1.1.0", "TEST^Łukasz", "DEMO-004102", instances=20, series=1)])
    catalogue.add_remote("SERIES", [series_record("1.1.0.1", "1.1.0", instances=20)])
    catalogue.remove(["1.1.0.1"])
    entry = catalogue.one_series("1.1.0.1")
    assert entry is not None
    assert (entry.local, entry.expected, entry.study.patient.where) == (0, 20, "remote")
    catalogue.clear_remote()
    assert catalogue.patients() == []


def test_what_comes_unasked_is_new_until_it_is_seen():
    catalogue = Catalogue()
    fill(catalogue, PATIENTS[3])
    catalogue.add_remote("SERIES", [series_record("wanted", "1.1.0")])
    row = {"StudyInstanceUID": "1.1.0", "Modality": "MR"}
    catalogue.set_rows(
        "SERIES",
        **rows_of(
            Level.SERIES,
            {**row, "SeriesInstanceUID": "unasked", "instances": 3},
            {**row, "SeriesInstanceUID": "wanted", "instances": 15},
        ),
    )
    catalogue.set_rows("SERIES", **rows_of(Level.SERIES, {**row, "SeriesInstanceUID": "unasked", "instances": 5}))
    lukasz = one(catalogue, "DEMO-004102")
    assert lukasz.new == 1
    assert [each.new for each in catalogue.series("1.1.0", Filters(only="new"))] == [5]
    catalogue.seen(["unasked"])
    assert (one(catalogue, "DEMO-004102").new, catalogue.filtered(Filters(only="new"))) == (0, [])


def test_news_are_told_once():
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS[:2])
    assert catalogue.take_news() is None  # all are others than before
    assert catalogue.take_news() == []
    jane = one(catalogue, "DEMO-004217")
    catalogue.add_remote("SERIES", [series_record("1.1.0.9", "1.1.0", instances=7)])
    assert catalogue.take_news() == [jane]
    assert jane.image_count == 67
    assert catalogue.patient_counts() == (2, 2)
    assert catalogue.take_news() == []
    catalogue.add_remote("STUDY", [study_record("9.9", "Somebody^New", "N-1")])
    assert catalogue.take_news() is None
    assert catalogue.patient_counts() == (3, 2)
    catalogue.clear_remote()
    assert catalogue.take_news() is None
    assert catalogue.take_news() == []
    catalogue.add_remote("SERIES", [series_record("1.2.0.1", "1.2.0", instances=20)])
    catalogue.remove(["1.1.0", "1.2.0"])
    assert catalogue.patient_counts() == (1, 0)
    assert catalogue.totals()["local"] == 0
    catalogue.clear_remote()
    assert catalogue.patient_counts() == (0, 0)


def test_only_what_is_in_the_scene():
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS)
    catalogue.in_scene = lambda: {"1.3.0.2": "9 slices"}
    assert names(catalogue.filtered(Filters(only="scene"))) == ["SAMPLE, Priya"]


def test_best_removal_is_the_filter_that_hides_most():
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS)
    assert catalogue.best_removal(Filters(PatientID="demo", Modalities=("XX",))) == "Modalities"
    assert catalogue.best_removal(Filters(PatientID="none", PatientName="none")) == ""


def test_modalities_are_counted_by_series():
    catalogue = listed()
    counts = catalogue.modality_counts()
    assert (counts["CT"], counts["MR"], counts["RTDOSE"]) == (5, 5, 1)
    assert next(iter(counts)) in ("CT", "MR")


@pytest.mark.parametrize(
    ("birth", "text"),
    [("19680314", "58"), ("20260321", "10 d"), ("20251001", "5 mo"), ("", ""), ("20270101", ""), ("196", "")],
)
def test_age(birth: str, text: str):
    assert age_text(birth, TODAY) == text
