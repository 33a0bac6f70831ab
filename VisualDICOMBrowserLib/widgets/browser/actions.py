"""What can be done with patients, studies and series: fetch, load, send, watch, delete, copy. Main thread only.

Every action is a command to the engine or a call to the host; none waits. What goes wrong is reported in the
notification bar, which `BrowserContext` does by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.browser.deleting import DeleteDialog
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["Actions"]

_HIGH = 20


class Actions:
    """Carries out what menus, keys, buttons and cards ask for.

    Parameters
    ----------
    context : BrowserContext
    catalogue : Catalogue
        Knows the studies of patients, and the series of studies.
    browser : Browser
        The window that questions belong to, and what opens other windows.
    on_loaded : Callable[[], None]
        Called after series were loaded, so that cards can say so.
    """

    def __init__(self, context: BrowserContext, catalogue: Any, browser: Any, on_loaded: Callable[[], None]) -> None:
        self._context = context
        self._catalogue = catalogue
        self._browser = browser
        self._on_loaded = on_loaded
        self._dialog: Any = None
        self._preferred: set[str] = set()
        self.loads_when_complete: dict[str, Any] = {}
        self._leave_scene = context.host.follow_scene(self.drop_loading)

    def close(self) -> None:
        """Hear of the scene no more."""
        self._leave_scene()

    # Loading

    def load(self, series: Sequence[Any]) -> None:
        """Load what is here, and fetch the rest first; its card says that it loads when it is complete."""
        here = [each for each in series if each.complete]
        for each in series:
            if not each.complete:
                self.loads_when_complete[each.SeriesInstanceUID] = each
        missing = [each for each in series if not each.complete]
        if missing:
            self.fetch(missing)
        if here:
            self.load_now([each.SeriesInstanceUID for each in here])

    def load_now(self, series_uids: Sequence[str]) -> None:
        """Load series that are here."""
        try:
            self._context.report(self._context.host.load(list(series_uids)), "info")
            self._context.look_for_files(list(series_uids))
        except VisualDICOMError as error:
            self._browser.windows.care.say_not_loaded(list(series_uids), error)
        self._on_loaded()

    def take_back_loading(self, series: Sequence[Any]) -> bool:
        """Do not load when complete after all; True if anything waited for that."""
        uids = [each.SeriesInstanceUID for each in series]
        taken = [uid for uid in uids if self.loads_when_complete.pop(uid, None) is not None]
        return bool(taken)

    def give_up_loading(self, series_uids: Sequence[str]) -> None:
        """What fetches these series has failed: they are not loaded later without anybody asking."""
        for uid in series_uids:
            self.loads_when_complete.pop(uid, None)

    def drop_loading(self) -> None:
        """What is loaded was closed: what is still fetched is fetched, and not loaded without anybody asking."""
        count = len(self.loads_when_complete)
        self.loads_when_complete.clear()
        if count:
            text = plural(
                count,
                "The scene was closed: {count} series that was to be loaded is fetched, but not loaded.",
                "The scene was closed: {count} series that were to be loaded are fetched, but not loaded.",
            )
            self._context.report(text, "info")
        self._on_loaded()

    def load_what_is_complete(self) -> None:
        """Load series that were waited for and are whole now."""
        ready = []
        for uid, wanted in list(self.loads_when_complete.items()):
            entry = self._catalogue.one_series(uid) or wanted
            if entry.complete:
                ready.append(uid)
                del self.loads_when_complete[uid]
        if ready:
            self.load_now(ready)

    def show_in_scene(self, series: Any) -> None:
        """Bring a loaded series into view."""
        self._context.host.show_in_scene(series.SeriesInstanceUID)

    # Fetching

    def fetch(self, series: Sequence[Any], force: bool = False) -> None:
        """Fetch series from wherever they are, each image once."""
        wanted = [each for each in series if each.sources and (force or not each.complete)]
        missing = [each for each in series if not each.sources and not each.complete]
        if missing and not wanted:
            self._context.report(_("No server is known that has it. Query the servers first."), "warn")
        elif not wanted and series:
            self._context.report(_("All of it is here."), "info")
        if not wanted or not self._context.host.before_network():
            self.give_up_loading([each.SeriesInstanceUID for each in series])
            return
        for each in wanted:
            self._context.ask(
                "retrieve",
                StudyInstanceUID=each.StudyInstanceUID,
                SeriesInstanceUID=each.SeriesInstanceUID,
                PatientID=each.PatientID,
                label=series_label(each),
                force=force,
                priority=_HIGH,
            )

    def fetch_again(self, series: Sequence[Any]) -> None:
        """Fetch anew what is here; it stays until the new copy is whole."""
        self.fetch(series, force=True)

    def fetch_studies(self, studies: Sequence[Any], force: bool = False) -> None:
        """Fetch whole studies."""
        wanted = [each for each in studies if each.sources]
        if not wanted:
            self._context.report(_("No server is known that has it. Query the servers first."), "warn")
        elif self._context.host.before_network():
            for each in wanted:
                self._context.ask(
                    "retrieve",
                    StudyInstanceUID=each.StudyInstanceUID,
                    PatientID=each.PatientID,
                    label=each.StudyDescription or each.StudyDate or each.StudyInstanceUID,
                    force=force,
                )

    def watch(self, studies: Sequence[Any], minutes: float) -> None:
        """Fetch what is new of studies for so long."""
        for each in studies:
            if not each.sources:
                continue
            self._context.ask(
                "watch",
                lambda _watch: self._browser.watching.refresh(),
                StudyInstanceUID=each.StudyInstanceUID,
                server=next(iter(each.sources)),
                minutes=minutes,
            )

    def stop_watching(self, studies: Sequence[Any]) -> None:
        """Look for what is new of studies no more."""
        for each in self._browser.watching.watched(studies):
            self._context.ask("stop_watch", StudyInstanceUID=each.StudyInstanceUID)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """End jobs."""
        self._context.ask("cancel_jobs", job_ids=list(job_ids))

    def pause(self, job_ids: Sequence[str]) -> None:
        """Let jobs rest."""
        self._context.ask("pause_jobs", job_ids=list(job_ids))

    def resume(self, job_ids: Sequence[str]) -> None:
        """Go on with paused jobs."""
        self._context.ask("resume_jobs", job_ids=list(job_ids))

    def show_job(self, job_id: str) -> None:
        """Show a job with its log."""
        self._browser.navigation.show_job(job_id)

    def load_with_options(self, series: Sequence[Any]) -> None:
        """Say that how to load cannot be chosen yet."""
        self._context.report(_("Choosing how to load comes with a later version."), "info")

    def offer_extension(self, series: Any) -> None:
        """Say which extension can load a series, and how to get it."""
        needed = self._browser.facts.needs(series)
        if needed:
            text = _(
                "{series} needs Slicer's extension {extension}: install it in the Extensions Manager, then restart."
            )
            actions = self._browser.windows.care.install_action(needed)
            self._context.report(text.format(series=series_label(series), extension=needed), "info", actions)

    def retry(self, job_ids: Sequence[str]) -> None:
        """Try jobs again now."""
        self._context.ask("retry_jobs", job_ids=list(job_ids))

    def to_top(self, series: Any) -> None:
        """Let what fetches a series go before all else."""
        self._context.ask(
            "raise_priority", StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=series.SeriesInstanceUID
        )

    def prefer(self, series: Sequence[Any], job_of: Callable[[Any], Any]) -> None:
        """What the user has selected comes first, each waiting job once."""
        for each in series:
            job = job_of(each)
            if job is not None and job["state"] == "queued" and job["job_id"] not in self._preferred:
                self._preferred.add(job["job_id"])
                self.to_top(each)

    # What other windows and menus show

    def menu(self, level: str, entries: Sequence[Any], point: Any) -> None:
        """Open the menu of entries of a level; of an empty level that of the page."""
        self._browser.open_item_menu(level, list(entries), point)

    def open_metadata(self, series: Any) -> None:
        """Show all attributes of a series."""
        self._browser.open_metadata(series)

    def preview(self, series: Any) -> None:
        """Show a series large."""
        self._browser.open_preview(series)

    def show_all_series(self, study: Any) -> None:
        """Show the series of a study that filters hide too, or hide them again."""
        self._browser.showing.toggle_study(study)

    def use_slice(self, series: Any, index: int | None = None) -> None:
        """Make a slice the picture of its series, counted from 0 in the order of the slices; left out, the middle."""

        def choose(instances: list[dict[str, Any]]) -> None:
            found = frame_at(instances, index)
            if found is None:
                self._context.report(_("It has no images here."), "info")
                return
            uid, frame = found
            self._context.ask("use_as_picture", series=series.SeriesInstanceUID, SOPInstanceUID=uid, frame=frame)

        self._context.ask("instances", choose, series=series.SeriesInstanceUID)

    def files_dragged(self, series: Sequence[Any]) -> None:
        """Say how many series were dropped on another window."""
        self._context.report(plural(len(series), "{count} series dragged out.", "{count} series dragged out."), "info")

    # Sending, importing

    def send(self, level: str, uids: Sequence[Any], server: str, label: str) -> None:
        """Send to a server of the list."""
        if self._context.host.before_network():
            self._context.ask("send", level=level, uids=[str(uid) for uid in uids], servers=[server], label=label)

    def import_paths(self, paths: Sequence[str], copy: bool | None = None) -> None:
        """Import files and folders."""
        if paths:
            self._context.ask("import_files", paths=list(paths), copy=copy)

    # Deleting

    def delete(self, level: str, entries: Sequence[Any]) -> None:
        """Ask, with exact counts, and delete from the local database."""
        items: dict[str, Any] = {_plural_of[level]: [_identity(level, entry) for entry in entries]}
        loaded = self._context.host.in_scene()
        count = sum(1 for uid in self._series_of(level, entries) if uid in loaded)

        def ask(footprint: dict[str, Any]) -> None:
            if not footprint["series"]:
                self._context.report(_("Nothing of it is in the local database."), "info")
                return
            self._dialog = DeleteDialog(
                self._context.theme, footprint, count, lambda: self._delete(level, entries), self._browser
            )
            self._dialog.open()

        self._context.ask("footprint", ask, None, **items)

    def _delete(self, level: str, entries: Sequence[Any]) -> None:
        self._context.ask("remove_many", items=[{"level": level, "uid": _identity(level, entry)} for entry in entries])

    # Copying, showing

    def copy_text(self, text: str) -> None:
        """Put a text on the clipboard."""
        qt.QApplication.clipboard().setText(text)

    def copy_paths(self, series: Sequence[Any]) -> None:
        """Put the paths of the files of series on the clipboard."""
        uids = [each.SeriesInstanceUID for each in series]

        def copy(files: dict[str, list[str]]) -> None:
            paths = [path for uid in uids for path in files.get(uid, ())]
            self.copy_text("\n".join(paths))
            self._context.report(plural(len(paths), "{count} path copied.", "{count} paths copied."), "info")

        self._context.ask("files", copy, series=uids)

    def copy_python(self, series: Sequence[Any]) -> None:
        """Put Python code that loads series in Slicer on the clipboard."""
        uids = json.dumps([each.SeriesInstanceUID for each in series])
        lines = (
            "from VisualDICOMBrowser import VisualDICOMBrowserLogic",
            "logic = VisualDICOMBrowserLogic()",
            f"nodes = logic.loadSeries({uids})",
        )
        self.copy_text("\n".join(lines))

    def open_folder(self, series: Any) -> None:
        """Show the folder of a series' files in the file manager."""

        def show(files: dict[str, list[str]]) -> None:
            paths = files.get(series.SeriesInstanceUID) or []
            if not paths:
                self._context.report(_("It has no files here."), "info")
                return
            folder = qt.QFileInfo(paths[0]).absolutePath()
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(folder))

        self._context.ask("files", show, series=[series.SeriesInstanceUID])

    def _series_of(self, level: str, entries: Sequence[Any]) -> list[str]:
        if level == "SERIES":
            return [entry.SeriesInstanceUID for entry in entries]
        studies = entries if level == "STUDY" else [s for p in entries for s in self._catalogue.studies(p)]
        return [each.SeriesInstanceUID for s in studies for each in self._catalogue.series(s.StudyInstanceUID)]


_plural_of = {"PATIENT": "patients", "STUDY": "studies", "SERIES": "series"}


def _identity(level: str, entry: Any) -> Any:
    if level == "PATIENT":
        return entry.row
    return entry.StudyInstanceUID if level == "STUDY" else entry.SeriesInstanceUID


def frame_at(instances: Sequence[dict[str, Any]], index: int | None) -> tuple[str, int] | None:
    """SOP Instance UID and frame of the slice of a number from 0, of the middle one without a number."""
    frames = [(str(each["SOPInstanceUID"]), each["NumberOfFrames"] or 1) for each in instances]
    total = sum(count for _uid, count in frames)
    left = total // 2 if index is None else min(max(0, index), total - 1)
    for uid, count in frames:
        if left < count:
            return uid, left
        left -= count
    return None


def series_label(series: Any) -> str:
    """A series in a few words: modality, number, description."""
    number = "" if series.SeriesNumber is None else str(series.SeriesNumber)
    return " ".join(part for part in (series.Modality, number, series.SeriesDescription) if part)
