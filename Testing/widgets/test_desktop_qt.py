"""The desktop's `qt` behaves as PythonQt does where the widgets rely on it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import qt

from VisualDICOMBrowserLib.desktop.qt import install


def test_install_gives_the_module_that_import_finds():
    assert install() is sys.modules["qt"]
    assert importlib.util.find_spec("qt") is not None


def test_properties_are_attributes():
    label = qt.QLabel("before")
    label.text = "after"
    assert label.text == "after"
    assert label.width > 0


def test_classes_of_all_qt_modules_stand_side_by_side():
    for name in ("QTimer", "QPixmap", "QLabel", "QNetworkRequest", "Signal"):
        assert hasattr(qt, name)


def test_layout_margins_are_set_by_method():
    layout = qt.QVBoxLayout()
    layout.setContentsMargins(1, 2, 3, 4)
    margins = layout.contentsMargins
    assert (margins.left(), margins.top(), margins.right(), margins.bottom()) == (1, 2, 3, 4)


def test_other_modules_keep_pysides_manners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "plain_pyside.py").write_text(
        "from PySide6 import QtWidgets\n\n\ndef text_of(words):\n    return QtWidgets.QLabel(words).text()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import plain_pyside

    assert plain_pyside.text_of("words") == "words"
    assert qt.QLabel("again").text == "again"
