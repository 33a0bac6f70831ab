"""`Arrivals`: who hears of what our node stores."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from VisualDICOMBrowserLib.errors import NetworkError
from VisualDICOMBrowserLib.model import ReceivedFile, StoredInstance
from VisualDICOMBrowserLib.servers.arrivals import Arrival, Arrivals, ListenerAddress, TakeOver


def arrival(uid: str, study: str = "1", status: str = "imported", sender: str = "PACS") -> Arrival:
    return Arrival(
        instance=StoredInstance(SOPInstanceUID=uid, SeriesInstanceUID="2", status=status, reason="why", size=10),
        StudyInstanceUID=study,
        calling_ae_title=sender,
        address="127.0.0.1",
    )


def test_each_expectation_hears_of_its_own() -> None:
    arrivals = Arrivals()
    heard: list[str] = []
    with (
        arrivals.expect(
            lambda item: item.StudyInstanceUID == "1",
            lambda items: heard.extend(item.SOPInstanceUID for item in items),
        ) as first,
        arrivals.expect(lambda item: item.StudyInstanceUID == "9", lambda items: None) as other,
    ):
        arrivals.stored([arrival("a"), arrival("b", "9"), arrival("a"), arrival("c", status="rejected")])
    assert (first.instances, first.refused, first.count, first.bytes) == ({"a"}, {"c": "why"}, 3, 30)
    assert first.senders == {("PACS", "127.0.0.1")}
    assert (other.instances, heard) == ({"b"}, ["a", "a", "c"])


def test_nothing_is_told_after_the_end() -> None:
    arrivals = Arrivals()
    heard: list[object] = []
    with arrivals.expect(lambda item: True, heard.append) as expectation:
        pass
    arrivals.stored([arrival("a")])
    expectation.offer([arrival("a")])
    assert (heard, expectation.count) == ([], 0)


def test_only_what_was_asked_for_or_is_here_is_taken_over(tmp_path: Path) -> None:
    arrivals = Arrivals()
    taken: list[str] = []
    file = ReceivedFile(path=tmp_path / "1.part", SOPClassUID="", SOPInstanceUID="", TransferSyntaxUID="", size=10)

    def take(item: Arrival, *, here: bool = False) -> bool:
        return arrivals.take(item, replace(file, SOPInstanceUID=item.instance.SOPInstanceUID), lambda: here)

    assert not take(arrival("a"), here=True)
    take_over = TakeOver(lambda each: taken.append(each.SOPInstanceUID), "US")
    with (
        arrivals.expect(lambda item: True, lambda items: None),
        arrivals.expect(lambda item: item.StudyInstanceUID == "1", lambda items: None, take_over) as forced,
    ):
        assert take(replace(arrival("a"), originator="US"))
        assert take(arrival("b"), here=True)
        assert not take(arrival("c"))
        assert not take(replace(arrival("d"), originator="OTHER"))
        assert not take(replace(arrival("e", "9"), originator="US"), here=True)
    assert not take(replace(arrival("f"), originator="US"))
    assert taken == ["a", "b"]
    assert (forced.instances, forced.count, forced.bytes) == ({"a", "b"}, 2, 20)


def test_waiting_ends_with_an_arrival_or_with_the_time() -> None:
    arrivals = Arrivals()
    with arrivals.expect(lambda item: True, lambda items: None) as expectation:
        assert not expectation.wait_for_more(0, 0.05)
        sender = threading.Thread(target=lambda: arrivals.stored([arrival("a")]), name="late-sender")
        sender.start()
        assert expectation.wait_for_more(0, 10.0)
        sender.join()


def test_the_listener_is_started_when_it_is_asked_for() -> None:
    address = ListenerAddress(ae_title="US", host="127.0.0.1", port=11112)
    assert Arrivals().listener() is None
    assert Arrivals(lambda: address).listener() == address

    def cannot() -> ListenerAddress:
        message = "The node cannot listen."
        raise NetworkError(message, code="cannot_listen")

    with pytest.raises(NetworkError, match="cannot listen"):
        Arrivals(cannot).listener()
