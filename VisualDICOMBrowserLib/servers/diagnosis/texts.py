"""What a diagnosis says to people: what a fault means, what to do, and a letter to the administrator of the server.

Whole sentences with named fields, so that each can be translated. Pure functions; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["Facts", "addresses_text", "advice_text", "request_text"]

_MOST_ADDRESSES = 3


@dataclass(slots=True)
class Facts:
    """What a walk found out about us and about the server, and the faults by step in their order.

    ``offered`` are the services that the server takes our call for, ``certificate`` what its refused certificate says,
    ``proxy`` where it is to send so that a proxy takes it.
    """

    ae_title: str = ""
    own_address: str = ""
    listener_ae_title: str = ""
    listener_port: int = 0
    needs_listener: bool = False
    offered: frozenset[str] = frozenset()
    certificate: str = ""
    proxy: str = ""
    faults: list[tuple[str, VisualDICOMError]] = field(default_factory=list)

    def add_fault(self, step: str, fault: VisualDICOMError) -> None:
        """Remember why a step failed."""
        self.faults.append((step, fault))


_MEANINGS = {
    "unknown_host": "This computer finds no address for that name, so nothing was sent yet.",
    "refused": "The computer is there, but no program takes connections on that port.",
    "unreachable": "There is no way through the network to that address.",
    "timeout": "The server is switched off or too busy, or a firewall lets nothing through.",
    "connection_lost": "Something between this computer and the server, or the server itself, cut the connection.",
    "tls_expected": "The server takes encrypted connections only.",
    "tls_not_expected": "The server does not encrypt on this port.",
    "tls_certificate_expired": "The proof of the server's identity is out of date, so it could be somebody else.",
    "tls_certificate_name": "The server proves another name than the one that was called.",
    "tls_untrusted": "Nobody whom this computer trusts vouches for the server.",
    "tls_client_certificate": "The server wants proof of who this computer is.",
    "tls_version": "The server offers only encryption that is no longer safe.",
    "tls_failed": "Server and computer found no encryption that both can do.",
    "not_dicom": "Another program than a DICOM server answers on that port.",
    # dcmqrscp is one of those that give this reason to callers that they do not know.
    "called_ae": "The server is there, but goes by another AE title; some servers say so too when they do not know us.",
    "calling_ae": "The server answers only applications that it has been told of.",
    "association_rejected": "The server is there, but does not want to speak with us.",
    "busy": "The server works, but has no time for us now.",
    "local_limit": "The server works, but all of its connections are taken.",
    "aborted": "The server began to speak with us and then broke off.",
    "no_context": "The server works, but does not offer this service to our AE title.",
    "protocol": "The server does not keep to the standard here.",
    "peer_status": "The server understood the request and could not carry it out.",
    "move_destination": "The server does not know where to send images that we ask for.",
    "move_nothing_came": "The images were sent somewhere else, or a firewall kept them from this computer.",
    "nothing_came": "Searching works, but images do not come.",
    "listener_loopback": "Images that the server sends cannot come in.",
    "unknown_proxy": "Images can come only by way of a proxy, and there is none.",
    "bad_proxy": "The server that was chosen as proxy cannot be one.",
    "listener_off": "Images that the server sends cannot come in.",
    "cannot_listen": "The port of our listener cannot be used, so images that the server sends cannot come in.",
    "not_dicomweb": "A web server answers, but not its DICOMweb service.",
    "sign_in": "The service was found, but does not let us in.",
    "no_right": "The way there works, but we lack the right.",
    "key_store": "A password that is needed cannot be read on this computer.",
    "secret_file": "A password that is needed cannot be read on this computer.",
}
_STEPS = {"secret_file": "Mend the file of passwords, or enter them again.", "timeout": "Try again later."}

_REQUEST_DIMSE = """\
Subject: DICOM access to {server}

Dear PACS administrator,

please let the following DICOM application work with your system.

Our application
  AE title:   {our_title}
  Address:    {our_address}
{our_listener}
Your system, as it is set up here
  AE title:   {their_title}
  Address:    {their_host}, port {their_port}
  Encryption: {encryption}

What we need
{needs}

{trouble}
Thank you very much.
"""
_REQUEST_WEB = """\
Subject: DICOMweb access to {server}

Dear administrator,

please let the following application work with your DICOMweb service.

Our application
  Address:    {our_address}
  Signs in:   {sign_in}

Your service, as it is set up here
  Address:    {url}

What we need
{needs}

{trouble}
Thank you very much.
"""
_NEED_MOVE = (
    "Retrieve by C-MOVE, with the destination {title} at {address}, port {port}, and the way there open in the firewall"
)
_LISTENER = """\
  Takes images as AE title {title} on port {port} (C-STORE)
"""
_TROUBLE = """\
What happens now: {message}
{question}"""
_QUESTIONS = {
    "called_ae": "Please tell us the AE title of your system, and register ours if it is not.",
    "calling_ae": "Please register our AE title and address.",
    "association_rejected": "Please tell us what your system expects of us.",
    "not_dicom": "Please tell us the DICOM port of your system.",
    "not_dicomweb": "Please tell us the address of your DICOMweb service.",
    "no_context": "Please allow the services above for our AE title.",
    "move_destination": "Please register the destination above.",
    "move_nothing_came": "Please check where your system sends to, and whether a firewall lies between.",
    "sign_in": "Please tell us how to sign in, or renew our access.",
    "no_right": "Please give us the rights for the services above.",
    **dict.fromkeys(
        ("unknown_host", "refused", "unreachable", "timeout", "connection_lost"),
        "Please tell us the host and port of your system, and open the way there for our address.",
    ),
    **dict.fromkeys(
        (
            "tls_expected",
            "tls_not_expected",
            "tls_untrusted",
            "tls_client_certificate",
            "tls_certificate_name",
            "tls_version",
            "tls_failed",
        ),
        "Please tell us which encryption and certificates your system uses, and on which port.",
    ),
    "tls_certificate_expired": "Please renew the certificate of your system.",
}
_NO_TROUBLE = "A test of all this has just passed.\n"
_UNKNOWN = "not known yet"
_SIGN_INS = {
    "none": "not at all",
    "basic": "with user and password, as user {user}",
    "bearer": "with a token",
    "client_credentials": "by OAuth 2.0 client credentials, as client {client}",
    "device_code": "by OAuth 2.0 device code, as client {client}",
}


def addresses_text(host: str, addresses: Sequence[str]) -> str:
    """What a name was resolved to."""
    if host in addresses:
        return f"{host} is an address, so no name is looked up."
    shown = ", ".join(addresses[:_MOST_ADDRESSES])
    further = len(addresses) - _MOST_ADDRESSES
    return f"{host} is {shown} and {further} more." if further > 0 else f"{host} is {shown}."


def advice_text(config: ServerConfig, facts: Facts) -> tuple[str, ...]:
    """What each fault means and what to do about it, one sentence each; without a fault one sentence that says so."""
    if not facts.faults:
        return (f"{config.name} works; there is nothing to do.",)
    sentences: dict[str, None] = {}
    for _, fault in facts.faults:
        for sentence in (_MEANINGS.get(fault.code, ""), fault.next_step or _STEPS.get(fault.code, "")):
            if sentence:
                sentences[sentence] = None
    return tuple(sentences)


def request_text(config: ServerConfig, facts: Facts) -> str:
    """A letter to the administrator of the server, plain text; empty for a folder."""
    trouble = _trouble(facts.faults[0][1]) if facts.faults else _NO_TROUBLE
    common = {
        "server": config.name,
        "our_address": facts.own_address or _UNKNOWN,
        "trouble": trouble,
    }
    if config.protocol == "dimse":
        return _REQUEST_DIMSE.format(
            **common,
            our_title=facts.ae_title,
            our_listener=_listener(config, facts),
            their_title=config.called_ae_title,
            their_host=config.host,
            their_port=config.port,
            encryption="TLS 1.2 or newer" if config.tls else "none",
            needs=_bullets(_dimse_needs(config, facts)),
        )
    if config.protocol == "dicomweb":
        sign_in = _SIGN_INS[config.auth].format(user=config.user, client=config.client_id)
        needs = _bullets(_web_needs(config))
        return _REQUEST_WEB.format(**common, sign_in=sign_in, url=config.url, needs=needs)
    return ""


def _trouble(fault: VisualDICOMError) -> str:
    question = _QUESTIONS.get(fault.code, "")
    return _TROUBLE.format(message=fault.message, question=f"{question}\n" if question else "")


def _listener(config: ServerConfig, facts: Facts) -> str:
    if not _by_move(config, facts) or config.retrieve_protocol == "proxy":
        return ""
    return _LISTENER.format(title=_destination(config, facts), port=facts.listener_port)


def _destination(config: ServerConfig, facts: Facts) -> str:
    return config.move_destination or facts.listener_ae_title or facts.ae_title


def _by_move(config: ServerConfig, facts: Facts) -> bool:
    return config.retrieve_enabled and (facts.needs_listener or config.retrieve_protocol in ("C-MOVE", "proxy"))


def _dimse_needs(config: ServerConfig, facts: Facts) -> list[str]:
    needs = ["Accept our AE title and address", "Verification (C-ECHO)"]
    if config.enabled or config.retrieve_enabled:
        needs.append("Search (C-FIND, study root)")
    if _by_move(config, facts):
        if config.retrieve_protocol == "proxy":
            where = f", {facts.proxy}" if facts.proxy else ""
            needs.append(f"Retrieve by C-MOVE to the destination of {config.proxy}{where}")
        else:
            address, port = facts.own_address or _UNKNOWN, facts.listener_port
            needs.append(_NEED_MOVE.format(title=_destination(config, facts), address=address, port=port))
    elif config.retrieve_enabled:
        needs.append("Retrieve by C-GET, or else tell us the way to retrieve that you prefer")
    if config.store_enabled:
        needs.append("Send images to you (C-STORE)")
    if config.worklist_enabled:
        needs.append("Modality worklist (C-FIND)")
    if config.tls_certificate_file:
        needs.append("Accept our TLS certificate")
    return needs


def _web_needs(config: ServerConfig) -> list[str]:
    needs = []
    if config.enabled or config.retrieve_enabled:
        needs.append("Search (QIDO-RS)")
    if config.retrieve_enabled:
        needs.append("Retrieve (WADO-RS), whole series and single images")
    if config.store_enabled:
        needs.append("Send images to you (STOW-RS)")
    return needs


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"  - {line}" for line in lines)
