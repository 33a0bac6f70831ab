"""`WebSession`: requests to one web server, signed in, over connections that stay open and can be broken off.

What lives here: headers, redirects by hand (credentials and own headers only to the server's own address), the one
renewal of a rejected sign-in, failures as errors. What does not: how to sign in (``sign_in``), sockets
(``connections``), bodies (``body``). Nothing is tried again here; the queue does that. A session may be used
from several threads.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin, urlsplit

from VisualDICOMBrowserLib.errors import JobCancelled, PeerError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.web.body import WebAnswer
from VisualDICOMBrowserLib.servers.web.connections import LiveSockets, tls_context, transport
from VisualDICOMBrowserLib.servers.web.faults import protocol_fault, transport_fault

if TYPE_CHECKING:
    from requests import Session

__all__ = ["SecretHeaders", "SignedIn", "WebSession", "secret_headers"]

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_KEEP_METHOD = frozenset((307, 308))
_HEADER_PREFIX = "header:"
# Libraries disagree about the host of an address that has one of these; no server needs them.
_doubtful = re.compile(r"[\x00-\x1f\x7f\\]|^[^/]*//[^/?#]*[@ ]")
_name = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_value = re.compile(r"[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?")


class SignedIn(Protocol):
    """Where the Authorization header comes from."""

    def header(self, control: JobControl) -> str:
        """The header's value, empty for none; signs in if need be."""
        ...

    def renewed(self, rejected: str, control: JobControl) -> bool:
        """Whether another value than the one that the server `rejected` is worth a try."""
        ...


@dataclass(frozen=True, slots=True)
class SecretHeaders:
    """Secrets that every request needs besides the sign-in: own headers, and the password of our key file."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_password: str = field(default="", repr=False)


def secret_headers(secrets: Mapping[str, str]) -> SecretHeaders:
    """Those of a server's secrets that a session needs."""
    headers = {
        name.removeprefix(_HEADER_PREFIX): value
        for name, value in secrets.items()
        if name.startswith(_HEADER_PREFIX) and value
    }
    return SecretHeaders(headers, secrets.get("key_password", ""))


class WebSession:
    """Requests to one server.

    Parameters
    ----------
    config : ServerConfig
        The server.
    secrets : SecretHeaders
        Secret headers.
    signed_in : SignedIn
        Gives the Authorization header.
    """

    def __init__(self, config: ServerConfig, secrets: SecretHeaders, signed_in: SignedIn) -> None:
        self._config = config
        self._secrets = secrets
        self._signed_in = signed_in
        self._live = LiveSockets()
        self._making = threading.Lock()
        self._sessions: dict[tuple[bool, bool], Session] = {}

    def close(self) -> None:
        """Close all connections."""
        with self._making:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close()
        self._live.close()

    @contextmanager
    def cancellable(self, control: JobControl) -> Iterator[None]:
        """Break off everything when `control` asks for it while the block runs, which then ends by `JobCancelled`."""
        self._live.allow()
        running = [True]
        control.on_cancel(lambda: self._live.break_off() if running else None)
        try:
            control.raise_if_cancelled()
            yield
        except JobCancelled:
            raise
        except VisualDICOMError:
            control.raise_if_cancelled()
            raise
        finally:
            running.clear()

    @contextmanager
    def request(
        self,
        method: str,
        url: str,
        control: JobControl,
        *,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None = None,
        any_status: bool = False,
    ) -> Iterator[WebAnswer]:
        """The answer to one request, closed at the end of the block.

        Parameters
        ----------
        method, url : str
            What is asked for.
        control : JobControl
            For signing in, which may have to wait for a person.
        headers : mapping
            Headers of this request.
        body : callable, optional
            Makes the body anew for every time it is sent.
        any_status : bool
            Whether the caller judges the status itself; 401 is still an error.

        Raises
        ------
        PeerError
            The server refuses, or is no DICOMweb server.
        NetworkError, PeerTimeoutError
            It cannot be reached or broke off.
        """
        answer = self._signed(method, url, control, headers, body)
        try:
            failure = answer.failure()
            if failure is not None and (not any_status or answer.status == 401):
                answer.drain()
                raise failure
            yield answer
        finally:
            answer.close()

    def post_form(self, url: str, fields: Mapping[str, str], authorization: str = "") -> WebAnswer:
        """The answer to a form with secrets: sent to `url` alone, without own headers, never redirected."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if authorization:
            headers["Authorization"] = authorization
        answer = self._send("POST", url, headers, dict(fields), home=self._is_home(url), system=True)
        if answer.status in _REDIRECTS:
            answer.close()
            raise protocol_fault(self._config, "a redirect of the sign-in")
        return answer

    def _signed(
        self,
        method: str,
        url: str,
        control: JobControl,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None,
    ) -> WebAnswer:
        authorization = self._signed_in.header(control)
        answer = self._followed(method, url, headers, body, authorization)
        if answer.status == 401 and self._signed_in.renewed(authorization, control):
            answer.close()
            answer = self._followed(method, url, headers, body, self._signed_in.header(control))
        return answer

    def _followed(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None,
        authorization: str,
    ) -> WebAnswer:
        """The answer at the end of redirects; what is secret goes to our own server alone."""
        own = {**self._config.headers, **self._secrets.headers}
        if authorization:
            own["Authorization"] = authorization
        if not all(_name.fullmatch(name) and (not value or _value.fullmatch(value)) for name, value in own.items()):
            message = f"A header or token in the settings of {self._config.name} is not one line of plain text."
            raise UsageError(message, code="server_config", server=self._config.name)
        home = True
        for _ in range(_MOST_REDIRECTS + 1):
            home = home and self._is_home(url)
            everything = {**own, **headers} if home else dict(headers)
            answer = self._send(method, url, everything, body() if body else None, home=home)
            target = answer.headers.get("Location", "")
            if answer.status not in _REDIRECTS or not target:
                return answer
            answer.drain()
            answer.close()
            url = self._redirected(method, url, target, answer.status)
        raise protocol_fault(self._config, f"more than {_MOST_REDIRECTS} redirects")

    def _redirected(self, method: str, url: str, target: str, status: int) -> str:
        """Where a redirect leads.

        Raises
        ------
        PeerError
            It must not be followed.
        """
        try:
            url, left = urljoin(url, target), url
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            raise protocol_fault(self._config, "a redirect to no address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or _doubtful.search(url):
            raise protocol_fault(self._config, "a redirect to no web address")
        if parts.scheme == "http" and urlsplit(left).scheme == "https":
            raise self._refused_redirect(parts.hostname, "it leads from https to plain http")
        if method != "GET" and not (status in _KEEP_METHOD and self._is_home(url)):
            # A body is patients' data; it goes where the user sent it, and nowhere else.
            raise self._refused_redirect(parts.hostname, "what we send goes nowhere else")
        return url

    def _refused_redirect(self, host: str, why: str) -> PeerError:
        return PeerError(
            f"{self._config.name} asks for a redirect to {host}, which is not followed: {why}.",
            code="redirect",
            server=self._config.name,
            next_step="Check its address.",
        )

    def _is_home(self, url: str) -> bool:
        """Whether `url` is of our server: the same host, and port and scheme unless it moved up to https."""
        ours, theirs = urlsplit(self._config.url), urlsplit(url)
        if (ours.hostname or "").lower() != (theirs.hostname or "").lower():
            return False
        ports = {"http": 80, "https": 443}
        mine, other = ours.port or ports.get(ours.scheme), theirs.port or ports.get(theirs.scheme)
        moved_up = (ours.scheme, theirs.scheme, mine, other) == ("http", "https", 80, 443)
        return (ours.scheme, mine) == (theirs.scheme, other) or moved_up

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, *, home: bool, system: bool = False
    ) -> WebAnswer:
        from requests import Request, RequestException
        from requests.utils import get_environ_proxies
        from urllib3.exceptions import HTTPError

        session = self._session(home=home and not system, secure=urlsplit(url).scheme == "https")
        try:
            prepared = Request(method, url, headers=dict(headers), data=body).prepare()
            response = session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                timeout=(self._config.timeout_s, self._config.timeout_s),
                proxies=get_environ_proxies(url),
            )
        except (RequestException, HTTPError, OSError, ValueError) as fault:
            shown = self._config if home else replace(self._config, tls_certificate_file="", tls_key_file="")
            raise transport_fault(shown, fault, url) from None
        return WebAnswer(self._config, response)

    def _session(self, *, home: bool, secure: bool) -> Session:
        """Session for our server or for others, by plain or encrypted connections."""
        with self._making:
            if (home, secure) not in self._sessions:
                # Reading the system's list of authorities takes longer than most requests, so only where it is needed.
                context = tls_context(self._config, self._secrets.key_password, home=home) if secure else None
                self._sessions[home, secure] = self._new_session(context)
            return self._sessions[home, secure]

    def _new_session(self, context: ssl.SSLContext | None) -> Session:
        import requests

        class OneHop(requests.Session):
            def get_redirect_target(self, resp: Any) -> None:
                """None: even where it follows none, requests reads and prepares for redirects."""

        session = OneHop()
        # Credentials come from the settings alone, not from a .netrc file.
        session.trust_env = False
        session.headers.clear()
        session.headers["User-Agent"] = "VisualDICOMBrowser"
        session.mount(
            "https://" if context else "http://", transport(self._live, context, self._config.max_associations)
        )
        return session
