"""What is being changed of one server: checked by the engine while the user types, saved as soon as it is usable.

Holds what is saved, what is shown, and one sentence for each field that is not usable. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.servers.drafts import changes_to_save

__all__ = ["ServerEditing"]

_PAUSE_MS = 250
_SECRETS = "secrets"


class ServerEditing:
    """One server in the form.

    Parameters
    ----------
    context : BrowserContext
    on_shown : Callable[[], None]
        Called when values or problems have changed otherwise than by `change`.
    on_saved : Callable[[str, str], None]
        Called with the name that the server had, empty for a new one, and the one that it has now.
    """

    def __init__(
        self, context: BrowserContext, on_shown: Callable[[], None], on_saved: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._on_shown = on_shown
        self._on_saved = on_saved
        self._first: dict[str, Any] = {}
        self._names: list[str] = []
        self._asked = 0
        self._adding = False
        self._name_done = False
        self._then: Callable[[], None] | None = None
        self.stored: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.problems: dict[str, str] = {}
        self.is_new = False
        self._timer = qt.QTimer()
        self._timer.interval = _PAUSE_MS
        self._timer.timeout.connect(lambda *_: self.check())

    @property
    def name(self) -> str:
        """The name under which it is saved; empty for a new one."""
        return "" if self.is_new else str(self.stored.get("name", ""))

    @property
    def unsaved(self) -> dict[str, Any]:
        """What is shown and not saved."""
        return {name: value for name, value in self.values.items() if self.is_new or self.stored.get(name) != value}

    @property
    def was_changed(self) -> bool:
        """Whether `reset` would change anything."""
        return not self.is_new and self.values != self._first

    def show(self, server: Mapping[str, Any], names: list[str], unsaved: Mapping[str, Any] | None = None) -> None:
        """Go over to a server of the list, with what was entered for it before and could not be saved."""
        self._begin(server, names, new=False)
        self.values.update(unsaved or {})
        self._on_shown()
        self.check()

    def show_new(self, values: Mapping[str, Any], names: list[str]) -> None:
        """Go over to a server that joins the list once it is usable."""
        self._begin(values, names, new=True)
        self._on_shown()
        self.check()

    def refresh(self, server: Mapping[str, Any], names: list[str]) -> None:
        """Take what the engine says of the server now; what the user has entered since stays."""
        before, self._names = self.stored, list(names)
        now = _plain(server)
        for name, value in now.items():
            if self.values.get(name) == before.get(name):
                self.values[name] = value
        self.stored = now
        self._on_shown()

    def change(self, name: str, value: Any, finished: bool) -> None:
        """The user has changed a field; `finished` if he has left it."""
        if name == "name" and finished:
            self._name_done = True
        if self.values.get(name) != value:
            self.values[name] = value
            self._timer.start()
        elif finished and value != self.stored.get(name):
            self._timer.start()

    def flush(self, then: Callable[[], None] | None = None) -> None:
        """Save now what waits for the user's next pause, and then call `then`."""
        if self._timer.active:
            self._name_done = True
            self._then = then
            self.check()
        elif then is not None:
            then()

    def reset(self) -> None:
        """Take back every change since the server was chosen."""
        if not self.is_new:
            self.values = dict(self._first)
            self._name_done = True
            self._on_shown()
            self.check()

    def check(self) -> None:
        """Ask which fields are usable; those that are get saved."""
        self._timer.stop()
        self._asked += 1
        number, values = self._asked, dict(self.values)
        self._context.ask("check_server", lambda problems: self._checked(number, values, problems), **values)

    def _begin(self, server: Mapping[str, Any], names: list[str], new: bool) -> None:
        self._timer.stop()
        self._asked += 1
        self.is_new, self._adding, self._name_done = new, False, False
        self._then = None
        self.stored = _plain(server)
        self.values, self._first = dict(self.stored), dict(self.stored)
        self.problems = {}
        self._names = list(names)

    def _checked(self, number: int, values: dict[str, Any], problems: dict[str, str]) -> None:
        """Save what is usable of the values that were checked; others may have been entered since."""
        if number != self._asked:
            return
        name = str(values.get("name", "")).strip()
        if name != self.name and name in self._names:
            problems = {**problems, "name": _("There is already a server named {name}.").format(name=name)}
        self.problems = problems
        self._on_shown()
        if self.is_new:
            if not problems and not self._adding:
                self._add(values)
            self._go_on()
            return
        changes = changes_to_save(self.stored, values, problems)
        # A name that is still being typed would rename the server at every pause.
        typed_name = changes.pop("name", "")
        new_name = typed_name if self._name_done else ""
        if changes:
            self._save(changes, new_name)
        elif new_name:
            self._rename(new_name)
        if not new_name:
            # The engine takes commands in their order.
            self._go_on()

    def _go_on(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()

    def _add(self, values: dict[str, Any]) -> None:
        self._adding = True
        number = self._asked

        def added(server: dict[str, Any]) -> None:
            if number == self._asked or self.is_new:
                self.is_new, self._adding = False, False
                self.stored = _plain(server)
                self._first = dict(self.stored)
                self.check()
            self._on_saved("", str(server["name"]))

        self._context.ask("add_server", added, self._refused, **values)

    def _save(self, changes: dict[str, Any], new_name: str) -> None:
        name = self.name

        def saved(server: dict[str, Any]) -> None:
            if self.name == name:
                self.stored = _plain(server)
                self._on_shown()
                if new_name:
                    self._rename(new_name)
            self._on_saved(name, name)

        self._context.ask("edit_server", saved, self._refused, name=name, **changes)

    def _rename(self, new_name: str) -> None:
        old = self.name
        self._name_done = False

        def renamed(server: dict[str, Any]) -> None:
            if self.name == old:
                self.stored = _plain(server)
            self._on_saved(old, str(server["name"]))
            self._go_on()

        self._context.ask("edit_server", renamed, self._refused, name=old, new_name=new_name)

    def _refused(self, error: VisualDICOMError) -> None:
        """The engine did not take it, for a reason that the check does not know."""
        self._adding = False
        self._then = None
        self.problems = {**self.problems, "": str(error)}
        self._on_shown()


def _plain(server: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in server.items() if name != _SECRETS}
