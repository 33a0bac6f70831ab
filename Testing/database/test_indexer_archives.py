"""Zip archives as sources of an import."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_harness import Importer, RecordingControl, files_below, opened_importer
from index_samples import ct_slice

from VisualDICOMBrowserLib.errors import JobCancelled


@pytest.fixture
def importer(tmp_path: Path) -> Iterator[Importer]:
    with opened_importer(tmp_path / "db") as opened:
        yield opened


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("copy", [False, True])
def test_members_become_the_database_s_own_files(importer: Importer, tmp_path: Path, copy: bool) -> None:
    members = {f"study/{number}.dcm": ct_slice(number=number) for number in range(1, 101)}
    archive = zipped(tmp_path / "in" / "study.zip", members)
    report = importer.run(tmp_path / "in", copy=copy)
    assert (report.imported, report.series, report.rejected) == (100, 1, ())
    assert {path.read_bytes() for path in (importer.database.folder / "dicom").rglob("*.dcm")} == set(members.values())
    assert not list(importer.database.folder.rglob("*.part"))
    assert importer.run(archive).unchanged == 100


@pytest.mark.parametrize(
    "name", ["../../evil.dcm", "/evil.dcm", "C:\\evil.dcm", "..\\evil.dcm", "a/../../evil.dcm", "evil.dcm/", "CON"]
)
def test_names_in_an_archive_are_harmless(importer: Importer, tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "in.zip", {name: ct_slice()})
    before = files_below(tmp_path) - {Path("in.zip")}
    report = importer.run(archive)
    assert report.imported == (0 if name.endswith("/") else 1)
    added = files_below(tmp_path) - before - {Path("in.zip")}
    assert {path.parts[:2] for path in added} <= {("db", "dicom"), ("db", "visual-dicom-browser-incoming")}


def test_each_unusable_member_is_reported(importer: Importer, tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"a.dcm": ct_slice()}).read_bytes()
    members = {
        "empty.dcm": b"",
        "text.txt": b"hello",
        "inner.zip": inner,
        "cut.dcm": ct_slice()[:-20],
        "no-uid.dcm": ct_slice(without=("0020,000D",)),
        "good.dcm": ct_slice(),
    }
    archive = zipped(tmp_path / "in.zip", members)
    report = importer.run(archive)
    assert report.imported == 1
    reasons = {item.path.rsplit(": ", 1)[1]: item.reason for item in report.rejected}
    assert reasons == {
        "empty.dcm": "The file is empty.",
        "text.txt": "This is not a DICOM file.",
        "inner.zip": "This is a zip archive inside a zip archive; unpack it first.",
        "cut.dcm": "The file is cut short: an element needs 512 bytes, 492 are left.",
        "no-uid.dcm": "The file has no Study Instance UID.",
    }


def test_encrypted_members_are_reported(importer: Importer, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "in.zip", {"secret.dcm": ct_slice()})
    data = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    archive.write_bytes(data)
    assert importer.run(archive).rejected[0].reason == "This part of the zip archive is encrypted."


def test_cancel_leaves_no_parts(importer: Importer, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "in.zip", {f"{number}.dcm": ct_slice(number=number) for number in range(1, 101)})
    importer.control = RecordingControl(cancel_at=64)
    with pytest.raises(JobCancelled):
        importer.run(archive)
    assert importer.database.reader.counts().instances == 64
    assert not list(importer.database.folder.rglob("*.part"))


def test_damaged_archives_are_reported(importer: Importer, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "in.zip", {f"{number}.dcm": ct_slice(number=number) for number in (1, 2)}).read_bytes()
    damaged = bytearray(whole)
    damaged[60:80] = b"\xff" * 20
    for name, data in (("half.zip", whole[: len(whole) // 2]), ("empty.zip", b""), ("bits.zip", bytes(damaged))):
        (tmp_path / name).write_bytes(data)
        rejected = importer.run(tmp_path / name).rejected
        assert len(rejected) == 1
        assert "zip archive" in rejected[0].reason
    assert not list(importer.database.folder.rglob("*.part"))


def test_what_pretends_to_be_an_image_and_inflates_without_end_is_refused(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from VisualDICOMBrowserLib.database import index_archive

    monkeypatch.setattr(index_archive, "_HARMLESS_BYTES", 1 << 20)
    bomb = ct_slice(pixels=bytes(64 << 20))
    archive = zipped(tmp_path / "in.zip", {"bomb.dcm": bomb, "good.dcm": ct_slice(number=2)})
    report = importer.run(archive)
    assert report.imported == 1
    assert "out of proportion" in report.rejected[0].reason
    assert not list(importer.database.folder.rglob("*.part"))
