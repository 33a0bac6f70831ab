"""The servers window: the list on the left, the form of the chosen server on the right. Non-modal.

Changes apply at once. What cannot be used yet stays in its red field, also while another server is looked at.
Main thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, link_button, primary_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.acts import AdviceActs
from VisualDICOMBrowserLib.widgets.servers.connection_test import ConnectionTest
from VisualDICOMBrowserLib.widgets.servers.connection_tests import ConnectionTests
from VisualDICOMBrowserLib.widgets.servers.drafts import free_name, new_server
from VisualDICOMBrowserLib.widgets.servers.list_actions import ListActions
from VisualDICOMBrowserLib.widgets.servers.list_panel import ListPanel
from VisualDICOMBrowserLib.widgets.servers.own_node import OwnNode
from VisualDICOMBrowserLib.widgets.servers.server_form import ServerForm
from VisualDICOMBrowserLib.widgets.servers.server_model import ServerModel
from VisualDICOMBrowserLib.widgets.servers.server_words import field_of_step, listener_line
from VisualDICOMBrowserLib.widgets.servers.sign_in import SignInLine, SignInWindow
from VisualDICOMBrowserLib.widgets.servers.this_computer import ThisComputerPage

__all__ = ["ServersWindow"]

_FORM, _OWN, _NOTHING = 0, 1, 2


class ServersWindow(qt.QWidget):
    """Servers and our own listener.

    Parameters
    ----------
    context : BrowserContext
    parent : QWidget, optional
        The window that it stays in front of.
    sign_in : SignInWindow, optional
        Where people sign in, given the engine's events by its owner; left out, the window has one of its own.
    """

    def __init__(self, context: BrowserContext, parent: Any = None, sign_in: SignInWindow | None = None) -> None:
        qt.QWidget.__init__(self, parent)
        self._context = context
        self._sign_in = sign_in or SignInWindow(context, self)
        self._owns_sign_in = sign_in is None
        self._servers: list[dict[str, Any]] = []
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._new: dict[str, Any] | None = None
        self._chosen = ""
        self._wanted = ""
        self._asked_for_new = False
        self.setWindowFlags(qt.Qt.Window)
        self.windowTitle = _("Servers")
        self._tests = ConnectionTests(context, self._test_changed)
        self._node = OwnNode(context, self._node_changed)
        self._actions = ListActions(context, self, self._action_done)
        self._model = ServerModel(self._actions.enable, self._actions.move)
        self._panel = ListPanel(context, self._model, self._row_chosen, self._act)
        self._form = ServerForm(context, self._saved, self._form_changed)
        self._advice = AdviceActs(self._form, self._node, self._sign_in, self.test_chosen, self.show_this_computer)
        self._test = ConnectionTest(
            context, self._tests, self._advice.carry_out, self.test_chosen, self.show_this_computer
        )
        self._form.put_below("connection", self._test)
        self._sign_in_line = SignInLine(context, self._advice.sign_in)
        self._form.put_below("security", self._sign_in_line)
        self._own = ThisComputerPage(context, self._node, self._leave_own)
        self._lay_out()
        context.theme.follow(self, lambda: context.theme.apply(self))
        self._unsubscribe = context.client.subscribe(self._hear)
        self.reload()
        self._node.load()

    def reload(self) -> None:
        """Ask for the list anew."""
        self._context.ask("servers", self._loaded)

    def show_server(self, name: str, field: str = "") -> None:
        """Come to the front with that server chosen, at the field of a setting if one is given."""
        self._wanted = name
        self._loaded(self._servers)
        self.show()
        self.raise_()
        if field and self._chosen == name:
            self._form.go_to(field)

    def show_this_computer(self) -> None:
        """Go to the settings of this computer."""
        self._show_own()
        self._node.load()

    def _show_own(self) -> None:
        self._stack.currentIndex = _OWN
        self._footer.hide()

    def test_chosen(self, store: bool = False) -> None:
        """Test the chosen server with what is saved of it; with `store`, by sending a test image too."""
        self._form.editing.flush(lambda: self._start_test(store))

    def test_many(self, names: Sequence[str]) -> None:
        """Test these servers, the first of them in view."""
        for name in names:
            self._tests.start(name)
        if names:
            self.show_server(names[0])

    def _start_test(self, store: bool) -> None:
        name = self._form.editing.name
        if name and self._test_button.enabled:
            self._form.show_page("connection")
            self._tests.start(name, store)

    def release(self) -> None:
        """End what hears of the engine; the window is of no use afterwards."""
        self._unsubscribe()
        self._test.close_windows()
        if self._owns_sign_in:
            self._sign_in.close()

    def keyPressEvent(self, event: Any) -> None:
        """F5 tests, Esc closes."""
        if event.key() == qt.Qt.Key_F5:
            self.test_chosen()
        elif event.key() == qt.Qt.Key_Escape:
            self.close()
        else:
            qt.QWidget.keyPressEvent(self, event)

    def closeEvent(self, event: Any) -> None:
        """Save what waits for a pause."""
        self._form.editing.flush()
        self._node.flush()
        qt.QWidget.closeEvent(self, event)

    def _lay_out(self) -> None:
        px = self._context.theme.px
        header = qt.QFrame()
        set_state(header, "line", "below")
        top = qt.QHBoxLayout()
        top.setContentsMargins(16, 8, 18, 8)
        top.spacing = 10
        top.addWidget(icon_label(self._context.theme, "server", "accent", 18))
        top.addWidget(label(_("Servers"), "heading"))
        top.addStretch(1)
        top.addWidget(label(_("Changes apply at once and are kept for the next start"), "small"))
        header.setLayout(top)
        self._stack = qt.QStackedWidget()
        for page in (self._form, self._own, self._make_empty()):
            self._stack.addWidget(page)
        right = qt.QWidget()
        column = qt.QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.spacing = 0
        column.addWidget(self._stack, 1)
        column.addWidget(self._make_footer())
        right.setLayout(column)
        set_state(right, "ground", "window")
        set_state(self, "ground", "window")
        splitter = qt.QSplitter()
        splitter.childrenCollapsible = False
        splitter.addWidget(self._panel)
        splitter.addWidget(right)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([px(340), px(780)])
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(header)
        layout.addWidget(splitter, 1)
        self.setLayout(layout)
        self.resize(px(1120), px(744))

    def _make_empty(self) -> Any:
        page = qt.QWidget()
        words = label(_("There is no server yet. Add the one that your images come from."), "mid")
        words.wordWrap = True
        words.alignment = qt.Qt.AlignCenter
        theme = self._context.theme
        buttons = qt.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(primary_button(theme, _("Add a DIMSE server"), lambda: self._act("add:dimse"), "plus"))
        buttons.addWidget(push_button(theme, _("Add a DICOMweb server"), lambda: self._act("add:dicomweb")))
        buttons.addWidget(push_button(theme, _("Add a folder"), lambda: self._act("add:folder")))
        buttons.addStretch(1)
        layout = qt.QVBoxLayout()
        layout.addStretch(1)
        layout.addWidget(words)
        layout.addLayout(buttons)
        layout.addStretch(2)
        page.setLayout(layout)
        return page

    def _make_footer(self) -> Any:
        self._footer = qt.QFrame()
        set_state(self._footer, "line", "above")
        theme = self._context.theme
        self._reset = link_button(_("Reset changes"), self._form.editing.reset, _("As it was when you came to it"))
        self._sentence = label("", "mid")
        self._sentence.wordWrap = True
        self._test_button = push_button(theme, _("Test connection"), lambda: self.test_chosen(), "plug", key="F5")
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(16, 8, 18, 8)
        layout.spacing = 8
        layout.addWidget(self._reset)
        layout.addWidget(self._sentence, 1)
        layout.addWidget(self._test_button)
        layout.addWidget(primary_button(theme, _("Close"), self.close))
        self._footer.setLayout(layout)
        return self._footer

    # --- what the engine says

    def _hear(self, event: dict[str, Any]) -> None:
        if event["event"] in ("servers_changed", "engine_ready"):
            self.reload()
        if event["event"] == "engine_ready":
            self._node.load()
        self._tests.hear(event)
        if self._owns_sign_in:
            self._sign_in.hear(event)

    def _loaded(self, servers: list[dict[str, Any]]) -> None:
        self._servers = servers
        names = [str(server["name"]) for server in servers]
        self._unsaved = {name: kept for name, kept in self._unsaved.items() if name in names}
        self._show_list()
        if self._wanted in names:
            self._go_to(self._wanted)
            self._wanted = ""
        elif self._new is None and self._chosen not in names:
            own = self._stack.currentIndex == _OWN
            self._go_to(names[0] if names else "")
            if own:
                self._show_own()
        elif self._new is None:
            self._form.refresh(self._server(self._chosen), servers)
            self._choose_row()
        else:
            self._choose_row()

    def _test_changed(self, name: str) -> None:
        self._show_list()
        if name == self._form.editing.name:
            self._show_test(name)
            self._form_changed()

    def _node_changed(self) -> None:
        self._own.refresh()
        self._panel.show_own(listener_line(self._node.node, self._node.settings))

    # --- what the user does

    def _row_chosen(self, row: int) -> None:
        shown = self._model.row(row)
        if shown["new"]:
            self._stack.currentIndex = _FORM
            return
        if self._new is None and shown["name"] == self._chosen:
            self._leave_own()
        else:
            self._go_to(str(shown["name"]))

    def _go_to(self, name: str) -> None:
        self._put_aside()
        self._new = None
        self._chosen = name
        self._footer.show()
        self._stack.currentIndex = _FORM if name else _NOTHING
        self._footer.visible = bool(name)
        self._sentence.text = ""
        if name:
            server = self._server(name)
            self._form.show_server(server, self._servers, self._unsaved.pop(name, None))
            self._show_test(name)
        self._show_list()
        self._choose_row()

    def _show_test(self, name: str) -> None:
        """Show the test of the chosen server, and mark the field that it found wrong."""
        server = self._server(name)
        self._test.show_server(server)
        steps = [] if name in self._tests.running else self._tests.steps(name)
        failed = next((step for step in steps if step["state"] == "failed"), None)
        field = field_of_step(str(failed["name"]), str(server.get("protocol"))) if failed is not None else ""
        self._form.suspect(field, str(failed["message"]) if failed is not None else "")

    def _put_aside(self) -> None:
        """Keep what was entered for the server that is left and cannot be used yet."""
        editing = self._form.editing
        editing.flush()
        wrong = {field: value for field, value in editing.unsaved.items() if field in editing.problems}
        if editing.name and wrong:
            self._unsaved[editing.name] = wrong

    def _add(self, protocol: str) -> None:
        self._put_aside()
        titles = {"dimse": _("New PACS"), "dicomweb": _("New DICOMweb server"), "folder": _("New folder")}
        name = free_name(titles[protocol], [str(server["name"]) for server in self._servers])
        self._new = new_server(protocol, name)
        self._chosen = ""
        self._stack.currentIndex = _FORM
        self._footer.show()
        self._sentence.text = _("Joins the list once the red fields are filled in.")
        self._form.show_server(self._new, self._servers, new=True)
        self._form.show_page("connection")
        self._test.show_server({})
        self._show_list()
        self._choose_row()
        self._form.go_to("name")

    def _saved(self, old: str, new: str) -> None:
        if not old:
            self._new = None
            self._chosen = new
            self._sentence.text = _("{server} is in the list.").format(server=new)
            self.reload()
        elif old != new:
            self._tests.rename(old, new)
            self._chosen = new if self._chosen == old else self._chosen

    def _form_changed(self) -> None:
        editing = self._form.editing
        self._sign_in_line.show_server(editing.values, usable=not editing.problems and not editing.is_new)
        usable = not editing.problems and not editing.is_new
        self._test_button.enabled = usable and editing.name not in self._tests.running
        self._test_button.toolTip = "" if usable else _("Correct the red fields first")
        self._reset.enabled = editing.was_changed
        self._show_list()

    def _act(self, key: str) -> None:
        name = self._form.editing.name
        if key.startswith("add:"):
            self._add(key.partition(":")[2])
        elif key == "this":
            self.show_this_computer()
        elif key == "delete" and self._new is not None:
            self._go_to(str(self._servers[0]["name"]) if self._servers else "")
        elif key in ("import", "export", "slicer"):
            action = {
                "import": self._actions.import_list,
                "export": self._actions.export_list,
                "slicer": self._actions.import_slicer,
            }
            action[key]()
        elif name:
            self._act_on(key, name)

    def _act_on(self, key: str, name: str) -> None:
        place = self._model.row_of(name)
        if key == "duplicate":
            self._actions.duplicate(name)
        elif key == "delete":
            self._actions.delete(name, self._servers)
        elif key == "test":
            self.test_chosen()
        elif key == "up" and place > 0:
            self._actions.move(name, place - 1)
        elif key == "down" and place < len(self._servers) - 1:
            self._actions.move(name, place + 1)

    def _action_done(self, chosen: str, sentence: str) -> None:
        self._wanted = chosen
        self._sentence.text = sentence
        if sentence:
            self._context.report(sentence, "info")
        self.reload()

    def _leave_own(self) -> None:
        self._node.flush()
        self._stack.currentIndex = _FORM if self._chosen or self._new else _NOTHING
        self._footer.visible = bool(self._chosen or self._new)

    # --- showing

    def _server(self, name: str) -> dict[str, Any]:
        return next((server for server in self._servers if server["name"] == name), {})

    def _show_list(self) -> None:
        editing = self._form.editing
        wrong = [editing.name] if editing.name and editing.problems else []
        new = str(editing.values.get("name", "")) if self._new is not None else None
        self._model.show(self._servers, self._tests.last, self._tests.running, [*self._unsaved, *wrong], new)

    def _choose_row(self) -> None:
        row = len(self._servers) if self._new is not None else self._model.row_of(self._chosen)
        if row >= 0:
            self._panel.list.choose(row)
        self._panel.enable_tools(bool(self._chosen), row, len(self._servers))
