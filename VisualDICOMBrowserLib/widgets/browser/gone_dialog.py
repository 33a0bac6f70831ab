"""The question before what files that are gone left in the database is removed. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.gone_words import removal_sentences
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["GoneDialog"]


class GoneDialog(qt.QDialog):
    """Asks; Cancel is what Enter does.

    Parameters
    ----------
    theme : Theme
    found : mapping
        What the engine found to be gone.
    on_remove : Callable[[], None]
        Called when the user says yes.
    parent : QWidget
    """

    def __init__(self, theme: Any, found: Mapping[str, Any], on_remove: Callable[[], None], parent: Any = None) -> None:
        qt.QDialog.__init__(self, parent)
        self._on_remove = on_remove
        self.windowTitle = _("Remove from the local database")
        theme.apply(self)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(16, 16, 16, 12)
        layout.spacing = 8
        for number, sentence in enumerate(removal_sentences(found)):
            line = qt.QLabel(sentence)
            line.wordWrap = True
            line.setProperty("role", "title" if number == 0 else "text")
            layout.addWidget(line)
        remove = qt.QPushButton(plural(int(found["missing"]), "Remove {count} image", "Remove {count} images"))
        remove.setProperty("kind", "danger")
        remove.autoDefault = False
        remove.clicked.connect(lambda *_args: self._confirmed())
        cancel = qt.QPushButton(_("Cancel"))
        cancel.default = True
        cancel.clicked.connect(lambda *_args: self.reject())
        buttons = qt.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(remove)
        buttons.addWidget(cancel)
        layout.addLayout(buttons)
        self.setLayout(layout)
        self.minimumWidth = 420

    def _confirmed(self) -> None:
        self.accept()
        self._on_remove()
