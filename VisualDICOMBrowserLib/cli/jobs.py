"""The command ``jobs``: the queue of this database, which lives on between programs."""

from __future__ import annotations

import argparse

from VisualDICOMBrowserLib.cli.following import follow
from VisualDICOMBrowserLib.cli.local import Handler
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import JobCancelled, UsageError, VisualDICOMError

__all__ = ["HANDLERS"]

_COLUMNS = {"job_id": "Job", "kind": "Task", "label": "What", "server": "Server", "state": "State"}


def jobs(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List, show, cancel, pause, resume, retry or clear jobs."""
    action = arguments.action
    if action == "list":
        rows = session.client.request("jobs")
        output.document(rows, table(rows, _COLUMNS) or "No jobs.")
    elif action == "show":
        job = session.client.request("job", job_id=arguments.job_id)
        output.document(job, "\n".join([table([job], _COLUMNS), *(str(line) for line in job["log"])]))
    elif action == "clear":
        cleared = session.client.request("clear_jobs")
        output.document({"cleared": cleared}, f"{count(cleared, 'job')} forgotten.")
    elif action in ("cancel", "pause"):
        concerned = session.client.request(f"{action}_jobs", job_ids=_chosen(arguments))
        words = {"cancel": "asked to end", "pause": "paused"}
        output.document({"job_ids": concerned}, f"{count(len(concerned), 'job')} {words[action]}.")
    else:
        return _run(session, action, arguments, output)
    return EXIT_DONE


def _chosen(arguments: argparse.Namespace) -> list[str] | None:
    """The jobs that were named, None for all."""
    if arguments.job_ids or arguments.action == "resume":
        return arguments.job_ids or None
    if arguments.all:
        return None
    message = f"Which jobs to {arguments.action} was not said."
    raise UsageError(message, next_step="Name them, or give --all.")


def _run(session: Session, action: str, arguments: argparse.Namespace, output: Output) -> int:
    """Let jobs go on and wait for all of them, also when some fail."""
    ended = []
    job_ids = session.client.request(f"{action}_jobs", job_ids=_chosen(arguments))
    for number, job_id in enumerate(job_ids, 1):
        try:
            follow(session, job_id, output, job_ids[number:])
        except VisualDICOMError as error:
            if isinstance(error, JobCancelled) and error.code == "interrupted":
                raise
            output.message(str(error))
        ended.append(session.client.request("job", job_id=job_id))
    output.document(ended, table(ended, _COLUMNS) or "No job to go on with.")
    states = {job["state"] for job in ended}
    if states <= {"done"}:
        return EXIT_DONE
    return EXIT_PARTLY if states & {"done", "partly"} else EXIT_FAILED


HANDLERS: dict[str, Handler] = {"jobs": jobs}
