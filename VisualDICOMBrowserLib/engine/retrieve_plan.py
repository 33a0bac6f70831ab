"""Which source is asked for which instances of a study, and who comes next when one did not send them.

Pure bookkeeping over what sources say they have (`sources.Survey`): every instance is given to one source at a time,
the best first, and never twice to the same one. Whole series are asked for where all that a source has of it is
wanted. Where nobody listed the instances, the source with the largest number is asked for the series as a whole.
One thread, that of the job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.engine.sources import SeriesAt

__all__ = ["Piece", "RetrievePlan", "SeriesPlan"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one source is asked for of one series.

    Parameters
    ----------
    source, series : str
    uids : tuple of str
        Instances that are wanted, empty where their number alone is known or nothing.
    whole : bool
        Ask for the series and not for its instances.
    expected : int or None
        How many instances should come.
    classes : tuple of str
        Their SOP classes as far as known.
    """

    source: str
    series: str
    uids: tuple[str, ...] = ()
    whole: bool = False
    expected: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(slots=True)
class SeriesPlan:
    """One series: who has it, and what is still to be asked for.

    Parameters
    ----------
    uid : str
    holders : mapping
        What each source has, by its name.
    here : collection of str
        Instances that need not be fetched.
    may_be_whole : bool
        False where only some of its instances are wanted.
    """

    uid: str
    holders: Mapping[str, SeriesAt]
    here: Collection[str] = ()
    may_be_whole: bool = True
    missing: dict[str, str] = field(init=False)
    known: int = field(init=False)
    present: int = field(init=False)
    arrived: int = field(init=False, default=0)
    _whole_asked: set[str] = field(init=False, default_factory=set)
    _whole_running: bool = field(init=False, default=False)
    _tried: dict[str, set[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        listed = {uid: kind for at in self.holders.values() for uid, kind in (at.instances or {}).items()}
        self.missing = {uid: kind for uid, kind in listed.items() if uid not in self.here}
        self.known = len(listed)
        self.present = self.known - len(self.missing)

    def pieces(self, order: Sequence[Sequence[str]]) -> list[Piece]:
        """What is to be asked for next; `order` has the living sources, best first, equally good ones together."""
        if self._whole_running:
            return []
        largest = self._largest_unlisted([source for tier in order for source in tier])
        if largest:
            self._whole_asked.add(largest)
            self._whole_running = True
            return [Piece(largest, self.uid, whole=True, expected=self.holders[largest].count)]
        # Last of all those are asked that did not list all they have.
        return [*self._shared_out(order, perhaps=False), *self._shared_out(order, perhaps=True)]

    def settle(self, piece: Piece, stored: Collection[str], given_up: Collection[str]) -> int:
        """Note what came of a piece; how many of its instances did not come and may come from others."""
        self.arrived += len(stored)
        if not piece.uids:
            self._whole_running = False
            for uid in (*stored, *given_up):
                self.missing.pop(uid, None)
            return len(self.missing)
        lost = [uid for uid in piece.uids if uid not in stored and uid not in given_up]
        self.missing.update((uid, self._class_of(uid)) for uid in lost)
        return len(lost)

    def _largest_unlisted(self, alive: Sequence[str]) -> str:
        """A source to be asked for the series as a whole, because it has more than anybody listed; else empty."""
        best, most = "", max(self.known, self.arrived)
        if self.here or not self.may_be_whole:
            return ""
        for source in alive:
            at = self.holders.get(source)
            if at is None or source in self._whole_asked or (at.instances is not None and not at.cut):
                continue
            if at.count is not None and at.count > most:
                best, most = source, at.count
            elif at.count is None and at.instances is None and not best and not most:
                best = source
        return best

    def _shared_out(self, order: Sequence[Sequence[str]], *, perhaps: bool) -> list[Piece]:
        """Missing instances given to the sources that have them: the best, among equals the one with most of them."""
        pieces = []
        for tier in order:
            free = [source for source in tier if source in self.holders]
            while free and self.missing:
                offers = {source: self._offer(source, perhaps=perhaps) for source in free}
                best = max(free, key=lambda source: len(offers[source]))
                free.remove(best)
                if offers[best]:
                    pieces.append(self._taken(best, offers[best]))
        return pieces

    def _offer(self, source: str, *, perhaps: bool) -> list[str]:
        """Missing instances that `source` has, or `perhaps` has, and was not asked for yet."""
        at, tried = self.holders[source], self._tried.get(source, ())
        if perhaps:
            unsure = self.may_be_whole and (at.instances is None or at.cut)
            return [uid for uid in self.missing if uid not in tried] if unsure else []
        return [uid for uid in at.instances or () if uid in self.missing and uid not in tried]

    def _taken(self, source: str, uids: Sequence[str]) -> Piece:
        at = self.holders[source]
        whole = self.may_be_whole and not at.cut and not self.here and len(uids) == len(at.instances or ())
        classes = {self.missing.pop(uid) for uid in uids}
        self._tried.setdefault(source, set()).update(uids)
        return Piece(source, self.uid, tuple(uids), whole, len(uids), tuple(sorted(classes - {""})))

    def _class_of(self, uid: str) -> str:
        found = ((at.instances or {}).get(uid) for at in self.holders.values())
        return next((kind for kind in found if kind), "")


class RetrievePlan:
    """All series of one retrieve.

    Parameters
    ----------
    ranks : mapping of str to int
        Sources in order of preference, with their rank (`sources.source_rank`).
    series : iterable of SeriesPlan
    """

    def __init__(self, ranks: Mapping[str, int], series: Iterable[SeriesPlan]) -> None:
        self._ranks = dict(ranks)
        self.series = {plan.uid: plan for plan in series}

    def next_pieces(self) -> dict[str, list[Piece]]:
        """By source, what is to be asked for now; empty where nothing can be."""
        tiers: dict[int, list[str]] = {}
        for source, rank in self._ranks.items():
            tiers.setdefault(rank, []).append(source)
        order = [tiers[rank] for rank in sorted(tiers)]
        found: dict[str, list[Piece]] = {}
        for plan in self.series.values():
            for piece in plan.pieces(order):
                found.setdefault(piece.source, []).append(piece)
        return found

    def settle(self, piece: Piece, stored: Collection[str], given_up: Collection[str]) -> int:
        """Note what came of a piece; how many of its instances did not come and may come from others."""
        return self.series[piece.series].settle(piece, stored, given_up)

    def leave_out(self, source: str) -> None:
        """Ask `source` for nothing more."""
        self._ranks.pop(source, None)

    @property
    def present(self) -> int:
        """How many of the instances that sources listed were here at the start."""
        return sum(plan.present for plan in self.series.values())

    @property
    def missing(self) -> list[str]:
        """Listed instances that are not here and that nobody is being asked for."""
        return [uid for plan in self.series.values() for uid in plan.missing]
