"""Carries out what the advice of a connection test offers: changes settings as a person would, and tests again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from VisualDICOMBrowserLib.widgets.servers.own_node import OwnNode
from VisualDICOMBrowserLib.widgets.servers.server_form import ServerForm
from VisualDICOMBrowserLib.widgets.servers.sign_in import SignInWindow

__all__ = ["AdviceActs"]


class AdviceActs:
    """The acts of the chosen server.

    Parameters
    ----------
    form : ServerForm
    node : OwnNode
    sign_in : SignInWindow
    test : Callable[[], None]
        Tests the chosen server with what is saved of it.
    on_no_listener : Callable[[], None]
        Called when our listener could not be started.
    """

    def __init__(
        self,
        form: ServerForm,
        node: OwnNode,
        sign_in: SignInWindow,
        test: Callable[[], None],
        on_no_listener: Callable[[], None],
    ) -> None:
        self._form = form
        self._node = node
        self._sign_in = sign_in
        self._test = test
        self._on_no_listener = on_no_listener

    def carry_out(self, act: Mapping[str, Any]) -> None:
        """Do it; an act of another version than this one goes to its field, if it names one."""
        kind, changes = act.get("act"), dict(act.get("changes") or {})
        if kind == "change" and changes:
            self._form.make_changes(changes)
            self._test()
        elif kind == "sign_in":
            self.sign_in(test=True)
        elif kind == "listener":
            self._node.listen(changes.get("port"), then=self._test, otherwise=self._on_no_listener)
        elif act.get("field"):
            self._form.go_to(str(act["field"]))

    def sign_in(self, *, test: bool = False) -> None:
        """Sign in to the chosen server, and test it afterwards if asked for."""
        name = self._form.editing.name
        if name:

            def signed_in() -> None:
                if self._form.editing.name == name:
                    self._test()

            self._form.editing.flush(lambda: self._sign_in.start(name, signed_in if test else None))
