"""Stored values to grey levels: every expected number here was worked out from the formulas of PS3.3 C.11."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from thumbnail_objects import image_dataset

from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat
from VisualDICOMBrowserLib.thumbnails.values import FrameHeader
from VisualDICOMBrowserLib.thumbnails.windowing import grey_picture

# Percentiles of a few values lie between them, so the middle may round either way.
STRETCHED = pytest.approx([0, 128, 255], abs=1)


def grey_levels(values: list[float] | np.ndarray, dtype: str = "i2", frame: int = 0, **attributes: Any) -> list[int]:
    """Levels of a one-row image with these stored values."""
    pixels = np.array([values], dtype)
    header = image_dataset(pixels, **attributes)
    keyword = {"f4": "FloatPixelData", "f8": "DoubleFloatPixelData"}.get(dtype, "PixelData")
    layout = PixelFormat.of(header, keyword)
    picture = grey_picture(pixels, layout, FrameHeader(header, frame), layout.photometric)
    assert picture.dtype == np.uint8
    return picture[0].tolist()


def lut_item(descriptor: list[int], data: bytes | list[int]) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return item


def test_linear_window_after_rescale() -> None:
    # centre 40, width 400: black up to 39.5 - 199.5 = -160 HU, white from 239 HU on.
    levels = grey_levels(
        [0, 864, 963, 1064, 1263, 3000], WindowCenter=40, WindowWidth=400, RescaleSlope=1, RescaleIntercept=-1024
    )
    # -61 HU: 99/399 * 255 = 63.3; 40 HU: 200/399 * 255 = 127.8.
    assert levels == [0, 0, 63, 128, 255, 255]


def test_linear_exact_window() -> None:
    levels = grey_levels(
        [-200, -160, -60, 40, 240, 300], WindowCenter=40, WindowWidth=400, VOILUTFunction="LINEAR_EXACT"
    )
    assert levels == [0, 0, 64, 128, 255, 255]


def test_sigmoid_window() -> None:
    # 255 / (1 + exp(-4 (x - 100) / 200)): at 0 it is 255 / (1 + e^2) = 30.4.
    levels = grey_levels([-30000, 0, 100, 200, 30000], WindowCenter=100, WindowWidth=200, VOILUTFunction="SIGMOID")
    assert levels == [0, 30, 128, 225, 255]


def test_window_of_width_one_is_a_step() -> None:
    assert grey_levels([9, 10, 11], WindowCenter=10.5, WindowWidth=1) == [0, 0, 255]


def test_floating_window_below_one_counts_as_exact() -> None:
    assert grey_levels([0.0, 0.25, 0.5], "f4", WindowCenter=0.25, WindowWidth=0.5) == [0, 128, 255]


def test_first_of_several_windows() -> None:
    levels = grey_levels([0, 100, 200], WindowCenter=[100.5, 5000], WindowWidth=[201, 1])
    assert levels == [0, 128, 255]


def test_negative_slope() -> None:
    levels = grey_levels([0, 100, 200], WindowCenter=-99.5, WindowWidth=201, RescaleSlope=-1, RescaleIntercept=0)
    assert levels == [255, 128, 0]


def test_voi_lut_wins_over_the_window() -> None:
    item = lut_item([4, 10, 8], [0, 50, 100, 255])
    levels = grey_levels([0, 10, 11, 12, 13, 99], VOILUTSequence=[item], WindowCenter=0, WindowWidth=1)
    assert levels == [0, 0, 50, 100, 255, 255]


def test_voi_lut_of_twelve_bits_said_to_be_sixteen() -> None:
    item = lut_item([3, 0, 16], [0, 2048, 4095])
    assert grey_levels([0, 1, 2], VOILUTSequence=[item]) == [0, 128, 255]


@pytest.mark.parametrize("packed", [bytes([0, 50, 100, 255]), b"\x00\x00\x32\x00\x64\x00\xff\x00"])
def test_voi_lut_of_bytes_and_of_words(packed: bytes) -> None:
    assert grey_levels([0, 1, 2, 3], VOILUTSequence=[lut_item([4, 0, 8], packed)]) == [0, 50, 100, 255]


def test_damaged_voi_lut_falls_back_to_the_window() -> None:
    item = lut_item([4, 0, 8], [0, 1])
    del item.LUTDescriptor
    levels = grey_levels([0, 100, 200], VOILUTSequence=[item], WindowCenter=100.5, WindowWidth=201)
    assert levels == [0, 128, 255]


def test_modality_lut_before_the_window() -> None:
    item = lut_item([3, 1, 16], [1000, 1100, 1200])
    levels = grey_levels([0, 1, 2, 3, 9], ModalityLUTSequence=[item], WindowCenter=1100.5, WindowWidth=201)
    assert levels == [0, 0, 128, 255, 255]


def test_window_and_rescale_of_each_frame() -> None:
    frames = []
    for center, slope in ((100.5, 1), (200.5, 2)):
        voi, rescale, frame = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 201
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, 0
        frame.FrameVOILUTSequence, frame.PixelValueTransformationSequence = [voi], [rescale]
        frames.append(frame)
    attributes = {"PerFrameFunctionalGroupsSequence": frames, "WindowCenter": 0, "WindowWidth": 1}
    assert grey_levels([0, 100, 200], frame=0, **attributes) == [0, 128, 255]
    assert grey_levels([0, 100, 200], frame=1, **attributes) == [0, 128, 255]
    assert grey_levels([50, 75, 150], frame=1, **attributes) == [0, 64, 255]


def test_window_shared_by_all_frames() -> None:
    voi, shared = Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = 100.5, 201
    shared.FrameVOILUTSequence = [voi]
    levels = grey_levels([0, 100, 200], frame=7, SharedFunctionalGroupsSequence=[shared])
    assert levels == [0, 128, 255]


def test_monochrome1_is_inverted() -> None:
    attributes = {"WindowCenter": 100.5, "WindowWidth": 201, "PhotometricInterpretation": "MONOCHROME1"}
    assert grey_levels([0, 100, 200], **attributes) == [255, 127, 0]


def test_percentiles_ignore_padding_which_is_black() -> None:
    values = [-2000, -2000, *range(0, 1001, 100)]
    levels = grey_levels(values, PixelPaddingValue=-2000)
    assert levels[:2] == [0, 0]
    assert levels[2] == 0
    assert levels[-1] == 255
    assert levels[7] == pytest.approx(128, abs=1)


def test_padding_range_and_unsigned_writing() -> None:
    # 63536 is -2000 as an unsigned number, as some writers state it for signed pixels.
    padding = Dataset()
    padding.add_new("PixelPaddingValue", "US", 63536)
    levels = grey_levels(
        [-2000, -1990, 0, 500, 1000],
        PixelPaddingValue=padding.PixelPaddingValue,
        PixelPaddingRangeLimit=-1990,
    )
    assert levels[:3] == [0, 0, 0]
    assert levels[4] == 255


def test_padding_is_black_in_monochrome1() -> None:
    attributes = {"WindowCenter": 100.5, "WindowWidth": 201, "PhotometricInterpretation": "MONOCHROME1"}
    assert grey_levels([-2000, 0, 200], PixelPaddingValue=-2000, **attributes) == [0, 255, 0]


def test_window_that_shows_nothing_is_replaced() -> None:
    assert grey_levels([0, 500, 1000], WindowCenter=30000, WindowWidth=10) == STRETCHED


@pytest.mark.parametrize("window", [("0", "0"), ("40", "-400"), ("", "400")])
def test_impossible_window_is_replaced(window: tuple[str, str]) -> None:
    center, width = window
    assert grey_levels([0, 500, 1000], WindowCenter=center, WindowWidth=width) == STRETCHED


def test_eight_bit_picture_without_window_stays_as_it_is() -> None:
    assert grey_levels([10, 100, 200], "u1") == [10, 100, 200]


def test_few_counts_in_eight_bits_are_stretched() -> None:
    assert grey_levels([0, 5, 10], "u1") == STRETCHED


def test_constant_image() -> None:
    assert grey_levels([0, 0], "i2") == [0, 0]
    assert grey_levels([7, 7], "i2") == [128, 128]
    assert grey_levels([200, 200], "u1") == [200, 200]
    assert grey_levels([0, 0], WindowCenter=40, WindowWidth=400) == [102, 102]


def test_double_values_with_holes() -> None:
    assert grey_levels([float("nan"), 0.0, 0.5, 1.0, float("inf")], "f8") == [0, 0, 128, 255, 0]


def test_wide_integers_keep_their_precision() -> None:
    levels = grey_levels([2**30, 2**30 + 1, 2**30 + 2], "i4", WindowCenter=2**30 + 1.5, WindowWidth=3)
    assert levels == [0, 128, 255]
