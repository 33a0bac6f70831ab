"""How fast a series comes by WADO-RS from Orthanc as Debian ships it, against curl writing the same answer.

    python Testing/Benchmarks/wado_speed.py [--count 400] [--turns 5] [--least 0.5]

Ours is a retrieve job of an engine, its own time: looked up, received, split, flushed to the disk and indexed. The
other side is ``curl -o`` of the same series to a file on the same disk, which neither splits nor flushes nor indexes.
Medians of turns taken one after the other. Exit status 1 if ours has less than the given part of curl's MB/s.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.orthanc import Orthanc
from Testing.support.processes import required_program
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session

SIDE = 512
ACCEPT = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*'


def curl_seconds(orthanc: Orthanc, series: CtSeries, target: Path) -> tuple[float, int]:
    """Seconds and bytes of one curl of the series."""
    url = f"{orthanc.web_url}/studies/{series.StudyInstanceUID}/series/{series.SeriesInstanceUID}"
    started = time.perf_counter()
    subprocess.run([required_program("curl"), "-sf", "-H", ACCEPT, "-o", str(target), url], check=True)
    seconds, size = time.perf_counter() - started, target.stat().st_size
    # As ours is removed after its turn: each begins with the memory that the other one left.
    target.unlink()
    return seconds, size


def our_seconds(session: Session, series: CtSeries) -> tuple[float, int]:
    """Seconds and bytes of one retrieve job as the job tells them."""
    result = session.retrieve("Orthanc", series.StudyInstanceUID, series.SeriesInstanceUID)
    assert (result["imported"], result["failed_count"]) == (len(series.files), 0), result
    for record in session.records("STUDY"):
        session.remove(record)
    return float(result["seconds"]), int(result["bytes"])


def measure(orthanc: Orthanc, series: CtSeries, work: Path, turns: int) -> dict[str, float]:
    """Median MB/s by name."""
    rates: dict[str, list[float]] = {"ours": [], "curl -o": []}
    with Session(open_engine(work / "database")) as session:
        session.client.request("set_setting", key="thumbnails/automatic", value=False)
        session.client.request("add_server", **orthanc.web_config().to_dict())
        our_seconds(session, series)  # the workers import what they need, as in a session of a person
        for _ in range(turns):
            for name, (seconds, size) in (
                ("ours", our_seconds(session, series)),
                ("curl -o", curl_seconds(orthanc, series, work / "curl.out")),
            ):
                rates[name].append(size / seconds / 1e6)
    return {name: median(values) for name, values in rates.items()}


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--least", type=float, default=0.5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        series = make_ct_series(work / "ct", options.count, size=SIDE)
        orthanc = Orthanc(work / "orthanc", dicomweb=True)
        try:
            orthanc.start()
            orthanc.put(series.files.values())
            rates = measure(orthanc, series, work, options.turns)
        finally:
            orthanc.stop()
    for what, rate in rates.items():
        print(f"{what:8} {rate:6.0f} MB/s {rate / (SIDE * SIDE * 2 / 1e6):6.0f} instances/s")
    ratio = rates["ours"] / rates["curl -o"]
    print(f"ours is {ratio:.2f} of curl -o")
    return 0 if ratio >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
