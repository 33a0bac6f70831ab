"""What to call an object that has no pixels, by its SOP class. Words only; any thread."""

from __future__ import annotations

from pydicom.uid import UID

__all__ = ["object_label"]

# First match wins: longer beginnings stand before shorter ones. All below 1.2.840.10008.5.1.4.
_LABELS = (
    ("1.1.88.59", "Key object selection"),
    ("1.1.88.67", "Radiation dose report"),
    ("1.1.88.68", "Radiation dose report"),
    ("1.1.88.", "Structured report"),
    ("1.1.104.1", "PDF document"),
    ("1.1.104.2", "CDA document"),
    ("1.1.104.3", "3D model"),
    ("1.1.104.4", "3D model"),
    ("1.1.104.5", "3D model"),
    ("1.1.9.1.", "ECG"),
    ("1.1.9.4.", "Audio"),
    ("1.1.9.", "Waveform"),
    ("1.1.11.", "Presentation state"),
    ("1.1.66.1", "Registration"),
    ("1.1.66.2", "Fiducials"),
    ("1.1.66.3", "Registration"),
    ("1.1.66.5", "Surface segmentation"),
    ("1.1.66.6", "Tractography"),
    ("1.1.66", "Raw data"),
    ("1.1.67", "Real world value mapping"),
    ("1.1.481.3", "RT structure set"),
    ("1.1.481.5", "RT plan"),
    ("1.1.481.8", "RT plan"),
    ("1.1.481.4", "RT treatment record"),
    ("1.1.481.6", "RT treatment record"),
    ("1.1.481.7", "RT treatment record"),
    ("1.1.481.9", "RT treatment record"),
    ("1.1.481.", "RT object"),
    ("38.", "Hanging protocol"),
    ("39.", "Colour palette"),
    ("1.1.131", "Basic structured display"),
)
_ROOT = "1.2.840.10008.5.1.4."


def object_label(sop_class: str, modality: str = "") -> str:
    """Short words for an object of `sop_class`; its standard name or modality where none are kept here."""
    relative = sop_class.removeprefix(_ROOT)
    if relative != sop_class:
        for start, label in _LABELS:
            if relative.startswith(start):
                return label
    uid = UID(sop_class)
    if uid.name != sop_class:
        return uid.name.removesuffix(" Storage")
    return f"{modality} object" if modality else "Object without images"
