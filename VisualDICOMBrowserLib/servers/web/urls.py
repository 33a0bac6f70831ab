"""Addresses of DICOMweb resources (DICOM PS3.18 10.4, 10.5, 10.6) below a server's address and its own path parts.

Covers layouts such as ``https://host/dicom-web`` (Orthanc), ``.../aets/AE/rs`` (dcm4chee),
``.../dicomStores/S/dicomWeb`` (Google Healthcare, IDC), and services on paths of their own. Pure functions; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["WebUrls", "query_string"]

# What may stand in a query as it is (RFC 3986 3.4). Wild cards above all: Orthanc 1.10 does not decode them.
_PLAIN = "*?-._~:@!$'()/"


class WebUrls:
    """Addresses on one server."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config

    def search(self, *path: str) -> str:
        """A QIDO-RS resource, such as ``search("studies", uid, "series")``."""
        return self._below(self._config.qido_prefix, path)

    def retrieve(self, study: str, series: str = "", instance: str = "", *tail: str) -> str:
        """A WADO-RS resource: study, series or instance, or what `tail` names of it."""
        path = ["studies", study]
        path += ["series", series] if series else []
        path += ["instances", instance] if instance else []
        return self._below(self._config.wado_prefix, [*path, *tail])

    def store(self) -> str:
        """The STOW-RS resource that takes any study."""
        return self._below(self._config.stow_prefix, ["studies"])

    def _below(self, prefix: str, path: Iterable[str]) -> str:
        parts = [self._config.url.rstrip("/"), prefix.strip().strip("/"), *(quote(part, safe="") for part in path)]
        return "/".join(part for part in parts if part)


def query_string(parameters: Iterable[tuple[str, str]]) -> str:
    """Parameters as a query, with its question mark; empty without any."""
    text = "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in parameters)
    return f"?{text}" if text else ""
