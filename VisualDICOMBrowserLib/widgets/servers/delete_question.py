"""The question before a server is deleted: what uses it, and what happens to that. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.words import task_of, what_of
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import label, push_button

__all__ = ["DeleteQuestion"]

_MOST_NAMED = 3


class DeleteQuestion(qt.QDialog):
    """Asks whether a server is to be forgotten; Cancel is what Enter does.

    Parameters
    ----------
    context : BrowserContext
    parent : QWidget
    name : str
    users : Sequence[str]
        Servers that fetch through it; it cannot be deleted while there are any.
    jobs : Sequence[Mapping]
        Its jobs that have not ended.
    watches : Sequence[Mapping]
        Studies that are watched there.
    on_delete : Callable[[str, list[str]], None]
        Called with the name and the ids of these jobs.
    """

    def __init__(
        self,
        context: BrowserContext,
        parent: Any,
        name: str,
        users: Sequence[str],
        jobs: Sequence[Mapping[str, Any]],
        watches: Sequence[Mapping[str, Any]],
        on_delete: Callable[[str, list[str]], None],
    ) -> None:
        qt.QDialog.__init__(self, parent)
        self._name = name
        self._job_ids = [str(job["job_id"]) for job in jobs]
        self._on_delete = on_delete
        self.windowTitle = _("Delete a server")
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(18, 16, 18, 14)
        layout.spacing = 8
        layout.addWidget(label(_("Delete {server} from the list?").format(server=name), "heading"))
        for sentence in _sentences(users, jobs, watches):
            text = label(sentence)
            text.wordWrap = True
            layout.addWidget(text)
        delete = push_button(context.theme, _("Delete {server}").format(server=name), self._delete, kind="danger")
        delete.enabled = not users
        cancel = push_button(context.theme, _("Cancel"), self.reject)
        cancel.default = True
        buttons = qt.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(delete)
        buttons.addWidget(cancel)
        layout.addLayout(buttons)
        self.setLayout(layout)
        self.minimumWidth = context.theme.px(420)
        context.theme.apply(self)
        cancel.setFocus()

    def _delete(self) -> None:
        self.accept()
        self._on_delete(self._name, self._job_ids)


def _sentences(
    users: Sequence[str], jobs: Sequence[Mapping[str, Any]], watches: Sequence[Mapping[str, Any]]
) -> list[str]:
    if users:
        text = _("{users} fetches through it. Choose another way to retrieve there first.")
        return [text.format(users=", ".join(users))]
    sentences = [_("Its settings and passwords are forgotten. Images that came from it stay.")]
    if jobs:
        text = plural(len(jobs), "{count} job uses it and is cancelled:", "{count} jobs use it and are cancelled:")
        named = ", ".join(f"{task_of(job)}: {what_of(job)}" for job in jobs[:_MOST_NAMED])
        sentences.append(f"{text} {named}{' ...' if len(jobs) > _MOST_NAMED else ''}")
    if watches:
        text = plural(
            len(watches),
            "{count} study is watched there for new images, which ends.",
            "{count} studies are watched there for new images, which ends.",
        )
        sentences.append(text)
    return sentences
