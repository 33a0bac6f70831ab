"""The commands that send, listen and watch: ``send``, ``listen``, ``watch``."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

from VisualDICOMBrowserLib.cli.following import follow
from VisualDICOMBrowserLib.cli.local import Handler
from VisualDICOMBrowserLib.cli.network import transfer_speed
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import JobCancelled, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import Level

__all__ = ["HANDLERS"]

_LOOK_S = 0.5
_MOST_LISTED = 20


def send(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Send, and say for each receiver what it confirmed."""
    level, uids = _what(session, arguments)
    receivers = [*arguments.to]
    address = _address(arguments)
    if address is not None:
        receivers.append(arguments.url or arguments.address)
    jobs = session.client.request("send", level=level.value, uids=uids, servers=arguments.to, address=address)
    results: list[dict[str, Any]] = []
    lines: list[str] = []
    for number, (receiver, job_id) in enumerate(zip(receivers, jobs, strict=True), 1):
        try:
            result = follow(session, job_id, output, jobs[number:])["result"]
        except VisualDICOMError as error:
            if isinstance(error, JobCancelled) and error.code == "interrupted":
                raise
            results.append({"receiver": receiver, "sent": 0, "error": error.as_dict()})
            lines.append(str(error))
            continue
        results.append({"receiver": receiver, **result})
        lines.append(
            f"{receiver}: {count(result['sent'], 'image')} sent and confirmed, {result['failed_count']} not; "
            f"{transfer_speed(result)}."
        )
        listed = [f"  {item['SOPInstanceUID']}: {item['reason']}" for item in result["failed"]]
        lines += listed[:_MOST_LISTED]
        if len(listed) > _MOST_LISTED:
            lines.append(f"  and {len(listed) - _MOST_LISTED} more; --json lists them.")
    output.document(results, "\n".join(lines))
    if not any(result["sent"] for result in results):
        return EXIT_FAILED
    return EXIT_PARTLY if any("error" in result or result["failed_count"] for result in results) else EXIT_DONE


def _what(session: Session, arguments: argparse.Namespace) -> tuple[Level, list[str]]:
    if not arguments.patient:
        choices = ((Level.STUDY, arguments.study), (Level.SERIES, arguments.series), (Level.IMAGE, arguments.instance))
        return next((level, uids) for level, uids in choices if uids)
    keys = [
        str(record.key)
        for wanted in arguments.patient
        for record in session.records(Level.PATIENT, PatientID=wanted)
        if record.PatientID == wanted
    ]
    if not keys:
        message = f"The database has no patient {', '.join(arguments.patient)}."
        raise UsageError(message, next_step="See what it has with the command list.")
    return Level.PATIENT, keys


def _address(arguments: argparse.Namespace) -> dict[str, Any] | None:
    if arguments.url:
        return {"url": arguments.url}
    if not arguments.address:
        return None
    title, at, place = arguments.address.partition("@")
    host, colon, port = place.rpartition(":")
    if not (at and colon and port.isdigit()):
        message = f"{arguments.address!r} is no address."
        raise UsageError(message, next_step="Give it as AET@HOST:PORT, such as PACS@192.0.2.5:11112.")
    return {"called_ae_title": title, "host": host.strip("[]"), "port": int(port)}


def listen(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Listen until interrupted."""
    node = session.client.request("start_node", host=arguments.host, port=arguments.port, ae_title=arguments.aet)
    output.document(node, f"{node['ae_title']} listens on {node['host']}, port {node['port']}. Ctrl+C ends it.")
    try:
        _until_interrupted(threading.Event(), output)
    finally:
        session.client.request("stop_node")
    return EXIT_DONE


def watch(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Fetch what is new of a study until the time is over or the command is interrupted."""
    ended = threading.Event()
    received = 0

    def hear(event: dict[str, Any]) -> None:
        nonlocal received
        if event.get("StudyInstanceUID") != arguments.study:
            return
        if event["event"] == "watch_news":
            received += event["imported"]
            output.message(f"{count(event['imported'], 'new image')}.")
        elif event["event"] == "watch_ended":
            ended.set()

    stop = session.subscribe(hear)
    try:
        session.client.request(
            "watch",
            StudyInstanceUID=arguments.study,
            server=arguments.server,
            minutes=arguments.minutes,
            interval_s=arguments.interval,
        )
        _until_interrupted(ended, output)
    finally:
        stop()
        session.client.request("stop_watch", StudyInstanceUID=arguments.study)
    output.document(
        {"StudyInstanceUID": arguments.study, "imported": received}, f"{count(received, 'new image')} in all."
    )
    return EXIT_DONE


def _until_interrupted(ended: threading.Event, output: Output) -> None:
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        while not ended.wait(_LOOK_S):  # a wait without end cannot be interrupted on Windows
            pass
    except KeyboardInterrupt:
        output.message("Ended.")


HANDLERS: dict[str, Handler] = {"send": send, "listen": listen, "serve": listen, "watch": watch}
