"""Size and aspect of thumbnails, averaging, and the PNG encoder against Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.thumbnails.png import png_bytes
from VisualDICOMBrowserLib.thumbnails.scaling import fitted_size, pixel_aspect, scaled, thinned
from VisualDICOMBrowserLib.thumbnails.values import FrameHeader


@pytest.mark.parametrize(
    ("rows", "columns", "aspect", "expected"),
    [
        (512, 512, 1.0, (256, 256)),
        (512, 256, 1.0, (256, 128)),
        (64, 64, 1.0, (256, 256)),
        (16, 8, 1.0, (64, 32)),
        (1, 1, 1.0, (4, 4)),
        (100, 200, 2.0, (256, 256)),
        (200, 100, 0.5, (256, 256)),
        (10_000, 10, 1.0, (256, 1)),
    ],
)
def test_fitted_size(rows: int, columns: int, aspect: float, expected: tuple[int, int]) -> None:
    assert fitted_size(rows, columns, aspect, 256) == expected


def test_aspect_comes_from_spacing_or_ratio() -> None:
    header = Dataset()
    assert pixel_aspect(FrameHeader(header)) == 1.0
    header.PixelAspectRatio = [3, 2]
    assert pixel_aspect(FrameHeader(header)) == 1.5
    header.PixelSpacing = [2.0, 0.5]
    assert pixel_aspect(FrameHeader(header)) == 4.0
    header.PixelSpacing = [0.0, 0.5]
    assert pixel_aspect(FrameHeader(header)) == 1.5


def test_halving_averages_blocks() -> None:
    picture = np.array([[0, 100, 10, 10], [100, 200, 10, 14]], np.uint8)
    assert scaled(picture, (1, 2)).tolist() == [[100, 11]]


def test_colour_is_averaged_per_channel() -> None:
    picture = np.array([[[0, 10, 20], [100, 30, 20]]], np.uint8)
    assert scaled(picture, (1, 1)).tolist() == [[[50, 20, 20]]]


def test_enlarging_interpolates_between_pixel_centres() -> None:
    picture = np.array([[0, 100]], np.uint8)
    assert scaled(picture, (1, 4)).tolist() == [[0, 25, 75, 100]]


@pytest.mark.parametrize("shape", [(300, 500), (1023, 77), (257, 255), (31, 33)])
def test_any_ratio_keeps_the_mean(shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    picture = (rows * 200 / shape[0] + columns * 50 / shape[1]).astype(np.uint8)
    small = scaled(picture, fitted_size(*shape, 1.0, 64))
    assert small.shape == fitted_size(*shape, 1.0, 64)
    assert abs(float(small.mean()) - float(picture.mean())) < 2
    assert small[0, 0] < 10
    assert small[-1, -1] > 235


def test_very_large_images_are_thinned_to_a_view() -> None:
    values = np.zeros((8192, 4096), np.int16)
    thin = thinned(values, 256)
    assert thin.shape == (1024, 512)
    assert thin.base is values
    assert thinned(values[:512, :512], 256).shape == (512, 512)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (256, 256), (1, 1, 3), (5, 7, 3), (100, 31, 3)])
def test_png_reads_back_the_same(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png_bytes(picture))) as image:
        assert image.mode == ("RGB" if len(shape) == 3 else "L")
        assert np.array_equal(np.asarray(image).reshape(shape), picture)
