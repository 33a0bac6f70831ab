"""A DICOM peer at socket level that does what its script says, also what no good server would do.

A script is a function that gets a `PeerSide` for the one connection it serves; it runs in the peer's thread.
What the script raises is raised again by `close`, so that a wrong script fails its test.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.elements import parse_elements
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import (
    AssociationRequest,
    accept_pdu,
    accepted_contexts,
    parse_request,
)
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, encode_command, encode_message

TIMEOUT_S = 20.0
PDU_LENGTH = 16384
COMMAND, LAST = 1, 2


class PeerSide:
    """The peer's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT_S)
        self.socket = sock
        self.request: AssociationRequest | None = None

    def accept(self, max_pdu: int = PDU_LENGTH) -> AssociationRequest:
        """Read the association request and accept the first syntax of every context, with the roles wanted."""
        kind, body = self.read_pdu()
        assert kind == 1
        request = parse_request(body)
        accepted = accepted_contexts(request, lambda abstract, syntaxes, provider: syntaxes[0])
        self.socket.sendall(accept_pdu(request, accepted, max_pdu))
        self.request = request
        return request

    def context_for(self, abstract_syntax: str) -> int:
        """Id of the context that was proposed for this."""
        assert self.request is not None
        return next(number for number, abstract, _ in self.request.contexts if abstract == abstract_syntax)

    def read_pdu(self) -> tuple[int, bytes]:
        """Type and body of the next PDU."""
        kind, length = struct.unpack(">BxL", self._read(6))
        return kind, self._read(length)

    def read_message(self) -> tuple[int, Command, bytes]:
        """Context, command and data set of the next message."""
        parts: dict[int, bytearray] = {0: bytearray(), 1: bytearray()}
        command: Command | None = None
        while True:
            kind, body = self.read_pdu()
            assert kind == 4, f"PDU of type {kind} instead of a message"
            position = 0
            while position < len(body):
                length, context_id, control = struct.unpack_from(">LBB", body, position)
                parts[control & COMMAND] += body[position + 6 : position + 4 + length]
                position += 4 + length
                if control == COMMAND | LAST:
                    command = Command.parse(bytes(parts[1]))
                    if not command.has_data:
                        return context_id, command, b""
                elif control == LAST:
                    assert command is not None
                    return context_id, command, bytes(parts[0])

    def read_identifier(self) -> tuple[int, Command, dict[int, bytes]]:
        """Like `read_message`, with the data set's elements (explicit little endian)."""
        context_id, command, data = self.read_message()
        return context_id, command, parse_elements(data, implicit=False)

    def send(self, context_id: int, command: Command, data: bytes | None = None) -> None:
        """Send a whole message."""
        self.socket.sendall(encode_message(context_id, command, data, max_pdu=PDU_LENGTH))

    def send_command_only(self, context_id: int, command: Command) -> None:
        """Send a command that announces a data set, without the data set."""
        self.send_pdv(context_id, COMMAND | LAST, encode_command(command, with_data=True))

    def send_pdv(self, context_id: int, control: int, content: bytes) -> None:
        """Send one PDV in a PDU of its own."""
        body = struct.pack(">LBB", len(content) + 2, context_id, control) + content
        self.send_pdu(4, body)

    def send_pdu(self, kind: int, body: bytes, length: int | None = None) -> None:
        """Send a PDU; `length` to announce another length than it has."""
        self.socket.sendall(struct.pack(">BxL", kind, len(body) if length is None else length) + body)

    def reset(self) -> None:
        """Break the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def wait_for_end(self) -> None:
        """Read until the other side closes."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(65536):
                pass

    def finish(self) -> None:
        """Answer the release that the other side asks for."""
        kind, _ = self.read_pdu()
        assert kind == 5, f"PDU of type {kind} instead of a release"
        self.send_pdu(6, bytes(4))

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                message = "the other side closed the connection"
                raise ConnectionError(message)
            data += piece
        return data


class FaultyPeer:
    """Serves its scripts, one connection each, in order; use as a context manager."""

    def __init__(self, *scripts: Callable[[PeerSide], None]) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT_S)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="faulty-peer", daemon=True)

    def __enter__(self) -> FaultyPeer:
        self._thread.start()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._thread.join(TIMEOUT_S)
        self._listener.close()
        assert not self._thread.is_alive(), "the script of the faulty peer still runs"
        if self._failure is not None and kind is None:
            raise self._failure

    def config(self, **changes: Any) -> ServerConfig:
        """How to reach it, with a time-out that suits tests."""
        port = self._listener.getsockname()[1]
        fields = {"name": "PACS", "host": "127.0.0.1", "port": port, "called_ae_title": "PACS", "timeout_s": 5.0}
        return ServerConfig(**{**fields, **changes})

    def _serve(self) -> None:
        try:
            for script in self._scripts:
                sock, _ = self._listener.accept()
                with sock:
                    script(PeerSide(sock))
        except (OSError, AssertionError) as failure:
            self._failure = failure
