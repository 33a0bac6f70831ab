"""The one call by which scripts and the command line get an engine for a folder. Any thread."""

from __future__ import annotations

from pathlib import Path

from VisualDICOMBrowserLib.engine.client import EngineLike
from VisualDICOMBrowserLib.engine.relay import SharedEngine

__all__ = ["open_engine"]


def open_engine(folder: Path, *, resume: bool = True) -> SharedEngine:
    """Client of the engine of the database in `folder`.

    If no program runs that engine, it runs in this process, and others can attach to it; else this attaches to
    the one that does, and takes over when it ends.

    Parameters
    ----------
    folder : Path
        The database folder, made if there is none.
    resume : bool
        Whether jobs that an earlier engine left unfinished are taken up; one-shot commands leave them alone.

    Raises
    ------
    EngineError
        Another program works on the folder and cannot be reached.
    VisualDICOMError
        The database cannot be opened.
    """

    def make(place: Path) -> EngineLike:
        # The engine brings pydicom and numpy, which a process that only attaches does not need.
        from VisualDICOMBrowserLib.engine.engine import Engine

        return Engine(place, resume=resume)

    return SharedEngine(folder, make, on_attach="resume_jobs" if resume else "")
