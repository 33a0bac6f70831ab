"""Files that are gone: telling them, finding them where they were moved, removing what they left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from VisualDICOMBrowserLib.database.missing_files import absent_place, is_gone
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(open_engine(tmp_path / "database")) as opened:
        yield opened


@pytest.fixture
def two(tmp_path: Path, session: Session) -> tuple[CtSeries, CtSeries]:
    """Two linked series of one study whose files have the same names, each in its folder."""
    first = make_ct_series(tmp_path / "old" / "a", 4)
    second = make_ct_series(tmp_path / "old" / "b", 3, study=first.StudyInstanceUID, number=2)
    for path in second.files.values():
        path.rename(path.with_name(path.name.replace("002-", "001-")))
    session.import_files([tmp_path / "old"], timeout=60)
    return first, second


def run(session: Session, command: str, **arguments: object) -> dict:
    return session.wait(session.client.request(command, **arguments), timeout=60)["result"]


def files_of(session: Session, series: CtSeries) -> dict[str, str]:
    instances = session.client.request("instances", series=series.SeriesInstanceUID)
    return {each["SOPInstanceUID"]: each["path"] for each in instances}


def test_the_check_names_what_is_gone_and_the_folder_that_is_absent(
    session: Session, two: tuple[CtSeries, CtSeries], tmp_path: Path
) -> None:
    assert run(session, "check_database")["missing"] == 0
    shutil.rmtree(tmp_path / "old" / "b")
    next(iter(two[0].files.values())).unlink()
    result = run(session, "check_database")
    assert (result["files"], result["missing"], result["emptied"]) == (7, 4, 1)
    assert result["absent"] == ""
    only = session.client.request("missing_files", series=[two[1].SeriesInstanceUID])
    assert (only["files"], only["missing"], only["emptied"]) == (3, 3, 1)
    assert only["missing_series"] == [two[1].SeriesInstanceUID]
    assert only["absent"] == str(tmp_path / "old" / "b")


def test_files_that_were_moved_are_found_by_name_and_uid(
    session: Session, two: tuple[CtSeries, CtSeries], tmp_path: Path
) -> None:
    (tmp_path / "old").rename(tmp_path / "new")
    lost = tmp_path / "new" / "a" / next(iter(two[0].files.values())).name
    lost.unlink()
    result = run(session, "find_files", folder=str(tmp_path / "new"))
    assert (result["missing"], result["found"], result["left"]) == (7, 6, 1)
    assert set(result["series_uids"]) == {each.SeriesInstanceUID for each in two}
    assert result["left_series"] == [two[0].SeriesInstanceUID]
    assert all(Path(path).parent == tmp_path / "new" / "b" for path in files_of(session, two[1]).values())
    first = files_of(session, two[0])
    assert sorted(Path(path).parent.parent.name for path in first.values()) == ["new", "new", "new", "old"]
    tree = session.client.request("metadata", SOPInstanceUID=next(iter(two[1].files)))
    assert any(each["name"] == "Series Number" and each["value"] == "2" for each in tree)


def test_a_file_of_the_right_name_with_another_image_is_not_taken(
    session: Session, two: tuple[CtSeries, CtSeries], tmp_path: Path
) -> None:
    make_ct_series(tmp_path / "other" / "a", 4)
    before = files_of(session, two[0])
    shutil.rmtree(tmp_path / "old")
    result = run(session, "find_files", folder=str(tmp_path / "other"))
    assert (result["missing"], result["found"]) == (7, 0)
    assert files_of(session, two[0]) == before


def test_own_copies_stay_own_and_linked_ones_absolute(session: Session, tmp_path: Path) -> None:
    made = make_ct_series(tmp_path / "ct", 2)
    session.import_files([made.folder], copy=True, timeout=60)
    own = tmp_path / "database" / "dicom"
    own.rename(tmp_path / "away")
    assert run(session, "find_files", folder=str(tmp_path / "away"))["found"] == 2
    assert all(path.startswith(str(tmp_path / "away")) for path in files_of(session, made).values())
    (tmp_path / "away").rename(own)
    assert run(session, "find_files", folder=str(own))["found"] == 2
    # Own again, so that they go with their series.
    report = session.wait(session.client.request("remove", level="SERIES", uid=made.SeriesInstanceUID), timeout=60)[
        "result"
    ]
    assert report["deleted_files"] == 2


def test_only_what_missing_files_left_is_removed(
    session: Session, two: tuple[CtSeries, CtSeries], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "old" / "b")
    gone, *rest = two[0].files
    two[0].files[gone].unlink()
    result = run(session, "remove_missing", series=[two[0].SeriesInstanceUID])
    assert (result["instances"], result["series_uids"]) == (1, [])
    assert set(files_of(session, two[0])) == set(rest)
    assert session.client.request("missing_files", series=[two[1].SeriesInstanceUID])["missing"] == 3
    result = run(session, "remove_missing")
    assert (result["instances"], result["series_uids"], result["studies"]) == (3, [two[1].SeriesInstanceUID], 0)
    assert run(session, "check_database")["missing"] == 0
    assert session.client.request("counts")["instances"] == 3
    assert all(two[0].files[uid].is_file() for uid in rest)


def test_a_folder_that_is_none_is_refused(session: Session, tmp_path: Path) -> None:
    job = session.client.request("find_files", folder=str(tmp_path / "nowhere"))
    with pytest.raises(Exception, match="no folder"):
        session.wait(job, timeout=60)


def test_what_cannot_be_looked_at_is_not_gone(tmp_path: Path) -> None:
    assert is_gone(str(tmp_path / "no"))
    assert not is_gone(str(tmp_path / ("x" * 300)))  # a name that no file system takes says nothing about a file
    assert absent_place([]) == ""
    assert absent_place([str(tmp_path / "x" / "y" / "1"), str(tmp_path / "x" / "2")]) == str(tmp_path / "x")
