"""Fixtures of the thumbnail tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian
from thumbnail_objects import WriteImage, image_dataset, save_dataset

from VisualDICOMBrowserLib.database.header_scan import scan_file
from VisualDICOMBrowserLib.database.local_database import LocalDatabase


@pytest.fixture
def write_image(tmp_path: Path) -> WriteImage:
    """Function that writes an image of given pixels and attributes to a fresh file and gives its path."""
    written = 0

    def write(pixels: np.ndarray | None, transfer_syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> Path:
        nonlocal written
        written += 1
        path = tmp_path / "images" / f"{written:04d}.dcm"
        return save_dataset(image_dataset(pixels, **attributes), path, transfer_syntax)

    return write


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LocalDatabase]:
    """Empty database in a folder of its own."""
    opened = LocalDatabase.open(tmp_path / "database")
    yield opened
    opened.close()


@pytest.fixture
def add_files(database: LocalDatabase) -> Callable[..., None]:
    """Function that links files into `database`."""

    def add(*paths: Path) -> None:
        scanned = [scan_file(path, database.tags_to_precache) for path in paths]
        outcomes = database.writer.add_files(scanned)
        database.writer.add_cached_tags(row for file in scanned for row in database.cached_tag_rows(file))
        assert [outcome.status for outcome in outcomes] == ["imported"] * len(paths)

    return add
