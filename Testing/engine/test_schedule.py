"""The schedule calls what is due, in order, and ends."""

from __future__ import annotations

import threading

from VisualDICOMBrowserLib.engine.schedule import Schedule
from VisualDICOMBrowserLib.errors import UsageError

WAIT_S = 10.0


def test_an_action_is_called_again_and_again_until_it_is_removed() -> None:
    schedule = Schedule()
    called = threading.Semaphore(0)
    schedule.add("tick", 0.01, called.release)
    for _ in range(3):
        assert called.acquire(timeout=WAIT_S)
    schedule.remove("tick")
    assert schedule.names() == set()
    schedule.close()


def test_an_action_that_fails_is_called_again_and_holds_up_no_other() -> None:
    schedule = Schedule()
    failures = threading.Semaphore(0)
    others = threading.Semaphore(0)

    def fail() -> None:
        failures.release()
        message = "There is no server of that name."
        raise UsageError(message)

    schedule.add("failing", 0.01, fail, at_once=True)
    schedule.add("other", 0.01, others.release)
    for semaphore in (failures, failures, others):
        assert semaphore.acquire(timeout=WAIT_S)
    schedule.close()


def test_a_later_action_of_the_same_name_replaces_the_earlier_one() -> None:
    schedule = Schedule()
    called = threading.Semaphore(0)
    schedule.add("watch", 3600.0, lambda: None)
    schedule.add("watch", 0.01, called.release)
    assert called.acquire(timeout=WAIT_S)
    assert schedule.names() == {"watch"}
    schedule.close()
