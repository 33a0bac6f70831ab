"""A window with every part of the look, for tests and for looking at."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look import paint
from VisualDICOMBrowserLib.widgets.look.icons import icon_names
from VisualDICOMBrowserLib.widgets.look.parts import (
    BusyMark,
    ElidedLabel,
    NoteBar,
    Pill,
    Segmented,
    clear_button,
    icon_label,
    label,
    labelled,
    line,
    link_button,
    primary_button,
    push_button,
    tool_button,
)
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state

_TONES = ("ok", "ask", "warn", "error", "new", "mid", "tag")
_STEPS = (0.0, 0.03, 0.64, 1.0)


def nothing() -> None:
    """Action of buttons that only stand there."""


class Painted(qt.QWidget):
    """What delegates draw."""

    def __init__(self, theme: Theme) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self.setFixedSize(640, 60)

    def paintEvent(self, event: Any) -> None:
        painter = qt.QPainter(self)
        try:
            self._paint(painter)
        finally:
            painter.end()

    def _paint(self, painter: Any) -> None:
        x = 4
        for tone in paint.TONES:
            x += paint.draw_pill(painter, self._theme, x, 14, f"{tone} 12", tone, self.font) + 6
        x += paint.draw_tag(painter, self._theme, x, 14, "MR", self.font) + 4
        paint.draw_tag(painter, self._theme, x, 14, "RTDOSE", self.font)
        for place, step in enumerate(_STEPS):
            paint.draw_progress(painter, self._theme, qt.QRect(4 + place * 96, 40, 88, 6), step)
        paint.draw_icon(painter, self._theme, "cube", "ok", qt.QRect(400, 34, 20, 20))
        rect = qt.QRect(430, 34, 120, 20)
        paint.draw_text(painter, rect, "T1 MPRAGE sagittal isotropic", self.font, self._theme.colour("text"))


class Gallery(qt.QWidget):
    """Every part; keeps them in sight of tests as attributes."""

    def __init__(self, theme: Theme) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        set_state(self, "ground", "window")
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self._column = qt.QVBoxLayout()
        self.setLayout(self._column)
        self._add(self._fields())
        self._add(self._chips())
        self._add(self._buttons())
        self._add([Pill(tone, tone) for tone in _TONES] + [Painted(theme)])
        self._add(self._switches())
        self.bars = [NoteBar(theme) for _ in range(3)]
        for bar, level in zip(self.bars, ("info", "warn", "error"), strict=True):
            self._column.addWidget(bar)
            bar.say("Main PACS stopped. Nothing listens on port 11112.", level, [("Test", nothing), ("Edit", nothing)])
        self.bars[2].say("Another message", "error", details="Traceback")
        self._add(self._tables())
        self._icons()
        theme.apply(self)
        self.resize(1100, 900)

    def _add(self, parts: list[Any]) -> None:
        row = qt.QHBoxLayout()
        for part in parts:
            row.addWidget(part)
        row.addStretch(1)
        self._column.addLayout(row)

    def _fields(self) -> list[Any]:
        empty, active, wrong, off = (qt.QLineEdit() for _ in range(4))
        empty.placeholderText = "Any"
        active.text = "DEMO-004217"
        clear_button(self._theme, active)
        set_state(active, "state", "active")
        wrong.text = "112x2"
        set_state(wrong, "state", "error")
        off.text = "off"
        off.enabled = False
        combo = qt.QComboBox()
        combo.addItems(["Any date", "Today", "Last 7 days"])
        spin = qt.QSpinBox()
        date = qt.QDateEdit()
        made = (empty, active, wrong, off, combo, spin, date)
        self.fields = made
        return [labelled(name, field) for name, field in zip("ABCDEFG", made, strict=True)]

    def _chips(self) -> list[Any]:
        made = []
        for chip, icon, token in (
            ("ok", "check-circle", "ok"),
            ("ask", "search", "accent"),
            ("warn", "retry", "warn"),
            ("error", "cross-circle", "error"),
            ("off", "cloud", "mid"),
        ):
            frame = qt.QFrame()
            set_state(frame, "chip", chip)
            row = qt.QHBoxLayout()
            row.setContentsMargins(8, 0, 8, 0)
            row.addWidget(icon_label(self._theme, icon, token))
            row.addWidget(label("Main PACS", "strong"))
            row.addWidget(label("3 studies"))
            if chip == "error":
                row.addWidget(link_button("Retry", nothing))
            frame.setLayout(row)
            made.append(frame)
        return made

    def _buttons(self) -> list[Any]:
        self.primary = primary_button(self._theme, "Query servers", nothing, "server", key="Return")
        self.tool = tool_button(self._theme, "gear", "Settings", nothing, key="Ctrl+,")
        off = push_button(self._theme, "Off", nothing, "stop")
        off.enabled = False
        weak = primary_button(self._theme, "Off", nothing, "cube")
        weak.enabled = False
        menu = push_button(self._theme, "Fetch all", nothing, "cloud-down")
        self.menu = qt.QMenu(self)
        for text in ("Last 2 years", "Same body part", "Off"):
            self.menu.addAction(self._theme.icon("calendar"), text)
        self.menu.addSeparator()
        checked = self.menu.addAction("All studies")
        checked.checkable = True
        checked.checked = True
        self.menu.addMenu("Copy")
        menu.setMenu(self.menu)
        return [
            self.primary,
            push_button(self._theme, "More", nothing, "filter"),
            off,
            weak,
            menu,
            push_button(self._theme, "Delete 3 series", nothing, "trash", kind="danger"),
            push_button(self._theme, "Small", nothing, kind="small"),
            link_button("Ask again", nothing),
            self.tool,
            tool_button(self._theme, "close", "Close", nothing, mini=True),
        ]

    def _switches(self) -> list[Any]:
        self.switch = Segmented(self._theme, [("grid", "cards", "Cards"), ("rows", "rows", "Rows")], lambda name: None)
        slider = qt.QSlider(qt.Qt.Horizontal)
        slider.setFixedWidth(120)
        slider.value = 40
        progress = qt.QProgressBar()
        progress.setFixedWidth(100)
        progress.value = 64
        progress.textVisible = False
        checked, partly, off = (qt.QCheckBox(text) for text in ("On", "Partly", "Off"))
        checked.checked = True
        partly.tristate = True
        partly.setCheckState(qt.Qt.PartiallyChecked)
        radio = qt.QRadioButton("Radio")
        radio.checked = True
        self.busy = BusyMark(self._theme)
        self.busy.start()
        elided = ElidedLabel("A long description of a series that has no room", "mid")
        elided.setFixedWidth(120)
        tabs = qt.QTabBar()
        for name in ("DEMO, Jane", "SAMPLE, Priya"):
            tabs.addTab(self._theme.icon("person", "mid"), name)
        return [self.switch, slider, progress, checked, partly, off, radio, self.busy, elided, line(True), tabs]

    def _tables(self) -> list[Any]:
        tree = qt.QTreeWidget()
        tree.setHeaderLabels(["Task", "What"])
        tree.sortingEnabled = True
        tree.alternatingRowColors = True
        tree.rootIsDecorated = False
        for number in range(14):
            item = qt.QTreeWidgetItem(["Fetch", f"Series {number}"])
            item.setCheckState(0, qt.Qt.Checked if number % 2 else qt.Qt.Unchecked)
            tree.addTopLevelItem(item)
        tree.topLevelItem(1).setSelected(True)
        box = qt.QGroupBox("Group")
        column = qt.QVBoxLayout()
        column.addWidget(label("DEMO, Jane", "title"))
        column.addWidget(label("Heading", "heading"))
        column.addWidget(label("strong", "strong"))
        column.addWidget(label("caption", "caption"))
        box.setLayout(column)
        pages = qt.QTabWidget()
        for name in ("Connection", "Query", "Retrieve"):
            pages.addTab(qt.QPlainTextEdit(name), name)
        return [tree, box, pages]

    def _icons(self) -> None:
        grid = qt.QGridLayout()
        for number, name in enumerate(icon_names()):
            cell = icon_label(self._theme, name, size=20)
            cell.toolTip = name
            grid.addWidget(cell, number // 26, number % 26)
        self._column.addLayout(grid)
