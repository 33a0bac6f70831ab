"""Voxels of sorted slices as one VTK image, exact to the headers.

Slicer's vtkITK reader decodes plain series of grey single-frame files. It is not asked for what it was
measured to get wrong: multi-frame files (geometry, and which frame has which rescale), rescale that
differs between slices, big endian, 32-bit samples, MONOCHROME1 (values come inverted), colour (a damaged
file ends the process). Those, and files it fails on, are decoded by pydicom. Main thread only.
"""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import slicer
import vtk
from numpy.typing import NDArray
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.series.slices import PixelFormat, Slice

__all__ = ["read_image"]

logger = logging.getLogger(__name__)

VoxelArray = NDArray[Any]


def read_image(slices: Sequence[Slice], evenly_spaced: bool = True) -> Any:
    """VTK image (origin 0, spacing 1) of the real (rescaled) values; three components, RGB, for colour.

    Unless the slices are `evenly_spaced`, files are read one by one: ITK would print a warning on the
    console otherwise, of what the loadable says already.

    Raises
    ------
    LoadError
        A file is missing, cut short, or cannot be decoded.
    """
    _check_files(slices)
    if _reader_is_exact_for(slices):
        image = _read_series(slices) if evenly_spaced else _read_one_by_one(slices)
        if image is not None and image.GetDimensions() == (slices[0].columns, slices[0].rows, len(slices)):
            return image
        logger.info("The vtkITK reader failed on %s; decoding with pydicom.", slices[0].file)
    return _image(_stack([_rescaled(stored, item.pixels) for item, stored in _decoded(slices)]))


def _check_files(slices: Sequence[Slice]) -> None:
    """Raise `LoadError` if files are gone from the disk."""
    files = {item.file for item in slices}
    missing = sorted(file for file in files if not Path(file).is_file())
    if missing:
        message = f"{len(missing)} of {len(files)} files are no longer on disk, the first is {missing[0]}."
        raise LoadError(message, subject=missing[0], next_step="Import or retrieve the series again.")


def _reader_is_exact_for(slices: Sequence[Slice]) -> bool:
    """True where the vtkITK reader is known to give exactly the rescaled values."""
    pixels = slices[0].pixels
    if pixels.colour or pixels.inverted or pixels.bits_allocated not in (8, 16):
        return False
    return all(item.frame is None and item.pixels == pixels and _is_whole_and_little_endian(item) for item in slices)


def _is_whole_and_little_endian(item: Slice) -> bool:
    """False for big endian, for files without preamble, and for uncompressed ones that may be cut short."""
    try:
        syntax = read_file_meta_info(item.file).get("TransferSyntaxUID")
    except (pydicom.errors.InvalidDicomError, OSError, ValueError):
        return False
    if syntax is None or syntax == ExplicitVRBigEndian:
        return False
    if syntax.is_encapsulated or syntax == DeflatedExplicitVRLittleEndian:
        return True
    # Pixel Data is the last element of nearly every file: its header must stand where its length says.
    size = item.rows * item.columns * item.pixels.bits_allocated // 8
    element_header = 8 if syntax == ImplicitVRLittleEndian else 12
    with Path(item.file).open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(end - size - size % 2 - element_header, 0))
        return file.read(4) == b"\xe0\x7f\x10\x00"


def _read_series(slices: Sequence[Slice]) -> Any:
    return _read_with_vtkitk([item.file for item in slices])


def _read_one_by_one(slices: Sequence[Slice]) -> Any:
    planes = []
    for item in slices:
        image = _read_with_vtkitk([item.file])
        if image is None or image.GetDimensions() != (item.columns, item.rows, 1):
            return None
        planes.append(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(item.rows, item.columns))
    return _image(_stack(planes))


def _read_with_vtkitk(files: Sequence[str]) -> Any:
    """Image as the vtkITK reader gives it, None if it fails; its messages go to the log."""
    reader = slicer.vtkITKArchetypeImageSeriesScalarReader()
    failures: list[str] = []

    def on_error(_caller: object, _event: str, text: str) -> None:
        failures.append(text)

    # VTK passes an event's text to observers that declare its type; observed errors are not printed.
    on_error.CallDataType = vtk.VTK_STRING  # type: ignore[attr-defined]
    for subject in (reader, reader.GetExecutive()):
        subject.AddObserver(vtk.vtkCommand.ErrorEvent, on_error)
    reader.SetArchetype(files[0])
    for file in files:
        reader.AddFileName(file)
    reader.SetSingleFile(0)
    reader.SetOutputScalarTypeToNative()
    reader.SetDesiredCoordinateOrientationToNative()
    reader.SetUseNativeOriginOn()
    reader.SetDICOMImageIOApproachToGDCM()
    reader.Update()
    scalars = reader.GetOutput().GetPointData().GetScalars()
    if failures or reader.GetErrorCode() or scalars is None or scalars.GetNumberOfComponents() != 1:
        logger.debug("vtkITK: %s", " ".join(failures).strip())
        return None
    image = vtk.vtkImageData()
    image.ShallowCopy(reader.GetOutput())
    image.SetOrigin(0, 0, 0)
    image.SetSpacing(1, 1, 1)
    return image


def _decoded(slices: Sequence[Slice]) -> list[tuple[Slice, VoxelArray]]:
    """Stored (or RGB) values of each slice, every file being decoded once."""
    frames: dict[str, VoxelArray] = {}
    found = []
    for item in slices:
        if item.file not in frames:
            if item.frame is None:
                frames.clear()
            frames[item.file] = _decode_file(item)
        pixels = frames[item.file]
        found.append((item, pixels[item.frame or 0] if _has_frame_axis(pixels, item) else pixels))
    return found


def _has_frame_axis(pixels: VoxelArray, item: Slice) -> bool:
    return pixels.ndim == (4 if item.pixels.colour else 3)


def _decode_file(item: Slice) -> VoxelArray:
    """All frames of a file, colour as RGB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(item.file, force=True)
            if "TransferSyntaxUID" not in dataset.file_meta:
                dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            pixels = np.asarray(pixel_array(dataset))
            if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
                pixels = _as_bytes(np.asarray(apply_color_lut(pixels, dataset)))
        except (RuntimeError, ValueError, AttributeError, KeyError, OSError, zlib.error) as error:
            raise _undecodable(item.file, error) from error
    return pixels


def _undecodable(file: str, error: Exception) -> LoadError:
    reason = " ".join(str(error).split()).rstrip(".")
    if "no pixel data to decode" in reason:
        # pydicom drops an encapsulated element whose end is missing.
        reason = "the file has none, or is cut short"
    missing_decoder = "missing dependencies" in reason
    next_step = 'Install the decoders: pip install "visual-dicom-browser[decoders]".' if missing_decoder else ""
    return LoadError(f"The pixels of {file} cannot be decoded: {reason}.", subject=file, next_step=next_step)


def _as_bytes(colours: VoxelArray) -> VoxelArray:
    """Palette colours as 8 bits per channel: that is what displays of colour volumes take."""
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


def _rescaled(stored: VoxelArray, pixels: PixelFormat) -> VoxelArray:
    """Stored values times slope plus intercept, as integers where that is exact."""
    if pixels.colour or (pixels.slope == 1 and pixels.intercept == 0):
        return stored
    real = stored.astype(np.float64) * pixels.slope + pixels.intercept
    if not (pixels.slope.is_integer() and pixels.intercept.is_integer()):
        return real
    low, high = float(real.min()), float(real.max())
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return real.astype(kind)
    return real


def _stack(planes: Sequence[VoxelArray]) -> VoxelArray:
    """One array of all planes, of a type that holds each exactly."""
    kind = np.result_type(*{plane.dtype for plane in planes})
    return np.stack([plane.astype(kind, copy=False) for plane in planes])


def _image(voxels: VoxelArray) -> Any:
    """VTK image with a copy of the voxels (k, j, i[, RGB])."""
    components = voxels.shape[3] if voxels.ndim == 4 else 1
    image = vtk.vtkImageData()
    image.SetDimensions(voxels.shape[2], voxels.shape[1], voxels.shape[0])
    image.AllocateScalars(get_vtk_array_type(voxels.dtype), components)
    target = vtk_to_numpy(image.GetPointData().GetScalars())
    target[:] = voxels.reshape(target.shape)
    return image
