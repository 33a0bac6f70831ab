"""The folder of files that are on their way into a database.

Only its place and its few file names, shared by sessions, intents and the tag cache spool. Any thread.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["INCOMING", "INTENT_SUFFIX", "KEPT_SUFFIX", "PART_SUFFIX", "SPOOL_SUFFIX", "incoming_folder"]

INCOMING = "visual-dicom-browser-incoming"
"""Folder in the database folder for files that are not yet whole or not yet indexed."""

PART_SUFFIX = ".part"
KEPT_SUFFIX = ".arrived"
INTENT_SUFFIX = ".intent"
SPOOL_SUFFIX = ".tags"


def incoming_folder(database_folder: Path) -> Path:
    """Folder for what is on its way in, one subfolder per session."""
    return database_folder / INCOMING
