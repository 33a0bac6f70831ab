"""How fast C-STORE is to a storescp as Debian ships it, against DCMTK's storescu in the same run.

    python Testing/Benchmarks/store_speed.py [--count 200] [--turns 3] [--least 20]

Starts a storescp without TCP_NODELAY and sends it a CT series of 512 x 512 slices: by our driver, by storescu as
shipped, and by storescu with TCP_NODELAY=1. Ours is timed from the call to the last confirmed instance, with the
association and all headers read; storescu by its whole run. Medians of turns taken one after the other.
Exit status 1 if either ratio is below its limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import StoreScp, run_client
from VisualDICOMBrowserLib.model import InstanceRecord, NullControl, SentInstance
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.settings import Settings

SIDE = 512


def our_seconds(server: StoreScp, series: CtSeries) -> float:
    """Seconds until every instance was confirmed."""
    records = [
        InstanceRecord(SOPInstanceUID=uid, SeriesInstanceUID=series.SeriesInstanceUID, path=str(path))
        for uid, path in series.files.items()
    ]
    told: list[SentInstance] = []
    driver = DimseDriver(server.config(), Settings())
    started = time.perf_counter()
    driver.store(records, NullControl(), told.append)
    seconds = time.perf_counter() - started
    driver.close()
    assert [item.status for item in told] == ["sent"] * len(records)
    return seconds


def storescu_seconds(server: StoreScp, series: CtSeries, *, no_delay: bool) -> float:
    """Seconds of one storescu of the series."""
    started = time.perf_counter()
    target = ["-aec", server.AE_TITLE, "127.0.0.1", str(server.port), str(series.folder)]
    done = run_client("storescu", "+sd", *target, no_delay=no_delay)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - started


def measure(server: StoreScp, series: CtSeries, turns: int) -> dict[str, float]:
    """Median seconds by name."""
    times: dict[str, list[float]] = {}

    def take(name: str, seconds: float) -> None:
        assert len(list(server.received.iterdir())) == len(series.files)
        for path in server.received.iterdir():
            path.unlink()
        times.setdefault(name, []).append(seconds)

    our_seconds(server, series)  # imports pynetdicom
    for _ in range(turns):
        take("ours", our_seconds(server, series))
        take("storescu as shipped", storescu_seconds(server, series, no_delay=False))
        take("storescu TCP_NODELAY=1", storescu_seconds(server, series, no_delay=True))
    return {name: median(values) for name, values in times.items()}


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--least", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        series = make_ct_series(work / "ct", options.count, size=SIDE)
        server = StoreScp(work / "storescp", options=())
        try:
            server.start()
            seconds = measure(server, series, options.turns)
        finally:
            server.stop()
    megabytes = options.count * SIDE * SIDE * 2 / 1e6
    for what, time_s in seconds.items():
        print(f"{what:24} {time_s:7.2f} s {options.count / time_s:8.0f} instances/s {megabytes / time_s:7.0f} MB/s")
    shipped = seconds["storescu as shipped"] / seconds["ours"]
    no_delay = seconds["storescu TCP_NODELAY=1"] / seconds["ours"]
    print(f"ours is {shipped:.1f} times storescu as shipped, {no_delay:.1f} times storescu with TCP_NODELAY=1")
    return 0 if min(shipped, no_delay) >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
