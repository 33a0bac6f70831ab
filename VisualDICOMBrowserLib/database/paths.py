"""Where files lie in a database folder, and how the database writes their paths down.

CTK's rules: copies under ``dicom/<study8>/<series8>/<instance32>.dcm``, thumbnails likewise under ``thumbs``
with ``.png``, the parts being hexadecimal MD5 digests of the UIDs (first 8 or all 32 digits, lower case), so
no text that came from a file or a peer ever becomes part of a path. A stored path is relative with ``/`` for
files that the database owns and absolute for linked ones. Pure functions of text, no file access, any thread.

Differs from CTK on purpose: a linked file inside the database folder stays absolute (CTK makes it relative
and deletes it on removal), and ``/data/db2`` is not taken to lie in ``/data/db``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from VisualDICOMBrowserLib.database.values import storable

__all__ = [
    "DATABASE_FILE",
    "DICOM_FOLDER",
    "OWN_FILE",
    "TAG_CACHE_FILE",
    "THUMBNAIL_FOLDER",
    "DatabasePaths",
]

DATABASE_FILE = "ctkDICOM.sql"
TAG_CACHE_FILE = "ctkDICOMTagCache.sql"
OWN_FILE = "visual-dicom-browser.sql"
DICOM_FOLDER = "dicom"
THUMBNAIL_FOLDER = "thumbs"


class DatabasePaths:
    """Paths of one database folder; `folder` is made absolute and cleaned, links in it are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))  # noqa: PTH100  (Path.resolve would follow links)
        self._prefix = _portable(str(self.folder)).rstrip("/") + "/"

    def file_for_instance(self, study_uid: str, series_uid: str, sop_uid: str) -> Path:
        """Where the database keeps its own copy of an instance."""
        return self.folder / DICOM_FOLDER / _hashed(study_uid, series_uid, sop_uid, ".dcm")

    def thumbnail(self, study_uid: str, series_uid: str, sop_uid: str) -> Path:
        """Where CTK looks for the thumbnail of an instance."""
        return self.folder / THUMBNAIL_FOLDER / _hashed(study_uid, series_uid, sop_uid, ".png")

    def stored(self, path: str, *, owned: bool) -> str:
        """`path` as the ``Filename`` column has it: relative if `owned` and inside the folder, else absolute."""
        clean = _portable(path)
        if owned:
            relative = self._inside(clean)
            if relative:
                return relative
        return clean

    def absolute(self, stored: str) -> str:
        """Absolute path of a ``Filename``; empty for the empty one of a remote instance."""
        if not stored or os.path.isabs(stored):  # noqa: PTH117  (text in, text out)
            return stored
        return os.path.normpath(self._prefix + stored)

    def lookup_forms(self, path: str) -> tuple[str, ...]:
        """Each form in which the database may have written down a `path`; none if it is no valid text."""
        if not path.isascii() and storable(path) != path:
            return ()
        clean = _portable(os.path.abspath(path))  # noqa: PTH100  (links must be kept)
        relative = self._inside(clean)
        return (clean, relative) if relative else (clean,)

    def is_own(self, path: str) -> bool:
        """Whether an absolute path lies where the database keeps its own copies."""
        return self.owned_file(self._inside(_portable(path))) is not None

    def owned_file(self, stored: str) -> Path | None:
        """File to delete with its row, None for one that is not the database's own.

        Own files are those stored by a relative path that stays below ``dicom``: CTK also writes linked
        files inside the folder relative, and those are somebody else's.
        """
        parts = Path(stored).parts
        if len(parts) < 2 or os.path.isabs(stored) or ".." in parts:  # noqa: PTH117
            return None
        if os.path.normcase(parts[0]) != DICOM_FOLDER or Path(stored).drive:
            return None
        return self.folder.joinpath(*parts)

    def _inside(self, clean: str) -> str:
        if os.path.normcase(clean[: len(self._prefix)]) == os.path.normcase(self._prefix):
            return clean[len(self._prefix) :]
        return ""


def _portable(path: str) -> str:
    return path if os.sep == "/" else path.replace(os.sep, "/")


def _hashed(study_uid: str, series_uid: str, sop_uid: str, suffix: str) -> str:
    study, series, instance = (
        hashlib.md5(uid.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        for uid in (study_uid, series_uid, sop_uid)
    )
    return f"{study[:8]}/{series[:8]}/{instance}{suffix}"
