"""Palettes, deep RGB and overlay colours."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut
from thumbnail_objects import image_dataset

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.colour import (
    heat_colours,
    lab_to_rgb,
    palette_picture,
    rgb_picture,
    segment_colour,
)
from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat


def palette_header(red: bytes, green: bytes, blue: bytes, descriptor: list[int]) -> Dataset:
    header = image_dataset(np.zeros((2, 2), np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for name, data in (("Red", red), ("Green", green), ("Blue", blue)):
        header.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", descriptor)
        header.add_new(f"{name}PaletteColorLookupTableData", "OW", data)
    header.set_original_encoding(False, True)
    return header


def test_palette_of_bytes_with_indices_outside() -> None:
    header = palette_header(bytes([255, 0, 0, 9]), bytes([0, 255, 0, 9]), bytes([0, 0, 255, 9]), [4, 10, 8])
    colours = palette_picture(np.array([[0, 10, 11, 12, 200]]), header)
    assert colours.tolist() == [[[255, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]]


def test_palette_of_words_keeps_the_high_bytes() -> None:
    words = np.array([0, 0x8000, 0xFFFF], "<u2").tobytes()
    header = palette_header(words, words[::-1], words, [3, 0, 16])
    assert palette_picture(np.array([[0, 1, 2]]), header).tolist() == [[[0, 255, 0], [128, 0, 128], [255, 0, 255]]]


def test_palette_of_eight_bit_entries_in_words() -> None:
    words = np.array([0, 128, 255], "<u2").tobytes()
    header = palette_header(words, words, words, [3, 0, 8])
    assert palette_picture(np.array([[1]]), header).tolist() == [[[128, 128, 128]]]


def test_palette_of_more_than_256_byte_entries() -> None:
    ramp = bytes(index % 256 for index in range(512))
    header = palette_header(ramp, ramp, ramp, [512, 0, 8])
    assert palette_picture(np.array([[300]], np.uint16), header).tolist() == [[[44, 44, 44]]]


def test_segmented_palette() -> None:
    header = palette_header(b"", b"", b"", [256, 0, 8])
    for name in ("Red", "Green", "Blue"):
        del header[f"{name}PaletteColorLookupTableData"]
    # One entry of 0, then a line to 255 over 255 entries; a discrete run of 256 times the same for blue.
    ramp = bytes([0, 1, 0, 1, 255, 255])
    flat = bytes([0, 1, 7, 1, 255, 7])
    header.add_new("SegmentedRedPaletteColorLookupTableData", "OW", ramp)
    header.add_new("SegmentedGreenPaletteColorLookupTableData", "OW", ramp)
    header.add_new("SegmentedBluePaletteColorLookupTableData", "OW", flat)
    assert palette_picture(np.array([[0, 100, 255]]), header).tolist() == [[[0, 0, 7], [100, 100, 7], [255, 255, 7]]]


def test_real_palette_equals_pydicom() -> None:
    header = dcmread(get_testdata_file("examples_palette.dcm"))
    expected = apply_color_lut(header.pixel_array, header) >> 8
    assert np.array_equal(palette_picture(header.pixel_array, header), expected)


@pytest.mark.parametrize(("data", "descriptor"), [(b"\0" * 10, [256, 0, 8]), (b"", [256, 0, 16]), (b"\0" * 256, [])])
def test_damaged_palette_is_said_so(data: bytes, descriptor: list[int]) -> None:
    with pytest.raises(ImageFault, match="palette"):
        palette_picture(np.zeros((2, 2), np.uint8), palette_header(data, data, data, descriptor))


def test_deep_rgb_keeps_its_high_bits() -> None:
    pixels = np.array([[[0, 0x8000, 0xFFFF]]], np.uint16)
    layout = PixelFormat.of(image_dataset(pixels), "PixelData")
    assert rgb_picture(pixels, layout).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ((0, 32896, 32896), (0, 0, 0)),
        ((65535, 32896, 32896), (255, 255, 255)),
        # sRGB red is L* 54.29, a* 80.81, b* 69.89 under D50.
        ((35579, 53664, 50857), (255, 0, 0)),
    ],
)
def test_lab_colours(encoded: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    assert lab_to_rgb(encoded) == pytest.approx(expected, abs=2)


def test_heat_runs_from_blue_to_red() -> None:
    colours = heat_colours(np.array([0.0, 0.5, 1.0]))
    assert colours.tolist() == [[0, 0, 255], [128, 255, 128], [255, 0, 0]]


def test_segments_without_colour_get_different_ones() -> None:
    assert len({segment_colour(number) for number in range(1, 9)}) == 8
    assert segment_colour(9) == segment_colour(1)
