"""What a server held back because of a limit, and how it is asked for: by offset, or by narrower dates.

A DICOMweb server that counts its answers goes on where it stopped. For all others, and for one that ignores the
offset, the span of study dates is halved. Plain state; `search.Searches` holds its lock for every call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from VisualDICOMBrowserLib.engine.date_split import Span, halves
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import AnyRecord, Level, Query, StudyRecord

__all__ = ["Course", "SearchRests"]

_KEPT = 200


@dataclass
class Course:
    """What a server has named of one question, over all parts in which it was asked: study dates by UID."""

    found: dict[str, str] = field(default_factory=dict)


@dataclass
class _Part:
    """One search of a server; ``before`` is how many studies were known when it began."""

    course: Course
    query: Query
    before: int
    cut: bool = False
    next_offset: int | None = None


class SearchRests:
    """The last questions at study level, and what is left of them."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, str], _Part] = OrderedDict()

    def begin(self, search_id: str, server: str, query: Query, course: Course | None = None) -> None:
        """A server is asked; `course` is that of the search which this one continues."""
        if query.level is not Level.STUDY or query.StudyInstanceUID:
            return
        course = course or Course()
        self._parts[search_id, server] = _Part(course, query, len(course.found))
        while len(self._parts) > _KEPT:
            self._parts.popitem(last=False)

    def add(self, search_id: str, server: str, records: Iterable[AnyRecord]) -> None:
        """The server named these."""
        part = self._parts.get((search_id, server))
        if part is not None:
            part.course.found.update((r.StudyInstanceUID, r.StudyDate) for r in records if isinstance(r, StudyRecord))

    def cut(self, search_id: str, server: str, next_offset: int | None) -> None:
        """The server has more; `next_offset` is where it would go on, None if it does not count."""
        part = self._parts.get((search_id, server))
        if part is not None:
            part.cut, part.next_offset = True, next_offset

    def following(self, search_id: str, server: str) -> tuple[Course, list[Query]]:
        """Queries that together ask for the rest.

        Raises
        ------
        UsageError
            Nothing was held back, the search is not kept, or its dates cannot be narrowed further.
        """
        part = self._parts.get((search_id, server))
        if part is None or not part.cut:
            message = f"{server} has held back nothing of this search, or it is too long ago."
            raise UsageError(message, code="unknown_search", server=server, next_step="Search again.")
        return part.course, self._by_offset(part) or self._by_dates(part, server)

    def _by_offset(self, part: _Part) -> list[Query]:
        # A server that ignores the offset names the same again.
        ignored = part.query.offset and len(part.course.found) == part.before
        if part.next_offset is None or ignored or part.next_offset <= part.query.offset:
            return []
        return [replace(part.query, offset=part.next_offset)]

    def _by_dates(self, part: _Part, server: str) -> list[Query]:
        span = Span(part.query.date_from, part.query.date_to)
        oldest = min((date for date in part.course.found.values() if date), default="")
        narrower = halves(span, oldest)
        if narrower == [span]:
            message = f"{server} gives only its first answers for these dates, and they cannot be narrowed."
            raise UsageError(message, server=server, next_step="Search by name, ID or modality as well.")
        return [replace(part.query, date_from=each.first, date_to=each.last, offset=0) for each in narrower]
