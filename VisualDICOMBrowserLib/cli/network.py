"""The commands that concern servers: ``servers``, ``find``, ``retrieve``, ``serve``."""

from __future__ import annotations

import argparse
import signal
import threading

from VisualDICOMBrowserLib.cli.local import COLUMNS, Handler
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.cli.parser import filters_of
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import Level

__all__ = ["HANDLERS"]

_LOOK_S = 0.5

_SERVER_OPTIONS = {
    "protocol": "protocol",
    "host": "host",
    "port": "port",
    "aet": "called_ae_title",
    "calling_aet": "calling_ae_title",
    "timeout": "timeout_s",
    "max_associations": "max_associations",
    "new_name": "new_name",
}


def servers(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List, add, edit, remove or test servers."""
    given = {
        field: value
        for option, field in _SERVER_OPTIONS.items()
        if (value := getattr(arguments, option, None)) is not None
    }
    if arguments.action == "list":
        rows = session.client.request("servers")
        columns = {"name": "Name", "protocol": "Protocol", "host": "Host", "port": "Port"}
        output.document(rows, table(rows, {**columns, "called_ae_title": "AE title"}) or "No servers.")
    elif arguments.action == "add":
        config = session.client.request("add_server", name=arguments.name, **given)
        output.document(config, f"{arguments.name} added.")
    elif arguments.action == "edit":
        config = session.client.request("edit_server", name=arguments.name, **given)
        output.document(config, f"{config['name']} changed.")
    elif arguments.action == "remove":
        session.client.request("remove_server", name=arguments.name)
        output.document({"removed": arguments.name}, f"{arguments.name} removed.")
    else:
        return _test(session, arguments.name, output)
    return EXIT_DONE


def _test(session: Session, name: str, output: Output) -> int:
    job_id = session.client.request("test_server", name=name)
    try:
        seconds = session.wait(job_id)["result"]["seconds"]
    except VisualDICOMError as error:
        output.document({"server": name, "ok": False, "error": error.as_dict()}, str(error))
        return EXIT_FAILED
    text = f"{name} answers (C-ECHO, {seconds * 1000:.0f} ms)."
    output.document({"server": name, "ok": True, "seconds": seconds}, text)
    return EXIT_DONE


def find(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Ask a server and list its records."""
    level = Level(arguments.level.upper())
    job_id = session.client.request("find", server=arguments.server, level=level.value, **filters_of(arguments))
    answer = session.wait(job_id)["result"]
    rows = session.client.request("find_results", job_id=job_id)
    for warning in answer["warnings"]:
        output.message(warning)
    if answer["limit_reached"]:
        output.message(f"{arguments.server} has more than these; narrow the search or raise --limit.")
    output.document(rows, table(rows, COLUMNS[level]) or f"{arguments.server} found nothing.")
    return EXIT_DONE


def retrieve(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Fetch a study or series and say what came."""
    result = session.retrieve(arguments.server, arguments.study, arguments.series, on_progress=output.progress)
    megabytes = result["bytes"] / 1e6
    speed = megabytes / result["seconds"] if result["seconds"] else 0.0
    lines = [
        f"{count(result['imported'], 'new image')}, {result['unchanged'] + result['present']} here already, "
        f"{result['failed_count']} missing; {megabytes:.1f} MB in {result['seconds']:.1f} s ({speed:.0f} MB/s)."
    ]
    lines += [f"  {item['SOPInstanceUID']}: {item['reason']}" for item in result["failed"]]
    output.document(result, "\n".join(lines))
    return EXIT_PARTLY if result["failed_count"] else EXIT_DONE


def serve(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Offer the database until interrupted."""
    node = session.client.request("start_node", host=arguments.host, port=arguments.port, ae_title=arguments.aet)
    output.document(node, f"{node['ae_title']} listens on {node['host']}, port {node['port']}. Ctrl+C ends it.")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        while not ended.wait(_LOOK_S):  # a wait without end cannot be interrupted on Windows
            pass
    except KeyboardInterrupt:
        output.message("Ended.")
    finally:
        session.client.request("stop_node")
    return EXIT_DONE


HANDLERS: dict[str, Handler] = {
    "servers": servers,
    "find": find,
    "retrieve": retrieve,
    "serve": serve,
}
