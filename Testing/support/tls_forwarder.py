"""HTTPS in front of a plain port, since Debian's Orthanc 1.10 falls over when it serves HTTPS itself."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading

__all__ = ["TlsForwarder"]

_PIECE = 65536


class TlsForwarder:
    """Takes TLS connections and passes their bytes to a plain port of this computer; a context manager.

    Parameters
    ----------
    port : int
        Where the plain server listens.
    context : ssl.SSLContext
        Its certificate, and what it asks of clients.
    """

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port = 0
        self._target = port
        self._context = context
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="tls-forwarder", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """End all connections and the thread."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def __enter__(self) -> TlsForwarder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        # A server that asks for certificates refuses clients after the handshake of TLS 1.3; that is not our error.
        self._loop.set_exception_handler(lambda loop, context: None)
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._ending.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            for end in (writer, inner_writer):
                end.transport.abort()
                with contextlib.suppress(OSError):
                    await end.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
    writer.close()
