"""Answers of a server: the studies it has found, to be fetched. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.parts import button, selected_rows, set_widths, table
from VisualDICOMBrowserLib.widgets.record_model import RESULT_COLUMNS, RecordModel
from VisualDICOMBrowserLib.widgets.wording import counted, person_name, result_sentence

__all__ = ["ServerView"]


class ServerView(qt.QWidget):
    """Studies that a server answered with.

    Parameters
    ----------
    client : EngineClient
        Its callbacks must come on the main thread.
    on_error : Callable[[VisualDICOMError], None]
        Called with what went wrong.
    """

    def __init__(self, client: EngineClient, on_error: Callable[[VisualDICOMError], None]) -> None:
        qt.QWidget.__init__(self)
        self._client = client
        self._on_error = on_error
        self._job_id = ""
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._results = RecordModel(RESULT_COLUMNS, lambda record: record["StudyInstanceUID"])
        self._table = table(self._results)
        self._table.accessibleName = "Studies found on the server"
        set_widths(self._table, [column.width for column in RESULT_COLUMNS])
        self._table.selectionModel().selectionChanged.connect(lambda *_: self._say_selection())
        self._table.doubleClicked.connect(lambda *_: self._fetch())
        self._answer = qt.QLabel("No server was asked yet.")
        self._answer.wordWrap = True
        self._fetch_button = button("Fetch", self._fetch, "Bring the selected studies into the local database")
        self._fetch_button.enabled = False
        acting = qt.QHBoxLayout()
        acting.setContentsMargins(6, 2, 6, 2)
        acting.addWidget(self._answer, 1)
        acting.addWidget(self._fetch_button)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(self._table, 1)
        layout.addLayout(acting)
        self.setLayout(layout)

    def ask(self, server: str, filters: dict[str, Any]) -> None:
        """Ask a server for studies; its answers replace those shown."""
        self._results.show([])
        self._job_id = ""
        self._early.clear()
        self._answer.text = f"{server} is asked ..."
        self._client.send("find", self._asked, server=server, level="STUDY", **filters)

    def find_records(self, event: dict[str, Any]) -> None:
        """Take answers that have come, if they belong to the question shown."""
        if self._job_id == event["job_id"]:
            self._results.add(event["records"])
        elif not self._job_id:
            self._early.setdefault(event["job_id"], []).extend(event["records"])

    def job_finished(self, job: dict[str, Any]) -> None:
        """Say how the question ended."""
        if job["job_id"] == self._job_id:
            self._say_end(job)

    def _asked(self, job_id: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self._answer.text = str(error)
            self._on_error(error)
            return
        self._job_id = str(job_id)
        self._results.add(self._early.pop(self._job_id, []))
        self._early.clear()
        # The answer may have come before the job's name did.
        self._client.send("job", lambda job, failure: None if failure else self._say_if_ended(job), job_id=job_id)

    def _say_if_ended(self, job: dict[str, Any]) -> None:
        if job["job_id"] == self._job_id and job.get("finished") is not None:
            self._say_end(job)

    def _say_end(self, job: dict[str, Any]) -> None:
        seconds = (job.get("finished") or 0.0) - (job.get("started") or job.get("created") or 0.0)
        if job["state"] == "done":
            found = result_sentence(job)
            self._answer.text = f"{job['server']}: {found}, in {seconds:.1f} s."
        else:
            error = job.get("error") or {}
            words = f"{error.get('message', '')} {error.get('next_step', '')}".strip()
            self._answer.text = words or f"{job['server']}: {job['state']}"

    def _say_selection(self) -> None:
        chosen = len(selected_rows(self._table))
        self._fetch_button.enabled = chosen > 0
        self._fetch_button.text = f"Fetch {counted(chosen, 'study', 'studies')}" if chosen else "Fetch"

    def _fetch(self) -> None:
        for row in selected_rows(self._table):
            record = self._results.record(row)
            words = (person_name(record.get("PatientName", "")), record.get("StudyDescription", ""))
            self._client.send(
                "retrieve",
                self._report,
                server=record["server"],
                StudyInstanceUID=record["StudyInstanceUID"],
                PatientID=record.get("PatientID", ""),
                label=", ".join(word for word in words if word),
            )

    def _report(self, _result: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self._on_error(error)
