"""How fast our listener receives from two DCMTK senders at a time, against DCMTK's storescp in the same run.

    python Testing/Benchmarks/listener_speed.py [--count 200] [--turns 5] [--least 0.7] [--flush]

Two storescu with TCP_NODELAY=1 send a CT series of 512 x 512 slices each. Ours is the node of an engine in a child
process; what it confirmed would outlive its end (with --flush also a power cut), and it is indexed in batches
meanwhile. The time until all is indexed is printed apart. The other side is one storescp that writes files as they
come (+B) and neither flushes nor indexes them: with TCP_NODELAY=1 as it is and with --fork (a process for each
sender), and as shipped. Senders send one small image first, so that no program is measured while it starts. Medians
of turns taken in rotation; storescp as shipped runs once, it waits most of the time. Folders are removed at the end
only, because some file systems make new files slowly just after many were removed; ext4 does for five minutes, so
leave that long between two runs. Before each turn more memory than it writes is touched and given back: in a virtual
machine the first use of a page can cost more than all the rest, and whose turn it hits is chance.
Exit status 1 if ours is slower than `--least` of storescp with TCP_NODELAY=1.
"""

from __future__ import annotations

import argparse
import itertools
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import run_client
from Testing.support.processes import ServerProcess, free_port, required_program
from VisualDICOMBrowserLib.engine.process_client import ProcessClient

SIDE = 512
TITLE = "NODE"
END_S = 120.0
MEMORY_FACTOR = 10


def seconds_to_send(port: int, series: Sequence[CtSeries]) -> float:
    """Seconds until two senders at the same time have had everything confirmed."""
    program = required_program("/usr/bin/storescu")
    command = [program, "--max-pdu", "131072", "+sd", "-aec", TITLE, "127.0.0.1", str(port)]
    started = time.perf_counter()
    senders = [subprocess.Popen([*command, str(one.folder)], env={**os.environ, "TCP_NODELAY": "1"}) for one in series]
    assert [sender.wait() for sender in senders] == [0] * len(senders)
    return time.perf_counter() - started


def touch_memory(size: int) -> None:
    """Use `size` bytes of memory once, so that the system has that much at hand."""
    with mmap.mmap(-1, size) as memory:
        for start in range(0, size, mmap.PAGESIZE):
            memory[start] = 1


def warm_up(port: int, small: CtSeries, series: Sequence[CtSeries]) -> None:
    """Send one small image, and have memory at hand for `series`."""
    done = run_client("storescu", "-aec", TITLE, "127.0.0.1", str(port), *small.files.values())
    assert done.returncode == 0, done.stderr
    touch_memory(MEMORY_FACTOR * sum(file.stat().st_size for one in series for file in one.files.values()))


def storescp_seconds(
    folder: Path, series: Sequence[CtSeries], small: CtSeries, *, no_delay: bool, fork: bool = True
) -> float:
    """Seconds of one run against DCMTK's server, which serves one sender after the other unless it may `fork`."""
    received = folder / "received"
    received.mkdir(parents=True)
    port = free_port()
    program = required_program("/usr/bin/storescp")
    server = ServerProcess(
        [program, *(["--fork"] if fork else []), "+B", "--max-pdu", "131072", "-od", str(received), str(port)],
        ports=[port],
        folder=folder,
        environment={"TCP_NODELAY": "1" if no_delay else None},
    )
    server.start()
    try:
        warm_up(port, small, series)
        seconds = seconds_to_send(port, series)
    finally:
        server.stop()
    assert len(list(received.iterdir())) == len(small.files) + sum(len(one.files) for one in series)
    return seconds


@contextmanager
def our_node(folder: Path, *, flush: bool) -> Iterator[tuple[ProcessClient, int]]:
    """An engine in a child process whose node listens; its client and port."""
    client = ProcessClient(folder)
    try:
        client.request("set_setting", key="thumbnails/automatic", value=False)
        client.request("set_setting", key="node/flush_before_answer", value=flush)
        yield client, client.request("start_node", port=free_port(), ae_title=TITLE)["port"]
    finally:
        client.close()


def our_seconds(folder: Path, series: Sequence[CtSeries], small: CtSeries, *, flush: bool) -> tuple[float, float]:
    """Seconds of one run against our listener: until all is confirmed, and until all is indexed."""
    wanted = len(small.files) + sum(len(one.files) for one in series)
    with our_node(folder, flush=flush) as (client, port):
        warm_up(port, small, series)
        started = time.perf_counter()
        received = seconds_to_send(port, series)
        while client.request("counts")["instances"] < wanted:
            assert time.perf_counter() - started < END_S
        return received, time.perf_counter() - started


def measure(work: Path, series: Sequence[CtSeries], small: CtSeries, options: argparse.Namespace) -> dict[str, float]:
    """Median seconds by name."""
    times: dict[str, list[float]] = {}
    numbers = itertools.count()
    for _ in range(options.turns):
        received, indexed = our_seconds(work / str(next(numbers)), series, small, flush=options.flush)
        times.setdefault("ours, received", []).append(received)
        times.setdefault("ours, indexed", []).append(indexed)
        seconds = storescp_seconds(work / str(next(numbers)), series, small, no_delay=True)
        times.setdefault("storescp --fork TCP_NODELAY=1", []).append(seconds)
        seconds = storescp_seconds(work / str(next(numbers)), series, small, no_delay=True, fork=False)
        times.setdefault("storescp TCP_NODELAY=1", []).append(seconds)
    times["storescp --fork as shipped"] = [storescp_seconds(work / str(next(numbers)), series, small, no_delay=False)]
    return {name: median(values) for name, values in times.items()}


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--least", type=float, default=0.7)
    parser.add_argument("--flush", action="store_true", help="confirm only what is on the disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        series = [make_ct_series(work / f"ct{number}", options.count, size=SIDE, number=number) for number in (1, 2)]
        small = make_ct_series(work / "small", 1, number=3)
        seconds = measure(work, series, small, options)
    count = 2 * options.count
    megabytes = count * SIDE * SIDE * 2 / 1e6
    for what, time_s in seconds.items():
        print(f"{what:30} {time_s:7.2f} s {count / time_s:8.0f} instances/s {megabytes / time_s:7.0f} MB/s")
    ratio = seconds["storescp TCP_NODELAY=1"] / seconds["ours, received"]
    forked = seconds["storescp --fork TCP_NODELAY=1"] / seconds["ours, received"]
    shipped = seconds["storescp --fork as shipped"] / seconds["ours, received"]
    print(
        f"with TCP_NODELAY=1 ours is {ratio:.2f} of storescp and {forked:.2f} of storescp --fork, "
        f"and {shipped:.1f} times storescp --fork as shipped"
    )
    return 0 if ratio >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
