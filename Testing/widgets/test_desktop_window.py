"""The desktop window and the command that opens it: databases, geometry, pictures written without a display."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.shipped import REPOSITORY
from VisualDICOMBrowserLib.desktop.window import FOLDER_KEY, DesktopWindow
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import StorageFault
from VisualDICOMBrowserLib.widgets.settings.first_start import FirstStart
from VisualDICOMBrowserLib.widgets.view_settings import KeptViewSettings, MemoryViewSettings


@pytest.fixture
def settings(tmp_path: Path) -> KeptViewSettings:
    return KeptViewSettings(tmp_path / "view.ini")


@pytest.fixture
def window(settings: KeptViewSettings, tmp_path: Path) -> Iterator[DesktopWindow]:
    made = DesktopWindow(tmp_path / "database", settings)
    made.show()
    yield made
    made.close()


@pytest.fixture
def filled(tmp_path: Path, dicom_folder: Path) -> Path:
    """A database with two patients, whose pictures are not made yet."""
    folder = tmp_path / "filled"
    with Session(open_engine(folder)) as session:
        session.client.request("set_setting", key="thumbnails/automatic", value=False)
        session.import_files([dicom_folder])
    return folder


def browse(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``visual-dicom-browser browse`` as a computer without a display would."""
    without = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
    without.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-m", "VisualDICOMBrowserLib.cli", "browse", *arguments]
    environment = {**without, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_values_keep_their_type_between_sessions(tmp_path: Path):
    file = tmp_path / "kept.ini"
    values = {"flag": True, "number": 3, "list": [1, "a"], "map": {"x": None}, "text": 'é, "x"'}
    first = KeptViewSettings(file)
    for key, value in values.items():
        first.put(key, value)
    first.save()
    second = KeptViewSettings(file)
    assert {key: second.get(key) for key in values} == values
    second.put("flag", None)
    assert second.get("flag", "gone") == "gone"


def test_what_another_program_wrote_is_no_fault(tmp_path: Path):
    file = tmp_path / "kept.ini"
    file.write_text("[General]\nsize=@Size(1 2)\n", encoding="utf-8")
    assert KeptViewSettings(file).get("size", 7) == 7


def test_geometry_and_database_are_remembered(settings: KeptViewSettings, tmp_path: Path):
    window = DesktopWindow(tmp_path / "database", settings)
    window.resize(731, 517)
    window.show()
    window.close()
    again = DesktopWindow(None, KeptViewSettings(tmp_path / "view.ini"))
    assert (again.width, again.height) == (731, 517)
    assert settings.get(FOLDER_KEY) == str(tmp_path / "database")
    again.close()


def test_without_a_database_it_asks_where_to_keep_images(settings: KeptViewSettings, tmp_path: Path, wait_until: Any):
    window = DesktopWindow(None, settings)
    window.show()
    assert isinstance(window.centralWidget(), FirstStart)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    window._chosen(str(tmp_path / "file"))
    assert window.browser is None
    window._then("sample", str(tmp_path / "new"))
    wait_until(lambda: window.client.request("counts")["patients"] > 3)
    window.close()


def test_goes_over_to_another_database(window: DesktopWindow, filled: Path, tmp_path: Path, wait_until: Any):
    window.host.open_database(str(filled))
    wait_until(lambda: window.folder == filled)
    assert window.client.request("counts")["patients"] == 2
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StorageFault):
        window.host.open_database(str(tmp_path / "file"))
    assert window.folder == filled


def test_closing_ends_the_engine(settings: KeptViewSettings, tmp_path: Path):
    window = DesktopWindow(tmp_path / "database", settings)
    client = window.client
    client.request("ping")
    assert client.pid is not None
    window.close()
    assert client.pid is None


def test_look_of_the_window_can_be_chosen(tmp_path: Path):
    window = DesktopWindow(tmp_path / "database", MemoryViewSettings(), "contrast")
    assert window.look_theme.look == "contrast"
    assert window.palette.color(qt.QPalette.Window).name() == "#000000"
    window.close()


def test_picture_of_the_window_is_written_without_a_display(filled: Path, tmp_path: Path):
    file = tmp_path / "window.png"
    done = browse(
        "--database", str(filled), "--screenshot", str(file), "--size", "900x600", "--theme", "dark", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"picture": str(file)}
    image = qt.QImage(str(file))
    assert (image.width(), image.height()) == (900, 600)
    colours = {image.pixelColor(x, y).lightness() for x in range(0, 900, 7) for y in range(0, 600, 7)}
    # Text, frames, and the grey values of a thumbnail that did not exist before.
    assert len(colours) > 30
    with Session(open_engine(filled)) as session:
        assert any(session.client.request("thumbnail", series=uid) for uid in series_of(session))


def test_picture_of_the_first_start_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = tmp_path / "first.png"
    done = browse("--screenshot", str(file), "--size", "1200x780")
    assert done.returncode == 0, done.stderr
    assert qt.QImage(str(file)).width() == 1200
    assert not (tmp_path / "VisualDICOMBrowser").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--size", "big"], "A size is written as 1200x780"),
        (["--patient", "NOBODY"], "The database has no patient with the ID NOBODY."),
        (["--limit-s", "0"], "not complete in time"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(arguments: list[str], sentence: str, filled: Path, tmp_path: Path):
    file = tmp_path / "window.png"
    done = browse("--database", str(filled), "--screenshot", str(file), *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not file.exists()


def test_window_without_a_display_is_refused_in_a_sentence(filled: Path):
    if not sys.platform.startswith("linux"):
        pytest.skip("only X11 and Wayland can be absent")
    done = browse("--database", str(filled))
    assert done.returncode == 2
    assert "There is no display for the window." in done.stderr


def series_of(session: Session) -> list[str]:
    return [record["SeriesInstanceUID"] for record in session.client.request("records", level="SERIES")]
