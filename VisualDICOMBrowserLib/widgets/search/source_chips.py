"""The strip under the search fields: what each source was asked and what it answered. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import hint_with_key, label, link_button, show_icon
from VisualDICOMBrowserLib.widgets.search.chip import Chip
from VisualDICOMBrowserLib.widgets.search.chip_states import (
    FITS,
    ChipState,
    chip_of,
    is_busy,
    local_chip,
    merged_chips,
    offline_chip,
    tightened,
    worklist_chip,
)

__all__ = ["ChipActions", "SourceChips"]

_TICK_MS = 500


def _nothing(*_: Any) -> None:
    """What is done where nobody listens."""


@dataclass(frozen=True)
class ChipActions:
    """What the chips ask for.

    ``source`` is told the one source to show, ``""`` for the local database, None for all again; the others are told
    a server.
    """

    source: Callable[[str | None], None] = _nothing
    retry: Callable[[str], None] = _nothing
    why: Callable[[str], None] = _nothing
    stop: Callable[[str], None] = _nothing
    narrow: Callable[[], None] = _nothing
    following: Callable[[str], None] = _nothing
    again: Callable[[], None] = _nothing
    worklist: Callable[[], None] = _nothing
    online: Callable[[], None] = _nothing


class SourceChips(qt.QWidget):
    """The strip.

    Parameters
    ----------
    context : BrowserContext
    actions : ChipActions
    """

    def __init__(self, context: BrowserContext, actions: ChipActions) -> None:
        qt.QWidget.__init__(self)
        self._theme = context.theme
        self._actions = actions
        self._servers: list[str] = []
        self._states: dict[str, dict[str, Any]] = {}
        self._local = (0, 0)
        self._worklist: ChipState | None = None
        self._source: str | None = None
        self._offline = False
        self._folders: frozenset[str] = frozenset()
        self._earlier = False
        self._asked_at: float | None = None
        self._narrow = False
        self._menu: Any = None
        self._chips: list[Any] = []
        self._asked = label("", "mid")
        hint = hint_with_key(_("Ask the same servers with the same filters"), "F5")
        self._again = link_button(_("Ask again"), lambda: self._actions.again(), hint)
        show_icon(self._theme, self._again, "refresh", "accent")
        self._row = qt.QHBoxLayout()
        self._edge = self._theme.px(12)
        self._row.setContentsMargins(self._edge, self._theme.px(4), self._edge, self._theme.px(4))
        self._row.spacing = self._theme.px(8)
        self._row.addStretch(1)
        self._row.addWidget(self._asked)
        self._row.addWidget(self._again)
        self._row.sizeConstraint = qt.QLayout.SetNoConstraint
        self.setLayout(self._row)
        self.accessibleName = _("Sources")
        self.minimumWidth = 0
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        self._timer = qt.QTimer(self)
        self._timer.interval = _TICK_MS
        self._timer.timeout.connect(lambda: self._show())
        self._show()

    def set_servers(self, servers: Sequence[Mapping[str, Any]]) -> None:
        """All servers in their order, as the command ``servers`` gives them; those switched off get no chip."""
        self._servers = [str(each["name"]) for each in servers if each.get("enabled", True)]
        self._folders = frozenset(str(each["name"]) for each in servers if each.get("protocol") == "folder")
        self._show()

    def note_search(self, states: Mapping[str, Mapping[str, Any]], finished: bool) -> None:
        """How far each server is, as `SearchRun.states`."""
        self._states = {name: dict(state) for name, state in states.items()}
        for name in self._states:
            if name not in self._servers:
                self._servers.append(name)
        busy = not finished and any(is_busy(state) or state.get("state") == "waiting" for state in states.values())
        if busy != self._timer.active:
            self._timer.start() if busy else self._timer.stop()
        self._show()

    def note_local(self, shown: int, total: int) -> None:
        """How many local patients the filters leave."""
        self._local = (shown, total)
        self._show()

    def note_worklist(self, count: int | None, *, busy: bool = False, failed: bool = False) -> None:
        """How many procedures are scheduled, -1 for not asked yet; None for no worklist at all."""
        self._worklist = None if count is None else worklist_chip(count, busy=busy, failed=failed)
        self._show()

    def note_earlier(self, earlier: bool) -> None:
        """Whether the fields have changed since the servers were asked."""
        if earlier != self._earlier:
            self._earlier = earlier
            self._show()

    def note_asked(self, moment: float | None) -> None:
        """When the servers were asked, None for not yet."""
        self._asked_at = moment
        self._show()

    def note_offline(self, offline: bool) -> None:
        """Whether servers are left alone; folders are not."""
        if offline != self._offline:
            self._offline = offline
            self._show()

    def choose(self, source: str | None) -> None:
        """Mark the one source that is shown, as after a click on it."""
        self._source = source
        self._show()

    def arrange(self, width: int) -> None:
        """Lay out for a width: below 700 the chips are merged; it does so itself when it is resized."""
        self._narrow = width < 700
        self._show()

    @property
    def shown(self) -> list[ChipState]:
        """The chips that stand there."""
        return [chip.state for chip in self._chips if not chip.isHidden()]

    def end(self) -> None:
        """Hear of nothing any more."""
        self._timer.stop()

    def resizeEvent(self, event: Any) -> None:
        """Chips are merged where they do not fit."""
        qt.QWidget.resizeEvent(self, event)
        self.arrange(self.width)

    def _wanted(self, fit: str, earlier: bool) -> list[ChipState]:
        now, clock = time.monotonic(), time.time()
        chips = [chip_of(name, self._state_of(name), now, clock=clock, earlier=earlier) for name in self._servers]
        counts = {name: int(state.get("count") or 0) for name, state in self._states.items()}
        merged = fit in ("merged", "tight")
        if merged:
            # Who was not asked is no news where there is hardly room for what was.
            chips = [chip for chip in chips if chip.tone != "off"]
        wanted = [local_chip(*self._local, short=merged), *merged_chips(chips, narrow=merged, counts=counts)]
        if self._worklist is not None:
            wanted.append(self._worklist)
        if self._offline:
            wanted.insert(0, offline_chip())
        return [tightened(chip) if fit in ("short", "tight") else chip for chip in wanted]

    def _state_of(self, server: str) -> Mapping[str, Any]:
        """What is known of a server: an answer stays, who would be asked in vain is offline."""
        state = self._states.get(server, {"state": "not_asked"})
        held = self._offline and server not in self._folders
        if state["state"] in ("not_asked", "offline"):
            return {**state, "state": "offline" if held else "not_asked"}
        return state

    def _show(self) -> None:
        # From the most words to the fewest, until they fit.
        for fit in FITS[3 if self._narrow else 0 :]:
            told = self._earlier and fit == "full"
            self._put(self._wanted(fit, told))
            self._say_asked(told, fit)
            if self.width <= 0 or self._wanted_width() <= self.width:
                break
        self.setFixedHeight(self._row.sizeHint().height())

    def _wanted_width(self) -> int:
        parts = [chip.wanted_width for chip in self._chips if not chip.isHidden()]
        parts += [each.sizeHint.width() for each in (self._asked, self._again) if not each.isHidden()]
        return sum(parts) + self._row.spacing * (len(parts) + 1) + 2 * self._edge

    def _put(self, wanted: Sequence[ChipState]) -> None:
        while len(self._chips) < len(wanted):
            chip = Chip(self._theme, self._clicked, self._act)
            self._row.insertWidget(len(self._chips), chip)
            self._chips.append(chip)
        for number, chip in enumerate(self._chips):
            if number < len(wanted):
                state = wanted[number]
                chip.put(state, chosen=self._is_chosen(state))
            chip.visible = number < len(wanted)
        self._row.invalidate()

    def _is_chosen(self, state: ChipState) -> bool:
        if self._source is None:
            return False
        return self._source in state.servers if state.servers else self._source == "" and state.icon == "database"

    def _say_asked(self, told: bool, fit: str) -> None:
        """When servers were asked; that it was for other filters where the chips do not tell."""
        known = self._asked_at is not None
        if known:
            moment = time.strftime("%H:%M", time.localtime(self._asked_at))
            text = _("Asked {time}").format(time=moment)
            if self._earlier and not told:
                text = _("Asked {time}, for earlier filters").format(time=moment)
            self._asked.text = text
        self._asked.visible = known and not self._narrow and (fit == "full" or self._earlier)
        self._again.visible = known and not any(is_busy(state) for state in self._states.values())
        self._again.text = "" if fit != "full" else _("Ask again")
        self._again.accessibleName = _("Ask again")

    def _clicked(self, chip: Any) -> None:
        state = chip.state
        if state.worklist:
            self._actions.worklist()
            return
        if state.actions[:1] == offline_chip().actions:
            self._actions.online()
            return
        if len(state.servers) > 1:
            self._open_menu(chip)
            return
        source = state.servers[0] if state.servers else ""
        self._source = None if source == self._source else source
        self._show()
        self._actions.source(self._source)

    def _open_menu(self, chip: Any) -> None:
        """The servers behind a merged chip, each with what can be done."""
        self._menu = qt.QMenu(self)
        self._menu.palette = self._theme.palette()
        for member in chip.state.members:
            words = f"{member.name}: {member.words}" if member.words else member.name
            shown = self._menu.addAction(words)
            shown.toolTip = member.hint
            shown.triggered.connect(lambda *_, name=member.name: self._choose_by_hand(name))
            for action, text in member.actions:
                entry = self._menu.addAction(f"      {text}")
                entry.triggered.connect(lambda *_, member=member, action=action: self._act(member, action))
        self._menu.popup(chip.mapToGlobal(qt.QPoint(0, chip.height)))

    def _choose_by_hand(self, source: str) -> None:
        self.choose(source)
        self._actions.source(source)

    def _act(self, state: ChipState, action: str) -> None:
        if action in ("narrow", "online"):
            getattr(self._actions, action)()
            return
        does = {
            "retry": self._actions.retry,
            "why": self._actions.why,
            "stop": self._actions.stop,
            "next": self._actions.following,
        }
        for server in state.servers:
            does[action](server)
