"""The patient list: sorted, with columns as the user wants them, or two lines for each patient where it is narrow.

Main thread only. Showing other patients keeps the selection, the current row and the place of those that stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.patients.column_fit import fitting
from VisualDICOMBrowserLib.widgets.patients.column_store import ChosenColumn, ColumnStore
from VisualDICOMBrowserLib.widgets.patients.columns import COLUMNS
from VisualDICOMBrowserLib.widgets.patients.header_menu import RenamePopup, fill_header_menu
from VisualDICOMBrowserLib.widgets.patients.patient_model import PatientModel
from VisualDICOMBrowserLib.widgets.patients.patient_paint import PatientDelegate

__all__ = ["PatientTable"]

_NAMES = tuple(column.name for column in COLUMNS)
_STRETCHED, _LEAST_STRETCHED = "description", 120
_SORT_KEY = "patients/sort"


class PatientTable(qt.QTreeView):
    """All patients that the filters let through.

    Parameters
    ----------
    context : BrowserContext
    on_selected : Callable[[list[PatientEntry]], None]
        Called with the selected patients when the user selects others.
    on_open : Callable[[PatientEntry], None]
        Called for a double click or Enter.
    on_menu : Callable[[list[PatientEntry], QPoint], None]
        Called with the selected patients and the place of a context menu.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_selected: Callable[[list[PatientEntry]], None],
        on_open: Callable[[PatientEntry], None],
        on_menu: Callable[[list[PatientEntry], Any], None],
    ) -> None:
        qt.QTreeView.__init__(self)
        self._context = context
        self._on_selected = on_selected
        self._on_open = on_open
        self._on_menu = on_menu
        self._busy = False
        self._narrow = False
        self._chosen: list[PatientEntry] = []
        self._renamed = ""
        self._asked_for: set[str] = set()
        self._fitting: set[str] = set(_NAMES)
        self._model = PatientModel()
        self._delegate = PatientDelegate(context.theme, self._model)
        self._store = ColumnStore(context, lambda: self._arrange_columns())
        self._columns = self._store.columns()
        self._header_menu = qt.QMenu(self)
        self._rename = RenamePopup(context.theme, self, lambda title: self._take_title(title))
        self._prepare()
        self._prepare_header()
        self._arrange_columns()
        self._store.read()
        context.theme.follow(self, lambda: self.viewport().update())

    # What is shown

    def show_patients(self, entries: Sequence[PatientEntry]) -> None:
        """Show these patients, given by name."""
        self._changing(lambda: self._model.show(entries))
        self.viewport().update()

    def note_changed(self, entries: Collection[PatientEntry]) -> None:
        """Show what has changed of some of the patients."""
        if self._model.stay(entries):
            self._repaint(entries)
        else:
            self._changing(self._model.reorder)
            self.viewport().update()

    def _repaint(self, entries: Collection[PatientEntry]) -> None:
        """Paint those of these patients that are in view."""
        area, wanted = self.viewport(), set(entries)
        for entry, rect in self._in_view().items():
            if entry in wanted:
                area.update(0, rect.y(), area.width, rect.height())

    def _in_view(self) -> dict[PatientEntry, Any]:
        """Patients whose rows are in view, with the ``QRect`` of a cell."""
        found: dict[PatientEntry, Any] = {}
        height, column = self.viewport().height, self._first_column()
        for number in range(max(0, self.indexAt(qt.QPoint(1, 1)).row()), len(self._model.entries())):
            rect = self.visualRect(self._model.index(number, column))
            if rect.y() >= height:
                break
            found[self._model.entry(number)] = rect
        return found

    def set_fetching(self, keys: Collection[PatientKey]) -> None:
        """Say which patients are being fetched."""
        before = self._model.fetching
        if self._model.set_fetching(keys):
            others = before ^ self._model.fetching
            self._repaint([entry for entry in self._in_view() if entry.key in others])

    def arrange(self, narrow: bool) -> None:
        """Show two lines for each patient, or columns."""
        if narrow != self._narrow:
            self._narrow = self._delegate.narrow = narrow
            self.headerHidden = narrow
            self._arrange_columns()
            self.scheduleDelayedItemsLayout()

    def patients(self) -> list[PatientEntry]:
        """The patients in the order in which they are shown."""
        return list(self._model.entries())

    def selected(self) -> list[PatientEntry]:
        """The selected patients, in order."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self._model.entry(row) for row in rows]

    def select_patient(self, key: PatientKey | None) -> bool:
        """Select one patient and bring it into view, without a word to `on_selected`; False if it is not shown."""
        row = -1 if key is None else self._model.row_of(tuple(key))
        self._busy = True
        try:
            if row < 0:
                self.selectionModel().clear()
            else:
                flags = qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows
                index = self._model.index(row, self._first_column())
                self.selectionModel().setCurrentIndex(index, flags)
                self.scrollTo(index)
        finally:
            self._busy = False
        self._chosen = self.selected()
        return row >= 0

    def sort_by(self, name: str, descending: bool | None = None) -> None:
        """Order by a column; the one in use turns round if nothing else is said."""
        column, before = self._model.sorting
        number = _NAMES.index(name)
        if descending is None:
            descending = not before if number == column else COLUMNS[number].descending
        self._changing(lambda: self._model.order_by(number, bool(descending)))
        self._context.view_settings.put(_SORT_KEY, [name, bool(descending)])
        self._show_sorting()

    # Making

    def _prepare(self) -> None:
        self.accessibleName = _("Patients")
        self.setModel(self._model)
        self.setItemDelegate(self._delegate)
        self.rootIsDecorated = False
        self.itemsExpandable = False
        self.uniformRowHeights = True
        self.allColumnsShowFocus = True
        self.frameShape = qt.QFrame.NoFrame
        self.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self.editTriggers = qt.QAbstractItemView.NoEditTriggers
        self.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        self.horizontalScrollBarPolicy = qt.Qt.ScrollBarAsNeeded
        self.contextMenuPolicy = qt.Qt.CustomContextMenu
        self.mouseTracking = True
        self.selectionModel().selectionChanged.connect(lambda *_args: self._tell_selected())
        self.customContextMenuRequested.connect(lambda point: self._ask_menu(qt.QPoint(point)))
        self.doubleClicked.connect(lambda index: self._on_open(self._model.entry(index.row())))
        kept = self._context.view_settings.get(_SORT_KEY, None)
        if kept and kept[0] in _NAMES:
            self._model.order_by(_NAMES.index(kept[0]), bool(kept[1]))

    def _prepare_header(self) -> None:
        header = self.header()
        header.firstSectionMovable = True
        header.stretchLastSection = False
        header.textElideMode = qt.Qt.ElideRight
        header.minimumSectionSize = self._context.theme.px(34)
        # Lets sections be pressed and shows the arrow, under one name in PythonQt and PySide6. Qt's own sorting asks
        # the model to `sort`, which does nothing; `sectionClicked` does it, with each column's own first direction.
        self.sortingEnabled = True
        header.contextMenuPolicy = qt.Qt.CustomContextMenu
        header.accessibleName = _("Columns of the patient list")
        header.sectionClicked.connect(lambda section: self.sort_by(_NAMES[section]))
        header.sectionMoved.connect(lambda *_args: self._moved())
        header.sectionResized.connect(lambda *_args: self._resized())
        header.customContextMenuRequested.connect(lambda point: self._ask_header_menu(qt.QPoint(point)))
        self._show_sorting()

    def _arrange_columns(self) -> None:
        """Order, titles, widths and visibility as the user wants them."""
        self._columns = self._store.columns()
        self._model.set_titles({each.name: each.title for each in self._columns})
        self._fitting = self._columns_with_room()
        header = self.header()
        # Where there is no room for the description the name takes what is left.
        stretching = _STRETCHED if _STRETCHED in self._fitting else _NAMES[0]
        was, self._busy = self._busy, True
        try:
            for place, each in enumerate(self._columns):
                section = _NAMES.index(each.name)
                header.moveSection(header.visualIndex(section), place)
                shown = each.visible and each.name in self._fitting
                self.setColumnHidden(section, section != 0 if self._narrow else not shown)
                stretched = section == 0 if self._narrow else each.name == stretching
                mode = qt.QHeaderView.Stretch if stretched else qt.QHeaderView.Interactive
                header.setSectionResizeMode(section, mode)
                width = self._wanted_width(each.name)
                if COLUMNS[section].width and not stretched:
                    header.resizeSection(section, width)
        finally:
            self._busy = was

    def _wanted_width(self, name: str) -> int:
        usual = COLUMNS[_NAMES.index(name)].width or _LEAST_STRETCHED
        return self._store.width(name) or self._context.theme.px(usual)

    def _columns_with_room(self) -> set[str]:
        """What fits into the width there is; before there is any, all."""
        room = self.viewport().width
        if not self.visible or self._narrow:
            return set(_NAMES)
        return fitting(
            {each.name: self._wanted_width(each.name) for each in self._columns if each.visible}, room, self._asked_for
        )

    def resizeEvent(self, event: Any) -> None:
        """Leave out columns that have no room, and bring them back."""
        qt.QTreeView.resizeEvent(self, event)
        if self._columns_with_room() != self._fitting:
            self._arrange_columns()

    def _show_sorting(self) -> None:
        column, descending = self._model.sorting
        self.header().setSortIndicator(column, qt.Qt.DescendingOrder if descending else qt.Qt.AscendingOrder)

    # Selection that outlives changes

    def _changing(self, change: Callable[[], Any]) -> None:
        """Change the rows; what was selected, what is current and where the list stands stay as far as they can."""
        chosen, index = self._chosen, self.currentIndex()
        current = self._model.entry(index.row()) if index.isValid() else None
        place = self.verticalScrollBar().value
        was, self._busy = self._busy, True
        try:
            change()
            self._restore(chosen, current)
            self.verticalScrollBar().value = place
        finally:
            self._busy = was

    def _restore(self, chosen: Sequence[PatientEntry], current: PatientEntry | None) -> None:
        if not chosen and current is None:
            return
        if self.currentIndex().isValid() or self.selectionModel().selectedRows():
            return  # nothing was reset
        model, selection = self.selectionModel(), qt.QItemSelection()
        rows = self._model.rows_of(chosen if current is None else [*chosen, current])
        for entry in chosen:
            if entry.key in rows:
                index = self._model.index(rows[entry.key], 0)
                selection.select(index, index)
        if current is not None and current.key in rows:
            index = self._model.index(rows[current.key], self._first_column())
            model.setCurrentIndex(index, qt.QItemSelectionModel.NoUpdate)
        if not rows:
            return
        model.select(selection, qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows)

    def _first_column(self) -> int:
        shown = (each for each in self._columns if each.visible and each.name in self._fitting)
        return 0 if self._narrow else next((_NAMES.index(each.name) for each in shown), 0)

    def _tell_selected(self) -> None:
        if not self._busy:
            chosen = self.selected()
            self._chosen = chosen
            self._on_selected(chosen)

    # Keys and menus

    def keyPressEvent(self, event: Any) -> None:
        """Enter opens; Alt+Down opens the menu of the columns; a letter goes to the next name that begins so."""
        key, index = event.key(), self.currentIndex()
        if key in (qt.Qt.Key_Return, qt.Qt.Key_Enter) and event.modifiers() in (qt.Qt.NoModifier, qt.Qt.KeypadModifier):
            if index.isValid():
                self._on_open(self._model.entry(index.row()))
        elif key == qt.Qt.Key_Down and event.modifiers() == qt.Qt.AltModifier:
            column = self._columns[0].name if index.column() < 0 else _NAMES[index.column()]
            self.open_columns_menu(column, self.header().mapToGlobal(qt.QPoint(0, self.header().height)))
        else:
            qt.QTreeView.keyPressEvent(self, event)

    def keyboardSearch(self, search: str) -> None:
        """Go to the next patient whose name begins with what is typed."""
        wanted, entries = search.casefold(), self._model.entries()
        first = self.currentIndex().row() + (1 if len(search) == 1 else 0)
        for step in range(len(entries)):
            row = (max(first, 0) + step) % len(entries)
            if entries[row].name_text.startswith(wanted) or entries[row].shown_name.casefold().startswith(wanted):
                self.setCurrentIndex(self._model.index(row, self._first_column()))
                return

    def _ask_menu(self, point: Any) -> None:
        chosen = self.selected()
        if chosen:
            self._on_menu(chosen, self.viewport().mapToGlobal(point))

    def _ask_header_menu(self, point: Any) -> None:
        section = self.header().logicalIndexAt(point)
        name = _NAMES[section] if section >= 0 else ""
        self.open_columns_menu(name, self.header().mapToGlobal(point))

    def open_columns_menu(self, name: str, place: Any) -> None:
        """Show the menu of the columns; `name` is the one it is about."""
        fill_header_menu(
            self._header_menu,
            self._columns,
            name,
            self.show_column,
            lambda column: self._open_rename(column, place),
            self.sort_by,
            self._reset,
        )
        self._header_menu.popup(place)

    # Columns

    def show_column(self, name: str, visible: bool) -> None:
        """Show or hide a column, and keep that."""
        (self._asked_for.add if visible else self._asked_for.discard)(name)
        self._keep([_with(each, visible=visible) if each.name == name else each for each in self._columns])

    def rename_column(self, name: str, title: str) -> None:
        """Give a column another title, and keep that; an empty one is the usual title."""
        self._keep([_with(each, title=title) if each.name == name else each for each in self._columns])

    def _open_rename(self, name: str, place: Any) -> None:
        self._renamed = name
        self._rename.open_at(place, next(each.title for each in self._columns if each.name == name))

    def _take_title(self, title: str) -> None:
        self.rename_column(self._renamed, title)

    def _moved(self) -> None:
        if not self._busy:
            header = self.header()
            self._keep(sorted(self._columns, key=lambda each: header.visualIndex(_NAMES.index(each.name))))

    def _resized(self) -> None:
        if not (self._busy or self._narrow):
            self._store.keep_widths(self._widths())

    def _widths(self) -> dict[str, int]:
        return {
            each.name: self.columnWidth(_NAMES.index(each.name))
            for each in self._columns
            if each.visible and each.name in self._fitting and not self._stretches(each.name)
        }

    def _stretches(self, name: str) -> bool:
        return bool(self.header().sectionResizeMode(_NAMES.index(name)) == qt.QHeaderView.Stretch)

    def _keep(self, columns: Sequence[ChosenColumn]) -> None:
        self._store.keep(columns)
        self._arrange_columns()

    def _reset(self) -> None:
        self._store.reset()
        self._asked_for = set()
        self._arrange_columns()


def _with(column: ChosenColumn, title: str | None = None, visible: bool | None = None) -> ChosenColumn:
    return ChosenColumn(
        column.name, column.title if title is None else title, column.visible if visible is None else visible
    )
