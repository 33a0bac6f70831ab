"""Fixtures of all suites: real DICOM files, Qt without a display, and a watch over stray threads."""

from __future__ import annotations

import os
import re
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.processes import free_port as _free_port

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

THREAD_END_TIMEOUT_S = 5.0
# Threads that we start bear lower-case names with a hyphen; those of other libraries do not.
OUR_THREAD_NAME = re.compile(r"[a-z]+(-[a-z0-9]+)+")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real DICOM series named by VISUAL_DICOM_TEST_DATA."""
    folder = os.environ.get("VISUAL_DICOM_TEST_DATA", "")
    if not folder:
        pytest.skip("VISUAL_DICOM_TEST_DATA names no folder with real DICOM series")
    path = Path(folder)
    assert path.is_dir(), f"VISUAL_DICOM_TEST_DATA names {path}, which is no folder"
    return path


@pytest.fixture(scope="session")
def pydicom_files() -> list[Path]:
    """Files of pydicom's wheel that pydicom reads as DICOM without force, sorted."""
    import pydicom

    root = Path(pydicom.__file__).parent / "data"
    return sorted(path for path in root.rglob("*") if path.is_file() and _readable(path))


def _readable(path: Path) -> bool:
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return len(pydicom.dcmread(path, stop_before_pixels=True)) > 0
        except InvalidDicomError:
            return False


@pytest.fixture
def free_port() -> int:
    """A loopback port on which nothing listens."""
    return _free_port()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of the loopback address that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.fixture(autouse=True)
def stray_thread_watch() -> Iterator[None]:
    """Fail a test after which a thread of ours, or any that would keep the process alive, still runs."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in threading.enumerate() if thread not in before]
    watched = [thread for thread in started if not thread.daemon or OUR_THREAD_NAME.fullmatch(thread.name)]
    for thread in watched:
        thread.join(THREAD_END_TIMEOUT_S)
    left = sorted(thread.name for thread in watched if thread.is_alive())
    assert not left, f"threads still run after the test: {', '.join(left)}"
