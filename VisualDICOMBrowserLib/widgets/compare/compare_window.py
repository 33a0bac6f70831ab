"""The window that shows two patients side by side, field by field. Non-modal. Main thread only.

It decides nothing: patients whose name or birth date contradict each other stay apart, whatever is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.compare.sides import (
    FIELDS,
    Side,
    Values,
    differs,
    field_title,
    identity_from_header,
    shown_value,
    sides_of,
    split_by_header,
)
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, line, link_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.page.words import DOT
from VisualDICOMBrowserLib.widgets.wording import written_date

__all__ = ["CompareWindow"]

_WIDTH, _HEIGHT, _CELL, _BESIDE = 900, 600, 220, 240
_MOST_HEADERS = 60
_MOST_STUDIES = 12


class CompareWindow(qt.QWidget):
    """Compares a patient with whom it may be mistaken for.

    Parameters
    ----------
    context : BrowserContext
    catalogue : Catalogue
    patient : PatientEntry
    on_show : Callable[[PatientEntry], None]
        Called to make a patient the current one.
    """

    def __init__(self, context: BrowserContext, catalogue: Any, patient: Any, on_show: Callable[[Any], None]) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._on_show = on_show
        self._sides = sides_of(catalogue, patient)
        self._headers: dict[str, Values] = {}
        self._waiting = 0
        self._grid: Any = None
        self._close_key = qt.QShortcut(qt.QKeySequence("Esc"), self)
        self._close_key.activated.connect(lambda *_: self.close())
        self.windowTitle = _("Compare patients with the ID {id}").format(id=patient.PatientID)
        set_state(self, "ground", "base")
        self._build()
        theme = context.theme
        theme.follow(self, lambda: theme.apply(self))
        self.resize(theme.px(max(_WIDTH, _BESIDE + _CELL * len(self._sides))), theme.px(_HEIGHT))
        self._ask_headers()
        self._fill()

    @property
    def sides(self) -> Sequence[Side]:
        """Who is compared."""
        return self._sides

    @property
    def busy(self) -> bool:
        """Whether headers of local images are still being read."""
        return self._waiting > 0

    def text(self) -> str:
        """The table as text with tabs between its columns."""
        rows = [["", *(side.heading for side in self._sides), ""]]
        for name in FIELDS:
            values = [_told(side, name) for side in self._sides]
            rows.append([field_title(name), *values, _sign(differs(name, self._sides))[2]])
        studies = ["; ".join(_study_text(each) for each in side.studies) for side in self._sides]
        rows.append([_("Studies"), *studies, ""])
        return "\n".join("\t".join(row).rstrip() for row in rows)

    # Parts

    def _build(self) -> None:
        px = self._context.theme.px
        column = qt.QVBoxLayout()
        column.setContentsMargins(px(16), px(14), px(16), px(12))
        column.spacing = px(10)
        head = label(_("Are these the same person?"), "heading")
        hint = label(_("They are kept apart, and nothing here changes that. Fields that differ have a sign."), "mid")
        hint.wordWrap = True
        column.addWidget(head)
        column.addWidget(hint)
        column.addWidget(line())
        self._scroll = qt.QScrollArea()
        self._scroll.widgetResizable = True
        self._scroll.frameShape = qt.QFrame.NoFrame
        self._scroll.accessibleName = _("Comparison")
        column.addWidget(self._scroll, 1)
        self._reading = label("", "mid")
        row = qt.QHBoxLayout()
        row.spacing = px(8)
        row.addWidget(self._reading, 1)
        theme = self._context.theme
        row.addWidget(push_button(theme, _("Copy as text"), self._copy, "copy"))
        row.addWidget(
            push_button(theme, _("Keep apart"), self.close, "", _("Close; nothing changes"), "Esc", "primary")
        )
        column.addLayout(row)
        self.setLayout(column)

    def _fill(self) -> None:
        """Make the table anew."""
        px = self._context.theme.px
        page = qt.QWidget()
        set_state(page, "ground", "base")
        grid = qt.QGridLayout()
        grid.setContentsMargins(0, 0, px(8), 0)
        grid.setHorizontalSpacing(px(16))
        grid.setVerticalSpacing(px(8))
        for number, side in enumerate(self._sides):
            title = label(side.heading, "strong")
            title.wordWrap = True
            title.minimumWidth = px(_CELL) * 2 // max(3, len(self._sides))
            grid.addWidget(title, 0, 2 + number, qt.Qt.AlignTop)
            grid.setColumnStretch(2 + number, 1)
            if side.entry is not None and number:
                show = link_button(_("Show this patient"), partial(self._on_show, side.entry))
                set_state(show, "flush", "true")
                show.accessibleName = _("Show {name}, {heading}").format(
                    name=side.entry.shown_name, heading=side.heading
                )
                grid.addWidget(show, 1, 2 + number, qt.Qt.AlignLeft)
        for row, name in enumerate(FIELDS, 2):
            self._add_field(grid, row, name)
        row = len(FIELDS) + 2
        grid.addWidget(line(), row, 0, 1, 2 + len(self._sides))
        grid.addWidget(label(_("Studies"), "caption"), row + 1, 0, qt.Qt.AlignTop)
        for number, side in enumerate(self._sides):
            grid.addWidget(self._studies(side), row + 1, 2 + number, qt.Qt.AlignTop)
        grid.setRowStretch(row + 2, 1)
        page.setLayout(grid)
        self._grid = page
        self._scroll.setWidget(page)
        self._reading.text = _("Reading local images...") if self.busy else ""

    def _add_field(self, grid: Any, row: int, name: str) -> None:
        state = differs(name, self._sides)
        icon, token, words = _sign(state)
        caption = label(field_title(name), "caption")
        grid.addWidget(caption, row, 0)
        sign = qt.QWidget()
        line_of = qt.QHBoxLayout()
        line_of.setContentsMargins(0, 0, 0, 0)
        line_of.spacing = self._context.theme.px(5)
        if icon:
            line_of.addWidget(icon_label(self._context.theme, icon, token, 14))
        said = label(words, "strong" if state else "mid")
        set_state(said, "state", "warn" if state else "")
        line_of.addWidget(said)
        line_of.addStretch(1)
        sign.setLayout(line_of)
        grid.addWidget(sign, row, 1)
        for number, side in enumerate(self._sides):
            text = _told(side, name)
            value = label(text, ("strong" if state else "") if side.values.get(name) else "mid")
            value.wordWrap = True
            value.textInteractionFlags = qt.Qt.TextSelectableByMouse
            value.accessibleName = _("{field}, {heading}: {value}, {state}").format(
                field=field_title(name), heading=side.heading, value=text, state=words
            )
            grid.addWidget(value, row, 2 + number)

    def _studies(self, side: Side) -> Any:
        box = qt.QWidget()
        column = qt.QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.spacing = self._context.theme.px(6)
        for study in side.studies[:_MOST_STUDIES]:
            what, where = _what(study), _where(study)
            first = label(what)
            first.wordWrap = True
            column.addWidget(first)
            second = label(where, "small")
            second.wordWrap = True
            column.addWidget(second)
        left = len(side.studies) - _MOST_STUDIES
        if left > 0:
            column.addWidget(label(plural(left, "{count} more study", "{count} more studies"), "mid"))
        if not side.studies:
            pending = side.birth and self.busy
            column.addWidget(label(_("Looking...") if pending else _("None found"), "mid"))
        box.setLayout(column)
        return box

    # Headers of local images

    def _ask_headers(self) -> None:
        """Read one image of each local study: only headers tell the issuer, other IDs, and whose a study says it is."""
        studies = [study for side in self._sides if side.entry is not None for study in side.studies if study.local]
        for study in studies[:_MOST_HEADERS]:
            series = next((each for each in study.series if each.local), None)
            if series is not None:
                self._waiting += 1
                self._context.ask(
                    "instances", partial(self._ask_header, study), self._unread, series=series.SeriesInstanceUID
                )

    def _ask_header(self, study: Any, instances: Sequence[Mapping[str, Any]]) -> None:
        if not instances:
            self._read_one()
            return
        taken, uid = partial(self._take_header, study), str(instances[0]["SOPInstanceUID"])
        self._context.ask("metadata", taken, self._unread, SOPInstanceUID=uid)

    def _take_header(self, study: Any, nodes: Sequence[Mapping[str, Any]]) -> None:
        self._headers[study.StudyInstanceUID] = identity_from_header(nodes)
        self._read_one()

    def _unread(self, _error: VisualDICOMError) -> None:
        self._read_one()  # a file that is gone tells nothing, which the table says

    def _read_one(self) -> None:
        self._waiting -= 1
        if not self._waiting and bool(self):
            split_by_header(self._sides, self._headers)
            self._fill()

    def _copy(self) -> None:
        qt.QApplication.clipboard().setText(self.text())


def _sign(state: bool | None) -> tuple[str, str, str]:
    """Icon, colour token and words for a field that differs, agrees, or cannot be compared."""
    if state is None:
        return "", "mid", _("not comparable")
    return ("warning", "warn", _("differs")) if state else ("check", "ok", _("the same"))


def _told(side: Side, name: str) -> str:
    value = side.values.get(name)
    if value is None:
        return _("not told")
    return shown_value(name, value) or _("empty")


def _what(study: Any) -> str:
    parts = [written_date(study.StudyDate) or _("No date"), " ".join(study.ModalitiesInStudy), study.StudyDescription]
    return DOT.join(part for part in parts if part)


def _where(study: Any) -> str:
    return ", ".join([*([_("Local database")] if study.local else []), *study.sources]) or _("Nowhere")


def _study_text(study: Any) -> str:
    return f"{_what(study)} ({_where(study)})"
