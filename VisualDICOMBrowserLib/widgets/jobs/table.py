"""The job list as a view: folds groups and bundles, keeps selection and place through updates, acts on its jobs.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import ViewSettings
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.rows import JobRow, RowChoice, rows_of
from VisualDICOMBrowserLib.widgets.jobs.state import Job
from VisualDICOMBrowserLib.widgets.jobs.table_header import JobsHeader
from VisualDICOMBrowserLib.widgets.jobs.table_model import ACT_COLUMN, JobsModel
from VisualDICOMBrowserLib.widgets.jobs.table_paint import JobsDelegate
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["JobsTable"]

_TWO_LINES_BELOW = 560


class JobsTable(qt.QTreeView):
    """All jobs that the choice lets through.

    Parameters
    ----------
    theme : Theme
    settings : ViewSettings
        Where the columns are remembered.
    feed : JobsFeed
    choice : RowChoice
        What the user chose to see; `rebuild` after a change.
    on_act : Callable[[str, list[Job]], None]
        Called with the name of an action and the jobs it is for.
    on_selected : Callable[[list[Job]], None]
        Called with the selected jobs when the user selects others.
    on_open : Callable[[Job], None]
        Called for a double click or Enter.
    on_menu : Callable[[list[Job], object], None]
        Called with the selected jobs and the place of a context menu.
    """

    def __init__(
        self,
        theme: Theme,
        settings: ViewSettings,
        feed: JobsFeed,
        choice: RowChoice,
        *,
        on_act: Callable[[str, list[Job]], None],
        on_selected: Callable[[list[Job]], None],
        on_open: Callable[[Job], None],
        on_menu: Callable[[list[Job], Any], None],
    ) -> None:
        qt.QTreeView.__init__(self)
        self._feed = feed
        self._choice = choice
        self._on_act = on_act
        self._on_selected = on_selected
        self._on_open = on_open
        self._on_menu = on_menu
        self._restoring = False
        self._looks: dict[int, tuple[Any, ...]] = {}
        self._px = theme.px
        self._pressed: tuple[tuple[str, ...], str] | None = None
        self._model = JobsModel(feed)
        self._delegate = JobsDelegate(theme, self._model, qt.QApplication.font())
        self._prepare()
        self.columns = JobsHeader(self, theme, settings)
        theme.follow(self, lambda: self.viewport().update())

    def rebuild(self) -> None:
        """Show what the choice and the jobs are now; what is selected and where the list stands do not change."""
        chosen, current, place = self._selected_ids(), self._current_key(), self.verticalScrollBar().value
        rows = rows_of(self._feed.state, self._choice)
        self._restoring = True
        try:
            self._model.show(rows)
            self._span_groups(rows)
            self._restore(chosen, current)
            self.verticalScrollBar().value = place
        finally:
            self._restoring = False
        self._repaint()

    def _repaint(self) -> None:
        """Paint those rows in view that look different from when this was asked last."""
        area, looks = self.viewport(), {}
        for number in range(max(0, self.indexAt(qt.QPoint(1, 1)).row()), self._model.rowCount()):
            rect = self.visualRect(self._model.index(number, 0))
            if rect.y() >= area.height:
                break
            look = looks[number] = self._model.look(number)
            if look != self._looks.get(number):
                area.update(0, rect.y(), area.width, rect.height())
        self._looks = looks

    def selected_jobs(self) -> list[Job]:
        """The selected jobs, each once, those of bundles too."""
        found: dict[str, Job] = {}
        for number in self._selected_rows():
            for job in self._model.row(number).jobs:
                found[str(job["job_id"])] = self._feed.state.get(str(job["job_id"])) or job
        return list(found.values())

    def select(self, job_id: str) -> bool:
        """Select one job and bring it into view; False if it is not shown."""
        for number, row in enumerate(self._model.rows()):
            if row.kind == "job" and str(row.jobs[0]["job_id"]) == job_id:
                flags = qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows
                index = self._model.index(number, 0)
                self.selectionModel().setCurrentIndex(index, flags)
                self.scrollTo(index)
                return True
        return False

    def arrange(self, width: int) -> None:
        """Leave out columns as the list gets narrower; at last all is in two lines."""
        narrow = width < self._px(_TWO_LINES_BELOW)
        if self._delegate.narrow != narrow:
            self._delegate.narrow = narrow
            self.headerHidden = narrow
            self.uniformRowHeights = not narrow
            self.scheduleDelayedItemsLayout()
        self.columns.arrange(narrow, width)

    def _prepare(self) -> None:
        self.accessibleName = _("Jobs")
        self.setModel(self._model)
        self.setItemDelegate(self._delegate)
        self.rootIsDecorated = False
        self.uniformRowHeights = True
        self.allColumnsShowFocus = True
        self.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self.editTriggers = qt.QAbstractItemView.NoEditTriggers
        self.frameShape = qt.QFrame.NoFrame
        self.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        self.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        self.contextMenuPolicy = qt.Qt.CustomContextMenu
        self.mouseTracking = True
        self.selectionModel().selectionChanged.connect(lambda *_: self._tell_selected())
        self.customContextMenuRequested.connect(lambda point: self._ask_menu(point))
        self.doubleClicked.connect(lambda index: self._open(index.row()))

    def _span_groups(self, rows: Sequence[JobRow]) -> None:
        for number, row in enumerate(rows):
            if row.kind == "group" and not self.isFirstColumnSpanned(number, qt.QModelIndex()):
                self.setFirstColumnSpanned(number, qt.QModelIndex(), True)

    # Selection

    def _selected_rows(self) -> list[int]:
        rows = self.selectionModel().selectedRows()
        return sorted(index.row() for index in rows if index.row() < self._model.rowCount())

    def _selected_ids(self) -> set[tuple[str, ...]]:
        return {self._identity(self._model.row(number)) for number in self._selected_rows()}

    @staticmethod
    def _identity(row: JobRow) -> tuple[str, ...]:
        # A job that goes on from one group to another is still the same.
        return row.key if row.kind != "job" else ("job", str(row.jobs[0]["job_id"]))

    def _current_key(self) -> tuple[str, ...] | None:
        index = self.currentIndex()
        known = index.isValid() and index.row() < self._model.rowCount()
        return self._identity(self._model.row(index.row())) if known else None

    def _restore(self, chosen: set[tuple[str, ...]], current: tuple[str, ...] | None) -> None:
        if (chosen, current) == (self._selected_ids(), self._current_key()):
            return
        selection = self.selectionModel()
        flags = qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
        for number, row in enumerate(self._model.rows()):
            identity, index = self._identity(row), self._model.index(number, 0)
            if identity in chosen:
                selection.select(index, flags)
            if identity == current:
                selection.setCurrentIndex(index, qt.QItemSelectionModel.NoUpdate)

    def _tell_selected(self) -> None:
        if not self._restoring:
            self._on_selected(self.selected_jobs())

    # Mouse and keys

    def _act_at(self, point: Any) -> tuple[JobRow, str] | None:
        index = self.indexAt(point)
        if not index.isValid() or index.column() != ACT_COLUMN:
            return None
        row = self._model.row(index.row())
        rects = self._delegate.act_rects(row, self.visualRect(index))
        return next(((row, name) for name, rect in rects if rect.contains(point)), None)

    def mousePressEvent(self, event: Any) -> None:
        """An action icon acts on its row, whatever is selected; a title folds its group."""
        point = _point(event)
        found, index = self._act_at(point), self.indexAt(point)
        self._pressed = (found[0].key, found[1]) if found and event.button() == qt.Qt.LeftButton else None
        if self._pressed is not None:
            return
        if event.button() == qt.Qt.LeftButton and index.isValid() and self._folds(index.row(), point):
            self._toggle(index.row())
            return
        qt.QTreeView.mousePressEvent(self, event)

    def mouseReleaseEvent(self, event: Any) -> None:
        """Act where the mouse was pressed and released on the same icon."""
        pressed, self._pressed = self._pressed, None
        if pressed is None:
            qt.QTreeView.mouseReleaseEvent(self, event)
            return
        found = self._act_at(_point(event))
        if found is not None and (found[0].key, found[1]) == pressed:
            self._on_act(found[1], list(found[0].jobs))

    def mouseMoveEvent(self, event: Any) -> None:
        """Lift the action icon under the mouse."""
        found = self._act_at(_point(event))
        hot = (found[0].key, found[1]) if found else None
        if hot != self._delegate.hot:
            self._delegate.hot = hot
            self.viewport().cursor = qt.QCursor(qt.Qt.PointingHandCursor if hot else qt.Qt.ArrowCursor)
            self.viewport().update()
        qt.QTreeView.mouseMoveEvent(self, event)

    def leaveEvent(self, event: Any) -> None:
        """No icon is under the mouse any more."""
        self._delegate.hot = None
        self.viewport().update()
        qt.QTreeView.leaveEvent(self, event)

    def keyPressEvent(self, event: Any) -> None:
        """Fold by arrows, Space and Enter, open a job by Enter, show the menu of the columns by Alt+Down."""
        row = self.currentIndex().row()
        known = 0 <= row < self._model.rowCount()
        foldable = known and self._model.row(row).kind != "job"
        if event.key() == qt.Qt.Key_Down and event.modifiers() == qt.Qt.AltModifier:
            self.columns.open_menu_by_key()
        elif foldable and event.key() in (qt.Qt.Key_Left, qt.Qt.Key_Right):
            if self._model.row(row).open == (event.key() == qt.Qt.Key_Left):
                self._toggle(row)
        elif foldable and event.key() in (qt.Qt.Key_Space, qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self._toggle(row)
        elif known and event.key() in (qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self._open(row)
        else:
            qt.QTreeView.keyPressEvent(self, event)

    def _folds(self, number: int, point: Any) -> bool:
        """Whether a press here folds: anywhere on a title, on the sign of a bundle."""
        row = self._model.row(number)
        if row.kind == "bundle":
            return bool(point.x() < self.visualRect(self._model.index(number, 0)).x() + self._delegate.sign_width())
        return row.kind == "group"

    def _toggle(self, number: int) -> None:
        row = self._model.row(number)
        if row.kind == "bundle":
            self._choice.unfolded.symmetric_difference_update({row.key})
        elif row.kind == "group":
            self._choice.folded.symmetric_difference_update({row.key[1]})
        self.rebuild()

    def _open(self, number: int) -> None:
        if not 0 <= number < self._model.rowCount():
            return
        row = self._model.row(number)
        if row.kind == "job":
            self._on_open(row.jobs[0])
        elif row.kind == "bundle":
            self._toggle(number)

    def _ask_menu(self, point: Any) -> None:
        jobs = self.selected_jobs()
        if jobs:
            self._on_menu(jobs, self.viewport().mapToGlobal(point))


def _point(event: Any) -> Any:
    """Where a mouse event happened, by the name that this Qt has for it."""
    return event.position().toPoint() if hasattr(event, "position") else qt.QPoint(event.pos())
