"""A strip of a series: up to 32 of its frames side by side in one PNG, for leafing through it under the mouse.

Strips lie in a folder of their own beside the thumbnails, each with a small JSON file that says what it shows
and what it was made from; one that no longer fits the series is made again. `StripMaker` may be called from
several threads.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from VisualDICOMBrowserLib.database.slice_order import OrderedInstance
from VisualDICOMBrowserLib.errors import ImageFault, MissingDecoderError
from VisualDICOMBrowserLib.thumbnails.decoders import installed_decoders
from VisualDICOMBrowserLib.thumbnails.png import png_bytes, write_whole
from VisualDICOMBrowserLib.thumbnails.references import ImageSource
from VisualDICOMBrowserLib.thumbnails.slice_picture import SliceReader
from VisualDICOMBrowserLib.thumbnails.windowing import Window

__all__ = ["MOST_FRAMES", "Strip", "StripMaker", "frame_at", "spread"]

MOST_FRAMES = 32
# Raised when strips come out otherwise than before, so that those of older versions are made again.
_DRAWN_BY = 1

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Strip:
    """The strip of a series.

    Parameters
    ----------
    path : str
        PNG file, empty if there is none.
    frames : int
        Frames of the whole series.
    indices : tuple of int
        Which of them are in the strip, from left to right.
    width, height : int
        Size of one picture in it.
    reason : str
        Plain sentence: why there is no strip.
    """

    path: str = ""
    frames: int = 0
    indices: tuple[int, ...] = ()
    width: int = 0
    height: int = 0
    reason: str = ""


class StripMaker:
    """Makes and finds strips.

    Parameters
    ----------
    folder : Path
        Where they lie; made when needed.
    source : ImageSource
        Where images that an overlay lies on are looked for.
    """

    def __init__(self, folder: Path, source: ImageSource) -> None:
        self._folder = folder
        self._source = source

    def make(
        self, series: str, instances: Sequence[OrderedInstance], side: int, stopped: Callable[[], bool] = lambda: False
    ) -> Strip | None:
        """Strip of a series, drawn if there is none that fits; None if `stopped` said so meanwhile.

        Parameters
        ----------
        series : str
            SeriesInstanceUID.
        instances : sequence of OrderedInstance
            Its local instances in slice order.
        side : int
            Longest side of one picture.
        stopped : callable
            Asked between two frames.

        Raises
        ------
        StorageFault
            The picture cannot be written.
        """
        frames = sum(instance.frames for instance in instances)
        if not frames:
            return Strip(reason="No image of this series is in the local database.")
        source = self._source_of(instances)
        path = self._path(series, side)
        known = _known(path, source)
        if known is not None:
            return known
        strip = self._drawn(path, instances, side, stopped)
        if strip is None:
            return None
        described = json.dumps({**asdict(strip), "path": path.name if strip.path else "", "source": source})
        write_whole(path.with_suffix(".json"), described.encode())
        return strip

    def forget(self, series: str) -> None:
        """Delete the strips of a series, as far as that is possible."""
        shutil.rmtree(self._folder / _name(series), ignore_errors=True)

    def _path(self, series: str, side: int) -> Path:
        return self._folder / _name(series) / f"{side}.png"

    def _source_of(self, instances: Sequence[OrderedInstance]) -> list[Any]:
        """What a strip depends on: which instances, in which order, the middle file, and decoders."""
        names = hashlib.md5("".join(i.SOPInstanceUID for i in instances).encode(), usedforsecurity=False).hexdigest()
        middle = Path(instances[len(instances) // 2].path)
        try:
            stamp = middle.stat().st_mtime_ns
        except OSError:
            stamp = 0
        return [_DRAWN_BY, len(instances), names, stamp, installed_decoders()]

    def _drawn(
        self, path: Path, instances: Sequence[OrderedInstance], side: int, stopped: Callable[[], bool]
    ) -> Strip | None:
        frames = sum(instance.frames for instance in instances)
        indices = spread(frames, MOST_FRAMES)
        pictures: dict[int, Picture] = {}
        fallback: Window | None = None
        reason = ""
        with SliceReader(self._source) as reader:
            # The middle one first: its window is taken for frames that state none.
            for index in sorted(indices, key=lambda index: abs(index - frames // 2)):
                if stopped():
                    return None
                instance, frame = frame_at(instances, index)
                try:
                    shown = reader.read(Path(instance.path), frame, side, fallback=fallback)
                except ImageFault as fault:
                    reason = reason or str(fault)
                    if isinstance(fault, MissingDecoderError):
                        break
                    continue
                fallback = fallback or shown.window
                pictures[index] = shown.picture
        if not pictures:
            return Strip(frames=frames, reason=reason)
        width = max(picture.shape[1] for picture in pictures.values())
        height = max(picture.shape[0] for picture in pictures.values())
        write_whole(path, png_bytes(_side_by_side([pictures.get(index) for index in indices], width, height)))
        return Strip(str(path), frames, tuple(indices), width, height)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 to ``count - 1``, evenly, with the first and the last."""
    if count <= most:
        return list(range(count))
    return [round(number * (count - 1) / (most - 1)) for number in range(most)]


def frame_at(instances: Sequence[OrderedInstance], index: int) -> tuple[OrderedInstance, int]:
    """Instance and frame in it of the frame number `index` of a series; the last one beyond the end."""
    for instance in instances:
        if index < instance.frames:
            return instance, index
        index -= instance.frames
    return instances[-1], instances[-1].frames - 1


def _side_by_side(pictures: Sequence[Picture | None], width: int, height: int) -> Picture:
    """Pictures in cells of that size, centred on black; black where one is missing."""
    colour = any(picture is not None and picture.ndim == 3 for picture in pictures)
    strip: Picture = np.zeros((height, width * len(pictures), *((3,) if colour else ())), np.uint8)
    for number, picture in enumerate(pictures):
        if picture is None:
            continue
        rows, columns = picture.shape[:2]
        top, left = (height - rows) // 2, number * width + (width - columns) // 2
        cell = picture[..., None] if colour and picture.ndim == 2 else picture
        strip[top : top + rows, left : left + columns] = cell
    return strip


def _known(path: Path, source: list[Any]) -> Strip | None:
    """Strip as it lies there, None if there is none or it was made from something else."""
    try:
        described = json.loads(path.with_suffix(".json").read_text())
        if described.pop("source") != source or (described["path"] and not path.is_file()):
            return None
        fields = {**described, "path": str(path) if described["path"] else "", "indices": tuple(described["indices"])}
        return Strip(**fields)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _name(series: str) -> str:
    return hashlib.md5(series.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
