"""Fixtures of the loading tests: databases that close, generated series, a scene that tolerates no
VTK message.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loading_series import FilesDatabase, SeriesWriter

from VisualDICOMBrowserLib.loading.scene import Application, new_application


@pytest.fixture(autouse=True)
def no_console_messages(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Any error or warning that VTK or ITK would print on the console fails the test."""
    import vtk

    before = vtk.vtkOutputWindow.GetInstance()
    window = vtk.vtkStringOutputWindow()
    vtk.vtkOutputWindow.SetInstance(window)
    try:
        yield
        assert not window.GetOutput(), window.GetOutput()
        assert "WARNING: In " not in capfd.readouterr().err
    finally:
        vtk.vtkOutputWindow.SetInstance(before)


@pytest.fixture
def application() -> Application:
    """A fresh scene with its application logic."""
    return new_application()


@pytest.fixture
def scene(application: Application) -> Any:
    return application.scene


@pytest.fixture
def series(tmp_path: Path) -> SeriesWriter:
    """Writes DICOM series into the test's own folder."""
    return SeriesWriter(tmp_path)


@pytest.fixture(autouse=True)
def databases_closed() -> Iterator[None]:
    """Databases that a test opened are closed and removed after it."""
    yield
    FilesDatabase.close_all()
