"""How an engine child is started, and whether one that ended is started again; no processes here.

Shared by `process_client.ProcessClient` and the transport over Qt's ``QProcess``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import VisualDICOMBrowserLib
from VisualDICOMBrowserLib.errors import EngineError

__all__ = ["RestartPolicy", "child_command", "child_environment", "ended_error", "given_up_error"]


def child_command(folder: Path, python: str = sys.executable) -> list[str]:
    """Program and arguments of an engine child for the database in `folder`."""
    return [python, "-m", "VisualDICOMBrowserLib.engine", "--database", str(folder)]


def child_environment() -> dict[str, str]:
    """This process's environment, in which a child finds this package."""
    package_parent = str(Path(VisualDICOMBrowserLib.__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package_parent}{os.pathsep}{known}" if known else package_parent}


class RestartPolicy:
    """Allows five restarts in a row, ever later; a child that ran for a minute begins a new row."""

    def __init__(self, most: int = 5, steady_s: float = 60.0) -> None:
        self._most = most
        self._steady_s = steady_s
        self._restarts = 0

    def delay_after(self, ran_s: float) -> float | None:
        """Seconds until the next start of a child that ran `ran_s` seconds; None to give up."""
        if ran_s >= self._steady_s:
            self._restarts = 0
        if self._restarts >= self._most:
            return None
        self._restarts += 1
        return 0.0 if self._restarts == 1 else 0.25 * 2.0 ** (self._restarts - 2)


def ended_error(folder: Path, exit_code: int | None) -> EngineError:
    """What callers are told whose commands were under way when the child ended."""
    message = f"The background engine of database {folder} ended unexpectedly (exit code {exit_code})."
    return EngineError(message, code="engine_ended", next_step="It is started again; repeat the last step.")


def given_up_error(folder: Path) -> EngineError:
    """What callers are told once the child is not started again."""
    message = f"The background engine of database {folder} ended again and again, so it is not restarted."
    return EngineError(
        message, code="engine_given_up", next_step="The log says why it ended; then open the database again."
    )
