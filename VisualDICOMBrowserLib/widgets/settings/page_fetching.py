"""The page of pictures and fetching: thumbnails, what is fetched ahead of each server, limits. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.settings.fields import Page

__all__ = ["FetchingPage"]

_PREFETCH = ("nothing", "thumbnails", "series", "priors")


def prefetch_name(choice: str) -> str:
    """A choice of what is fetched ahead, as the list says it."""
    return {
        "nothing": _("Nothing, by hand only"),
        "thumbnails": _("Pictures only"),
        "series": _("Whole series of the shown patient"),
        "priors": _("The shown study and its priors"),
    }[choice]


class FetchingPage(Page):
    """Pictures of series, fetching ahead, and how much runs at a time."""

    def __init__(self, context: BrowserContext) -> None:
        Page.__init__(self, context, _("Pictures and fetching"))
        self._known: tuple[tuple[str, str], ...] = ()
        self.add_heading(_("Pictures of series"))
        self.add_setting("thumbnails/automatic", _("Make pictures after every import and fetch"))
        self.add_setting("thumbnails/size", _("Longest side"), _("pixels"))
        self.add_setting("thumbnails/workers", _("Made at a time"), _("series; takes effect at the next start"))
        self.add_heading(_("Fetched before you ask for it"))
        self.add_text(_("When a patient is shown. Whatever you ask for yourself goes first."))
        self._servers = qt.QVBoxLayout()
        self._servers.spacing = context.theme.px(6)
        holder = qt.QWidget()
        self._servers.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(self._servers)
        self.add_widget(holder)
        self.add_heading(_("Limits"))
        self.add_setting("jobs/max_concurrent", _("Jobs at a time"))
        self.add_setting("retrieve/workers", _("Fetching processes"), _("0 fetches in the engine itself"))
        self.add_setting("jobs/history_days", _("Finished jobs stay"), _("days"))

    def refresh(self) -> None:
        """Ask for the servers."""
        self.context.ask("servers", self._show_servers)

    def _show_servers(self, servers: Sequence[dict[str, Any]]) -> None:
        known = tuple((str(server["name"]), str(server.get("prefetch", "nothing"))) for server in servers)
        if known == self._known and self._servers.count():
            return
        self._known = known
        while self._servers.count():
            widget = self._servers.takeAt(0).widget()
            widget.hide()
            delete_later(widget)
        for name, choice in known:
            self._servers.addWidget(self._row(name, choice))
        if not known:
            empty = qt.QLabel(_("There are no servers yet."))
            empty.setProperty("role", "mid")
            self._servers.addWidget(empty)

    def _row(self, name: str, choice: str) -> Any:
        box = qt.QComboBox()
        for each in _PREFETCH:
            box.addItem(prefetch_name(each))
        box.currentIndex = _PREFETCH.index(choice) if choice in _PREFETCH else 0
        box.accessibleName = _("Fetched ahead from {server}").format(server=name)
        box.currentIndexChanged.connect(
            lambda number: self.context.ask("edit_server", None, None, name=name, prefetch=_PREFETCH[number])
        )
        row = qt.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.spacing = self.context.theme.px(10)
        caption = qt.QLabel(name)
        caption.textFormat = qt.Qt.PlainText
        caption.setProperty("role", "mid")
        caption.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
        caption.setFixedWidth(self.context.theme.px(168))
        row.addWidget(caption)
        row.addWidget(box)
        row.addStretch(1)
        holder = qt.QWidget()
        holder.setLayout(row)
        return holder
