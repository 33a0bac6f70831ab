"""The worklist: today's scheduled procedures of all servers that have one. Main thread only."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import label, link_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.wording import person_name

__all__ = ["WorklistPopup", "WorklistRun", "worklist_row"]

_ENDED = ("done", "partly", "failed", "cancelled")


def worklist_row(item: Mapping[str, Any], status: str) -> tuple[str, str, str, str, str]:
    """Time, station, patient, procedure and status of a scheduled step."""
    time = str(item.get("ScheduledProcedureStepStartTime") or "")
    patient = person_name(str(item.get("PatientName") or "")) or str(item.get("PatientID") or "")
    procedure = item.get("ScheduledProcedureStepDescription") or item.get("RequestedProcedureDescription") or ""
    modality = str(item.get("Modality") or "")
    what = _("{modality} {procedure}").format(modality=modality, procedure=procedure).strip()
    clock = f"{time[:2]}:{time[2:4]}" if len(time) >= 4 else time
    return clock, str(item.get("ScheduledStationAETitle") or ""), patient, what, status


class WorklistRun:
    """Asks the worklists of all servers that have one.

    Parameters
    ----------
    context : BrowserContext
    on_change : Callable[[], None]
        Called when items came, or a server failed.
    """

    def __init__(self, context: BrowserContext, on_change: Callable[[], None]) -> None:
        self._context = context
        self._on_change = on_change
        self._jobs: dict[str, str] = {}
        self._asking = 0
        self._early: dict[str, Mapping[str, Any]] = {}
        self._servers: list[str] = []
        self.items: list[dict[str, Any]] = []
        self.failures: dict[str, str] = {}
        self.asked = False
        self._end = context.client.subscribe(self._note)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._jobs) or self._asking > 0

    @property
    def available(self) -> bool:
        """Whether any server has a worklist."""
        return bool(self._servers)

    def close(self) -> None:
        """Hear of nothing any more."""
        self._end()

    def set_servers(self, servers: Sequence[Mapping[str, Any]]) -> None:
        """The servers, as the command ``servers`` gives them."""
        usable = [each for each in servers if each.get("enabled") and each.get("worklist_enabled")]
        self._servers = [str(each["name"]) for each in usable]
        self._on_change()

    def ask(self, day: datetime.date | None = None) -> None:
        """Ask for the steps of a day, today if none is given."""
        if not self._servers or self.busy or not self._context.host.before_network():
            return
        text = (day or datetime.date.today()).isoformat().replace("-", "")
        self.items, self.failures, self.asked = [], {}, True
        for server in self._servers:
            self._asking += 1
            self._context.ask(
                "worklist",
                partial(self._begun, server),
                partial(self._refused, server),
                server=server,
                date_from=text,
                date_to=text,
            )
        self._on_change()

    def _begun(self, server: str, job_id: str) -> None:
        self._asking -= 1
        self._jobs[job_id] = server
        # A quick server has answered before the job's name came.
        self._context.ask("job", self._take, lambda _error: None, job_id=job_id)

    def _refused(self, server: str, error: VisualDICOMError) -> None:
        self._asking -= 1
        self.failures[server] = str(error)
        self._on_change()

    def _note(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "job_finished":
            self._take(event["job"])

    def _take(self, job: Mapping[str, Any]) -> None:
        if job["job_id"] not in self._jobs or job["state"] not in _ENDED:
            return
        server = self._jobs.pop(str(job["job_id"]))
        items = (job.get("result") or {}).get("items") or []
        self.items += [{**item, "server": server} for item in items]
        self.items.sort(key=lambda item: str(item.get("ScheduledProcedureStepStartTime") or ""))
        if job["state"] == "failed":
            error = job.get("error") or {}
            self.failures[server] = f"{error.get('message', '')} {error.get('next_step', '')}".strip()
        self._on_change()


class WorklistPopup(qt.QFrame):
    """The list of scheduled steps.

    Parameters
    ----------
    on_open : Callable[[dict], None]
        Told the step that Enter or a double click chose: to open its patient and look for priors.
    status_of : Callable[[Mapping], str]
        A few words on a step, such as whether its images are here.
    on_refresh : Callable[[], None]
    """

    def __init__(
        self,
        parent: Any,
        theme: Theme,
        on_open: Callable[[dict[str, Any]], None],
        status_of: Callable[[Mapping[str, Any]], str],
        on_refresh: Callable[[], None],
    ) -> None:
        qt.QFrame.__init__(self, parent)
        self.setWindowFlags(qt.Qt.Popup)
        set_state(self, "kind", "popup")
        self._theme = theme
        self._on_open = on_open
        self._status_of = status_of
        self._items: list[dict[str, Any]] = []
        self._heading = label("", "strong")
        self._tree = qt.QTreeWidget()
        self._tree.accessibleName = _("Worklist")
        self._tree.rootIsDecorated = False
        self._tree.uniformRowHeights = True
        self._tree.setHeaderLabels([_("Time"), _("Station"), _("Patient"), _("Procedure"), _("Status")])
        self._tree.itemActivated.connect(lambda *_: self.open_current())
        self._faults = label("", "")
        set_state(self._faults, "state", "error")
        self._faults.wordWrap = True
        head = qt.QHBoxLayout()
        head.addWidget(self._heading, 1)
        head.addWidget(link_button(_("Ask again"), on_refresh))
        layout = qt.QVBoxLayout()
        edge = theme.px(8)
        layout.setContentsMargins(edge, edge, edge, edge)
        layout.spacing = theme.px(6)
        layout.addLayout(head)
        layout.addWidget(self._tree)
        layout.addWidget(self._faults)
        self.setLayout(layout)
        self.minimumSize = qt.QSize(theme.px(620), theme.px(300))
        theme.follow(self, self._show_theme)

    def put(self, items: Sequence[dict[str, Any]], failures: Mapping[str, str], busy: bool) -> None:
        """Show these steps, keeping the current line."""
        row = self._tree.indexOfTopLevelItem(self._tree.currentItem()) if self._tree.currentItem() else 0
        self._items = list(items)
        self._tree.clear()
        for item in self._items:
            self._tree.addTopLevelItem(qt.QTreeWidgetItem(list(worklist_row(item, self._status_of(item)))))
        if self._items:
            self._tree.setCurrentItem(self._tree.topLevelItem(min(max(row, 0), len(self._items) - 1)))
        for column in range(5):
            self._tree.resizeColumnToContents(column)
        text = plural(len(self._items), "{count} procedure today", "{count} procedures today")
        self._heading.text = _("Asking for the worklist...") if busy else text
        self._faults.text = "\n".join(failures.values())
        self._faults.visible = bool(failures)

    def focus_list(self) -> None:
        """Let keys go to the list."""
        self._tree.setFocus(qt.Qt.PopupFocusReason)

    def open_current(self) -> None:
        """Open the patient of the current line."""
        line = self._tree.currentItem()
        if line is not None:
            item = self._items[self._tree.indexOfTopLevelItem(line)]
            self.close()
            self._on_open(item)

    def _show_theme(self) -> None:
        self.palette = self._theme.palette()
