"""Going from one patient, series or job to another. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry

__all__ = ["Navigation"]


class Navigation:
    """What opens patients, series and jobs in a browser.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser

    def tab_chosen(self, key: Any) -> None:
        """The user chose a tab, or closed the last one."""
        browser = self._browser
        entry = browser.catalogue.patient(key) if key is not None else None
        if key is None or entry is not browser.showing.current:
            browser.showing.show(entry)

    def rows_selected(self, entries: list[PatientEntry]) -> None:
        """The user selected rows of the patient list."""
        browser = self._browser
        if len(entries) > 1:
            browser.arranging.show_sum(entries)
            return
        browser.arranging.end_sum()
        if entries and entries[0] is not browser.showing.current:
            browser.showing.show(entries[0])

    def row_opened(self, entry: PatientEntry) -> None:
        """Enter or a double click on a row."""
        browser = self._browser
        browser.showing.show(entry)
        if browser.arranging.side:
            browser.arranging.show_list(False)
        browser.page.setFocus(qt.Qt.OtherFocusReason)

    def open_patients(self, entries: Sequence[PatientEntry]) -> None:
        """Open patients in tabs, and show the last of them."""
        for entry in entries:
            self._browser.showing.show(entry)
        self._browser.choose_mode(False)

    def open_picker(self) -> None:
        """Show the searchable list of patients; in the side panel the list takes the place of the page."""
        browser = self._browser
        if browser.arranging.side:
            browser.arranging.show_list(not browser.arranging.list_shown)
            return
        self._pick_below(browser.patients_button)

    def pick_patient(self) -> None:
        """Show the searchable list of patients below the name of the present one."""
        self._pick_below(self._browser.name_button)

    def _pick_below(self, button: Any) -> None:
        browser = self._browser
        below = button.mapToGlobal(qt.QPoint(0, button.height))
        browser.picker.open_at(browser.showing.entries, browser.showing.recent(), below)

    def look_for_priors(self, patients: Sequence[PatientEntry]) -> None:
        """Ask all servers for all studies of patients."""
        self.look_for_priors_of([entry.PatientID for entry in patients])

    def look_for_priors_of(self, patient_ids: Sequence[str], on_end: Callable[[], None] | None = None) -> bool:
        """Ask all servers for all studies of patients with these IDs; False if there is nobody to ask."""
        browser = self._browser
        wanted = [each for each in patient_ids if each.strip()]
        names = [each["name"] for each in browser.servers if each.get("enabled") and each.get("query_enabled", True)]
        if not names or not wanted or not browser.context.host.before_network():
            return False
        for patient_id in wanted:
            browser.run.ask_patient(patient_id, names, on_end)
        return True

    def show_series(self, study_uid: str, series_uids: list[str]) -> None:
        """Show the patient of a study, with series of it selected."""
        browser = self._browser
        study = browser.catalogue.one_study(study_uid)
        series = next((found for uid in series_uids if (found := browser.catalogue.one_series(uid))), None)
        study = study or (series.study if series is not None else None)
        if study is not None:
            browser.showing.show(study.patient)
            browser.page.select(series_uids)

    def jobs_pressed(self, name: str) -> None:
        """The status line: show jobs of a kind, or open and close the list."""
        browser = self._browser
        if name:
            browser.jobs_panel.show_only(name)
        browser.arranging.show_jobs(bool(name) or not browser.arranging.jobs_shown)

    def show_job(self, job_id: str) -> None:
        """Show a job with its details."""
        browser = self._browser
        browser.arranging.show_jobs(True)
        browser.jobs_panel.show_only("all")
        browser.jobs_panel.select(job_id)
