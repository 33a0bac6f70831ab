"""Files that arrive become instances, whole and once."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from index_harness import Importer, files_below, opened_importer, received
from index_samples import ct_slice, uids, write_series

from VisualDICOMBrowserLib.database import storing
from VisualDICOMBrowserLib.database.index_tag_cache import TagCacheFiller
from VisualDICOMBrowserLib.errors import DatabaseFault, StorageFault

INCOMING = "visual-dicom-browser-incoming"


@pytest.fixture
def importer(tmp_path: Path) -> Iterator[Importer]:
    with opened_importer(tmp_path / "db") as opened:
        yield opened


def place_of(study: int = 1, series: int = 1, number: int = 1) -> str:
    """CTK's rule, written down a second time."""
    named = uids(study, series, number)
    digits = {tag: hashlib.md5(uid.encode()).hexdigest() for tag, uid in named.items()}
    return f"dicom/{digits['0020,000D'][:8]}/{digits['0020,000E'][:8]}/{digits['0008,0018']}.dcm"


def test_arrivals_are_stored_where_ctk_looks_for_them(importer: Importer) -> None:
    files = [importer.part(ct_slice(number=number)) for number in (1, 2, 3)]
    outcomes = importer.store.accept(files)
    assert [outcome.status for outcome in outcomes] == ["imported"] * 3
    for number, outcome in enumerate(outcomes, 1):
        assert outcome.path == str(importer.database.folder / place_of(number=number))
        assert Path(outcome.path).read_bytes() == ct_slice(number=number)
        assert outcome.SeriesInstanceUID == uids()["0020,000E"]
    assert importer.rows("SELECT Filename FROM Images ORDER BY SOPInstanceUID") == [
        (place_of(number=number),) for number in (1, 2, 3)
    ]
    assert not list(importer.database.folder.rglob("*.part"))
    assert not list(importer.database.folder.rglob("*.intent"))


def test_values_of_arrivals_come_into_the_tag_cache(importer: Importer) -> None:
    importer.store.accept([importer.part(ct_slice())])
    assert importer.store.tag_cache.wait(10)
    cached = importer.cached(uids()["0008,0018"])
    assert (cached["0010,0010"], cached["0028,0010"]) == ("Patient^P1", "16")
    assert cached["0008,0050"] == "__TAG_NOT_IN_INSTANCE__"
    assert set(cached) <= importer.database.tags_to_precache


def test_the_first_of_two_contents_stays(importer: Importer) -> None:
    first, other = ct_slice(), ct_slice(pixels=b"\1" * 512)
    importer.store.accept([importer.part(first)])
    same, conflict = importer.store.accept([importer.part(first), importer.part(other)], ["again", "other"])
    assert (same.status, conflict.status) == ("unchanged", "conflict")
    assert "other content was there first" in conflict.reason
    assert Path(conflict.path).read_bytes() == first
    kept = importer.database.own.conflicts()
    assert [(item.path, item.kept_path) for item in kept] == [("other", conflict.path)]
    assert not list(importer.database.folder.rglob("*.part"))


def test_two_contents_in_one_delivery(importer: Importer) -> None:
    first, other = ct_slice(), ct_slice(pixels=b"\1" * 512)
    outcomes = importer.store.accept([importer.part(data) for data in (first, other, first)])
    assert [outcome.status for outcome in outcomes] == ["imported", "conflict", "unchanged"]
    assert Path(outcomes[0].path).read_bytes() == first


def test_meta_information_does_not_count_as_content(importer: Importer) -> None:
    first = ct_slice()
    other_preamble = b"II*\0" + first[4:]
    importer.store.accept([importer.part(first)])
    assert importer.store.accept([importer.part(other_preamble)])[0].status == "unchanged"


def test_unusable_arrivals_are_rejected_and_removed(importer: Importer) -> None:
    announced = importer.part(ct_slice())
    files = [
        importer.part(b"nonsense"),
        importer.part(ct_slice()[:-10]),
        importer.part(ct_slice(more=(("0008,0018", "UI", "../../../x"),))),
        received(announced.path, "1.2.3"),
    ]
    outcomes = importer.store.accept(files)
    assert [outcome.status for outcome in outcomes] == ["rejected"] * 4
    assert [outcome.reason.split(":")[0] for outcome in outcomes] == [
        "This is not a DICOM file.",
        "The file is cut short",
        "The SOP Instance UID '../../../x' is not a valid UID.",
        f"The file holds the instance {uids()['0008,0018']}, but 1.2.3 was announced.",
    ]
    assert importer.database.reader.counts().instances == 0
    assert not list(importer.database.folder.rglob("*.part"))


def test_an_instance_known_from_a_linked_file_stays_linked(importer: Importer, tmp_path: Path) -> None:
    linked = write_series(tmp_path / "in", 1)[0]
    importer.run(tmp_path / "in")
    outcome = importer.store.accept([importer.part(linked.read_bytes())])[0]
    assert (outcome.status, outcome.path) == ("unchanged", str(linked))
    assert not (importer.database.folder / "dicom").exists()


def test_a_lost_file_is_replaced_by_an_arrival(importer: Importer, tmp_path: Path) -> None:
    linked = write_series(tmp_path / "in", 1)[0]
    importer.run(tmp_path / "in")
    data = linked.read_bytes()
    linked.unlink()
    outcome = importer.store.accept([importer.part(data)])[0]
    assert outcome.status == "imported"
    assert importer.rows("SELECT Filename FROM Images") == [(place_of(),)]
    Path(outcome.path).unlink()
    outcome = importer.store.accept([importer.part(data)])[0]
    assert outcome.status == "imported"
    assert Path(outcome.path).read_bytes() == data


@pytest.fixture
def orphan(importer: Importer) -> Path:
    """A stored file that no row knows."""
    path = importer.database.folder / place_of()
    path.parent.mkdir(parents=True)
    path.write_bytes(ct_slice())
    return path


def test_a_whole_orphan_is_taken_for_the_first(importer: Importer, orphan: Path) -> None:
    outcomes = importer.store.accept([importer.part(ct_slice(pixels=b"\1" * 512))])
    assert outcomes[0].status == "conflict"
    assert orphan.read_bytes() == ct_slice()
    assert importer.rows("SELECT Filename FROM Images") == [(place_of(),)]
    assert importer.store.accept([importer.part(ct_slice())])[0].status == "unchanged"


def test_a_damaged_orphan_makes_way(importer: Importer, orphan: Path) -> None:
    orphan.write_bytes(ct_slice()[:-7])
    assert importer.store.accept([importer.part(ct_slice())])[0].status == "imported"
    assert orphan.read_bytes() == ct_slice()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no execute bits")
def test_execute_bits_are_not_kept(importer: Importer, tmp_path: Path) -> None:
    program = tmp_path / "program.dcm"
    program.write_bytes(b"\x7fELF" + ct_slice()[4:])
    program.chmod(0o755)
    importer.run(program, copy=True)
    stored = importer.database.folder / place_of()
    assert not stored.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def test_arrivals_from_many_threads_are_all_there(importer: Importer) -> None:
    def deliver(series: int) -> None:
        for number in range(1, 11):
            importer.store.accept([importer.part(ct_slice(1, series, number)), importer.part(ct_slice(1, 9, number))])

    threads = [threading.Thread(target=deliver, args=(series,), name=f"deliver-{series}") for series in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert importer.database.reader.counts().instances == 50
    assert len(files_below(importer.database.folder / "dicom")) == 50
    assert importer.database.own.conflicts() == []


def test_a_full_disk_leaves_nothing_half_written(importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storing, "flush_files", full)
    with pytest.raises(StorageFault, match="The disk is full"):
        importer.store.accept([importer.part(ct_slice()), importer.part(ct_slice(number=2))])
    assert importer.database.reader.counts().instances == 0
    assert not list(importer.database.folder.rglob("*.part"))
    assert not (importer.database.folder / "dicom").exists()
    monkeypatch.undo()
    assert importer.store.accept([importer.part(ct_slice())])[0].status == "imported"


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    with opened_importer(tmp_path / "db") as opened:
        part = opened.part(ct_slice())
        opened.store.close()
        with pytest.raises(StorageFault):
            opened.store.new_part()
        with pytest.raises(StorageFault):
            opened.store.accept([part])
    assert not (tmp_path / "db" / INCOMING).exists()


def test_closing_removes_parts_that_nobody_completed(tmp_path: Path) -> None:
    with opened_importer(tmp_path / "db") as opened:
        opened.part(b"half")
        assert list((tmp_path / "db" / INCOMING).rglob("*.part"))
    assert not (tmp_path / "db" / INCOMING).exists()


class Killed(BaseException):
    """Stands for the end of the process at this point."""


def killed(*_: Any) -> None:
    raise Killed


def crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> None:
    """Leave a database as a program does that is killed where `name` is called."""
    with opened_importer(tmp_path / "db") as opened:
        store: Any = opened.store
        files = [opened.part(ct_slice(number=number)) for number in (1, 2, 3)]
        with monkeypatch.context() as patched:
            patched.setattr(where, name, killed)
            patched.setattr(store, "discard", lambda _: None)
            with pytest.raises(Killed):
                store.accept(files)
        # The system drops the lock of a dead process, and nobody removes its files.
        store._session.close = store._session._session_lock.release


def left_over(folder: Path) -> set[Path]:
    return files_below(folder / INCOMING) if (folder / INCOMING).exists() else set()


def test_files_that_were_renamed_but_not_indexed_are_indexed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(tmp_path, monkeypatch, storing.InstanceStore, "_index")
    assert len(files_below(tmp_path / "db" / "dicom")) == 3
    with opened_importer(tmp_path / "db") as opened:
        assert opened.database.reader.counts().instances == 3
        assert opened.store.tag_cache.wait(10)
        assert opened.cached(uids()["0008,0018"])["0010,0020"] == "P1"
    assert left_over(tmp_path / "db") == set()


def test_an_intent_is_carried_out_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed(tmp_path, monkeypatch, Path, "replace")
    assert not files_below(tmp_path / "db" / "dicom")
    with opened_importer(tmp_path / "db") as opened:
        assert opened.database.reader.counts().instances == 3
        assert {path.read_bytes() for path in (tmp_path / "db" / "dicom").rglob("*.dcm")} == {
            ct_slice(number=number) for number in (1, 2, 3)
        }
    assert left_over(tmp_path / "db") == set()


def test_parts_without_intent_are_removed_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed(tmp_path, monkeypatch, storing, "write_intent")
    assert len(list((tmp_path / "db").rglob("*.part"))) == 3
    with opened_importer(tmp_path / "db") as opened:
        assert opened.database.reader.counts().instances == 0
    assert left_over(tmp_path / "db") == set()


def test_an_intent_wins_over_a_damaged_file_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed(tmp_path, monkeypatch, Path, "replace")
    damaged = tmp_path / "db" / place_of()
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(ct_slice()[:-7])
    with opened_importer(tmp_path / "db") as opened:
        assert opened.database.reader.counts().instances == 3
    assert damaged.read_bytes() == ct_slice()


def test_an_intent_that_was_fully_carried_out_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed(tmp_path, monkeypatch, TagCacheFiller, "confirm")
    with opened_importer(tmp_path / "db", recover=False) as opened:
        before = opened.rows("SELECT * FROM Images")
        report = opened.store.recover()
        assert (report.indexed, report.removed_parts) == (0, 0)
        assert opened.rows("SELECT * FROM Images") == before
        assert opened.store.tag_cache.wait(10)
        assert opened.cached(uids()["0008,0018"])["0010,0020"] == "P1"
    assert left_over(tmp_path / "db") == set()


def test_an_intent_cannot_reach_out_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed(tmp_path, monkeypatch, Path, "replace")
    intent = next((tmp_path / "db").rglob("*.intent"))
    intent.write_text('[["00000001.part", "../../outside/x/y.dcm"], ["../../x", "dicom/a/b/c.dcm"]]')
    with opened_importer(tmp_path / "db") as opened:
        assert opened.database.reader.counts().instances == 0
    assert not (tmp_path / "outside").exists()


def test_a_living_session_is_left_alone(importer: Importer) -> None:
    part = importer.part(ct_slice())
    with opened_importer(importer.database.folder) as second:
        assert second.database.folder == importer.database.folder
        assert part.path.exists()
    assert importer.store.accept([part])[0].status == "imported"


def test_a_tag_cache_that_was_not_filled_is_filled_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, opened_importer(tmp_path / "db") as opened:
        patched.setattr(TagCacheFiller, "_wake", lambda _: None)
        opened.store.accept([opened.part(ct_slice()), opened.part(ct_slice(number=2))])
        opened.store.accept([opened.part(ct_slice(pixels=b"\1" * 512))])
        assert opened.cached(uids()["0008,0018"]) == {}
    assert [path.suffix for path in left_over(tmp_path / "db")] == [".tags"]
    with opened_importer(tmp_path / "db") as opened:
        assert opened.store.tag_cache.wait(10)
        for number in (1, 2):
            assert opened.cached(uids(number=number)["0008,0018"])["0010,0010"] == "Patient^P1"
    assert left_over(tmp_path / "db") == set()


def test_a_tag_cache_that_cannot_be_filled_now_is_filled_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        message = "The database is in use."
        raise DatabaseFault(message)

    with monkeypatch.context() as patched, opened_importer(tmp_path / "db") as opened:
        patched.setattr(opened.database.writer, "add_cached_tags", busy)
        opened.store.accept([opened.part(ct_slice())])
        assert opened.store.tag_cache.wait(10)
    with opened_importer(tmp_path / "db") as opened:
        assert opened.store.tag_cache.wait(10)
        assert opened.cached(uids()["0008,0018"])["0010,0010"] == "Patient^P1"


def test_values_of_instances_that_were_removed_meanwhile_are_not_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, opened_importer(tmp_path / "db") as opened:
        patched.setattr(TagCacheFiller, "_wake", lambda _: None)
        opened.store.accept([opened.part(ct_slice())])
        opened.database.writer.remove_series(uids()["0020,000E"])
    with opened_importer(tmp_path / "db") as opened:
        assert opened.store.tag_cache.wait(10)
        assert opened.cached(uids()["0008,0018"]) == {}


def test_values_of_instances_that_are_removed_while_they_wait_are_not_filled_in(importer: Importer) -> None:
    with importer.store.tag_cache.held():
        importer.store.accept([importer.part(ct_slice()), importer.part(ct_slice(series=2))])
        importer.database.writer.remove_series(uids()["0020,000E"])
    assert importer.store.tag_cache.wait(10)
    assert importer.cached(uids()["0008,0018"]) == {}
    assert importer.cached(uids(series=2)["0008,0018"])["0010,0010"] == "Patient^P1"
