"""The modality worklist from real servers (wlmscpfs, Orthanc's plugin) and from peers that answer oddly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from Testing.support.orthanc import Orthanc
from Testing.support.worklists import Entry, WlmScpFs, write_entries
from VisualDICOMBrowserLib.errors import AssociationError, JobCancelled, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import WorklistItem, WorklistQuery
from VisualDICOMBrowserLib.servers.dimse import links
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.worklist import WORKLIST_FIND, worklist_identifier, worklist_item
from VisualDICOMBrowserLib.servers.upper_layer.elements import Element, encode_elements, parse_elements
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import accept_pdu, accepted_contexts, parse_request
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

ENTRIES = (
    Entry(number=1),
    Entry(number=2, name="Müller^Jörg", patient="P-2", accession="ACC2", date="20260106"),
    Entry(number=3, modality="MR", station="MR1", patient="P-3", accession="ACC3", date="20260107"),
)
PLUGIN = "/usr/share/orthanc/plugins/libModalityWorklists.so"
Server = WlmScpFs | Orthanc
STEPS = 0x00400100


@pytest.fixture(scope="module")
def wlmscpfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WlmScpFs]:
    """DCMTK's worklist server with three entries."""
    server = WlmScpFs(tmp_path_factory.mktemp("wlmscpfs"), *ENTRIES)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def worklist_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc with its worklist plugin and the same entries."""
    folder = tmp_path_factory.mktemp("worklist-orthanc")
    write_entries(folder / "wl", *ENTRIES)
    server = Orthanc(
        folder,
        no_delay=True,
        options={
            "DicomAlwaysAllowFindWorklist": True,
            "Plugins": [PLUGIN],
            "Worklists": {"Enable": True, "Database": str(folder / "wl"), "FilterIssuerAet": False, "LimitAnswers": 0},
        },
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["wlmscpfs", "worklist_orthanc"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of both."""
    found: Server = request.getfixturevalue(request.param)
    return found


def steps_of(server: Server, query: WorklistQuery, own_loop: bool = True, **changes: Any) -> list[str]:
    driver = DimseDriver(server.config(**changes), Settings(), own_loop=own_loop)
    return sorted(item.ScheduledProcedureStepID for item in driver.worklist(query, ControlOfTest()))


both_paths = pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])


@both_paths
def test_entries_come_with_all_fields(server: Server, own_loop: bool) -> None:
    """Case 51 for the worklist: nested attributes, Latin-1 declared by the server."""
    driver = DimseDriver(server.config(), Settings(), own_loop=own_loop)
    (item,) = driver.worklist(WorklistQuery(PatientID="P-2"), ControlOfTest())
    assert item == WorklistItem(
        PatientID="P-2",
        PatientName="Müller^Jörg",
        PatientBirthDate="19700102",
        PatientSex="F",
        AccessionNumber="ACC2",
        StudyInstanceUID="1.2.826.0.1.3680043.9.1.2",
        RequestedProcedureID="RP2",
        RequestedProcedureDescription="Chest CT",
        ReferringPhysicianName="Ref^Doctor",
        Modality="CT",
        ScheduledStationAETitle="CT1",
        ScheduledProcedureStepStartDate="20260106",
        ScheduledProcedureStepStartTime="0800",
        ScheduledPerformingPhysicianName="Perf^Doctor",
        ScheduledProcedureStepDescription="Step 2",
        ScheduledProcedureStepID="SPS2",
        server=server.config().name,
    )


@both_paths
@pytest.mark.parametrize(
    ("query", "found"),
    [
        (WorklistQuery(), ["SPS1", "SPS2", "SPS3"]),
        (WorklistQuery(Modality="MR"), ["SPS3"]),
        (WorklistQuery(ScheduledStationAETitle="CT1"), ["SPS1", "SPS2"]),
        (WorklistQuery(date_from="20260106", date_to="20260107"), ["SPS2", "SPS3"]),
        (WorklistQuery(date_from="20260105", date_to="20260105"), ["SPS1"]),
        (WorklistQuery(PatientName="Doe", Modality="CT"), ["SPS1"]),
        (WorklistQuery(AccessionNumber="ACC3"), ["SPS3"]),
        (WorklistQuery(PatientID="nobody"), []),
    ],
)
def test_filters(server: Server, query: WorklistQuery, found: list[str], own_loop: bool) -> None:
    """By station, modality, date range, patient and accession number; none is no error."""
    assert steps_of(server, query, own_loop) == found


def test_the_settings_fill_in_station_and_modality(wlmscpfs: WlmScpFs) -> None:
    """The worklist's own AE title is called; what the query says goes first."""
    changes = {"called_ae_title": "ARCHIVE", "worklist_ae_title": "WLMAE", "scheduled_ae_title": "MR1"}
    assert steps_of(wlmscpfs, WorklistQuery(), **changes) == ["SPS3"]
    assert steps_of(wlmscpfs, WorklistQuery(ScheduledStationAETitle="CT1"), **changes) == ["SPS1", "SPS2"]
    assert steps_of(wlmscpfs, WorklistQuery(), worklist_modality="MR") == ["SPS3"]


def test_a_wrong_worklist_ae_title_is_named(wlmscpfs: WlmScpFs) -> None:
    """The sentence has the title that was called."""
    with pytest.raises(AssociationError) as raised:
        steps_of(wlmscpfs, WorklistQuery(), worklist_ae_title="WRONG")
    assert raised.value.code in ("called_ae", "association_rejected")


def test_a_limit_is_said(wlmscpfs: WlmScpFs) -> None:
    """Only so many are taken."""
    control = ControlOfTest()
    assert len(DimseDriver(wlmscpfs.config(), Settings()).worklist(WorklistQuery(limit=2), control)) == 2
    assert control.messages == ["Only the first 2 entries of the worklist of RIS were asked for."]


def test_an_archive_without_worklist(orthanc: Orthanc) -> None:
    """No presentation context for the worklist."""
    with pytest.raises(VisualDICOMError) as raised:
        steps_of(orthanc, WorklistQuery())
    assert isinstance(raised.value, PeerError)
    assert raised.value.server == "Orthanc"


def answer(status: int, comment: str = "") -> Command:
    return Command(
        field=CommandField.C_FIND_RSP, responded_to=1, sop_class=WORKLIST_FIND, status=status, comment=comment
    )


def entry(patient: bytes, step: list[Element]) -> bytes:
    return encode_elements([(0x00100020, "LO", patient), (STEPS, "SQ", step)], implicit=False)


def ask(script: Any, query: WorklistQuery, control: ControlOfTest, own_loop: bool = True) -> tuple[WorklistItem, ...]:
    with FaultyPeer(script) as peer:
        return DimseDriver(peer.config(), Settings(), own_loop=own_loop).worklist(query, control)


@both_paths
@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001])
def test_a_refused_worklist(status: int, own_loop: bool) -> None:
    """Case 51: 0xA700, 0xA900, 0xC000."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_message()
        peer.send(context, answer(status))
        peer.finish()

    with pytest.raises(PeerError, match="PACS could not give its worklist: ") as raised:
        ask(script, WorklistQuery(), ControlOfTest(), own_loop)
    assert raised.value.code == ("busy" if status == 0xA700 else "peer_status")


def test_filters_that_the_server_ignores_are_applied_here() -> None:
    """Case 51: answers that were not asked for, and a list that is cut (B001)."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_message()
        for modality, day in ((b"CT", b"20260105"), (b"MR", b"20260105"), (b"CT", b"20200101"), (b"", b"")):
            step: list[Element] = [(0x00080060, "CS", modality), (0x00400002, "DA", day)]
            peer.send(context, answer(0xFF00), entry(b"P", step))
        peer.send(context, answer(0xB001))
        peer.finish()

    control = ControlOfTest()
    items = ask(script, WorklistQuery(Modality="CT", date_from="20260101"), control)
    assert [(item.Modality, item.ScheduledProcedureStepStartDate) for item in items] == [("CT", "20260105"), ("", "")]
    assert control.messages == ["PACS gave only the first entries of its worklist, more exist."]


def test_cancel_of_a_worklist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 57: cancelled while the answers come; a peer that is deaf to it is aborted."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.3)
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_message()
        peer.send(context, answer(0xFF00), entry(b"P", []))
        control.cancel()
        peer.wait_for_end()

    with pytest.raises(JobCancelled):
        ask(script, WorklistQuery(), control)


@pytest.mark.parametrize("implicit", [True, False])
def test_the_identifier_holds_one_item(implicit: bool) -> None:
    """The step's keys stand in the sequence, in either syntax; pydicom reads it so."""
    from io import BytesIO

    from pydicom.filereader import read_dataset

    query = WorklistQuery(Modality="CT", PatientName="Jörg", date_from="20260101")
    data = encode_elements(worklist_identifier(query), implicit=implicit)
    found = read_dataset(BytesIO(data), is_implicit_VR=implicit, is_little_endian=True)
    (step,) = found.ScheduledProcedureStepSequence
    assert (step.Modality, step.ScheduledProcedureStepStartDate) == ("CT", "20260101-")
    assert (found.SpecificCharacterSet, "Modality" in found) == ("ISO_IR 100", False)
    assert str(found.PatientName) == "*Jörg*"


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("implicit", [True, False])
def test_answers_of_any_encoding_are_read(implicit: bool, undefined: bool) -> None:
    """Sequences of defined and undefined length, and another sequence beside and inside it."""
    from io import BytesIO

    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    step, code, match = Dataset(), Dataset(), Dataset()
    code.CodeValue = "C"
    step.Modality, step.ScheduledProcedureStepID, step.ScheduledProtocolCodeSequence = "CT", "S", [code]
    match.PatientID, match.ScheduledProcedureStepSequence, match.RequestedProcedureCodeSequence = "P", [step], [code]
    match["ScheduledProcedureStepSequence"].is_undefined_length = undefined
    step.is_undefined_length_sequence_item = undefined
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, match)
    assert isinstance(buffer.parent, BytesIO)
    item = worklist_item(parse_elements(buffer.parent.getvalue(), implicit=implicit, within=STEPS), "RIS")
    assert (item.PatientID, item.Modality, item.ScheduledProcedureStepID) == ("P", "CT", "S")


def test_only_implicit_little_endian_is_accepted() -> None:
    """The item is encoded in the syntax that was agreed on."""
    seen = []

    def script(peer: PeerSide) -> None:
        _, body = peer.read_pdu()
        request = parse_request(body)
        accepted = accepted_contexts(
            request, lambda abstract, syntaxes, _: syntaxes[syntaxes.index("1.2.840.10008.1.2")]
        )
        peer.socket.sendall(accept_pdu(request, accepted, 16384))
        context, _, data = peer.read_message()
        seen.append(parse_elements(data, implicit=True, within=STEPS)[0x00080060])
        peer.send(context, answer(0))
        peer.finish()

    assert ask(script, WorklistQuery(Modality="CT"), ControlOfTest()) == ()
    assert seen == [b"CT"]
