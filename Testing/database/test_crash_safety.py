"""Imports that are killed at any moment lose nothing and leave nothing behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from index_harness import Importer, files_below, opened_importer, query
from index_samples import uids, write_series

from VisualDICOMBrowserLib.database.index_workers import child_environment

KILLS = 20
FILES = 72
MOST_ROUNDS = 80
CHILD_TIMEOUT_S = 60

# An import in small steps, so that there are many moments between two of them.
CHILD = """
import sys
from pathlib import Path
from index_harness import RecordingControl, opened_importer
from VisualDICOMBrowserLib.database import index_run, index_tag_cache, indexer
index_run._COPIES_AT_ONCE = 6
index_run._LINKS_AT_ONCE = 12
index_tag_cache._BATCH = 24
indexer._CHUNK = 12
class Told(RecordingControl):
    def progress(self, done, total=None, received_bytes=None):
        print(done, flush=True)
folder, source, how = sys.argv[1:]
with opened_importer(Path(folder), {"import/workers": 1}) as importer:
    importer.control = Told()
    print("ready", flush=True)
    importer.run(Path(source), copy=how == "copy")
    print("done", flush=True)
    sys.stdin.read()
"""


def started(folder: Path, source: Path, how: str) -> subprocess.Popen[bytes]:
    """A process that imports, past its start."""
    environment = child_environment()
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(source), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def ended(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(CHILD_TIMEOUT_S)
    process.stdout.close()


def duration(folder: Path, source: Path, how: str) -> float:
    """Seconds of an import that nobody disturbs."""
    process = started(folder, source, how)
    begin = time.monotonic()
    assert process.stdout is not None
    while process.stdout.readline() != b"done\n":
        assert process.poll() is None
    seconds = time.monotonic() - begin
    ended(process)
    return seconds


def killed(process: subprocess.Popen[bytes], *, files: int, seconds: float) -> bool:
    """Kill an import so long after it told of so many files; False if it had ended before."""
    assert process.stdout is not None
    lines = []
    while files and (not lines or (lines[-1].strip().isdigit() and int(lines[-1]) < files)):
        lines.append(process.stdout.readline())
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait(CHILD_TIMEOUT_S)
    was_done = b"done" in b"".join(lines) + process.stdout.read()
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.close()
    return not was_done


def check(importer: Importer, sources: Path) -> int:
    """Check what holds at any time after a start; the number of instances."""
    folder = importer.database.folder
    rows = importer.rows("SELECT SOPInstanceUID, Filename FROM Images")
    contents = {path.read_bytes() for path in sources.rglob("*.dcm")}
    stored = set()
    for _, name in rows:
        path = folder / str(name)
        assert path.read_bytes() in contents
        if not Path(str(name)).is_absolute():
            stored.add(path.relative_to(folder / "dicom"))
    assert files_below(folder / "dicom") == stored
    assert not list(folder.rglob("*.part"))
    assert not list(folder.rglob("*.intent"))
    assert importer.store.tag_cache.wait(CHILD_TIMEOUT_S)
    cached = query(folder / "ctkDICOMTagCache.sql", "SELECT SOPInstanceUID FROM TagCache WHERE Tag = '0008,0018'")
    assert {uid for uid, _ in rows} <= {uid for (uid,) in cached}
    for file in ("ctkDICOM.sql", "ctkDICOMTagCache.sql", "visual-dicom-browser.sql"):
        assert query(folder / file, "PRAGMA integrity_check") == [("ok",)]
    return len(rows)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("how", ["copy", "link"])
def test_a_killed_import_loses_nothing(tmp_path: Path, how: str) -> None:
    chance = random.Random(f"kills of {how}")
    database, sources = tmp_path / "db", tmp_path / "in"
    write_series(sources / "0", FILES, series=1000, size=3000)
    seconds = duration(database, sources / "0", how)
    kills = whole = 0
    for number in range(1, MOST_ROUNDS):
        source = sources / str(number)
        write_series(source, FILES, series=number, size=3000)
        process = started(database, source, how)
        # One in two at any time, the others in the midst of the rows, which take only a small part of it.
        if number % 2:
            kills += killed(process, files=0, seconds=chance.uniform(0, seconds))
        else:
            kills += killed(process, files=chance.randrange(1, FILES), seconds=chance.uniform(0, seconds / FILES))
        with opened_importer(database, {"import/workers": 1}) as importer:
            before = check(importer, sources)
            assert FILES * number <= before <= FILES * (number + 1)
            whole += before not in (FILES * number, FILES * (number + 1))
            report = importer.run(source, copy=how == "copy")
            assert (report.conflicts, report.rejected) == ((), ())
            assert report.imported + report.unchanged == FILES
            assert report.imported == FILES * (number + 1) - before
            assert importer.database.reader.counts().instances == FILES * (number + 1)
        if kills >= KILLS:
            break
    with opened_importer(database) as importer:
        assert check(importer, sources) == FILES * (number + 1)
        counts = importer.rows(
            "SELECT DisplayedCount FROM Series WHERE SeriesInstanceUID <> ?", uids(series=0)["0020,000E"]
        )
        assert {count for (count,) in counts} == {FILES}
    assert kills >= KILLS
    assert whole > 0
    assert files_below(database / "visual-dicom-browser-incoming") == set()
