"""Failures of a web server as sentences for the user, with the codes on which retries hang.

The one place where exceptions of requests, urllib3 and ssl and HTTP statuses become errors of
`VisualDICOMBrowserLib.errors`. Never a credential, an address with a query, or text of the server. Any thread.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from VisualDICOMBrowserLib.errors import NetworkError, PeerError, PeerTimeoutError, VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.tls import tls_fault

__all__ = [
    "not_dicomweb",
    "protocol_fault",
    "retry_after",
    "sign_in_fault",
    "status_fault",
    "transport_fault",
    "web_page",
]

_LONGEST_WAIT_S = 86400.0

_WORDS = {
    400: "does not understand the request (400)",
    405: "does not offer this service (405)",
    406: "cannot answer in the form asked for (406)",
    409: "refused the request in its present state (409)",
    413: "takes no request of this size (413)",
    415: "does not take this kind of data (415)",
    429: "asks for fewer requests (429)",
    500: "failed inside (500)",
    501: "does not offer this service (501)",
    502: "stands behind a gateway that does not reach it (502)",
    503: "is busy (503)",
    504: "stands behind a gateway that waited in vain for it (504)",
}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait that ``Retry-After`` names, as a number or a date (RFC 9110 10.2.3); None without it."""
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit() and len(told) < 10:
        return min(float(told), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(told).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return min(max(0.0, moment - time.time()), _LONGEST_WAIT_S)


def status_fault(config: ServerConfig, status: int, headers: Mapping[str, str]) -> PeerError:
    """Why a request failed that was answered with `status`."""
    name = config.name
    if status == 401:
        return sign_in_fault(config)
    if status in (403, 407):
        message = f"{name} gives us no right to this."
        return PeerError(message, code="no_right", server=name, next_step="Ask its administrator for the right.")
    if status in (404, 410):
        message = f"{name} does not have what was asked for."
        return PeerError(message, code="not_found", server=name, next_step="Query the server again.")
    wait = retry_after(headers) if status in (429, 503) else None
    words = _WORDS.get(status, f"answered with the status {status}")
    steps = {
        400: "Check the address of its DICOMweb service.",
        405: "Check the address of its DICOMweb service.",
        413: "Set a smaller largest request in its settings.",
    }
    next_step = steps.get(status, "Try again later." if status >= 429 else "")
    if wait is not None:
        next_step = f"It asks to wait {wait:.0f} s."
    return PeerError(
        f"{name} {words}.",
        code="too_large" if status == 413 else f"http_{status}",
        server=name,
        next_step=next_step,
        retry_after=wait,
    )


def sign_in_fault(config: ServerConfig, reason: str = "") -> PeerError:
    """Signing in is needed, or failed for `reason` (a clause without the server's name)."""
    if reason:
        message = f"Signing in to {config.name} failed: {reason}."
    elif config.auth == "none":
        message = f"Sign-in to {config.name} is needed."
    else:
        message = f"{config.name} does not accept our sign-in."
    next_step = "Set the way to sign in, user, password or token in its settings."
    return PeerError(message, code="sign_in", server=config.name, next_step=next_step)


def not_dicomweb(config: ServerConfig, what: str) -> PeerError:
    """The answer is not what DICOMweb defines; `what` it is instead, such as ``"no list"``."""
    return PeerError(
        f"{config.name} answers with {what}, not DICOMweb.",
        code="not_dicomweb",
        server=config.name,
        next_step="Check the address of its DICOMweb service.",
    )


def web_page(config: ServerConfig) -> PeerError:
    """A login page or a front page came instead of DICOMweb."""
    return PeerError(
        f"{config.name}: The address answers with a web page, not DICOMweb.",
        code="not_dicomweb",
        server=config.name,
        next_step="Check the address of its DICOMweb service, and whether signing in is needed.",
    )


def protocol_fault(config: ServerConfig, what: str) -> PeerError:
    """The server does what the protocol does not allow; `what` is a clause such as ``"no boundary"``."""
    return PeerError(
        f"{config.name} sent what HTTP or DICOMweb does not allow ({what}), so the connection was closed.",
        code="protocol",
        server=config.name,
        next_step="Report this to its administrator.",
    )


def transport_fault(config: ServerConfig, fault: BaseException, url: str) -> VisualDICOMError:
    """What kept an answer from coming whole; `url` is where it was expected from."""
    chain = list(_chain(fault))
    parts = urlsplit(url)
    name, host = config.name, parts.hostname or ""
    for cause in chain:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, TimeoutError)):
            return _tls_fault(config, cause, host)
    for cause in chain:
        if isinstance(cause, socket.gaierror):
            return NetworkError(
                f"{name}: the name {host} is not known in this network.",
                code="unknown_host",
                server=name,
                next_step="Check the address.",
            )
        if isinstance(cause, TimeoutError):
            return PeerTimeoutError(
                f"{name} did not answer in {config.timeout_s:g} s.",
                server=name,
                next_step="Check whether it is switched on and whether a firewall blocks it.",
            )
        if isinstance(cause, ConnectionRefusedError):
            port = parts.port or (443 if parts.scheme == "https" else 80)
            return NetworkError(
                f"{name}: nothing listens on port {port}.",
                code="refused",
                server=name,
                next_step="Check the address, and whether the server runs.",
            )
    return _broken(config, chain)


def _broken(config: ServerConfig, chain: list[BaseException]) -> VisualDICOMError:
    from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected

    from requests.exceptions import InvalidSchema, InvalidURL

    name = config.name
    for cause in chain:
        if isinstance(cause, (InvalidURL, InvalidSchema)):
            return protocol_fault(config, "a redirect to no address")
        if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected):
            # An alert record, which is what a TLS server makes of a plain request.
            if str(cause).lstrip("'\"").startswith(("\x15\x03", "\\x15\\x03")):
                message = f"{name} expects encryption (https), but the address says http."
                return NetworkError(message, code="tls_expected", server=name, next_step="Use an https address.")
            message = f"{name}: what listens there does not speak HTTP."
            return PeerError(message, code="not_dicomweb", server=name, next_step="Check address and port.")
        if isinstance(cause, HTTPException) and not isinstance(cause, (IncompleteRead, RemoteDisconnected)):
            return protocol_fault(config, "an answer that cannot be read")
    unreachable = [cause for cause in chain if isinstance(cause, OSError) and cause.errno]
    if unreachable and not any(isinstance(cause, ConnectionError) for cause in unreachable):
        return NetworkError(
            f"{name} cannot be reached: {unreachable[-1].strerror}.",
            code="unreachable",
            server=name,
            next_step="Check the network and the address.",
        )
    message = f"The connection to {name} was lost."
    return NetworkError(message, code="connection_lost", server=name, next_step="Try again.")


def _tls_fault(config: ServerConfig, fault: ssl.SSLError, host: str) -> VisualDICOMError:
    if re.search("WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE", str(fault)):
        return NetworkError(
            f"{config.name} speaks plain HTTP, but the address says https.",
            code="tls_not_expected",
            server=config.name,
            next_step="Use an http address, or ask its administrator for encryption.",
        )
    return tls_fault(replace(config, host=host), fault)


def _chain(fault: BaseException) -> Iterator[BaseException]:
    """A fault and all that stands behind it: causes, contexts, and faults that libraries carry as arguments."""
    waiting, seen = [fault], set[int]()
    while waiting:
        item = waiting.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        inner = [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
        waiting += [found for found in inner if isinstance(found, BaseException)]
