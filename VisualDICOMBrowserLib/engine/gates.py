"""How many operations may go on at one server at the same time, over all jobs.

The queue limits jobs by the server they name; a retrieve from several servers names none, and asks each of them for
its turn here. Whoever is the most urgent when a turn becomes free gets it, among equals the first that came; a job
that is made more urgent while it waits overtakes others. Any thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from VisualDICOMBrowserLib.model import JobControl, priority_of

__all__ = ["ServerGates"]


@dataclass(slots=True, eq=False)
class _Ticket:
    """Somebody who waits; ``admitted`` once the turn is theirs."""

    control: JobControl
    work: str
    admitted: bool = False


class ServerGates:
    """One gate per server.

    Parameters
    ----------
    limit : callable
        Most operations at once of the server of that name, 0 for any number; asked anew each time, so that a
        changed setting holds at once. Must be quick.
    work_limit : callable
        The same of one sort of work (``query``, ``fetch``) at a server, asked with the work and the server.
    """

    def __init__(
        self, limit: Callable[[str], int], work_limit: Callable[[str, str], int] = lambda work, server: 0
    ) -> None:
        self._limit = limit
        self._work_limit = work_limit
        self._changed = threading.Condition()
        self._inside: Counter[str] = Counter()
        self._working: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[str, list[_Ticket]] = {}

    @contextmanager
    def hold(self, server: str, control: JobControl, work: str = "") -> Iterator[None]:
        """Wait for a turn at `server` for that sort of work, and keep it while the block runs.

        Never wait for another gate inside: two jobs that hold one each would wait for ever.

        Raises
        ------
        JobCancelled
            The job was asked to end while it waited.
        """
        self._enter(server, control, work)
        try:
            yield
        finally:
            with self._changed:
                self._leave(server, work)

    def _enter(self, server: str, control: JobControl, work: str) -> None:
        ticket = _Ticket(control, work)
        with self._changed:
            self._waiting.setdefault(server, []).append(ticket)
            self._admit(server)
            if not ticket.admitted:
                control.on_cancel(self._wake)
            self._changed.wait_for(lambda: control.cancel_requested or ticket.admitted)
            if not control.cancel_requested:
                return
            if ticket.admitted:
                self._leave(server, work)
            else:
                self._waiting[server].remove(ticket)
        control.raise_if_cancelled()

    def _leave(self, server: str, work: str) -> None:
        self._inside[server] -= 1
        self._working[work, server] -= 1
        self._admit(server)

    def _admit(self, server: str) -> None:
        """Give every free turn to the most urgent; decided here alone, so that nobody waits for who sleeps."""
        waiting, most = self._waiting.get(server), self._limit(server)
        while waiting and (not most or self._inside[server] < most):
            may_go = [ticket for ticket in waiting if self._has_room(server, ticket.work)]
            if not may_go:
                return
            # The first of equals, because `max` keeps it.
            ticket = max(may_go, key=lambda each: priority_of(each.control))
            waiting.remove(ticket)
            ticket.admitted = True
            self._inside[server] += 1
            self._working[ticket.work, server] += 1
            self._changed.notify_all()

    def _has_room(self, server: str, work: str) -> bool:
        most = self._work_limit(work, server) if work else 0
        return not most or self._working[work, server] < most

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
