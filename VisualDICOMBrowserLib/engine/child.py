"""The engine as a child process: commands on stdin, replies and events on stdout, one JSON object per line.

It ends when its stdin closes, that is with its parent, also if other programs are attached: one of them takes over
from the journal. If the database has an engine already, it relays to that one. The calling thread reads commands
and carries them out; the thread ``engine-stdout`` writes.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import IO

from VisualDICOMBrowserLib.engine.child_process import write_all
from VisualDICOMBrowserLib.engine.connection import EngineConnection
from VisualDICOMBrowserLib.engine.outbox import Outbox
from VisualDICOMBrowserLib.engine.relay import EngineFactory, SharedEngine
from VisualDICOMBrowserLib.engine.wire import WIRE_VERSION, Event, encode
from VisualDICOMBrowserLib.errors import VisualDICOMError

__all__ = ["claim_standard_streams", "run_child"]

_logger = logging.getLogger(__name__)

EXIT_DONE = 0
EXIT_FAILED = 1
_CHUNK = 65536
_LAST_WORDS_S = 5.0


def run_child(factory: EngineFactory, folder: Path, stdin: IO[bytes], stdout: IO[bytes], *, on_attach: str = "") -> int:
    """Run the engine of `folder`, or relay to it, until `stdin` ends; returns the exit code.

    Parameters
    ----------
    factory : EngineFactory
        Makes the engine of a folder.
    folder : Path
        The database folder.
    stdin, stdout : IO[bytes]
        Unbuffered binary streams that nothing else in this process uses.
    on_attach : str
        Command sent when this relays; see `SharedEngine`.
    """
    outbox = Outbox(lambda data: write_all(stdout, data), name="engine-stdout")
    try:
        try:
            engine = SharedEngine(folder, factory, on_attach=on_attach)
        except VisualDICOMError as error:
            # Starting again would end the same way, so the host is told not to.
            _logger.warning("The engine cannot start: %s", error)
            outbox.put(encode(Event("engine_failed", {"error": error.as_dict()})))
            return EXIT_FAILED
        try:
            _serve(engine, stdin, outbox)
        finally:
            engine.close()
        return EXIT_DONE
    finally:
        outbox.close(_LAST_WORDS_S)


def _serve(engine: SharedEngine, stdin: IO[bytes], outbox: Outbox) -> None:
    connection = EngineConnection(engine, outbox)
    try:
        connection.tell(
            {
                "event": "engine_ready",
                "wire": WIRE_VERSION,
                "pid": os.getpid(),
                "role": "engine" if engine.hosting else "relay",
            }
        )
        while data := stdin.read(_CHUNK):
            connection.feed(data)
    finally:
        connection.close()


def claim_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Stdin and stdout of this process, for the wire alone.

    Whatever else prints (libraries, the interpreter, grandchildren) goes to stderr from now on, so that it cannot
    get between two lines; nothing else can read stdin. Ctrl+C in the terminal of the parent is left to the parent.
    """
    stdin = os.fdopen(os.dup(0), "rb", buffering=0)
    stdout = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if not stdin.isatty():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return stdin, stdout
