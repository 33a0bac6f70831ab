"""What the keys of the browser do, and with what: selected patients, a study, or selected series. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser.menus import show_menu
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["KeyActions"]


class KeyActions:
    """Carries out keys.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._menu: Any = None

    def everywhere(self) -> dict[str, Callable[[], None]]:
        """Keys that work in the whole browser."""
        browser = self._browser
        arranging = browser.arranging
        return {
            "Ctrl+F": browser.search_bar.focus_field,
            "F5": browser.ask_again,
            "F11": browser.toggle_full_screen,
            "Ctrl+Tab": partial(browser.tabs.step, 1),
            "Ctrl+Shift+Tab": partial(browser.tabs.step, -1),
            "Ctrl+J": lambda: arranging.show_jobs(not arranging.jobs_shown),
            "Ctrl+L": lambda: browser.choose_mode(not arranging.as_list),
            "Ctrl+P": browser.navigation.open_picker,
            "Ctrl+D": self.fetch,
            "Ctrl+I": self.open_metadata,
            "Ctrl+E": self.export,
            "Ctrl+Shift+S": self.send,
            "Ctrl+Return": self.load_with_options,
            "Ctrl+Enter": self.load_with_options,
            "Ctrl+Shift+A": browser.remarks.toggle,
            "Ctrl+Shift+W": browser.worklist.open,
            "Escape": browser.escape,
        }

    def at_patients(self) -> dict[str, Callable[[], None]]:
        """Keys that mean something else in fields, tabs and the job list."""
        return {"Del": self.delete}

    def meant(self) -> tuple[str, list[Any]]:
        """Level and entries that a key acts on: patients of the list if it has the focus, else of the page."""
        browser = self._browser
        focus, table, page = browser.focusWidget(), browser.table, browser.page
        if table.isVisibleTo(browser) and focus is not None and (focus == table or table.isAncestorOf(focus)):
            chosen = table.selected()
            return ("PATIENT", list(chosen)) if chosen else ("", [])
        if not page.isVisibleTo(browser):
            return "", []
        if page.selected():
            return "SERIES", page.selected()
        study, series = page.active()
        if series is not None:
            return "SERIES", [series]
        return ("STUDY", [study]) if study is not None else ("", [])

    def fetch(self) -> None:
        """Fetch what is missing."""
        level, entries = self._meant_or_say()
        if level == "SERIES":
            self._browser.acts.fetch(entries)
        elif level:
            self._browser.acts.fetch_studies([each for each in _studies(level, entries) if each.sources] or entries[:0])

    def open_metadata(self) -> None:
        """All attributes of a series, of two to compare them."""
        level, entries = self._meant_or_say()
        if level == "SERIES":
            self._browser.open_metadata(*entries[:2])
        elif level:
            series = [each for study in _studies(level, entries) for each in study.series]
            here = [each for each in series if each.local] or series
            if here:
                self._browser.open_metadata(here[0])
            else:
                self._say(_("Its series are not known yet."))

    def delete(self) -> None:
        """Ask, and delete from the local database."""
        level, entries = self._meant_or_say()
        here = [each for each in entries if each.local]
        if here:
            self._browser.acts.delete(level, here)
        elif level:
            self._say(_("Nothing of it is in the local database."))

    def send(self) -> None:
        """Choose a server and send to it."""
        level, entries = self._meant_or_say()
        if level:
            self.send_these(level, entries)

    def send_these(self, level: str, entries: Sequence[Any]) -> None:
        """Choose a server and send to it what is here of these."""
        here = [each for each in entries if each.local]
        item = self._browser.menus.send_menu(
            level, here, "" if here else _("Nothing of it is here yet; fetch it first.")
        )
        if item.items:
            middle = self._browser.mapToGlobal(qt.QPoint(self._browser.width // 2, self._browser.height // 2))
            self._menu = show_menu(self._browser.theme, self._browser, item.items, middle)
        else:
            self._say(item.why_not)

    def export(self) -> None:
        """Say that there is no export yet."""
        if self._meant_or_say()[0]:
            self._say(_("Export comes with a later version."))

    def load_with_options(self) -> None:
        """Say that how to load cannot be chosen yet."""
        if self._meant_or_say()[0]:
            self._say(_("Choosing how to load comes with a later version."))

    def _meant_or_say(self) -> tuple[str, list[Any]]:
        level, entries = self.meant()
        if not level:
            self._say(_("Nothing is selected."))
        return level, entries

    def _say(self, sentence: str) -> None:
        self._browser.context.report(sentence, "info")


def _studies(level: str, entries: Sequence[Any]) -> list[Any]:
    return list(entries) if level == "STUDY" else [study for entry in entries for study in entry.studies]
