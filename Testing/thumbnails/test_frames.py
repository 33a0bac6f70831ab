"""Single frames out of files: the same values as pydicom's, and no other frame touched."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, encapsulate_extended, get_frame
from pydicom.uid import ExplicitVRBigEndian, RLELossless
from thumbnail_objects import WriteImage, image_dataset, pydicom_test_files, save_dataset

from VisualDICOMBrowserLib.thumbnails.frames import FrameReader
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS

JPEG_2000 = "1.2.840.10008.1.2.4.90"


def frame_values(path: Path, index: int) -> np.ndarray:
    with ImageFile(path) as image:
        return FrameReader(image).read(index).values


@pytest.mark.filterwarnings("ignore")
def test_every_frame_of_pydicoms_files_equals_pydicom() -> None:
    compared = 0
    for path in pydicom_test_files():
        try:
            header = dcmread(path)
            pixels = header.pixel_array
        except PARSER_FAULTS:
            continue
        frames = pixels if int(header.get("NumberOfFrames") or 1) > 1 else pixels[None]
        with ImageFile(path) as image:
            reader = FrameReader(image)
            assert reader.count == len(frames), path.name
            for index, expected in enumerate(frames):
                assert np.array_equal(reader.read(index).values, expected), f"{path.name} frame {index}"
        compared += 1
    assert compared >= 80


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_native_frames(write_image: WriteImage, dtype: str) -> None:
    pixels = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(dtype)
    path = write_image(pixels)
    for index in range(3):
        assert np.array_equal(frame_values(path, index), pixels[index])


@pytest.mark.parametrize("signed", [False, True])
def test_unused_bits_are_not_values(write_image: WriteImage, signed: bool) -> None:
    # Overlay bits in the upper four bits of a 12-bit image, as old files have them.
    stored = np.array([[0x0FFF, 0xF801, 0x07FF, 0x1002]], np.uint16)
    path = write_image(stored, BitsStored=12, HighBit=11, PixelRepresentation=int(signed))
    expected = [[-1, -2047, 2047, 2]] if signed else [[0xFFF, 0x801, 0x7FF, 2]]
    assert frame_values(path, 0).tolist() == expected


def test_bit_frames_that_begin_within_a_byte(write_image: WriteImage) -> None:
    bits = np.random.default_rng(3).integers(0, 2, (5, 3, 5), dtype=np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    path = write_image(bits, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed + b"\0" * (len(packed) % 2))
    for index in range(5):
        assert np.array_equal(frame_values(path, index), bits[index])


def test_big_endian_words(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    header = image_dataset(pixels, PixelData=pixels.astype(">i2").tobytes())
    path = save_dataset(header, tmp_path / "big.dcm", ExplicitVRBigEndian)
    assert np.array_equal(frame_values(path, 1), pixels[1])


def test_big_endian_bytes_in_words_with_odd_frames(tmp_path: Path) -> None:
    pixels = np.arange(3 * 3 * 5, dtype=np.uint8).reshape(3, 3, 5)
    swapped = np.frombuffer(pixels.tobytes() + b"\0", "<u2").byteswap().tobytes()
    header = image_dataset(pixels, PixelData=swapped)
    header["PixelData"].VR = "OW"
    path = save_dataset(header, tmp_path / "bytes.dcm", ExplicitVRBigEndian)
    for index in range(3):
        assert np.array_equal(frame_values(path, index), pixels[index])


def test_only_the_wanted_frame_of_a_big_cine_is_read(tmp_path: Path) -> None:
    frames, side = 2000, 512
    one = np.zeros((side, side), np.int16)
    path = save_dataset(image_dataset(one, NumberOfFrames=frames), tmp_path / "cine.dcm")
    # A hole in the file stands for a gigabyte of frames.
    content = path.read_bytes()
    start = len(content) - one.nbytes
    length = frames * one.nbytes
    with path.open("r+b") as file:
        file.seek(start - 4)
        file.write(length.to_bytes(4, "little"))
        file.seek(start + 1000 * one.nbytes)
        file.write(b"\x07\x00" * 4)
        file.truncate(start + length)
    tracemalloc.start()
    try:
        values = frame_values(path, 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert values[0, :5].tolist() == [7, 7, 7, 7, 0]
    assert peak < 8 * one.nbytes


def rle_frames(pixels: np.ndarray) -> list[bytes]:
    """RLE code of each 8-bit frame: one segment of literal runs (DICOM PS3.5 G)."""
    frames = []
    for frame in pixels:
        raw = frame.tobytes()
        runs = b"".join(bytes([len(raw[at : at + 128]) - 1]) + raw[at : at + 128] for at in range(0, len(raw), 128))
        header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
        frames.append(header + runs + b"\0" * (len(runs) % 2))
    return frames


@pytest.fixture
def byte_frames() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (4, 6, 10), dtype=np.uint8)


@pytest.mark.parametrize("has_table", [True, False])
def test_encapsulated_frames_with_and_without_offset_table(
    tmp_path: Path, byte_frames: np.ndarray, has_table: bool
) -> None:
    header = image_dataset(byte_frames, PixelData=encapsulate(rle_frames(byte_frames), has_bot=has_table))
    path = save_dataset(header, tmp_path / "rle.dcm", RLELossless)
    for index in range(4):
        assert np.array_equal(frame_values(path, index), byte_frames[index])


def test_frames_of_several_fragments_by_offset_table(tmp_path: Path, byte_frames: np.ndarray) -> None:
    encoded = encapsulate(rle_frames(byte_frames), fragments_per_frame=2)
    path = save_dataset(image_dataset(byte_frames, PixelData=encoded), tmp_path / "rle.dcm", RLELossless)
    assert np.array_equal(frame_values(path, 3), byte_frames[3])


def test_extended_offset_table(tmp_path: Path, byte_frames: np.ndarray) -> None:
    encoded, offsets, lengths = encapsulate_extended(rle_frames(byte_frames))
    header = image_dataset(byte_frames, PixelData=encoded)
    header.ExtendedOffsetTable, header.ExtendedOffsetTableLengths = offsets, lengths
    path = save_dataset(header, tmp_path / "rle.dcm", RLELossless)
    assert np.array_equal(frame_values(path, 2), byte_frames[2])


def test_wrong_offset_table_does_not_matter(tmp_path: Path, byte_frames: np.ndarray) -> None:
    encoded = bytearray(encapsulate(rle_frames(byte_frames)))
    encoded[8:24] = b"\x02\x00\x00\x00" * 4
    path = save_dataset(image_dataset(byte_frames, PixelData=bytes(encoded)), tmp_path / "rle.dcm", RLELossless)
    assert np.array_equal(frame_values(path, 1), byte_frames[1])


def test_empty_fragments_are_skipped(tmp_path: Path, byte_frames: np.ndarray) -> None:
    empty = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
    encoded = encapsulate(rle_frames(byte_frames), has_bot=False)
    encoded = encoded[:8] + empty + encoded[8:] + empty
    path = save_dataset(image_dataset(byte_frames, PixelData=encoded), tmp_path / "rle.dcm", RLELossless)
    assert np.array_equal(frame_values(path, 1), byte_frames[1])


def test_fewer_frames_than_the_header_claims(tmp_path: Path, byte_frames: np.ndarray) -> None:
    encoded = encapsulate(rle_frames(byte_frames), has_bot=False)
    header = image_dataset(byte_frames, PixelData=encoded, NumberOfFrames=90)
    with ImageFile(save_dataset(header, tmp_path / "rle.dcm", RLELossless)) as image:
        assert FrameReader(image).count == 4


def test_fragments_told_apart_by_their_first_bytes(tmp_path: Path) -> None:
    source = next(path for path in pydicom_test_files() if path.name == "MR_small_jp2klossless.dcm")
    header = dcmread(source)
    pixels = header.pixel_array
    code = get_frame(header.PixelData, 0, number_of_frames=1)
    encoded = encapsulate([code, code, code], fragments_per_frame=3, has_bot=False)
    header.NumberOfFrames, header.PixelData = 3, encoded
    header["PixelData"].is_undefined_length = True
    path = save_dataset(header, tmp_path / "three.dcm", JPEG_2000)
    assert np.array_equal(frame_values(path, 2), pixels)
