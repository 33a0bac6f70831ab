"""Certificate and key files that cannot be used: the message names the file."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.support.certificates import EXPIRED_ON, Authority, Leaf
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.tls import certificate_end, client_context, client_hello, server_context

Files = dict[str, str]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def leaf(authority: Authority) -> Leaf:
    return authority.leaf("leaf")


@pytest.mark.parametrize(
    ("fields", "named", "code"),
    [
        (lambda a, leaf: {"tls_ca_file": "gone.pem"}, "gone.pem", "tls_ca_file"),
        (lambda a, leaf: {"tls_ca_file": str(leaf.key)}, "leaf.key", "tls_ca_file"),
        (lambda a, leaf: {"tls_certificate_file": "gone.pem"}, "gone.pem", "tls_certificate_file"),
        (lambda a, leaf: {"tls_certificate_file": str(leaf.key)}, "leaf.key", "tls_certificate_file"),
        (
            lambda a, leaf: {"tls_certificate_file": str(leaf.certificate), "tls_key_file": "gone.key"},
            "gone.key",
            "tls_key_file",
        ),
        (
            lambda a, leaf: {
                "tls_certificate_file": str(leaf.certificate),
                "tls_key_file": str(a.leaf("other").key),
            },
            "other.key",
            "tls_key_file",
        ),
        (lambda a, leaf: {"tls_certificate_file": str(leaf.certificate)}, "leaf.pem", "tls_key_file"),
    ],
)
def test_an_unusable_file_is_named(
    authority: Authority, leaf: Leaf, fields: Callable[[Authority, Leaf], Files], named: str, code: str
) -> None:
    """Case 48."""
    config = ServerConfig(name="PACS", host="localhost", called_ae_title="PACS", tls=True, **fields(authority, leaf))
    with pytest.raises(UsageError) as raised:
        client_context(config)
    assert named in raised.value.message
    assert (raised.value.code, raised.value.server) == (code, "PACS")


def test_a_certificate_with_its_key_in_one_file(authority: Authority, leaf: Leaf, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(leaf.certificate.read_bytes() + leaf.key.read_bytes())
    config = ServerConfig(
        name="PACS", host="localhost", called_ae_title="PACS", tls=True, tls_certificate_file=str(both)
    )
    context = client_context(config)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_listener_asks_for_certificates_only_if_told_to(authority: Authority, leaf: Leaf) -> None:
    files = (str(leaf.certificate), str(leaf.key), str(authority.certificate))
    assert server_context(*files).verify_mode is ssl.CERT_NONE
    strict = server_context(*files, require_client=True)
    assert strict.verify_mode is ssl.CERT_REQUIRED
    assert strict.minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises(UsageError, match=r"gone\.pem"):
        server_context("gone.pem")


def test_the_last_day_of_a_certificate(authority: Authority) -> None:
    pem = authority.leaf("old", expired=True).certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    assert certificate_end(der) == EXPIRED_ON
    fresh = ssl.PEM_cert_to_DER_cert(authority.leaf("new").certificate.read_text())
    last_day = certificate_end(fresh)
    assert last_day is not None
    assert last_day > datetime.date.today()


def test_broken_certificates_have_no_last_day(leaf: Leaf) -> None:
    der = ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())
    for cut in (0, 1, 3, 20, 60):
        assert certificate_end(der[:cut]) is None
    for position in range(200):
        certificate_end(der[:position] + b"\xff" + der[position + 1 :])


def test_what_a_client_says_first_is_a_handshake() -> None:
    assert client_hello()[:2] == b"\x16\x03"
