"""The settings of this computer, as rows of a form: its titles, its listener, notifications. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.servers.fields import Field, Row

__all__ = ["listener_rows", "notifier_rows", "own_row_is_shown"]

_AE_WIDTH = 18


def own_row_is_shown(row: Row, values: Mapping[str, Any]) -> bool:
    """Whether a row is of use with these settings."""
    return row.only is None or values.get(row.only[0]) in row.only[1]


def listener_rows() -> tuple[Row, ...]:
    """Our titles, and who may send to us."""
    return (*_title_rows(), *_caller_rows(), *_encryption_rows(), *_limit_rows())


def _title_rows() -> tuple[Row, ...]:
    places = (("127.0.0.1", _("This computer only")), ("0.0.0.0", _("All networks")))
    return (
        Row(
            label=_("Calling AE title"),
            fields=(Field(name="network/calling_ae_title", width=_AE_WIDTH),),
            remark=_("with which this computer calls servers"),
        ),
        Row(
            label=_("AE title of the listener"),
            fields=(Field(name="node/ae_title", width=_AE_WIDTH),),
            remark=_("to which servers send"),
        ),
        Row(
            label=_("Take connections from"),
            fields=(
                Field(name="node/host", kind="combo", choices=places, width=24),
                Field(name="node/port", kind="whole", label=_("Port"), highest=65535, width=7),
            ),
        ),
        Row(
            label=_("Ports to try"),
            fields=(Field(name="node/ports_tried", kind="whole", lowest=1, highest=1000, width=7),),
            remark=_("from that one on, for several copies of this program"),
        ),
        Row(
            label="",
            fields=(Field(name="node/start", kind="flag", label=_("Listen from the start of the program")),),
        ),
    )


def _caller_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Known callers only"),
            fields=(Field(name="node/allowed_callers", kind="callers"),),
        ),
        Row(
            label="",
            fields=(
                Field(name="node/check_called_ae", kind="flag", label=_("Refuse callers that name another title")),
            ),
        ),
    )


def _encryption_rows() -> tuple[Row, ...]:
    on = ("encrypted", (True,))
    return (
        Row(
            label=_("Certificate for TLS"),
            fields=(Field(name="node/tls_certificate_file", kind="file", placeholder=_("none: not encrypted")),),
        ),
        Row(
            label=_("Key of it"),
            fields=(Field(name="node/tls_key_file", kind="file", placeholder=_("in the same file")),),
            only=on,
        ),
        Row(
            label=_("Trusted callers"),
            fields=(Field(name="node/tls_ca_file", kind="file", placeholder=_("certificates that vouch for them")),),
            only=on,
        ),
        Row(
            label="",
            fields=(
                Field(name="node/tls_require_client", kind="flag", label=_("Refuse callers without a certificate")),
            ),
            only=on,
        ),
    )


def _limit_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Connections at a time"),
            fields=(
                Field(name="node/max_associations", kind="whole", lowest=1, highest=1000, width=7),
                Field(
                    name="node/max_per_peer", kind="whole", label=_("of one address"), lowest=1, highest=1000, width=7
                ),
            ),
        ),
        Row(
            label=_("End silent ones after"),
            fields=(Field(name="node/idle_s", kind="number", lowest=1, highest=86400, unit="s", width=12),),
        ),
        Row(
            label="",
            fields=(
                Field(
                    name="node/flush_before_answer",
                    kind="flag",
                    label=_("Confirm an image only when it outlives a power cut (slower)"),
                ),
            ),
        ),
    )


def notifier_rows() -> tuple[Row, ...]:
    """Where servers' own scripts may tell that something is new."""
    places = (("127.0.0.1", _("This computer only")), ("0.0.0.0", _("All networks")))
    return (
        Row(
            label=_("Notifications"),
            fields=(Field(name="notify/enabled", kind="flag", label=_("Let servers tell when something is new")),),
        ),
        Row(
            label=_("Take notifications from"),
            fields=(
                Field(name="notify/host", kind="combo", choices=places, width=24),
                Field(name="notify/port", kind="whole", label=_("Port"), highest=65535, width=7),
            ),
            only=("notify/enabled", (True,)),
        ),
    )
