"""The form of one server: a page of rows for each group of settings. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.editing import ServerEditing
from VisualDICOMBrowserLib.widgets.servers.field_table import server_tabs
from VisualDICOMBrowserLib.widgets.servers.form_rows import FormRows, scrolled

__all__ = ["ServerForm"]

_SIGN = 14


class ServerForm(qt.QWidget):
    """Shows and changes what `ServerEditing` holds.

    Parameters
    ----------
    context : BrowserContext
    on_saved : Callable[[str, str], None]
        Called with the name that a server had, empty for a new one, and the one that it has now.
    on_state : Callable[[], None]
        Called when what is usable or unsaved has changed.
    """

    def __init__(
        self, context: BrowserContext, on_saved: Callable[[str, str], None], on_state: Callable[[], None]
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._on_state = on_state
        self._editing = ServerEditing(context, self._show, on_saved)
        self._servers: list[Mapping[str, Any]] = []
        self._pages: dict[str, FormRows] = {}
        self._suspects: dict[str, str] = {}
        self._wrong: dict[int, bool] = {}
        self._tabs = qt.QTabWidget()
        self._tabs.documentMode = True
        self._tabs.accessibleName = _("Settings of the server")
        for tab in server_tabs():
            page = FormRows(tab.rows, self._changed, self._keep_secret)
            self._pages[tab.key] = page
            self._tabs.addTab(scrolled(page), tab.title)
        self._trouble = label("")
        set_state(self._trouble, "state", "error")
        self._trouble.wordWrap = True
        self._trouble.setContentsMargins(18, 4, 18, 4)
        self._trouble.hide()
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self._trouble)
        self.setLayout(layout)

    @property
    def editing(self) -> ServerEditing:
        """What is being changed."""
        return self._editing

    def put_below(self, page: str, widget: Any) -> None:
        """Add a widget below the fields of a page."""
        self._pages[page].put_below(widget)

    def show_server(
        self,
        server: Mapping[str, Any],
        servers: Sequence[Mapping[str, Any]],
        unsaved: Mapping[str, Any] | None = None,
        new: bool = False,
    ) -> None:
        """Go over to a server, one that is not in the list yet if `new`."""
        self._take(server, servers)
        names = [str(other["name"]) for other in servers]
        if new:
            self._editing.show_new(server, names)
        else:
            self._editing.show(server, names, unsaved)

    def refresh(self, server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]) -> None:
        """Take up what has changed elsewhere."""
        self._take(server, servers)
        self._editing.refresh(server, [str(other["name"]) for other in servers])

    def go_to(self, name: str) -> None:
        """Bring the field of a setting into view and give it the keyboard."""
        for number, page in enumerate(self._pages.values()):
            editor = page.editor(name)
            if editor is not None:
                self._tabs.currentIndex = number
                editor.focus.setFocus()
                if editor.focus.inherits("QLineEdit"):
                    editor.focus.selectAll()
                return

    def make_changes(self, changes: Mapping[str, Any]) -> None:
        """Change settings as if the user had entered them."""
        for name, value in changes.items():
            self._changed(name, value, True)

    def suspect(self, name: str, sentence: str) -> None:
        """Mark the field that a test found wrong; no field if there is no name."""
        self._suspects = {name: sentence} if name else {}
        self._show_pages()

    def show_page(self, key: str) -> None:
        """Go to the page of that name."""
        self._tabs.currentIndex = list(self._pages).index(key)

    def _take(self, server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]) -> None:
        self._servers = list(servers)
        others = [str(other["name"]) for other in servers if other["name"] != server.get("name")]
        for page in self._pages.values():
            page.offer_servers([name for name in others if self._is_dimse(name)])
            page.show_kept(server.get("secrets", ()))

    def _is_dimse(self, name: str) -> bool:
        return any(other["name"] == name and other["protocol"] == "dimse" for other in self._servers)

    def _changed(self, name: str, value: Any, finished: bool) -> None:
        self._editing.change(name, value, finished)
        self._suspects.pop(name, None)
        # Other rows may be needed at once; what is wrong is known after the pause.
        self._show_pages()

    def _keep_secret(self, field: str, value: str) -> None:
        server = self._editing.name
        if not server:
            self._context.report(_("A password is kept once the server is in the list."), "warn")
            return

        def kept(_where: str) -> None:
            self._context.ask("servers", self._show_kept)

        self._context.ask("set_secret", kept, server=server, field=field, value=value)

    def _show_kept(self, servers: list[dict[str, Any]]) -> None:
        found = next((server for server in servers if server["name"] == self._editing.name), None)
        if found is not None:
            for page in self._pages.values():
                page.show_kept(found.get("secrets", ()))

    def _show(self) -> None:
        self._show_pages()
        trouble = self._editing.problems.get("", "")
        self._trouble.text = trouble
        self._trouble.visible = bool(trouble)
        self._on_state()

    def _show_pages(self) -> None:
        values, problems = self._editing.values, self._editing.problems
        for number, page in enumerate(self._pages.values()):
            page.show_values(values, problems, self._suspects)
            self._tabs.setTabVisible(number, page.any_shown)
            if page.any_wrong != self._wrong.get(number, False):
                self._wrong[number] = page.any_wrong
                theme = self._context.theme
                sign = theme.icon("warning", "error", theme.px(_SIGN)) if page.any_wrong else qt.QIcon()
                self._tabs.setTabIcon(number, sign)
                self._tabs.setTabToolTip(
                    number, _("Something on this page cannot be used yet") if page.any_wrong else ""
                )
