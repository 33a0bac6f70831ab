"""What segmentations, dose and structure sets have in common when they are drawn. Any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.thumbnails.geometry import Canvas, Plane
from VisualDICOMBrowserLib.thumbnails.references import ImageSource, Reference, base_at, base_by_reference
from VisualDICOMBrowserLib.thumbnails.scaling import fitted_size

__all__ = ["Drawing", "black_canvas", "outline", "overlay_canvas"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished picture.

    Parameters
    ----------
    picture : array or None
        Grey or RGB; None for an object that has no picture.
    label : str
        What it shows, where the picture alone does not say.
    base : Path or None
        File of the image below an overlay.
    is_overlay : bool
        True for an object that belongs over an image, whether that is here or not.
    """

    picture: npt.NDArray[np.uint8] | None
    label: str = ""
    base: Path | None = None
    is_overlay: bool = False


def overlay_canvas(
    source: ImageSource,
    header: Dataset,
    references: Iterable[Reference],
    plane: Plane | None,
    box: int,
    alone: Callable[[], Canvas],
) -> tuple[Canvas, Path | None]:
    """Canvas with the image that an overlay refers to, and its file; else what `alone` gives, and None."""
    base = base_by_reference(source, references, box)
    if base is None and plane is not None:
        base = base_at(source, header, plane, box)
    if base is not None and not _fits(base.canvas, plane):
        base = None
    return (base.canvas, base.path) if base is not None else (alone(), None)


def black_canvas(rows: int, columns: int, plane: Plane | None, box: int) -> Canvas:
    """Empty canvas for an overlay of `rows` x `columns` pixels in `plane`."""
    aspect = 1.0
    if plane is not None:
        aspect = float(np.linalg.norm(plane.down) / np.linalg.norm(plane.across))
    size = fitted_size(rows, columns, aspect, box)
    return Canvas(np.zeros((*size, 3), np.uint8), rows, columns, plane)


def outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels of `mask` that touch its outside by a side, or the edge of the picture."""
    padded: npt.NDArray[Any] = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: npt.NDArray[np.bool_] = mask & ~inner
    return edge


def _fits(canvas: Canvas, plane: Plane | None) -> bool:
    """False where both have a place in the patient and stand at an angle to each other."""
    if plane is None or canvas.plane is None:
        return True
    return bool(np.isfinite(plane.distance(canvas.plane)))
