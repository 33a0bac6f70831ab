"""What the header scan tells the database writer, and what the writer answers.

Frozen records without behaviour, shared by scanning, storing and writing; any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["AddOutcome", "ScannedFile", "instance_number"]


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """Header values of one file.

    Parameters
    ----------
    path : str
        Absolute path of the file.
    owned : bool
        True for a file inside the database folder that the database owns (stored by relative path and
        deleted with its row), False for a linked one.
    size : int
        Bytes of the file.
    values : mapping of str to str
        Text by tag ``"GGGG,EEEE"`` (upper case hex), decoded to Unicode, several values joined by a
        backslash, padding removed. Tags that are absent or empty in the file have no key here.
    """

    path: str
    owned: bool
    size: int
    values: Mapping[str, str]

    @property
    def SOPInstanceUID(self) -> str:
        """Value of (0008,0018), empty if absent."""
        return self.values.get("0008,0018", "")

    @property
    def StudyInstanceUID(self) -> str:
        """Value of (0020,000D), empty if absent."""
        return self.values.get("0020,000D", "")

    @property
    def SeriesInstanceUID(self) -> str:
        """Value of (0020,000E), empty if absent."""
        return self.values.get("0020,000E", "")


@dataclass(frozen=True, slots=True)
class AddOutcome:
    """What became of one file.

    ``status`` is ``"imported"`` (a new row), ``"unchanged"`` (the same content was there already),
    ``"exists"`` (the writer's word for a SOP Instance UID that has a file already; not yet compared),
    ``"conflict"`` (the same SOP Instance UID with other content; the first stays) or ``"rejected"``.
    ``path`` is the file it is now known by: the existing one for all but ``"imported"``. ``reason`` is
    one plain sentence for conflicts and rejects. ``number`` is its InstanceNumber, None where it is not known.
    """

    status: str
    SOPInstanceUID: str
    SeriesInstanceUID: str
    path: str
    reason: str = ""
    number: int | None = field(default=None, compare=False)


def instance_number(values: Mapping[str, str]) -> int | None:
    """InstanceNumber among header values, None where there is none that is a number."""
    text = values.get("0020,0013", "").strip()
    return int(text) if text.removeprefix("-").isdecimal() else None
