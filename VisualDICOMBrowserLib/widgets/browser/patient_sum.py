"""What several selected patients are together, and what can be done with all of them. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser.menus import fill_menu
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, push_button
from VisualDICOMBrowserLib.widgets.wording import size_text

__all__ = ["PatientSum", "sum_text"]

_LEAST_WIDTH = 200


def sum_text(totals: dict[str, int], size: int | None) -> str:
    """Studies, bytes as far as they are known, and how many patients are only on servers."""
    parts = [plural(totals["studies"], "{count} study", "{count} studies")]
    if size is not None and totals["local"]:
        parts.append(size_text(size))
    if totals["remote"]:
        parts.append(plural(totals["remote"], "{count} only on servers", "{count} only on servers"))
    return ", ".join(parts)


class PatientSum(qt.QWidget):
    """Stands in place of a patient's page while several patients are selected.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        qt.QWidget.__init__(self)
        self._browser = browser
        self._size: int | None = None
        self._asked: tuple[int, int] = (0, 0)
        self._asking = False
        self.patients: list[Any] = []
        self._title, self._sum, self._more = label("", "heading"), label("", "strong"), label("", "mid")
        for each in (self._title, self._sum, self._more):
            each.wordWrap = True
            each.alignment = qt.Qt.AlignCenter
        self._make_buttons(browser.theme)
        self._row = qt.QBoxLayout(qt.QBoxLayout.LeftToRight)
        self._row.spacing = browser.theme.px(8)
        for button in self._buttons:
            self._row.addWidget(button)
        middle = qt.QHBoxLayout()
        middle.addStretch(1)
        middle.addLayout(self._row)
        middle.addStretch(1)
        margin = browser.theme.px(16)
        column = qt.QVBoxLayout()
        column.setContentsMargins(margin, margin, margin, margin)
        column.spacing = browser.theme.px(6)
        icon = qt.QHBoxLayout()
        icon.addStretch(1)
        icon.addWidget(icon_label(browser.theme, "people", "mid", 36))
        icon.addStretch(1)
        column.addStretch(2)
        column.addLayout(icon)
        for each in (self._title, self._sum, self._more):
            column.addWidget(each)
        column.addSpacing(browser.theme.px(10))
        column.addLayout(middle)
        column.addStretch(3)
        self.setLayout(column)
        # Else the buttons in a row would keep the page from becoming narrower than they are.
        self.minimumWidth = browser.theme.px(_LEAST_WIDTH)

    def show_for(self, patients: Sequence[Any]) -> None:
        """Say how much these patients are; nobody ends it."""
        self.patients = list(patients)
        self._size = None
        if self.patients:
            self.refresh()

    def refresh(self) -> None:
        """Take up what has changed of them."""
        self._ask_size()
        totals = self._browser.catalogue.totals(self.patients)
        self._title.text = plural(totals["patients"], "{count} patient selected", "{count} patients selected")
        self._sum.text = sum_text(totals, self._size)
        parts = [
            plural(totals["series"], "{count} series", "{count} series"),
            plural(totals["images"], "{count} image", "{count} images"),
        ]
        self._more.text = ", ".join(parts)
        self.accessibleName = f"{self._title.text}: {self._sum.text}"
        self._allow(self._fetch, self._why_not_fetched())
        here = "" if any(each.local for each in self.patients) else _("Nothing of it is here yet; fetch it first.")
        self._allow(self._send, here or self._browser.menus.send_menu("PATIENT", self._local(), "").why_not)
        self._allow(self._copy, here)
        self._arrange()

    def _ask_size(self) -> None:
        """Ask how large they are, once for each number of images that are here; one question at a time."""
        rows = [row for each in self.patients for row in each.rows]
        here = sum(study.local for each in self.patients for study in each.studies)
        asked = (hash(tuple(rows)), here)
        if self._asking or not rows or (asked == self._asked and self._size is not None):
            return
        self._asking, self._asked = True, asked

        def take(footprint: dict[str, Any] | None) -> None:
            self._asking = False
            self._size = None if footprint is None else int(footprint["bytes"])
            if self.patients and footprint is not None:
                self.refresh()

        self._browser.context.ask("footprint", take, lambda _error: take(None), patients=rows)

    def resizeEvent(self, event: Any) -> None:
        """Put the buttons below each other where a row of them has no room."""
        self._arrange()
        qt.QWidget.resizeEvent(self, event)

    def _arrange(self) -> None:
        spacing = self._browser.theme.px(8)
        needed = sum(each.sizeHint.width() + spacing for each in self._buttons) + 4 * spacing
        way = qt.QBoxLayout.TopToBottom if self.width < needed else qt.QBoxLayout.LeftToRight
        self._row.setDirection(way)

    def _make_buttons(self, theme: Any) -> None:
        self._fetch = push_button(theme, _("Fetch"), self._fetch_all, "cloud-down", "", "Ctrl+D", "primary")
        self._send = push_button(theme, _("Send..."), _nothing, "send")
        self._send_menu = qt.QMenu(self._send)
        self._send_menu.aboutToShow.connect(lambda *_args: self._fill_send())
        self._send.setMenu(self._send_menu)
        self._export = push_button(theme, _("Export..."), _nothing, "export")
        self._allow(self._export, _("Export comes with a later version."))
        self._copy = push_button(theme, _("Copy Python Code"), self._copy_python, "copy")
        self._others = push_button(theme, "...", _nothing, "", _("More actions"))
        self._others.accessibleName = _("More actions")
        self._others_menu = qt.QMenu(self._others)
        self._others_menu.aboutToShow.connect(lambda *_args: self._fill_others())
        self._others.setMenu(self._others_menu)
        self._buttons = (self._fetch, self._send, self._export, self._copy, self._others)

    @staticmethod
    def _allow(button: Any, why_not: str) -> None:
        button.enabled = not why_not
        button.toolTip = why_not

    def _local(self) -> list[Any]:
        return [each for each in self.patients if each.local]

    def _missing(self) -> list[Any]:
        studies = [study for each in self.patients for study in each.studies]
        return [study for study in studies if study.sources and not study.complete]

    def _why_not_fetched(self) -> str:
        if self._missing():
            return ""
        if any(study.sources for each in self.patients for study in each.studies):
            return _("All of it is here.")
        return _("No server is known that has it. Query the servers first.")

    def _fetch_all(self) -> None:
        self._browser.acts.fetch_studies(self._missing())

    def _copy_python(self) -> None:
        browser = self._browser
        browser.acts.copy_python(
            [series for each in self.patients for study in each.studies for series in study.series if series.local]
        )

    def _fill_send(self) -> None:
        self._send_menu.clear()
        fill_menu(self._send_menu, self._browser.menus.send_menu("PATIENT", self._local(), "").items)

    def _fill_others(self) -> None:
        self._others_menu.clear()
        studies = [study for each in self.patients for study in each.studies]
        fill_menu(self._others_menu, self._browser.menus.patient(self.patients, studies))


def _nothing() -> None:
    """What a button does that only opens its menu."""
