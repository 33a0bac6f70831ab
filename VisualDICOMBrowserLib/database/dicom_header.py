"""A whole DICOM header as one line of text per element, for `DicomDatabase.headerValue`.

Reads with pydicom; any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement

__all__ = ["dumped_header"]

_LONGEST = 1024


def dumped_header(path: str) -> dict[str, str]:
    """Line by tag (``"GGGG,EEEE"``) for every top-level element, in the manner of DCMTK's dump.

    Empty for a file that cannot be read.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        data_set = dcmread(path, stop_before_pixels=True)
        return {f"{item.tag.group:04X},{item.tag.element:04X}": _line(item) for item in data_set}
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, NotImplementedError):
        return {}


def _line(item: DataElement) -> str:
    value = item.value
    if item.VR == "SQ":
        text = f"(Sequence with {len(value)} items)"
    elif isinstance(value, bytes):
        text = f"[{value[:_LONGEST].hex()}]"
    elif item.VM > 1:
        text = "[" + "\\".join(str(part) for part in value)[:_LONGEST] + "]"
    else:
        text = f"[{'' if value is None else str(value)[:_LONGEST]}]"
    return f"({item.tag.group:04x},{item.tag.element:04x}) {item.VR} {text} # {item.VM} {item.keyword or 'Unknown'}"
