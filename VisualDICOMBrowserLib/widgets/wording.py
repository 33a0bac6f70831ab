"""How values read to a person: dates, names, sizes. Pure functions, standard library only."""

from __future__ import annotations

__all__ = ["person_name", "size_text", "written_date"]


def written_date(value: str) -> str:
    """DICOM DA text as an ISO date; what is no date stays as it is."""
    if len(value) == 8 and value.isdigit():
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value


def person_name(value: str) -> str:
    """DICOM PN text as ``Family, Given``, of its first group that is not empty (DICOM PS3.5 6.2.1)."""
    group = next((part for part in value.split("=") if part.strip("^ ")), "")
    family, given, *_ = [*(part.strip() for part in group.split("^")), "", ""]
    return ", ".join(part for part in (family, given) if part)


def size_text(size: float) -> str:
    """A number of bytes with a fitting unit."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
