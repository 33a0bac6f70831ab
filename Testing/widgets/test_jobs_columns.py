"""The columns of the job list: hidden, moved, made wider, and remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import qt

from Testing.widgets.job_samples import one_of_each
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.panel import JobsPanel
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

ALL_COLUMNS = ["Task", "What", "Server", "Progress", "Time", "Note", ""]


@pytest.fixture
def context(client: QProcessClient) -> BrowserContext:
    return BrowserContext(client, Theme("light"), None, MemoryViewSettings(), lambda *_: None)


@pytest.fixture
def feed(context: BrowserContext) -> Iterator[JobsFeed]:
    made = JobsFeed(context)
    made.state.replace(one_of_each())
    yield made
    made.close()


@pytest.fixture
def panel(context: BrowserContext, feed: JobsFeed) -> Iterator[JobsPanel]:
    made = JobsPanel(context, lambda *_: None, feed)
    made.resize(1300, 500)
    made.show()
    yield made
    made.close_panel()
    made.close()


def table_of(panel: JobsPanel) -> qt.QTreeView:
    (found,) = [each for each in panel.findChildren(qt.QTreeView) if each.accessibleName == "Jobs"]
    return found


def titles(table: qt.QTreeView) -> list[str]:
    """The shown columns from the left, as their header calls them."""
    header, model = table.header(), table.model()
    order = sorted(range(model.columnCount()), key=header.visualIndex)
    names = [model.headerData(each, qt.Qt.Horizontal, qt.Qt.DisplayRole) for each in order]
    return [name for name, each in zip(names, order, strict=True) if not table.isColumnHidden(each)]


def test_columns_are_hidden_moved_and_remembered(panel: JobsPanel, feed: JobsFeed, context: BrowserContext):
    table = table_of(panel)
    assert titles(table) == ALL_COLUMNS
    qt.QApplication.sendEvent(table, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Down, qt.Qt.AltModifier, ""))
    (menu,) = [each for each in table.findChildren(qt.QMenu) if each.visible]
    entries = {entry.text: entry for entry in menu.actions() if entry.text}
    assert list(entries) == ["Task", "What", "Server", "Progress", "Time", "Note", "Reset Columns"]
    assert not entries["Task"].enabled
    entries["Server"].trigger()
    menu.close()
    assert "Server" not in titles(table)
    header = table.header()
    header.moveSection(header.visualIndex(5), 1)
    assert titles(table) == ["Task", "Note", "What", "Progress", "Time", ""]
    header.resizeSection(5, 222)
    # The task and the icons keep their places.
    header.moveSection(0, 3)
    assert titles(table)[0] == "Task"
    header.moveSection(header.visualIndex(6), 2)
    assert titles(table)[-1] == ""

    again = JobsPanel(context, lambda *_: None, feed)
    again.resize(1300, 500)
    again.show()
    other = table_of(again)
    assert titles(other) == titles(table)
    assert other.columnWidth(5) == 222
    other.columns.reset()
    assert titles(other) == ALL_COLUMNS
    again.close_panel()
    again.close()
    third = JobsPanel(context, lambda *_: None, feed)
    assert titles(table_of(third)) == ALL_COLUMNS
    third.close_panel()


def test_without_the_widest_column_another_takes_its_room(panel: JobsPanel):
    table = table_of(panel)
    for name in ("what", "note"):
        table.columns.show_column(name, False)
    qt.QApplication.processEvents()
    header = table.header()
    assert header.length() == table.viewport().width
    panel.resize(400, 600)
    assert titles(table) == ["Task", ""]
    panel.resize(1300, 500)
    assert titles(table) == ["Task", "Server", "Progress", "Time", ""]
