"""The sink of a retrieve: batches of the size set, counts by delivery, and nothing left when storing fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.engine.sink import DatabaseSink, Delivery
from VisualDICOMBrowserLib.errors import BugError, StorageFault
from VisualDICOMBrowserLib.model import ReceivedFile, StoredInstance


class SlowStore:
    """Takes files when it is let, and remembers how many came together."""

    def __init__(self, folder: Path, fault: Exception | None = None) -> None:
        self.folder = folder
        self.batches: list[int] = []
        self.may_go_on = threading.Event()
        self._fault = fault
        self._count = 0

    def new_part(self) -> Path:
        self._count += 1
        return self.folder / f"{self._count}.part"

    def discard(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def accept(self, files: Sequence[ReceivedFile]) -> list[AddOutcome]:
        assert self.may_go_on.wait(20)
        self.batches.append(len(files))
        if self._fault is not None:
            raise self._fault
        statuses = {"3": "conflict"}
        for file in files:
            file.path.unlink()
        return [
            AddOutcome(statuses.get(file.SOPInstanceUID, "imported"), file.SOPInstanceUID, "1", "") for file in files
        ]


def give(delivery: Delivery, uid: str, size: int = 10) -> None:
    path = delivery.new_part()
    path.write_bytes(bytes(size))
    delivery.add(ReceivedFile(path=path, SOPClassUID="", SOPInstanceUID=uid, TransferSyntaxUID="", size=size))


def test_batches_are_bounded_by_number_and_by_size(tmp_path: Path) -> None:
    store = SlowStore(tmp_path)
    sink = DatabaseSink(store, "sizes", lambda _: None, batch_files=4, batch_mb=1)
    delivery = sink.delivery("A")
    for number in range(10):
        give(delivery, f"1.{number}")
    for number in range(4):
        give(delivery, f"2.{number}", 600_000)
    store.may_go_on.set()
    sink.finish()
    assert sum(store.batches) == 14
    assert max(store.batches) == 4
    assert store.batches[-1] <= 2
    assert (delivery.received, delivery.bytes, len(delivery.stored_series)) == (14, 2_400_100, 14)


def test_what_came_is_counted_by_delivery(tmp_path: Path) -> None:
    store = SlowStore(tmp_path)
    store.may_go_on.set()
    sink = DatabaseSink(store, "counts", lambda _: None)
    first, second = sink.delivery("A"), sink.delivery("B")
    give(first, "1")
    give(second, "2")
    give(second, "3")
    second.stored([StoredInstance(SOPInstanceUID="4", SeriesInstanceUID="9", status="unchanged", size=5)])
    sink.settle()
    assert (first.stored_series, second.stored_series) == ({"1": "1"}, {"2": "1", "4": "9"})
    assert [outcome.SOPInstanceUID for outcome in second.refused] == ["3"]
    assert (second.received, second.bytes) == (3, 25)
    sink.finish()
    assert sink.series == {"1", "9"}


@pytest.mark.parametrize("fault", [StorageFault("The disk is full."), OSError(28, "No space left"), ValueError("odd")])
def test_when_storing_fails_nothing_is_left_and_nobody_waits(tmp_path: Path, fault: Exception) -> None:
    store = SlowStore(tmp_path, fault)
    store.may_go_on.set()
    sink = DatabaseSink(store, "fails", lambda _: None)
    delivery = sink.delivery("A")
    give(delivery, "1")
    sink.settle()
    assert sink.failure is not None
    with pytest.raises(BugError if isinstance(fault, ValueError) else StorageFault):
        give(delivery, "2")
    with pytest.raises(type(sink.failure)):
        sink.finish()
    assert not list(tmp_path.iterdir())
    assert delivery.received == 0
