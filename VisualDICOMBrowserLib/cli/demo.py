"""The command ``demo``: the whole way once, from a PACS to a volume, on real and generated data.

An embedded PACS, which is our own node on a second database, is filled with pydicom's real files and a
generated phantom (or with the folder given by ``--from``). Then a local database is imported, queried,
filled from the PACS through the job queue, given thumbnails, and series are loaded as volumes. Without
``--headless`` the window opens on the filled database, and the phantom is left on the PACS, to be searched, fetched
and loaded there. The demo's databases live in a temporary folder and are removed at the end; pictures stay in
``--output``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.cli.demo_data import PHANTOM_PATIENT_NAME, pydicom_data_folder, write_phantom
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import Level, SeriesRecord, StudyRecord

__all__ = ["run_demo"]

_PACS = "Demo PACS"
_LOADED = 3
# Of those that come with pydicom the one with the most series.
_FIRST_PATIENT = "98890234"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table at the end."""

    sought: str
    found: str
    fetched: str = ""
    seconds: str = ""
    speed: str = ""
    volume: str = ""


_COLUMNS = {
    "sought": "Sought",
    "found": "Found",
    "fetched": "Fetched",
    "seconds": "Seconds",
    "speed": "MB/s",
    "volume": "Volume",
}


def run_demo(arguments: argparse.Namespace, output: Output) -> int:
    """Run the demo; exit code 0 if everything sought was found, fetched and loaded."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    headless = arguments.headless or arguments.json
    if not headless and sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _DISPLAYS):
        output.message("There is no display for the window, so the demo goes on without it.")
        headless = True
    with tempfile.TemporaryDirectory(prefix="visual-dicom-browser-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with Session(open_engine(folder / "pacs")) as pacs:
            with Session(open_engine(folder / "local")) as local:
                demo = _Demo(pacs, local, arguments, output, folder)
                if headless:
                    return demo.run()
                demo.prepare()
            return _show_window(folder / "local", output)


def _show_window(folder: Path, output: Output) -> int:
    """The window on the demo's local database, with the PACS still running, until it is closed."""
    from VisualDICOMBrowserLib.desktop.app import run

    output.message('Type "phantom" into Patient name, press Enter to query the PACS, and double-click what it finds.')
    output.message("Close the window to end the demo; its databases are removed then.")
    return run(folder, patient_id=_FIRST_PATIENT, remember=False)


class _Demo:
    def __init__(
        self, pacs: Session, local: Session, arguments: argparse.Namespace, output: Output, folder: Path
    ) -> None:
        self.pacs = pacs
        self.local = local
        self.arguments = arguments
        self.output = output
        self.folder = folder
        self.rows: list[Row] = []
        self.complete = True

    def run(self) -> int:
        """The steps in order."""
        self.fill_pacs()
        self.import_local()
        for label, studies in self.search():
            self.fetch(label, studies)
        pictures = self.make_pictures()
        volumes = self.load()
        document = {"rows": [asdict(row) for row in self.rows], "pictures": pictures + volumes}
        text = table([asdict(row) for row in self.rows], _COLUMNS)
        files = "\n".join(f"Written: {path}" for path in pictures + volumes)
        self.output.document(document, f"\n{text}\n\n{files}")
        return EXIT_DONE if self.complete else EXIT_PARTLY

    def prepare(self) -> None:
        """Fill the local database for the window; the phantom stays on the PACS."""
        self.fill_pacs()
        self.import_local()
        for label, studies in self.search()[1:]:
            self.fetch(label, studies)
        self.local.make_thumbnails([record.SeriesInstanceUID for record in self.local.records(Level.SERIES)])

    def fill_pacs(self) -> None:
        """Import the PACS's data and start it."""
        self.pacs.client.request("set_setting", key="thumbnails/automatic", value=False)
        if self.arguments.source:
            sources = [self.arguments.source]
        else:
            write_phantom(self.folder / "phantom")
            sources = [self.folder / "phantom", pydicom_data_folder()]
        result = self.pacs.import_files(sources)
        self.output.message(
            f"{_PACS}: {result['imported']} images of {result['patients']} patients, "
            f"{len(result['rejected'])} files rejected, such as:"
        )
        for item in result["rejected"][:3]:
            self.output.message(f"  {Path(item['path']).name}: {item['reason']}")
        node = self.pacs.client.request("start_node", port=0, ae_title="DEMOPACS")
        self.local.client.request(
            "add_server",
            name=_PACS,
            protocol="dimse",
            host=node["host"],
            port=node["port"],
            called_ae_title=node["ae_title"],
        )
        seconds = self.local.wait(self.local.client.request("echo_server", name=_PACS))["result"]["seconds"]
        self.output.message(f"{_PACS} answers on port {node['port']} (C-ECHO, {seconds * 1000:.0f} ms).")

    def import_local(self) -> None:
        """Import a DICOMDIR family as a person would from a disc."""
        if self.arguments.source:
            return
        family = pydicom_data_folder() / "test_files" / "dicomdirtests"
        started = time.monotonic()
        result = self.local.import_files([family], copy=True)
        seconds = time.monotonic() - started
        found = f"{result['patients']} patients, {result['series']} series"
        self.rows.append(Row("DICOMDIR import", found, f"{result['imported']} images", f"{seconds:.2f}"))

    def search(self) -> list[tuple[str, list[StudyRecord]]]:
        """Ask the PACS; answers by what was sought."""
        if self.arguments.source:
            return [("Everything", self.local.find(_PACS, Level.STUDY))]
        phantom = self.local.find(_PACS, Level.STUDY, PatientName="phantom")
        here = {record.StudyInstanceUID for record in self.local.records(Level.STUDY)}
        others = [
            record
            for record in self.local.find(_PACS, Level.STUDY)
            if record.PatientName != PHANTOM_PATIENT_NAME and record.StudyInstanceUID not in here
        ]
        return [("Name contains phantom", phantom), ("All other studies", others)]

    def fetch(self, label: str, studies: list[StudyRecord]) -> None:
        """Retrieve studies through the queue, all at once, and note what came."""
        started = time.monotonic()
        jobs = [
            self.local.client.request("retrieve", server=_PACS, StudyInstanceUID=study.StudyInstanceUID)
            for study in studies
        ]
        images, size, failed = 0, 0, 0
        for job_id in jobs:
            try:
                result = self.local.wait(job_id, on_progress=self.output.progress)["result"]
            except VisualDICOMError as error:
                self.output.message(str(error))
                failed += 1
                continue
            images += result["imported"] + result["unchanged"]
            size += result["bytes"]
            failed += result["failed_count"]
        seconds = max(time.monotonic() - started, 1e-6)
        self.complete = self.complete and bool(studies) and not failed
        fetched = count(images, "image") + (f", {failed} missing" if failed else "")
        found = count(len(studies), "study", "studies")
        self.rows.append(Row(label, found, fetched, f"{seconds:.2f}", f"{size / 1e6 / seconds:.0f}"))

    def make_pictures(self) -> list[str]:
        """Thumbnails of every series on one sheet."""
        from VisualDICOMBrowserLib.cli.contact_sheet import Card, write_contact_sheet

        series: list[SeriesRecord] = self.local.records(Level.SERIES)
        started = time.monotonic()
        pictures = self.local.make_thumbnails([record.SeriesInstanceUID for record in series])
        seconds = time.monotonic() - started
        shown = sum(bool(picture["path"]) for picture in pictures.values())
        self.rows.append(Row("Thumbnails", f"{len(series)} series", f"{shown} pictures", f"{seconds:.2f}"))
        cards = [Card.of(record, pictures[record.SeriesInstanceUID]) for record in series]
        path = self.arguments.output / "contact-sheet.png"
        write_contact_sheet(cards, path)
        return [str(path)]

    def load(self) -> list[str]:
        """Load the largest image series as volumes and write the middle slice of each."""
        from VisualDICOMBrowserLib.cli.demo_volumes import load_and_picture

        images = [record for record in self.local.records(Level.SERIES, Modalities=["CT", "MR"]) if record.Rows]
        images.sort(key=_pixels, reverse=True)
        paths = []
        for number, record in enumerate(images[:_LOADED], start=1):
            started = time.monotonic()
            path = self.arguments.output / f"slice-{number}.png"
            try:
                volume, warnings = load_and_picture(self.folder / "local", record, path)
            except VisualDICOMError as error:
                self.output.message(str(error))
                self.complete = False
                continue
            seconds = time.monotonic() - started
            for warning in warnings:
                self.output.message(warning)
            self.rows.append(
                Row(
                    f"Load {record.Modality} {record.SeriesDescription}".strip(),
                    count(record.NumberOfSeriesRelatedInstances or 0, "image"),
                    seconds=f"{seconds:.2f}",
                    volume=_volume_text(volume),
                )
            )
            paths.append(str(path))
        self.complete = self.complete and bool(paths)
        return paths


def _volume_text(volume: dict[str, Any]) -> str:
    dimensions = " x ".join(str(number) for number in volume["dimensions"])
    spacing = " x ".join(f"{length:.2f}" for length in volume["spacing"])
    return f"{volume['name']}: {dimensions}, {spacing} mm"


def _pixels(series: SeriesRecord) -> int:
    return (series.NumberOfSeriesRelatedInstances or 0) * (series.Rows or 0) * (series.Columns or 0)
