"""A program that runs jobs which count ten steps each into a file, and go on where an earlier run stopped."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.model import JobControl

STEPS = 10


class CountingKind:
    """Appends the numbers 0 to 9 to the job's file, those that are not there yet."""

    name = "count"
    limit = 0
    resumable = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def identity(self, parameters: dict[str, Any]) -> str:
        return str(parameters["number"])

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        path = self._folder / f"{job.parameters['number']}.steps"
        done = len(path.read_text().split()) if path.exists() else 0
        for step in range(done, STEPS):
            control.raise_if_cancelled()
            with path.open("a") as file:
                file.write(f"{step}\n")
            control.progress(step + 1, STEPS)
            control.log(f"Step {step}.")
            os.write(1, b"step\n")
        return {"steps": STEPS}


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    journal = Journal(folder / "own.sql")
    known = {entry.record.parameters["number"] for entry in journal.jobs()}
    queue = JobQueue(
        journal,
        [CountingKind(folder)],
        max_concurrent=3,
        listener=lambda event: None,
        server_limit=lambda server: 0,
    )
    queue.resume_unfinished()
    for number in range(count):
        if number not in known:
            queue.submit("count", {"number": number})
    for job in queue.jobs():
        queue.wait(job.job_id)
    queue.close()
    os.write(1, b"all done\n")


if __name__ == "__main__":
    main()
