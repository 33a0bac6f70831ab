"""The rows of the form that concern the network: encryption, signing in, limits, notifications. No Qt."""

from __future__ import annotations

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.servers.fields import ALL, DICOMWEB, DIMSE, NETWORK, Field, Row

__all__ = ["limits_rows", "notification_rows", "security_rows"]

_OAUTH = ("client_credentials", "device_code")


def security_rows() -> tuple[Row, ...]:
    """Signing in, then encryption."""
    return (*_sign_in_rows(), *_oauth_rows(), *_header_rows(), *_tls_rows())


def _sign_in_rows() -> tuple[Row, ...]:
    ways = (
        ("none", _("Not at all")),
        ("basic", _("User and password")),
        ("bearer", _("Token")),
        ("client_credentials", _("OAuth 2.0, as a program")),
        ("device_code", _("OAuth 2.0, in a browser")),
    )
    return (
        Row(label=_("Sign in"), fields=(Field(name="auth", kind="choice", choices=ways),), protocols=(DICOMWEB,)),
        Row(
            label=_("User"),
            fields=(Field(name="user", width=22),),
            protocols=(DICOMWEB,),
            only=("auth", ("basic",)),
        ),
        Row(
            label=_("Password"),
            fields=(Field(name="password", kind="secret"),),
            protocols=(DICOMWEB,),
            only=("auth", ("basic",)),
        ),
        Row(
            label=_("Token"),
            fields=(Field(name="token", kind="secret"),),
            protocols=(DICOMWEB,),
            only=("auth", ("bearer",)),
        ),
    )


def _oauth_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Client ID"),
            fields=(Field(name="client_id", width=28),),
            protocols=(DICOMWEB,),
            only=("auth", _OAUTH),
        ),
        Row(
            label=_("Client secret"),
            fields=(Field(name="client_secret", kind="secret"),),
            protocols=(DICOMWEB,),
            only=("auth", _OAUTH),
        ),
        Row(
            label=_("Token address"),
            fields=(Field(name="token_url", placeholder="https://sign-in.example.org/token"),),
            protocols=(DICOMWEB,),
            only=("auth", _OAUTH),
        ),
        Row(
            label=_("Device sign-in address"),
            fields=(Field(name="device_url", placeholder="https://sign-in.example.org/device"),),
            protocols=(DICOMWEB,),
            only=("auth", ("device_code",)),
        ),
        Row(
            label=_("Scope"),
            fields=(Field(name="scope", width=28),),
            protocols=(DICOMWEB,),
            only=("auth", _OAUTH),
        ),
    )


def _header_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Headers"),
            fields=(Field(name="headers", kind="headers"),),
            remark=_("one a line, as Name: text"),
            protocols=(DICOMWEB,),
        ),
        Row(
            label=_("Secret header"),
            fields=(Field(name="header:", kind="secret_headers"),),
            protocols=(DICOMWEB,),
        ),
    )


def _tls_rows() -> tuple[Row, ...]:
    encrypted = ("tls", (True,))
    versions = (("1.2", "1.2"), ("1.3", "1.3"))
    rows = (
        (
            _("Oldest version of TLS"),
            Field(name="tls_min_version", kind="choice", choices=versions),
        ),
        (_("Trusted certificates"), Field(name="tls_ca_file", kind="file", placeholder=_("the system's list"))),
        ("", Field(name="tls_check_host", kind="flag", label=_("The certificate must name the host"))),
        (_("Own certificate"), Field(name="tls_certificate_file", kind="file", placeholder=_("none"))),
        (_("Key of it"), Field(name="tls_key_file", kind="file", placeholder=_("in the same file"))),
        (_("Password of the key"), Field(name="key_password", kind="secret")),
    )
    off = Row(
        label=_("Encryption"),
        fields=(),
        remark=_("TLS is off; switch it on under Connection"),
        protocols=(DIMSE,),
        only=("tls", (False,)),
    )
    return (
        off,
        *(Row(label=label, fields=(field,), protocols=(DIMSE,), only=encrypted) for label, field in rows),
        *(Row(label=label, fields=(field,), protocols=(DICOMWEB,)) for label, field in rows),
    )


def limits_rows() -> tuple[Row, ...]:
    """How much at a time, how fast, how long."""
    return (
        Row(
            label=_("Connections at the same time"),
            fields=(Field(name="max_associations", kind="whole", lowest=1, highest=32, width=12),),
            remark=_("for queries, fetching and sending together"),
            protocols=NETWORK,
        ),
        _worker_row("query_workers", _("Of them for queries")),
        _worker_row("fetch_workers", _("Of them for fetching")),
        _worker_row("send_workers", _("Of them for sending")),
        Row(
            label=_("Give up waiting after"),
            fields=(Field(name="timeout_s", kind="number", lowest=1, highest=3600, unit="s", width=12),),
            remark=_("to connect, and of silence"),
            protocols=NETWORK,
        ),
        Row(
            label=_("Try failed work again for"),
            fields=(
                Field(
                    name="max_waiting_s", kind="number", highest=43200, scale=60, unit="min", zero=_("never"), width=14
                ),
            ),
            remark=_("then it fails for good"),
            protocols=ALL,
        ),
        Row(
            label=_("Speed"),
            fields=(Field(name="speed_limit_mb_s", kind="number", unit="MB/s", zero=_("no limit"), width=14),),
            remark=_("of fetching and sending, over all connections"),
            protocols=NETWORK,
        ),
        Row(
            label=_("Images per batch"),
            fields=(Field(name="images_per_batch", kind="whole", zero=_("what suits best"), width=16),),
            remark=_("of one request, and indexed together"),
        ),
        Row(
            label=_("Queries"),
            fields=(Field(name="keep_association", kind="flag", label=_("Keep the connection open for the next")),),
            protocols=(DIMSE,),
        ),
    )


def _worker_row(name: str, label: str) -> Row:
    field = Field(name=name, kind="whole", highest=32, zero=_("any number"), width=14)
    return Row(label=label, fields=(field,), protocols=NETWORK)


def notification_rows() -> tuple[Row, ...]:
    """How we hear that something is new."""
    return (
        Row(
            label=_("Ask for changes every"),
            fields=(
                Field(
                    name="notification_interval_s",
                    kind="number",
                    highest=1440,
                    scale=60,
                    unit="min",
                    zero=_("never"),
                    width=14,
                ),
            ),
            remark=_("of a server with an Orthanc address (Retrieve)"),
            protocols=NETWORK,
        ),
    )
