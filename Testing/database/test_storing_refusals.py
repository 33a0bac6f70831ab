"""Arrivals that cannot be kept: a database for reading only, a disk that refuses the tag cache spool."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from index_harness import Importer, files_below, opened_importer
from index_samples import ct_slice

from VisualDICOMBrowserLib.errors import DatabaseReadOnlyError, StorageFault

resource = pytest.importorskip("resource", reason="This system has no limits on file sizes.")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse every file that grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_nothing_is_put_into_a_database_for_reading_only(tmp_path: Path) -> None:
    with opened_importer(tmp_path) as importer:
        importer.store.accept([importer.part(ct_slice())])
    with closing(sqlite3.connect(tmp_path / "ctkDICOM.sql")) as connection, connection:
        connection.execute("UPDATE SchemaInfo SET Version = '9.0.0'")
    before = files_below(tmp_path / "dicom")
    with opened_importer(tmp_path) as importer:
        assert importer.database.read_only
        arrived = importer.part(ct_slice(number=2))
        with pytest.raises(DatabaseReadOnlyError):
            importer.store.accept([arrived])
        assert not arrived.path.exists()
    assert files_below(tmp_path / "dicom") == before
    assert not list(tmp_path.rglob("*.intent"))


def test_a_spool_that_the_disk_refuses_does_not_keep_the_store_from_closing(tmp_path: Path) -> None:
    with opened_importer(tmp_path) as importer:
        with largest_file(4096), pytest.raises(StorageFault) as caught:
            _spool(importer, b'"' + b"x" * 100_000 + b'"\n')
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.EFBIG
        with largest_file(4096):
            importer.store.close()
    assert not (tmp_path / "visual-dicom-browser-incoming").exists()


def test_what_is_spooled_after_the_disk_refused_is_whole(tmp_path: Path) -> None:
    with opened_importer(tmp_path) as importer:
        with largest_file(4096), pytest.raises(StorageFault):
            _spool(importer, b'"' + b"x" * 100_000 + b'"\n')
        importer.store.accept([importer.part(ct_slice())])
        assert importer.store.tag_cache.wait(10)
        rows = importer.rows("SELECT SOPInstanceUID FROM Images")
        assert importer.cached(str(rows[0][0]))["0010,0010"] == "Patient^P1"


def _spool(importer: Importer, answer: bytes) -> None:
    importer.store.tag_cache.spool(("0010,0010",), ("0010,0010",), b"[]\n", answer)
