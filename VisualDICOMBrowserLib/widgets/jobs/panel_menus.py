"""The menus of the job panel: what can be done with selected jobs, and with all of them. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.acts import ACTS, can
from VisualDICOMBrowserLib.widgets.jobs.state import Job
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["jobs_menu", "settings_menu"]

_SPEEDS_MB = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def jobs_menu(
    parent: Any, context: BrowserContext, jobs: Sequence[Job], act: Callable[[str], None], more: Mapping[str, str]
) -> Any:
    """Menu of what can be done with jobs; entries that no job can follow are pale and say so.

    `more` has the words of further entries by the name that `act` gets.
    """
    menu = qt.QMenu(parent)
    menu.toolTipsVisible = True
    for name, each in ACTS.items():
        able = any(can(name, job) for job in jobs)
        entry = _entry(menu, _(each.words), partial(act, name), context.theme.icon(each.icon))
        entry.enabled = able
        if not able:
            entry.toolTip = _("None of the selected jobs is in a state for this.")
    menu.addSeparator()
    for name, words in more.items():
        _entry(menu, words, partial(act, name))
    return menu


def settings_menu(
    parent: Any,
    context: BrowserContext,
    entries: Sequence[tuple[str, Callable[[], None]]],
    background: bool,
    on_background: Callable[[bool], None],
    servers: Mapping[str, Mapping[str, Any]],
) -> Any:
    """Menu for all jobs: `entries`, a switch for small work that is done, and the speed limit of each server."""
    menu = qt.QMenu(parent)
    for words, action in entries:
        _entry(menu, words, action)
    menu.addSeparator()
    switch = _entry(menu, _("Show finished small work"), lambda: on_background(not background))
    switch.checkable = True
    switch.checked = background
    if servers:
        limits = menu.addMenu(_("Limit speed"))
        for name, server in servers.items():
            _add_limits(limits.addMenu(name), context, name, float(server.get("speed_limit_mb_s") or 0))
    return menu


def _add_limits(menu: Any, context: BrowserContext, server: str, current: float) -> None:
    def choose(limit: float) -> None:
        context.ask("edit_server", name=server, speed_limit_mb_s=limit)

    for limit in sorted({0.0, current, *_SPEEDS_MB}):
        words = _("{speed} MB/s").format(speed=f"{limit:g}") if limit else _("No limit")
        entry = _entry(menu, words, partial(choose, limit))
        entry.checkable = True
        entry.checked = limit == current


def _entry(menu: Any, words: str, action: Callable[[], None], icon: Any | None = None) -> Any:
    entry = menu.addAction(words)
    if icon is not None:
        entry.icon = icon
    entry.triggered.connect(lambda *_: action())
    return entry
