"""Display of columns, settable and kept with the database."""

from __future__ import annotations

import pytest
from scanned_files import query

from VisualDICOMBrowserLib.database.columns import Column
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import UsageError


def test_visible_columns_come_first_and_in_order(database: LocalDatabase) -> None:
    fields = [column.field for column in database.columns.of_table("Series") if column.visible]
    assert fields == [
        "SeriesNumber",
        "SeriesDescription",
        "Modality",
        "DisplayedSize",
        "DisplayedCount",
        "InsertTimestamp",
    ]
    assert len(database.columns.of_table("Series")) == 19


def test_changes_are_kept_and_leave_the_rest(database: LocalDatabase) -> None:
    changed = database.columns.set("Series", "BodyPartExamined", visible=True, weight=3, title="Region")
    assert changed == Column("Series", "BodyPartExamined", "Region", True, 3, "")
    assert database.columns.set("Series", "BodyPartExamined", format='{"sort":"ascending"}').title == "Region"
    folder = database.folder
    database.close()
    again = LocalDatabase.open(folder)
    assert again.columns.get("Series", "BodyPartExamined").format == '{"sort":"ascending"}'
    again.close()
    assert query(folder, "SELECT COUNT(*) FROM ColumnDisplayProperties") == [(47,)]


def test_unknown_column_is_refused(database: LocalDatabase) -> None:
    with pytest.raises(UsageError, match=r"no column Nonsense"):
        database.columns.set("Series", "Nonsense", visible=True)
