"""QIDO-RS against a scriptable server: paging, what a query asks for, and answers of every oddness."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Testing.support.file_sink import ControlOfTest
from Testing.support.web_drivers import web_config, web_driver
from Testing.support.web_server import Answer, Request, WebServer, json_answer, study_json
from VisualDICOMBrowserLib.errors import JobCancelled, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import AnyRecord, FindResult, Level, PatientRecord, Query, SeriesRecord, StudyRecord
from VisualDICOMBrowserLib.servers.web.json import JsonArray, JsonFault
from VisualDICOMBrowserLib.servers.web.urls import WebUrls, query_string

STUDIES = [study_json(f"1.2.{n}") for n in range(1, 1211)]


class Pages:
    """A server with many studies that obeys, or ignores, limit and offset."""

    def __init__(self, *, limit: bool = True, offset: bool = True, most: int = 0, warn: bool = False) -> None:
        self._limit, self._offset, self._most, self._warn = limit, offset, most, warn

    def __call__(self, request: Request) -> Answer:
        query = request.query
        start = int(query["offset"][0]) if self._offset and "offset" in query else 0
        count = int(query["limit"][0]) if self._limit and "limit" in query else len(STUDIES)
        count = min(count, self._most or count)
        page = STUDIES[start : start + count]
        left = len(STUDIES) - start - len(page)
        if self._warn and left:
            return json_answer(page, Warning=f'299 host "There are {left} additional results that can be requested"')
        return json_answer(page)


def search(url: str, query: Query | None = None, **changes: Any) -> FindResult:
    """Ask that server."""
    driver = web_driver(url, **changes)
    try:
        return driver.find(query or Query(), ControlOfTest())
    finally:
        driver.close()


def answer_to(answer: Answer, query: Query | None = None, **changes: Any) -> FindResult:
    """What a search makes of one answer."""
    with WebServer(lambda request: answer) as server:
        return search(server.url, query, **changes)


@pytest.mark.parametrize(
    ("pages", "requests"),
    [
        (Pages(), 3),
        (Pages(offset=False, limit=False), 1),
        (Pages(limit=False), 1),
        (Pages(most=100, warn=True), 13),
    ],
)
def test_all_pages_are_read_once(pages: Pages, requests: int) -> None:
    """Case 70: offset or limit ignored by the server; a page size of its own that it tells of."""
    with WebServer(pages) as server:
        found = search(server.url)
        assert len(server.requests) == requests
    assert len(found.records) == len(STUDIES) == len({record.StudyInstanceUID for record in studies(found)})
    assert (found.limit_reached, found.warnings) == (False, ())


def studies(found: FindResult) -> list[StudyRecord]:
    """The studies of an answer."""
    return [record for record in found.records if isinstance(record, StudyRecord)]


def test_an_ignored_offset_with_a_limit_ends() -> None:
    """Case 70: the same page again and again."""
    with WebServer(Pages(offset=False)) as server:
        found = search(server.url)
        assert len(server.requests) == 2
    assert len(found.records) == 500


def test_more_than_the_server_gives_is_told() -> None:
    """A server that says that there is more and never gives it."""
    with WebServer(Pages(offset=False, most=100, warn=True)) as server:
        found = search(server.url)
    assert (len(found.records), found.limit_reached) == (100, True)
    assert found.warnings == ("Web gave only its first matches, more exist.",)


def test_the_limit_of_a_query_and_of_the_settings() -> None:
    """No more is asked for than is wanted."""
    with WebServer(Pages()) as server:
        found = search(server.url, Query(limit=20))
        assert (len(found.records), found.limit_reached) == (20, True)
        assert server.requests[0].query["limit"] == ["21"]
        found = search(server.url, query_limit=7)
        assert (len(found.records), found.limit_reached) == (7, True)


def test_records_come_in_batches_and_cancel_ends_the_search() -> None:
    """Records are handed on while pages come."""
    control, batches = ControlOfTest(), list[int]()

    def on_records(records: list[AnyRecord]) -> None:
        batches.append(len(records))
        if sum(batches) >= 600:
            control.cancel()

    with WebServer(Pages()) as server:
        driver = web_driver(server.url)
        with pytest.raises(JobCancelled):
            driver.find(Query(), control, on_records)
        driver.close()
        assert len(server.requests) == 2


def test_what_a_query_asks_for() -> None:
    """Filters at their level, wild cards as they are, dates as ranges, further fields."""
    query = Query(
        PatientName="doe",
        PatientID="A*",
        StudyDescription="head",
        Modalities=("CT",),
        date_from="20200101",
        date_to="20201231",
    )
    with WebServer(lambda request: json_answer([])) as server:
        search(server.url + "/base", query, qido_prefix="/qido/")
        search(server.url, Query(PatientName="Doe^Jo"), fuzzy=True)
        search(server.url, Query(date_from="20200101"))
        first, second, *_ = server.requests
        third = server.requests[-1]
    assert first.path == "/base/qido/studies"
    assert "PatientName=*doe*&" in f"{first.target}&"
    assert first.query["PatientID"] == ["A*"]
    assert first.query["ModalitiesInStudy"] == ["CT"]
    assert first.query["StudyDate"] == ["20200101-20201231"]
    assert first.query["includefield"] == ["StudyDescription", "InstitutionName"]
    assert (second.query["PatientName"], second.query["fuzzymatching"]) == (["Doe^Jo"], ["true"])
    assert third.query["StudyDate"] == ["20200101-"]
    assert "dicom+json" in first.headers["accept"]


def test_what_must_be_encoded_is_asked_again_with_wild_cards() -> None:
    """Debian's Orthanc 1.10 compares percent encoding literally."""

    def handler(request: Request) -> Answer:
        return json_answer([study_json("1.2")] if "PatientName=*Doe?John*" in request.target else [])

    with WebServer(handler) as server:
        assert len(search(server.url, Query(PatientName="Doe^John")).records) == 1
        assert len(server.requests) == 2


def test_a_refused_part_of_a_query_is_left_out() -> None:
    """A server that cannot search by description is asked without, and the description is compared here."""
    wanted, other = study_json("1.2"), study_json("1.3")
    wanted["00081030"] = {"vr": "LO", "Value": ["Head and neck"]}
    other["00081030"] = {"vr": "LO", "Value": ["Thorax"]}

    def handler(request: Request) -> Answer:
        return Answer(400) if "StudyDescription=" in request.target else json_answer([wanted, other])

    control = ControlOfTest()
    with WebServer(handler) as server:
        driver = web_driver(server.url)
        found = driver.find(Query(StudyDescription="head"), control)
        driver.close()
    assert [record.StudyInstanceUID for record in studies(found)] == ["1.2"]
    assert control.messages == ["Web does not take all parts of the query; it is asked without them."]


def test_levels() -> None:
    """Patients from studies, series and instances below the studies that match."""
    patient = {"00100020": {"Value": ["P1"]}, "00100010": {"Value": [{"Alphabetic": "Doe^John"}]}}

    def handler(request: Request) -> Answer:
        if request.path.endswith("/series"):
            return json_answer([{"0020000E": {"Value": ["1.2.3"]}, "00200011": {"Value": ["4"]}}])
        if request.path.endswith("/instances"):
            return json_answer([{"00080018": {"Value": ["1.2.3.4"]}}])
        return json_answer([study_json("1.2", **patient), study_json("1.9", **patient)])

    with WebServer(handler) as server:
        patients = search(server.url, Query(level=Level.PATIENT, PatientName="doe"))
        series = search(server.url, Query(level=Level.SERIES, PatientID="P1"))
        instances = search(server.url, Query(level=Level.IMAGE, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3"))
        paths = [request.path for request in server.requests]
    assert patients.records == (PatientRecord(PatientID="P1", PatientName="Doe^John", server="Web"),)
    (record,) = series.records
    assert isinstance(record, SeriesRecord)
    assert (record.StudyInstanceUID, record.PatientID, record.SeriesNumber) == ("1.2", "P1", 4)
    assert instances.records[0].server == "Web"
    assert paths[-1] == "/studies/1.2/series/1.2.3/instances"


@pytest.mark.parametrize("answer", [Answer(204), json_answer([]), Answer(200, {}, [b" [ ] "]), Answer(200)])
def test_nothing_found(answer: Answer) -> None:
    """Case 68: 204 on empty, an empty list, an empty body."""
    assert answer_to(answer).records == ()


def test_404_below_studies_is_empty() -> None:
    """Servers say 404 of a study they do not have."""
    query = Query(level=Level.SERIES, StudyInstanceUID="1.2")
    assert answer_to(Answer(404), query).records == ()


@pytest.mark.parametrize("content", [b'{"error": "no"}', b'"text"', b"42", b"not JSON", b"null"])
def test_no_list_is_a_sentence(content: bytes) -> None:
    """Case 68: JSON that is not an array."""
    with pytest.raises(PeerError, match="no JSON list, not DICOMweb") as fault:
        answer_to(Answer(200, {"Content-Type": "application/json"}, [content]))
    assert fault.value.code == "not_dicomweb"


def test_a_list_that_ends_too_early() -> None:
    """Case 68: cut JSON in an answer of the right length."""
    with pytest.raises(PeerError, match="ends too early"):
        answer_to(Answer(200, {}, [b'[{"0020000D": {"Value": ["1.2"]}}, {"0020']))


def test_huge_json_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 68: an answer without end stops at the limit, here a small one."""
    monkeypatch.setattr("VisualDICOMBrowserLib.servers.web.query.MOST_BYTES", 1 << 20)
    with pytest.raises(PeerError, match="an answer of more than 1 MB"):
        answer_to(Answer(200, {}, [b"[" + b" " * (3 << 20) + b"]"]))


def test_odd_values() -> None:
    """Case 68: missing Value, nulls, numbers as text, names of all kinds, dates with hyphens, objects without UID."""
    odd = {
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "00080020": {"vr": "DA"},
        "00080030": {"vr": "TM", "Value": [None]},
        "00080061": {"vr": "CS", "Value": ["CT", None, "MR"]},
        "00081030": {"vr": "LO", "Value": "one text"},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
        "00100030": {"vr": "DA", "Value": ["1970-01-01"]},
        "00100040": None,
        "00201206": {"vr": "IS", "Value": ["12"]},
        "00201208": {"vr": "IS", "Value": [345.0]},
        "00200010": {"vr": "SH", "Value": [7]},
        "00080090": {"vr": "PN", "Value": ["Plain^Name"]},
        "00080050": {"vr": "SH", "BulkDataURI": "http://elsewhere.example.org/secret"},
    }
    found = answer_to(json_answer([odd, {}, None, "text", {"0020000D": {}}, 5, {"0020000D": {"Value": [math.pi]}}]))
    first, second = studies(found)
    assert first == StudyRecord(
        StudyInstanceUID="1.2",
        PatientName="Yamada^Tarou=山田^太郎",
        PatientBirthDate="19700101",
        StudyID="7",
        StudyDescription="one text",
        ModalitiesInStudy=("CT", "MR"),
        ReferringPhysicianName="Plain^Name",
        NumberOfStudyRelatedSeries=12,
        NumberOfStudyRelatedInstances=345,
        server="Web",
    )
    assert second.StudyInstanceUID == str(math.pi)
    assert found.warnings == ("Web gave 5 answers without identifiers; they are left out.",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ATTRIBUTE = st.dictionaries(st.sampled_from(["Value", "vr"]), JSON)
TAGS = st.sampled_from(["0020000D", "00100010", "00100020", "00080061", "00201208", "00080020"])


@given(st.lists(JSON | st.dictionaries(TAGS, ATTRIBUTE | JSON), max_size=8), st.integers(1, 50), st.booleans())
def test_any_list_at_any_chunking(values: list[Any], size: int, ascii_only: bool) -> None:
    """Elements come out as they went in, and records can be made of whatever they are."""
    from VisualDICOMBrowserLib.servers.web.json import record_of

    data = json.dumps(values, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    array = JsonArray()
    found = [item for start in range(0, len(data), size) for item in array.feed(data[start : start + size])]
    found += array.feed(b"", last=True)
    if ascii_only:
        assert found == values
    for item in found:
        record_of(Level.STUDY, item, Query(), "Web")


def test_deep_json_is_refused() -> None:
    """Case 68: nesting beyond what Python reads is no crash."""
    array = JsonArray()
    with pytest.raises(JsonFault):
        list(array.feed(b"[" * 200_000, last=True))


@pytest.mark.parametrize(
    ("settings", "search_url", "retrieve_url", "store_url"),
    [
        (
            {"url": "http://host:8042/dicom-web/"},
            "http://host:8042/dicom-web/studies",
            "http://host:8042/dicom-web/studies/1.2/series/3.4/instances/5.6",
            "http://host:8042/dicom-web/studies",
        ),
        (
            {"url": "https://host/dcm4chee-arc/aets/DCM4CHEE/rs"},
            "https://host/dcm4chee-arc/aets/DCM4CHEE/rs/studies",
            "https://host/dcm4chee-arc/aets/DCM4CHEE/rs/studies/1.2/series/3.4/instances/5.6",
            "https://host/dcm4chee-arc/aets/DCM4CHEE/rs/studies",
        ),
        (
            {
                "url": "https://healthcare.googleapis.com/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb",
            },
            "https://healthcare.googleapis.com/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb/studies",
            "https://healthcare.googleapis.com/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb"
            "/studies/1.2/series/3.4/instances/5.6",
            "https://healthcare.googleapis.com/v1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb/studies",
        ),
        (
            {"url": "https://proxy.example.org/current/viewer-only/dicomWeb", "qido_prefix": "", "wado_prefix": "/"},
            "https://proxy.example.org/current/viewer-only/dicomWeb/studies",
            "https://proxy.example.org/current/viewer-only/dicomWeb/studies/1.2/series/3.4/instances/5.6",
            "https://proxy.example.org/current/viewer-only/dicomWeb/studies",
        ),
        (
            {"url": "https://host", "qido_prefix": "qido-rs", "wado_prefix": "/wado-rs/v1/", "stow_prefix": "stow-rs"},
            "https://host/qido-rs/studies",
            "https://host/wado-rs/v1/studies/1.2/series/3.4/instances/5.6",
            "https://host/stow-rs/studies",
        ),
    ],
)
def test_addresses_of_known_layouts(
    settings: dict[str, str], search_url: str, retrieve_url: str, store_url: str
) -> None:
    """Orthanc, dcm4chee, Google Healthcare, IDC, and services on paths of their own."""
    urls = WebUrls(web_config(settings.pop("url"), **settings))
    assert urls.search("studies") == search_url
    assert urls.retrieve("1.2", "3.4", "5.6") == retrieve_url
    assert urls.store() == store_url


def test_uids_of_a_server_cannot_lead_elsewhere() -> None:
    """A UID with slashes stays one part of the path; signs of a query are encoded."""
    urls = WebUrls(web_config("http://host/rs"))
    assert urls.retrieve("../../admin?x=1#y") == "http://host/rs/studies/..%2F..%2Fadmin%3Fx%3D1%23y"
    assert query_string([("PatientName", "a&b=c*?ü ^")]) == "?PatientName=a%26b%3Dc*?%C3%BC%20%5E"


def test_faults_of_later_pages_are_told() -> None:
    """A server that fails in the middle is no short answer."""

    def handler(request: Request) -> Answer:
        return Pages()(request) if request.query["offset"] == ["0"] else Answer(500)

    with WebServer(handler) as server, pytest.raises(VisualDICOMError) as fault:
        search(server.url)
    assert fault.value.code == "http_500"
