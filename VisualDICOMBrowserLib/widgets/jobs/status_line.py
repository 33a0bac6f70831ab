"""The line at the foot of the window: the database, our listener, and the jobs in a few words.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.state import JobsSummary
from VisualDICOMBrowserLib.widgets.jobs.words import span_text, speed_text
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import label, tool_button
from VisualDICOMBrowserLib.widgets.wording import size_text

__all__ = ["StatusLine"]

_COUNT_AFTER_MS = 1000
_MEDIUM, _NARROW, _LEAST_WIDTH = 900, 620, 260


class StatusLine(qt.QWidget):
    """How many patients are here, who listens, and how the work goes.

    Parameters
    ----------
    context : BrowserContext
    feed : JobsFeed
    on_jobs : Callable[[str], None]
        Called with the filter to show in the job list (``running``, ``waiting``, ``failed``), or an empty text to
        open or close it.
    on_listener : Callable[[], None], optional
        Called for a click on the state of the listener.
    """

    def __init__(
        self,
        context: BrowserContext,
        feed: JobsFeed,
        on_jobs: Callable[[str], None],
        on_listener: Callable[[], None] | None = None,
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._feed = feed
        self._on_jobs = on_jobs
        self._on_listener = on_listener
        self._node: dict[str, Any] = {}
        self._icons: dict[Any, tuple[str, str, int]] = {}
        self._count_timer = qt.QTimer()
        self._count_timer.interval = _COUNT_AFTER_MS
        self._count_timer.timeout.connect(lambda *_: self._ask_database())
        self._make_parts()
        self._lay_out()
        context.theme.follow(self, self._show_icons)
        self._unsubscribe = [feed.subscribe(lambda _changed: self._update()), context.client.subscribe(self._hear)]
        self._update()
        self.refresh()

    def refresh(self) -> None:
        """Ask what is in the database and whether our listener runs."""
        # What is in the database can wait until the patients are listed.
        if not self._count_timer.active:
            self._count_timer.start()
        self._context.ask("node", self._take_node, lambda _error: None)

    def close_line(self) -> None:
        """Hear no more; idempotent."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        self._count_timer.stop()

    def set_jobs_open(self, is_open: bool) -> None:
        """Show whether the job list is open."""
        self._arrow_name = "chevron-down" if is_open else "chevron-up"
        self._show_icons()

    def text(self) -> str:
        """All that is said, from the left."""
        parts = (self._database, self._listener, self._running, self._left, self._waiting, self._failed)
        return " | ".join(str(part.text).strip() for part in parts if part.isVisibleTo(self) and part.text)

    def resizeEvent(self, event: Any) -> None:
        """Leave out what is said elsewhere where it is narrow."""
        qt.QWidget.resizeEvent(self, event)
        self._update()
        self._say_listener()

    # Parts

    def _make_parts(self) -> None:
        self.accessibleName = _("Status")
        self.setProperty("ground", "bar")
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self.minimumWidth = self._context.theme.px(_LEAST_WIDTH)
        self._database = self._flat(lambda: None)
        self._database.focusPolicy = qt.Qt.NoFocus
        self._listener = self._flat(self._listener_pressed)
        self._running = self._flat(lambda: self._on_jobs("running"))
        font = qt.QFont(self._running.font)
        font.setBold(True)
        self._running.font = font
        self._bar = qt.QProgressBar()
        self._bar.maximum = 1000
        self._bar.textVisible = False
        self._bar.accessibleName = _("Share of running jobs that is done")
        self._left = label("", "mid")
        self._waiting = self._flat(lambda: self._on_jobs("waiting"))
        self._failed = self._flat(lambda: self._on_jobs("failed"))
        self._arrow_name = "chevron-up"
        hint, theme = _("Show or hide the jobs"), self._context.theme
        self._arrow = tool_button(theme, "chevron-up", _("Jobs"), lambda: self._on_jobs(""), hint, "Ctrl+J", True)

    @staticmethod
    def _flat(action: Callable[[], None]) -> Any:
        made = qt.QToolButton()
        made.autoRaise = True
        made.toolButtonStyle = qt.Qt.ToolButtonTextBesideIcon
        made.focusPolicy = qt.Qt.TabFocus
        made.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Minimum, qt.QSizePolicy.Fixed)
        made.clicked.connect(lambda *_: action())
        return made

    def _lay_out(self) -> None:
        px = self._context.theme.px
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(px(8), px(1), px(8), px(1))
        layout.spacing = px(8)
        layout.addWidget(self._database)
        layout.addWidget(self._listener)
        layout.addStretch(1)
        for part in (self._running, self._bar, self._left, self._waiting, self._failed, self._arrow):
            layout.addWidget(part)
        self.setLayout(layout)

    def _show_icons(self) -> None:
        theme = self._context.theme
        side = theme.px(14)
        listening = "ok" if self._node.get("running") else "error" if self._node.get("problem") else "mid"
        summary = self._feed.state.summary()
        for button, icon, token in (
            (self._database, "database", "mid"),
            (self._listener, "ring", listening),
            (
                self._running,
                "cloud-down" if summary.running else "check-circle",
                "accent" if summary.running else "mid",
            ),
            (self._waiting, "retry", "warn"),
            (self._failed, "cross-circle", "error"),
            (self._arrow, self._arrow_name, "text"),
        ):
            # A new icon has the whole line laid out anew.
            if self._icons.get(button) != (icon, theme.text(token), side):
                self._icons[button] = (icon, theme.text(token), side)
                button.icon = theme.icon(icon, token, side)
                button.iconSize = qt.QSize(side, side)

    # What is said

    def _narrow(self) -> bool:
        return bool(self.width < self._context.theme.px(_NARROW))

    def _update(self) -> None:
        summary, narrow = self._feed.state.summary(), self._narrow()
        roomy = self.width >= self._context.theme.px(_MEDIUM)
        self._bar.setFixedWidth(self._context.theme.px(110 if roomy else 36))
        self._database.visible = not narrow and bool(self._database.text)
        self._say(self._running, _running_text(summary, narrow), True)
        self._bar.visible = summary.running > 0 and summary.share is not None
        # Qt paints a bar at once when its value changes, and with it all else that is due; it comes with the rest.
        self._bar.updatesEnabled = False
        self._bar.value = round(1000 * (summary.share or 0.0))
        self._bar.updatesEnabled = True
        known = summary.left_s is not None and roomy
        self._left.text = _("about {time}").format(time=span_text(summary.left_s or 0.0)) if known else ""
        self._left.visible = known
        waiting = f"{summary.waiting:,}" if narrow else _("{count} waiting").format(count=f"{summary.waiting:,}")
        failed = f"{summary.attention:,}" if narrow else _("{count} failed").format(count=f"{summary.attention:,}")
        self._say(self._waiting, waiting, summary.waiting > 0)
        self._say(self._failed, failed, summary.attention > 0)
        self._waiting.accessibleName = _("{count} jobs wait to try again").format(count=summary.waiting)
        self._failed.accessibleName = _("{count} jobs need attention").format(count=summary.attention)
        self._show_icons()

    @staticmethod
    def _say(button: Any, text: str, shown: bool) -> None:
        _set_text(button, text)
        button.accessibleName = text
        button.visible = shown

    def _hear(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name == "content_changed" and not self._count_timer.active:
            self._count_timer.start()
        elif name in ("engine_ready", "node_changed"):
            self.refresh()

    def _ask_database(self) -> None:
        self._count_timer.stop()

        def no_info(_error: Exception) -> None:
            self._context.ask("counts", self._take_database, lambda _fault: None)

        self._context.ask("database_info", self._take_database, no_info, brief=True)

    def _take_database(self, info: dict[str, Any]) -> None:
        text = plural(int(info.get("patients") or 0), "{count} patient", "{count} patients")
        free = info.get("free_bytes", info.get("free"))
        if free is not None:
            text = _("{patients}, {space} free").format(patients=text, space=size_text(float(free)))
        if info.get("read_only"):
            text = _("{database}, read-only").format(database=text)
        _set_text(self._database, text)
        self._database.accessibleName = _("Local database: {text}").format(text=text)
        self._database.toolTip = str(info.get("folder") or "")
        self._database.visible = not self._narrow()

    def _take_node(self, node: dict[str, Any]) -> None:
        self._node = node
        self._say_listener()
        self._show_icons()

    def _say_listener(self) -> None:
        node, narrow = self._node, self._narrow()
        if node.get("running"):
            place = {"title": node.get("ae_title", ""), "port": node.get("port", "")}
            text = _("Listening as {title}, {port}").format(**place)
            shown = str(node.get("port", "")) if narrow else text
        else:
            text = _("Not listening")
            shown = "" if narrow else text
        _set_text(self._listener, shown)
        self._listener.visible = bool(shown)
        self._listener.accessibleName = text
        self._listener.toolTip = str(node.get("problem") or text)

    def _listener_pressed(self) -> None:
        if self._on_listener is not None:
            self._on_listener()


def _set_text(button: Any, text: str) -> None:
    """Set a text, apart from the icon before it, which style sheets put close to it."""
    apart = f" {text}" if text else ""
    if button.text != apart:
        button.text = apart


def _running_text(summary: JobsSummary, narrow: bool) -> str:
    if not summary.unfinished:
        return _("No jobs")
    if not summary.running:
        queued = summary.queued + summary.paused
        if summary.paused and not summary.queued and not summary.waiting:
            return plural(summary.paused, "{count} job paused", "{count} jobs paused")
        return _("{count} queued").format(count=f"{queued:,}") if queued else _("Nothing runs")
    text = _("{count} running").format(count=f"{summary.running:,}")
    if summary.speed > 0 and not narrow:
        return _("{text}, {speed}").format(text=text, speed=speed_text(summary.speed))
    return text
