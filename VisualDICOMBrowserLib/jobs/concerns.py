"""Which study and series a job is about, read from its parameters. Pure functions; any thread.

Events of jobs carry no parameters, which may be long, so that what views need of them is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MOST_SERIES", "concerns_of"]

MOST_SERIES = 50
"""Series that are named at most; a job about more of them is known by its study, or by its label only."""


def concerns_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``study`` (a StudyInstanceUID, empty where there is none or more than one) and ``series`` (a list of UIDs).

    Retrieves and queries name both by their DICOM names, what works on the local database by ``level`` and ``uids``
    or ``uid``, thumbnails by ``series``.
    """
    query = parameters.get("query")
    fields = query if isinstance(query, Mapping) else parameters
    study = str(fields.get("StudyInstanceUID") or "")
    named = fields.get("SeriesInstanceUID") or parameters.get("series") or ()
    series = [named] if isinstance(named, str) else list(named)
    uids = parameters.get("uids") or ([parameters["uid"]] if parameters.get("uid") else [])
    level = parameters.get("level")
    if level == "SERIES":
        series = list(uids)
    elif level == "STUDY" and len(uids) == 1:
        study = str(uids[0])
    return {"study": study, "series": [str(uid) for uid in series[:MOST_SERIES]]}
