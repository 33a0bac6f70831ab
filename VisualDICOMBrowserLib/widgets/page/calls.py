"""What the list of a patient page tells the page of. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["ViewCallbacks"]


class ViewCallbacks:
    """What the view tells the page of. Every function may be replaced before the view is used."""

    def __init__(self) -> None:
        self.open: Callable[[Sequence[Any]], None] = lambda _series: None
        self.icon: Callable[[Any], None] = lambda _series: None
        self.jump: Callable[[Sequence[str]], None] = lambda _series_uids: None
        self.options: Callable[[Sequence[Any]], None] = lambda _series: None
        self.scene: Callable[[Any], None] = lambda _series: None
        self.menu: Callable[[str, Sequence[Any], Any], None] = lambda _level, _entries, _point: None
        self.preview: Callable[[Any], None] = lambda _series: None
        self.escape: Callable[[], bool] = lambda: False
        self.hover: Callable[[Any], None] = lambda _series: None
        self.drag: Callable[[Sequence[Any]], None] = lambda _series: None
        self.selection: Callable[[], None] = lambda: None
        self.opened: Callable[[], None] = lambda: None
        self.show_all: Callable[[Any], None] = lambda _study: None
        self.resize_pictures: Callable[[int], None] = lambda _steps: None
        self.usual_pictures: Callable[[], None] = lambda: None
