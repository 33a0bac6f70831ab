"""What came of one job: a sentence, the best next action as a button, its rejected files and its log.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.jobs.acts import ACTS, acts_of, can
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.rejected import RejectedList
from VisualDICOMBrowserLib.widgets.jobs.remedies import Remedy
from VisualDICOMBrowserLib.widgets.jobs.reports import (
    NextStep,
    facts_of,
    log_text,
    next_steps,
    rejected_of,
    sentence_of,
    title_of,
)
from VisualDICOMBrowserLib.widgets.jobs.state import FINISHED, Job
from VisualDICOMBrowserLib.widgets.jobs.words import icon_of
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, link_button, push_button, tool_button

__all__ = ["JobDetails"]

_LOG_EVERY_MS = 1000

_MARGIN = 16


class JobDetails(qt.QFrame):
    """The pane beside the list.

    Parameters
    ----------
    context : BrowserContext
    feed : JobsFeed
    on_step : Callable[[str, list[Job]], None]
        Called with the name of an action, or ``load`` or ``show``, and the jobs.
    on_close : Callable[[], None]
        Called when the user closes the pane.
    on_remedy : Callable[[Remedy, Job], None]
        Called with what mends the cause of a failure, and the job that failed.
    """

    def __init__(
        self,
        context: BrowserContext,
        feed: JobsFeed,
        on_step: Callable[[str, list[Job]], None],
        on_close: Callable[[], None],
        on_remedy: Callable[[Remedy, Job], None],
    ) -> None:
        qt.QFrame.__init__(self)
        self._context = context
        self._feed = feed
        self._on_step = on_step
        self._on_remedy = on_remedy
        self._jobs: list[Job] = []
        self._full: Job = {}
        self._technical = False
        self._shown_steps: list[NextStep] = []
        self._steps_of: tuple[str, ...] = ()
        self._buttons_width = 0
        self._log_timer = qt.QTimer()
        self._log_timer.interval = _LOG_EVERY_MS
        self._log_timer.timeout.connect(lambda *_: self._ask_log())
        self._make_parts(on_close)
        self._lay_out()

    def show_jobs(self, jobs: Sequence[Job]) -> None:
        """Show one job, or what can be done with several."""
        before = [str(job["job_id"]) for job in self._jobs]
        self._jobs = list(jobs)
        if [str(job["job_id"]) for job in self._jobs] != before:
            self._full = {}
            self._log.plainText = ""
            if len(self._jobs) == 1:
                self._ask_log()
        self._say()

    def refresh(self, changed: set[str]) -> None:
        """Take up what is new of the shown jobs."""
        if not self._jobs or (changed and not changed.intersection(str(job["job_id"]) for job in self._jobs)):
            return
        self._jobs = [self._feed.state.get(str(job["job_id"])) or job for job in self._jobs]
        self._say()
        if len(self._jobs) == 1 and self._stale() and not self._log_timer.active:
            self._log_timer.start()

    def log(self) -> str:
        """The log as it is shown."""
        return str(self._log.plainText)

    def set_technical(self, technical: bool) -> None:
        """Show ids, parameters and every start too, or the plain log alone."""
        self._technical = technical
        self._kind_link.text = _("Show plain log") if technical else _("Show technical log")
        self._show_log()

    def _make_parts(self, on_close: Callable[[], None]) -> None:
        theme = self._context.theme
        self.setProperty("ground", "window")
        self.accessibleName = _("Details of the job")
        self._icon = icon_label(theme, "info", "accent", 18)
        self._icon.minimumHeight = theme.px(26)
        self._title = label("", "heading")
        self._title.wordWrap = True
        self._close = tool_button(theme, "close", _("Close details"), on_close)
        self._sentence = label("")
        self._sentence.wordWrap = True
        self._sentence.textInteractionFlags = qt.Qt.TextSelectableByMouse
        self._facts = label("", "small")
        self._facts.wordWrap = True
        show = _("Show in browser")
        self._show_link = link_button(show, lambda: self._on_step("show", list(self._jobs)))
        self._buttons = qt.QWidget()
        self._rejected = RejectedList(self._context)
        self._log_head = qt.QWidget()
        self._log_title = label(_("Log"), "strong")
        self._copy = push_button(theme, _("Copy"), self.copy_log, "copy", _("Copy the log"), "", "link")
        self._kind_link = link_button(_("Show technical log"), lambda: self.set_technical(not self._technical))
        self._log = qt.QPlainTextEdit()
        self._log.readOnly = True
        self._log.accessibleName = _("Log of the job")
        self._log.lineWrapMode = qt.QPlainTextEdit.WidgetWidth
        theme.follow(self, self._show_icon)

    def _lay_out(self) -> None:
        px = self._context.theme.px
        title = qt.QHBoxLayout()
        title.setContentsMargins(0, 0, 0, 0)
        title.spacing = px(8)
        title.addWidget(self._icon, 0, qt.Qt.AlignTop)
        title.addWidget(self._title, 1)
        title.addWidget(self._close, 0, qt.Qt.AlignTop)
        buttons = qt.QHBoxLayout()
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.spacing = px(8)
        self._buttons.setLayout(buttons)
        head = qt.QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self._log_title, 1)
        head.addWidget(self._copy)
        head.addWidget(self._kind_link)
        self._log_head.setLayout(head)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(px(14), px(12), px(12), px(10))
        layout.spacing = px(8)
        layout.addLayout(title)
        layout.addWidget(self._sentence)
        layout.addWidget(self._buttons)
        facts = qt.QHBoxLayout()
        facts.setContentsMargins(0, 0, 0, 0)
        facts.addWidget(self._facts, 1)
        facts.addWidget(self._show_link, 0, qt.Qt.AlignTop)
        layout.addLayout(facts)
        layout.addWidget(self._rejected, 1)
        layout.addWidget(self._log_head)
        layout.addWidget(self._log, 1)
        layout.addStretch(0)
        self.setLayout(layout)

    # What is said

    def _say(self) -> None:
        one = len(self._jobs) == 1
        for part in (self._log_head, self._log):
            part.visible = one
        if one:
            self._say_one(self._jobs[0])
        else:
            self._say_many()
        self._show_icon()

    def _say_one(self, job: Job) -> None:
        self._title.text = title_of(job, self._feed.describe(job))
        self._sentence.text = sentence_of(job, self._feed)
        self._sentence.visible = bool(self._sentence.text)
        self._facts.text = facts_of(job, self._feed.state.clock())
        self._facts.visible = bool(self._facts.text)
        # What a server did not send is known by UIDs alone, of which the log tells enough.
        self._rejected.show_items(rejected_of(job) if job["kind"] != "retrieve" else [])
        concerns = job.get("concerns") or {}
        self._show_link.visible = bool(concerns.get("series") or concerns.get("study"))
        self._show_steps(next_steps(job, self._feed.servers.get(str(job.get("server") or ""))))

    def _say_many(self) -> None:
        count = len(self._jobs)
        self._title.text = (
            plural(count, "{count} job selected", "{count} jobs selected") if count else _("No job selected")
        )
        self._sentence.text = "" if count else _("Select a job to see what came of it and what can be done.")
        self._sentence.visible = not count
        self._facts.visible = False
        self._show_link.visible = False
        self._rejected.show_items([])
        steps = []
        for name in acts_of(self._jobs):
            able = sum(1 for job in self._jobs if can(name, job))
            words = _("{action} ({count})").format(action=_(ACTS[name].words), count=f"{able:,}")
            steps.append(NextStep(name, words, ACTS[name].icon))
        self._show_steps(steps)

    def _show_icon(self) -> None:
        name, token = icon_of(self._jobs[0]) if len(self._jobs) == 1 else ("list", "mid")
        self._icon.pixmap = self._context.theme.pixmap(name, token, self._context.theme.px(18))

    def _show_steps(self, steps: Sequence[NextStep]) -> None:
        """Make the buttons anew where they differ, so that none goes away under the mouse."""
        if list(steps) == self._shown_steps:
            return
        self._shown_steps = list(steps)
        layout = self._buttons.layout()
        while layout.count():
            old = layout.takeAt(0).widget()
            if old is not None:
                old.hide()
                delete_later(old)
        several = len(self._jobs) > 1
        buttons = [self._button(step, number == 0 and not several) for number, step in enumerate(steps)]
        for button in buttons:
            layout.addWidget(button)
        self._buttons_width = sum(each.sizeHint.width() for each in buttons) + layout.spacing * max(0, len(buttons) - 1)
        self._arrange_steps()
        layout.addStretch(1)
        self._buttons.visible = bool(steps)

    def _arrange_steps(self) -> None:
        """Below each other for several jobs, and where a row of them has no room."""
        room = self.width - 2 * self._context.theme.px(_MARGIN)
        stacked = len(self._jobs) > 1 or self._buttons_width > room
        self._buttons.layout().setDirection(qt.QBoxLayout.TopToBottom if stacked else qt.QBoxLayout.LeftToRight)

    def resizeEvent(self, event: Any) -> None:
        """Arrange the buttons for the new width."""
        self._arrange_steps()
        qt.QFrame.resizeEvent(self, event)

    def _button(self, step: NextStep, first: bool) -> Any:
        def act() -> None:
            if step.remedy is not None:
                self._on_remedy(step.remedy, self._jobs[0])
            else:
                self._on_step(step.name, list(self._jobs))

        kind = "primary" if first and step.name not in ("pause", "cancel") else ""
        return push_button(self._context.theme, step.words, act, step.icon, "", "", kind)

    # Log

    def copy_log(self) -> None:
        """Put title, sentence and log on the clipboard."""
        parts = (self._title.text, self._sentence.text, self._log.plainText)
        qt.QApplication.clipboard().setText("\n".join(part for part in parts if part))

    def _stale(self) -> bool:
        job = self._jobs[0]
        known = self._full
        return not known or known.get("state") != job["state"] or str(job["state"]) not in FINISHED

    def _ask_log(self) -> None:
        self._log_timer.stop()
        if len(self._jobs) != 1 or not self.visible:
            return
        job_id = str(self._jobs[0]["job_id"])
        self._context.ask("job", lambda job: self._take_log(job_id, job), lambda _error: None, job_id=job_id)

    def _take_log(self, job_id: str, job: Job) -> None:
        if len(self._jobs) == 1 and str(self._jobs[0]["job_id"]) == job_id:
            self._full = job
            self._show_log()

    def _show_log(self) -> None:
        text = log_text(self._full, self._technical) if self._full else ""
        if text == self._log.plainText:
            return
        bar = self._log.verticalScrollBar()
        at_end, place = bar.value >= bar.maximum, bar.value
        self._log.plainText = text
        bar.value = bar.maximum if at_end and place else place

    def showEvent(self, event: Any) -> None:
        """Read the log that was not asked for while nobody saw it."""
        qt.QFrame.showEvent(self, event)
        if not self._full:
            qt.QTimer.singleShot(0, self._ask_log)
