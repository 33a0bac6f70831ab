"""Finds out what there is to know of series, beside the job queue, and tells it as ``series_facts``.

Event fields: `series`, and those of `SeriesFacts`. One thread, ``series-facts``, begins with the first question and
ends on `close`. It gives way: while content changes or pictures are made, it works an eighth of the time. Answers are
kept by series until its instances change, in our own database if that may be written. Any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.series_examining import SeriesExaminer, SeriesFacts
from VisualDICOMBrowserLib.errors import VisualDICOMError

__all__ = ["FactFinder"]

logger = logging.getLogger(__name__)

# Values of another version are found out anew.
_VERSION = 1
_SECTION = "series_facts"
_MOST_WAITING, _MOST_KEPT = 5000, 5000
# After so long a piece of work it rests, for so many times as long: usually, and while others are busy.
_PIECE_S = 0.01
_REST_USUAL, _REST_BUSY = 0.5, 7.0
_BUSY_FOR_S = 1.0
_BUSY_EVENTS = ("content_changed", "thumbnail_ready", "strip_ready", "picture_ready", "slices_arrived")
_WRITE_AT = 50
_FIELDS = tuple(field.name for field in fields(SeriesFacts))

Mark = list[int]


class _EndedError(Exception):
    """The finder is being closed."""


class FactFinder:
    """Answers questions about series of one engine.

    Parameters
    ----------
    parts : EngineParts
    """

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self._condition = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._removed: set[str] = set()
        self._kept: dict[str, tuple[Mark, SeriesFacts]] = {}
        self._unwritten: dict[str, Any] = {}
        self._closed = False
        self._busy_until = 0.0
        self._piece_began = 0.0
        self._thread: threading.Thread | None = None
        self._examiner = SeriesExaminer(parts.database, self._pause)
        self._unsubscribe = parts.hub.subscribe(self._on_event)

    def ask(self, series: Iterable[str]) -> None:
        """Have the facts of series told, in this order, before what was asked for earlier."""
        with self._condition:
            if self._closed:
                return
            wanted = dict.fromkeys((*series, *self._waiting))
            self._waiting = dict.fromkeys(list(wanted)[:_MOST_WAITING])
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="series-facts", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def close(self) -> None:
        """Drop what waits and end the thread."""
        self._unsubscribe()
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                idle = not self._waiting
            if idle or len(self._unwritten) >= _WRITE_AT:
                self._write()
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                series = next(iter(self._waiting))
                del self._waiting[series]
                self._piece_began = time.monotonic()
            try:
                facts = self._facts(series)
            except _EndedError:
                return
            except VisualDICOMError as fault:
                logger.info("Series %s was not examined: %s", series, fault)
                continue
            except Exception:
                logger.exception("Examining series %s met a fault of this program", series)
                continue
            if facts is not None:
                told = {name: value for name, value in asdict(facts).items() if name != "final"}
                self._parts.hub.publish("series_facts", series=series, **told)

    def _facts(self, series: str) -> SeriesFacts | None:
        """What is known of a series, None if nothing of it is here."""
        mark = self._mark(series)
        if not mark[0]:
            return None
        kept = self._kept.get(series) or self._stored(series)
        if kept is not None and kept[0] == mark:
            self._kept[series] = kept
            return kept[1]
        facts = self._examiner.examine(series)
        if facts.final:
            while len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[series] = (mark, facts)
            self._unwritten[series] = {"version": _VERSION, "mark": mark, **asdict(facts)}
        return facts

    def _mark(self, series: str) -> Mark:
        """Changes when instances come or go; answered by an index."""
        sql = "SELECT COUNT(*), COALESCE(MAX(rowid), 0) FROM Images WHERE SeriesInstanceUID = ? AND Filename <> ''"
        count, last = self._parts.database.connections.rows(sql, (series,))[0]
        return [int(count), int(last)]

    def _stored(self, series: str) -> tuple[Mark, SeriesFacts] | None:
        value = self._parts.database.own.get(_SECTION, series)
        if not isinstance(value, dict) or value.get("version") != _VERSION:
            return None
        known = {name: value[name] for name in _FIELDS if name in value}
        tuples = {name: tuple(known.get(name, ())) for name in ("refers_to", "sentences")}
        return list(value["mark"]), SeriesFacts(**{**known, **tuples})

    def _write(self) -> None:
        """Keep what was found out; failing that it is found out again some time."""
        with self._condition:
            removed, self._removed = self._removed, set()
        unwritten, self._unwritten = self._unwritten, {}
        if self._parts.database.read_only:
            return
        try:
            for series in removed:
                self._parts.database.own.delete(_SECTION, series)
            if unwritten:
                self._parts.database.own.put_many(_SECTION, unwritten)
        except VisualDICOMError as fault:
            logger.info("What is known of series is not kept: %s", fault)

    def _pause(self) -> None:
        """Give way to others after a piece of work.

        Raises
        ------
        _EndedError
        """
        now = time.monotonic()
        worked = now - self._piece_began
        if worked >= _PIECE_S:
            rest = worked * (_REST_BUSY if now < self._busy_until else _REST_USUAL)
            with self._condition:
                self._condition.wait_for(lambda: self._closed, rest)
            self._piece_began = time.monotonic()
        if self._closed:
            raise _EndedError

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] in _BUSY_EVENTS:
            self._busy_until = time.monotonic() + _BUSY_FOR_S
        if event["event"] == "content_changed" and event["removed"]:
            with self._condition:
                self._removed.update(event["removed"])
