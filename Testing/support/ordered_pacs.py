"""A PACS of pynetdicom that sends the images of one series in a given order and waits in the middle. Test code only."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

__all__ = ["OrderedPacs"]

WAIT_S = 60.0
PENDING = 0xFF00
_COUNTS = {
    "STUDY": {"NumberOfStudyRelatedSeries": 1, "NumberOfStudyRelatedInstances": None},
    "SERIES": {"NumberOfSeriesRelatedInstances": None},
    "IMAGE": {},
}


class OrderedPacs:
    """Serves C-FIND, C-GET and C-MOVE; use as a context manager.

    Parameters
    ----------
    paths : sequence of Path
        Files of one series, in the order in which they are sent.
    held_after : int
        After so many images it waits for `go_on`.
    listener_port : int
        Where C-MOVE sends to, on this computer.
    """

    def __init__(self, paths: Sequence[Path], held_after: int, listener_port: int = 0) -> None:
        self._datasets = [dcmread(path) for path in paths]
        self._held_after = held_after
        self._listener_port = listener_port
        self._gate = threading.Event()
        self._server: Any = None
        self.port = 0

    def __enter__(self) -> OrderedPacs:
        entity = AE(ae_title="PACS")
        for model in (
            StudyRootQueryRetrieveInformationModelFind,
            StudyRootQueryRetrieveInformationModelGet,
            StudyRootQueryRetrieveInformationModelMove,
        ):
            entity.add_supported_context(model)
        entity.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
        entity.requested_contexts = []
        entity.add_requested_context(CTImageStorage)
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get), (evt.EVT_C_MOVE, self._move)]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.socket.getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.set()
        self._server.shutdown()

    def go_on(self) -> None:
        """Send the rest."""
        self._gate.set()

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset]]:
        level = str(event.identifier.QueryRetrieveLevel)
        for dataset in self._datasets if level == "IMAGE" else self._datasets[:1]:
            answer = Dataset()
            for element in event.identifier:
                if element.keyword in dataset:
                    answer[element.tag] = dataset[element.tag]
            answer.QueryRetrieveLevel = level
            for keyword, count in _COUNTS[level].items():
                setattr(answer, keyword, str(count or len(self._datasets)))
            yield PENDING, answer

    def _get(self, _event: Any) -> Iterator[Any]:
        yield len(self._datasets)
        yield from self._sent()

    def _move(self, _event: Any) -> Iterator[Any]:
        yield "127.0.0.1", self._listener_port, {"evt_handlers": [(evt.EVT_ESTABLISHED, _leave_answers)]}
        yield len(self._datasets)
        yield from self._sent()

    def _sent(self) -> Iterator[tuple[int, Dataset]]:
        for number, dataset in enumerate(self._datasets):
            if number == self._held_after:
                assert self._gate.wait(WAIT_S)
            yield PENDING, dataset


def _leave_answers(event: Any) -> None:
    """Have the reactor of an association that only sends rest until its end.

    It looks for requests, and now and then takes the answer that the sender waits for instead.
    """
    association = event.assoc
    checkpoint = association._reactor_checkpoint
    go_on = checkpoint.set
    checkpoint.set = lambda: go_on() if association._kill else None
    checkpoint.clear()
