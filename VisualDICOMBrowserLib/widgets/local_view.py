"""The local database: patients, studies of the chosen one, and the series of the chosen study as cards.

Asks the engine and shows what it answers; changes nothing itself. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.parts import button, selected_rows, set_widths, table
from VisualDICOMBrowserLib.widgets.record_model import PATIENT_COLUMNS, STUDY_COLUMNS, RecordModel
from VisualDICOMBrowserLib.widgets.series_model import SeriesDelegate, SeriesModel
from VisualDICOMBrowserLib.widgets.wording import counted

__all__ = ["LocalView"]

_MERGE_MS = 250


class LocalView(qt.QWidget):
    """Patients, studies and series of the local database.

    Parameters
    ----------
    client : EngineClient
        Its callbacks must come on the main thread.
    filters : Callable[[], dict]
        What the search fields say.
    on_load : Callable[[list of str], None]
        Called with Series Instance UIDs to be loaded.
    on_count : Callable[[int], None]
        Called with the number of patients shown.
    on_error : Callable[[VisualDICOMError], None]
        Called with what went wrong.
    """

    def __init__(
        self,
        client: EngineClient,
        filters: Callable[[], dict[str, Any]],
        on_load: Callable[[list[str]], None],
        on_count: Callable[[int], None],
        on_error: Callable[[VisualDICOMError], None],
    ) -> None:
        qt.QWidget.__init__(self)
        self._client = client
        self._filters = filters
        self._on_load = on_load
        self._on_count = on_count
        self._on_error = on_error
        self._patients = RecordModel(PATIENT_COLUMNS, lambda record: (record["PatientID"], record.get("PatientName")))
        self._studies = RecordModel(STUDY_COLUMNS, lambda record: record["StudyInstanceUID"])
        self._series = SeriesModel()
        self._patient: Any = None
        self._study: Any = None
        self._merge = qt.QTimer()
        self._merge.interval = _MERGE_MS
        self._merge.timeout.connect(self._merged)
        self._build()

    def refresh(self) -> None:
        """Ask for the patients, and from them down for what is chosen."""
        self._ask("PATIENT", self._show_patients, **self._filters())

    def content_changed(self) -> None:
        """Refresh soon; many changes in a row cost one refresh each quarter of a second."""
        if not self._merge.active:
            self._merge.start()

    def note_thumbnail(self, event: dict[str, Any]) -> None:
        """Show a picture that has just been made."""
        self._series.note_thumbnail(event)

    def selected_series(self) -> list[str]:
        """Series Instance UIDs of the selected cards."""
        return [self._series.series_uid(row) for row in selected_rows(self._cards)]

    def arrange(self, narrow: bool) -> None:
        """Lists above each other where the panel is narrow."""
        self._halves.orientation = qt.Qt.Vertical if narrow else qt.Qt.Horizontal

    def _build(self) -> None:
        self._patient_table = table(self._patients, several=False)
        self._study_table = table(self._studies, several=False)
        for view, columns, name in (
            (self._patient_table, PATIENT_COLUMNS, "Patients"),
            (self._study_table, STUDY_COLUMNS, "Studies"),
        ):
            view.accessibleName = name
            set_widths(view, [column.width for column in columns])
        self._patient_table.selectionModel().selectionChanged.connect(lambda *_: self._patient_chosen())
        self._study_table.selectionModel().selectionChanged.connect(lambda *_: self._study_chosen())
        self._delegate = SeriesDelegate()
        self._cards = qt.QListView()
        self._cards.accessibleName = "Series"
        self._cards.viewMode = qt.QListView.IconMode
        self._cards.movement = qt.QListView.Static
        self._cards.flow = qt.QListView.LeftToRight
        self._cards.isWrapping = True
        self._cards.resizeMode = qt.QListView.Adjust
        self._cards.spacing = 4
        self._cards.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        self._cards.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self._cards.frameShape = qt.QFrame.NoFrame
        self._cards.setItemDelegate(self._delegate)
        self._cards.setModel(self._series)
        self._cards.selectionModel().selectionChanged.connect(lambda *_: self._say_selection())
        self._cards.doubleClicked.connect(lambda *_: self._load())
        self._load_button = button("Load", self._load, "Make volumes of the selected series")
        self._load_button.enabled = False
        self._summary = qt.QLabel()
        self._lay_out()

    def _lay_out(self) -> None:
        acting = qt.QHBoxLayout()
        acting.setContentsMargins(6, 2, 6, 2)
        acting.addWidget(self._summary, 1)
        acting.addWidget(self._load_button)
        right = qt.QWidget()
        below = qt.QVBoxLayout()
        below.setContentsMargins(0, 0, 0, 0)
        below.spacing = 0
        pages = qt.QSplitter(qt.Qt.Vertical)
        pages.addWidget(self._study_table)
        pages.addWidget(self._cards)
        pages.setStretchFactor(0, 1)
        pages.setStretchFactor(1, 4)
        below.addWidget(pages, 1)
        below.addLayout(acting)
        right.setLayout(below)
        self._halves = qt.QSplitter(qt.Qt.Horizontal)
        self._halves.childrenCollapsible = False
        self._halves.addWidget(self._patient_table)
        self._halves.addWidget(right)
        self._halves.setStretchFactor(0, 2)
        self._halves.setStretchFactor(1, 3)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._halves)
        self.setLayout(layout)

    def _ask(self, level: str, show: Callable[[list[dict[str, Any]]], None], **filters: Any) -> None:
        def on_reply(result: Any, error: VisualDICOMError | None) -> None:
            if error is not None:
                self._on_error(error)
            else:
                show(result)

        self._client.send("records", on_reply, level=level, **filters)

    def _merged(self) -> None:
        self._merge.stop()
        self.refresh()

    def _show_patients(self, records: list[dict[str, Any]]) -> None:
        changed = self._patients.show(records)
        self._on_count(len(records))
        if changed:
            row = max(0, self._patients.row_of(self._patient))
            self._choose(self._patient_table, self._patients, row)
        self._patient_chosen()

    def _patient_chosen(self) -> None:
        rows = selected_rows(self._patient_table)
        if not rows:
            self._patient = None
            self._show_studies([])
            return
        self._patient = self._patients.identity(rows[0])
        filters = {**self._filters(), "PatientID": self._patient[0]}
        self._ask("STUDY", self._show_studies, **filters)

    def _show_studies(self, records: list[dict[str, Any]]) -> None:
        # The engine finds the ID anywhere in the attribute; here it must be this very patient.
        mine = [each for each in records if (each.get("PatientID"), each.get("PatientName")) == self._patient]
        if self._studies.show(mine):
            row = max(0, self._studies.row_of(self._study))
            self._choose(self._study_table, self._studies, row)
        self._study_chosen()

    def _study_chosen(self) -> None:
        rows = selected_rows(self._study_table)
        if not rows:
            self._study = None
            self._show_series([])
            return
        self._study = self._studies.identity(rows[0])
        self._ask("SERIES", self._show_series, StudyInstanceUID=self._study)

    def _show_series(self, records: list[dict[str, Any]]) -> None:
        chosen = set(self.selected_series())
        if self._series.show(records):
            for row, uid in enumerate(self._series.series_uids()):
                if uid in chosen:
                    self._cards.selectionModel().select(self._series.index(row, 0), qt.QItemSelectionModel.Select)
            for uid in self._series.series_uids():
                self._ask_picture(uid)
        self._say_selection()

    def _ask_picture(self, series_uid: str) -> None:
        def on_reply(known: Any, error: VisualDICOMError | None) -> None:
            if known is not None:
                self._series.note_thumbnail(known)
            elif error is None:
                # Announced by an event once it is made.
                self._client.send("make_thumbnails", series=[series_uid])

        self._client.send("thumbnail", on_reply, series=series_uid)

    @staticmethod
    def _choose(view: Any, model: Any, row: int) -> None:
        if row < model.rowCount():
            flags = qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows
            view.selectionModel().setCurrentIndex(model.index(row, 0), flags)

    def _say_selection(self) -> None:
        chosen, shown = len(self.selected_series()), self._series.rowCount()
        self._load_button.enabled = chosen > 0
        if chosen:
            self._summary.text = f"{chosen} of {shown} series selected"
        elif self._patients.rowCount():
            self._summary.text = counted(shown, "series", "series")
        elif self._filters():
            self._summary.text = "No patient matches the fields above."
        else:
            self._summary.text = "The database is empty. Import a folder, or query a server and fetch a study."

    def _load(self) -> None:
        chosen = self.selected_series()
        if chosen:
            self._on_load(chosen)
