"""Turns at a server: never more than its limit, the more urgent first, and given up when the job ends."""

from __future__ import annotations

import threading

import pytest

from Testing.support.file_sink import ControlOfTest
from VisualDICOMBrowserLib.engine.gates import ServerGates
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import priority_of
from VisualDICOMBrowserLib.servers.progress import ProgressSum

WAIT_S = 20.0


class Caller(threading.Thread):
    """Asks for a turn and keeps it until told."""

    def __init__(self, gates: ServerGates, order: list[int], priority: int) -> None:
        super().__init__(name=f"gate-caller-{priority}")
        self.control = ControlOfTest()
        self.control.priority = priority  # type: ignore[attr-defined]
        self.entered, self.leave = threading.Event(), threading.Event()
        self.cancelled = False
        self._gates, self._order, self._priority = gates, order, priority

    def run(self) -> None:
        try:
            with self._gates.hold("A", self.control):
                self._order.append(self._priority)
                self.entered.set()
                assert self.leave.wait(WAIT_S)
        except JobCancelled:
            self.cancelled = True


def waiting(gates: ServerGates, count: int) -> None:
    """Wait until so many wait at the gate."""
    with gates._changed:
        assert gates._changed.wait_for(lambda: len(gates._waiting.get("A", ())) == count, WAIT_S)


@pytest.fixture
def order() -> list[int]:
    return []


def test_the_more_urgent_goes_first_and_the_limit_holds(order: list[int]) -> None:
    gates = ServerGates(lambda _: 1)
    first, low, high = (Caller(gates, order, priority) for priority in (0, 5, 30))
    first.start()
    assert first.entered.wait(WAIT_S)
    for number, caller in enumerate((low, high), 1):
        caller.start()
        waiting(gates, number)
    assert order == [0]
    for caller in (first, high, low):
        assert caller.entered.wait(WAIT_S)
        caller.leave.set()
        caller.join(WAIT_S)
    assert order == [0, 30, 5]


def test_a_cancelled_job_waits_no_longer(order: list[int]) -> None:
    gates = ServerGates(lambda _: 1)
    first, second, third = (Caller(gates, order, priority) for priority in (0, 1, 2))
    first.start()
    assert first.entered.wait(WAIT_S)
    second.start()
    waiting(gates, 1)
    second.control.cancel()
    second.join(WAIT_S)
    assert second.cancelled
    third.start()
    first.leave.set()
    assert third.entered.wait(WAIT_S)
    third.leave.set()
    for caller in (first, third):
        caller.join(WAIT_S)


def test_servers_do_not_hinder_each_other_and_no_limit_is_none() -> None:
    gates = ServerGates(lambda server: 1 if server == "A" else 0)
    control = ControlOfTest()
    with gates.hold("A", control), gates.hold("B", control), gates.hold("B", control):
        pass


def test_a_job_made_more_urgent_while_it_waits_overtakes(order: list[int]) -> None:
    gates = ServerGates(lambda _: 1)
    first, early, late = (Caller(gates, order, priority) for priority in (0, 20, 5))
    first.start()
    assert first.entered.wait(WAIT_S)
    for number, caller in enumerate((early, late), 1):
        caller.start()
        waiting(gates, number)
    late.control.priority = 30  # type: ignore[attr-defined]
    for caller in (first, late, early):
        assert caller.entered.wait(WAIT_S)
        caller.leave.set()
        caller.join(WAIT_S)
    assert order == [0, 5, 20]


def test_a_part_of_a_job_is_as_urgent_as_the_job() -> None:
    control = ControlOfTest()
    part = ProgressSum(control).part()
    assert priority_of(part) == 10
    control.priority = 30  # type: ignore[attr-defined]
    assert priority_of(part) == priority_of(ProgressSum(part).part()) == 30


def test_a_turn_given_to_a_job_that_ends_goes_to_the_next() -> None:
    gates = ServerGates(lambda _: 1)
    ended = ControlOfTest()
    ended.cancel()
    with pytest.raises(JobCancelled), gates.hold("A", ended):
        pass
    with gates.hold("A", ControlOfTest()):
        pass
