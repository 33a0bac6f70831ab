"""What kind of object a series holds where no plugin can read it, and what could.

Standard library only; any thread.
"""

from __future__ import annotations

__all__ = ["EXTENSION_READERS", "NOT_VOLUMES", "extension_for", "no_reader_sentences"]

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"

# Objects that have pixels but are no volume of them.
NOT_VOLUMES = frozenset({SEGMENTATION, LABEL_MAP_SEGMENTATION, WHOLE_SLIDE})

_RT = "The extension SlicerRT can."
_IN_SLICER = "The DICOM plugins of Slicer 5.12 and later can."
_NO_NODE = "It holds no image; its text is in its DICOM header."
_READER = {
    "RTPLAN": _RT,
    "RTSTRUCT": _RT,
    "RTIMAGE": _RT,
    "RTRECORD": _RT,
    "SEG": _IN_SLICER,
    "M3D": _IN_SLICER,
    "SR": "Slicer can load measurement reports (TID 1500) of this kind; others hold no image.",
    "DOC": _NO_NODE,
    "KO": "It only points to other images; load those.",
    "PR": "It only says how to show other images; load those.",
    "REG": _RT,
    "ECG": "It holds waveforms and no image.",
    "SM": "Whole-slide pictures are too large for a volume; use a slide viewer.",
}

_SLICER_RT, _REPORTING = "SlicerRT", "QuantitativeReporting"
_EXTENSIONS = {
    "RTSTRUCT": _SLICER_RT,
    "RTPLAN": _SLICER_RT,
    "RTDOSE": _SLICER_RT,
    "RTIMAGE": _SLICER_RT,
    "REG": _SLICER_RT,
    "SEG": _REPORTING,
    "M3D": _REPORTING,
}
_PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
_MEASUREMENT_REPORT = "1500"

# By extension the plugin that is registered where it is installed; Slicer 5.12 and later bring those of the second.
EXTENSION_READERS = {_SLICER_RT: "DicomRtImportExportPlugin", _REPORTING: "DICOMSegmentationPlugin"}


def extension_for(modality: str, sop_class: str = "", template: str = "") -> str:
    """Slicer's extension that can load what no plugin of ours reads, empty if none can.

    `template` is the identifier of the template of a structured report.
    """
    if sop_class in (SEGMENTATION, LABEL_MAP_SEGMENTATION, _PARAMETRIC_MAP):
        return _REPORTING
    if modality == "SR":
        return _REPORTING if template == _MEASUREMENT_REPORT else ""
    return _EXTENSIONS.get(modality, "")


def no_reader_sentences(modality: str, has_pixels: bool) -> tuple[str, str]:
    """What is wrong and what to do, for a series that no plugin reads."""
    kind = modality or "modality unknown"
    message = f"No reader for this kind ({kind})."
    advice = "Its pixels are of a form that no plugin knows." if has_pixels else "It holds no image."
    return message, _READER.get(modality, advice)
