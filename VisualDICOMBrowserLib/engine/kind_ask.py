"""The job kinds that ask a server something small: ``test`` (the diagnosis) and ``worklist``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl, WorklistQuery
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Step, diagnose

__all__ = ["DiagnosisKind", "WorklistKind"]


class DiagnosisKind:
    """Walks through everything that can be wrong with a server; each step is a ``test_step`` event.

    Parameters: ``store`` to send a small test image too. Result: the fields of `servers.diagnosis.Diagnosis`. A server
    that fails its test is a result, not a failure.
    """

    name = "test"
    limit = 0
    resumable = False
    retries = False

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """All tests of one server are the same, but for sending."""
        return "store" if parameters.get("store") else ""

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Walk and tell."""
        parts = self._parts
        told = 0

        def tell(step: Step) -> None:
            nonlocal told
            told += 1
            control.log(f"{step.name}: {step.state}. {step.message}".strip())
            control.progress(told)
            parts.hub.publish("test_step", job_id=job.job_id, server=job.server, **asdict(step))

        config = parts.servers.get(job.server)
        sends = bool(job.parameters.get("store"))
        return diagnose(config, parts.settings, parts.pool, parts.services, control, tell, sends=sends).as_dict()


class WorklistKind:
    """Asks for scheduled procedure steps. Parameters: ``query`` (fields of `WorklistQuery`). Result: ``items``."""

    name = "worklist"
    limit = 0
    resumable = False
    retries = False

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same question is the same job."""
        return repr(sorted(parameters["query"].items()))

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Ask once."""
        driver = self._parts.driver(job.server)
        try:
            items = driver.worklist(WorklistQuery(**job.parameters["query"]), control)
        finally:
            driver.close()
        return {"items": [asdict(item) for item in items]}
