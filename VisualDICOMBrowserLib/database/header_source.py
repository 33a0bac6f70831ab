"""The bytes of a header, read piece by piece.

A `Window` shows a few kilobytes of a file, or of what its deflated data set inflates to, and moves forward
on demand; nothing here keeps more than one piece in memory. Used by the header scan only, by one thread
at a time.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

from VisualDICOMBrowserLib.errors import RejectedFileError

__all__ = ["FIRST_READ", "HeaderOddity", "InflatedReader", "TruncatedHeader", "Window", "read_exactly"]

FIRST_READ = 8192
# A header that is walked through in more pieces than this (64 MB of small elements) is refused.
_MOST_MOVES = 8192
_STEP = 65536
_HARMLESS_SIZE = 32 * 1024 * 1024
_LARGEST_RATIO = 200


class HeaderOddity(Exception):
    """The bytes are not what the own reader understands; pydicom may."""


class TruncatedHeader(Exception):
    """An element needs more bytes than are there."""

    def __init__(self, needed: int, present: int) -> None:
        super().__init__(needed, present)
        self.needed = needed
        self.present = present


def read_exactly(descriptor: int, count: int) -> bytes:
    """`count` bytes, fewer only at the end of the file; some network file systems give them bit by bit."""
    data = os.read(descriptor, count)
    while len(data) < count:
        more = os.read(descriptor, count - len(data))
        if not more:
            break
        data += more
    return data


class Window:
    """A piece of a source of known size, moved on demand.

    Parameters
    ----------
    read : callable
        Takes an offset and a count, gives that many bytes or fewer at the end of the source.
    size : int
        Bytes of the whole source.
    data : bytes
        Its first piece.
    """

    __slots__ = ("_moves", "_read", "data", "size", "start")

    def __init__(self, read: Callable[[int, int], bytes], size: int, data: bytes) -> None:
        self._read = read
        self._moves = 0
        self.size = size
        self.start = 0
        self.data = data

    def move(self, offset: int) -> bytes:
        """Let the window begin at `offset` and give its data."""
        self._moves += 1
        if self._moves > _MOST_MOVES:
            message = "The header is too long: it has millions of elements."
            raise RejectedFileError(message)
        self.start = offset
        self.data = self._read(offset, FIRST_READ)
        return self.data

    def at(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset`, fewer at the end of the source."""
        begin = offset - self.start
        if begin < 0 or begin + count > len(self.data):
            if count > FIRST_READ:
                return self._read(offset, count)
            self.move(offset)
            begin = 0
        return self.data[begin : begin + count]

    def peek(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` without moving, for single looks far ahead."""
        begin = offset - self.start
        if begin < 0 or begin + count > len(self.data):
            return self._read(offset, count)
        return self.data[begin : begin + count]


class InflatedReader:
    """Forward reading of a deflated data set, never holding more than a step of it.

    Parameters
    ----------
    descriptor : int
        Open file.
    offset : int
        Where the deflated data set begins.
    limit : int
        Largest inflated size that is read at all, in bytes.

    Raises
    ------
    RejectedFileError
        The data set inflates beyond the limit or out of proportion, is damaged, or is cut short.
    """

    def __init__(self, descriptor: int, offset: int, limit: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._piece = b""
        self._restart()
        self.size = self._measured_size(limit)

    def read(self, offset: int, count: int) -> bytes:
        """`count` inflated bytes from `offset`; going back starts over."""
        if offset < self._begin:
            self._restart()
        while self._begin + len(self._piece) < offset + count:
            more = self._inflate_step()
            if not more:
                break
            drop = max(0, min(offset - self._begin, len(self._piece)))
            self._piece = self._piece[drop:] + more
            self._begin += drop
        begin = offset - self._begin
        return self._piece[begin : begin + count]

    def _restart(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._position = self._offset
        self._begin = 0
        self._piece = b""

    def _measured_size(self, limit: int) -> int:
        """Size of the whole, found without keeping it."""
        total = 0
        while step := self._inflate_step():
            total += len(step)
            packed = self._position - self._offset
            if total > limit or (total > _HARMLESS_SIZE and total > packed * _LARGEST_RATIO):
                message = f"The deflated data set grows beyond what is allowed ({total >> 20} MB from {packed} bytes)."
                raise RejectedFileError(message)
        if not self._inflater.eof:
            message = "The file is cut short: its deflated data set has no end."
            raise RejectedFileError(message)
        self._restart()
        return total

    def _inflate_step(self) -> bytes:
        """The next inflated bytes, at most one step, empty at the end."""
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail
            if not packed:
                os.lseek(self._descriptor, self._position, os.SEEK_SET)
                packed = os.read(self._descriptor, _STEP)
                self._position += len(packed)
            try:
                step = self._inflater.decompress(packed, _STEP)
            except zlib.error:
                message = "The deflated data set is damaged."
                raise RejectedFileError(message) from None
            if step or not packed:
                return step
        return b""
