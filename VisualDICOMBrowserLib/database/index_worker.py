"""Header scans in bulk: the function that answers for a list of files, and the worker process around it.

Started as ``python -m VisualDICOMBrowserLib.database.index_worker``. Over standard input comes one JSON
document a line: first the plan (``{"vrs": {tag: vr}, "inflate_limit": bytes}``), then lists of paths. The
process says ``{"ready": true}`` once, then answers every list with one line: a list with, for each path, either the
reason of its rejection or its size and its values in the order of the plan's keys (null where it has none). It
ends when its input ends. Starts without pydicom, which only odd files need.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from typing import BinaryIO

from VisualDICOMBrowserLib.database.header_plan import TagPlan
from VisualDICOMBrowserLib.database.header_scan import scan_values
from VisualDICOMBrowserLib.errors import RejectedFileError

__all__ = ["Answer", "answer_for", "encode_line", "main"]

Answer = list[list[int | str | None] | str]
"""For each file its size and values, or the reason of its rejection."""


def answer_for(paths: Sequence[str], plan: TagPlan, inflate_limit: int) -> Answer:
    """Header values, or the reason of the rejection, of each file."""
    answer: Answer = []
    for path in paths:
        try:
            size, values = scan_values(path, plan, inflate_limit)
        except RejectedFileError as error:
            answer.append(error.message)
        except MemoryError:
            answer.append("The file needs more memory than there is.")
        else:
            answer.append([size, *map(values.get, plan.keys)])
    return answer


def encode_line(document: object) -> bytes:
    """One line of JSON; text that is not valid Unicode (odd file names) survives."""
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def main() -> None:
    """Answer the lists on standard input until it ends."""
    # An interrupt typed at a terminal reaches the whole group; whoever started us ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    head = json.loads(source.readline() or b"{}")
    plan = TagPlan(head.get("vrs", {}))
    threading.Thread(target=_read_lines, args=(source, requests), name="index-worker-input").start()
    try:
        _send(sink, {"ready": True})
        while line := requests.get():
            _send(sink, answer_for(json.loads(line), plan, head["inflate_limit"]))
    except BrokenPipeError:
        # Whoever started us has gone, so our input ends too. What is left in the buffer has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sink.fileno())


def _read_lines(source: BinaryIO, requests: queue.SimpleQueue[bytes]) -> None:
    """Keep the pipe empty, so that nobody ever waits on both of its ends."""
    for line in source:
        requests.put(line)
    requests.put(b"")


def _send(sink: BinaryIO, document: object) -> None:
    sink.write(encode_line(document))
    sink.flush()


if __name__ == "__main__":
    main()
