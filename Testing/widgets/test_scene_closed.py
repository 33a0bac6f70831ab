"""What is loaded is closed while series are fetched that are to be loaded: Slicer's scene, the desktop's window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

pytest.importorskip("slicer", reason="the scene needs slicer-core")

import slicer

from Testing.support.browser_driving import Wait, query
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import QR_AE_TITLE, DcmQrScp
from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.desktop.host import DesktopHost
from VisualDICOMBrowserLib.loading import load_series
from VisualDICOMBrowserLib.loading.scene import Application, new_application
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.slicer_host import SlicerHost
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

SLICES = 20
SLOW_MB_S = 0.1


@pytest.fixture
def series(tmp_path: Path) -> CtSeries:
    """0.7 MB: seven seconds at the speed that the tests allow."""
    return make_ct_series(tmp_path / "series", SLICES, size=128)


@pytest.fixture
def slow_pacs(tmp_path: Path, series: CtSeries, client: QProcessClient) -> Iterator[DcmQrScp]:
    """A PACS with the series, from which little is fetched per second."""
    server = DcmQrScp(tmp_path / "pacs")
    server.start()
    try:
        server.put(series.folder)
        fields = {"protocol": "dimse", "host": "127.0.0.1", "port": server.port, "called_ae_title": QR_AE_TITLE}
        client.request("add_server", name="Main PACS", speed_limit_mb_s=SLOW_MB_S, **fields)
        yield server
    finally:
        server.stop()


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    """A scene as Slicer has it, under its name; slice views there are none."""
    made = new_application()
    monkeypatch.setattr(slicer, "mrmlScene", made.scene, raising=False)
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda **_layers: None)
    return made


def volumes(scene: Any) -> int:
    return int(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))


def notes(browser: Browser) -> list[str]:
    return [note.text for note in browser.note_bar.notes]


def job(browser: Browser) -> dict[str, Any]:
    (found,) = [each for each in browser.feed.state.jobs() if each["kind"] == "retrieve"]
    return found


def opened(client: QProcessClient, host: Any) -> Browser:
    browser = Browser(client, host, MemoryViewSettings())
    browser.resize(1300, 800)
    browser.show()
    return browser


def begin_fetching(browser: Browser, series: CtSeries, wait_until: Wait) -> Any:
    """Double-click on the card of the series on the server, and wait until some of it is here."""
    query(browser, wait_until, "CT-1")
    wait_until(lambda: browser.showing.entries)
    browser.showing.show(browser.showing.entries[0])
    wait_until(lambda: browser.catalogue.one_series(series.SeriesInstanceUID) is not None)
    entry = browser.catalogue.one_series(series.SeriesInstanceUID)
    browser.acts.load([entry])
    assert list(browser.acts.loads_when_complete) == [series.SeriesInstanceUID]
    wait_until(lambda: browser.feed.state.by_series(series.SeriesInstanceUID) is not None)
    wait_until(lambda: job(browser)["state"] == "running" and job(browser)["progress_done"] > 0)
    return entry


def finish_fetching(browser: Browser, entry: Any, client: QProcessClient, wait_until: Wait) -> None:
    """The fetch was never disturbed, and the queue takes further work."""
    assert job(browser)["state"] == "running"
    wait_until(lambda: job(browser)["state"] == "done")
    assert job(browser)["result"]["done_count"] == SLICES
    wait_until(lambda: browser.catalogue.one_series(entry.SeriesInstanceUID).complete)
    echo = client.request("echo_server", name="Main PACS")
    wait_until(lambda: (browser.feed.state.get(echo) or {}).get("state") == "done")
    assert not any(note.level == "error" for note in browser.note_bar.notes)


def test_scene_closed_while_streaming(
    client: QProcessClient,
    slow_pacs: DcmQrScp,
    series: CtSeries,
    application: Application,
    tmp_path: Path,
    wait_until: Wait,
):
    """Case 72 (scene closed while streaming): the fetch goes on, nothing is loaded into the closed scene."""
    loaded: list[str] = []

    def load(uids: Any) -> list[Any]:
        loaded.extend(uids)
        database = LocalDatabase.open(tmp_path / "database", read_only=True)
        try:
            return list(load_series(DicomDatabase(database), uids, application.scene).nodes)
        finally:
            database.close()

    host = SlicerHost(load, lambda: True)
    browser = opened(client, host)
    try:
        entry = begin_fetching(browser, series, wait_until)
        application.scene.Clear(0)
        assert not browser.acts.loads_when_complete
        said = "The scene was closed: 1 series that was to be loaded is fetched, but not loaded."
        assert notes(browser).count(said) == 1
        finish_fetching(browser, entry, client, wait_until)
        assert loaded == []
        assert volumes(application.scene) == 0

        # Asked for again, it is loaded; closed again, it is no longer said to be there.
        browser.acts.load([browser.catalogue.one_series(series.SeriesInstanceUID)])
        assert volumes(application.scene) == 1
        assert host.in_scene() == {series.SeriesInstanceUID: f"{SLICES} slices"}
        application.scene.Clear(0)
        assert host.in_scene() == {}
        assert notes(browser).count(said) == 1
    finally:
        browser.close_browser()
        browser.close()
    # Nobody listens to the scene any more.
    application.scene.Clear(0)


def test_what_is_loaded_is_closed_before_the_rest_of_it_has_come(application: Application):
    """A reader that lets the event loop run may return nodes that the user has just closed."""

    def load(_uids: Any) -> list[Any]:
        node = application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Gone")
        application.scene.Clear(0)
        return [node]

    host = SlicerHost(load, lambda: True)
    assert host.load(["1.2.3"]) == "The scene was closed while it was loaded."
    assert host.in_scene() == {}


def test_desktop_window_closed_while_streaming(
    client: QProcessClient,
    slow_pacs: DcmQrScp,
    series: CtSeries,
    tmp_path: Path,
    wait_until: Callable[[Callable[[], object]], None],
):
    """Closing the window of loaded volumes means the same: it does not come back by itself."""
    pytest.importorskip("vtk", reason="the slice views need vtk (extra 'desktop')")
    first = make_ct_series(tmp_path / "first", 3, number=2, patient=("CT-2", "Phantom^Head"))
    host = DesktopHost(lambda: tmp_path / "database", lambda _folder: None, Theme("light"))
    browser = opened(client, host)
    try:
        browser.import_paths([str(first.folder)])
        wait_until(lambda: browser.catalogue.one_series(first.SeriesInstanceUID) is not None)
        wait_until(lambda: browser.catalogue.one_series(first.SeriesInstanceUID).complete)
        browser.acts.load([browser.catalogue.one_series(first.SeriesInstanceUID)])
        window = host.volume_window
        assert window is not None
        assert window.visible
        entry = begin_fetching(browser, series, wait_until)
        window.close()
        assert not browser.acts.loads_when_complete
        assert any("not loaded" in text for text in notes(browser))
        finish_fetching(browser, entry, client, wait_until)
        qt.QApplication.processEvents()
        assert not window.visible
        assert list(host.in_scene()) == [first.SeriesInstanceUID]
    finally:
        browser.close_browser()
        browser.close()
        host.close()
