"""SQL conditions that tell rows of local instances from what CTK noted of servers.

CTK writes results of queries into the same tables: patients, studies and series without images, images without
file name, and one study with an empty UID. Those are not local. Each condition first asks what is cheap: where
no image row lacks a file (``:no_remote``), a row whose displayed fields were computed once has local images.
Aliases: ``p`` Patients, ``s`` Studies, ``e`` Series, ``i`` Images.
"""

from __future__ import annotations

__all__ = ["LOCAL_COUNT", "LOCAL_IMAGE", "LOCAL_PATIENT", "LOCAL_SERIES", "NO_REMOTE"]

LOCAL_IMAGE = "i.Filename <> ''"

LOCAL_SERIES = (
    "((:no_remote AND e.DisplayedFieldsUpdatedTimestamp IS NOT NULL AND e.DisplayedCount > 0) OR EXISTS ("
    f"SELECT 1 FROM Images i WHERE i.SeriesInstanceUID = e.SeriesInstanceUID AND {LOCAL_IMAGE}))"
)

LOCAL_PATIENT = (
    "((:no_remote AND p.DisplayedFieldsUpdatedTimestamp IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM Studies WHERE PatientsUID = p.UID)) OR EXISTS ("
    "SELECT 1 FROM Studies s JOIN Series e ON e.StudyInstanceUID = s.StudyInstanceUID"
    f" WHERE s.PatientsUID = p.UID AND s.StudyInstanceUID <> '' AND {LOCAL_SERIES}))"
)

# Number of local instances of a series.
LOCAL_COUNT = (
    "CASE WHEN :no_remote AND e.DisplayedCount IS NOT NULL THEN e.DisplayedCount ELSE ("
    f"SELECT COUNT(*) FROM Images i WHERE i.SeriesInstanceUID = e.SeriesInstanceUID AND {LOCAL_IMAGE}) END"
)


# The value of ``:no_remote``: whether every image row has a file; two look-ups in an index.
NO_REMOTE = (
    "SELECT NOT EXISTS (SELECT 1 FROM Images WHERE Filename IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM Images WHERE Filename = '')"
)
