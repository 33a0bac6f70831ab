"""The form for a new server. Non-modal; the engine checks what was entered. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.parts import button, labelled

__all__ = ["ServerDialog"]

_FIELDS = (
    ("name", "Name", "Main PACS"),
    ("host", "Host", "pacs.example.org"),
    ("called_ae_title", "AE title of the server", "MAINPACS"),
    ("calling_ae_title", "Our AE title (empty: the usual one)", ""),
)


class ServerDialog(qt.QDialog):
    """Adds one DIMSE server.

    Parameters
    ----------
    client : EngineClient
        Its callbacks must come on the main thread.
    on_added : Callable[[], None]
        Called once the server is in the list.
    parent : QWidget
        The window it belongs to.
    """

    def __init__(self, client: EngineClient, on_added: Callable[[], None], parent: Any = None) -> None:
        qt.QDialog.__init__(self, parent)
        self._client = client
        self._on_added = on_added
        self.windowTitle = "Add a DICOM server"
        layout = qt.QVBoxLayout()
        self._fields = {}
        for key, label, hint in _FIELDS:
            field = qt.QLineEdit()
            field.placeholderText = hint
            self._fields[key] = field
            layout.addLayout(labelled(label, field))
        self._port = qt.QSpinBox()
        self._port.setRange(1, 65535)
        self._port.value = 11112
        layout.addLayout(labelled("Port", self._port))
        self._problem = qt.QLabel()
        self._problem.wordWrap = True
        layout.addWidget(self._problem)
        buttons = qt.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(button("Add", self.add))
        buttons.addWidget(button("Cancel", self.reject))
        layout.addLayout(buttons)
        self.setLayout(layout)
        self.minimumWidth = 320

    def add(self) -> None:
        """Send what was entered; problems are shown in the form."""
        values = {key: field.text.strip() for key, field in self._fields.items()}
        self._client.send("add_server", self._added, protocol="dimse", port=self._port.value, **values)

    def _added(self, _server: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self._problem.text = str(error)
            return
        self._on_added()
        self.accept()
