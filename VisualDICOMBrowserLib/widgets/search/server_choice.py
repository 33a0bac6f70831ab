"""Which servers a query asks, remembered between sessions. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.widgets.context import ViewSettings
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.search.check_popup import CheckItem

__all__ = ["ServerChoice"]

_KEY = "search/servers"
_SIGNS = {
    "done": ("check-circle", "ok"),
    "partly": ("warning", "warn"),
    "failed": ("cross-circle", "error"),
    "waiting": ("retry", "warn"),
    "offline": ("plug", "mid"),
}


class ServerChoice:
    """The servers that are switched on, and those of them that are chosen.

    Parameters
    ----------
    settings : ViewSettings
    """

    def __init__(self, settings: ViewSettings) -> None:
        self._settings = settings
        self._known: list[Mapping[str, Any]] = []
        self.states: dict[str, dict[str, Any]] = {}

    @property
    def names(self) -> list[str]:
        """All that can be asked, in the user's order."""
        return [str(each["name"]) for each in self._known]

    @property
    def chosen(self) -> list[str]:
        """Those to ask, in the user's order: what was chosen, else the default one, else the first."""
        kept = self._settings.get(_KEY)
        if kept is not None:
            chosen = [name for name in self.names if name in kept]
            if chosen or not kept:
                return chosen
        default = [str(each["name"]) for each in self._known if each.get("default")]
        return default[:1] or self.names[:1]

    def set_known(self, servers: Sequence[Mapping[str, Any]]) -> None:
        """The servers as the engine tells them."""
        self._known = [each for each in servers if each.get("enabled", True)]

    def choose(self, names: Sequence[str] | None) -> None:
        """Choose these, or with None the default one."""
        self._settings.put(_KEY, None if names is None else list(names))

    def items(self) -> list[CheckItem]:
        """Lines of the check list."""
        return [self._item(each) for each in self._known]

    def _item(self, server: Mapping[str, Any]) -> CheckItem:
        name = str(server["name"])
        icon, tone = _SIGNS.get(str(self.states.get(name, {}).get("state")), ("server", "mid"))
        notes = []
        if server.get("default"):
            notes.append(_("default"))
        if not server.get("trusted", True):
            notes.append(_("only when named"))
        error = self.states.get(name, {}).get("error") or {}
        return CheckItem(name, name, ", ".join(notes), icon, tone, str(error.get("message", "")))
