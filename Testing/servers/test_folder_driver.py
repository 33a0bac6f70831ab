"""A folder as a server: looked through on a search, imported, cleaned, fetched from and sent to."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.folder_session import FolderSession
from VisualDICOMBrowserLib.errors import (
    JobCancelled,
    NetworkError,
    PeerError,
    PeerTimeoutError,
    StorageFault,
    UsageError,
)
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    Level,
    NullControl,
    Query,
    RetrieveRequest,
    SentInstance,
    WorklistQuery,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import driver_for
from VisualDICOMBrowserLib.servers.folders.driver import FolderDriver
from VisualDICOMBrowserLib.servers.folders.lock import LOCK_NAME
from VisualDICOMBrowserLib.servers.folders.walk import reach
from VisualDICOMBrowserLib.settings import Settings

CONTROL = NullControl()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[FolderSession]:
    """An empty database."""
    opened = FolderSession(tmp_path / "database")
    yield opened
    opened.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """The folder."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def series(inbox: Path) -> CtSeries:
    """Six slices, two folders deep in it."""
    return make_ct_series(inbox / "day" / "ct", 6)


def counts(session: FolderSession) -> tuple[int, int]:
    found = session.database.reader.counts()
    return found.series, found.instances


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_search_imports_what_is_there_and_answers_it(session: FolderSession, inbox: Path, series: CtSeries) -> None:
    found: list[AnyRecord] = []
    driver = session.driver(inbox)
    answer = driver.find(Query(level=Level.STUDY), CONTROL, found.extend)
    assert [record.StudyInstanceUID for record in answer.records] == [series.StudyInstanceUID]
    assert answer.warnings == ("6 files imported.",)
    assert found == list(answer.records)
    (study,) = answer.records
    assert (study.server, study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == ("Inbox", 1, 6)
    assert files_below(inbox) == sorted(path.name for path in series.files.values())

    # The second search reads nothing again and has nothing to tell.
    session.imports.clear()
    assert driver.find(Query(level=Level.STUDY), CONTROL).warnings == ()
    assert session.imports == []


def test_every_level_is_answered_with_what_came_from_the_folder(
    session: FolderSession, inbox: Path, series: CtSeries, tmp_path: Path
) -> None:
    other = make_ct_series(tmp_path / "elsewhere", 2, number=3, patient=("X-1", "Other^One"))
    same_study = make_ct_series(tmp_path / "more", 2, number=4, study=series.StudyInstanceUID)
    session.indexer.import_paths([other.folder, same_study.folder], copy=True, control=CONTROL)
    driver = session.driver(inbox)
    (patient,) = driver.find(Query(level=Level.PATIENT), CONTROL).records
    assert (patient.PatientID, patient.key, patient.server) == ("CT-1", None, "Inbox")
    (found,) = driver.find(Query(level=Level.SERIES, StudyInstanceUID=series.StudyInstanceUID), CONTROL).records
    assert (found.SeriesInstanceUID, found.NumberOfSeriesRelatedInstances) == (series.SeriesInstanceUID, 6)
    images = driver.find(Query(level=Level.IMAGE, SeriesInstanceUID=series.SeriesInstanceUID, limit=4), CONTROL)
    assert [record.SOPInstanceUID for record in images.records] == list(series.files)[:4]
    assert images.limit_reached
    assert {(record.path, record.server) for record in images.records} == {("", "Inbox")}
    assert driver.find(Query(PatientName="other"), CONTROL).records == ()
    # The settings' own dates hold as for any server.
    assert len(session.driver(inbox, date_from="20240101").find(Query(), CONTROL).records) == 1
    assert session.driver(inbox, date_from="20240601").find(Query(), CONTROL).records == ()


def test_linked_copied_and_moved_files(session: FolderSession, tmp_path: Path) -> None:
    for number, mode in enumerate(("link", "copy", "move"), 1):
        folder = tmp_path / mode
        made = make_ct_series(folder / "a" / "b", 3, number=number)
        answer = session.driver(folder, mode).find(Query(level=Level.STUDY), CONTROL)
        assert len(answer.records) == 1, mode
        paths = [Path(record.path) for record in session.database.reader.instances_of_series(made.SeriesInstanceUID)]
        assert all(path.is_file() for path in paths)
        assert all((folder in path.parents) is (mode == "link") for path in paths)
        if mode == "move":
            assert answer.warnings == ("3 files imported, 3 removed from the folder.",)
            assert list(folder.iterdir()) == []
            # Still this folder's answer, although nothing lies there any more.
            assert len(session.driver(folder, mode).find(Query(level=Level.STUDY), CONTROL).records) == 1
        else:
            assert len(files_below(folder)) == 3


def test_only_what_is_safe_is_removed(session: FolderSession, inbox: Path, series: CtSeries) -> None:
    """Case 25 and 45: rejected files, conflicts and foreign files stay where they are."""
    first = next(iter(series.files.values()))
    content = bytearray(first.read_bytes())
    session.indexer.import_paths([first], copy=True, control=CONTROL)
    content[-1] ^= 1
    first.write_bytes(content)
    (inbox / "notes.txt").write_text("not DICOM")
    cut = inbox / "cut.dcm"
    cut.write_bytes(make_ct_series(inbox.parent / "spare", 1, number=9).folder.iterdir().__next__().read_bytes()[:-10])
    driver = session.driver(inbox, "move")
    look = driver.look(CONTROL)
    assert (look.imported, look.cleaned, len(look.conflicts)) == (5, 5, 1)
    assert look.as_dict()["conflicts"][0]["path"] == str(first)
    assert sorted(Path(reason.path).name for reason in look.rejected) == ["cut.dcm", "notes.txt"]
    assert files_below(inbox) == sorted([first.name, "cut.dcm", "notes.txt"])
    assert any("not a DICOM file" in reason.reason for reason in look.rejected)
    assert any(text.startswith("2 files not imported, such as ") for text in look.warnings)
    # What is known to be of no use is not read again, until it changes.
    session.imports.clear()
    assert driver.look(CONTROL).warnings == ()
    assert session.imports == []


def test_a_linked_file_is_never_removed(session: FolderSession, inbox: Path, series: CtSeries) -> None:
    session.driver(inbox, "link").look(CONTROL)
    look = session.driver(inbox, "move").look(CONTROL)
    assert (look.unchanged, look.cleaned, len(look.kept)) == (6, 0, 6)
    assert "has no copy of its own" in look.warnings[1]
    assert len(files_below(inbox)) == 6


def test_files_still_being_written_wait(session: FolderSession, inbox: Path) -> None:
    """Case 45: a file that grows while it is looked at."""
    session.settings["folder/quiet_s"] = 3600
    made = make_ct_series(inbox, 2)
    driver = session.driver(inbox, "move")
    answer = driver.find(Query(level=Level.STUDY), CONTROL)
    assert answer.records == ()
    assert answer.warnings == ("2 files left alone: still being written.",)
    assert len(files_below(inbox)) == 2

    # Copying programs set times back, but not the one that the file system keeps.
    for path in made.files.values():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert driver.look(CONTROL).left_alone == 2
    session.settings["folder/quiet_s"] = 0
    assert driver.look(CONTROL).cleaned == 2


def test_times_in_the_future_do_not_hold_files_up(session: FolderSession, inbox: Path) -> None:
    for path in make_ct_series(inbox, 2).files.values():
        os.utime(path, (4_000_000_000, 4_000_000_000))
    session.settings["folder/quiet_s"] = 0.05
    driver = session.driver(inbox)
    assert driver.look(CONTROL).left_alone == 2
    for _ in range(200):
        look = driver.look(CONTROL)
        if look.imported:
            break
        threading.Event().wait(0.01)
    assert look.imported == 2


def test_half_copied_names_and_our_own_files_are_not_looked_at(session: FolderSession, inbox: Path) -> None:
    made = make_ct_series(inbox, 1)
    (path,) = made.files.values()
    path.rename(inbox / "scan.dcm.part")
    shutil.copy(inbox / "scan.dcm.part", inbox / ".visual-dicom-browser.left")
    shutil.copy(inbox / "scan.dcm.part", inbox / "archive.zip")
    look = session.driver(inbox).look(CONTROL)
    assert look.warnings == ()
    assert session.imports == []


def test_subfolders_only_if_so_set(session: FolderSession, inbox: Path, series: CtSeries) -> None:
    make_ct_series(inbox, 1, number=5)
    assert session.driver(inbox, folder_recursive=False).look(CONTROL).imported == 1
    assert session.driver(inbox).look(CONTROL).imported == 6


@pytest.mark.skipif(os.name == "nt", reason="links and names are POSIX's")
def test_loops_and_odd_names_do_no_harm(session: FolderSession, inbox: Path, series: CtSeries) -> None:
    """Case 45: symlink loop, dangling link, FIFO, a name that is no text."""
    (inbox / "loop").symlink_to(inbox, target_is_directory=True)
    (inbox / "dangling").symlink_to(inbox / "nothing")
    os.mkfifo(inbox / "pipe")
    next(iter(series.files.values())).rename(os.fsdecode(os.fsencode(inbox) + b"/caf\xe9.dcm"))
    look = session.driver(inbox, "move").look(CONTROL)
    assert (look.imported, look.cleaned) == (6, 6)
    assert sorted(path.name for path in inbox.iterdir()) == ["dangling", "loop", "pipe"]


def test_a_retrieve_brings_back_what_the_database_lost(
    session: FolderSession, inbox: Path, series: CtSeries, sink: FileSink
) -> None:
    driver = session.driver(inbox)
    request = RetrieveRequest(StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=series.SeriesInstanceUID)
    result = driver.retrieve(request, sink, CONTROL)
    assert (result.received, result.failed_count) == (6, 0)
    assert result.bytes == sum(path.stat().st_size for path in series.files.values())
    assert {item.status for item in sink.stored_elsewhere} == {"imported"}

    session.database.writer.remove_series(series.SeriesInstanceUID)
    assert counts(session) == (0, 0)
    # A search leaves removed what the user removed ...
    assert driver.find(Query(level=Level.STUDY), CONTROL).records == ()
    # ... and a retrieve fetches it again.
    sink.stored_elsewhere.clear()
    some = tuple(series.files)[:2]
    partly = RetrieveRequest(StudyInstanceUID=series.StudyInstanceUID, SOPInstanceUIDs=(*some, "1.2.3"))
    result = driver.retrieve(partly, sink, CONTROL)
    assert (result.received, [item.SOPInstanceUID for item in result.failed]) == (2, ["1.2.3"])
    assert sorted(item.SOPInstanceUID for item in sink.stored_elsewhere) == sorted(some)
    assert counts(session) == (1, 2)
    with pytest.raises(PeerError, match="no such study") as fault:
        driver.retrieve(RetrieveRequest(StudyInstanceUID="1.2.3"), sink, CONTROL)
    assert fault.value.code == "not_found"


def test_sending_puts_whole_files_under_safe_names(
    session: FolderSession, inbox: Path, series: CtSeries, tmp_path: Path
) -> None:
    session.driver(inbox, "move").look(CONTROL)
    target = tmp_path / "target"
    target.mkdir()
    sent: list[SentInstance] = []
    instances = session.database.reader.instances_of_series(series.SeriesInstanceUID)
    gone = InstanceRecord(SOPInstanceUID="1.2.9", path=str(tmp_path / "gone.dcm"))
    driver = session.driver(target, "move")
    driver.store([*instances, gone], CONTROL, sent.append)
    assert [item.status for item in sent] == ["sent"] * 6 + ["failed"]
    assert "No such file" in sent[-1].reason
    names = [path.relative_to(target).as_posix() for path in sorted(target.rglob("*.dcm"))]
    assert len(names) == 6
    assert all(len(name) < 64 and series.SeriesInstanceUID not in name for name in names)
    assert names[0].split("/")[2].startswith("00001-")

    # Sent again nothing changes; and what we put there is not taken for news and cleaned away.
    sent.clear()
    driver.store(instances, CONTROL, sent.append)
    assert {(item.status, item.reason) for item in sent} == {("sent", "It was there already.")}
    assert driver.look(CONTROL).warnings == ()
    assert len(files_below(target)) == 6
    assert len(driver.find(Query(level=Level.STUDY), CONTROL).records) == 1


def test_a_name_that_is_taken_is_not_overwritten(
    session: FolderSession, inbox: Path, series: CtSeries, tmp_path: Path
) -> None:
    session.driver(inbox).look(CONTROL)
    instance = session.database.reader.instances_of_series(series.SeriesInstanceUID)[0]
    target = tmp_path / "flat"
    target.mkdir()
    driver = session.driver(target, folder_recursive=False)
    sent: list[SentInstance] = []
    driver.store([instance], CONTROL, sent.append)
    (path,) = target.iterdir()
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    driver.store([instance], CONTROL, sent.append)
    assert [item.status for item in sent] == ["sent", "failed"]
    assert path.read_bytes() == changed


@pytest.mark.skipif(sys.platform == "win32", reason="file-size limits are POSIX's")
def test_a_disk_that_is_full_leaves_no_half_file(
    session: FolderSession, inbox: Path, series: CtSeries, tmp_path: Path
) -> None:
    """Case 46: a full disk while sending, by a file-size limit that the second, larger file meets."""
    import resource

    large = make_ct_series(tmp_path / "large", 1, size=128, number=2)
    session.indexer.import_paths([series.folder, large.folder], copy=True, control=CONTROL)
    small = session.database.reader.instances_of_series(series.SeriesInstanceUID)[0]
    too_large = session.database.reader.instances_of_series(large.SeriesInstanceUID)[0]
    target = tmp_path / "target"
    target.mkdir()
    sent: list[SentInstance] = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
    try:
        # Without a database, which would meet the limit as well.
        alone = FolderDriver(ServerConfig(name="Inbox", protocol="folder", folder=str(target)), session.settings)
        with pytest.raises(StorageFault, match=r"Inbox: the folder .*target cannot be written: File too large"):
            alone.store([small, too_large, small], CONTROL, sent.append)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [(item.SOPInstanceUID, item.status) for item in sent] == [(small.SOPInstanceUID, "sent")]
    assert len(files_below(target)) == 1
    assert files_below(target)[0].endswith(".dcm")


def test_the_databases_own_folder_is_refused(session: FolderSession, inbox: Path, series: CtSeries) -> None:
    session.driver(inbox).look(CONTROL)
    for folder in (session.database.folder, session.database.folder / "dicom"):
        with pytest.raises(UsageError, match="lies in the folder of the database itself"):
            session.driver(folder, "move").look(CONTROL)
    # A folder around the database is looked through without it.
    assert session.driver(inbox.parent, "move").look(CONTROL).cleaned == 6
    assert counts(session) == (1, 6)
    assert all(Path(record.path).exists() for record in session.database.reader.instances(Query(level=Level.IMAGE)))


def test_cancel_keeps_what_was_done(session: FolderSession, inbox: Path) -> None:
    make_ct_series(inbox, 3)
    control = ControlOfTest()
    control.cancel()
    with pytest.raises(JobCancelled):
        session.driver(inbox, "move").look(control)
    assert len(files_below(inbox)) == 3
    assert LOCK_NAME not in files_below(inbox)


def test_a_folder_that_is_not_there(session: FolderSession, tmp_path: Path) -> None:
    driver = session.driver(tmp_path / "unplugged")
    for ask in (lambda: driver.echo(CONTROL), lambda: driver.find(Query(), CONTROL)):
        with pytest.raises(
            NetworkError, match=r"Inbox: the folder .*unplugged is not there.*Connect its drive"
        ) as fault:
            ask()
        assert fault.value.code == "unreachable"
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        session.driver(file).echo(CONTROL)
    assert session.driver(tmp_path).echo(CONTROL) < 5


def test_a_drive_that_hangs(tmp_path: Path) -> None:
    """A dead network drive blocks whoever touches it; the user hears of it in the time-out."""
    released = threading.Event()
    config = ServerConfig(name="Inbox", protocol="folder", folder=str(tmp_path), timeout_s=1)
    with pytest.raises(PeerTimeoutError, match=r"did not answer in 1 s\. Is the network drive connected"):
        reach(config, lambda folder: released.wait(30))
    released.set()


def test_what_a_folder_does_not_offer(tmp_path: Path) -> None:
    config = ServerConfig(name="Inbox", protocol="folder", folder=str(tmp_path))
    driver = driver_for(config, Settings())
    assert isinstance(driver, FolderDriver)
    with pytest.raises(UsageError) as fault:
        driver.worklist(WorklistQuery(), CONTROL)
    assert fault.value.code == "not_offered"
    with pytest.raises(UsageError, match="there is none here"):
        driver.find(Query(), CONTROL)
    assert driver.picture("1", "2", "3", CONTROL) is None
    driver.close()


def test_progress_counts_on_over_parts(session: FolderSession, inbox: Path) -> None:
    make_ct_series(inbox, 300)
    control = ControlOfTest()
    assert session.driver(inbox, "link").look(control).imported == 300
    assert control.last_progress[:2] == (300, 300)
    assert len(session.imports) == 2
