"""Starts real servers for tests, waits until they listen, and stops them by their own process."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that nobody is given until the tests end.

    It lies outside the range that the system takes ports from by itself, so no connection and no server on "any
    port" can have it in the minutes before it is used; each of several test processes has a part of its own.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _ports_of_this_process() -> Iterator[int]:
    """Ports that only this process of the test run hands out, in an order by chance."""
    lowest_given, highest_given = 32768, 60999
    with contextlib.suppress(OSError, ValueError):
        lowest_given, highest_given = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    below, above = range(20000, lowest_given), range(highest_given + 1, 65536)
    candidates = max(below, above, key=len) or range(20000, 32768)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = candidates[len(candidates) * worker // workers : len(candidates) * (worker + 1) // workers]
    yield from random.sample(mine, len(mine))


_PORTS = _ports_of_this_process()


def required_program(*candidates: str) -> str:
    """Path of the first of these programs that is installed; without one the test is skipped, in CI failed."""
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            return found
    reason = f"{candidates[0]} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class ServerProcess:
    """A server that runs from `start` to `stop`.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    ports : sequence of int
        Ports on 127.0.0.1 that it will listen on.
    folder : Path
        Its working folder; its output goes to ``output.log`` there.
    environment : mapping
        Variables on top of this process's; a value of None removes one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        ports: Sequence[int],
        folder: Path,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self._command = list(command)
        self._ports = list(ports)
        self._folder = folder
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        variables: dict[str, str | None] = {**os.environ, **self._environment}
        environment = {key: value for key, value in variables.items() if value is not None}
        with (self._folder / "output.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        for port in self._ports:
            while not _listens(port):
                assert time.monotonic() < deadline, f"{self._command[0]} does not listen on {port}: {self.output()}"
                assert not self._ended(), f"{self._command[0]} ended: {self.output()}"

    def output(self) -> str:
        """What it wrote so far."""
        return (self._folder / "output.log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """End it and wait for it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it at once, without any chance to say goodbye."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _ended(self) -> bool:
        """Whether the process ended; waits a moment for it."""
        assert self._process is not None
        try:
            self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            return False
        return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
