"""The metadata window with a real engine: search, differences, aligned slices, copying, series that are not here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import qt
from pydicom import dcmread

from Testing.support.ct_series import make_ct_series
from Testing.support.viewing import imported, real_data, settle
from Testing.support.widget_driving import press, texts
from Testing.support.widget_driving import shown as named
from VisualDICOMBrowserLib.widgets.catalogue.entries import SeriesEntry
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.metadata.aligning import aligned_index
from VisualDICOMBrowserLib.widgets.metadata.explaining import explanation, multiplicity_words
from VisualDICOMBrowserLib.widgets.metadata.metadata_window import MetadataWindow
from VisualDICOMBrowserLib.widgets.metadata.tree import Row
from VisualDICOMBrowserLib.widgets.metadata.words import text_of
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

COUNT = 8


class Shown:
    """A metadata window with its texts and rows."""

    def __init__(self, client: QProcessClient, wait: Any, series: Any, other: Any = None, look: str = "light") -> None:
        self.said: list[str] = []
        context = BrowserContext(
            client, Theme(look), None, MemoryViewSettings(), lambda text, _level: self.said.append(text)
        )
        self.wait, self.series = wait, (series, other)
        self.window = MetadataWindow(context, series, other)
        self.window.show()
        self.a, self.b = self.window.sides
        self.wait_still()

    def wait_still(self) -> None:
        def still() -> bool:
            used = [side for side in (self.a, self.b) if side.series is not None]
            here = all(side.count and not side._feed.busy for side in used if side.series.local)
            return here and all(side.nodes and not side.reading for side in used)

        self.wait(still)
        settle()

    def search(self, text: str) -> None:
        named(self.window, "Search attributes").text = text

    def rows(self, kind: str = "element") -> list[Row]:
        return [each.row for each in self.window.table.lines if each.row.kind == kind]

    def row(self, tag: str) -> Row:
        return next(row for row in self.rows() if row.tag == tag)

    def choose(self, tag: str) -> None:
        self.window.table.choose(self.row(tag).path)

    def check(self, start: str) -> Any:
        return next(each for each in self.window.findChildren(qt.QCheckBox) if each.text.startswith(start))

    def clipboard(self) -> str:
        return str(qt.QApplication.clipboard().text())


@pytest.fixture
def two(client: QProcessClient, tmp_path: Path, wait_until: Any) -> Iterator[Shown]:
    """Two series of a patient, of two studies, the second with half of the slices."""
    first = make_ct_series(tmp_path / "one", COUNT)
    second = make_ct_series(tmp_path / "two", COUNT // 2, number=2, description="Second", date="20240203")
    catalogue = imported(client, wait_until, tmp_path / "one", tmp_path / "two")
    a, b = catalogue.series(first.StudyInstanceUID), catalogue.series(second.StudyInstanceUID)
    made = Shown(client, wait_until, a[0], b[0])
    yield made
    made.window.close()


def one(client: QProcessClient, wait_until: Any, folder: Path, name: str) -> Shown:
    """A window with one of pydicom's files."""
    folder.mkdir()
    (folder / name).write_bytes(Path(str(pydicom.data.get_testdata_file(name))).read_bytes())
    catalogue = imported(client, wait_until, folder)
    (series,) = [each for patient in catalogue.patients() for study in patient.studies for each in study.series]
    return Shown(client, wait_until, series)


def test_every_element_of_one_series(client: QProcessClient, tmp_path: Path, wait_until: Any):
    shown = one(client, wait_until, tmp_path / "files", "CT_small.dcm")
    dataset = dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    assert "DICOM metadata" in shown.window.windowTitle
    assert "CompressedSamples" in shown.window.windowTitle
    assert not shown.window.comparing
    assert shown.row("0028,0010").a == "128"
    total = len(list(dataset.file_meta)) + len(list(dataset.iterall()))
    assert f"{total} attributes" in texts(shown.window)
    assert "CT Image Storage \u00b7 Explicit VR Little Endian" in texts(shown.window)
    groups = [row.name for row in shown.rows("group")]
    assert groups[:3] == ["File", "Identification", "Patient"]
    assert "Private (GEMS_IDEN_01)" in groups
    assert not named(shown.window, "Only differences").enabled
    shown.check("Private").checked = False
    assert not any(name.startswith("Private") for name in [row.name for row in shown.rows("group")])
    shown.window.close()


def test_search_finds_tags_names_and_values_and_unfolds(client: QProcessClient, tmp_path: Path, wait_until: Any):
    shown = one(client, wait_until, tmp_path / "files", "rtplan.dcm")
    assert not [row for row in shown.rows() if row.tag == "300A,0012"]
    shown.search("dose reference number")
    assert [row.tag for row in shown.rows()].count("300A,0012") == 2
    assert [row.name for row in shown.rows("item")][:2] == ["Item 1", "Item 2"]
    shown.search("(300A,0016)")
    assert {row.tag for row in shown.rows() if not row.rows} == {"300A,0016"}
    shown.search("300a0016")
    assert {row.tag for row in shown.rows() if not row.rows} == {"300A,0016"}
    shown.search("PatientName")
    assert [row.tag for row in shown.rows()] == ["0010,0010"]
    assert "1 of " in texts(shown.window)
    shown.search("no such thing")
    assert shown.window.table.lines == []
    press(shown.window, qt.Qt.Key_Escape)
    shown.window.close()


def test_groups_and_sequences_fold_by_keys(client: QProcessClient, tmp_path: Path, wait_until: Any):
    shown = one(client, wait_until, tmp_path / "files", "rtplan.dcm")
    table = shown.window.table
    shown.choose("300A,0010")
    before = len(table.lines)
    press(table, qt.Qt.Key_Right)
    opened = shown.row("300A,0010").rows
    assert len(table.lines) == before + 2 + sum(len(item.rows) for item in opened)
    assert table.selected()[0].tag == "300A,0010"
    press(table, qt.Qt.Key_Left)
    assert len(table.lines) == before
    press(table, qt.Qt.Key_Left)
    press(table, qt.Qt.Key_Left)
    assert len(table.lines) < before
    assert table.selected()[0].name == "Sequences"
    shown.window.close()


def test_two_series_and_what_differs(two: Shown):
    assert two.window.comparing
    assert two.row("0020,0011").differs
    assert (two.row("0008,103E").a, two.row("0008,103E").b) == ("Axial 1.5", "Second")
    assert not two.row("0008,0060").differs
    two.check("Only differences").checked = True
    assert two.rows()
    assert all(row.differs for row in two.rows())
    found = len([row for row in two.rows() if not row.rows])
    assert two.check("Only differences").text == f"Only differences ({found})"
    two.check("Only differences").checked = False
    two.search("series description")
    assert "1 of 1 differs" in texts(two.window)
    two.search("modality")
    assert "No difference" in texts(two.window)


def test_slices_stay_aligned_unless_unchecked(two: Shown):
    slider = named(two.window, "Instance of A")
    slider.value = 2
    two.wait_still()
    assert two.b.index == 2
    assert f"3 / {COUNT}" in texts(two.window)
    assert two.row("0020,0013").a == two.row("0020,0013").b
    two.choose("0008,0018")
    two.check("Keep").checked = False
    slider.value = 0
    two.wait_still()
    assert two.b.index == 2
    assert two.window.table.selected()[0].tag == "0008,0018"
    named(two.window, "Instance of B").value = 1
    two.wait_still()
    assert two.a.index == 0
    two.check("Keep").checked = True
    two.wait_still()
    assert two.b.index == 0


def test_copies_value_row_and_all(two: Shown, tmp_path: Path):
    two.choose("0008,103E")
    assert "0008,103E Series Description: Axial 1.5" in texts(two.window)
    assert "B: Second" in texts(two.window)
    named(two.window, "Copy value").click()
    assert two.clipboard() == "Axial 1.5\tSecond"
    named(two.window, "Copy row").click()
    assert two.clipboard() == "0008,103E\tSeries Description\tLO\tAxial 1.5\tSecond"
    named(two.window, "Copy all as text").click()
    assert "0008,0060\tModality\tCS\tCT\tCT" in two.clipboard().splitlines()
    named(two.window, "Copy all as JSON").click()
    elements = {each["tag"]: each for each in json.loads(two.clipboard())}
    assert elements["0008,103E"]["a"] == "Axial 1.5"
    assert elements["0008,103E"]["b"] == "Second"
    two.window.save_to(str(tmp_path / "all.json"))
    assert json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    two.window.save_to(str(tmp_path / "all.txt"))
    assert (tmp_path / "all.txt").read_text(encoding="utf-8").startswith("File\n")
    two.window.save_to(str(tmp_path / "none" / "all.txt"))
    assert "was not written" in two.said[-1]


def test_other_series_are_chosen_and_taken_away(two: Shown):
    combo = named(two.window, "Series B")
    assert [combo.itemText(number) for number in range(combo.count)] == [
        "Compare with...",
        "1  Axial 1.5, 2024-01-02",
        "2  Second, 2024-02-03",
    ]
    combo.currentIndex = 0
    settle()
    assert not two.window.comparing
    assert two.window.table.model().columnCount() == 4
    combo.currentIndex = 1
    two.wait_still()
    assert two.window.comparing
    assert not any(row.differs for row in two.rows())


def test_remote_series_show_what_the_server_told(two: Shown):
    study = two.a.series.study
    told = SeriesEntry("1.2.3", study.StudyInstanceUID, study, 9, "Far", "MR", sources={"Main PACS": {"instances": 96}})
    window = Shown(two.window._context.client, two.wait, told)
    assert window.row("0008,103E").a == "Far"
    assert window.row("0020,1209").a == "Main PACS: 96"
    assert "This is what Main PACS told." in texts(window.window)
    window.window.close()


def test_closing_listens_no_longer(two: Shown):
    two.window.close()
    assert two.a._feed._unsubscribe is None
    assert two.b._feed._unsubscribe is None


def test_frames_of_one_file_are_slid_through(client: QProcessClient, tmp_path: Path, wait_until: Any):
    (tmp_path / "one").mkdir()
    source = max(real_data("mr-enhanced").rglob("*.dcm"), key=lambda path: path.stat().st_size)
    (tmp_path / "one" / "frames.dcm").write_bytes(source.read_bytes())
    catalogue = imported(client, wait_until, tmp_path / "one")
    (series,) = [each for patient in catalogue.patients() for study in patient.studies for each in study.series]
    frames = int(dcmread(source, stop_before_pixels=True).NumberOfFrames)
    shown = Shown(client, wait_until, series)
    assert shown.a.count == frames
    assert "Frame" in texts(shown.window)
    named(shown.window, "Instance of A").value = 3
    shown.wait_still()
    assert shown.row("5200,9230").a == f"{frames} items, item 4 shown"
    shown.window.close()


@pytest.mark.parametrize(
    ("index", "ours", "theirs", "expected"),
    [
        (1, [0.0, 5.0, 10.0], [0.0, 1.0, 4.0, 6.5], 2),
        (1, [0.0, 5.0, 10.0], [100.0, 101.0, 102.0, 103.0, 104.0], 2),
        (2, [None, None, None], [0.0, 1.0], 1),
        (0, [0.0], [None, None, None], 1),
        (0, [0.0], [], 0),
    ],
)
def test_alignment(index: int, ours: list[Any], theirs: list[Any], expected: int):
    assert aligned_index(index, ours, theirs) == expected


def test_text_is_indented():
    below = Row("element", ("s", "e"), "0018,9082", "Effective Echo Time", "FD", "2.98")
    rows = [Row("element", ("s",), "0018,9114", "MR Echo Sequence", "SQ", "1 item", rows=[below])]
    assert text_of(rows, False).splitlines()[1] == "  0018,9082\tEffective Echo Time\tFD\t2.98"


@pytest.mark.parametrize("look", ["light", "dark", "contrast"])
def test_is_painted_in_every_look(look: str, client: QProcessClient, tmp_path: Path, wait_until: Any):
    folder = Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)
    catalogue = imported(client, wait_until, real_data("mr-head"), real_data("mr-siemens-orientation"))
    series = [each for patient in catalogue.patients() for study in patient.studies for each in study.series]
    shown = Shown(client, wait_until, series[0], series[-1], look)
    shown.window.table.choose(("0018,0081",))
    settle()
    assert shown.window.grab().save(str(folder / f"metadata-all-{look}.png"))
    shown.search("echo")
    shown.choose("0018,0081")
    settle()
    assert shown.window.grab().save(str(folder / f"metadata-{look}.png"))
    shown.search("")
    named(shown.window, "Series B").currentIndex = 0
    settle()
    assert shown.window.grab().save(str(folder / f"metadata-one-{look}.png"))
    shown.window.close()


def test_columns_sides_and_size_are_remembered(two: Shown):
    window, table = two.window, two.window.table
    window.resize(900, 500)
    table.setColumnWidth(1, 211)
    table.setColumnWidth(3, 177)
    (splitter,) = window.findChildren(qt.QSplitter)
    splitter.setSizes([600, 280])
    settle()
    share = splitter.sizes()[0] / sum(splitter.sizes())
    window.close()
    again = MetadataWindow(window._context, *two.series)
    again.show()
    two.wait(lambda: again.table.lines)
    settle()
    assert (again.width, again.height) == (900, 500)
    assert [again.table.columnWidth(column) for column in (0, 1, 3)] == [table.columnWidth(0), 211, 177]
    (splitter,) = again.findChildren(qt.QSplitter)
    assert splitter.sizes()[0] / sum(splitter.sizes()) == pytest.approx(share, abs=0.02)
    again.close()


def test_one_series_has_the_room_of_two(two: Shown):
    assert abs(two.a.width - two.b.width) < 30
    named(two.window, "Series B").currentIndex = 0
    settle()
    assert two.a.width > 2 * two.b.width
    named(two.window, "Series B").currentIndex = 2
    two.wait_still()
    assert abs(two.a.width - two.b.width) < 30


@pytest.mark.parametrize(
    ("tag", "vr", "path", "words"),
    [
        ("0018,0081", "DS", ("0018,0081",), "EchoTime · decimal number as text (DS), 1 value"),
        ("0008,0008", "CS", ("0008,0008",), "ImageType · code word (CS), 2 or more values"),
        ("0028,0030", "DS", ("0028,0030",), "PixelSpacing · decimal number as text (DS), 2 values"),
        ("0008,1140", "SQ", ("0008,1140",), "ReferencedImageSequence · sequence of items (SQ)"),
        ("0054,0010", "US", ("0054,0010",), "EnergyWindowVector · whole number, 16 bits (US), 1 or more values"),
        ("0028,0106", "US or SS", ("0028,0106",), "SmallestImagePixelValue"),
        ("0028,0040", "CS", ("0028,0040",), "ImageFormat · code word (CS), 1 value · retired: no longer used by"),
        (
            "0008,0000",
            "UL",
            ("0008,0000",),
            "how many bytes the group has · whole number, 32 bits (UL)",
        ),
        ("0019,0010", "LO", ("0019,0010",), "says whose the private elements of a block are"),
        ("0019,100C", "IS", ("x", "0019,0C|SIEMENS MR HEADER"), "private, of SIEMENS MR HEADER · whole number as text"),
        (
            "0019,1002",
            "SL",
            ("0019,02|NOBODY KNOWS",),
            "private, of NOBODY KNOWS · whole number, 32 bits",
        ),
        (
            "0019,1002",
            "UN",
            ("0019,1002|?",),
            "private, of nobody · bytes of an unknown kind (UN)",
        ),
        ("0008,FFF1", "", ("0008,FFF1",), "not in the DICOM dictionary"),
    ],
)
def test_attributes_are_explained(tag: str, vr: str, path: tuple[str, ...], words: str):
    assert explanation(tag, vr, path).startswith(words)


def test_the_number_of_values_is_said_in_words():
    words = {"1": "1 value", "3": "3 values", "1-n": "1 or more values", "2-2n": "values in groups of 2"}
    assert {each: multiplicity_words(each) for each in words} == words
    assert multiplicity_words("1-3") == "1 to 3 values"
    assert multiplicity_words("1-n or 1") == "1 or more values"


def test_the_explanation_is_the_hint_and_stands_below(two: Shown):
    two.choose("0008,0060")
    assert "Modality · code word (CS), 1 value" in texts(two.window)
    model = two.window.table.model()
    number = next(n for n, line in enumerate(two.window.table.lines) if line.row.tag == "0008,0060")
    hint = model.data(model.index(number, 1), qt.Qt.ToolTipRole)
    assert hint == "0008,0060 Modality\nModality · code word (CS), 1 value"
    assert model.data(model.index(number, 3), qt.Qt.ToolTipRole) == "CT"
