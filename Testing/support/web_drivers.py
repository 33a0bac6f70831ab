"""Web drivers of tests: a server configuration for an address, and secrets that lie in a dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.web.driver import WebDriver
from VisualDICOMBrowserLib.settings import Settings

__all__ = ["SecretsOfTest", "web_config", "web_driver", "web_services"]


class SecretsOfTest:
    """A real `SecretSource` in memory, for one server."""

    def __init__(self, **fields: str) -> None:
        self.fields = dict(fields)

    def get(self, server: str) -> Mapping[str, str]:
        """The secrets."""
        return dict(self.fields)

    def put(self, server: str, field: str, value: str) -> None:
        """Keep or forget one."""
        self.fields[field] = value
        if not value:
            del self.fields[field]


def web_config(url: str, **changes: Any) -> ServerConfig:
    """A DICOMweb server at `url`."""
    return ServerConfig(**{"name": "Web", "protocol": "dicomweb", "url": url, "timeout_s": 5.0, **changes})


def web_services(tell: Callable[..., Any] | None = None, **secrets: str) -> DriverServices:
    """Services with these secrets."""
    return DriverServices(secrets=SecretsOfTest(**secrets), tell=tell)


def web_driver(url: str, services: DriverServices | None = None, pool: Any = None, **changes: Any) -> WebDriver:
    """A driver of a DICOMweb server at `url`."""
    return WebDriver(web_config(url, **changes), Settings(), pool, services)
