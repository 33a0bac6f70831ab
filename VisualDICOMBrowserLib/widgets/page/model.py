"""The list of a patient page as Qt's views take it: one row for each header and each series. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.page.arrival import Arrivals
from VisualDICOMBrowserLib.widgets.page.rows import PageRow, page_rows, usually_open
from VisualDICOMBrowserLib.widgets.page.states import CardState, Marks, card_state, is_compact
from VisualDICOMBrowserLib.widgets.page.words import number_text, study_date, title_of

__all__ = ["PageModel", "study_state"]

JobOf = Callable[[Any], Mapping[str, Any] | None]
_NO_MARKS = Marks()


class PageModel(qt.QAbstractListModel):
    """Rows of one patient.

    Rows stay where they are when states change: only a change of what there is resets the list.

    Parameters
    ----------
    clock : Callable[[], float]
        Unix time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        qt.QAbstractListModel.__init__(self)
        self._clock = clock
        self._studies: list[Any] = []
        self._series: dict[str, list[Any]] = {}
        self._opened: set[str] = set()
        self._known: set[str] = set()
        self._order = "number"
        self._all_rows = False
        self._rows: list[PageRow] = []
        self._places: dict[str, int] = {}
        self._states: dict[str, CardState] = {}
        self._looks: dict[str, tuple[Any, ...]] = {}
        self.in_scene: Mapping[str, str] = {}
        self.marks: Mapping[str, Marks] = {}
        self.arrivals = Arrivals()
        self.fitting: Mapping[str, int] = {}
        self.job_of: JobOf = lambda _series: None

    # What is shown

    def show(self, studies: Sequence[Any], series_by_study: Mapping[str, Sequence[Any]], *, anew: bool) -> bool:
        """Take studies, newest first; `anew` is for another patient. True if rows have changed."""
        self._studies = list(studies)
        self._series = {uid: list(series) for uid, series in series_by_study.items()}
        if anew:
            self._opened = usually_open(self._studies)
        else:
            fresh = {each.StudyInstanceUID for each in self._studies} - self._known
            self._opened |= usually_open(self._studies) & fresh
        self._known = {each.StudyInstanceUID for each in self._studies}
        before = self._states
        changed = self.arrange()
        if not changed:
            self._states = before  # `refresh_looks` compares with them
        return changed

    def arrange(self) -> bool:
        """Make the rows anew; True if they have changed."""
        self._states = {}
        compact = (lambda _series: False) if self._all_rows else is_compact
        rows = page_rows(self._studies, self._series, self.is_open, self._order, compact)
        if [row.key for row in rows] == [row.key for row in self._rows]:
            self._rows = rows
            return False
        self.beginResetModel()
        self._rows = rows
        self._places = {row.key: number for number, row in enumerate(rows)}
        self.endResetModel()
        return True

    def set_order(self, order: str) -> bool:
        """Sort series otherwise."""
        self._order = order
        return self.arrange()

    def set_rows_view(self, on: bool) -> bool:
        """In the Rows view nothing is set apart as a compact row."""
        self._all_rows = on
        return self.arrange()

    def is_open(self, study: Any) -> bool:
        """Whether the series of a study are shown."""
        return study.StudyInstanceUID in self._opened

    def set_open(self, studies: Sequence[Any], on: bool) -> bool:
        """Open or close studies."""
        uids = {each.StudyInstanceUID for each in studies}
        self._opened = self._opened | uids if on else self._opened - uids
        return self.arrange()

    @property
    def studies(self) -> list[Any]:
        """All studies."""
        return self._studies

    def series(self, study: Any) -> list[Any]:
        """The series of a study that are shown when it is open."""
        return self._series.get(study.StudyInstanceUID, [])

    def all_series(self) -> list[Any]:
        """The series of all studies."""
        return [each for study in self._studies for each in self.series(study)]

    def row(self, number: int) -> PageRow | None:
        """One row."""
        return self._rows[number] if 0 <= number < len(self._rows) else None

    def rows(self) -> list[PageRow]:
        """All rows."""
        return self._rows

    def number_of(self, key: str) -> int:
        """Where the row with a key is, -1 if it is not shown."""
        return self._places.get(key, -1)

    def number_of_series(self, uid: str) -> int:
        """Where the card of a series is, -1 if it is not shown."""
        return max(self.number_of(f"card:{uid}"), self.number_of(f"compact:{uid}"))

    # States

    def state(self, series: Any) -> CardState:
        """How a series stands."""
        uid = series.SeriesInstanceUID
        if uid not in self._states:
            self._states[uid] = self._state(series)
        return self._states[uid]

    def mark_of(self, series: Any) -> Marks:
        """What is known of a series beyond its record."""
        return self.marks.get(series.SeriesInstanceUID, _NO_MARKS)

    def note_arrived(self, event: Mapping[str, Any]) -> list[int]:
        """Take which slices have come; numbers of the rows to paint again."""
        uids = self.arrivals.note(event)
        for uid in uids:
            self._states.pop(uid, None)
        return [number for uid in uids if (number := self.number_of_series(uid)) >= 0]

    def refresh_states(self) -> list[int]:
        """Read all states anew; the numbers of rows that look different now."""
        changed = []
        for number, row in enumerate(self._rows):
            if row.series is None:
                continue
            before = self._states.get(row.series.SeriesInstanceUID)
            after = self._state(row.series)
            if before != after:
                self._states[row.series.SeriesInstanceUID] = after
                changed.append(number)
        return changed

    def refresh_looks(self) -> list[int]:
        """Read all states and records anew; the numbers of rows that look different now."""
        changed = set(self.refresh_states())
        looks = {}
        for number, row in enumerate(self._rows):
            each = row.series
            if each is not None:
                uid = each.SeriesInstanceUID
                looks[uid] = (each.SeriesNumber, each.SeriesDescription, each.Modality, each.thumbnail, each.label)
                if self._looks.get(uid) != looks[uid]:
                    changed.add(number)
        self._looks = looks
        return sorted(changed)

    def _state(self, series: Any) -> CardState:
        loaded = self.in_scene.get(series.SeriesInstanceUID, "")
        arrived = self.arrivals.count(series.SeriesInstanceUID)
        return card_state(series, self.job_of(series), loaded, self.mark_of(series), self._clock(), arrived)

    # What Qt asks

    def rowCount(self, parent: Any = None) -> int:
        """Number of rows; rows have no children."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def flags(self, index: Any) -> Any:
        """Series can be selected, headers can be the current row."""
        row = self.row(index.row())
        if row is None or row.kind == "break":
            return qt.Qt.NoItemFlags
        if row.kind == "header":
            return qt.Qt.ItemIsEnabled
        return qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable

    def data(self, index: Any, role: int = 0) -> Any:
        """Words for screen readers, hints and typing ahead; the delegate reads the row itself."""
        row = self.row(index.row())
        if row is None or row.kind == "break":
            return None
        if row.series is None:
            return self._study_data(row.study, role)
        if role == qt.Qt.DisplayRole:
            return title_of(row.series)
        if role == qt.Qt.AccessibleTextRole:
            return self._spoken(row.series)
        if role == qt.Qt.ToolTipRole:
            return self._hint(row.series)
        return None

    def hides_of(self, study: Any) -> int:
        """How many series of a study the filters let through if they hide some, -1 if they hide none."""
        return self.fitting.get(study.StudyInstanceUID, -1)

    def _study_data(self, study: Any, role: int) -> str | None:
        fitting, shown = self.hides_of(study), len(self.series(study))
        if role == qt.Qt.ToolTipRole and fitting >= 0:
            return _("Show only what fits (Space)") if shown > fitting else _("Show all series (Space)")
        if role not in (qt.Qt.AccessibleTextRole, qt.Qt.DisplayRole):
            return None
        text = _study_text(study)
        if fitting >= 0 and shown <= fitting:
            text += ", " + plural(shown, "{count} series shown", "{count} series shown")
        return text

    def _spoken(self, series: Any) -> str:
        state = self.state(series)
        number = number_text(series)
        parts = [
            _("Series {number}").format(number=number) if number else _("Series"),
            title_of(series),
            str(series.Modality),
            state.text,
            state.name if state.name not in ("local", "scene") else "",
            _("in scene") if state.in_scene and state.name != "scene" else "",
            _("new") if state.new else "",
        ]
        return ", ".join(part for part in parts if part)

    def _hint(self, series: Any) -> str:
        state = self.state(series)
        first = " ".join(part for part in (number_text(series), title_of(series)) if part)
        label = str(series.label or "")
        return "\n".join(part for part in (first, state.text, state.hint, label if label != first else "") if part)


def study_state(study: Any, series: Sequence[Any], states: Sequence[CardState]) -> tuple[str, str, float | None]:
    """How a whole study stands: a name as of `CardState`, words, and while it is fetched the share that is here."""
    here = sum(int(each.local or 0) for each in series)
    total = max(sum(int(each.image_count) for each in series), int(study.image_count or 0))
    if any(each.name in ("downloading", "queued", "retry", "paused") for each in states):
        coming = sum(
            (each.share or 0) * one.image_count if each.share is not None else one.local
            for one, each in zip(series, states, strict=True)
        )
        share = min(1.0, coming / total) if total else 0.0
        return "downloading", f"{int(share * 100)} %", share
    if study.complete or (here and here >= total and not study.sources):
        return "local", _("Complete"), None
    if not study.local and not here:
        names = list(study.sources)
        where = names[0] if len(names) == 1 else plural(len(names), "{count} server", "{count} servers")
        return "remote", where if names else _("Not here"), None
    return "partly", _("{here:,} of {total:,} local").format(here=max(here, study.local), total=total), None


def _study_text(study: Any) -> str:
    parts = [
        study_date(study),
        " ".join(study.ModalitiesInStudy or ()),
        str(study.StudyDescription or ""),
        plural(study.series_count, "{count} series", "{count} series"),
        plural(study.image_count, "{count} image", "{count} images"),
    ]
    return ", ".join(part for part in parts if part)
