"""The list of jobs: model and the delegate that paints progress. Newest first. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.wording import job_progress, job_title

__all__ = ["JobModel", "ProgressDelegate"]

Job = dict[str, Any]

_FRACTION = qt.Qt.UserRole + 1
_TITLES = ("Job", "Progress", "Server")
_PROGRESS_COLUMN = 1


class JobModel(qt.QAbstractTableModel):
    """Jobs by their id, kept up to date by ``job_changed`` and ``job_finished`` events."""

    def __init__(self) -> None:
        qt.QAbstractTableModel.__init__(self)
        self._jobs: list[Job] = []

    def show(self, jobs: list[Job]) -> None:
        """Show these jobs, given oldest first."""
        self.beginResetModel()
        self._jobs = list(reversed(jobs))
        self.endResetModel()

    def update_job(self, job: Job) -> None:
        """Take what is new of one job; an unknown one comes on top."""
        for row, known in enumerate(self._jobs):
            if known["job_id"] == job["job_id"]:
                self._jobs[row] = job
                self.dataChanged.emit(self.index(row, 0), self.index(row, len(_TITLES) - 1))
                return
        self.beginInsertRows(qt.QModelIndex(), 0, 0)
        self._jobs.insert(0, job)
        self.endInsertRows()

    def job(self, row: int) -> Job:
        """The job of a row."""
        return self._jobs[row]

    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return sum(1 for job in self._jobs if job.get("finished") is None)

    def rowCount(self, parent: Any = None) -> int:
        """Number of jobs; rows have no children."""
        return 0 if parent is not None and parent.isValid() else len(self._jobs)

    def columnCount(self, parent: Any = None) -> int:
        """Number of columns."""
        return len(_TITLES)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Titles of the columns."""
        if role == qt.Qt.DisplayRole and orientation == qt.Qt.Horizontal and 0 <= section < len(_TITLES):
            return _TITLES[section]
        return None

    def data(self, index: Any, role: int = 0) -> Any:
        """Text of a cell, and for the progress bar the share that is done."""
        if not index.isValid() or index.row() >= len(self._jobs):
            return None
        job = self._jobs[index.row()]
        if role in (qt.Qt.DisplayRole, qt.Qt.ToolTipRole):
            return (job_title(job), job_progress(job), str(job.get("server") or ""))[index.column()]
        if role == _FRACTION:
            return _fraction(job)
        return None


def _fraction(job: Job) -> float:
    total = job.get("progress_total")
    if job.get("state") != "running" or not total:
        return 0.0
    return min(1.0, float(job.get("progress_done") or 0) / float(total))


class ProgressDelegate(qt.QStyledItemDelegate):
    """Paints the usual cell, and under its text a thin bar for the share that is done."""

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one cell."""
        qt.QStyledItemDelegate.paint(self, painter, option, index)
        fraction = index.data(_FRACTION)
        if index.column() != _PROGRESS_COLUMN or not fraction:
            return
        rect = qt.QRect(option.rect)
        bar = qt.QRect(rect.left() + 3, rect.bottom() - 3, rect.width() - 6, 2)
        painter.fillRect(bar, option.palette.color(qt.QPalette.Mid))
        bar.setWidth(int(bar.width() * float(fraction)))
        painter.fillRect(bar, option.palette.color(qt.QPalette.Highlight))
