"""Line icons in any colour and size. Main thread only.

An icon is a file ``look/icons/NAME.svg`` of 24 x 24 units that draws with ``currentColor``.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

import qt

__all__ = ["IconFiles", "IconSet", "icon_names"]

_FOLDER = Path(__file__).parent / "icons"
_SIZE = 'width="24" height="24"'
_STROKE = 'stroke-width="1.8"'
_STROKE_UNITS = 1.8
_LARGE_STROKE = 36
"""Lines of large icons get no thicker than a pixel and a half: in 24ths of the icon, times its size."""


def icon_names() -> list[str]:
    """Names of all icons."""
    return sorted(path.stem for path in _FOLDER.glob("*.svg"))


@lru_cache(maxsize=256)
def _source(name: str) -> str:
    return (_FOLDER / f"{name}.svg").read_text(encoding="utf-8")


class IconSet:
    """Icons of one theme, drawn once for each colour, size and pixel density.

    Parameters
    ----------
    ratio : float
        Device pixels per pixel of the screen.
    """

    def __init__(self, ratio: float = 1.0) -> None:
        self._ratio = ratio
        self._pixmaps: dict[tuple[str, str, int], Any] = {}

    def pixmap(self, name: str, colour: str, size: int = 16) -> Any:
        """``QPixmap`` of an icon, `size` pixels wide, in a colour such as ``"#14703A"``."""
        key = (name, colour, size)
        if key not in self._pixmaps:
            side = round(size * self._ratio)
            text = _source(name).replace(_SIZE, f'width="{side}" height="{side}"').replace("currentColor", colour)
            text = text.replace(_STROKE, f'stroke-width="{min(_STROKE_UNITS, _LARGE_STROKE / size):.2f}"')
            pixmap = qt.QPixmap()
            pixmap.loadFromData(text.encode(), "SVG")
            pixmap.setDevicePixelRatio(self._ratio)
            self._pixmaps[key] = pixmap
        return self._pixmaps[key]


class IconFiles:
    """Icons as files in a colour, which style sheets need; they are gone when the object is."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="visualdicombrowser-"))
        weakref.finalize(self, shutil.rmtree, self._folder, True)

    def path(self, name: str, colour: str) -> str:
        """Path of an icon in a colour such as ``"#14703A"``, with slashes on every system."""
        path = self._folder / f"{name}-{colour.strip('#')}.svg"
        if not path.exists():
            path.write_text(_source(name).replace("currentColor", colour), encoding="utf-8")
        return path.as_posix()
