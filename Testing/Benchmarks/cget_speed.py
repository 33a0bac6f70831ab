"""How fast C-GET is from Orthanc as Debian ships it, against DCMTK's getscu in the same run.

    python Testing/Benchmarks/cget_speed.py [--count 400] [--turns 5] [--least-shipped 25] [--least-no-delay 2]

Starts an Orthanc without TCP_NODELAY and puts a CT series of 512 x 512 slices into it. Ours is a retrieve job of
an engine, its own time: looked up, received, flushed and indexed. The other side is getscu, as shipped and with
TCP_NODELAY=1, which writes files but neither flushes nor indexes them; its option +B (bytes as they came) is
shown for comparison. Medians of turns taken one after the other; getscu as shipped runs once, it waits most of
the time.
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
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import run_client
from Testing.support.orthanc import AE_TITLE, Orthanc
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session

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


def our_seconds(session: Session, series: CtSeries) -> float:
    """Seconds of one retrieve job as the job tells them: looked up, received, flushed and indexed."""
    result = session.retrieve("Orthanc", series.StudyInstanceUID, series.SeriesInstanceUID)
    assert (result["imported"], result["failed_count"]) == (len(series.files), 0), result
    for record in session.records("STUDY"):
        session.remove(record)
    return float(result["seconds"])


def measure(orthanc: Orthanc, series: CtSeries, work: Path, turns: int) -> dict[str, float]:
    """Median seconds by name."""
    times: dict[str, list[float]] = {}

    def take(name: str, run: Callable[[], float]) -> None:
        times.setdefault(name, []).append(run())

    with Session(open_engine(work / "database")) as session:
        session.client.request("set_setting", key="thumbnails/automatic", value=False)
        session.client.request("add_server", **orthanc.config().to_dict())
        our_seconds(session, series)  # starts the worker processes, as a session of a person would have
        for _ in range(turns):
            take("ours", lambda: our_seconds(session, series))
            take("getscu TCP_NODELAY=1", lambda: getscu_seconds(orthanc, series, work / "got", no_delay=True))
            take("getscu TCP_NODELAY=1 +B", lambda: getscu_seconds(orthanc, series, work / "got", "+B", no_delay=True))
    take("getscu as shipped", lambda: getscu_seconds(orthanc, series, work / "got", no_delay=False))
    return {name: median(values) for name, values in times.items()}


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
