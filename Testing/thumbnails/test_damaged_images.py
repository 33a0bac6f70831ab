"""Bad input ends as `ImageFault` with a plain reason, never as another exception, and takes little memory."""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from thumbnail_objects import NoImages, WriteImage, image_dataset, save_dataset

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails import image_file
from VisualDICOMBrowserLib.thumbnails.drawing import draw

pytestmark = pytest.mark.filterwarnings("ignore")

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
PIXELS = np.arange(64, dtype=np.int16).reshape(8, 8)


def picture_of(path: Path) -> np.ndarray | None:
    return draw(path, NoImages(), 256).picture


def reason_of(path: Path) -> str:
    """Why there is no picture; fails if there is one, or if finding out took much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ImageFault) as caught:
            picture_of(path)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
    reason = str(caught.value)
    assert reason.endswith(".")
    return reason


def outcome_of(path: Path) -> str:
    """``"picture"``, the label of an object without one, or the reason."""
    try:
        drawing = draw(path, NoImages(), 256)
    except ImageFault as fault:
        return str(fault)
    return drawing.label if drawing.picture is None else "picture"


def patched(header: Dataset, keyword: str, vr: str, raw: Any) -> Dataset:
    """`header` with an attribute in a VR or with a text that pydicom would not write by itself."""
    header.pop(keyword, None)
    header.add_new(keyword, vr, raw)
    return header


@pytest.mark.parametrize("claimed", ["1A", "0", "-3", "", "1e9", "1000000000"])
def test_number_of_frames_that_cannot_be(tmp_path: Path, claimed: str) -> None:
    header = patched(image_dataset(PIXELS), "NumberOfFrames", "LO", claimed)
    content = save_dataset(header, tmp_path / "frames.dcm").read_bytes()
    (tmp_path / "frames.dcm").write_bytes(content.replace(b"\x28\x00\x08\x00LO", b"\x28\x00\x08\x00IS"))
    picture = picture_of(tmp_path / "frames.dcm")
    assert picture is not None
    assert picture[0, 0] < 10
    assert picture[-1, -1] > 245


@pytest.mark.parametrize(("rows", "columns"), [(0, 8), (8, 0), (65535, 65535), (4000, 4000)])
def test_size_that_does_not_fit_the_data(write_image: WriteImage, rows: int, columns: int) -> None:
    reason = reason_of(write_image(PIXELS, Rows=rows, Columns=columns))
    assert "pixels" in reason or "pixel data" in reason


def test_rows_written_as_long(tmp_path: Path) -> None:
    header = image_dataset(PIXELS)
    header.pop("Rows")
    path = save_dataset(patched(header, "Rows", "UL", 8), tmp_path / "rows.dcm")
    assert picture_of(path) is not None


@pytest.mark.parametrize("stored", [0, 12, 17, 200])
def test_bits_stored_that_do_not_match(write_image: WriteImage, stored: int) -> None:
    assert picture_of(write_image(PIXELS, BitsStored=stored)) is not None


@pytest.mark.parametrize(("keyword", "value"), [("BitsAllocated", 7), ("BitsAllocated", 24), ("SamplesPerPixel", 9)])
def test_impossible_layout(write_image: WriteImage, keyword: str, value: int) -> None:
    assert "samples of" in reason_of(write_image(PIXELS, **{keyword: value}))


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_truncated_native_pixels(write_image: WriteImage, keep: float) -> None:
    path = write_image(np.zeros((64, 64), np.int16))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) - 64 * 64 * 2 * (1 - keep))])
    assert reason_of(path) == "The file ends within its pixel data."


def test_truncated_before_the_pixels(write_image: WriteImage) -> None:
    path = write_image(PIXELS)
    path.write_bytes(path.read_bytes()[: -PIXELS.nbytes - 12])
    assert reason_of(path) == "The file ends before its pixel data."


def test_missing_file(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "gone.dcm").startswith("The file cannot be opened")


@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 132, b"\0" * 128 + b"DICM", b"no DICOM at all" * 50])
def test_files_without_anything(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nothing.dcm"
    path.write_bytes(content)
    assert outcome_of(path) != "picture"


def compressed_test_file(name: str) -> Dataset:
    return dcmread(get_testdata_file(name))


@pytest.mark.parametrize(
    "name",
    [
        "JPEG-lossy.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_RLE.dcm",
    ],
)
@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_corrupt_codestream(tmp_path: Path, name: str, damage: str) -> None:
    header = compressed_test_file(name)
    code = header.PixelData[24:-8]
    if damage == "cut":
        code = code[: len(code) // 20]
    elif damage == "zeros":
        code = bytes(len(code))
    else:
        code = np.random.default_rng(2).bytes(len(code))
    header.PixelData = encapsulate([code + b"\0" * (len(code) % 2)])
    header["PixelData"].is_undefined_length = True
    path = tmp_path / "corrupt.dcm"
    header.save_as(path)
    # A decoder may conceal what is missing; then there is a picture.
    outcome = outcome_of(path)
    assert outcome == "picture" or outcome.endswith(".")


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_file_cut_within_a_fragment(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cut.dcm"
    path.write_bytes(Path(get_testdata_file(name)).read_bytes()[:-2000])
    assert reason_of(path) == "The file ends within its compressed pixel data."


def test_codestream_larger_than_the_header_is_not_decoded(tmp_path: Path) -> None:
    header = compressed_test_file("MR_small_jp2klossless.dcm")
    data = bytearray(header.PixelData)
    size = data.index(b"\xff\x4f\xff\x51") + 8
    data[size : size + 8] = (60000).to_bytes(4, "big") * 2
    header.PixelData = bytes(data)
    path = tmp_path / "bomb.dcm"
    header.save_as(path)
    assert "60000 x 60000 pixels, but the header says 64 x 64" in reason_of(path)


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_codestream_without_a_height_is_not_decoded(tmp_path: Path, name: str) -> None:
    header = compressed_test_file(name)
    data = bytearray(header.PixelData)
    frame_start = next(at for at in range(len(data)) if data[at] == 0xFF and data[at + 1] in (0xC3, 0xF7))
    data[frame_start + 5 : frame_start + 7] = b"\0\0"
    header.PixelData = bytes(data)
    path = tmp_path / "endless.dcm"
    header.save_as(path)
    assert " x 0 pixels, but the header says" in reason_of(path)


def test_empty_pixel_data(tmp_path: Path) -> None:
    header = image_dataset(PIXELS.astype(np.uint8), PixelData=encapsulate([b"ab"])[:8])
    assert reason_of(save_dataset(header, tmp_path / "a.dcm", RLELossless)) == "The compressed pixel data are empty."


def test_item_that_does_not_begin_where_it_should(tmp_path: Path) -> None:
    encoded = bytearray(encapsulate([b"ab" * 40, b"cd" * 40], has_bot=False))
    encoded[16] = 0xAA
    encoded[12] += 2
    header = image_dataset(PIXELS.astype(np.uint8), PixelData=bytes(encoded))
    assert "damaged" in reason_of(save_dataset(header, tmp_path / "a.dcm", RLELossless))


def test_fragment_longer_than_the_file(tmp_path: Path) -> None:
    encoded = bytearray(encapsulate([b"ab" * 40], has_bot=False))
    encoded[12:16] = (0xFFFFFFF0).to_bytes(4, "little")
    header = image_dataset(PIXELS.astype(np.uint8), PixelData=bytes(encoded))
    path = save_dataset(header, tmp_path / "a.dcm", RLELossless)
    assert reason_of(path) == "The file ends within its compressed pixel data."


def test_transfer_syntax_that_nobody_knows(tmp_path: Path) -> None:
    header = image_dataset(PIXELS.astype(np.uint8), PixelData=encapsulate([b"ab" * 40]))
    path = save_dataset(header, tmp_path / "a.dcm", RLELossless)
    path.write_bytes(path.read_bytes().replace(RLELossless.encode(), b"1.2.826.0.1.9999.12"))
    assert "does not say how" in reason_of(path)


def test_plain_pixels_in_a_private_transfer_syntax(write_image: WriteImage) -> None:
    path = write_image(PIXELS)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.826.0.1.9999.12\0"))
    assert picture_of(path) is not None
    path.write_bytes(path.read_bytes()[:-2])
    assert reason_of(path) == "The file ends within its pixel data."


def test_video(tmp_path: Path) -> None:
    header = image_dataset(PIXELS.astype(np.uint8), PixelData=encapsulate([b"ab" * 40]))
    path = save_dataset(header, tmp_path / "a.dcm", "1.2.840.10008.1.2.4.102")
    assert reason_of(path).startswith("Pictures of MPEG video")


def test_pixels_kept_on_a_server(write_image: WriteImage) -> None:
    path = write_image(None, Rows=8, Columns=8, PixelDataProviderURL="http://127.0.0.1/jpip")
    assert "on a server" in reason_of(path)


def test_bad_palette(write_image: WriteImage) -> None:
    path = write_image(PIXELS.astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    assert reason_of(path) == "The palette of the image is missing."


def deflated(path: Path, body: bytes) -> Path:
    header = image_dataset(PIXELS)
    save_dataset(header, path, DeflatedExplicitVRLittleEndian)
    content = path.read_bytes()
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = zlib.decompress(content[meta_end:], -zlib.MAX_WBITS)
    path.write_bytes(content[:meta_end] + deflater.compress(body or plain) + deflater.flush())
    return path


def test_deflated_image(tmp_path: Path) -> None:
    assert picture_of(deflated(tmp_path / "good.dcm", b"")) is not None


def test_deflate_bomb_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "MAX_INFLATED_BYTES", 2**20)
    path = deflated(tmp_path / "bomb.dcm", bytes(100 * 2**20))
    assert path.stat().st_size < 2**20
    assert "holds more than 1 MB" in reason_of(path)


def test_large_private_element_is_not_read(write_image: WriteImage) -> None:
    path = write_image(PIXELS)
    content = path.read_bytes()
    pixels = content.rindex(b"\xe0\x7f\x10\x00OW")
    private = b"\x99\x70\x10\x10OB\0\0" + (64 * 2**20).to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(content[:pixels] + private)
        file.seek(64 * 2**20, 1)
        file.write(content[pixels:])
    tracemalloc.start()
    try:
        assert picture_of(path) is not None
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_deeply_nested_sequences(tmp_path: Path) -> None:
    path = save_dataset(image_dataset(PIXELS), tmp_path / "deep.dcm")
    content = path.read_bytes()
    at = content.index(b"\x28\x00\x02\x00US")
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    path.write_bytes(content[:at] + opening + content[at:])
    assert reason_of(path)
