"""A real Orthanc for tests, as Debian ships it: with Nagle's algorithm on unless told otherwise."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from Testing.support.processes import ServerProcess, free_port, required_program
from VisualDICOMBrowserLib.servers.config import ServerConfig

AE_TITLE = "ORTHANC"

_DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class Orthanc:
    """One Orthanc with its own empty storage.

    Parameters
    ----------
    folder : Path
        Where its files go.
    no_delay : bool
        Start it with TCP_NODELAY=1.
    options : mapping
        Further entries of its configuration.
    dicomweb : bool
        Load the DICOMweb plugin.
    users : mapping
        Passwords by name; with any, HTTP needs basic authentication.
    """

    def __init__(
        self,
        folder: Path,
        *,
        no_delay: bool = False,
        options: Mapping[str, Any] | None = None,
        dicomweb: bool = False,
        users: Mapping[str, str] | None = None,
    ) -> None:
        program = required_program("Orthanc", "/usr/sbin/Orthanc")
        self._users = dict(users or {})
        self.port = free_port()
        self.http_port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "orthanc.json"
        web = _dicomweb_options() if dicomweb else {}
        configuration.write_text(json.dumps({**self._configuration(folder), **web, **(options or {})}))
        self._process = ServerProcess(
            [program, str(configuration)],
            ports=[self.port, self.http_port],
            folder=folder,
            environment={"TCP_NODELAY": "1" if no_delay else None},
        )

    def start(self) -> None:
        """Start it; returns when it listens."""
        self._process.start()

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def kill(self) -> None:
        """End it at once, without any chance to say goodbye."""
        self._process.kill()

    def config(self, **changes: Any) -> ServerConfig:
        """How to reach it by DIMSE."""
        fields = {"name": "Orthanc", "host": "127.0.0.1", "port": self.port, "called_ae_title": AE_TITLE}
        return ServerConfig(**{**fields, **changes})

    @property
    def web_url(self) -> str:
        """Address of its DICOMweb services."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def web_config(self, **changes: Any) -> ServerConfig:
        """How to reach it by DICOMweb."""
        return ServerConfig(**{"name": "Orthanc", "protocol": "dicomweb", "url": self.web_url, **changes})

    def put(self, files: Iterable[Path]) -> int:
        """Store files as they are; how many it took."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        taken = 0
        try:
            for path in files:
                connection.request("POST", "/instances", path.read_bytes(), self._sign_in())
                with connection.getresponse() as answer:
                    answer.read()
                    taken += answer.status == http.HTTPStatus.OK
        finally:
            connection.close()
        return taken

    def instance_count(self) -> int:
        """Number of instances it holds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request("GET", "/statistics", headers=self._sign_in())
            with connection.getresponse() as answer:
                return int(json.loads(answer.read())["CountInstances"])
        finally:
            connection.close()

    def _sign_in(self) -> dict[str, str]:
        for name, password in self._users.items():
            return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
        return {}

    def _configuration(self, folder: Path) -> dict[str, Any]:
        storage = str(folder / "storage")
        return {
            "Name": "TEST",
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(self._users),
            "RegisteredUsers": self._users,
            "DicomAet": AE_TITLE,
            "DicomPort": self.port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "OverwriteInstances": True,
        }


def _dicomweb_options() -> dict[str, Any]:
    if not _DICOMWEB_PLUGIN.exists():
        required_program("Orthanc's DICOMweb plugin")
    return {
        "Plugins": [str(_DICOMWEB_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
    }
