"""Access tokens in memory, one per server, shared by all drivers of an engine. Any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.model import JobControl

__all__ = ["AccessToken", "TokenCache"]

_TICK_S = 0.2


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and until when it is used, by the cache's clock; None without an end."""

    value: str = field(repr=False)
    until: float | None = None


class TokenCache:
    """Tokens by server.

    Parameters
    ----------
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, ...], AccessToken] = {}
        self._signing: dict[tuple[str, ...], threading.Lock] = {}

    def get(self, key: tuple[str, ...]) -> str:
        """The token of a server and account, empty if there is none that is still good."""
        with self._lock:
            token = self._tokens.get(key)
        return token.value if token and (token.until is None or self.clock() < token.until) else ""

    def put(self, key: tuple[str, ...], token: AccessToken) -> None:
        """Keep a new token."""
        with self._lock:
            self._tokens[key] = token

    def reject(self, key: tuple[str, ...], value: str) -> None:
        """Forget a token that the server does not take any more, unless there is a newer one already."""
        with self._lock:
            token = self._tokens.get(key)
            if token is not None and token.value == value:
                del self._tokens[key]

    @contextmanager
    def signing_in(self, key: tuple[str, ...], control: JobControl) -> Iterator[None]:
        """Keep others from signing in to the same server meanwhile; waiting for them ends by cancel too."""
        with self._lock:
            lock = self._signing.setdefault(key, threading.Lock())
        while not lock.acquire(timeout=_TICK_S):
            control.raise_if_cancelled()
        try:
            yield
        finally:
            lock.release()
