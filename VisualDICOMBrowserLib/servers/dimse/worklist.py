"""The modality worklist by C-FIND: query to identifier, answers to records (DICOM PS3.4 K.6.1).

One association per query. One thread per call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.model import JobControl, WorklistItem, WorklistQuery
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.identifiers import Attribute, date_range, encoded_text
from VisualDICOMBrowserLib.servers.dimse.links import Link, end_link, open_link
from VisualDICOMBrowserLib.servers.dimse.status import CANCELLED, Outcome, outcome_of
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.servers.dimse.text import SPECIFIC_CHARACTER_SET, QueryStyle, decode_text
from VisualDICOMBrowserLib.servers.faults import operation_failed
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller, ContextProposal
from VisualDICOMBrowserLib.servers.upper_layer.elements import Element

__all__ = ["WORKLIST_FIND", "find_worklist", "worklist_identifier", "worklist_item"]

WORKLIST_FIND = "1.2.840.10008.5.1.4.31"

_STEP_SEQUENCE = 0x00400100
_LIMIT_STATUS = 0xB001
_PLAIN = QueryStyle()

_REQUEST = {
    "AccessionNumber": Attribute(0x00080050, "SH"),
    "ReferringPhysicianName": Attribute(0x00080090, "PN"),
    "PatientName": Attribute(0x00100010, "PN"),
    "PatientID": Attribute(0x00100020, "LO"),
    "PatientBirthDate": Attribute(0x00100030, "DA"),
    "PatientSex": Attribute(0x00100040, "CS"),
    "StudyInstanceUID": Attribute(0x0020000D, "UI"),
    "RequestedProcedureDescription": Attribute(0x00321060, "LO"),
    "RequestedProcedureID": Attribute(0x00401001, "SH"),
}
_STEP = {
    "Modality": Attribute(0x00080060, "CS"),
    "ScheduledStationAETitle": Attribute(0x00400001, "AE"),
    "ScheduledProcedureStepStartDate": Attribute(0x00400002, "DA"),
    "ScheduledProcedureStepStartTime": Attribute(0x00400003, "TM"),
    "ScheduledPerformingPhysicianName": Attribute(0x00400006, "PN"),
    "ScheduledProcedureStepDescription": Attribute(0x00400007, "LO"),
    "ScheduledProcedureStepID": Attribute(0x00400009, "SH"),
}


def find_worklist(
    config: ServerConfig, caller: Caller, query: WorklistQuery, control: JobControl, *, own_loop: bool = True
) -> tuple[WorklistItem, ...]:
    """Scheduled procedure steps that match, in the server's order.

    The worklist's AE title, the station and the modality come from the server's settings where the query leaves
    them out; what a server ignores of the filters is applied here.

    Raises
    ------
    NetworkError, AssociationError, PeerError, JobCancelled
        The server offers no worklist, refused the query, or the user gave up.
    """
    control.raise_if_cancelled()
    config = replace(config, called_ae_title=config.worklist_ae_title or config.called_ae_title)
    query = replace(
        query,
        ScheduledStationAETitle=query.ScheduledStationAETitle or config.scheduled_ae_title,
        Modality=query.Modality or config.worklist_modality,
    )
    proposals = [ContextProposal(WORKLIST_FIND, UNCOMPRESSED)]
    link = open_link(config, caller, proposals, own_loop=own_loop, control=control)
    try:
        items = _gathered(config, link, query, control)
        control.raise_if_cancelled()
    except BaseException as error:
        end_link(link, error)
        raise
    link.release()
    return items


def worklist_identifier(query: WorklistQuery, style: QueryStyle = _PLAIN) -> list[Element]:
    """Elements of the C-FIND identifier; the step's attributes stand in its sequence (PS3.4 K.6.1.2.2)."""
    filters = {
        "PatientID": query.PatientID,
        "PatientName": style.pattern(query.PatientName),
        "AccessionNumber": query.AccessionNumber,
    }
    step_filters = {
        "Modality": query.Modality,
        "ScheduledStationAETitle": query.ScheduledStationAETitle,
        "ScheduledProcedureStepStartDate": date_range(query.date_from, query.date_to),
    }
    character_set = style.written_in([*filters.values(), *step_filters.values()])
    step = _elements(_STEP, step_filters, character_set)
    elements = [*_elements(_REQUEST, filters, character_set), (_STEP_SEQUENCE, "SQ", step)]
    if character_set:
        elements.append((SPECIFIC_CHARACTER_SET, "CS", character_set.encode("ascii")))
    return elements


def worklist_item(values: dict[int, bytes], server: str, style: QueryStyle = _PLAIN) -> WorklistItem:
    """Record of one answer."""
    character_set = style.answered_in(values.get(SPECIFIC_CHARACTER_SET, b""))
    fields = {
        keyword: decode_text(values.get(attribute.tag, b""), character_set)
        for keyword, attribute in {**_REQUEST, **_STEP}.items()
    }
    return WorklistItem(**fields, server=server)


def _gathered(config: ServerConfig, link: Link, query: WorklistQuery, control: JobControl) -> tuple[WorklistItem, ...]:
    items: list[WorklistItem] = []

    def enough() -> bool:
        return control.cancel_requested or bool(query.limit and len(items) > query.limit)

    style = QueryStyle.of(config)
    answers = link.find(WORKLIST_FIND, worklist_identifier(query, style), enough, within=_STEP_SEQUENCE)
    for status, comment, values in answers:
        if values is None:
            _judge(config, status, comment, cancelled=enough(), control=control)
        else:
            item = worklist_item(values, config.name, style)
            if _answers_filter(item, query):
                items.append(item)
    if query.limit and len(items) > query.limit:
        control.log(f"Only the first {query.limit} entries of the worklist of {config.name} were asked for.")
        return tuple(items[: query.limit])
    return tuple(items)


def _judge(config: ServerConfig, status: int, comment: str, *, cancelled: bool, control: JobControl) -> None:
    if status == CANCELLED and cancelled:
        return
    if status == _LIMIT_STATUS:
        control.log(f"{config.name} gave only the first entries of its worklist, more exist.")
        return
    failure: PeerError = operation_failed(config, "could not give its worklist", status, comment)
    outcome = outcome_of(status)
    if outcome is Outcome.WARNING:
        control.log(str(failure))
    elif outcome is not Outcome.SUCCESS:
        raise failure


def _elements(attributes: dict[str, Attribute], filters: dict[str, str], character_set: str) -> list[Element]:
    return list(_encoded(attributes, filters, character_set))


def _encoded(attributes: dict[str, Attribute], filters: dict[str, str], character_set: str) -> Iterator[Element]:
    for keyword, attribute in attributes.items():
        yield attribute.tag, attribute.vr, encoded_text(attribute, filters.get(keyword, ""), character_set)


def _answers_filter(item: WorklistItem, query: WorklistQuery) -> bool:
    """Whether an entry fits filters that servers may ignore; an attribute it does not have decides nothing."""
    day = item.ScheduledProcedureStepStartDate
    return (
        (not day or not query.date_from or day >= query.date_from)
        and (not day or not query.date_to or day <= query.date_to)
        and _same(query.Modality, item.Modality)
        and _same(query.ScheduledStationAETitle, item.ScheduledStationAETitle)
    )


def _same(wanted: str, found: str) -> bool:
    return not wanted or not found or "*" in wanted or "?" in wanted or wanted in found.split("\\")
