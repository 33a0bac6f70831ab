"""What the browser says when there is nobody to show, each time with a next step. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.search.bar_texts import field_title
from VisualDICOMBrowserLib.widgets.search.filter_words import filter_words
from VisualDICOMBrowserLib.widgets.settings.empty_state import EmptyState

__all__ = ["say_sum", "say_why_empty"]


def say_why_empty(browser: Any, empty: EmptyState) -> None:
    """Say what fits: still reading, a broken database, no match, no servers' answer, an empty database."""
    filters = browser.search_bar.filters
    failed = [state["state"] == "failed" for state in browser.run.states.values()]
    if browser.loader.failure is not None:
        buttons = [(_("Try again"), browser.refresh), (_("Choose another database..."), browser.windows.open_settings)]
        empty.say(_("The database cannot be read"), str(browser.loader.failure), buttons, "warning")
    elif not browser.catalogue.loaded:
        empty.say(_("Reading the database..."), "", [], "database")
    elif filters.active():
        empty.say(_("No patient matches"), filter_words(filters), _ways_out(browser, filters), "search")
    elif failed and all(failed):
        buttons = [(_("Test connections"), browser.windows.open_servers), (_("Ask again"), browser.run.ask_again)]
        empty.say(_("No server answered"), _("And nothing is here either."), buttons, "server")
    else:
        buttons = [(_("Import..."), browser.arranging.import_folder)]
        if browser.servers:
            buttons.append((_("Query servers"), browser.search_bar.query))
        else:
            buttons.append((_("Add a server..."), browser.windows.open_servers))
        sentence = _("Drop DICOM files, folders, a ZIP or a DICOMDIR anywhere on this window, or query a server.")
        empty.say(_("No images yet"), sentence, buttons, "layers")


def say_sum(browser: Any, empty: EmptyState, patients: Sequence[Any]) -> None:
    """How much several patients are, and what can be done with all of them."""
    totals = browser.catalogue.totals(patients)
    studies = [study for patient in patients for study in patient.studies]
    remote = [study for study in studies if study.sources and not study.complete]
    title = plural(totals["patients"], "{count} patient selected", "{count} patients selected")
    parts = [
        plural(totals["studies"], "{count} study", "{count} studies"),
        plural(totals["series"], "{count} series", "{count} series"),
        plural(totals["images"], "{count} image", "{count} images"),
    ]
    if elsewhere := totals.get("remote", 0):
        parts.append(plural(elsewhere, "{count} patient only on servers", "{count} patients only on servers"))
    series = [each for study in studies for each in study.series if each.local]
    buttons = [
        (_("Fetch all"), lambda: browser.acts.fetch_studies(remote)),
        (_("Send..."), lambda: browser.key_actions.send_these("PATIENT", patients)),
        (_("Copy Python code"), lambda: browser.acts.copy_python(series)),
        (_("Delete..."), lambda: browser.acts.delete("PATIENT", [each for each in patients if each.local])),
    ]
    empty.say(title, ", ".join(parts), buttons if remote else buttons[1:], "people")


def _ways_out(browser: Any, filters: Any) -> list[Any]:
    """First the filter whose removal helps most."""
    buttons = []
    best = browser.catalogue.best_removal(filters)
    if best:
        text = _("Clear {filter}").format(filter=field_title(best))
        buttons.append((text, lambda: browser.search_bar.clear(best)))
    buttons.append((_("Clear all"), browser.search_bar.clear))
    if browser.servers:
        buttons.append((_("Query servers"), browser.search_bar.query))
    return buttons
