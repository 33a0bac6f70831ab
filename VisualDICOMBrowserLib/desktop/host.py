"""What the desktop program does for the browser: loads into the scene of this process, shows it. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.desktop.volume_window import VolumeWindow, is_volume
from VisualDICOMBrowserLib.widgets.folder_loading import described_node, load_from_folder
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["DesktopHost"]


class DesktopHost:
    """Meets `widgets.context.Host`.

    Parameters
    ----------
    folder : Callable[[], Path]
        The folder of the database that is open.
    open_database : Callable[[str], None]
        Goes over to another one.
    theme : Theme
    """

    name = "slice views"

    def __init__(self, folder: Callable[[], Path], open_database: Callable[[str], None], theme: Theme) -> None:
        self._folder = folder
        self._open = open_database
        self._theme = theme
        self._window: VolumeWindow | None = None
        self._loaded: dict[str, list[Any]] = {}
        self._on_closed: list[Callable[[], None]] = []

    @property
    def volume_window(self) -> VolumeWindow | None:
        """The window of loaded volumes, None before the first."""
        return self._window

    def load(self, series_uids: Sequence[str]) -> str:
        """Load series, show their volumes, and return a sentence on what came of it.

        Raises
        ------
        VisualDICOMError
            Nothing could be loaded.
        """
        report = load_from_folder(self._folder(), series_uids)
        for item in report.loaded:
            self._loaded.setdefault(item.SeriesInstanceUID, []).extend(item.nodes)
        self._show(report.nodes)
        names = ", ".join(described_node(node) for node in report.nodes)
        parts = [
            _("Loaded: {names}.").format(names=names),
            *report.warnings,
            *(fault.reason for fault in report.failed),
        ]
        return " ".join(parts)

    def in_scene(self) -> Mapping[str, str]:
        """What is loaded: by SeriesInstanceUID a few words such as ``176 slices``."""
        return {uid: _described(found) for uid in self._loaded if (found := self._nodes(uid))}

    def show_in_scene(self, series_uid: str) -> None:
        """Bring a loaded series into view."""
        self._show(self._nodes(series_uid))

    def follow_scene(self, on_closed: Callable[[], None]) -> Callable[[], None]:
        """Call `on_closed` whenever the user closed the window of loaded volumes; the result ends that."""
        self._on_closed.append(on_closed)

        def end() -> None:
            if on_closed in self._on_closed:
                self._on_closed.remove(on_closed)

        return end

    def has_extension(self, name: str) -> bool:
        """Extensions are Slicer's."""
        return False

    def why_no_extension(self, name: str) -> str:
        """Extensions are Slicer's."""
        return _("{extension} is an extension of Slicer; install it there.").format(extension=name)

    def install_extension(self, name: str) -> None:
        """Extensions are Slicer's."""

    def leave_database(self) -> None:
        """Nothing is kept open here."""

    def before_network(self) -> bool:
        """Nothing is missing here."""
        return True

    def open_database(self, folder: str) -> None:
        """Go over to the database in another folder, made if there is none.

        Raises
        ------
        VisualDICOMError
        """
        self._open(folder)

    def close(self) -> None:
        """Close the window of loaded volumes."""
        if self._window is not None:
            self._window.close()

    def _nodes(self, series_uid: str) -> list[Any]:
        """What was loaded of a series and is still in its scene."""
        return [node for node in self._loaded.get(series_uid, ()) if node.GetScene() is not None]

    def _tell_closed(self) -> None:
        for on_closed in list(self._on_closed):
            on_closed()

    def _show(self, nodes: Sequence[Any]) -> None:
        if not any(is_volume(node) for node in nodes):
            return
        if self._window is None:
            self._window = VolumeWindow(self._theme, self._tell_closed)
        self._window.show_nodes(nodes)
        self._window.show()
        self._window.raise_()


def _described(nodes: Sequence[Any]) -> str:
    volumes = [node for node in nodes if is_volume(node)]
    if not volumes:
        return _("loaded")
    count = sum(node.GetImageData().GetDimensions()[2] for node in volumes)
    return plural(count, "{count} slice", "{count} slices")
