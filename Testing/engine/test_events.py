"""Delivery and merging of the engine's events."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from VisualDICOMBrowserLib.engine.events import ContentChanges, EventHub


class Listener:
    """Collects events and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.arrived = threading.Condition()

    def __call__(self, event: dict[str, Any]) -> None:
        with self.arrived:
            self.events.append(event)
            self.arrived.notify_all()

    def wait_for_uids(self, name: str, uids: set[str]) -> None:
        def seen() -> bool:
            return uids <= {uid for event in self.events for uid in event[name]}

        with self.arrived:
            assert self.arrived.wait_for(seen, 10), f"{uids} were never announced in {name}"


def test_every_subscriber_gets_an_event_until_it_leaves() -> None:
    hub, first, second = EventHub(), Listener(), Listener()
    leave = hub.subscribe(first)
    hub.subscribe(second)
    hub.publish("job_changed", job={"job_id": "1"})
    leave()
    hub.publish("job_changed", job={"job_id": "2"})
    assert first.events == [{"event": "job_changed", "job": {"job_id": "1"}}]
    assert [event["job"]["job_id"] for event in second.events] == ["1", "2"]


def test_a_failing_subscriber_is_logged_and_the_others_still_hear(caplog: pytest.LogCaptureFixture) -> None:
    hub, listener = EventHub(), Listener()

    def fail(event: dict[str, Any]) -> None:
        message = "subscriber's own fault"
        raise ValueError(message)

    hub.subscribe(fail)
    hub.subscribe(listener)
    hub.publish("engine_notice", level="info", message="hello")
    assert len(listener.events) == 1
    assert "A subscriber failed on event engine_notice" in caplog.text


def test_thousands_of_changes_are_merged_and_none_is_lost() -> None:
    hub, listener = EventHub(), Listener()
    hub.subscribe(listener)
    changes = ContentChanges(hub, interval=0.05)
    uids = {f"1.2.{number}" for number in range(5000)}
    for uid in uids:
        changes.add(series=[uid])
    changes.add(removed=["9.9"])
    changes.close()
    listener.wait_for_uids("series", uids)
    listener.wait_for_uids("removed", {"9.9"})
    assert len(listener.events) < 100


def test_a_lone_change_is_announced_without_another_one_following() -> None:
    hub, listener = EventHub(), Listener()
    hub.subscribe(listener)
    changes = ContentChanges(hub)
    changes.add(series=["1.2.3"])
    listener.wait_for_uids("series", {"1.2.3"})
    changes.close()
