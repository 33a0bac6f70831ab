"""Resident memory of engine and workers together while a large series comes by WADO-RS.

    python Testing/Benchmarks/memory_2gb.py [--megabytes 2000] [--most-mb 500]

A small server of our own, in a process of its own, sends CT instances of 512 x 512 made from one file with changing
SOP Instance UIDs in one chunked answer. The engine runs with its worker processes as for a window; while its retrieve
job runs, the resident memory (VmRSS) of the engine and its descendants is added up ten times per second. Linux only.
Exit status 1 if the largest sum is above the limit.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from Testing.support.ct_series import make_ct_series
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session

STUDY, SERIES = "2.25.1001", "2.25.1002"
INTERVAL_S = 0.1


def slices(folder: Path, count: int) -> Iterator[bytes]:
    """`count` instances that differ in their SOP Instance UID."""
    made = make_ct_series(folder, 1, size=512)
    ((uid, path),) = made.files.items()
    content = path.read_bytes()
    for old, new in ((made.StudyInstanceUID, STUDY), (made.SeriesInstanceUID, SERIES)):
        content = content.replace(old.encode(), new.ljust(len(old), "\0").encode())
    for number in range(1, count + 1):
        yield content.replace(uid.encode(), f"2.25.1003.{number}".ljust(len(uid), "\0").encode())


def serve(count: int, folder: Path, pipe: Connection) -> None:
    """Serve the series until the process is ended; tells the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith(f"/studies/{STUDY}/series?"):
                number = {"vr": "IS", "Value": [count]}
                uids = {"0020000D": {"Value": [STUDY]}, "0020000E": {"Value": [SERIES]}}
                self._send("application/dicom+json", iter([json.dumps([{**uids, "00201209": number}]).encode()]))
            else:
                kind = 'multipart/related; type="application/dicom"; boundary=edge'
                head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
                parts = (head + part + b"\r\n" for part in slices(folder, count))
                self._send(kind, parts, b"--edge--")

        def _send(self, kind: str, pieces: Iterator[bytes], end: bytes = b"") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in itertools.chain(pieces, [end] if end else []):
                self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()


def resident_mb(roots: set[int], without: int) -> float:
    """Resident memory of these processes and their descendants, without one and its own."""
    parents: dict[int, int] = {}
    resident: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines() if ":" in line)
        except OSError:
            continue
        parents[int(entry.name)] = int(fields["PPid"])
        resident[int(entry.name)] = int(fields.get("VmRSS", "0 kB").split()[0]) / 1024

    def counts(pid: int) -> bool:
        while pid:
            if pid == without:
                return False
            if pid in roots:
                return True
            pid = parents.get(pid, 0)
        return False

    return sum(size for pid, size in resident.items() if counts(pid))


class Peak:
    """Watches the resident memory of this process and its children in a thread of its own."""

    def __init__(self, without: int) -> None:
        self.megabytes = 0.0
        self._without = without
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch")
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(INTERVAL_S):
            self.megabytes = max(self.megabytes, resident_mb({os.getpid()}, self._without))


def main() -> int:
    """Run and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--most-mb", type=float, default=500)
    options = parser.parse_args()
    count = options.megabytes * 1_000_000 // 525_300
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        server = context.Process(target=serve, args=(count, work / "ct", theirs), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ours.recv()}"
        try:
            with Session(open_engine(work / "database")) as session:
                session.client.request("set_setting", key="thumbnails/automatic", value=False)
                session.client.request("add_server", name="Large", protocol="dicomweb", url=url)
                before = resident_mb({os.getpid()}, server.pid or 0)
                peak = Peak(server.pid or 0)
                started = time.perf_counter()
                try:
                    result = session.retrieve("Large", STUDY, SERIES)
                finally:
                    peak.end()
                seconds = time.perf_counter() - started
        finally:
            server.terminate()
            server.join()
    assert (result["imported"], result["failed_count"]) == (count, 0), result
    print(f"{count} instances, {result['bytes'] / 1e6:.0f} MB in {seconds:.1f} s")
    print(f"resident before {before:.0f} MB, at most {peak.megabytes:.0f} MB")
    return 0 if peak.megabytes <= options.most_mb else 1


if __name__ == "__main__":
    sys.exit(main())
