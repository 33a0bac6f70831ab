"""The left side of the servers window: buttons, the list, and the lines on this computer. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label, link_button, push_button, tool_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.server_list import ServerList
from VisualDICOMBrowserLib.widgets.servers.server_model import ServerModel

__all__ = ["ListPanel"]


class ListPanel(qt.QWidget):
    """List and buttons; what they do is the window's.

    Parameters
    ----------
    context : BrowserContext
    model : ServerModel
    on_selected : Callable[[int], None]
        Called with the row that the user went to.
    on_action : Callable[[str], None]
        Called with ``add:dimse``, ``add:dicomweb``, ``add:folder``, ``duplicate``, ``delete``, ``up``, ``down``,
        ``test``, ``import``, ``export``, ``slicer`` or ``this``.
    """

    def __init__(
        self,
        context: BrowserContext,
        model: ServerModel,
        on_selected: Callable[[int], None],
        on_action: Callable[[str], None],
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._on_action = on_action
        self._tools: dict[str, Any] = {}
        self.list = ServerList(context.theme, model, on_selected, on_action)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(self._make_bar())
        layout.addWidget(self.list, 1)
        layout.addWidget(self._make_own())
        self.setLayout(layout)
        self.minimumWidth = context.theme.px(260)

    def show_own(self, words: str) -> None:
        """Say what this computer is called and listens to."""
        self._own.text = words

    def enable_tools(self, saved: bool, row: int, count: int) -> None:
        """Offer what can be done with the chosen row of `count` servers in the list."""
        for key, enabled in (
            ("duplicate", saved),
            ("delete", row >= 0),
            ("up", saved and row > 0),
            ("down", saved and row < count - 1),
        ):
            self._tools[key].enabled = enabled

    def _make_bar(self) -> Any:
        bar = qt.QFrame()
        set_state(bar, "line", "below")
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(10, 7, 10, 7)
        layout.spacing = 8
        theme = self._context.theme
        add = push_button(theme, _("Add"), lambda: None, "plus", _("Add a server"))
        add.setMenu(self._make_add_menu())
        layout.addWidget(add)
        for key, icon, text, shortcut in (
            ("duplicate", "copy", _("Duplicate"), "Ctrl+D"),
            ("up", "arrow-up", _("Move up"), "Alt+Up"),
            ("down", "arrow-down", _("Move down"), "Alt+Down"),
            ("delete", "trash", _("Delete"), "Del"),
        ):
            button = tool_button(theme, icon, text, self._action(key), key=shortcut)
            self._tools[key] = button
            layout.addWidget(button)
        layout.addStretch(1)
        more = push_button(theme, _("More"), lambda: None)
        more.setMenu(self._make_more_menu())
        layout.addWidget(more)
        bar.setLayout(layout)
        return bar

    def _action(self, key: str) -> Callable[[], None]:
        return lambda: self._on_action(key)

    def _make_add_menu(self) -> Any:
        self._add_menu = qt.QMenu(self)
        for text, key in (
            (_("DIMSE server (classic DICOM)"), "add:dimse"),
            (_("DICOMweb server"), "add:dicomweb"),
            (_("Folder"), "add:folder"),
        ):
            self._add_menu.addAction(text).triggered.connect(lambda *_, key=key: self._on_action(key))
        return self._add_menu

    def _make_more_menu(self) -> Any:
        self._more_menu = qt.QMenu(self)
        for text, key in (
            (_("Import List..."), "import"),
            (_("Export List..."), "export"),
            (_("Take Over from Slicer's DICOM Settings..."), "slicer"),
        ):
            self._more_menu.addAction(text).triggered.connect(lambda *_, key=key: self._on_action(key))
        return self._more_menu

    def _make_own(self) -> Any:
        box = qt.QFrame()
        set_state(box, "line", "above")
        top = qt.QHBoxLayout()
        top.addWidget(label(_("This computer"), "strong"))
        top.addStretch(1)
        change = link_button(_("Change..."), lambda: self._on_action("this"))
        change.accessibleName = _("Change the settings of this computer")
        top.addWidget(change)
        self._own = label("", "mid")
        self._own.wordWrap = True
        remark = label(_("Give these two to the administrator of each server."), "small")
        remark.wordWrap = True
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(14, 6, 10, 10)
        layout.spacing = 2
        layout.addLayout(top)
        layout.addWidget(self._own)
        layout.addWidget(remark)
        box.setLayout(layout)
        return box
