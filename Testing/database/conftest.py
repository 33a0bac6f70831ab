"""Fixtures of the database tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from VisualDICOMBrowserLib.database.local_database import LocalDatabase


@pytest.fixture
def database_folder(tmp_path: Path) -> Path:
    """Folder in which `database` lies."""
    return tmp_path / "database"


@pytest.fixture
def database(database_folder: Path) -> Iterator[LocalDatabase]:
    """A new, empty database."""
    opened = LocalDatabase.open(database_folder)
    yield opened
    opened.close()
