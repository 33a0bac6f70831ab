"""What has to be known of a patient's page before it is trusted: hidden series, an ID that others have too.

Main thread only.
"""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.compare.sides import doubt_of, sides_of
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, link_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state

__all__ = ["PageRemarks", "hidden_text"]


def hidden_text(catalogue: Any, patient: Any, filters: Any) -> str:
    """How many studies and series of a patient the filters leave; empty if they leave all."""
    known = left = 0
    for study in patient.studies:
        known += len(study.series)
        left += len(catalogue.series(study.StudyInstanceUID, filters)) if study.series else 0
    studies = len(catalogue.studies(patient, filters))
    parts = []
    if studies < len(patient.studies):
        parts.append(_("{left} of {total} studies").format(left=studies, total=len(patient.studies)))
    if left < known:
        parts.append(_("{left} of {total} series").format(left=left, total=known))
    return ", ".join(parts)


class PageRemarks(qt.QFrame):
    """Lines above a patient's page, there only while there is something to say.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        qt.QFrame.__init__(self)
        self._browser = browser
        self._patient: Any = None
        set_state(self, "ground", "bar")
        self.accessibleName = _("Remarks on this patient")
        theme = browser.theme
        self._doubt, self._compare = label(""), link_button(_("Compare"), self.compare, _("Show both side by side"))
        self._hidden, self._all = label(""), link_button(_("Show all"), self.toggle, _("Ctrl+Shift+A"))
        self._doubt.wordWrap = self._hidden.wordWrap = True
        lines = qt.QVBoxLayout()
        lines.setContentsMargins(theme.px(14), theme.px(4), theme.px(14), theme.px(4))
        lines.spacing = theme.px(2)
        self._lines = []
        for icon, token, text, button in (
            ("warning", "warn", self._doubt, self._compare),
            ("filter", "accent", self._hidden, self._all),
        ):
            line = qt.QWidget()
            row = qt.QHBoxLayout()
            row.setContentsMargins(0, 0, 0, 0)
            row.spacing = theme.px(8)
            row.addWidget(icon_label(theme, icon, token))
            row.addWidget(text, 1)
            row.addWidget(button)
            line.setLayout(row)
            lines.addWidget(line)
            self._lines.append(line)
        self.setLayout(lines)
        self.hide()

    def show_for(self, patient: Any) -> None:
        """Say what there is to say of a patient's page."""
        browser = self._browser
        self._patient = patient
        doubt = doubt_of(browser.catalogue, patient)
        filters = browser.search_bar.filters
        hidden = hidden_text(browser.catalogue, patient, filters) if filters.active() else ""
        everything = browser.showing.show_all_series
        self._doubt.text = doubt
        self._compare.visible = bool(doubt) and len(sides_of(browser.catalogue, patient)) > 1
        if everything:
            self._hidden.text = _("All series are shown, also those that the filters hide.")
        else:
            self._hidden.text = _("The filters leave {what}.").format(what=hidden)
        self._all.text = _("Show only what fits") if everything else _("Show all")
        self._all.accessibleName = self._all.text
        self._lines[0].visible = bool(doubt)
        self._lines[1].visible = bool(hidden)
        self.visible = bool(doubt or hidden)

    def toggle(self) -> None:
        """Show what the filters hide of this patient, or hide it again."""
        showing = self._browser.showing
        showing.show_all_series = not showing.show_all_series
        showing.show_page()

    def compare(self) -> None:
        """Show the patient and whom it may be mistaken for side by side."""
        if self._patient is not None:
            self._browser.windows.open_compare(self._patient)
