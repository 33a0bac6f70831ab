"""The question before something is deleted from the local database: exact counts, and what stays. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.wording import size_text

__all__ = ["DeleteDialog", "deletion_sentences"]


def deletion_sentences(footprint: Mapping[str, Any], in_scene: int = 0) -> list[str]:
    """What deleting does and what it leaves, as sentences.

    Parameters
    ----------
    footprint : mapping
        The engine's ``footprint`` of what is to be deleted.
    in_scene : int
        How many of the series are loaded.
    """
    series = plural(footprint["series"], "{count} series", "{count} series")
    images = plural(footprint["instances"], "{count} image", "{count} images")
    first = _("Delete {series} ({images}, {size}) from the local database?")
    lines = [first.format(series=series, images=images, size=size_text(footprint["bytes"]))]
    if footprint["deleted_series"]:
        count = footprint["deleted_series"]
        lines.append(
            plural(
                count,
                "Files of {count} series are deleted from disk.",
                "Files of {count} series are deleted from disk.",
            )
        )
    if footprint["linked_files"]:
        count = footprint["linked_files"]
        lines.append(
            plural(count, "{count} linked file stays where it is.", "{count} linked files stay where they are.")
        )
    stays = [
        _("copies on {server} ({count} series)").format(server=server, count=count)
        for server, count in sorted(footprint["elsewhere"].items())
    ]
    if in_scene:
        stays.append(plural(in_scene, "{count} series in the scene", "{count} series in the scene"))
    if stays:
        lines.append(_("Not deleted: {what}.").format(what=", ".join(stays)))
    if footprint["only_here_series"]:
        count = footprint["only_here_series"]
        lines.append(plural(count, "{count} series exists only here.", "{count} series exist only here."))
    return lines


class DeleteDialog(qt.QDialog):
    """Asks; Cancel is what Enter does, and what exists only here needs a check mark.

    Parameters
    ----------
    theme : Theme
    footprint : mapping
        The engine's ``footprint`` of what is to be deleted.
    in_scene : int
        How many of the series are loaded.
    on_delete : Callable[[], None]
        Called when the user says yes.
    parent : QWidget
    """

    def __init__(
        self, theme: Any, footprint: Mapping[str, Any], in_scene: int, on_delete: Callable[[], None], parent: Any = None
    ) -> None:
        qt.QDialog.__init__(self, parent)
        self._on_delete = on_delete
        self.windowTitle = _("Delete from the local database")
        theme.apply(self)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(16, 16, 16, 12)
        layout.spacing = 8
        sentences = deletion_sentences(footprint, in_scene)
        for number, sentence in enumerate(sentences):
            label = qt.QLabel(sentence)
            label.wordWrap = True
            label.setProperty("role", "title" if number == 0 else "text")
            layout.addWidget(label)
        self._understood = None
        if footprint["only_here_series"]:
            self._understood = qt.QCheckBox(_("Delete it all the same; there is no other copy that we know of"))
            self._understood.toggled.connect(lambda *_args: self._enable())
            layout.addWidget(self._understood)
        self._delete = qt.QPushButton(plural(footprint["series"], "Delete {count} series", "Delete {count} series"))
        self._delete.setProperty("kind", "danger")
        self._delete.autoDefault = False
        self._delete.clicked.connect(lambda *_args: self._confirmed())
        cancel = qt.QPushButton(_("Cancel"))
        cancel.default = True
        cancel.clicked.connect(lambda *_args: self.reject())
        buttons = qt.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self._delete)
        buttons.addWidget(cancel)
        layout.addLayout(buttons)
        self.setLayout(layout)
        self.minimumWidth = 420
        self._enable()

    def _enable(self) -> None:
        self._delete.enabled = self._understood is None or bool(self._understood.checked)

    def _confirmed(self) -> None:
        self.accept()
        self._on_delete()
