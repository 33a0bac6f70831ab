"""The command ``check``: is the database sound and every file there, and what mends it."""

from __future__ import annotations

import argparse
from typing import Any

from VisualDICOMBrowserLib.cli.local import Handler
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["HANDLERS", "prepare"]

_SHOWN = 20


def prepare(arguments: argparse.Namespace, output: Output) -> None:
    """Put a damaged database aside before an engine opens it, if that is asked for."""
    if arguments.command != "check" or not arguments.rebuild:
        return
    from VisualDICOMBrowserLib.engine.rebuilding import rebuild_database

    kept = rebuild_database(arguments.database)
    output.message(f"The damaged database is kept as {kept}.")


def check(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Check the database; find or remove files that are gone; fill a database that was made anew."""
    if arguments.rebuild:
        return _rebuild(session, output)
    if arguments.find:
        return _find(session, arguments, output)
    if arguments.remove_missing:
        result = _result(session, output, session.client.request("remove_missing"))
        gone = len(result["series_uids"])
        removed = f"{count(result['instances'], 'image')} removed from the database"
        output.document(result, f"{removed}, {count(gone, 'series', 'series')} with it.")
        return EXIT_DONE
    result = _result(session, output, session.client.request("check_database"))
    lines = [f"The database is sound, {count(result['files'], 'file')} looked for, {result['missing']} missing."]
    if result["absent"]:
        lines.append(f"{result['absent']} is not there.")
    lines += [f"  {path}" for path in result["missing_paths"][:_SHOWN]]
    if result["missing"]:
        lines.append("Find them with check --find DIR, or remove what is left of them with check --remove-missing.")
    output.document(result, "\n".join(lines))
    return EXIT_PARTLY if result["missing"] else EXIT_DONE


def _find(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    job_id = session.client.request("find_files", folder=str(arguments.find.absolute()))
    result = _result(session, output, job_id)
    lines = [f"{result['found']} of {count(result['missing'], 'missing file')} found."]
    lines += [f"  {path}" for path in result["left_paths"][:_SHOWN]]
    output.document(result, "\n".join(lines))
    if not result["left"]:
        return EXIT_DONE
    return EXIT_PARTLY if result["found"] else EXIT_FAILED


def _rebuild(session: Session, output: Output) -> int:
    job_id = session.client.request("take_up_rebuild")
    if not job_id:
        message = "There is nothing to rebuild."
        raise UsageError(message)
    result = _result(session, output, job_id)
    lines = [
        f"{count(result['imported'] + result['unchanged'], 'image')} in the new database, "
        f"{len(result['rejected'])} rejected, {count(result['gone'], 'linked file')} gone.",
        *(f"  {item['path']}: {item['reason']}" for item in result["rejected"] + result["conflicts"]),
    ]
    output.document(result, "\n".join(lines))
    return EXIT_PARTLY if result["failed_count"] or result["gone"] else EXIT_DONE


def _result(session: Session, output: Output, job_id: str) -> dict[str, Any]:
    result: dict[str, Any] = session.wait(job_id, on_progress=output.progress)["result"]
    return result


HANDLERS: dict[str, Handler] = {"check": check}
