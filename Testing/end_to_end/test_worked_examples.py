"""The worked examples of the README, run as they stand against real servers on this machine."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import QR_AE_TITLE, DcmQrScp, StoreScp
from Testing.support.orthanc import Orthanc
from Testing.support.web_server import Answer, Request, WebServer

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-test"
TIMEOUT_S = 120.0


@pytest.fixture
def series(tmp_path: Path) -> CtSeries:
    """Six slices of a phantom."""
    return make_ct_series(tmp_path / "series", 6)


@pytest.fixture
def pacs(tmp_path: Path, series: CtSeries) -> Iterator[Callable[..., DcmQrScp]]:
    """Starts a PACS with the series; takes further arguments of `DcmQrScp`."""
    started: list[DcmQrScp] = []

    def start(**arguments: object) -> DcmQrScp:
        server = DcmQrScp(tmp_path / "pacs", **arguments)  # type: ignore[arg-type]
        started.append(server)
        server.start()
        server.put(series.folder)
        return server

    yield start
    for server in started:
        server.stop()


def example(name: str) -> list[str]:
    """Lines of the example of that name."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(rf"<!-- example: {name} -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None, f"the README has no example {name}"
    return block.group(1).splitlines()


def run(name: str, replaced: dict[str, str], tmp_path: Path) -> list[str]:
    """Run each line of an example with its placeholders replaced; returns what each wrote."""
    replaced = {"DIR": str(tmp_path / "database"), "$TOKEN": TOKEN, **replaced}
    outputs = []
    for line in example(name):
        for old, new in replaced.items():
            line = line.replace(old, new)
        outputs.append(_run_line(line))
    return outputs


def _run_line(line: str) -> str:
    spoken, pipe, command = line.rpartition(" | ")
    words = shlex.split(command)
    assert words[0] == "visual-dicom-browser"
    done = subprocess.run(
        [sys.executable, "-m", "VisualDICOMBrowserLib.cli", *words[1:]],
        cwd=ROOT,
        input=shlex.split(spoken)[1] + "\n" if pipe else "",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "VISUAL_DICOM_SECRETS": "file"},
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the test go to a folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_dicom_pacs(pacs: Callable[..., DcmQrScp], series: CtSeries, tmp_path: Path) -> None:
    server = pacs()
    replaced = {"192.0.2.5 --port 11112": f"127.0.0.1 --port {server.port}", "MAINPACS": QR_AE_TITLE}
    outputs = run("dimse", {**replaced, "UID": series.StudyInstanceUID}, tmp_path)
    assert series.StudyInstanceUID in outputs[2]
    assert "6 new images" in outputs[3]


def test_a_pacs_that_only_moves(
    pacs: Callable[..., DcmQrScp], series: CtSeries, tmp_path: Path, start_orthanc: Callable[..., Orthanc]
) -> None:
    proxy = start_orthanc()
    server = pacs(peers={"ORTHANC": proxy.port}, options=["--disable-get"])
    replaced = {
        "192.0.2.5 --port 11112": f"127.0.0.1 --port {server.port}",
        "192.0.2.6 --port 4242": f"127.0.0.1 --port {proxy.port}",
        "MAINPACS": QR_AE_TITLE,
        "UID": series.StudyInstanceUID,
    }
    outputs = run("proxy", replaced, tmp_path)
    assert "6 new images" in outputs[-1]


def test_dicomweb_with_a_token(series: CtSeries, tmp_path: Path, start_orthanc: Callable[..., Orthanc]) -> None:
    archive = start_orthanc(dicomweb=True)
    archive.put(series.files.values())

    def ask_for_the_token(request: Request) -> Answer:
        """What Orthanc answers, for those who have the token."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"WWW-Authenticate": "Bearer"})
        connection = http.client.HTTPConnection("127.0.0.1", archive.http_port, timeout=TIMEOUT_S)
        try:
            connection.request(request.method, request.target, headers={"Accept": request.headers["accept"]})
            answer = connection.getresponse()
            return Answer(answer.status, {"Content-Type": answer.headers["Content-Type"]}, [answer.read()])
        finally:
            connection.close()

    with WebServer(ask_for_the_token) as server:
        replaced = {"https://dicom.example.org": server.url, "UID": series.StudyInstanceUID}
        outputs = run("dicomweb", replaced, tmp_path)
    assert series.StudyInstanceUID in outputs[2]
    assert "6 new images" in outputs[3]


def test_a_watched_folder(series: CtSeries, tmp_path: Path) -> None:
    # The files were written just now; by its default the browser would wait until they stand still.
    _run_line(f"visual-dicom-browser settings folder/quiet_s 0 --database {tmp_path / 'database'}")
    outputs = run("folder", {"FOLDER": str(series.folder)}, tmp_path)
    assert series.SeriesInstanceUID in outputs[-1]
    assert not list(series.folder.rglob("*.dcm"))


def test_sending(series: CtSeries, tmp_path: Path, start_orthanc: Callable[..., Orthanc]) -> None:
    _run_line(f"visual-dicom-browser import {series.folder} --database {tmp_path / 'database'}")
    archive = start_orthanc()
    storescp = StoreScp(tmp_path / "storescp")
    storescp.start()
    replaced = {
        "192.0.2.6 --port 4242": f"127.0.0.1 --port {archive.port}",
        "STORE@192.0.2.7:104": f"{StoreScp.AE_TITLE}@127.0.0.1:{storescp.port}",
        "UID": series.StudyInstanceUID,
        "SERIES": series.SeriesInstanceUID,
    }
    try:
        run("send", replaced, tmp_path)
    finally:
        storescp.stop()
    assert archive.instance_count() == 6
    assert len(list(storescp.received.iterdir())) == 6
