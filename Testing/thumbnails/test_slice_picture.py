"""Single frames with a window, and strips of them, straight from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from thumbnail_objects import WriteImage

from VisualDICOMBrowserLib.database.slice_order import OrderedInstance
from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.references import DatabaseImages
from VisualDICOMBrowserLib.thumbnails.slice_picture import slice_picture
from VisualDICOMBrowserLib.thumbnails.strip import MOST_FRAMES, StripMaker, frame_at, spread
from VisualDICOMBrowserLib.thumbnails.windowing import Window

pydicom_data = pytest.importorskip("pydicom.data")
TEST_FILES = Path(pydicom_data.__file__).parent / "test_files"


@pytest.fixture
def images(database) -> DatabaseImages:
    return DatabaseImages(database.reader)


def test_a_strip_has_first_and_last_and_even_steps() -> None:
    assert spread(0, 32) == []
    assert spread(3, 32) == [0, 1, 2]
    assert spread(32, 32) == list(range(32))
    for count in (33, 63, 64, 1000):
        found = spread(count, MOST_FRAMES)
        steps = np.diff(found)
        assert (len(found), found[0], found[-1]) == (MOST_FRAMES, 0, count - 1)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1


def test_frames_are_counted_over_files() -> None:
    instances = [OrderedInstance("a", 1, 2, "a"), OrderedInstance("b", 2, 1, "b"), OrderedInstance("c", 3, 0, "c")]
    found = [frame_at(instances, index) for index in range(5)]
    assert [(instance.SOPInstanceUID, frame) for instance, frame in found] == [
        ("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 0),
    ]  # fmt: skip


def test_the_window_shown_is_told_and_can_be_taken_on(write_image: WriteImage, images: DatabaseImages) -> None:
    ramp = np.tile(np.arange(0, 2048, 32, dtype=np.uint16), (64, 1))
    stated = write_image(ramp, WindowCenter=1000, WindowWidth=400, VOILUTFunction="LINEAR_EXACT")
    shown = slice_picture(stated, 0, 64, images)
    assert shown.window == Window(1000, 400, "LINEAR_EXACT")
    assert (shown.columns, shown.rows) == (64, 64)
    same = slice_picture(stated, 0, 64, images, Window(1000, 400, "LINEAR_EXACT"))
    assert np.array_equal(same.picture, shown.picture)
    other = slice_picture(stated, 0, 64, images, fallback=Window(100, 50))
    assert other.window == shown.window
    without = write_image(ramp)
    assert slice_picture(without, 0, 64, images, fallback=Window(100, 50)).window == Window(100, 50)
    best = slice_picture(without, 0, 64, images)
    assert best.window is not None
    again = slice_picture(without, 0, 64, images, best.window)
    assert np.array_equal(best.picture, again.picture)


def test_an_even_image_has_a_window_too(write_image: WriteImage, images: DatabaseImages) -> None:
    shown = slice_picture(write_image(np.full((8, 8), 700, np.uint16)), 0, 8, images)
    assert shown.window == Window(700, 1)


def test_frames_of_one_file_differ_and_end(images: DatabaseImages) -> None:
    path = TEST_FILES / "examples_ybr_color.dcm"
    first, last = slice_picture(path, 0, 100, images), slice_picture(path, 29, 100, images)
    assert first.window is None
    assert not np.array_equal(first.picture, last.picture)
    assert np.array_equal(slice_picture(path, 500, 100, images).picture, last.picture)


def test_what_has_no_picture_is_named(images: DatabaseImages, tmp_path: Path) -> None:
    with pytest.raises(ImageFault, match="RT plan"):
        slice_picture(TEST_FILES / "rtplan.dcm", 0, 100, images)
    with pytest.raises(ImageFault, match="cannot be opened"):
        slice_picture(tmp_path / "absent.dcm", 0, 100, images)


def test_a_strip_leaves_black_what_cannot_be_shown(
    write_image: WriteImage, images: DatabaseImages, tmp_path: Path
) -> None:
    bright = np.full((16, 32), 200, np.uint8)
    paths = [write_image(bright), tmp_path / "gone.dcm", write_image(np.full((32, 16), 200, np.uint8))]
    instances = [OrderedInstance(str(number), number, 1, str(path)) for number, path in enumerate(paths)]
    maker = StripMaker(tmp_path / "strips", images)
    strip = maker.make("1.2", instances, 32)
    assert strip is not None
    assert (strip.width, strip.height, strip.indices, strip.reason) == (32, 32, (0, 1, 2), "")
    with Image.open(strip.path) as picture:
        cells = np.hsplit(np.asarray(picture), 3)
    assert [int(cell[16, 16]) for cell in cells] == [200, 0, 200]
    assert [int(cell[2, 16]) for cell in cells] == [0, 0, 200]
    assert maker.make("1.2", instances, 32) == strip
    Path(strip.path).with_suffix(".json").write_text("{}")
    assert maker.make("1.2", instances, 32) == strip
    assert maker.make("1.3", instances, 32, stopped=lambda: True) is None
    maker.forget("1.2")
    assert not Path(strip.path).exists()
    nothing = maker.make("1.4", instances[1:2], 32)
    assert nothing is not None
    assert (nothing.path, nothing.frames) == ("", 1)
    assert "cannot be opened" in nothing.reason
