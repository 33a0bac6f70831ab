"""What the command line writes: tables for people, one JSON document for programs, progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["EXIT_DONE", "EXIT_FAILED", "EXIT_PARTLY", "EXIT_USAGE", "Output"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTLY = 3


class Output:
    """Where one command writes.

    Parameters
    ----------
    as_json : bool
        One JSON document on standard output instead of text.
    quiet : bool
        No progress.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self.documented = False
        self._progress_shown = False
        self._show_progress = not quiet and sys.stderr.isatty()

    def document(self, document: Any, text: str) -> None:
        """Write the result: `document` with ``--json``, `text` without; the caller sees to it that it is one."""
        self.documented = True
        self.end_progress()
        if self.as_json:
            text = json.dumps(document, indent=2, ensure_ascii=False)
        if text:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def message(self, text: str) -> None:
        """Write one line for the person on standard error."""
        self.end_progress()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def progress(self, job: Mapping[str, Any]) -> None:
        """Show how far a job is, in place, where standard error is a terminal."""
        if not self._show_progress:
            return
        done, total = job.get("progress_done") or 0, job.get("progress_total")
        received = (job.get("received_bytes") or 0) / 1e6
        part = f"{done} / {total}" if total else str(done)
        size = f", {received:.0f} MB" if received else ""
        sys.stderr.write(f"\r\x1b[K{job.get('label', '')}: {part}{size}")
        sys.stderr.flush()
        self._progress_shown = True

    def end_progress(self) -> None:
        """Clear the progress line."""
        if self._progress_shown:
            sys.stderr.write("\r\x1b[K")
            self._progress_shown = False


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Aligned text table of `rows`; `columns` maps field to title. Empty text for no rows."""
    if not rows:
        return ""
    lines = [list(columns.values())]
    lines += [[_cell(row.get(field)) for field in columns] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 study``, ``2 studies``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return " ".join(str(value).split())
