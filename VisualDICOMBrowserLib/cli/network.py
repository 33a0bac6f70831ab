"""The commands that ask and fetch: ``find``, ``retrieve``, ``worklist``."""

from __future__ import annotations

import argparse
from typing import Any

from VisualDICOMBrowserLib.cli.following import follow
from VisualDICOMBrowserLib.cli.local import COLUMNS, Handler
from VisualDICOMBrowserLib.cli.options import filters_of
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import Level

__all__ = ["HANDLERS", "sources_of", "transfer_speed"]

_ALL = "all"
_WORKLIST_COLUMNS = {
    "ScheduledProcedureStepStartDate": "Date",
    "ScheduledProcedureStepStartTime": "Time",
    "ScheduledStationAETitle": "Station",
    "Modality": "Modality",
    "PatientID": "Patient ID",
    "PatientName": "Name",
    "ScheduledProcedureStepDescription": "What",
    "AccessionNumber": "Accession",
}


def sources_of(arguments: argparse.Namespace) -> list[str]:
    """Servers that were named, once each; empty for all."""
    named = [name for name in [arguments.name, *arguments.servers] if name]
    return [] if _ALL in named else list(dict.fromkeys(named))


def find(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Ask servers and list what they have."""
    if not arguments.name and not arguments.servers:
        message = "Which server to ask was not said."
        raise UsageError(message, next_step="Name one, or give --server all.")
    level = Level(arguments.level.upper())
    sources = sources_of(arguments)
    if len(sources) == 1:
        return _find_one(session, sources[0], level, arguments, output)
    answer = session.search(level, servers=sources or None, **filters_of(arguments))
    rows = [{**record, "where": _where(record)} for record in answer["records"]]
    for name, state in answer["servers"].items():
        _tell_server(name, state, output)
    columns = {**COLUMNS[level], "where": "Where"}
    output.document(answer, table(rows, columns) or "Nothing was found.")
    states = [state["state"] for state in answer["servers"].values()]
    if all(state == "done" for state in states):
        return EXIT_DONE
    return EXIT_PARTLY if "done" in states else EXIT_FAILED


def _find_one(session: Session, server: str, level: Level, arguments: argparse.Namespace, output: Output) -> int:
    job_id = session.client.request("find", server=server, level=level.value, **filters_of(arguments))
    answer = session.wait(job_id)["result"]  # a question is not asked again by itself
    rows = session.client.request("find_results", job_id=job_id)
    _tell_server(server, answer, output)
    output.document(rows, table(rows, COLUMNS[level]) or f"{server} found nothing.")
    return EXIT_DONE


def _tell_server(name: str, state: dict[str, Any], output: Output) -> None:
    """What a person should know of one server's answer."""
    for warning in state.get("warnings") or ():
        output.message(warning)
    if state.get("limit_reached"):
        output.message(f"{name} has more than these; narrow the search or raise --limit.")
    error = state.get("error")
    if error:
        output.message(f"{error['message']} {error['next_step']}".strip())


def _where(record: dict[str, Any]) -> str:
    """Servers that have it, with their counts, and how much is here."""
    places = [f"here {record['local']}"] if record.get("local") else []
    for name, counts in record.get("sources", {}).items():
        number = counts.get("instances") or counts.get("series")
        places.append(f"{name} {number}" if number else name)
    return ", ".join(places)


def retrieve(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Fetch a study or series and say what came from where."""
    sources = sources_of(arguments)
    job_id = session.client.request(
        "retrieve",
        server=sources[0] if len(sources) == 1 else "",
        servers=sources if len(sources) > 1 else None,
        StudyInstanceUID=arguments.study,
        SeriesInstanceUID=arguments.series,
        force=arguments.force,
    )
    result = follow(session, job_id, output)["result"]
    lines = [
        f"{count(result['imported'], 'new image')}, {result['unchanged'] + result['present']} here already, "
        f"{result['failed_count']} missing; {transfer_speed(result)}."
    ]
    lines += [f"  {number} from {name}" for name, number in result.get("sources", {}).items()]
    lines += [f"  {item['SOPInstanceUID']}: {item['reason']}" for item in result["failed"]]
    output.document(result, "\n".join(lines))
    return EXIT_PARTLY if result["failed_count"] else EXIT_DONE


def transfer_speed(result: dict[str, Any]) -> str:
    """Amount, time and rate of a transfer in words."""
    megabytes = result["bytes"] / 1e6
    speed = megabytes / result["seconds"] if result["seconds"] else 0.0
    return f"{megabytes:.1f} MB in {result['seconds']:.1f} s ({speed:.0f} MB/s)"


def worklist(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List scheduled procedure steps."""
    names = ("ScheduledStationAETitle", "Modality", "date_from", "date_to", "PatientID", "PatientName")
    fields = {name: value for name in (*names, "AccessionNumber", "limit") if (value := getattr(arguments, name))}
    job = session.wait(session.client.request("worklist", server=arguments.server, **fields))
    rows = job["result"]["items"]
    output.document(rows, table(rows, _WORKLIST_COLUMNS) or f"{arguments.server} has nothing planned.")
    return EXIT_DONE


HANDLERS: dict[str, Handler] = {"find": find, "retrieve": retrieve, "worklist": worklist}
