"""Instances from files to a peer by C-STORE, as they are on disk (DICOM PS3.7 9.1.1).

Used by ``store`` and by the C-GET and C-MOVE sides of our node. The data set goes from the file into one
buffer of ready PDUs and to the socket; it is decoded only if the peer did not take its transfer syntax. One thread
per sender.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.database.header_meta import locate_data_set
from VisualDICOMBrowserLib.database.header_scan import file_window, open_regular, read_values
from VisualDICOMBrowserLib.database.header_source import TruncatedHeader
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.model import InstanceRecord
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from VisualDICOMBrowserLib.servers.upper_layer.pdata import (
    PDV_OVERHEAD,
    Command,
    CommandField,
    ProtocolFault,
    data_pdu_header,
    encode_message,
)

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "SEND_BYTES",
    "CannotSend",
    "FileTorn",
    "InstanceSender",
    "StoredFile",
    "read_stored_file",
    "sop_class_in_file",
    "uncompressed_data_set",
]

_SOP_CLASS, _SOP_INSTANCE = "0008,0016", "0008,0018"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_WORD_BYTES = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_LONGEST_ANSWER = 64 * 1024
SEND_BYTES = 256 * 1024
"""Most bytes of one write to the network."""
_HEADER_BYTES = 12
_UNCOMPRESSED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)


class CannotSend(Exception):
    """An instance cannot be sent over this association; the message says why."""


class FileTorn(ConnectionError):
    """A file ended or broke while it was sent; only breaking the association keeps the peer from a torn instance."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A local instance and how its file is written; the data set begins at byte ``offset``."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int


def read_stored_file(record: InstanceRecord, *, verify: bool = False) -> StoredFile:
    """What has to be known to send a local instance.

    The UIDs are those of the data set, as the database has them: File Meta Information of real files is at times
    another object's, or missing (DICOM PS3.10 7.1). `verify` looks whether the file still holds that instance.

    Raises
    ------
    CannotSend
        The file is gone, or is no DICOM file any more.
    """
    try:
        descriptor, size = open_regular(record.path)
        try:
            encoding = locate_data_set(file_window(descriptor, size))
        finally:
            os.close(descriptor)
        sop_class = record.SOPClassUID
        if verify or not sop_class:
            values = read_values(Path(record.path), [_SOP_CLASS, _SOP_INSTANCE])
            sop_class = values.get(_SOP_CLASS, "")
            if verify and values.get(_SOP_INSTANCE) != record.SOPInstanceUID:
                message = "the file holds another object by now"
                raise CannotSend(message)
    except (RejectedFileError, TruncatedHeader) as fault:
        message = f"the file cannot be read ({fault})"
        raise CannotSend(message) from fault
    if encoding is None or not sop_class:
        message = "the file holds no DICOM object that can be named"
        raise CannotSend(message)
    syntax = encoding.transfer_syntax
    if syntax in _UNCOMPRESSED and not encoding.explicit:
        syntax = IMPLICIT_LITTLE  # whatever its File Meta Information says
    return StoredFile(Path(record.path), sop_class, record.SOPInstanceUID, syntax, encoding.offset)


def sop_class_in_file(path: str) -> str:
    """SOP Class UID of the data set in a file, empty if there is none.

    Raises
    ------
    RejectedFileError
        The file cannot be read.
    """
    return read_values(Path(path), [_SOP_CLASS]).get(_SOP_CLASS, "")


class InstanceSender:
    """Sends files over one association.

    Parameters
    ----------
    channel : Channel
        The association.
    contexts : sequence of Accepted
        Its accepted contexts.
    on_message : callable, optional
        Gets commands other than the awaited response, such as C-CANCEL.
    on_bytes : callable, optional
        Gets the number of bytes of each write, after it.
    most_at_once : int
        Bytes of one write at most, but always a whole PDU.
    while_waiting : callable, optional
        Called once per instance when all of it is sent and the peer has not answered yet; should be short.

    ``comment`` is the error comment of the last response.
    """

    def __init__(
        self,
        channel: Channel,
        contexts: Sequence[Accepted],
        on_message: Callable[[Command], None] | None = None,
        *,
        on_bytes: Callable[[int], None] = lambda count: None,
        most_at_once: int = SEND_BYTES,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self.comment = ""
        self._on_bytes = on_bytes
        self._most_at_once = min(most_at_once, SEND_BYTES)
        self._while_waiting = while_waiting
        self._channel = channel
        self._contexts = {(item.abstract_syntax, item.transfer_syntax): item for item in contexts}
        self._on_message = on_message
        self._view = memoryview(bytearray(SEND_BYTES + channel.peer_max_pdu + _HEADER_BYTES))
        self._message_id = 0

    def send(self, stored: StoredFile, originator: str = "", originator_message_id: int | None = None) -> int:
        """Send one instance; the status of the peer's response.

        `originator` names who asked for a C-MOVE, and by which message (PS3.7 9.1.1.1).

        Raises
        ------
        CannotSend
            The peer accepted no transfer syntax the instance can have.
        ProtocolFault, PeerAborted, PeerClosed, PeerReleased, PeerSilent
            The association cannot go on.
        """
        self._message_id = self._message_id % 0xFFFF + 1
        command = Command(
            field=CommandField.C_STORE_RQ,
            message_id=self._message_id,
            sop_class=stored.sop_class,
            sop_instance=stored.sop_instance,
            priority=0,
            originator=originator,
            originator_message_id=originator_message_id,
        )
        context = self._contexts.get((stored.sop_class, stored.transfer_syntax))
        if context is None:
            context, data = self._converted(stored)
            self._stream(context, command, io.BytesIO(data), len(data))
            return self._response()
        try:
            stream = stored.path.open("rb", buffering=0)
        except OSError as fault:
            message = f"the file cannot be read ({fault})"
            raise CannotSend(message) from fault
        with stream:
            size = os.fstat(stream.fileno()).st_size - stored.offset
            if size <= 0:
                message = "the file became shorter than its own header"
                raise CannotSend(message)
            stream.seek(stored.offset)
            self._stream(context, command, stream, size)
        return self._response()

    def takes(self, sop_class: str) -> bool:
        """Whether the peer accepted any context of that class."""
        return any(accepted == sop_class for accepted, _ in self._contexts)

    def _response(self) -> int:
        self._while_waiting()
        while True:
            _, answer, _ = self._channel.receive_message(_LONGEST_ANSWER)
            if answer.field == CommandField.C_STORE_RSP and answer.status is not None:
                if answer.responded_to not in (None, self._message_id):
                    message = f"a response to message {answer.responded_to} instead of {self._message_id}"
                    raise ProtocolFault(message)
                self.comment = answer.comment
                return answer.status
            if self._on_message is None:
                message = f"command {answer.field:04X} instead of a C-STORE response"
                raise ProtocolFault(message)
            self._on_message(answer)

    def _stream(self, context: Accepted, command: Command, stream: io.FileIO | io.BytesIO, size: int) -> None:
        """Send command and `size` bytes of `stream`, several PDUs per write.

        A deflated data set may have an odd number of bytes in the file; fragments may not (PS3.8 annex E).
        """
        room = self._channel.peer_max_pdu - PDV_OVERHEAD
        # An empty data set announces that one follows; its own PDU header is cut off again.
        head = encode_message(context.context_id, command, b"", max_pdu=self._channel.peer_max_pdu)
        head = head[:-_HEADER_BYTES]
        self._view[: len(head)] = head
        end = len(head)
        padding = size % 2
        while True:
            piece = min(room, size)
            _read_fully(stream, self._view[end + _HEADER_BYTES : end + _HEADER_BYTES + piece])
            size -= piece
            if padding and not size:
                self._view[end + _HEADER_BYTES + piece] = 0
                piece += 1
            self._view[end : end + _HEADER_BYTES] = data_pdu_header(context.context_id, piece, last=not size)
            end += _HEADER_BYTES + piece
            if not size or end >= self._most_at_once:
                self._channel.send(self._view[:end])
                self._on_bytes(end)
                end = 0
            if not size:
                return

    def _converted(self, stored: StoredFile) -> tuple[Accepted, bytes]:
        """The instance without compression, in a syntax the peer took."""
        context = next(
            (
                self._contexts[stored.sop_class, syntax]
                for syntax in _UNCOMPRESSED
                if (stored.sop_class, syntax) in self._contexts
            ),
            None,
        )
        if context is None:
            message = f"its transfer syntax {stored.transfer_syntax} was not accepted"
            raise CannotSend(message)
        return context, uncompressed_data_set(stored, context.transfer_syntax)


def _read_fully(stream: io.FileIO | io.BytesIO, into: memoryview) -> None:
    while into:
        try:
            count = stream.readinto(into)
        except OSError as fault:
            message = f"the file cannot be read to its end ({fault})"
            raise FileTorn(message) from fault
        if not count:
            message = "the file became shorter while it was sent"
            raise FileTorn(message)
        into = into[count:]


def _swap_words(dataset: Dataset) -> None:
    """Turn the words that pydicom leaves as they were in a big endian file (DICOM PS3.5 7.3)."""
    import numpy as np

    for element in dataset.iterall():
        size = _WORD_BYTES.get(str(element.VR))
        if size is None or not isinstance(element.value, bytes):
            continue
        if element.keyword == "PixelData":
            size = max(size, int(dataset.get("BitsAllocated", 16)) // 8)
        element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()


def uncompressed_data_set(stored: StoredFile, transfer_syntax: str) -> bytes:
    """The data set of a file, encoded anew in an uncompressed little endian transfer syntax.

    Raises
    ------
    CannotSend
        It cannot be decoded.
    """
    import pydicom
    from pydicom.uid import UID
    from pynetdicom.dsutils import encode

    try:
        dataset = pydicom.dcmread(stored.path, force=True)
        if UID(stored.transfer_syntax).is_compressed:
            dataset.decompress(generate_instance_uid=False)
        elif stored.transfer_syntax == _EXPLICIT_BIG:
            _swap_words(dataset)
        data = encode(dataset, UID(transfer_syntax).is_implicit_VR, True)
    except Exception as fault:
        message = f"it cannot be decompressed ({fault})"
        raise CannotSend(message) from fault
    if data is None:
        message = "it cannot be written without compression"
        raise CannotSend(message)
    return data
