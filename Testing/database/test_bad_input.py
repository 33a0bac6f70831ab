"""One folder with good files and every kind of bad one."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from index_harness import files_below
from index_samples import (
    DEFLATED,
    EXPLICIT_LITTLE,
    UNDEFINED,
    ct_slice,
    deflated,
    element,
    item,
    meta,
    uids,
    write_series,
)

from VisualDICOMBrowserLib.database.index_workers import child_environment

MEGABYTE = 1 << 20
ADDRESS_SPACE = 1024 * MEGABYTE
MOST_RESIDENT = 300 * MEGABYTE
CHILD_TIMEOUT_S = 120

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs resource limits and named pipes")

CHILD = """
import json, resource, sys
from dataclasses import asdict
from pathlib import Path
limit = int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from index_harness import opened_importer
with opened_importer(Path(sys.argv[1]), {"import/workers": 1}) as importer:
    report = asdict(importer.run(Path(sys.argv[2]), copy=sys.argv[3] == "copy"))
status = Path("/proc/self/status")
if status.exists():
    # The usage of a process on Linux begins with that of the process that started it; this does not.
    own = int(status.read_text().split("VmHWM:")[1].split()[0])
else:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(json.dumps({**report, "peak": peak * (1 if sys.platform == "darwin" else 1024)}))
"""


def bomb(size: int) -> bytes:
    """A deflated CT whose pixel data inflate to `size` bytes."""
    body = ct_slice(without=("7FE0,0010",))[len(meta(EXPLICIT_LITTLE, uids()["0008,0018"])) :]
    return meta(DEFLATED) + deflated(body + element("7FE0,0010", "OW", b"", length=size) + bytes(size))


def nested_without_end(depth: int) -> bytes:
    opening = element("0008,1140", "SQ", b"", length=UNDEFINED) + item(b"", length=UNDEFINED)
    return meta(EXPLICIT_LITTLE) + element("0008,0060", "CS", "CT") + opening * depth


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Content by name, and the beginning of the reason that is due."""
    whole = ct_slice(number=77)
    not_dicom, cut = "This is not a DICOM file.", "The file is cut short"
    files = {
        "empty.dcm": (b"", "The file is empty."),
        "one-byte.dcm": (b"D", not_dicom),
        "prefix-only.dcm": (b"\0" * 128 + b"DICM", "The file has no Study Instance UID."),
        "zeros.dcm": (bytes(5000), not_dicom),
        "text.dcm": (b"not an image\n" * 100, not_dicom),
        "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(500), not_dicom),
        "packed.gz": (b"\x1f\x8b\x08\0" + bytes(500), "This is a gzip file"),
        "cut-pixels.dcm": (whole[:-1], cut),
        "cut-header.dcm": (whole[: whole.index(b"\x28\0\x10\0") + 9], cut),
        "long-element.dcm": (
            ct_slice(without=("7FE0,0010",)) + element("7FE0,0010", "OW", b"x", length=0xFFFFFFF0),
            cut,
        ),
        "bomb.dcm": (bomb(600 * MEGABYTE), "The deflated data set grows beyond what is allowed"),
        "nesting.dcm": (nested_without_end(5000), cut),
        "no-study.dcm": (ct_slice(without=("0020,000D",)), "The file has no Study Instance UID."),
        "no-series.dcm": (ct_slice(without=("0020,000E",)), "The file has no Series Instance UID."),
        "no-instance.dcm": (ct_slice(without=("0008,0018",)), "The file has no SOP Instance UID."),
    }
    names = {"0008,0018": "SOP", "0020,000D": "Study", "0020,000E": "Series"}
    evil = ("../../../../tmp/evil", "/tmp/evil", "..\\..\\evil", "C:\\evil", "1.2\n.3", "9" * 65, "..")
    for number, uid in enumerate(evil):
        for tag, name in names.items():
            data = ct_slice(more=((tag, "UI", uid),))
            files[f"uid-{number}-{name}.dcm"] = (data, f"The {name} Instance UID ")
    return files


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Good files among bad ones, and the reason due for each bad one."""
    folder = tmp_path / "in"
    write_series(folder / "good", 20)
    due = {}
    for name, (data, reason) in bad_files().items():
        (folder / name).write_bytes(data)
        due[name] = reason
    (folder / "dangling.dcm").symlink_to(folder / "gone.dcm")
    (folder / "loop.dcm").symlink_to(folder / "loop.dcm")
    os.mkfifo(folder / "pipe.dcm")
    (folder / "folder.dcm").mkdir()
    (folder / "folder.dcm" / "up").symlink_to(folder, target_is_directory=True)
    with (folder / "sparse.dcm").open("wb") as file:
        file.truncate(5000 * MEGABYTE)
    with (folder / "sparse-pixels.dcm").open("wb") as file:
        head = ct_slice(without=("7FE0,0010",), number=78)
        file.write(head + struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 3000 * MEGABYTE))
        file.truncate(2000 * MEGABYTE)
    due.update(
        {
            "dangling.dcm": "The link points to nothing.",
            "loop.dcm": "The file cannot be read",
            "pipe.dcm": "This is a named pipe, not a file.",
            "sparse.dcm": "This is not a DICOM file.",
            "sparse-pixels.dcm": "The file is cut short",
        }
    )
    if os.geteuid() != 0:
        secret = folder / "secret.dcm"
        secret.write_bytes(ct_slice(number=99))
        secret.chmod(0)
        due["secret.dcm"] = "The file may not be read (permission denied)."
    return folder, due


def imported_in_a_child(tmp_path: Path, source: Path, how: str) -> dict[str, Any]:
    """Report of an import in a process with little memory, with every usual place to write to below `tmp_path`."""
    places = {name: tmp_path / "elsewhere" / name for name in ("HOME", "TMPDIR", "cwd")}
    for place in places.values():
        place.mkdir(parents=True)
    environment = {**child_environment(), "HOME": str(places["HOME"]), "TMPDIR": str(places["TMPDIR"])}
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "db"), str(source), how, str(ADDRESS_SPACE)],
        capture_output=True,
        env=environment,
        cwd=places["cwd"],
        timeout=CHILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("how", ["link", "copy"])
@pytest.mark.parametrize("workers", [False, True], ids=["in-process", "workers"])
def test_good_files_come_in_and_bad_ones_are_reported(
    tmp_path: Path, folder: tuple[Path, dict[str, str]], how: str, workers: bool
) -> None:
    source, due = folder
    good = 20
    if workers:
        write_series(source / "more", 80, series=2)
        good += 80
    before = files_below(tmp_path, lambda path: not path.is_dir())
    report = imported_in_a_child(tmp_path, source, how)
    assert report["imported"] == good
    assert report["conflicts"] == []
    reasons = {str(Path(item["path"]).relative_to(source)): item["reason"] for item in report["rejected"]}
    assert {name: reason for name, reason in reasons.items() if not reason.startswith(due[name])} == {}
    assert set(reasons) == set(due)
    assert report["peak"] < MOST_RESIDENT
    written = files_below(tmp_path, lambda path: not path.is_dir()) - before
    assert {path.parts[0] for path in written} == {"db"}
    stored = {path for path in written if path.parts[1] == "dicom"}
    assert len(stored) == (good if how == "copy" else 0)
