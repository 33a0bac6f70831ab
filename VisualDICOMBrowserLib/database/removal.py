"""Removing patients, studies and series, with what the database owns of them.

Order, so that a crash at any point leaves neither orphaned files nor rows without file for good: what belongs
to a series is noted in our own file; its rows go, in short transactions; then files, thumbnails, folders that
are empty and cached tags; then the note. `finish_pending` ends what a crash interrupted, and leaves alone what
was filed anew in the meantime. Linked files are never deleted: only files below ``dicom`` that are stored by
relative path. Rows that CTK made for instances of servers go with their series, as CTK removes them. Any thread.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.connection import WriteConnection
from VisualDICOMBrowserLib.database.emptied import EmptyRow, empty_rows, settle_patient, settle_upwards
from VisualDICOMBrowserLib.database.filing import existing_instances
from VisualDICOMBrowserLib.database.own_store import OwnStore, PendingRemoval
from VisualDICOMBrowserLib.database.pacing import Pace
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.tag_cache import TagCache
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["RemovalReport", "Remover"]

logger = logging.getLogger(__name__)

_Noted = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What was removed: numbers of rows and files, the series, and files that could not be deleted."""

    patients: int = 0
    studies: int = 0
    instances: int = 0
    deleted_files: int = 0
    series_uids: tuple[str, ...] = ()
    kept_files: tuple[str, ...] = ()

    def __add__(self, other: RemovalReport) -> RemovalReport:
        return RemovalReport(
            self.patients + other.patients,
            self.studies + other.studies,
            self.instances + other.instances,
            self.deleted_files + other.deleted_files,
            self.series_uids + other.series_uids,
            self.kept_files + other.kept_files,
        )

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for the wire."""
        return {**asdict(self), "series_uids": list(self.series_uids), "kept_files": list(self.kept_files)}


class Remover:
    """Removes from one opened database."""

    def __init__(self, file: WriteConnection, paths: DatabasePaths, own: OwnStore, tag_cache: TagCache) -> None:
        self._file = file
        self._paths = paths
        self._own = own
        self._tag_cache = tag_cache
        self._pace = Pace(first=100, smallest=10, largest=2000)
        self._file_pace = Pace(first=10, smallest=1, largest=1000)

    def remove_patient(self, key: int) -> RemovalReport:
        """See `DatabaseWriter.remove_patient`."""
        identity = self._row("SELECT PatientID, PatientsName FROM Patients WHERE UID = ?", key)
        if identity is None:
            raise _unknown_patient(key)
        report = RemovalReport()
        sql = "SELECT StudyInstanceUID FROM Studies WHERE PatientsUID = ? AND StudyInstanceUID <> ''"
        for uid in self._column(sql, key):
            report += self._remove_study(uid)
        with self._settling() as connection:
            report += RemovalReport(patients=int(settle_patient(connection, key)))
        self._own.forget(patient=(identity[0] or "", identity[1] or ""))
        return report

    def remove_study(self, uid: str) -> RemovalReport:
        """See `DatabaseWriter.remove_study`."""
        if self._row("SELECT 1 FROM Studies WHERE StudyInstanceUID = ?", uid) is None:
            raise _unknown_study(uid)
        return self._remove_study(uid)

    def remove_series(self, uid: str) -> RemovalReport:
        """See `DatabaseWriter.remove_series`."""
        study = self._row("SELECT StudyInstanceUID FROM Series WHERE SeriesInstanceUID = ?", uid)
        if study is None:
            raise _unknown_series(uid)
        return self._remove_series(uid, study[0])

    def remove_missing(self, missing: Mapping[str, Sequence[_Noted]]) -> RemovalReport:
        """See `DatabaseWriter.remove_missing`."""
        report = RemovalReport()
        for series, noted in missing.items():
            study = self._row("SELECT StudyInstanceUID FROM Series WHERE SeriesInstanceUID = ?", series)
            report += self._carry_out(self._own.begin_removal(series, study[0] if study else "", noted))
        return report

    def remove_empty_rows(self) -> RemovalReport:
        """See `DatabaseWriter.remove_empty_rows`."""
        reports: list[RemovalReport] = []
        with self._file.reading() as connection:
            found = empty_rows(connection)

        def settle(connection: sqlite3.Connection, part: Sequence[EmptyRow]) -> None:
            for row in part:
                if row.patient is None:
                    reports.append(_settled(connection, row.series, row.study))
                else:
                    reports.append(RemovalReport(patients=int(settle_patient(connection, row.patient))))
            self._file.outdate()

        self._file.in_portions(found, self._pace, settle)
        for row in found:
            self._forget(row.series, row.study)
        if found:
            self._forget_absent_patients()
        return sum(reports, RemovalReport())

    def finish_pending(self) -> RemovalReport:
        """See `DatabaseWriter.finish_removals`."""
        report = RemovalReport()
        pending = self._own.pending_removals()
        for removal in pending:
            report += self._carry_out(removal)
        if pending:
            self._forget_absent_patients()
        return report

    def _remove_study(self, uid: str) -> RemovalReport:
        report = RemovalReport()
        for series in self._column("SELECT SeriesInstanceUID FROM Series WHERE StudyInstanceUID = ?", uid):
            report += self._remove_series(series, uid)
        with self._settling() as connection:
            report += _settled(connection, "", uid)
        return report

    def _remove_series(self, uid: str, study_uid: str) -> RemovalReport:
        with self._file.reading() as connection:
            noted = connection.execute(
                "SELECT SOPInstanceUID, COALESCE(Filename, ''), InsertTimestamp FROM Images"
                " WHERE SeriesInstanceUID = ?",
                (uid,),
            ).fetchall()
        return self._carry_out(self._own.begin_removal(uid, study_uid, noted))

    def _carry_out(self, removal: PendingRemoval) -> RemovalReport:
        self._file.in_portions(removal.instances, self._pace, self._delete_rows)
        patient = self._row(
            "SELECT UID, PatientID, PatientsName FROM Patients JOIN Studies ON PatientsUID = UID"
            " WHERE StudyInstanceUID = ?",
            removal.StudyInstanceUID,
        )
        with self._settling() as connection:
            report = _settled(connection, removal.SeriesInstanceUID, removal.StudyInstanceUID)
        with self._file.reading() as connection:
            present = existing_instances(connection, [sop for sop, _, _ in removal.instances])
        gone = [(sop, stored) for sop, stored, _ in removal.instances if sop not in present]
        deleted, failed = self._delete_files(removal, gone)
        self._tag_cache.remove([sop for sop, _ in gone])
        self._forget(removal.SeriesInstanceUID, removal.StudyInstanceUID)
        if patient is not None and report.patients:
            self._own.forget(patient=(patient[1] or "", patient[2] or ""))
        if not failed:
            self._own.end_removal(removal)
        return report + RemovalReport(instances=len(gone), deleted_files=deleted, kept_files=tuple(failed))

    def _forget(self, series_uid: str, study_uid: str) -> None:
        """Forget what is known of a series and a study, unless they have a row."""
        uids = []
        if self._row("SELECT 1 FROM Series WHERE SeriesInstanceUID = ?", series_uid) is None:
            uids.append(series_uid)
        if self._row("SELECT 1 FROM Studies WHERE StudyInstanceUID = ?", study_uid) is None:
            uids.append(study_uid)
        self._own.forget(uids=uids)

    def _forget_absent_patients(self) -> None:
        """Forget birth dates of patients that have no row any more."""
        for identity in self._own.other_birth_dates():
            with self._file.reading() as connection:
                sql = "SELECT 1 FROM Patients WHERE PatientID = ? AND PatientsName = ?"
                row = connection.execute(sql, identity).fetchone()
            if row is None:
                self._own.forget(patient=identity)

    def _delete_rows(self, connection: sqlite3.Connection, part: Sequence[_Noted]) -> None:
        """Delete the very rows that were noted; an instance that was filed anew since then stays."""
        connection.executemany(
            "DELETE FROM Images WHERE SOPInstanceUID = ? AND COALESCE(Filename, '') = ? AND InsertTimestamp = ?",
            part,
        )
        self._file.outdate()

    def _delete_files(self, removal: PendingRemoval, gone: Sequence[tuple[str, str]]) -> tuple[int, list[str]]:
        """Delete own files and thumbnails; the number of files, and those that could not be deleted."""
        deleted: list[Path] = []
        failed: list[str] = []
        owned = [(path, stored) for _, stored in gone if (path := self._paths.owned_file(stored)) is not None]
        thumbnails = [
            self._paths.thumbnail(removal.StudyInstanceUID, removal.SeriesInstanceUID, sop) for sop, _ in gone
        ]

        def delete(connection: sqlite3.Connection, part: Sequence[tuple[Path, str]]) -> None:
            # No program can file a file while the file is looked up and deleted: it needs the same lock.
            for path, stored in part:
                named = connection.execute("SELECT 1 FROM Images WHERE Filename = ?", (stored,)).fetchone()
                if named is None and _deleted(path, failed):
                    deleted.append(path)

        self._file.in_portions(owned, self._file_pace, delete)
        for thumbnail in thumbnails:
            _deleted(thumbnail, failed)
        self._remove_empty({path.parent for path in thumbnails} | {path.parent for path, _ in owned})
        return len(deleted), failed

    @contextmanager
    def _settling(self) -> Iterator[sqlite3.Connection]:
        """A transaction that changes rows others hold in memory."""
        with self._file.transaction() as connection:
            yield connection
            self._file.outdate()

    def _remove_empty(self, folders: Iterable[Path]) -> None:
        """Remove folders that are empty, and those above that become so, below the database folder."""
        for folder in folders:
            while folder.parent != self._paths.folder and self._paths.folder in folder.parents:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                folder = folder.parent

    def _row(self, sql: str, key: str | int) -> tuple[Any, ...] | None:
        with self._file.reading() as connection:
            row: tuple[Any, ...] | None = connection.execute(sql, (key,)).fetchone()
        return row

    def _column(self, sql: str, key: str | int) -> list[str]:
        with self._file.reading() as connection:
            return [row[0] for row in connection.execute(sql, (key,)).fetchall()]


def _deleted(path: Path, failed: list[str]) -> bool:
    """Delete a file; False if it was not there, or could not be deleted, which goes into `failed`."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("A file of a removed instance could not be deleted: %s", error)
        failed.append(str(path))
        return False
    return True


def _settled(connection: sqlite3.Connection, series_uid: str, study_uid: str) -> RemovalReport:
    series, study, patient = settle_upwards(connection, series_uid, study_uid)
    return RemovalReport(int(patient), int(study), series_uids=(series_uid,) if series else ())


def _unknown_patient(key: int) -> UsageError:
    return UsageError(f"There is no patient {key} in the local database.", subject=str(key))


def _unknown_study(uid: str) -> UsageError:
    return UsageError(f"There is no study {uid} in the local database.", subject=uid)


def _unknown_series(uid: str) -> UsageError:
    return UsageError(f"There is no series {uid} in the local database.", subject=uid)
