"""Waiting jobs under clocks that jump."""

from __future__ import annotations

import pytest
from job_kinds import Clocks

from VisualDICOMBrowserLib.jobs.job import FailureRun, JobRecord
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.jobs.waiting import WaitingJobs

HOUR_S = 3600.0


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def waiting(clocks: Clocks) -> WaitingJobs:
    return WaitingJobs(lambda: clocks.wall, lambda: clocks.steady)


def job(name: str, next_try: float, wait_s: float | None) -> JobRecord:
    run = None if wait_s is None else FailureRun(wait_s=wait_s)
    return JobRecord(job_id=name, kind="retrieve", state=JobState.WAITING, next_try=next_try, failing=run)


def test_jobs_are_due_in_their_order_and_once(clocks: Clocks, waiting: WaitingJobs) -> None:
    assert waiting.remaining_s() is None
    for name, wait in (("late", 30.0), ("soon", 10.0), ("gone", 5.0), ("moved", 20.0)):
        waiting.add(job(name, clocks.wall + wait, wait))
    waiting.discard("gone")
    waiting.discard("unknown")
    waiting.add(job("moved", clocks.wall + 12.0, 20.0))
    assert waiting.remaining_s() == 10.0
    clocks.pass_s(9.0)
    assert waiting.take_due() == []
    clocks.pass_s(4.0)
    assert waiting.take_due() == ["soon", "moved"]
    assert waiting.take_due() == []
    assert waiting.remaining_s() == 17.0
    waiting.discard("late")
    assert waiting.remaining_s() is None


@pytest.mark.parametrize("jump", [-10 * HOUR_S, 10 * HOUR_S])
def test_clock_jump_neither_delays_nor_starts_anything(clocks: Clocks, waiting: WaitingJobs, jump: float) -> None:
    """Case 72 (clock jump)."""
    for number in range(100):
        waiting.add(job(f"r-{number}", clocks.wall + 38.0, 38.0))
    assert waiting.moved() == {}
    clocks.pass_s(8.0)
    clocks.wall += jump
    assert waiting.take_due() == []
    assert waiting.remaining_s() == 30.0
    assert waiting.moved() == {f"r-{number}": clocks.wall + 30.0 for number in range(100)}
    assert waiting.moved() == {}
    clocks.pass_s(30.0)
    assert len(waiting.take_due()) == 100


def test_small_corrections_of_the_clock_are_no_jump(clocks: Clocks, waiting: WaitingJobs) -> None:
    waiting.add(job("r-1", clocks.wall + 38.0, 38.0))
    clocks.wall -= 2.0
    assert waiting.moved() == {}


def test_clock_set_back_between_two_engines_is_capped(clocks: Clocks, waiting: WaitingJobs) -> None:
    """Case 72 (clock jump): the journal says that the next try is hours away, its wait was 38 s."""
    waiting.add(job("planned", clocks.wall + 10 * HOUR_S, 38.0))
    waiting.add(job("asked for by the peer", clocks.wall + 10 * HOUR_S, 2 * HOUR_S))
    waiting.add(job("of an earlier release", clocks.wall + 10 * HOUR_S, None))
    waiting.add(job("long ago", clocks.wall - 10 * HOUR_S, 38.0))
    assert waiting.take_due() == ["long ago"]
    clocks.pass_s(38.0)
    assert waiting.take_due() == ["planned"]
    clocks.pass_s(300.0)
    assert waiting.take_due() == ["of an earlier release"]
    clocks.pass_s(2 * HOUR_S)
    assert waiting.take_due() == ["asked for by the peer"]
