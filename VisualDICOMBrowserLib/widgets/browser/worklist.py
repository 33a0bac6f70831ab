"""The worklist in the browser: its chip, its list, and what Enter on a step of it does. Main thread only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.search.worklist import WorklistPopup, WorklistRun

__all__ = ["Worklist"]


class Worklist:
    """Asks for today's procedures and opens their patients.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._servers: list[dict[str, Any]] = []
        self.popup: Any = None
        self.run = WorklistRun(browser.context, self._changed)

    @property
    def why_not(self) -> str:
        """Why there is no worklist, empty if there is one."""
        return "" if self.run.available else _("No server is set up for the worklist.")

    def set_servers(self, servers: list[dict[str, Any]]) -> None:
        """All servers, as the command ``servers`` gives them."""
        self._servers = servers
        self.run.set_servers(servers)

    def begin_anew(self) -> None:
        """The engine was restarted: what was asked will not be answered."""
        if self.run.busy:
            self.run.close()
            self.run = WorklistRun(self._browser.context, self._changed)
            self.run.set_servers(self._servers)

    def open(self) -> None:
        """Show the list; it is asked for when it is opened for the first time."""
        browser = self._browser
        if self.why_not:
            browser.context.report(self.why_not, "info")
            return
        if self.popup is None:
            self.popup = WorklistPopup(browser, browser.theme, self._open_step, self._status_of, self.run_again)
        if not self.run.asked:
            self.run.ask()
        self._fill()
        chips, popup = browser.chips, self.popup
        popup.resize(popup.minimumSize.expandedTo(popup.sizeHint))
        below = chips.mapToGlobal(qt.QPoint(max(0, (chips.width - popup.width) // 2), chips.height))
        popup.move(below)
        popup.show()
        popup.focus_list()

    def run_again(self) -> None:
        """Ask once more."""
        self.run.ask()

    def close(self) -> None:
        """Hear of nothing any more."""
        self.run.close()
        if self.popup is not None:
            self.popup.close()

    def _changed(self) -> None:
        run = self.run
        if not run.available:
            self._browser.chips.note_worklist(None)
        else:
            count = len(run.items) if run.asked else -1
            self._browser.chips.note_worklist(count, busy=run.busy, failed=bool(run.failures) and not run.items)
        self._fill()

    def _fill(self) -> None:
        if self.popup is not None:
            self.popup.put(self.run.items, self.run.failures, self.run.busy)

    def _status_of(self, step: Mapping[str, Any]) -> str:
        """Whether images of the step, or earlier ones of its patient, are known."""
        catalogue = self._browser.catalogue
        study = catalogue.one_study(str(step.get("StudyInstanceUID") or ""))
        if study is not None:
            return _("Images here") if study.local else _("Images on servers")
        known = catalogue.patients_of(str(step.get("PatientID") or ""))
        if not known:
            return ""
        return _("Priors here") if any(each.local for each in known) else _("Priors on servers")

    def _open_step(self, step: Mapping[str, Any]) -> None:
        """Show the patient of a step, and ask all servers for priors."""
        browser = self._browser
        patient_id = str(step.get("PatientID") or "")
        if not patient_id:
            browser.context.report(_("This step of the worklist names no patient ID."), "warn")
            return

        def tell() -> None:
            if not browser.catalogue.patients_of(patient_id):
                text = _("No images of {patient} are here or on the servers asked.")
                browser.context.report(text.format(patient=patient_id), "info")

        browser.showing.show_id(patient_id)
        if not browser.navigation.look_for_priors_of([patient_id], tell):
            tell()
