"""A list of things to check in a popup: modalities with their counts, servers with their state. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.parts import link_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.search.fields import grab_focus

__all__ = ["CheckItem", "CheckPopup"]

_SHOWN = 14


@dataclass(frozen=True)
class CheckItem:
    """One line: its key, its text, and what stands behind it on the right."""

    key: str
    text: str
    note: str = ""
    icon: str = ""
    tone: str = "mid"
    hint: str = ""
    enabled: bool = True


class CheckPopup(qt.QFrame):
    """A popup with a check list, and links below it.

    Parameters
    ----------
    theme : Theme
    name : str
        For screen readers.
    on_change : Callable[[list[str]], None]
        Told the checked keys, in their order, after each change.
    links : sequence of (text, action)
        Shown below the list.
    """

    def __init__(
        self,
        parent: Any,
        theme: Theme,
        name: str,
        on_change: Callable[[list[str]], None],
        links: Sequence[tuple[str, Callable[[], None]]] = (),
    ) -> None:
        qt.QFrame.__init__(self, parent)
        self.setWindowFlags(qt.Qt.Popup)
        set_state(self, "kind", "popup")
        self._theme = theme
        self._on_change = on_change
        self._items: list[CheckItem] = []
        self._filling = False
        self._list = qt.QListWidget()
        self._list.accessibleName = name
        self._list.frameShape = qt.QFrame.NoFrame
        self._list.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        self._list.itemChanged.connect(lambda *_: self._changed())
        self._list.itemActivated.connect(self._toggle)
        self._links = []
        row = qt.QHBoxLayout()
        row.spacing = 12
        for text, action in links:
            link = link_button(text, action)
            row.addWidget(link)
            self._links.append(link)
        row.addStretch(1)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(6, 6, 6, 6)
        layout.spacing = 6
        layout.addWidget(self._list)
        layout.addLayout(row)
        self.setLayout(layout)

    @property
    def checked(self) -> list[str]:
        """Keys that are checked."""
        rows = range(self._list.count)
        return [self._items[row].key for row in rows if self._list.item(row).checkState() == qt.Qt.Checked]

    def fill(self, items: Sequence[CheckItem], checked: Sequence[str]) -> None:
        """Show these lines with these of them checked."""
        self.palette = self._theme.palette()
        self._filling = True
        kept = self._list.currentRow
        if [(each.key, each.text, each.note) for each in items] != [(e.key, e.text, e.note) for e in self._items]:
            self._list.clear()
            self._items = list(items)
            for each in items:
                self._list.addItem(self._line(each))
        for row, each in enumerate(self._items):
            state = qt.Qt.Checked if each.key in checked else qt.Qt.Unchecked
            self._list.item(row).setCheckState(state)
        self._list.currentRow = max(0, min(kept, len(self._items) - 1))
        self._filling = False
        self._fit()

    def check(self, key: str, checked: bool = True) -> None:
        """Check a line as the user would."""
        row = [each.key for each in self._items].index(key)
        self._list.item(row).setCheckState(qt.Qt.Checked if checked else qt.Qt.Unchecked)

    def focus_list(self) -> None:
        """Let the keys move through the list."""
        grab_focus(self._list)

    def _line(self, each: CheckItem) -> Any:
        text = f"{each.text}   {each.note}" if each.note else each.text
        line = qt.QListWidgetItem(text)
        flags = qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsSelectable
        line.setFlags(flags | qt.Qt.ItemIsEnabled if each.enabled else flags)
        if each.icon:
            line.setIcon(self._theme.icon(each.icon, each.tone))
        line.setToolTip(each.hint)
        return line

    def _toggle(self, line: Any) -> None:
        line.setCheckState(qt.Qt.Unchecked if line.checkState() == qt.Qt.Checked else qt.Qt.Checked)

    def _changed(self) -> None:
        if not self._filling:
            self._on_change(self.checked)

    def _fit(self) -> None:
        metrics = qt.QFontMetrics(self._list.font)
        rows = max(1, min(_SHOWN, len(self._items)))
        height = max(self._list.sizeHintForRow(0), metrics.height() + 6)
        self._list.setFixedHeight(rows * height + 4)
        widest = max((metrics.horizontalAdvance(f"{e.text}   {e.note}") for e in self._items), default=80)
        self._list.minimumWidth = min(widest + 74, metrics.averageCharWidth() * 60)
