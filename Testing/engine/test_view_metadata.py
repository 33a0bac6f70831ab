"""The header of an instance as a tree: complete, readable, and never larger than a person can look through."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from Testing.support.ct_series import make_ct_series
from VisualDICOMBrowserLib.database.header_tree import LONGEST_VALUE, header_tree
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import RejectedFileError, UsageError, VisualDICOMError

pydicom_data = pytest.importorskip("pydicom.data")
TEST_FILES = Path(pydicom_data.__file__).parent / "test_files"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(open_engine(tmp_path / "database")) as opened:
        yield opened


def by_tag(nodes: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {node["tag"]: node for node in nodes}


def test_an_instance_tells_all_its_elements(session: Session) -> None:
    session.import_files([TEST_FILES / "CT_small.dcm"], timeout=60)
    dataset = dcmread(TEST_FILES / "CT_small.dcm")
    nodes = session.client.request("metadata", SOPInstanceUID=str(dataset.SOPInstanceUID))
    found = by_tag(nodes)
    assert len(nodes) == len(dataset) + len(dataset.file_meta)
    assert [node["tag"] for node in nodes] == sorted(node["tag"] for node in nodes)
    assert found["0010,0010"] == {
        "tag": "0010,0010",
        "name": "Patient's Name",
        "vr": "PN",
        "value": str(dataset.PatientName),
        "private": "",
        "items": [],
    }
    assert found["0020,0032"]["value"] == "-158.135803\\-179.035797\\-75.699997"
    assert found["0028,0010"]["value"] == "128"
    assert found["7FE0,0010"]["value"] == "32,768 bytes"
    assert found["0002,0010"]["name"] == "Transfer Syntax UID"
    assert found["0009,0010"] == {**found["0009,0010"], "name": "Private Creator", "private": "GEMS_IDEN_01"}
    assert (found["0009,1001"]["name"], found["0009,1001"]["private"]) == ("Full fidelity", "GEMS_IDEN_01")
    with pytest.raises(UsageError, match="not in the local"):
        session.client.request("metadata", SOPInstanceUID="1.2.3")


def test_sequences_unfold() -> None:
    found = by_tag(header_tree(str(TEST_FILES / "rtplan.dcm")))
    doses = found["300A,0010"]
    assert (doses["vr"], doses["value"]) == ("SQ", "2 items")
    assert [by_tag(item)["300A,0012"]["value"] for item in doses["items"]] == ["1", "2"]


def test_long_values_are_cut_and_deep_trees_stay_small(tmp_path: Path) -> None:
    path = next(iter(make_ct_series(tmp_path, 1).files.values()))
    dataset = dcmread(path)
    dataset.ImageComments = "x" * 5000
    dataset.add_new(0x30060050, "DS", [1.5] * 5000)
    dataset.NumberOfFrames = 3000
    frames = []
    for number in range(3000):
        place, item = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, number]
        item.PlanePositionSequence = Sequence([place])
        frames.append(item)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.save_as(path)
    began = time.perf_counter()
    nodes = header_tree(str(path), frame=7)
    found = by_tag(nodes)
    assert time.perf_counter() - began < 5
    assert found["0020,4000"]["value"] == "x" * LONGEST_VALUE
    assert found["3006,0050"]["value"].startswith("1.5\\1.5\\")
    assert len(found["3006,0050"]["value"]) == LONGEST_VALUE
    groups = found["5200,9230"]
    assert groups["value"] == "3000 items, item 8 shown"
    place = by_tag(groups["items"][0])["0020,9113"]["items"][0]
    assert by_tag(place)["0020,0032"]["value"] == "0.0\\0.0\\7.0"
    assert len(json.dumps(nodes)) < 40_000


def test_every_sample_is_told_or_refused_in_a_sentence(pydicom_files: list[Path], tmp_path: Path) -> None:
    told, refusals = 0, []
    for path in pydicom_files:
        try:
            nodes = header_tree(str(path))
        except VisualDICOMError as fault:
            refusals.append(str(fault))
            continue
        told += 1
        assert all(set(node) == {"tag", "name", "vr", "value", "private", "items"} for node in nodes)
        json.dumps(nodes)
    assert all(refusal.endswith(".") for refusal in refusals)
    assert told > len(pydicom_files) * 0.9
    for name, content in (("text.txt", b"no image at all"), ("empty.dcm", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RejectedFileError):
            header_tree(str(tmp_path / name))
    with pytest.raises(RejectedFileError, match="cannot be read"):
        header_tree(str(tmp_path / "absent.dcm"))


def test_compressed_pixels_are_measured_not_read() -> None:
    found = by_tag(header_tree(str(TEST_FILES / "JPEG2000.dcm")))
    assert found["7FE0,0010"]["value"].endswith(("bytes", "compressed"))
