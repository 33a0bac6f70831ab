"""The worker processes of an import: that they answer, end, and may die."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from index_harness import RecordingControl
from index_samples import ct_slice, uids, write_series

from VisualDICOMBrowserLib.database import index_workers
from VisualDICOMBrowserLib.database.header_plan import plan_for
from VisualDICOMBrowserLib.database.index_workers import ScanPool, child_environment
from VisualDICOMBrowserLib.errors import EnvironmentFault, JobCancelled

LIMIT = 1 << 20
POISON = "poison.dcm"

DEADLY_WORKER = f"""
import os
from VisualDICOMBrowserLib.database import index_worker
scan = index_worker.scan_values
def deadly(path, *rest):
    if path.endswith({POISON!r}):
        os._exit(9)
    return scan(path, *rest)
index_worker.scan_values = deadly
index_worker.main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", 60)
    (tmp_path / "in" / "broken.dcm").write_bytes(b"x")
    return tmp_path / "in"


def chunks(folder: Path, size: int = 7) -> Iterator[Sequence[str]]:
    paths = sorted(str(path) for path in folder.iterdir())
    return (paths[start : start + size] for start in range(0, len(paths), size))


def answered(pool: ScanPool, folder: Path) -> dict[str, object]:
    """The answer of the pool for each file."""
    return {
        Path(path).name: row
        for paths, line in pool.answers(chunks(folder), RecordingControl())
        for path, row in zip(paths, json.loads(line), strict=True)
    }


def test_every_file_is_answered_for(folder: Path) -> None:
    plan = plan_for(["0010,0020"])
    with ScanPool(plan, 2, LIMIT) as pool:
        answer = answered(pool, folder)
    assert len(answer) == 61
    assert answer.pop("broken.dcm") == "This is not a DICOM file."
    row = answer["1-1-0007.dcm"]
    assert isinstance(row, list)
    assert row[0] == (folder / "1-1-0007.dcm").stat().st_size
    values = dict(zip(plan.keys, row[1:], strict=True))
    assert (values["0008,0018"], values["0010,0020"]) == (uids(number=7)["0008,0018"], "P1")


def test_workers_end_with_the_pool(folder: Path) -> None:
    with ScanPool(plan_for([]), 2, LIMIT) as pool:
        processes = [worker._process for worker in pool._workers]
        answered(pool, folder)
        assert {process.poll() for process in processes} == {None}
    assert {process.returncode for process in processes} == {0}


def test_workers_end_at_once_when_an_import_is_cancelled(folder: Path) -> None:
    control = RecordingControl(cancel_at=0)
    with ScanPool(plan_for([]), 2, LIMIT) as pool:
        processes = [worker._process for worker in pool._workers]
        answers = pool.answers(chunks(folder), control)
        next(answers)
        control.progress(1)
        with pytest.raises(JobCancelled):
            next(answers)
    assert None not in {process.returncode for process in processes}


@pytest.mark.skipif(os.name == "nt", reason="needs a signal that kills")
def test_a_killed_worker_is_replaced(folder: Path) -> None:
    with ScanPool(plan_for([]), 2, LIMIT) as pool:
        answers = pool.answers(chunks(folder), RecordingControl())
        names = [Path(path).name for path in next(answers)[0]]
        pool._workers[0]._process.send_signal(signal.SIGKILL)
        names += [Path(path).name for paths, _ in answers for path in paths]
    assert sorted(names) == sorted(path.name for path in folder.iterdir())


def test_a_file_that_ends_its_reader_is_rejected_and_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly_worker.py").write_text(DEADLY_WORKER)
    monkeypatch.setattr(index_workers, "_MODULE", "deadly_worker")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (folder / POISON).write_bytes(ct_slice(number=99))
    with ScanPool(plan_for([]), 2, LIMIT) as pool:
        answer = answered(pool, folder)
    assert len(answer) == 62
    assert answer[POISON] == "The process that read this file ended; the file may be damaged."
    assert sum(isinstance(row, list) for row in answer.values()) == 60


def test_workers_that_cannot_start_are_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_workers, "_MODULE", "VisualDICOMBrowserLib.no_such_module")
    with pytest.raises(EnvironmentFault, match="cannot be started"), ScanPool(plan_for([]), 1, LIMIT) as pool:
        answered(pool, folder)


def test_a_worker_that_cannot_start_leaves_no_other_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def one_only(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        if started:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", one_only)
    try:
        with pytest.raises(EnvironmentFault, match="cannot be started"), ScanPool(plan_for([]), 2, LIMIT):
            pass
        assert started[0].returncode is not None
    finally:
        started[0].kill()


def test_a_worker_ends_when_its_input_does() -> None:
    command = [sys.executable, "-m", "VisualDICOMBrowserLib.database.index_worker"]
    for data in (b"", b'{"vrs": {}, "inflate_limit": 1}\n'):
        done = subprocess.run(
            command, input=data, capture_output=True, env=child_environment(), timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
