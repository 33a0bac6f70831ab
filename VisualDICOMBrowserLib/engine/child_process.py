"""One engine child: its process, its pipes, and the way it is stopped.

Does not live here: what is said over the pipes (``client_session``) and whether a child that ended is started
again (``process_client``). The child's stderr goes to the logger ``VisualDICOMBrowserLib.engine.child``.
"""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from VisualDICOMBrowserLib.engine.outbox import Outbox

__all__ = ["ChildProcess", "write_all"]

_logger = logging.getLogger("VisualDICOMBrowserLib.engine.child")

_CHUNK = 65536
_LOG_LINE_LIMIT = 4096
_JOIN_S = 5.0


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write all of `data` to an unbuffered file, which may take it piecemeal."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


class ChildProcess:
    """Starts `command` with pipes on all three streams.

    Raises
    ------
    OSError
        The program cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self.pid = self._process.pid
        self.outbox = Outbox(self._write, name="engine-client-writer")
        self._log_reader = threading.Thread(target=self._log_stderr, name="engine-client-stderr", daemon=True)
        self._log_reader.start()

    def read(self) -> bytes:
        """What the child has written, at least one byte; empty once it has ended."""
        stdout = self._process.stdout
        try:
            return stdout.read(_CHUNK) if stdout is not None else b""
        except (OSError, ValueError):
            return b""

    def stop(self, timeout_s: float) -> int:
        """End the child: ask by closing its stdin, terminate, kill, with 3, 1 and 1 fifths of the time.

        Returns its exit code. Harmless if it has ended already. Another thread may be in `read` meanwhile.
        """
        self.outbox.close(timeout_s / 5)
        if self.outbox.finished:
            self._close(self._process.stdin)
        for share, urge in ((2, self._process.terminate), (1, self._process.kill)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(timeout_s * share / 5)
            urge()
        return self._process.wait()

    def release(self) -> None:
        """Close the pipes of a child that has ended; no thread may be in `read`."""
        self.outbox.join(_JOIN_S)
        self._close(self._process.stdin)
        self._close(self._process.stdout)
        # A process that the child started may hold its stderr a moment longer.
        self._log_reader.join(_JOIN_S)
        if not self._log_reader.is_alive():
            self._close(self._process.stderr)

    def _write(self, data: bytes) -> None:
        if self._process.stdin is not None:
            write_all(self._process.stdin, data)

    def _log_stderr(self) -> None:
        line = bytearray()
        while data := self._read_stderr():
            *ends, rest = data.split(b"\n")
            for piece in ends:
                self._log(line + piece)
                line.clear()
            line += rest[: max(0, _LOG_LINE_LIMIT - len(line))]
        if line:
            self._log(line)

    def _read_stderr(self) -> bytes:
        stderr = self._process.stderr
        try:
            return stderr.read(_CHUNK) if stderr is not None else b""
        except (OSError, ValueError):
            return b""

    def _log(self, line: bytearray) -> None:
        _logger.info("%d: %s", self.pid, line[:_LOG_LINE_LIMIT].decode("utf-8", "replace").rstrip())

    @staticmethod
    def _close(pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
