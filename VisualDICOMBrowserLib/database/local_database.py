"""One opened database folder.

Opening decides what may be done with it: a folder without database gets one; an older schema is brought up to
date after a copy was made (`migration`); a newer one, or one that may not be written, is opened for reading; a
damaged one is reported and left as it is. Does not live here: what is written (`writer`) or read (`reader`).
`open` and `close` belong to one thread, everything else to any.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from VisualDICOMBrowserLib.database.columns import ColumnDisplay
from VisualDICOMBrowserLib.database.connection import (
    ReadConnections,
    WriteConnection,
    connect,
    read_only_error,
)
from VisualDICOMBrowserLib.database.displayed_fields import RULES, RuleRegistry
from VisualDICOMBrowserLib.database.faults import database_faults
from VisualDICOMBrowserLib.database.integrity import check_file, check_tables, damaged, full_check
from VisualDICOMBrowserLib.database.migration import check_migratable, migrate
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.paths import (
    DATABASE_FILE,
    DICOM_FOLDER,
    OWN_FILE,
    TAG_CACHE_FILE,
    DatabasePaths,
)
from VisualDICOMBrowserLib.database.query_sql import FOLD_FUNCTION, folded_column
from VisualDICOMBrowserLib.database.reader import DatabaseReader
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.database.schema import (
    SCHEMA_VERSION,
    create_schema,
    parsed_version,
    stored_version,
    table_names,
)
from VisualDICOMBrowserLib.database.tag_cache import BASE_TAGS, TagCache, TagRow, rows_of_file
from VisualDICOMBrowserLib.database.tag_kinds import has_no_text
from VisualDICOMBrowserLib.database.writer import DatabaseWriter
from VisualDICOMBrowserLib.errors import DatabaseFault, StorageFault

__all__ = ["LocalDatabase"]

_Closable = TypeVar("_Closable", ReadConnections, TagCache, OwnStore, DatabaseReader)

logger = logging.getLogger(__name__)


class LocalDatabase:
    """An opened database folder; made by `open`.

    Attributes
    ----------
    folder : Path
        Absolute folder.
    read_only : bool
        True where nothing may be written: asked for, a newer schema, or a folder without permission.
    reader, own : DatabaseReader, OwnStore
    columns : ColumnDisplay
        Names, order, visibility and format of columns.
    paths : DatabasePaths
    connections, tag_cache : ReadConnections, TagCache
        For the modules of this package.
    notices : tuple of str
        What the opening met that a person should know, each one sentence.
    """

    def __init__(self, folder: Path, *, writable: bool, create: bool, registry: RuleRegistry) -> None:
        self.paths = DatabasePaths(folder)
        self.folder = self.paths.folder
        self.notices: tuple[str, ...] = ()
        self._path = self.folder / DATABASE_FILE
        self._asked_to_write = writable
        self._added_tags: frozenset[str] = frozenset()
        self._file: WriteConnection | None = None
        self._closers: list[ReadConnections | TagCache | OwnStore | DatabaseReader] = []
        self._writer: DatabaseWriter | None = None
        try:
            file = self._open_main(writable=writable, create=create)
            self.read_only = file is None
            self._open_parts(file, registry)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(
        cls, folder: Path, *, read_only: bool = False, create: bool = True, registry: RuleRegistry = RULES
    ) -> LocalDatabase:
        """Open the database in `folder`.

        Parameters
        ----------
        folder : Path
        read_only : bool
            Open for reading even where writing would be possible.
        create : bool
            Make folder and database where there are none.
        registry : RuleRegistry
            Displayed-field rules.

        Raises
        ------
        DatabaseFault
            There is no database and none may be made, it is damaged, or too old to be carried over.
        StorageFault
            The folder or its disk cannot be used.
        """
        return cls(folder, writable=not read_only, create=create and not read_only, registry=registry)

    @property
    def writer(self) -> DatabaseWriter:
        """What writes to the tables.

        Raises
        ------
        DatabaseReadOnlyError
            The database is open for reading only.
        """
        if self._writer is None:
            raise read_only_error(self._path)
        return self._writer

    @property
    def tags_to_precache(self) -> frozenset[str]:
        """Tags (``"GGGG,EEEE"``) that are read from every file at indexing: CTK's, the rules', and added ones."""
        return BASE_TAGS | self._rule_tags | {tag for tag in self._added_tags if not has_no_text(tag)}

    def add_tags(self, tags: Iterable[str]) -> None:
        """Read these tags too from files that are indexed from now on; not kept beyond this object.

        Pixel data and sequences are passed over: a scan has no text for them and could not tell whether they
        are there.
        """
        self._added_tags |= {tag.upper() for tag in tags}

    def cached_tag_rows(self, file: ScannedFile) -> list[TagRow]:
        """Rows for `DatabaseWriter.add_cached_tags` from a file that was scanned for `tags_to_precache`."""
        return rows_of_file(file, self.tags_to_precache)

    def check(self) -> None:
        """Go over the whole file with SQLite's own check; about a second per 100 MB.

        Raises
        ------
        DatabaseFault
            It is damaged.
        """
        with database_faults(self._path):
            connection = connect(self._path, writable=False)
        try:
            full_check(connection, self._path)
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection of every thread. May be called again."""
        # In the order of opening: what reads stops before what it reads from could be opened again.
        for part in self._closers:
            part.close()
        self._closers.clear()
        # The last one, because only the last connection of all can change the journal of the file.
        if self._file is not None:
            self._file.close()

    def _open_main(self, *, writable: bool, create: bool) -> WriteConnection | None:
        """Writing connection to a file that has the present schema, None if it is for reading only."""
        self._prepare_folder(create=create)
        is_new = not self._path.exists()
        if is_new and not create:
            raise self._missing()
        writable = writable and self._may_write(is_new=is_new)
        if is_new and not writable:
            raise self._missing()
        if not is_new and not self._look_at(writable=writable):
            return None
        self._file = file = WriteConnection(self._path)
        with file.transaction() as connection:
            if not table_names(connection):
                create_schema(connection)
        self._bring_up_to_date(file)
        return file

    def _prepare_folder(self, *, create: bool) -> None:
        if self.folder.is_dir() or not create:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"The folder {self.folder} cannot be made ({error.strerror or error})."
            raise StorageFault(message, subject=str(self.folder), next_step="Choose another folder.") from error

    def _may_write(self, *, is_new: bool) -> bool:
        if os.access(self.folder, os.W_OK) and (is_new or os.access(self._path, os.W_OK)):
            return True
        self._notice(f"The folder {self.folder} may not be written; the database is open for reading only.")
        return False

    def _has_content(self) -> bool:
        dicom = self.folder / DICOM_FOLDER
        return dicom.is_dir() and any(dicom.iterdir())

    def _look_at(self, *, writable: bool) -> bool:
        """Examine an existing file without touching it; whether it is to be opened for writing."""
        check_file(self._path)
        if not self._path.stat().st_size:
            return self._may_fill(writable=writable)
        with database_faults(self._path), closing(connect(self._path, writable=False)) as connection:
            if not table_names(connection):
                return self._may_fill(writable=writable)
            version = stored_version(connection)
            if parsed_version(version) < parsed_version(SCHEMA_VERSION):
                check_migratable(connection, self._path)
                if not writable:
                    raise self._older(version)
                return True
            check_tables(connection, self._path)
        if version == SCHEMA_VERSION:
            return writable
        self._notice(
            f"A newer program made the database {self._path} (schema {version}, known is {SCHEMA_VERSION}); "
            "it is open for reading only."
        )
        return False

    def _may_fill(self, *, writable: bool) -> bool:
        """True for a file without tables in a folder without images, which is as good as none."""
        if self._has_content():
            raise damaged(self._path, "it is empty although the folder holds images")
        if not writable:
            raise self._missing()
        return True

    def _missing(self) -> DatabaseFault:
        message = f"There is no DICOM database in {self.folder}."
        next_step = "Choose another folder."
        return DatabaseFault(message, code="database_missing", subject=str(self.folder), next_step=next_step)

    def _older(self, version: str) -> DatabaseFault:
        message = f"The database {self._path} has the older schema {version or 'without number'}."
        next_step = "Open it once with permission to write, so that it is brought up to date."
        return DatabaseFault(message, code="database_older", subject=str(self._path), next_step=next_step)

    def _bring_up_to_date(self, file: WriteConnection) -> None:
        with file.reading() as connection:
            version = stored_version(connection)
            if version == SCHEMA_VERSION:
                return
            backup = migrate(connection, self._path)
            if backup is None:
                return
            check_tables(connection, self._path)
            file.outdate()
        self._notice(
            f"The database was brought from schema {version or 'without number'} to {SCHEMA_VERSION}; "
            f"the former one is kept as {backup}."
        )

    def _open_parts(self, file: WriteConnection | None, registry: RuleRegistry) -> None:
        writable = file is not None
        self.connections = self._closing(
            ReadConnections(self._path, writable=writable, functions={FOLD_FUNCTION: folded_column})
        )
        self.tag_cache = self._closing(self._open_tag_cache(writable=writable))
        # Settings and jobs may be written beside a database that a newer program made.
        own_writable = writable or (self._asked_to_write and os.access(self.folder, os.W_OK))
        self.own = self._closing(OwnStore(self.folder / OWN_FILE, writable=own_writable))
        self.reader = self._closing(DatabaseReader(self.connections, self.paths, self.tag_cache, self.own))
        self.columns = ColumnDisplay(self.connections, file)
        if file is not None:
            self._writer = DatabaseWriter(file, self.paths, self.own, self.tag_cache, registry)
            self._rule_tags = self._writer.rule_tags
            self._writer.finish_removals()
        else:
            self._rule_tags = frozenset(tag for rule in registry.rules() for tag in rule.tags)

    def _open_tag_cache(self, *, writable: bool) -> TagCache:
        """Tag cache; one that is damaged is put aside, for it holds nothing that the files do not."""
        path = self.folder / TAG_CACHE_FILE
        if writable and path.exists():
            try:
                check_file(path)
                return TagCache(path, writable=True)
            except DatabaseFault as fault:
                if fault.code != "database_damaged":
                    raise
            aside = path.with_name(f"{path.stem}-damaged-{datetime.now():%Y%m%dT%H%M%S}{path.suffix}")
            for suffix in ("", "-wal", "-shm"):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            self._notice(f"The tag cache was damaged and is made anew; the former one is kept as {aside}.")
        return TagCache(path, writable=writable)

    def _notice(self, sentence: str) -> None:
        logger.warning("%s", sentence)
        self.notices += (sentence,)

    def _closing(self, part: _Closable) -> _Closable:
        self._closers.append(part)
        return part
