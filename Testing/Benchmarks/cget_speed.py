"""How fast C-GET is from Orthanc as Debian ships it, against DCMTK's getscu in the same run.

    python Testing/Benchmarks/cget_speed.py [--count 400] [--turns 5] [--least-shipped 25] [--least-no-delay 2]

Starts an Orthanc without TCP_NODELAY and puts a CT series of 512 x 512 slices into it. Ours is the driver's
retrieve through warm worker processes into a database: received, flushed and indexed. The other side is
getscu, as shipped and with TCP_NODELAY=1, which writes files but neither flushes nor indexes them; its option
+B (bytes as they came) is shown for comparison. The best of all turns counts on both sides, because other
work on the machine only ever slows things down; getscu as shipped runs once, it waits most of the time.
Exit status 1 if a ratio is below its limit.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import run_client
from Testing.support.orthanc import AE_TITLE, Orthanc
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.sink import DatabaseSink
from VisualDICOMBrowserLib.model import NullControl, RetrieveRequest
from VisualDICOMBrowserLib.servers.bulk_pool import BulkPool
from VisualDICOMBrowserLib.servers.driver import driver_for
from VisualDICOMBrowserLib.settings import Settings

SIDE = 512


def getscu_seconds(orthanc: Orthanc, series: CtSeries, folder: Path, *options: str, no_delay: bool) -> float:
    """Seconds of one getscu of the series; all of it must arrive."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    keys = ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={series.StudyInstanceUID}"]
    keys.append(f"SeriesInstanceUID={series.SeriesInstanceUID}")
    arguments = [part for key in keys for part in ("-k", key)]
    started = time.perf_counter()
    target = ["-aec", AE_TITLE, "-od", str(folder), *arguments, "127.0.0.1", str(orthanc.port)]
    run_client("getscu", *options, *target, no_delay=no_delay)
    seconds = time.perf_counter() - started
    assert len(list(folder.iterdir())) == len(series.files)
    return seconds


def our_seconds(orthanc: Orthanc, series: CtSeries, folder: Path, pool: BulkPool) -> float:
    """Seconds of one retrieve into a fresh database, indexed."""
    shutil.rmtree(folder, ignore_errors=True)
    database = LocalDatabase.open(folder)
    store = InstanceStore(database)
    driver = driver_for(orthanc.config(), Settings(), pool)
    request = RetrieveRequest(
        StudyInstanceUID=series.StudyInstanceUID,
        SeriesInstanceUID=series.SeriesInstanceUID,
        expected=len(series.files),
    )
    try:
        started = time.perf_counter()
        sink = DatabaseSink(store, "benchmark", lambda outcomes: None)
        try:
            driver.retrieve(request, sink, NullControl())
        finally:
            sink.finish()
        seconds = time.perf_counter() - started
        assert database.reader.counts().instances == len(series.files)
    finally:
        driver.close()
        store.close()
        database.close()
    return seconds


def measure(orthanc: Orthanc, series: CtSeries, work: Path, turns: int) -> dict[str, float]:
    """Best seconds by name."""
    times: dict[str, list[float]] = {}

    def take(name: str, run: Callable[[], float]) -> None:
        times.setdefault(name, []).append(run())

    pool = BulkPool(Settings().integer("retrieve/workers"))
    pool.start()
    try:
        for _ in range(turns):
            take("ours", lambda: our_seconds(orthanc, series, work / "database", pool))
            take("getscu TCP_NODELAY=1", lambda: getscu_seconds(orthanc, series, work / "got", no_delay=True))
            take("getscu TCP_NODELAY=1 +B", lambda: getscu_seconds(orthanc, series, work / "got", "+B", no_delay=True))
    finally:
        pool.close()
    take("getscu as shipped", lambda: getscu_seconds(orthanc, series, work / "got", no_delay=False))
    return {name: min(values) for name, values in times.items()}


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--least-shipped", type=float, default=25)
    parser.add_argument("--least-no-delay", type=float, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        series = make_ct_series(work / "ct", options.count, size=SIDE)
        orthanc = Orthanc(work / "orthanc")
        try:
            orthanc.start()
            orthanc.put(series.files.values())
            seconds = measure(orthanc, series, work, options.turns)
        finally:
            orthanc.stop()
    megabytes = options.count * SIDE * SIDE * 2 / 1e6
    for what, time_s in seconds.items():
        print(f"{what:24} {time_s:7.2f} s {options.count / time_s:8.0f} instances/s {megabytes / time_s:7.0f} MB/s")
    shipped = seconds["getscu as shipped"] / seconds["ours"]
    no_delay = seconds["getscu TCP_NODELAY=1"] / seconds["ours"]
    print(f"ours is {shipped:.1f} times getscu as shipped, {no_delay:.1f} times getscu with TCP_NODELAY=1")
    return 0 if shipped >= options.least_shipped and no_delay >= options.least_no_delay else 1


if __name__ == "__main__":
    sys.exit(main())
