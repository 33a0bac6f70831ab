"""What the numbers in a volume mean: modality of a SOP class, coded quantity and units of its voxels.

Codes are of DICOM PS3.16 (CID 7180 and context groups of units), units are UCUM. Standardized uptake
values are not computed here. Main thread only (makes VTK objects).
"""

from __future__ import annotations

from typing import Any

import slicer

__all__ = ["modality_of_class", "quantity_and_units"]

_MODALITY_OF_CLASS = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2": "MG",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.3.1": "US",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.3": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
}

_Code = tuple[str, str, str]
_HOUNSFIELD: _Code = ("[hnsf'U]", "UCUM", "Hounsfield unit")
_ATTENUATION: _Code = ("112031", "DCM", "Attenuation Coefficient")
_MR_SIGNAL: _Code = ("110852", "DCM", "MR signal intensity")
_NO_UNITS: _Code = ("1", "UCUM", "no units")
_DOSE: _Code = ("128513", "DCM", "Absorbed Dose")

# Units (0054,1001) of PET, PS3.3 C.8.9.1.1.3.
_PET_UNITS: dict[str, _Code] = {
    "BQML": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
    "CNTS": ("{counts}", "UCUM", "Counts"),
    "CPS": ("{counts}/s", "UCUM", "Counts per second"),
    "PROPCNTS": ("{propcounts}", "UCUM", "Proportional to counts"),
    "PROPCPS": ("{propcounts}/s", "UCUM", "Proportional to counts per second"),
    "GML": ("g/ml", "UCUM", "Grams/milliliter"),
}


def modality_of_class(sop_class: str) -> str | None:
    """Modality that objects of an image SOP class have, None if the class does not say."""
    return _MODALITY_OF_CLASS.get(sop_class)


def quantity_and_units(modality: str, *, rescale_type: str = "", units: str = "") -> tuple[Any, Any]:
    """Coded quantity and units of voxel values, each a `vtkCodedEntry` or None if not known.

    Parameters
    ----------
    modality : str
        Modality (0008,0060).
    rescale_type : str
        Rescale Type (0028,1054); CT values are Hounsfield units if it is empty or "HU".
    units : str
        Units (0054,1001) of PET, or Dose Units (3004,0002).
    """
    quantity: _Code | None = None
    unit: _Code | None = None
    if modality == "CT" and rescale_type.upper() in ("", "HU"):
        quantity, unit = _ATTENUATION, _HOUNSFIELD
    elif modality == "MR":
        quantity, unit = _MR_SIGNAL, _NO_UNITS
    elif modality == "PT":
        unit = _PET_UNITS.get(units.upper())
    elif modality == "RTDOSE" and units.upper() == "GY":
        quantity, unit = _DOSE, ("Gy", "UCUM", "Gray")
    return _entry(quantity), _entry(unit)


def _entry(code: _Code | None) -> Any:
    if code is None:
        return None
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(*code)
    return entry
