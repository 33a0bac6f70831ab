"""Worklist entries as files, and DCMTK's worklist server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Testing.support.dcmtk import run_client
from Testing.support.processes import ServerProcess, free_port, required_program
from VisualDICOMBrowserLib.servers.config import ServerConfig

WORKLIST_AE_TITLE = "WLMAE"

_DUMP = """\
(0008,0005) CS [ISO_IR 100]
(0008,0050) SH [{accession}]
(0008,0090) PN [Ref^Doctor]
(0010,0010) PN [{name}]
(0010,0020) LO [{patient}]
(0010,0030) DA [19700102]
(0010,0040) CS [F]
(0020,000d) UI [1.2.826.0.1.3680043.9.1.{number}]
(0032,1032) PN [Req^Doctor]
(0032,1060) LO [Chest {modality}]
(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS [{modality}]
(0040,0001) AE [{station}]
(0040,0002) DA [{date}]
(0040,0003) TM [{time}]
(0040,0006) PN [Perf^Doctor]
(0040,0007) LO [Step {number}]
(0040,0009) SH [SPS{number}]
(fffe,e00d) -
(fffe,e0dd) -
(0040,1001) SH [RP{number}]
(0040,1003) SH [LOW]
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One scheduled procedure step."""

    number: int
    name: str = "Doe^Jane"
    patient: str = "P-1"
    accession: str = "ACC1"
    modality: str = "CT"
    station: str = "CT1"
    date: str = "20260105"
    time: str = "0800"


def write_entries(folder: Path, *entries: Entry) -> None:
    """Write each entry as a ``.wl`` file."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        dump = folder / f"{entry.number}.dump"
        dump.write_text(_DUMP.format(**vars(entry)), encoding="latin_1")
        done = run_client("dump2dcm", "-g", dump, folder / f"{entry.number}.wl")
        assert done.returncode == 0, done.stderr
        dump.unlink()


class WlmScpFs:
    """DCMTK's worklist server on a folder of entries.

    Parameters
    ----------
    folder : Path
        Where its files go.
    options : sequence of str
        Further command line options.
    """

    def __init__(self, folder: Path, *entries: Entry, options: tuple[str, ...] = ()) -> None:
        program = required_program("/usr/bin/wlmscpfs")
        self.port = free_port()
        worklist = folder / "wlm" / WORKLIST_AE_TITLE
        write_entries(worklist, *entries)
        (worklist / "lockfile").touch()
        self._process = ServerProcess(
            [program, *options, "-dfp", str(folder / "wlm"), str(self.port)],
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
        fields = {"name": "RIS", "host": "127.0.0.1", "port": self.port, "called_ae_title": WORKLIST_AE_TITLE}
        return ServerConfig(**{**fields, **changes})
