"""Real DCMTK servers and clients for tests. Called by absolute path: pynetdicom installs programs of the same names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from Testing.support.processes import ServerProcess, free_port, required_program
from VisualDICOMBrowserLib.servers.config import ServerConfig

QR_AE_TITLE = "DCMQR"
RUN_TIMEOUT_S = 120.0


def run_client(name: str, *arguments: str | Path, no_delay: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's clients, such as ``echoscu``, to its end."""
    program = required_program(f"/usr/bin/{name}")
    environment = {**os.environ, **({"TCP_NODELAY": "1"} if no_delay else {})}
    return subprocess.run(
        [program, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=RUN_TIMEOUT_S,
        check=False,
    )


class DcmQrScp:
    """DCMTK's query/retrieve server.

    Parameters
    ----------
    folder : Path
        Where its files go.
    peers : mapping of str to int
        Ports on 127.0.0.1 by AE title, for C-MOVE.
    options : iterable of str
        Further command line options.
    any_caller : bool
        False to refuse whoever is not among `peers`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        peers: Mapping[str, int] | None = None,
        options: Iterable[str] = (),
        any_caller: bool = True,
    ) -> None:
        program = required_program("/usr/bin/dcmqrscp")
        self.port = free_port()
        storage = folder / "db"
        storage.mkdir(parents=True)
        configuration = folder / "dcmqrscp.cfg"
        known = {"NOBODY": free_port(), **(peers or {})}
        hosts = [f"peer{number} = ({title}, 127.0.0.1, {port})" for number, (title, port) in enumerate(known.items())]
        names = ", ".join(f"peer{number}" for number in range(len(known)))
        lines = [
            f"NetworkTCPPort = {self.port}",
            "MaxPDUSize = 131072",
            "MaxAssociations = 16",
            "HostTable BEGIN",
            *hosts,
            f"all = {names}",
            "HostTable END",
            "VendorTable BEGIN",
            "VendorTable END",
            "AETable BEGIN",
            f"{QR_AE_TITLE} {storage} RW (500, 1024mb) {'ANY' if any_caller else 'all'}",
            "AETable END",
        ]
        configuration.write_text("\n".join(lines) + "\n")
        self._process = ServerProcess(
            [program, *options, "-c", str(configuration)],
            ports=[self.port],
            folder=folder,
            environment={"TCP_NODELAY": "1"},
        )

    def start(self) -> None:
        """Start it; returns when it listens."""
        self._process.start()

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def config(self, **changes: Any) -> ServerConfig:
        """How to reach it."""
        fields = {"name": "DCMTK", "host": "127.0.0.1", "port": self.port, "called_ae_title": QR_AE_TITLE}
        return ServerConfig(**{**fields, **changes})

    def put(self, folder: Path) -> None:
        """Store all DICOM files of a folder."""
        done = run_client("storescu", "+sd", "-aec", QR_AE_TITLE, "127.0.0.1", str(self.port), folder)
        assert done.returncode == 0, done.stderr


class StoreScp:
    """DCMTK's plain storage server; what it receives lies in `received`."""

    AE_TITLE = "STORESCP"

    def __init__(self, folder: Path, options: Iterable[str] = ("--max-pdu", "131072", "+B")) -> None:
        program = required_program("/usr/bin/storescp")
        self.port = free_port()
        self.received = folder / "received"
        self.received.mkdir(parents=True)
        self._process = ServerProcess(
            [program, *options, "-od", str(self.received), str(self.port)], ports=[self.port], folder=folder
        )

    def start(self) -> None:
        """Start it; returns when it listens."""
        self._process.start()

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def config(self) -> ServerConfig:
        """How to reach it."""
        return ServerConfig(name="storescp", host="127.0.0.1", port=self.port, called_ae_title=self.AE_TITLE)
