"""The fields at the top: filter of the local database, and the question to a server.

Typing filters at once (`on_filter`); servers are asked only by the button (`on_query`). Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.parts import button, labelled

__all__ = ["SearchBar"]

_MODALITIES = ("Any", "CT", "MR", "PT", "US", "CR", "DX", "MG", "XA", "NM", "SEG", "RTSTRUCT", "RTDOSE", "SR")
_TYPING_PAUSE_MS = 200


class SearchBar(qt.QWidget):
    """Search fields with their labels above.

    Parameters
    ----------
    on_filter : Callable[[], None]
        Called a moment after the last change of a field.
    on_query : Callable[[], None]
        Called when servers are to be asked.
    on_add_server : Callable[[], None]
        Called when a server is to be added.
    """

    def __init__(
        self, on_filter: Callable[[], None], on_query: Callable[[], None], on_add_server: Callable[[], None]
    ) -> None:
        qt.QWidget.__init__(self)
        self._fields = {
            "PatientName": self._line_edit("any name"),
            "PatientID": self._line_edit("any ID"),
            "StudyDescription": self._line_edit("any study"),
        }
        self._modality = qt.QComboBox()
        for modality in _MODALITIES:
            self._modality.addItem(modality)
        self._servers = qt.QComboBox()
        self._servers.minimumWidth = 110
        self._query = button("Query server", on_query, "Ask the server for studies that match these fields")
        self._query.accessibleName = "Query server"
        self._add = button("Add server...", on_add_server)
        self._pause = qt.QTimer()
        self._pause.interval = _TYPING_PAUSE_MS
        self._pause.timeout.connect(lambda: self._typing_paused(on_filter))
        for field in self._fields.values():
            field.textChanged.connect(lambda *_: self._pause.start())
            field.returnPressed.connect(lambda: self._typing_paused(on_filter))
        self._modality.currentIndexChanged.connect(lambda *_: self._pause.start())
        self._lay_out()
        self.show_servers([])

    def filters(self) -> dict[str, Any]:
        """Fields of a query, without those that are empty."""
        values: dict[str, Any] = {key: field.text.strip() for key, field in self._fields.items()}
        filters = {key: value for key, value in values.items() if value}
        if self._modality.currentIndex > 0:
            filters["Modalities"] = [self._modality.currentText]
        return filters

    def server(self) -> str:
        """Name of the server to ask, empty if there is none."""
        return str(self._servers.currentText) if self._servers.enabled else ""

    def show_servers(self, names: Sequence[str]) -> None:
        """Offer these servers, keeping the choice if it is still there."""
        chosen = self.server()
        self._servers.clear()
        self._servers.enabled = bool(names)
        self._query.enabled = bool(names)
        for name in names or ("no server yet",):
            self._servers.addItem(name)
        if chosen in names:
            self._servers.currentIndex = list(names).index(chosen)

    def _line_edit(self, hint: str) -> Any:
        field = qt.QLineEdit()
        field.placeholderText = hint
        field.clearButtonEnabled = True
        field.minimumWidth = 60
        return field

    def _typing_paused(self, on_filter: Callable[[], None]) -> None:
        self._pause.stop()
        on_filter()

    def _lay_out(self) -> None:
        labels = {"PatientName": "Patient name", "PatientID": "Patient ID", "StudyDescription": "Study"}
        fields = qt.QHBoxLayout()
        fields.spacing = 6
        for key, field in self._fields.items():
            fields.addLayout(labelled(labels[key], field), 2)
        fields.addLayout(labelled("Modality", self._modality), 1)
        asking = qt.QHBoxLayout()
        asking.spacing = 6
        asking.addLayout(labelled("Server to ask", self._servers), 1)
        for each in (self._query, self._add):
            asking.addWidget(each, 0, qt.Qt.AlignBottom)
        self._rows = qt.QBoxLayout(qt.QBoxLayout.LeftToRight)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.spacing = 12
        self._rows.addLayout(fields, 3)
        self._rows.addLayout(asking, 2)
        self.setLayout(self._rows)

    def stack(self, narrow: bool) -> None:
        """Put the server's row below the fields where the panel is narrow."""
        self._rows.setDirection(qt.QBoxLayout.TopToBottom if narrow else qt.QBoxLayout.LeftToRight)
