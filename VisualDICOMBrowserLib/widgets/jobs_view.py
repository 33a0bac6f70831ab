"""The job list with its buttons. Asks the engine to cancel and changes nothing itself. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.job_model import JobModel, ProgressDelegate
from VisualDICOMBrowserLib.widgets.parts import button, selected_rows, set_widths, table
from VisualDICOMBrowserLib.widgets.wording import counted

__all__ = ["JobsView"]

_WIDTHS = (220, 300)


class JobsView(qt.QWidget):
    """All jobs, the newest on top.

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
        self._jobs = JobModel()
        self._delegate = ProgressDelegate()
        self._table = table(self._jobs)
        self._table.accessibleName = "Jobs"
        self._table.setItemDelegate(self._delegate)
        set_widths(self._table, _WIDTHS)
        self._table.selectionModel().selectionChanged.connect(lambda *_: self._say_selection())
        self._summary = qt.QLabel("No jobs")
        self._cancel = button("Cancel job", self.cancel_selected)
        self._cancel.enabled = False
        clear = button("Clear finished", self._clear)
        acting = qt.QHBoxLayout()
        acting.setContentsMargins(6, 2, 6, 2)
        acting.addWidget(self._summary, 1)
        acting.addWidget(self._cancel)
        acting.addWidget(clear)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addLayout(acting)
        layout.addWidget(self._table, 1)
        self.setLayout(layout)

    def refresh(self) -> None:
        """Ask for all jobs."""
        self._client.send("jobs", self._show)

    def update_job(self, job: dict[str, Any]) -> None:
        """Take what is new of one job."""
        self._jobs.update_job(job)
        self._say_selection()

    def cancel_selected(self) -> None:
        """Ask for the end of the selected jobs."""
        for row in selected_rows(self._table):
            self._client.send("cancel_job", self._report, job_id=self._jobs.job(row)["job_id"])

    def _clear(self) -> None:
        self._client.send("clear_jobs", lambda *_: self.refresh())

    def _show(self, jobs: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self._on_error(error)
            return
        self._jobs.show(jobs)
        self._say_selection()

    def _report(self, _result: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self._on_error(error)

    def _say_selection(self) -> None:
        rows = selected_rows(self._table)
        self._cancel.enabled = any(self._jobs.job(row).get("finished") is None for row in rows)
        active = self._jobs.unfinished()
        self._summary.text = f"{counted(active, 'job')} under way" if active else "No job under way"
