"""The steps for a DICOM server (DIMSE): name, network, encryption, association, echo, query, retrieve, store, listener.

Where images come by way of a proxy, ``proxy`` and ``destination`` stand before ``retrieve``.

One thread per walk; see ``diagnosis``.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import replace

from VisualDICOMBrowserLib.errors import AssociationError, NetworkError, UsageError
from VisualDICOMBrowserLib.servers.arrivals import ListenerAddress
from VisualDICOMBrowserLib.servers.bulk.fetch import caller_for
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import NOT_TRIED, Omitted, Walk
from VisualDICOMBrowserLib.servers.diagnosis.fetch import Sample
from VisualDICOMBrowserLib.servers.diagnosis.probes import connect_plain, own_address, shake_hands
from VisualDICOMBrowserLib.servers.diagnosis.proxy import ProxySteps
from VisualDICOMBrowserLib.servers.diagnosis.sending import send_test_image
from VisualDICOMBrowserLib.servers.diagnosis.texts import addresses_text
from VisualDICOMBrowserLib.servers.dimse.find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from VisualDICOMBrowserLib.servers.dimse.links import open_link
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED, classes_for
from VisualDICOMBrowserLib.servers.dimse.store import store_address
from VisualDICOMBrowserLib.servers.faults import no_context
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller, ContextProposal
from VisualDICOMBrowserLib.servers.upper_layer.connecting import resolve

__all__ = ["walk_dimse"]

# Services by the presentation contexts that stand for them (PS3.4 A.4, C.6).
_SERVICES = {
    "verification": ("1.2.840.10008.1.1",),
    "search": (STUDY_ROOT_FIND, PATIENT_ROOT_FIND),
    "C-GET": ("1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.1.3"),
    "C-MOVE": ("1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.1.2"),
    "storage": ("1.2.840.10008.5.1.4.1.1.2",),
}
_MOST_KINDS = 20


def walk_dimse(walk: Walk) -> None:
    """Take all steps of a DIMSE server."""
    dimse = _DimseWalk(walk)
    by_proxy = walk.config.retrieve_protocol == "proxy"
    walk.total = 11 if by_proxy else 9
    walk.run("name", dimse.name)
    walk.run("network", dimse.network, needs=("name",))
    walk.run("encryption", dimse.encryption, needs=("network",))
    walk.run("association", dimse.association, needs=("encryption", "network"))
    walk.run("echo", dimse.echo, needs=("association",))
    walk.run("query", dimse.query, needs=("association",))
    if by_proxy:
        walk.run("proxy", dimse.proxy.reachable)
        walk.run("destination", dimse.destination, needs=("query", "proxy"))
    walk.run("retrieve", dimse.retrieve, needs=("query", "destination"))
    walk.run("store", dimse.store, needs=("name",) if dimse.sends_elsewhere else ("association",))
    walk.run("listener", dimse.listener)


class _DimseWalk:
    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._config = walk.config
        self._facts = walk.facts
        self._sample = Sample(walk)
        self.proxy = ProxySteps(walk, self._sample)
        self._offered: set[str] = set()
        caller = caller_for(walk.config, walk.settings)
        self._facts.ae_title = caller.ae_title
        self._facts.listener_port = walk.settings.integer("node/port")
        title = walk.settings.text("node/ae_title")
        self._facts.listener_ae_title = "" if "{" in title else title  # a pattern is filled in by the listener
        self._facts.needs_listener = walk.config.retrieve_protocol == "C-MOVE"

    @property
    def sends_elsewhere(self) -> bool:
        """Whether images are sent to another address than searches go to."""
        there = store_address(self._config)
        return (there.host, there.port) != (self._config.host, self._config.port)

    def name(self) -> str:
        addresses = resolve(self._config, self._walk.control)
        self._facts.own_address = own_address(self._config, self._walk.control)
        return addresses_text(self._config.host, [str(address[0]) for _, address in addresses])

    def network(self) -> str:
        self._facts.own_address = connect_plain(self._config, self._walk.control)
        return f"Port {self._config.port} takes connections; this computer is {self._facts.own_address} there."

    def encryption(self) -> str:
        if not self._config.tls:
            message = "TLS is off for this server."
            raise Omitted(message)
        try:
            facts = shake_hands(self._config, self._walk.control, self._walk.secrets().get("key_password", ""))
        except NetworkError as fault:
            self._walk.refused_certificate(self._config, fault)
            raise
        return facts.sentence(datetime.datetime.now(datetime.timezone.utc).date())

    def association(self) -> str:
        proposals = [ContextProposal(uid, UNCOMPRESSED) for uids in _SERVICES.values() for uid in uids]
        link = open_link(self._config, self._caller(), proposals, control=self._walk.control)
        accepted = {item.abstract_syntax for item in link.opened.contexts}
        link.release()
        self._offered = {service for service, uids in _SERVICES.items() if accepted.intersection(uids)}
        self._facts.offered = frozenset(self._offered)
        if self._config.retrieve_protocol == "auto" and "C-GET" not in self._offered:
            self._facts.needs_listener = True
        offered = ", ".join(service for service in _SERVICES if service in self._offered)
        return f"{self._config.name} takes our call and offers {offered}."

    def echo(self) -> str:
        self._require("verification", "verification (C-ECHO)")
        seconds = self._walk.driver().echo(self._walk.control)
        return f"The test message was answered in {seconds * 1000:.0f} ms."

    def query(self) -> str:
        if not (self._config.enabled or self._config.retrieve_enabled):
            message = "Searching and fetching are switched off for this server."
            raise Omitted(message)
        self._require("search", "search (C-FIND)")
        return self._sample.query()

    def destination(self) -> str:
        self._require("C-MOVE", "retrieve by C-MOVE")
        return self.proxy.known()

    def retrieve(self) -> str:
        protocol = self._config.retrieve_protocol
        if not self._config.retrieve_enabled:
            message = "Fetching from this server is switched off."
            raise Omitted(message)
        if protocol == "proxy":
            self._require("C-MOVE", "retrieve by C-MOVE")
            return self._sample.fetch(f"by way of {self._config.proxy}")
        if protocol == "C-GET" or (protocol == "auto" and "C-GET" in self._offered):
            self._require("C-GET", "retrieve by C-GET")
            return self._sample.fetch("by C-GET")
        self._require("C-MOVE", "retrieve by C-MOVE" if protocol == "C-MOVE" else "retrieve by C-GET or C-MOVE")
        return self._sample.fetch("by C-MOVE")

    def store(self) -> str:
        if not self._config.store_enabled:
            message = "Sending to this server is switched off."
            raise Omitted(message)
        if self._walk.sends:
            return send_test_image(self._walk)
        there = store_address(self._config)
        kinds = classes_for()[:_MOST_KINDS]
        proposals = [ContextProposal(uid, UNCOMPRESSED) for uid in kinds]
        try:
            link = open_link(there, self._caller(), proposals, control=self._walk.control)
        except AssociationError as fault:
            if fault.code != "no_context":
                raise
            raise no_context(self._config, "storage (C-STORE) to us") from fault
        accepted = {item.abstract_syntax for item in link.opened.contexts}
        link.release()
        if len(accepted) == len(kinds):
            return "It takes images of all common kinds. Nothing was sent."
        return f"It takes images of {len(accepted)} of {len(kinds)} common kinds. Nothing was sent."

    def listener(self) -> str:
        needed = self._facts.needs_listener and self._config.retrieve_enabled
        if not needed and not self._walk.settings.flag("node/start"):
            message = "Our listener is not needed for this server."
            raise Omitted(message)
        arrivals = self._walk.services.arrivals
        listener = arrivals.listener() if arrivals is not None else None
        if listener is None:
            message = "Our listener does not run."
            if not needed:
                raise Omitted(message, NOT_TRIED)
            step = "Start it in the settings of this computer."
            raise UsageError(message, code="listener_off", server=self._config.name, next_step=step)
        self._facts.listener_ae_title, self._facts.listener_port = listener.ae_title, listener.port
        return self._reach_listener(listener, needed)

    def _reach_listener(self, listener: ListenerAddress, needed: bool) -> str:
        ours = self._facts.own_address
        if needed and ours and _is_loopback(listener.host) and not _is_loopback(ours):
            message = f"Our listener takes connections of this computer only, so {self._config.name} cannot reach it."
            step = "Set its address to 0.0.0.0, or to that of the right network card, in the settings."
            raise NetworkError(message, code="listener_loopback", server=self._config.name, next_step=step)
        host = (ours or "127.0.0.1") if _is_any(listener.host) else listener.host
        itself = replace(self._config, name="Our listener", host=host, port=listener.port, tls=False)
        connect_plain(itself, self._walk.control)
        return (
            f'Our listener runs as "{listener.ae_title}" on {host}, port {listener.port}. '
            "Whether a firewall lets the server in cannot be seen from here."
        )

    def _require(self, service: str, words: str) -> None:
        if service not in self._offered:
            raise no_context(self._config, words)

    def _caller(self) -> Caller:
        caller = caller_for(self._config, self._walk.settings)
        return replace(caller, key_password=self._walk.secrets().get("key_password", ""))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _is_any(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")
