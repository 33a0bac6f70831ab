"""``python -m VisualDICOMBrowserLib.engine --database DIR``: the engine as a child process (``child``)."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from pathlib import Path

from VisualDICOMBrowserLib.engine.child import claim_standard_streams, run_child
from VisualDICOMBrowserLib.engine.client import EngineLike
from VisualDICOMBrowserLib.engine.logs import configure_logging

# Children, such as those that read files, inherit it. Windows' name for it is BELOW_NORMAL_PRIORITY_CLASS.
_NICENESS, _BELOW_NORMAL = 5, 0x4000


def main() -> int:
    """Read the arguments and run until stdin ends; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m VisualDICOMBrowserLib.engine", description="Engine of one database, for a host program."
    )
    parser.add_argument("--database", type=Path, required=True, help="the database folder")
    folder = parser.parse_args().database
    stdin, stdout = claim_standard_streams()
    configure_logging(logging.INFO)
    _stand_back()
    return run_child(_engine, folder, stdin, stdout, on_attach="resume_jobs")


def _stand_back() -> None:
    """Let the window go first where processors are scarce: a retrieve can wait, whoever clicks does not."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    else:
        from ctypes import windll  # type: ignore[attr-defined]  # on Windows only

        windll.kernel32.SetPriorityClass(windll.kernel32.GetCurrentProcess(), _BELOW_NORMAL)


def _engine(folder: Path) -> EngineLike:
    # A relay never needs the engine and what it brings (pydicom, numpy).
    from VisualDICOMBrowserLib.engine.engine import Engine

    return Engine(folder)


if __name__ == "__main__":
    sys.exit(main())
