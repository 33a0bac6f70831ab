"""A window with the technical log of a job, to read and to copy. Non-modal. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import push_button

__all__ = ["LogWindow"]


class LogWindow(qt.QDialog):
    """Shows one log at a time.

    Parameters
    ----------
    context : BrowserContext
    """

    def __init__(self, context: BrowserContext) -> None:
        qt.QDialog.__init__(self)
        self._context = context
        self._text = qt.QPlainTextEdit()
        self._text.readOnly = True
        self._text.accessibleName = _("Technical log")
        self._text.lineWrapMode = qt.QPlainTextEdit.NoWrap
        buttons = qt.QHBoxLayout()
        buttons.addWidget(push_button(context.theme, _("Copy"), self._copy, "copy"))
        buttons.addStretch(1)
        buttons.addWidget(push_button(context.theme, _("Close"), self.close))
        layout = qt.QVBoxLayout()
        layout.addWidget(self._text, 1)
        layout.addLayout(buttons)
        self.setLayout(layout)
        context.theme.follow(self, lambda: context.theme.apply(self))

    def show_job(self, job_id: str, title: str) -> None:
        """Ask for a job's log and show it."""
        self.windowTitle = title
        self._text.plainText = _("The log is being read ...")
        self.resize(self._context.theme.px(640), self._context.theme.px(360))
        self.show()
        self.raise_()
        self._context.ask("job", self._show_log, self._show_error, job_id=job_id)

    def show_text(self, text: str, title: str) -> None:
        """Show a text that is known already."""
        self.windowTitle = title
        self._text.plainText = text
        self.resize(self._context.theme.px(640), self._context.theme.px(240))
        self.show()
        self.raise_()

    def _show_log(self, job: dict[str, Any]) -> None:
        error = job.get("error") or {}
        lines = [*job.get("log", ()), *(f"{name}: {value}" for name, value in error.items() if value)]
        self._text.plainText = "\n".join(str(line) for line in lines) or _("Nothing was written.")

    def _show_error(self, error: VisualDICOMError) -> None:
        self._text.plainText = _("The log of this test is not kept any more. {reason}").format(reason=error)

    def _copy(self) -> None:
        qt.QApplication.clipboard().setText(self._text.plainText)
