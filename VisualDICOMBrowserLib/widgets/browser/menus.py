"""Context menus as data: what each entry says and does, and why it cannot be used where it cannot. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import qt

__all__ = ["SEPARATOR", "Item", "fill_menu", "show_menu"]


@dataclass
class Item:
    """An entry of a menu.

    ``why_not`` is the reason why it cannot be used now, empty where it can. ``items`` make it a submenu. ``key`` is
    shown beside it. ``checked`` is None for an entry without a check mark.
    """

    text: str
    action: Callable[[], None] | None = None
    why_not: str = ""
    key: str = ""
    items: Sequence[Item] = field(default_factory=list)
    checked: bool | None = None


SEPARATOR = Item("")


def fill_menu(menu: Any, items: Sequence[Item]) -> None:
    """Put entries into a menu; those that cannot be used are grey and say why in their tool tip."""
    menu.toolTipsVisible = True
    for item in items:
        if item is SEPARATOR:
            menu.addSeparator()
        elif item.items:
            fill_menu(menu.addMenu(_with_key(item)), item.items)
        else:
            _add(menu, item)


def _add(menu: Any, item: Item) -> None:
    entry = menu.addAction(_with_key(item))
    entry.enabled = not item.why_not and item.action is not None
    entry.toolTip = item.why_not
    if item.checked is not None:
        entry.checkable = True
        entry.checked = item.checked
    run = item.action
    if run is not None:
        entry.triggered.connect(lambda *_args, run=run: run())


def _with_key(item: Item) -> str:
    return f"{item.text}\t{item.key}" if item.key else item.text


def show_menu(theme: Any, parent: Any, items: Sequence[Item], point: Any) -> Any:
    """Show a menu at a point of the screen, without waiting for what is chosen; the caller keeps the result."""
    menu = qt.QMenu(parent)
    theme.apply(menu)
    fill_menu(menu, items)
    menu.popup(point)
    return menu
