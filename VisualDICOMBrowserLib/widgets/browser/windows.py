"""The windows that the browser opens beside itself; each at most once, none waits for an answer. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser.care import Care
from VisualDICOMBrowserLib.widgets.browser.menus import Item, show_menu
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.jobs.remedy_acts import Remedies
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["Windows"]


class Windows:
    """Opens and closes them.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._context = browser.context
        self._windows: dict[str, Any] = {}
        self._contexts: dict[str, BrowserContext] = {}
        self._preview: Any = None
        self._menu: Any = None
        self.care = Care(browser)
        self.remedies = Remedies(self._context, self)
        browser.jobs_panel.use_remedies(self.remedies)

    def open_servers(self, name: str = "") -> Any:
        """The list of servers with its forms, at the server of that name."""
        # Imported at first use: most sessions never open them.
        from VisualDICOMBrowserLib.widgets.servers.window import ServersWindow

        window = self._only("servers", lambda context: ServersWindow(context, None, self.sign_in))
        if name:
            window.show_server(name)
        return window

    def mend(self, name: str, job: Mapping[str, Any]) -> None:
        """Do what helps where files are gone or the database is damaged."""
        self.care.mend(name, job)

    @property
    def sign_in(self) -> Any:
        """Where people sign in to servers with a code; comes up by itself when the engine needs that."""
        from VisualDICOMBrowserLib.widgets.servers.sign_in import SignInWindow

        if "sign_in" not in self._windows:
            self._windows["sign_in"] = SignInWindow(self._context)
        return self._windows["sign_in"]

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine that may be about a sign-in."""
        if event.get("event") == "sign_in_needed" or "sign_in" in self._windows:
            self.sign_in.hear(event)

    def test_servers(self, names: Sequence[str]) -> None:
        """The list of servers, with tests of these under way."""
        self.open_servers().test_many(list(names))

    def open_settings(self) -> Any:
        """All settings in one place."""
        from VisualDICOMBrowserLib.widgets.settings.settings_window import SettingsWindow

        return self._only(
            "settings",
            lambda context: SettingsWindow(context, lambda _key: self._browser.showing.show_page(), self.open_servers),
        )

    def open_metadata(self, series: Any, other: Any = None) -> Any:
        """All attributes of a series, or those of two side by side."""
        from VisualDICOMBrowserLib.widgets.metadata.metadata_window import MetadataWindow

        self._close("metadata")
        return self._only("metadata", lambda context: MetadataWindow(context, series, other))

    def open_compare(self, patient: Any) -> Any:
        """A patient beside whom it may be mistaken for."""
        from VisualDICOMBrowserLib.widgets.compare.compare_window import CompareWindow

        browser = self._browser
        self._close("compare")
        return self._only(
            "compare", lambda context: CompareWindow(context, browser.catalogue, patient, browser.showing.show)
        )

    def open_preview(self, series: Any) -> Any:
        """A series large, over the page."""
        from VisualDICOMBrowserLib.widgets.preview.preview_popup import PreviewPopup

        browser = self._browser
        if self._preview is None:
            acts = browser.acts
            self._preview = PreviewPopup(
                self._context, browser.page.step, lambda each: acts.load([each]), browser, acts.use_slice
            )
        self._preview.show_series(series, browser.page.place_of(series))
        return self._preview

    def shown_slice(self, series: Any) -> int | None:
        """Number from 0 of the slice of a series that preview or mouse show; None if its usual picture is shown."""
        preview = self._preview
        if preview is not None and preview.visible and preview.series is series:
            return preview.index
        return self._browser.page.shown_slice(series)

    def close_preview(self) -> bool:
        """Close the preview; False if there is none."""
        if self._preview is None or not self._preview.visible:
            return False
        self._preview.hide()
        return True

    def open_patient_servers(self, patient: Any) -> None:
        """A menu of servers with check marks: which may be asked about a patient."""

        def show(servers: list[dict[str, Any]]) -> None:
            items = [Item(each["server"], partial(allow, each), checked=bool(each["asked"])) for each in servers]
            self._menu = show_menu(
                self._browser.theme, self._browser, items or [Item(_("No servers yet"))], qt.QCursor.pos()
            )

        def allow(server: dict[str, Any]) -> None:
            state = "deny" if server["asked"] else "allow"
            self._context.ask("set_patient_server", PatientID=patient.PatientID, server=server["server"], state=state)

        self._context.ask("patient_servers", show, PatientID=patient.PatientID)

    def close_all(self) -> None:
        """Close all windows."""
        self.close_preview()
        self.remedies.close()
        self.care.close()
        for name in list(self._windows):
            self._close(name)

    def _only(self, name: str, make: Callable[[BrowserContext], Any]) -> Any:
        window = self._windows.get(name)
        if window is None:
            context = self._contexts[name] = self._context.for_window()
            window = self._windows[name] = make(context)
            self._context.theme.apply(window)
        window.show()
        window.raise_()
        return window

    def _close(self, name: str) -> None:
        window = self._windows.pop(name, None)
        if window is not None:
            window.close()
            if name == "servers":
                window.release()
            if name in self._contexts:
                self._contexts.pop(name).leave()
            delete_later(window)
