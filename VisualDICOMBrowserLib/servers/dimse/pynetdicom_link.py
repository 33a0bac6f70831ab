"""The fall-back: echo, find and get through pynetdicom's own association, for where we cannot own the socket.

Instances are written from pynetdicom's buffer as they came, without decoding. One thread per link; the
handler of C-STORE runs in that same thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.fast_get import FAILED_UIDS, GetOutcome
from VisualDICOMBrowserLib.servers.dimse.move_loop import MoveWatch
from VisualDICOMBrowserLib.servers.dimse.receiving import InstanceReceiver
from VisualDICOMBrowserLib.servers.dimse.status import is_pending
from VisualDICOMBrowserLib.servers.faults import connection_fault, no_context
from VisualDICOMBrowserLib.servers.upper_layer.association import Opened
from VisualDICOMBrowserLib.servers.upper_layer.channel import CANCEL_WAIT_S, PeerAborted, PeerSilent
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements, parse_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["PynetdicomLink", "StoreSlot", "store_handlers"]

_OUT_OF_RESOURCES = 0xA700
_TICK_S = 0.2


class StoreSlot:
    """Where the handler of C-STORE finds the running C-GET, and leaves a failure."""

    def __init__(self) -> None:
        self.receiver: InstanceReceiver | None = None
        self.stop: _Stop | None = None
        self.failure: VisualDICOMError | None = None

    def handle(self, event: Any) -> int:
        """Write one instance; the status to answer."""
        if self.receiver is None or self.stop is None or self.stop.requested:
            return _OUT_OF_RESOURCES
        request = event.request
        command = Command(
            field=CommandField.C_STORE_RQ,
            sop_class=str(request.AffectedSOPClassUID or ""),
            sop_instance=str(request.AffectedSOPInstanceUID or ""),
            data_set_type=0 if request.DataSet is not None else None,
        )
        try:
            status = self.receiver.begin(command, str(event.context.transfer_syntax))
            if request.DataSet is not None:
                self.receiver.write(request.DataSet.getbuffer())
            self.receiver.finish()
        except VisualDICOMError as failure:
            self.receiver.discard()
            self.failure = failure
            self.stop.request()
            return _OUT_OF_RESOURCES
        return status


class _Stop:
    """Ends a running C-GET: asks with C-CANCEL, and aborts when the peer does not obey in time.

    pynetdicom waits where nothing of ours can be checked, so that a timer watches the peer.
    """

    def __init__(self, association: Any, model: str, message_id: int) -> None:
        self._association = association
        self._model = model
        self._message_id = message_id
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._ended = False
        self.requested = False

    def request(self) -> None:
        """Ask for the end; safe from any thread, without effect after `end`."""
        with self._lock:
            if self.requested or self._ended:
                return
            self.requested = True
            self._timer = threading.Timer(CANCEL_WAIT_S, _break_off, (self._association,))
            self._timer.name = "dimse-cancel"
            self._timer.daemon = True
            self._timer.start()
        # The association may have ended meanwhile, which is as good.
        with contextlib.suppress(RuntimeError, ValueError):
            self._association.send_c_cancel(self._message_id, query_model=self._model)

    def end(self) -> None:
        """The C-GET has ended."""
        with self._lock:
            self._ended = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
            timer.join()


class _Ticks:
    """Calls something several times per second, in a thread of its own, while pynetdicom waits for an answer."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dimse-watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Nothing is waited for any more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            self._call()


def _break_off(association: Any) -> None:
    """Abort from another thread than the one that waits for an answer, which pynetdicom would leave waiting."""
    association.abort()
    association.dimse.msg_queue.put((None, None))


def store_handlers() -> tuple[list[tuple[Any, Any]], StoreSlot]:
    """pynetdicom event handlers for an association that may run C-GET, and their slot."""
    from pynetdicom import evt

    slot = StoreSlot()
    return [(evt.EVT_C_STORE, slot.handle)], slot


class PynetdicomLink:
    """`links.Link` through pynetdicom."""

    def __init__(self, config: ServerConfig, opened: Opened, slot: StoreSlot) -> None:
        self._config = config
        self._association = opened.association
        self._slot = slot
        self._message_id = 0
        self._heard = time.monotonic()
        self._ticks: _Ticks | None = None
        self._ending: _Stop | None = None
        self.opened = opened

    def echo(self, control: JobControl | None = None) -> int:
        """Status of a C-ECHO; `control` can end the waiting."""
        if control is not None:
            control.on_cancel(self.abort)
        try:
            answer = self._association.send_c_echo()
        except (RuntimeError, ValueError) as fault:
            raise no_context(self._config, "verification (C-ECHO)") from fault
        return self._status(answer)

    def find(
        self, model: str, elements: Any, stop: Any, within: int | None = None
    ) -> Iterator[tuple[int, str, dict[int, bytes] | None]]:
        """Answers to a C-FIND, the final one included; cancelled once `stop` says so."""
        message_id = self._next_id()
        self._ending = ending = _Stop(self._association, model, message_id)
        try:
            answers = self._association.send_c_find(_dataset(elements), model, msg_id=message_id)
        except (RuntimeError, ValueError) as fault:
            raise no_context(self._config, "search (C-FIND)") from fault
        # Ended with the link too, for whoever asks may give up between two answers.
        self._ticks = ticks = _Ticks(lambda: ending.request() if stop() else None)
        try:
            for answer, match in answers:
                if "Status" not in answer and ending.requested:
                    return
                status = self._status(answer)
                comment = str(answer.get("ErrorComment", ""))
                if not is_pending(status):
                    ticks.end()
                    yield status, comment, None
                    return
                if match is not None:
                    yield status, comment, _values(match, within)
                if stop():
                    ending.request()
        finally:
            ticks.end()
            ending.end()

    def get(self, model: str, elements: Any, receiver: InstanceReceiver, control: JobControl) -> GetOutcome:
        """Run a C-GET."""
        message_id = self._next_id()
        slot = self._slot
        slot.receiver, slot.failure, slot.stop = receiver, None, _Stop(self._association, model, message_id)
        control.on_cancel(slot.stop.request)
        try:
            for answer, failed in self._association.send_c_get(_dataset(elements), model, msg_id=message_id):
                if "Status" in answer and is_pending(self._status(answer)):
                    receiver.announced(answer.get("NumberOfRemainingSuboperations"))
                    continue
                if slot.failure is not None:
                    raise slot.failure
                control.raise_if_cancelled()
                return _outcome(self._status(answer), answer, failed)
            raise self._broken()
        except (RuntimeError, ValueError) as fault:
            raise no_context(self._config, "retrieve by C-GET") from fault
        finally:
            slot.stop.end()
            slot.receiver = slot.stop = None
            receiver.discard()

    def move(self, model: str, elements: Any, destination: str, watch: MoveWatch, control: JobControl) -> GetOutcome:
        """Run a C-MOVE."""
        message_id = self._next_id()
        stop = _Stop(self._association, model, message_id)
        control.on_cancel(stop.request)

        def check() -> None:
            if time.monotonic() - max(self._heard, watch.last_sign()) > self._config.timeout_s:
                _break_off(self._association)

        # pynetdicom knows only the answers, which may be far apart while images arrive.
        timeout_s, self._association.dimse_timeout = self._association.dimse_timeout, None
        ticks = _Ticks(check)
        try:
            for answer, failed in self._association.send_c_move(
                _dataset(elements), destination, model, msg_id=message_id
            ):
                if "Status" not in answer:
                    control.raise_if_cancelled()
                outcome = _outcome(self._status(answer), answer, failed)
                if not is_pending(outcome.status):
                    return outcome
                watch.pending(outcome)
            raise self._broken()
        except (RuntimeError, ValueError) as fault:
            raise no_context(self._config, "retrieve by C-MOVE") from fault
        finally:
            ticks.end()
            stop.end()
            self._association.dimse_timeout = timeout_s

    def release(self) -> None:
        """End the association in order."""
        if self._association.is_established:
            self._association.release()
        self._close()

    def abort(self) -> None:
        """End the association at once."""
        self._association.abort()
        self._close()

    def _close(self) -> None:
        if self._ticks is not None and self._ending is not None:
            self._ticks.end()
            self._ending.end()
        # pynetdicom leaves the socket open when the peer was the first to end the connection.
        if self.opened.sock is not None:
            self.opened.sock.close()

    def _status(self, answer: Dataset) -> int:
        if "Status" in answer:
            self._heard = time.monotonic()
            return int(answer.Status)
        raise self._broken()

    def _broken(self) -> VisualDICOMError:
        """Why no answer came; pynetdicom aborts after its time-out, so that only the clock tells."""
        silent = time.monotonic() - self._heard >= self._config.timeout_s
        return connection_fault(self._config, PeerSilent() if silent else PeerAborted())

    def _next_id(self) -> int:
        self._heard = time.monotonic()
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id


def _dataset(elements: Any) -> Any:
    from io import BytesIO

    from pynetdicom.dsutils import decode

    return decode(BytesIO(encode_elements(elements, implicit=False)), False, True)


def _values(match: Any, within: int | None = None) -> dict[int, bytes]:
    from pynetdicom.dsutils import encode

    encoded = encode(match, True, True)
    return parse_elements(encoded, implicit=True, within=within) if encoded else {}


def _outcome(status: int, answer: Any, failed: Any) -> GetOutcome:
    uids = _values(failed).get(FAILED_UIDS, b"") if failed else b""
    text = uids.decode("ascii", "replace").strip("\0 ")
    return GetOutcome(
        status=status,
        comment=str(answer.get("ErrorComment", "")),
        remaining=answer.get("NumberOfRemainingSuboperations"),
        completed=answer.get("NumberOfCompletedSuboperations"),
        failed=answer.get("NumberOfFailedSuboperations"),
        warning=answer.get("NumberOfWarningSuboperations"),
        failed_uids=tuple(uid for uid in text.split("\\") if uid),
    )
