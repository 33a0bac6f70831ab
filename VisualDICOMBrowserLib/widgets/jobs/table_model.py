"""The rows of the job list as a Qt model that changes as little as it can, so that selection and place stay.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.jobs.acts import ACTS, row_acts
from VisualDICOMBrowserLib.widgets.jobs.columns import COLUMN_NAMES, column_titles
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.rows import JobRow
from VisualDICOMBrowserLib.widgets.jobs.words import (
    Progress,
    bundle_task,
    icon_of,
    progress_of,
    task_of,
    time_of,
)
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["ACT_COLUMN", "COLUMNS", "PROGRESS_COLUMN", "TASK_COLUMN", "JobsModel"]

COLUMNS = (*COLUMN_NAMES, "acts")
TASK_COLUMN, PROGRESS_COLUMN, ACT_COLUMN = 0, 3, 6
# Many scattered changes cost more one by one than to begin anew.
_MOST_CHANGES = 40


class JobsModel(qt.QAbstractTableModel):
    """Rows as `rows_of` made them."""

    def __init__(self, feed: JobsFeed) -> None:
        qt.QAbstractTableModel.__init__(self)
        self._feed = feed
        self._rows: list[JobRow] = []
        self._painted: tuple[JobRow, tuple[str, ...]] | None = None

    def row(self, number: int) -> JobRow:
        """The row of that number."""
        return self._rows[number]

    def rows(self) -> list[JobRow]:
        """All rows."""
        return list(self._rows)

    def show(self, rows: Sequence[JobRow]) -> bool:
        """Show these rows; True if everything began anew, so that views have forgotten what was selected."""
        self._painted = None
        old, new = [row.key for row in self._rows], [row.key for row in rows]
        if old == new:
            self._rows = list(rows)
            return False
        old_keys, new_keys = set(old), set(new)
        gone = _ranges([at for at, key in enumerate(old) if key not in new_keys])
        came = _ranges([at for at, key in enumerate(new) if key not in old_keys])
        same_order = [key for key in old if key in new_keys] == [key for key in new if key in old_keys]
        if not same_order or len(gone) + len(came) > _MOST_CHANGES:
            self.beginResetModel()
            self._rows = list(rows)
            self.endResetModel()
            return True
        for first, last in reversed(gone):
            self.beginRemoveRows(qt.QModelIndex(), first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()
        for first, last in came:
            self.beginInsertRows(qt.QModelIndex(), first, last)
            self._rows[first:first] = rows[first : last + 1]
            self.endInsertRows()
        self._rows = list(rows)
        return False

    def rowCount(self, parent: Any = None) -> int:
        """Number of rows; they have no children."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Any = None) -> int:
        """Number of columns."""
        return len(COLUMNS)

    def flags(self, index: Any) -> Any:
        """Titles of groups cannot be selected."""
        if not index.isValid() or index.row() >= len(self._rows):
            return qt.Qt.NoItemFlags
        if self._rows[index.row()].kind == "group":
            return qt.Qt.ItemIsEnabled
        return qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Titles of the columns."""
        if role == qt.Qt.DisplayRole and orientation == qt.Qt.Horizontal and 0 <= section < len(COLUMNS):
            return column_titles().get(COLUMNS[section], "")
        if role == qt.Qt.TextAlignmentRole:
            return int(qt.Qt.AlignLeft | qt.Qt.AlignVCenter)
        return None

    def data(self, index: Any, role: int = 0) -> Any:
        """Texts of a cell, and for screen readers of the whole row."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == qt.Qt.AccessibleTextRole:
            return self._read_out(row)
        if role not in (qt.Qt.DisplayRole, qt.Qt.ToolTipRole):
            return None
        text = row.title if row.kind == "group" else self.cells(row)[index.column()]
        return text or None

    def cells(self, row: JobRow) -> tuple[str, ...]:
        """The texts of all columns of a job or bundle."""
        if row.kind == "bundle":
            return self._bundle_cells(row)
        job, state = row.jobs[0], self._feed.state
        return (
            task_of(job),
            self._feed.describe(job),
            str(job.get("server") or ""),
            progress_of(job, state).text,
            time_of(job, state),
            self._feed.note(job),
            ", ".join(_(ACTS[name].words) for name in row_acts(row.jobs)),
        )

    def look(self, number: int) -> tuple[Any, ...]:
        """All that the painting of a row depends on."""
        row = self._rows[number]
        if row.kind == "group":
            return row.key, row.title, row.open
        return row.key, row.open, row.depth, self.cells(row), self.progress(row), icon_of(row.jobs[0])

    def painted_cells(self, row: JobRow) -> tuple[str, ...]:
        """The texts of a row as of the last `show`; made once for all cells of it, which are painted one by one."""
        if self._painted is None or self._painted[0] is not row:
            self._painted = row, self.cells(row)
        return self._painted[1]

    def progress(self, row: JobRow) -> Progress:
        """How far the job or the bundle is."""
        if row.kind != "bundle":
            return progress_of(row.jobs[0], self._feed.state)
        done = sum(int(job.get("progress_done") or 0) for job in row.jobs)
        total = sum(int(job.get("progress_total") or 0) for job in row.jobs)
        running = any(job["state"] == "running" for job in row.jobs)
        if running and total:
            return Progress(f"{done:,} / {total:,}", "text", min(1.0, done / total))
        return Progress(plural(total, "{count} image", "{count} images") if total else "", "mid")

    def _bundle_cells(self, row: JobRow) -> tuple[str, ...]:
        first = row.jobs[0]
        note = self._feed.note(first)
        acts = ", ".join(_(ACTS[name].words) for name in row_acts(row.jobs))
        server = str(first.get("server") or "")
        return (bundle_task(first, len(row.jobs)), row.title, server, self.progress(row).text, "", note, acts)

    def _read_out(self, row: JobRow) -> str:
        if row.kind == "group":
            return row.title
        return ", ".join(text for text in self.cells(row)[:ACT_COLUMN] if text)


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as pairs of first and last of each stretch without gaps."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
