"""The lock file of a folder: two sessions never take the same file, and nobody waits for the dead."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support import folder_session
from Testing.support.ct_series import make_ct_series
from Testing.support.folder_session import FolderSession
from VisualDICOMBrowserLib.model import NullControl, Query
from VisualDICOMBrowserLib.servers.folders.lock import LOCK_NAME, FolderLock

REPOSITORY = Path(folder_session.__file__).parents[2]
HOUR_S = 3600.0


@pytest.fixture
def start_session(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts another process that looks into a folder, with a database of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, mode: str, *options: str, database: Path | None = None) -> subprocess.Popen[str]:
        database = database or tmp_path / f"database-{len(started)}"
        command = [sys.executable, str(folder_session.__file__), str(database), str(folder), mode, *options]
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def foreign_lock(folder: Path, *, pid: int = 1, host: str = "elsewhere", age_s: float = 0.0) -> Path:
    path = folder / LOCK_NAME
    path.write_text(json.dumps({"pid": pid, "host": host, "time": "2026-01-01T00:00:00+00:00", "session": "f"}))
    moment = path.stat().st_mtime - age_s
    os.utime(path, (moment, moment))
    return path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_process_leaves_the_folder_to_the_first(
    tmp_path: Path, start_session: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "inbox"
    make_ct_series(folder, 5)
    first = start_session(folder, "move", "pause")
    assert line_of(first) == "held"
    lock = json.loads((folder / LOCK_NAME).read_text())
    assert (lock["pid"], lock["host"]) == (first.pid, socket.gethostname())
    assert lock["time"].startswith("20")

    second = start_session(folder, "move")
    said = json.loads(line_of(second))
    assert said == {"imported": 0, "cleaned": 0, "locked_by": f"process {first.pid} on {socket.gethostname()}"}
    assert len(list(folder.glob("*.dcm"))) == 5

    assert first.stdin is not None
    first.stdin.close()
    assert json.loads(line_of(first)) == {"imported": 5, "cleaned": 5, "locked_by": ""}
    assert first.wait(30) == 0
    assert list(folder.iterdir()) == []


def test_two_processes_at_once_take_each_file_once(
    tmp_path: Path, start_session: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "inbox"
    make_ct_series(folder, 40)
    looks = [json.loads(line_of(process)) for process in [start_session(folder, "move") for _ in range(2)]]
    assert sum(look["imported"] for look in looks) == 40
    assert sum(look["cleaned"] for look in looks) == 40
    assert list(folder.iterdir()) == []


def test_the_lock_of_a_killed_process_is_taken_over(
    tmp_path: Path, start_session: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = tmp_path / "inbox"
    make_ct_series(folder, 5)
    first = start_session(folder, "move", "pause")
    assert line_of(first) == "held"
    first.kill()
    first.wait()
    assert (folder / LOCK_NAME).exists()
    second = start_session(folder, "move")
    assert json.loads(line_of(second)) == {"imported": 5, "cleaned": 5, "locked_by": ""}
    assert list(folder.iterdir()) == []


def test_killed_at_any_moment_no_image_is_lost_or_left(
    tmp_path: Path, start_session: Callable[..., subprocess.Popen[str]]
) -> None:
    """Case 71 for a folder that is cleaned: an image is in the folder or in the database, never in neither."""
    folder, database = tmp_path / "inbox", tmp_path / "database"
    made = make_ct_series(folder / "sub", 600)
    chance = random.Random(4)
    for _ in range(6):
        process = start_session(folder, "move", "pause", database=database)
        assert line_of(process) == "held"
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.0, 0.4))
        process.kill()
        process.wait()
        if not any(folder.rglob("*.dcm")):
            break
    session = FolderSession(database)
    try:
        session.store.recover()
        session.driver(folder, "move").look(NullControl())
        records = session.database.reader.instances_of_series(made.SeriesInstanceUID)
        assert sorted(record.SOPInstanceUID for record in records) == sorted(made.files)
        assert all(Path(record.path).stat().st_size > 2000 for record in records)
    finally:
        session.close()
    assert list(folder.iterdir()) == []


def test_the_lock_of_another_computer_is_honoured_until_it_is_old(tmp_path: Path) -> None:
    path = foreign_lock(tmp_path)
    lock = FolderLock(tmp_path, HOUR_S)
    assert str(lock.acquire()) == "process 1 on elsewhere"
    lock.release()
    assert path.exists()
    foreign_lock(tmp_path, age_s=2 * HOUR_S)
    lock = FolderLock(tmp_path, HOUR_S)
    assert lock.acquire() is None
    assert lock.is_ours()
    lock.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("whose", ["a dead process", "our own number in an earlier life", "a living process, long ago"])
def test_locks_of_this_computer_that_were_left(tmp_path: Path, whose: str) -> None:
    pid, age = {"a dead process": (dead_pid(), 0.0), "our own number in an earlier life": (os.getpid(), 0.0)}.get(
        whose, (os.getppid(), 2 * HOUR_S)
    )
    foreign_lock(tmp_path, pid=pid, host=socket.gethostname(), age_s=age)
    lock = FolderLock(tmp_path, HOUR_S)
    assert lock.acquire() is None
    lock.release()


def test_a_living_process_keeps_its_lock(tmp_path: Path) -> None:
    foreign_lock(tmp_path, pid=os.getppid(), host=socket.gethostname())
    assert FolderLock(tmp_path, HOUR_S).acquire() is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff" * 9000])
def test_a_lock_file_that_says_nothing_counts_by_its_age(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / LOCK_NAME
    path.write_bytes(content)
    assert str(FolderLock(tmp_path, HOUR_S).acquire()) == "another program"
    moment = path.stat().st_mtime - 2 * HOUR_S
    os.utime(path, (moment, moment))
    lock = FolderLock(tmp_path, HOUR_S)
    assert lock.acquire() is None
    lock.release()


def test_a_lock_that_was_taken_over_is_no_longer_ours(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, HOUR_S)
    assert lock.acquire() is None
    (tmp_path / LOCK_NAME).unlink()
    foreign_lock(tmp_path)
    assert not lock.is_ours()
    lock.release()
    assert (tmp_path / LOCK_NAME).exists()


def test_a_search_meanwhile_tells_who_reads_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    make_ct_series(folder, 2)
    session = FolderSession(tmp_path / "database")
    try:
        driver = session.driver(folder)
        driver.look(NullControl())
        make_ct_series(folder, 2, number=2)
        foreign_lock(folder)
        answer = driver.find(Query(), NullControl())
    finally:
        session.close()
    assert len(answer.records) == 1
    assert answer.warnings == (
        "The folder is being read by process 1 on elsewhere; shown is what came from it so far.",
    )


LOOK_WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from Testing.support.folder_session import FolderSession
from VisualDICOMBrowserLib.model import NullControl

database, known, folder = map(Path, sys.argv[1:])
session = FolderSession(database)
session.driver(known, "copy").look(NullControl())  # loads every module while that is allowed
for path in (database, *database.rglob("*")):
    os.chown(path, 65534, 65534)
os.seteuid(65534)
look = session.driver(folder, "move").look(NullControl())
os.seteuid(0)
session.close()
print(look.imported, look.cleaned, look.warnings)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as somebody else")
def test_a_folder_that_may_not_be_written_is_read_without_a_lock() -> None:
    """Case 46: a read-only folder; looked at by a user without rights, since root may write everywhere."""
    with tempfile.TemporaryDirectory(prefix="vdb") as name:
        top = Path(name)
        top.chmod(0o755)
        make_ct_series(top / "known", 1)
        make_ct_series(top / "inbox", 2, number=2)
        run = subprocess.run(
            [sys.executable, "-c", LOOK_WITHOUT_RIGHTS, *(str(top / part) for part in ("database", "known", "inbox"))],
            cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True, capture_output=True,
            check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith("2 0 ('2 files imported.', 'The folder may not be written")
        assert len(list((top / "inbox").iterdir())) == 2
