"""Our own file: values by section, conflicts, birth dates, pending removals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.errors import DatabaseFault, DatabaseReadOnlyError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OwnStore]:
    opened = OwnStore(tmp_path / "own.sql")
    yield opened
    opened.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_values_come_back_as_they_were(store: OwnStore, value: object) -> None:
    store.put("section", "key", value)
    assert store.get("section", "key") == value


def test_sections_and_keys_get_other_names(store: OwnStore) -> None:
    store.put_many("old", {"k": 1, "l": 2})
    store.put_many("new", {"k": 0, "m": 3})
    store.rename_section("old", "new")
    assert (store.items("old"), store.items("new")) == ({}, {"k": 1, "l": 2})
    store.rename_key("new", "k", "l")
    assert store.items("new") == {"l": 1}
    # What an earlier bearer of the name left goes, also where nothing takes its place.
    store.rename_key("new", "nothing", "l")
    assert store.items("new") == {}


def test_sections_are_apart_and_outlive_the_object(store: OwnStore) -> None:
    store.put("a", "k", 1)
    store.put("b", "k", [2])
    store.put("b", "l", {"x": None})
    store.delete("a", "k")
    store.close()
    again = OwnStore(store.path)
    assert again.get("a", "k") is None
    assert again.items("b") == {"k": [2], "l": {"x": None}}
    again.close()


def test_conflicts_are_listed_newest_first_and_once(store: OwnStore) -> None:
    for path in ("/a", "/b", "/a"):
        store.record_conflict(SOPInstanceUID="1", SeriesInstanceUID="2", path=path, kept_path="/k", reason="Other.")
    conflicts = store.conflicts()
    assert sorted(conflict.path for conflict in conflicts) == ["/a", "/b"]
    assert conflicts[0].as_dict()["reason"] == "Other."
    store.forget(uids=["2"])
    assert store.conflicts() == []


def test_removals_are_noted_until_they_are_done(store: OwnStore) -> None:
    removal = store.begin_removal("series", "study", [("sop", "dicom/x", "T")])
    assert store.pending_removals() == [removal]
    assert removal.instances == (("sop", "dicom/x", "T"),)
    store.end_removal(removal)
    assert store.pending_removals() == []


def test_file_for_reading_only(store: OwnStore, tmp_path: Path) -> None:
    store.put("a", "k", 1)
    reading = OwnStore(store.path, writable=False)
    assert reading.get("a", "k") == 1
    with pytest.raises(DatabaseReadOnlyError):
        reading.put("a", "k", 2)
    reading.close()
    missing = OwnStore(tmp_path / "missing.sql", writable=False)
    assert missing.items("a") == {}
    missing.close()
    assert not (tmp_path / "missing.sql").exists()


def test_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "own.sql"
    path.write_bytes(b"no database at all" * 300)
    with pytest.raises(DatabaseFault, match="damaged"):
        OwnStore(path)
