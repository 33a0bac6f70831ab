"""What is said where a decoder is missing: shown in child processes that cannot import it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import UID

import VisualDICOMBrowserLib
from VisualDICOMBrowserLib.thumbnails.decoders import installed_decoders, method_name

HTJ2K_BY_NAME = "1.2.840.10008.1.2.4.201"

PROGRAM = """
import json, sys
from pathlib import Path

blocked = set(json.loads(sys.argv[2]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.decoders import installed_decoders
from VisualDICOMBrowserLib.thumbnails.drawing import draw

class NoImages:
    image_path = lambda self, sop: None
    series_paths = lambda self, series: []
    series_in_frame = lambda self, study, frame: []

try:
    draw(Path(sys.argv[1]), NoImages(), 64)
    answer = {"code": "", "reason": ""}
except ImageFault as fault:
    answer = {"code": fault.code, "reason": fault.message}
print(json.dumps({**answer, "decoders": installed_decoders()}))
"""

CODECS = ("PIL", "pylibjpeg", "libjpeg", "openjpeg", "rle", "jpeg_ls", "_jpeg_ls", "gdcm")


def drawn_without(name: str, *absent: str) -> dict[str, str]:
    """Outcome of drawing a test file in a process where the modules `absent` cannot be imported."""
    package_parent = str(Path(VisualDICOMBrowserLib.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, get_testdata_file(name), json.dumps(absent)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": package_parent},
    )
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS needs the package pyjpegls."),
        ("MR_small_jp2klossless.dcm", "JPEG 2000 needs the packages pylibjpeg and pylibjpeg-openjpeg."),
        ("SC_rgb_jpeg_gdcm.dcm", "JPEG lossless needs the packages pylibjpeg and pylibjpeg-libjpeg."),
        ("SC_rgb_jpeg_dcmtk.dcm", "JPEG needs the packages pylibjpeg and pylibjpeg-libjpeg."),
    ],
)
def test_reason_names_the_package(name: str, reason: str) -> None:
    answer = drawn_without(name, *CODECS)
    assert answer["code"] == "missing_decoder"
    assert answer["reason"] == reason


def test_only_what_is_missing_is_named() -> None:
    answer = drawn_without("SC_rgb_jpeg_gdcm.dcm", "pylibjpeg", "PIL", "gdcm")
    assert answer["reason"] == "JPEG lossless needs the package pylibjpeg."


def test_rle_and_native_need_nothing() -> None:
    assert drawn_without("MR_small_RLE.dcm", *CODECS)["code"] == ""
    assert drawn_without("MR_small.dcm", *CODECS)["code"] == ""


def test_installed_decoders_tell_processes_apart() -> None:
    here = drawn_without("MR_small.dcm")["decoders"]
    assert here == installed_decoders()
    assert drawn_without("MR_small.dcm", "jpeg_ls", "_jpeg_ls")["decoders"] != here


def test_names_for_people() -> None:
    assert method_name(UID(HTJ2K_BY_NAME)).startswith("HTJ2K")
    assert method_name(UID("1.2.840.10008.1.2.5")) == "RLE"
    assert method_name(UID("1.2.3.4")) == "1.2.3.4"
