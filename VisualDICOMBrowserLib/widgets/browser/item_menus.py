"""The context menus of series, studies, patients and the empty area, as data. Main thread only."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from VisualDICOMBrowserLib.widgets.browser.actions import Actions, series_label
from VisualDICOMBrowserLib.widgets.browser.menus import SEPARATOR, Item
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.page.words import watch_choices

__all__ = ["ItemMenus"]


class ItemMenus:
    """Builds the menus.

    Parameters
    ----------
    actions : Actions
    servers : Callable[[], list of dict]
        Settings of all servers.
    in_scene : Callable[[], mapping]
        What is loaded, by SeriesInstanceUID.
    job_of : Callable[[SeriesEntry], dict or None]
        The job that brings a series.
    browser : Browser
        For what opens windows: preview, metadata, tabs.
    """

    def __init__(
        self,
        actions: Actions,
        servers: Callable[[], list[dict[str, Any]]],
        in_scene: Callable[[], Any],
        job_of: Callable[[Any], Any],
        browser: Any,
    ) -> None:
        self._actions = actions
        self._servers = servers
        self._in_scene = in_scene
        self._job_of = job_of
        self._browser = browser

    def series(self, chosen: Sequence[Any]) -> list[Item]:
        """Menu of the selected series."""
        act, browser = self._actions, self._browser
        first = chosen[0]
        jobs = [job for job in (self._job_of(each) for each in chosen) if job is not None]
        unfinished = [job["job_id"] for job in jobs if job.get("finished") is None]
        paused = [job["job_id"] for job in jobs if job["state"] == "paused"]
        remote = [each for each in chosen if each.sources]
        local = [each for each in chosen if each.local]
        no_server = "" if remote else _("No server is known that has it.")
        not_here = "" if local else _("Nothing of it is here yet; fetch it first.")
        one = "" if len(chosen) == 1 else _("Select one series.")
        loaded = first.SeriesInstanceUID in self._in_scene()
        return [
            Item(_("Load"), lambda: act.load(chosen), key="Enter"),
            Item(_("Load with Options..."), None, _("Choosing how to load comes with a later version."), "Ctrl+Enter"),
            Item(_("Preview"), lambda: browser.open_preview(first), one, "Space"),
            SEPARATOR,
            Item(_("Fetch Now"), lambda: act.fetch(chosen), no_server or _all_here(chosen), "Ctrl+D"),
            Item(_("Fetch Again"), lambda: act.fetch_again(chosen), no_server),
            Item(_("Resume"), lambda: act.resume(paused))
            if paused
            else Item(_("Pause"), lambda: act.pause(unfinished), "" if unfinished else _("Nothing is being fetched.")),
            Item(_("Cancel"), lambda: act.cancel(unfinished), "" if unfinished else _("Nothing is being fetched.")),
            SEPARATOR,
            self.send_menu("SERIES", local, not_here),
            Item(_("Export..."), None, _("Export comes with a later version."), "Ctrl+E"),
            SEPARATOR,
            Item(_("View Metadata..."), lambda: browser.open_metadata(first), one, "Ctrl+I"),
            Item(
                _("Compare Metadata..."),
                lambda: browser.open_metadata(first, chosen[1]),
                "" if len(chosen) == 2 else _("Select two series."),
            ),
            self._picture_item(first, not_here or one),
            Item(_("Show in Slicer"), lambda: act.show_in_scene(first), "" if loaded else _("It is not loaded.")),
            Item(_("Open Folder"), lambda: act.open_folder(first), not_here or one),
            SEPARATOR,
            self._copy_menu("SeriesInstanceUID", chosen, local),
            Item(_("Delete from Local Database..."), lambda: act.delete("SERIES", local), not_here, "Del"),
        ]

    def study(self, chosen: Sequence[Any], series: Sequence[Any]) -> list[Item]:
        """Menu of studies, given with all of their series."""
        act, browser = self._actions, self._browser
        remote = [each for each in chosen if each.sources]
        local = [each for each in chosen if each.local]
        here = [each for each in series if each.local]
        no_server = "" if remote else _("No server is known that has it.")
        not_here = "" if local else _("Nothing of it is here yet; fetch it first.")
        return [
            Item(_("Load All Series"), lambda: act.load(series), "" if series else _("Its series are not known yet.")),
            Item(_("Fetch Study"), lambda: act.fetch_studies(chosen), no_server, "Ctrl+D"),
            Item(_("Fetch Again"), lambda: act.fetch_studies(chosen, True), no_server),
            self._watch_menu(chosen, no_server),
            SEPARATOR,
            self.send_menu("STUDY", local, not_here),
            Item(_("Export..."), None, _("Export comes with a later version."), "Ctrl+E"),
            Item(
                _("View Metadata..."),
                lambda: browser.open_metadata((here or list(series))[0]),
                "" if series else _("Its series are not known yet."),
                "Ctrl+I",
            ),
            Item(
                _("Select All Series"),
                lambda: browser.page.select([each.SeriesInstanceUID for each in series], False),
                "" if series else _("Its series are not known yet."),
                "Ctrl+A",
            ),
            self._whole_item(chosen),
            Item(_("Close Other Studies"), lambda: browser.page.close_other_studies(chosen[0])),
            SEPARATOR,
            self._copy_menu("StudyInstanceUID", chosen, here),
            Item(_("Delete from Local Database..."), lambda: act.delete("STUDY", local), not_here, "Del"),
        ]

    def patient(self, chosen: Sequence[Any], studies: Sequence[Any]) -> list[Item]:
        """Menu of patients, given with all of their studies."""
        act, browser = self._actions, self._browser
        remote = [each for each in studies if each.sources]
        local = [each for each in chosen if each.local]
        no_server = "" if remote else _("No server is known that has it.")
        not_here = "" if local else _("Nothing of it is here yet; fetch it first.")
        return [
            Item(_("Open in Tab"), lambda: browser.navigation.open_patients(chosen)),
            Item(_("Fetch All Studies"), lambda: act.fetch_studies(remote), no_server, "Ctrl+D"),
            Item(_("Look for Priors"), lambda: browser.navigation.look_for_priors(chosen)),
            self._watch_menu(remote, no_server),
            self._allow_menu(chosen),
            SEPARATOR,
            self.send_menu("PATIENT", local, not_here),
            Item(_("Export..."), None, _("Export comes with a later version."), "Ctrl+E"),
            SEPARATOR,
            self._copy_menu("PatientID", chosen, [each for study in studies for each in study.series if each.local]),
            Item(_("Delete from Local Database..."), lambda: act.delete("PATIENT", local), not_here, "Del"),
        ]

    def send_menu(self, level: str, entries: Sequence[Any], why_not: str) -> Item:
        """A submenu of the servers that take images."""
        names = [server["name"] for server in self._servers() if server.get("store_enabled")]
        if why_not or not names:
            return Item(_("Send..."), None, why_not or _("No server is set up for sending."), "Ctrl+Shift+S")
        return Item(
            _("Send to"),
            items=[Item(name, partial(self._send, level, entries, name)) for name in names],
            key="Ctrl+Shift+S",
        )

    def _send(self, level: str, entries: Sequence[Any], server: str) -> None:
        uids = [_uid(level, entry) for entry in entries]
        first = entries[0]
        label = series_label(first) if level == "SERIES" else getattr(first, "StudyDescription", "") or uids[0]
        self._actions.send(level, uids, server, label if len(entries) == 1 else f"{label}, +{len(entries) - 1}")

    def _copy_menu(self, field: str, chosen: Sequence[Any], series: Sequence[Any]) -> Item:
        act = self._actions
        nothing = "" if series else _("No files are here.")
        return Item(
            _("Copy"),
            items=[
                Item(_("UID") if field != "PatientID" else _("ID"), lambda: act.copy_text(_lines(field, chosen))),
                *(
                    [Item(_("Name"), lambda: act.copy_text(_lines("shown_name", chosen)))]
                    if field == "PatientID"
                    else []
                ),
                Item(_("File Paths"), lambda: act.copy_paths(series), nothing),
                Item(_("Python Code"), lambda: act.copy_python(series), nothing),
            ],
        )

    def _picture_item(self, series: Any, why_not: str) -> Item:
        # What the mouse is on when the menu opens: on its way to the entry it leaves the picture.
        index = self._browser.windows.shown_slice(series)
        why_not = why_not or ("" if series.Rows or series.thumbnail else _("It has no images."))
        return Item(_("Use This Slice as Picture"), lambda: self._actions.use_slice(series, index), why_not)

    def _whole_item(self, studies: Sequence[Any]) -> Item:
        showing, study = self._browser.showing, studies[0]
        hidden = len(studies) == 1 and showing.hides_of(study) >= 0
        text = _("Show Only What Fits") if hidden and showing.is_whole(study) else _("Show All Series")
        why_not = "" if hidden else _("No filter hides a series of it.")
        return Item(text, lambda: showing.toggle_study(study), why_not, "Space")

    def _watch_menu(self, studies: Sequence[Any], why_not: str) -> Item:
        watched = self._browser.watching.watched(studies)
        items = [
            Item(words, partial(self._actions.watch, studies, minutes), why_not)
            for words, minutes in watch_choices(datetime.datetime.now())
        ]
        not_watched = "" if watched else _("It is not watched.")
        items.append(Item(_("Stop Watching"), partial(self._actions.stop_watching, watched), not_watched))
        return Item(_("Watch for New Images"), items=items)

    def _allow_menu(self, chosen: Sequence[Any]) -> Item:
        one = "" if len(chosen) == 1 else _("Select one patient.")
        return Item(_("Servers for This Patient..."), lambda: self._browser.open_patient_servers(chosen[0]), one)


def _all_here(series: Sequence[Any]) -> str:
    return _("All of it is here.") if all(each.complete for each in series) else ""


def _uid(level: str, entry: Any) -> str:
    if level == "PATIENT":
        return str(entry.row)
    return str(entry.StudyInstanceUID if level == "STUDY" else entry.SeriesInstanceUID)


def _lines(field: str, entries: Sequence[Any]) -> str:
    return "\n".join(str(getattr(entry, field)) for entry in entries)
