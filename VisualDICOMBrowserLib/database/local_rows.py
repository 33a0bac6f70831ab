"""SQL that tells rows of local instances from rows that have none.

CTK writes results of queries into the same tables: patients, studies and series without images, images without
file name, and one study with an empty UID. It also leaves the study and the patient of a series that it removed.
None of those is local: local is what has an image row with a file. Where no image row lacks one (``:no_remote``),
the file names are not looked at, so an index answers. Aliases: ``s`` Studies, ``e`` Series, ``i`` Images.
"""

from __future__ import annotations

__all__ = ["LOCAL_COUNT", "LOCAL_IMAGE", "LOCAL_PATIENTS", "LOCAL_SERIES", "NO_REMOTE", "STUDY_DATE"]

LOCAL_IMAGE = "i.Filename <> ''"

LOCAL_SERIES = (
    f"EXISTS (SELECT 1 FROM Images i WHERE i.SeriesInstanceUID = e.SeriesInstanceUID AND (:no_remote OR {LOCAL_IMAGE}))"
)

# Number of local instances of a series.
LOCAL_COUNT = (
    "CASE WHEN :no_remote AND e.DisplayedCount IS NOT NULL THEN e.DisplayedCount ELSE ("
    f"SELECT COUNT(*) FROM Images i WHERE i.SeriesInstanceUID = e.SeriesInstanceUID AND {LOCAL_IMAGE}) END"
)

# StudyDate as eight digits, whichever form the column has.
STUDY_DATE = "replace(CAST(s.StudyDate AS TEXT), '-', '')"

# Row number, number of local studies and last date of every patient that has any.
LOCAL_PATIENTS = (
    f"SELECT s.PatientsUID, COUNT(*), MAX({STUDY_DATE}) FROM Studies s WHERE s.StudyInstanceUID <> '' AND EXISTS ("
    f"SELECT 1 FROM Series e WHERE e.StudyInstanceUID = s.StudyInstanceUID AND {LOCAL_SERIES}) GROUP BY s.PatientsUID"
)

# The value of ``:no_remote``: whether every image row has a file; two look-ups in an index.
NO_REMOTE = (
    "SELECT NOT EXISTS (SELECT 1 FROM Images WHERE Filename IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM Images WHERE Filename = '')"
)
