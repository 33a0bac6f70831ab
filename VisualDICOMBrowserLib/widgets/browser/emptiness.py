"""What the browser says when there is nobody to show, each time with a next step. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.widgets.browser.care import DAMAGED
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.search.bar_texts import field_title
from VisualDICOMBrowserLib.widgets.search.filter_words import filter_words
from VisualDICOMBrowserLib.widgets.settings.empty_state import EmptyState

__all__ = ["say_why_empty"]

_REBUILD = _(
    "Rebuild keeps a copy of the damaged file, makes a new database and takes in again every image that lies in its "
    "folder and every linked file that the damaged one still names."
)


def say_why_empty(browser: Any, empty: EmptyState) -> None:
    """Say what fits: still reading, a broken database, no match, no servers' answer, an empty database."""
    filters = browser.search_bar.filters
    failed = [state["state"] == "failed" for state in browser.run.states.values()]
    care = browser.windows.care
    if care.rebuilding:
        empty.say(_("The database is made anew..."), _("The damaged file is kept beside it."), [], "database")
    elif getattr(browser.loader.failure, "code", "") == DAMAGED:
        buttons = [(_("Rebuild"), care.rebuild), (_("Choose another database..."), browser.windows.open_settings)]
        empty.say(_("The database is damaged"), _REBUILD, buttons, "warning")
    elif browser.loader.failure is not None:
        buttons = [(_("Try again"), browser.refresh), (_("Choose another database..."), browser.windows.open_settings)]
        empty.say(_("The database cannot be read"), str(browser.loader.failure), buttons, "warning")
    elif not browser.catalogue.loaded:
        empty.say(_("Reading the database..."), "", [], "database")
    elif filters.active():
        empty.say(_("No patient matches"), filter_words(filters), _ways_out(browser, filters), "search")
    elif failed and all(failed):
        test = (_("Test connections"), lambda: browser.windows.test_servers(list(browser.run.states)))
        buttons = [test, (_("Work offline"), browser.offline.go_offline)]
        empty.say(_("No server answered"), _("And nothing is here either."), buttons, "server")
    else:
        buttons = [(_("Import..."), browser.arranging.import_folder)]
        if browser.servers:
            buttons.append(_query(browser))
        else:
            buttons.append((_("Add a server..."), browser.windows.open_servers))
        sentence = _("Drop DICOM files, folders, a ZIP or a DICOMDIR anywhere on this window, or query a server.")
        empty.say(_("No images yet"), sentence, buttons, "layers")


def _ways_out(browser: Any, filters: Any) -> list[Any]:
    """First the filter whose removal helps most."""
    buttons = []
    best = browser.catalogue.best_removal(filters)
    if best:
        text = _("Clear {filter}").format(filter=field_title(best))
        buttons.append((text, lambda: browser.search_bar.clear(best)))
    buttons.append((_("Clear all"), browser.search_bar.clear))
    if browser.servers:
        buttons.append(_query(browser))
    return buttons


def _query(browser: Any) -> tuple[str, Callable[[], None]]:
    """Asking servers, or what has to come before."""
    if browser.offline.on:
        return _("Go online"), browser.offline.go_online
    return _("Query servers"), browser.search_bar.query
