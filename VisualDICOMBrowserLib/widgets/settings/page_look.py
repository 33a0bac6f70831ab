"""The page of the look: light, dark or high contrast, a style sheet of one's own, order of series. Main thread only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look import theme as look_theme
from VisualDICOMBrowserLib.widgets.look.parts import ElidedLabel, push_button
from VisualDICOMBrowserLib.widgets.settings.appearance import LOOK_KEY, LOOKS, SHEET_KEY, SheetFollower
from VisualDICOMBrowserLib.widgets.settings.fields import Page

__all__ = ["OPENED_STUDIES_KEY", "ORDER_KEY", "LookPage"]

ORDER_KEY = "order"
OPENED_STUDIES_KEY = "opened_studies"
_ORDERS = ("number", "time", "modality", "description")
_OPENED = 2
_MOST_OPENED = 100


def look_name(look: str) -> str:
    """A look as the page calls it."""
    return {
        "system": _("As the system"),
        "light": _("Light"),
        "dark": _("Dark"),
        "contrast": _("High contrast"),
    }[look]


class LookPage(Page):
    """Look, style sheet, and how a patient's series are shown.

    Parameters
    ----------
    context : BrowserContext
    on_view : Callable[[str], None]
        Called with the key in the view settings after the order or the number of opened studies has changed.
    """

    def __init__(self, context: BrowserContext, on_view: Any) -> None:
        Page.__init__(self, context, _("Look"))
        self._on_view = on_view
        self._follower: SheetFollower | None = None
        self.add_heading(_("Theme"))
        self._looks: dict[str, Any] = {}
        group = qt.QButtonGroup(self)
        for look in LOOKS:
            button = qt.QRadioButton(look_name(look))
            button.accessibleName = look_name(look)
            button.toggled.connect(lambda checked, *_args, look=look: self._choose_look(look) if checked else None)
            group.addButton(button)
            self._looks[look] = button
            self.add_widget(button)
        self.add_heading(_("Style sheet"))
        self.add_text(
            _(
                "A Qt style sheet file in place of ours; words like @accent are colours of the theme. "
                "Changes show at once."
            )
        )
        self._sheet = ElidedLabel("", "", True)
        self.add_widget(self._sheet)
        theme = context.theme
        self._ours = push_button(theme, _("Use ours"), lambda: self.use_sheet(""))
        self.add_buttons(
            push_button(theme, _("Choose file..."), self._choose_sheet),
            push_button(theme, _("Save a copy of ours..."), self._copy_sheet),
            self._ours,
        )
        self.add_heading(_("Patient page"))
        self._order = qt.QComboBox()
        for text in (_("Series number"), _("Time"), _("Modality, then number"), _("Description")):
            self._order.addItem(text)
        self._order.currentIndexChanged.connect(lambda number: self._put_view(ORDER_KEY, _ORDERS[number]))
        self.add_row(_("Order of series"), self._order)
        self._opened = qt.QSpinBox()
        self._opened.setRange(0, _MOST_OPENED)
        self._opened.setFixedWidth(theme.px(110))
        self._opened.valueChanged.connect(lambda number: self._put_view(OPENED_STUDIES_KEY, int(number)))
        self.add_row(_("Newest studies open"), self._opened, _("and priors of the same modality and body part"))

    def refresh(self) -> None:
        """Show what is remembered."""
        kept = self.context.view_settings
        asked = self.context.theme.asked
        order = kept.get(ORDER_KEY, _ORDERS[0])
        fields = (*self._looks.values(), self._order, self._opened)
        before = [field.blockSignals(True) for field in fields]
        self._looks[asked if asked in LOOKS else "system"].checked = True
        self._order.currentIndex = _ORDERS.index(order) if order in _ORDERS else 0
        self._opened.value = int(kept.get(OPENED_STUDIES_KEY, _OPENED))
        for field, was in zip(fields, before, strict=True):
            field.blockSignals(was)
        self._show_sheet()

    def use_sheet(self, file: str) -> None:
        """Use a style sheet file, or ours if the text is empty; it is read again whenever it changes."""
        if self._follower is None:
            self._follower = SheetFollower(self.context.theme, self.context.view_settings)
        self._follower.choose(file)
        self._show_sheet()

    def close_page(self) -> None:
        """Watch the style sheet no more."""
        if self._follower is not None:
            self._follower.close()

    def _choose_look(self, look: str) -> None:
        self.context.view_settings.put(LOOK_KEY, look)
        self.context.theme.choose(look)

    def _put_view(self, key: str, value: Any) -> None:
        self.context.view_settings.put(key, value)
        self._on_view(key)

    def _show_sheet(self) -> None:
        file = self.context.view_settings.get(SHEET_KEY)
        self._sheet.text = str(file) if file else _("Ours")
        self._ours.enabled = bool(file)

    def _choose_sheet(self) -> None:
        file = qt.QFileDialog.getOpenFileName(self, _("Style sheet"), "", _("Style sheets (*.qss *.css)"))
        if file:
            self.use_sheet(file)

    def _copy_sheet(self) -> None:
        file = qt.QFileDialog.getSaveFileName(self, _("Save a copy of our style sheet"), "browser.qss")
        if not file:
            return
        ours = Path(look_theme.__file__).with_name("visualdicombrowser.qss")
        try:
            Path(file).write_text(ours.read_text(encoding="utf-8"), encoding="utf-8")
        except OSError as fault:
            text = _("The style sheet could not be written to {file}: {reason}.")
            self.context.report(text.format(file=file, reason=fault.strerror or fault), "error")
            return
        self.use_sheet(file)
