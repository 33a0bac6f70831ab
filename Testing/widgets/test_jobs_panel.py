"""The job panel and the status line with a real engine: import, fetch, fail, cancel, pause, clear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import qt

from Testing.widgets.job_samples import brief, one_of_each
from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.panel import JobsPanel
from VisualDICOMBrowserLib.widgets.jobs.status_line import StatusLine
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


class Loader:
    """A host that notes what it was asked to load."""

    def __init__(self) -> None:
        self.loaded: list[list[str]] = []
        self.fails = False

    def load(self, series_uids: list[str]) -> str:
        if self.fails:
            message = "No reader for this kind."
            raise LoadError(message)
        self.loaded.append(list(series_uids))
        return "Loaded."


@pytest.fixture
def reports() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def context(client: QProcessClient, reports: list[tuple[str, str]]) -> BrowserContext:
    return BrowserContext(
        client, Theme("light"), Loader(), MemoryViewSettings(), lambda text, level: reports.append((text, level))
    )


@pytest.fixture
def feed(context: BrowserContext) -> Iterator[JobsFeed]:
    made = JobsFeed(context)
    yield made
    made.close()


@pytest.fixture
def shown() -> list[tuple[str, list[str]]]:
    return []


@pytest.fixture
def panel(context: BrowserContext, feed: JobsFeed, shown: list[tuple[str, list[str]]]) -> Iterator[JobsPanel]:
    made = JobsPanel(context, lambda study, series: shown.append((study, series)), feed)
    made.resize(1300, 500)
    context.theme.apply(made)
    made.show()
    yield made
    made.close_panel()
    made.close()


def find(panel: qt.QWidget, name: str) -> qt.QWidget:
    """The one visible widget that screen readers know by this name."""
    (found,) = [
        each for each in panel.findChildren(qt.QWidget) if each.accessibleName == name and each.isVisibleTo(panel)
    ]
    return found


def rows(panel: JobsPanel) -> list[str]:
    """All rows as they are read out; the list is hidden while it is empty."""
    (table,) = [each for each in panel.findChildren(qt.QTreeView) if each.accessibleName == "Jobs"]
    model = table.model()
    return [model.data(model.index(row, 0), qt.Qt.AccessibleTextRole) for row in range(model.rowCount())]


def has(panel: JobsPanel, words: str) -> bool:
    return any(words in row for row in rows(panel))


def labels(widget: qt.QWidget) -> str:
    return "\n".join(each.text for each in widget.findChildren(qt.QLabel) if each.isVisibleTo(widget))


def job_row(panel: JobsPanel, feed: JobsFeed, state: str) -> dict[str, Any]:
    (job,) = [each for each in feed.state.jobs() if each["state"] == state]
    assert panel.select(job["job_id"])
    return job


def press_icon(panel: JobsPanel, job_id: str, name: str) -> None:
    """Press and release the mouse on an action icon of a job's row."""
    table = find(panel, "Jobs")
    model = table.model()
    number = next(n for n, row in enumerate(model.rows()) if row.kind == "job" and row.jobs[0]["job_id"] == job_id)
    index = model.index(number, model.columnCount() - 1)
    table.scrollTo(index)
    rects = dict(table.itemDelegate().act_rects(model.row(number), table.visualRect(index)))
    point = qt.QPointF(rects[name].center())
    for kind in (qt.QEvent.MouseButtonPress, qt.QEvent.MouseButtonRelease):
        event = qt.QMouseEvent(kind, point, point, qt.Qt.LeftButton, qt.Qt.LeftButton, qt.Qt.NoModifier)
        qt.QApplication.sendEvent(table.viewport(), event)


@pytest.fixture
def waiting_job(panel: JobsPanel, feed: JobsFeed, client: QProcessClient, silent_port: int, wait_until) -> str:
    """A fetch from a server that never answers; it waits to try again."""
    client.request(
        "add_server", name="Old PACS", host="127.0.0.1", port=silent_port, called_ae_title="OLD", timeout_s=1.0
    )
    job_id = client.request("retrieve", StudyInstanceUID="1.2.3", server="Old PACS", label="DEMO, Jane, CT chest")
    wait_until(lambda: (feed.state.get(job_id) or {}).get("state") == "waiting")
    return job_id


def test_no_jobs_is_said(panel: JobsPanel, wait_until):
    wait_until(lambda: "No jobs." in labels(panel))


def test_import_with_rejected_files(panel: JobsPanel, feed: JobsFeed, client, dicom_folder: Path, tmp_path, wait_until):
    (dicom_folder / "notes.dcm").write_text("these are notes", encoding="utf-8")
    (dicom_folder / "MR_truncated.dcm").unlink()  # has the UID of the other one
    client.request("import_files", paths=[str(dicom_folder)])
    wait_until(lambda: "Needs attention (1)" in rows(panel))
    wait_until(lambda: has(panel, "1 file rejected"))
    job = job_row(panel, feed, "partly")
    assert job["kind"] == "import"
    assert "2 images are in the database. 1 file was not taken." in labels(panel)
    table = find(panel, "Rejected files")
    assert table.model().data(table.model().index(0, 0)) == "notes.dcm"
    target = tmp_path / "list.csv"
    panel._details._rejected.export(str(target))
    assert "notes.dcm" in target.read_text(encoding="utf-8")
    wait_until(lambda: "Ended incomplete." in panel._details.log())
    panel._details.set_technical(True)
    assert str(dicom_folder) in panel._details.log()


def test_list_that_cannot_be_written_is_reported(panel: JobsPanel, tmp_path: Path, reports: list[tuple[str, str]]):
    panel._details._rejected.export(str(tmp_path / "nowhere" / "list.csv"))
    assert reports[0][1] == "error"
    assert "list.csv could not be written" in reports[0][0]


def test_waiting_job_counts_down_and_is_tried_now(panel: JobsPanel, feed: JobsFeed, waiting_job: str, wait_until):
    wait_until(lambda: has(panel, "gives up at"))
    assert has(panel, "Next try in 0:0")
    assert panel.select(waiting_job)
    assert "DEMO, Jane, CT chest waits for another try" in labels(panel)
    attempts = feed.state.get(waiting_job)["attempts"]
    find(panel, "Try now").click()
    wait_until(lambda: feed.state.get(waiting_job)["attempts"] > attempts)


def test_icons_pause_resume_cancel_and_clear(panel: JobsPanel, feed: JobsFeed, waiting_job: str, client, wait_until):
    client.request("pause_jobs", job_ids=[waiting_job])
    wait_until(lambda: has(panel, "Paused"))
    press_icon(panel, waiting_job, "resume")
    wait_until(lambda: feed.state.get(waiting_job)["state"] != "paused")
    wait_until(lambda: feed.state.get(waiting_job)["state"] == "waiting")
    press_icon(panel, waiting_job, "cancel")
    wait_until(lambda: feed.state.get(waiting_job)["state"] == "cancelled")
    wait_until(lambda: has(panel, "Cancelled"))
    press_icon(panel, waiting_job, "clear")
    wait_until(lambda: feed.state.get(waiting_job) is None)
    assert client.request("jobs") == []


def test_keys_act_on_the_selected_job(panel: JobsPanel, feed: JobsFeed, waiting_job: str, wait_until):
    assert panel.select(waiting_job)
    panel._act_by_key(["pause", "resume"])
    wait_until(lambda: feed.state.get(waiting_job)["state"] == "paused")
    panel._act_by_key(["cancel", "clear"])
    wait_until(lambda: feed.state.get(waiting_job)["state"] == "cancelled")


def test_pause_all_becomes_resume_all(panel: JobsPanel, feed: JobsFeed, waiting_job: str, wait_until):
    find(panel, "Pause all").click()
    wait_until(lambda: feed.state.get(waiting_job)["state"] == "paused")
    wait_until(lambda: any(each.text == "Resume all" for each in panel.findChildren(qt.QPushButton)))
    find(panel, "Resume all").click()
    wait_until(lambda: feed.state.get(waiting_job)["state"] != "paused")


def test_failed_job_is_retried_and_done_ones_are_cleared(
    panel: JobsPanel, feed: JobsFeed, client, dicom_folder: Path, wait_until
):
    missing = client.request("import_files", paths=[str(dicom_folder / "CT_small.dcm")])
    wait_until(lambda: (feed.state.get(missing) or {}).get("state") == "done")
    echo = client.request("add_server", name="Nobody", host="127.0.0.1", port=9, called_ae_title="NO")
    job_id = client.request("echo_server", name=echo["name"])
    wait_until(lambda: (feed.state.get(job_id) or {}).get("state") == "failed")
    wait_until(lambda: "Needs attention (1)" in rows(panel))
    first = feed.state.get(job_id)["finished"]
    find(panel, "Retry failed").click()
    wait_until(lambda: (feed.state.get(job_id)["finished"] or 0) > first)
    find(panel, "Clear done").click()
    wait_until(lambda: feed.state.get(missing) is None)
    assert feed.state.get(job_id)["state"] == "failed"


def test_fetched_series_is_loaded_and_shown(
    panel: JobsPanel, feed: JobsFeed, context, client, dicom_folder: Path, shown, reports, wait_until
):
    job_id = client.request("import_files", paths=[str(dicom_folder / "CT_small.dcm")])
    wait_until(lambda: (feed.state.get(job_id) or {}).get("state") == "done")
    wait_until(lambda: panel.select(job_id))
    series = str(pydicom.dcmread(dicom_folder / "CT_small.dcm").SeriesInstanceUID)
    find(panel, "Load").click()
    assert context.host.loaded == [[series]]
    context.host.fails = True
    find(panel, "Load").click()
    assert reports[-1] == ("No reader for this kind.", "error")
    panel._act("show", [feed.state.get(job_id)])
    assert shown == [("", [series])]


def test_filter_and_search(panel: JobsPanel, feed: JobsFeed):
    feed._take_all(one_of_each(feed.state.clock()))
    find(panel, "Waiting 2").click()
    assert [row for row in rows(panel) if "(" in row] == ["Waiting to try again (2)"]
    find(panel, "All 16").click()
    find(panel, "Search jobs").text = "muster"
    assert find(panel, "All 2").checked
    assert len(rows(panel)) == 4
    find(panel, "Search jobs").text = "nothing like it"
    assert "No job matches." in labels(panel)


def test_selection_and_place_stay_while_jobs_go_on(panel: JobsPanel, feed: JobsFeed, wait_until):
    now = feed.state.clock()
    feed._take_all([brief(number, "queued", f"PATIENT {number:03}", created=now) for number in range(150)])
    table = find(panel, "Jobs")
    assert panel.select("retrieve-100")
    place = table.verticalScrollBar().value
    assert place > 0
    feed._hear({"event": "job_changed", "job": brief(100, "running", "PATIENT 100", started=now)})
    wait_until(lambda: "Running (1)" in rows(panel))
    assert [job["job_id"] for job in table.selected_jobs()] == ["retrieve-100"]
    assert table.verticalScrollBar().value == place
    assert "PATIENT 100" in labels(panel)


def test_updates_are_told_at_most_ten_times_per_second(feed: JobsFeed, wait_until):
    told: list[set[str]] = []
    feed.subscribe(told.append)
    start = feed.state.clock()
    for step in range(200):
        feed._hear({"event": "job_changed", "job": brief(step % 7, "running", progress_done=step, progress_total=200)})
    assert told == []
    wait_until(lambda: told)
    assert told[0] == {f"retrieve-{number}" for number in range(7)}
    assert feed.state.clock() - start >= 0.09
    assert len(told) == 1


def test_groups_fold_by_keys_and_are_remembered(panel: JobsPanel, feed: JobsFeed, context: BrowserContext):
    feed._take_all(one_of_each(feed.state.clock()))
    table = find(panel, "Jobs")
    count = len(rows(panel))
    table.setCurrentIndex(table.model().index(0, 0))
    event = qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Left, qt.Qt.NoModifier, "")
    qt.QApplication.sendEvent(table, event)
    assert len(rows(panel)) == count - 2
    panel.close_panel()
    assert "attention" in context.view_settings.get("jobs/view")["folded"]


def test_several_selected_jobs_share_their_actions(panel: JobsPanel, feed: JobsFeed):
    feed._take_all(one_of_each(feed.state.clock()))
    find(panel, "Jobs").selectAll()
    assert "16 jobs selected" in labels(panel)
    assert find(panel, "Pause (7)").enabled
    assert find(panel, "Try again (2)").enabled


def test_narrow_panel_shows_two_lines(panel: JobsPanel, feed: JobsFeed):
    feed._take_all(one_of_each(feed.state.clock()))
    panel.resize(350, 700)
    qt.QApplication.processEvents()
    assert panel.width == 350
    table = find(panel, "Jobs")
    assert table.headerHidden
    assert table.visualRect(table.model().index(1, 0)).height() > table.visualRect(table.model().index(0, 0)).height()
    find(panel, "Jobs to show").currentIndex = 4
    assert "Needs attention (2)" in rows(panel)
    assert "Running (3)" not in rows(panel)


def test_speed_of_a_server_is_limited_by_the_menu(panel: JobsPanel, feed: JobsFeed, client, wait_until):
    client.request("add_server", name="Main PACS", host="127.0.0.1", port=104, called_ae_title="PACS")
    wait_until(lambda: "Main PACS" in feed.servers)
    find(panel, "More for all jobs").click()
    (entry,) = [each for each in panel.findChildren(qt.QAction) if each.text == "5 MB/s"]
    entry.trigger()
    wait_until(lambda: feed.servers["Main PACS"]["speed_limit_mb_s"] == 5)
    panel._menu.close()


def test_unfinished_jobs_of_the_last_time_are_announced(context, client, waiting_job: str, wait_until):
    counts: list[int] = []
    later = JobsFeed(context, counts.append)
    wait_until(lambda: counts == [1])
    later.close()
    client.request("cancel_jobs")


def test_status_line_sums_up(context: BrowserContext, feed: JobsFeed, client, dicom_folder: Path, wait_until):
    asked: list[str] = []
    line = StatusLine(context, feed, asked.append)
    line.resize(1200, 30)
    line.show()
    wait_until(lambda: "No jobs" in line.text())
    client.request("import_files", paths=[str(dicom_folder)])
    wait_until(lambda: "2 patients" in line.text())
    client.request("start_node", port=0, ae_title="SLICER")
    line.refresh()
    wait_until(lambda: "Listening as SLICER, " in line.text())
    feed._take_all(one_of_each(feed.state.clock()))
    assert "3 running" in line.text()
    assert "2 waiting | 2 failed" in line.text()
    find(line, "2 jobs need attention").click()
    assert asked == ["failed"]
    line.close_line()
    line.close()


def test_the_list_is_used_by_keys_alone(panel: JobsPanel, feed: JobsFeed, waiting_job: str, wait_until):
    """Arrows go over titles and rows, Space and Enter fold a title, the menu key opens the menu of the row."""
    wait_until(lambda: has(panel, "Next try"))
    table = find(panel, "Jobs")
    table.setFocus()
    table.setCurrentIndex(table.model().index(0, 0))

    def key(which: int, modifiers: int = qt.Qt.NoModifier) -> None:
        qt.QApplication.sendEvent(table, qt.QKeyEvent(qt.QEvent.KeyPress, which, modifiers, ""))

    count = len(rows(panel))
    key(qt.Qt.Key_Space)
    assert len(rows(panel)) < count
    key(qt.Qt.Key_Return)
    assert len(rows(panel)) == count
    key(qt.Qt.Key_Down)
    assert [job["job_id"] for job in table.selected_jobs()] == [waiting_job]
    rect = table.visualRect(table.currentIndex())
    asked = qt.QContextMenuEvent(
        qt.QContextMenuEvent.Keyboard, rect.center(), table.viewport().mapToGlobal(rect.center())
    )
    qt.QApplication.sendEvent(table.viewport(), asked)
    (menu,) = [each for each in panel.findChildren(qt.QMenu) if each.visible]
    assert "Try now" in [entry.text for entry in menu.actions() if entry.enabled]
    menu.close()
