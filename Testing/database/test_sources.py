"""Finding the files of an import."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pydicom
import pytest
from index_samples import ct_slice

from VisualDICOMBrowserLib.database.index_dicomdir import listed_files
from VisualDICOMBrowserLib.database.sources import Sources

FILE_SET = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files in folders, some of them hidden."""
    for name in ("b/2.dcm", "b/10.dcm", "a/deep/er/1", "a/.hidden", ".folder/3.dcm", "z.ZIP"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "tree"


def found(*paths: Path, include_hidden: bool = True, excluded: Path = Path("none")) -> dict[str, tuple[str, str]]:
    """Kind and reason by path relative to the first path."""
    sources = Sources(paths, include_hidden=include_hidden, excluded=excluded)
    return {os.path.relpath(item.path, paths[0]): (item.kind, item.reason) for item in sources}


def test_folders_are_walked_through(tree: Path) -> None:
    assert found(tree) == {
        "z.ZIP": ("archive", ""),
        ".folder/3.dcm": ("file", ""),
        "a/.hidden": ("file", ""),
        "a/deep/er/1": ("file", ""),
        "b/10.dcm": ("file", ""),
        "b/2.dcm": ("file", ""),
    }


def test_hidden_files_are_a_choice_except_those_named(tree: Path) -> None:
    assert sorted(found(tree, include_hidden=False)) == ["a/deep/er/1", "b/10.dcm", "b/2.dcm", "z.ZIP"]
    assert sorted(found(tree / ".folder", include_hidden=False)) == ["3.dcm"]


def test_a_folder_named_twice_is_walked_through_once(tree: Path) -> None:
    sources = Sources([tree, tree / "b", tree], include_hidden=True, excluded=Path("none"))
    assert len(list(sources)) == 6
    assert len(list(sources)) == 6


@links
def test_loops_of_links_end(tree: Path) -> None:
    (tree / "a" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "b" / "again").symlink_to(tree / "a", target_is_directory=True)
    (tree / "self").symlink_to(tree / "self")
    (tree / "linked.dcm").symlink_to(tree / "b" / "2.dcm")
    assert len(found(tree)) == 8


def test_the_folder_of_the_database_is_left_out(tree: Path) -> None:
    assert sorted(found(tree, excluded=tree / "b")) == [".folder/3.dcm", "a/.hidden", "a/deep/er/1", "z.ZIP"]
    assert found(tree / "b", excluded=tree / "b") == {}
    (kind, reason), *_ = found(tree / "b" / "2.dcm", excluded=tree).values()
    assert (kind, reason) == ("rejected", "This file lies in the folder of the database itself.")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_reported(tree: Path) -> None:
    (tree / "b").chmod(0)
    try:
        assert found(tree)["b"] == ("rejected", "The folder cannot be read: Permission denied.")
    finally:
        (tree / "b").chmod(0o755)


def images_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and _is_image(path))


def _is_image(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return False
    return "SOPInstanceUID" in pydicom.dcmread(path, stop_before_pixels=True)


@pytest.mark.parametrize(
    "name",
    [
        "DICOMDIR",
        "DICOMDIR-bigEnd",
        "DICOMDIR-implicit",
        "DICOMDIR-nooffset",
        "DICOMDIR-nopatient",
        "DICOMDIR-reordered",
    ],
)
def test_every_variant_of_a_dicomdir_gives_its_files(name: str) -> None:
    listed = list(listed_files(FILE_SET / name))
    in_subfolders = [path for path in images_of(FILE_SET) if path.parent != FILE_SET and "TINY" not in path.parts[-3]]
    expected = [path for path in in_subfolders if "TINY_ALPHA" not in path.parts]
    assert {reason for _, reason in listed} == {""}
    assert sorted(Path(path) for path, _ in listed) == expected
    assert len(expected) == 31


def test_an_empty_dicomdir_lists_nothing() -> None:
    assert list(listed_files(FILE_SET / "DICOMDIR-empty.dcm")) == []


@pytest.fixture
def file_set(tmp_path: Path) -> Path:
    """A copy of a small file set with its DICOMDIR, and a file that this does not list."""
    copy = tmp_path / "set"
    shutil.copytree(FILE_SET / "TINY_ALPHA", copy)
    (copy / "EXTRA").write_bytes(ct_slice())
    return copy


def test_a_chosen_dicomdir_gives_the_files_it_lists(file_set: Path) -> None:
    chosen = found(file_set / "DICOMDIR")
    assert len(chosen) == 50
    assert {kind for kind, _ in chosen.values()} == {"file"}


def test_a_folder_with_a_dicomdir_gives_also_what_it_does_not_list(file_set: Path) -> None:
    all_found = found(file_set)
    assert len(all_found) == 50 + 2
    assert {"EXTRA", "README"} <= set(all_found)
    assert "DICOMDIR" not in all_found


def test_files_that_a_dicomdir_lists_in_vain_are_reported(file_set: Path) -> None:
    lost = images_of(file_set / "PT000000")[3]
    lost.unlink()
    kind, reason = found(file_set)[str(lost.relative_to(file_set))]
    assert (kind, reason) == ("rejected", "The DICOMDIR lists this file, but it is not there.")


def test_names_are_found_in_whatever_case_a_medium_shows_them(file_set: Path) -> None:
    for path in images_of(file_set / "PT000000"):
        path.rename(path.with_name(path.name.lower() + ";1"))
    (file_set / "PT000000").rename(file_set / "pt000000")
    assert {kind for kind, _ in found(file_set / "DICOMDIR").values()} == {"file"}


@pytest.mark.parametrize("evil", ["..\\..\\..\\X", "\\ETC\\PWD", "C:\\SECRET", "..", "A\\..\\..\\X", "/ETC/PWD"])
def test_a_dicomdir_cannot_point_out_of_its_folder(file_set: Path, evil: str) -> None:
    dicomdir = file_set / "DICOMDIR"
    data = dicomdir.read_bytes()
    record = next(value for value in _file_ids(data))
    changed = evil.encode().ljust(len(record))
    dicomdir.write_bytes(data.replace(record, changed, 1))
    reasons = [reason for _, reason in listed_files(dicomdir) if reason]
    assert reasons in (
        ["The DICOMDIR names a file outside of its folder."],
        ["The DICOMDIR lists this file, but it is not there."],
    )
    assert reasons[0].endswith("outside of its folder.") or ".." not in evil


def _file_ids(data: bytes) -> list[bytes]:
    """Raw values of Referenced File ID in an explicit little endian DICOMDIR."""
    values, at = [], 0
    while (at := data.find(b"\x04\x00\x00\x15CS", at)) >= 0:
        length = int.from_bytes(data[at + 6 : at + 8], "little")
        values.append(data[at + 8 : at + 8 + length])
        at += 8
    return values


@links
def test_a_dicomdir_cannot_point_out_of_its_folder_by_a_link(file_set: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (file_set / "PT000000").rename(outside)
    (file_set / "PT000000").symlink_to(outside, target_is_directory=True)
    assert {reason for _, reason in listed_files(file_set / "DICOMDIR")} == {
        "The DICOMDIR names a file outside of its folder."
    }


def test_a_damaged_dicomdir_gives_what_stands_before_the_damage(file_set: Path) -> None:
    dicomdir = file_set / "DICOMDIR"
    data = dicomdir.read_bytes()
    dicomdir.write_bytes(data[: len(data) // 2])
    listed = list(listed_files(dicomdir))
    assert 5 < sum(not reason for _, reason in listed) < 45
    assert "The DICOMDIR is damaged" in listed[-1][1]
    dicomdir.write_bytes(b"no DICOMDIR at all")
    assert found(file_set)["DICOMDIR"] == ("file", "")
