"""Throw-away certificates for TLS tests: an authority, and leaves that are good, expired, misnamed or self-signed."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

EXPIRED_ON = datetime.date(2021, 3, 4)


@dataclass(frozen=True)
class Leaf:
    """PEM files of one certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / "authority.pem"
        self._write(self.certificate, self._signed(name, self._key, issuer=name, authority=True))

    def leaf(self, name: str, *, host: str = "localhost", expired: bool = False, password: str = "") -> Leaf:
        """A certificate for `host` (and 127.0.0.1, ::1 where it is localhost)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name, key, issuer=self._name, host=host, expired=expired)
        return self._files(name, certificate, key, password)

    def self_signed(self, name: str) -> Leaf:
        """A certificate for localhost that nobody vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._files(name, self._signed(name, key, issuer=name, signer=key), key)

    def _signed(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        issuer: str,
        signer: ec.EllipticCurvePrivateKey | None = None,
        host: str = "localhost",
        authority: bool = False,
        expired: bool = False,
    ) -> x509.Certificate:
        midnight = datetime.time(tzinfo=datetime.timezone.utc)
        end = datetime.datetime.combine(EXPIRED_ON, midnight) if expired else _now() + datetime.timedelta(days=30)
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
        builder = (
            x509.CertificateBuilder()
            .subject_name(_x509_name(name))
            .issuer_name(_x509_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - datetime.timedelta(days=90))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer or self._key, hashes.SHA256())

    def _files(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, password: str = ""
    ) -> Leaf:
        leaf = Leaf(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        self._write(leaf.certificate, certificate)
        encryption = serialization.BestAvailableEncryption(password.encode()) if password else None
        leaf.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                encryption or serialization.NoEncryption(),
            )
        )
        return leaf

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _x509_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
