"""The steps for a DICOMweb server: name, network, encryption, HTTP, sign-in, QIDO-RS, WADO-RS, STOW-RS.

STOW-RS is tried only if sending is to be tested too, since nothing else would prove it. One thread per walk; see
``diagnosis``.
"""

from __future__ import annotations

import datetime
from urllib.parse import urlsplit

from VisualDICOMBrowserLib.errors import NetworkError, PeerError
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import NOT_TRIED, Omitted, Walk
from VisualDICOMBrowserLib.servers.diagnosis.fetch import Sample
from VisualDICOMBrowserLib.servers.diagnosis.probes import (
    HttpAnswer,
    ask_qido,
    connect_plain,
    endpoint_of,
    own_address,
    shake_hands,
)
from VisualDICOMBrowserLib.servers.diagnosis.sending import send_test_image
from VisualDICOMBrowserLib.servers.diagnosis.texts import addresses_text
from VisualDICOMBrowserLib.servers.upper_layer.connecting import resolve

__all__ = ["walk_web"]

_WEB_PAGES = ("text/html", "application/xhtml+xml")
_DICOMWEB_TYPES = ("json", "xml", "multipart/", "octet-stream")


def walk_web(walk: Walk) -> None:
    """Take all steps of a DICOMweb server."""
    web = _WebWalk(walk)
    walk.total = 8
    walk.run("name", web.name)
    walk.run("network", web.network, needs=("name",))
    walk.run("encryption", web.encryption, needs=("network",))
    walk.run("http", web.http, needs=("network", "encryption"))
    walk.run("sign-in", web.sign_in, needs=("http",))
    walk.run("query", web.sample.query, needs=("sign-in",))
    walk.run("retrieve", lambda: web.sample.fetch("by WADO-RS"), needs=("query",))
    walk.run("store", web.store, needs=("sign-in",))


class _WebWalk:
    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._config = walk.config
        self._endpoint = endpoint_of(walk.config)
        self._answer: HttpAnswer | None = None
        self.sample = Sample(walk)

    def name(self) -> str:
        addresses = resolve(self._endpoint, self._walk.control)
        self._walk.facts.own_address = own_address(self._endpoint, self._walk.control)
        return addresses_text(self._endpoint.host, [str(address[0]) for _, address in addresses])

    def network(self) -> str:
        ours = self._walk.facts.own_address = connect_plain(self._endpoint, self._walk.control)
        return f"Port {self._endpoint.port} takes connections; this computer is {ours} there."

    def encryption(self) -> str:
        if not self._endpoint.tls:
            message = "The address begins with http: passwords and images can be read on the way."
            raise Omitted(message)
        try:
            facts = shake_hands(self._endpoint, self._walk.control, self._key_password())
        except NetworkError as fault:
            self._walk.refused_certificate(self._endpoint, fault)
            raise
        return facts.sentence(datetime.datetime.now(datetime.timezone.utc).date())

    def http(self) -> str:
        answer = self._answer = ask_qido(self._endpoint, self._walk.control, self._key_password())
        name, status, kind = self._config.name, answer.status, answer.content_type
        if answer.wants_encryption:
            message = f"{name} expects encryption, but the address says http."
            step = "Use an address that begins with https."
            raise PeerError(message, code="tls_expected", server=name, next_step=step)
        if status in (401, 403, 407):
            return f"{name} answers by HTTP and wants to know who we are ({status})."
        if 300 <= status < 400:
            return f"{name} answers by HTTP and points to {urlsplit(answer.location).hostname or 'another path'}."
        if status in (404, 410):
            message = f"{name} has no DICOMweb service under this address ({status})."
            raise self._not_dicomweb(message)
        if status >= 500:
            message = f"{name} answers by HTTP, but failed inside ({status})."
            step = "Try again later, then ask its administrator."
            raise PeerError(message, code=f"http_{status}", server=name, next_step=step)
        if kind in _WEB_PAGES or (kind and not any(word in kind for word in _DICOMWEB_TYPES)):
            what = "a web page" if kind in _WEB_PAGES else kind
            message = f"{name}: The address answers with {what}, not DICOMweb."
            raise self._not_dicomweb(message)
        return f"{name} answers by HTTP ({status})."

    def sign_in(self) -> str:
        name = self._config.name
        if self._config.auth == "none" and not self._has_secret_headers():
            if self._answer is not None and self._answer.status in (401, 407):
                message = f"Sign-in to {name} is needed."
                step = "Set the way to sign in, and the user with a password or the token, for this server."
                raise PeerError(message, code="sign_in", server=name, next_step=step)
            if self._answer is not None and self._answer.status == 403:
                message = f"{name} gives no right to search without signing in."
                step = "Set the way to sign in for this server, or ask its administrator for the right."
                raise PeerError(message, code="no_right", server=name, next_step=step)
            message = "No sign-in is set, and the server wants none."
            raise Omitted(message)
        seconds = self._walk.driver().echo(self._walk.control)
        return f"{name} accepts our sign-in, in {seconds * 1000:.0f} ms."

    def store(self) -> str:
        if not self._config.store_enabled:
            message = "Sending to this server is switched off."
            raise Omitted(message)
        if self._walk.sends:
            return send_test_image(self._walk)
        message = "Whether images may be sent shows only when some are sent."
        raise Omitted(message, NOT_TRIED)

    def _has_secret_headers(self) -> bool:
        return any(field.startswith("header:") for field in self._walk.secrets())

    def _key_password(self) -> str:
        return self._walk.secrets().get("key_password", "")

    def _not_dicomweb(self, message: str) -> PeerError:
        step = "Check the path in its address; often it ends with dicom-web or rs."
        return PeerError(message, code="not_dicomweb", server=self._config.name, next_step=step)
