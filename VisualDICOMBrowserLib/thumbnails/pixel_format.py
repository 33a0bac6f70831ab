"""How the pixels of an object are laid out, checked before any memory is taken for them.

Values only, no pixels; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.values import number, text

__all__ = ["MAX_FRAME_BYTES", "PixelFormat"]

# Larger than any frame in clinical use (a 16k x 8k image of 16 bits), small enough to decode two at once.
MAX_FRAME_BYTES = 256 * 2**20

_BITS = {"PixelData": (1, 8, 16, 32, 64), "FloatPixelData": (32,), "DoubleFloatPixelData": (64,)}


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Image Pixel module of one object (DICOM PS3.3 C.7.6.3); ``frames`` is what the header claims."""

    keyword: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    planar: int
    photometric: str
    frames: int

    @classmethod
    def of(cls, header: Dataset, keyword: str) -> PixelFormat:
        """Layout of the pixel data element `keyword` as `header` describes it.

        Raises
        ------
        ImageFault
            The header allows no picture: no rows, impossible bits, larger than `MAX_FRAME_BYTES`.
        """
        floating = keyword != "PixelData"
        allocated = _BITS[keyword][0] if floating else _whole(header, "BitsAllocated", 16)
        stored = _whole(header, "BitsStored", allocated)
        samples = _whole(header, "SamplesPerPixel", 1)
        photometric = text(header, "PhotometricInterpretation").upper()
        found = cls(
            keyword=keyword,
            rows=_whole(header, "Rows", 0),
            columns=_whole(header, "Columns", 0),
            samples=samples,
            bits_allocated=allocated,
            bits_stored=stored if 0 < stored <= allocated else allocated,
            signed=_whole(header, "PixelRepresentation", 0) == 1,
            planar=_whole(header, "PlanarConfiguration", 0),
            photometric=photometric or ("RGB" if samples > 1 else "MONOCHROME2"),
            frames=max(1, _whole(header, "NumberOfFrames", 1)),
        )
        found._check()
        return found

    @property
    def frame_bits(self) -> int:
        """Bits of one uncompressed frame as stored in a native transfer syntax (PS3.5 8.1.1, 8.2)."""
        bits = self.rows * self.columns * self.samples * self.bits_allocated
        return bits * 2 // 3 if self.photometric == "YBR_FULL_422" else bits

    def decoder_options(self, vr: str) -> dict[str, Any]:
        """What pydicom's decoders want to know about a buffer that holds one frame."""
        options: dict[str, Any] = {
            "rows": self.rows,
            "columns": self.columns,
            "number_of_frames": 1,
            "samples_per_pixel": self.samples,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "photometric_interpretation": self.photometric,
            "pixel_keyword": self.keyword,
            "pixel_vr": vr,
        }
        if self.keyword == "PixelData":
            options["pixel_representation"] = int(self.signed)
        if self.samples > 1:
            options["planar_configuration"] = self.planar
        return options

    def _check(self) -> None:
        if self.rows < 1 or self.columns < 1:
            message = f"The header gives the image a size of {self.columns} x {self.rows} pixels."
            raise ImageFault(message)
        if self.samples not in (1, 3, 4) or self.bits_allocated not in _BITS[self.keyword]:
            message = f"The header states {self.samples} samples of {self.bits_allocated} bits per pixel."
            raise ImageFault(message)
        if self.frame_bits // 8 > MAX_FRAME_BYTES:
            message = f"The header gives the image a size of {self.columns} x {self.rows} pixels, too large."
            raise ImageFault(message)


def _whole(header: Dataset, keyword: str, default: int) -> int:
    value = number(header, keyword)
    return default if value is None else int(value)
