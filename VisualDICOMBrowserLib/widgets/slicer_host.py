"""What Slicer does for the browser: loads into its scene and shows it. Main thread only, in Slicer only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.errors import DatabaseFault, LoadError
from VisualDICOMBrowserLib.widgets.folder_loading import described_node
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["SlicerHost"]


class SlicerHost:
    """Meets `widgets.context.Host` inside Slicer.

    Parameters
    ----------
    load_nodes : Callable[[Sequence of str], list]
        Loads series and returns their nodes.
    ensure_network : Callable[[], bool]
        Offers to install what the network needs; False if the user declined.
    """

    name = "Slicer"

    def __init__(self, load_nodes: Callable[[Sequence[str]], list[Any]], ensure_network: Callable[[], bool]) -> None:
        self._load_nodes = load_nodes
        self._ensure_network = ensure_network
        self._loaded: dict[str, list[str]] = {}

    def load(self, series_uids: Sequence[str]) -> str:
        """Load series one by one and show the first volume; returns a sentence.

        Raises
        ------
        VisualDICOMError
            Nothing could be loaded.
        """
        import slicer

        nodes = []
        for uid in series_uids:
            # Readers may run the event loop, and with it a command that closes the scene.
            made = [node for node in self._load_nodes([uid]) if node.GetScene() is not None]
            self._loaded[uid] = [node.GetID() for node in made]
            nodes += made
        nodes = [node for node in nodes if node.GetScene() is not None]
        if not nodes:
            return _("The scene was closed while it was loaded.")
        volumes = [node for node in nodes if node.IsA("vtkMRMLScalarVolumeNode")]
        if volumes:
            slicer.util.setSliceViewerLayers(background=volumes[0], fit=True)
        return _("Loaded: {names}.").format(names=", ".join(described_node(node) for node in nodes))

    def in_scene(self) -> Mapping[str, str]:
        """What is loaded and still there: by SeriesInstanceUID a few words such as ``176 slices``."""
        return {uid: _described(nodes) for uid in self._loaded if (nodes := self._nodes(uid))}

    def show_in_scene(self, series_uid: str) -> None:
        """Bring a loaded series into view."""
        import slicer

        volumes = [node for node in self._nodes(series_uid) if node.IsA("vtkMRMLVolumeNode")]
        if volumes:
            slicer.util.setSliceViewerLayers(background=volumes[0], fit=True)

    def follow_scene(self, on_closed: Callable[[], None]) -> Callable[[], None]:
        """Call `on_closed` whenever the scene was closed; the result ends that."""
        import slicer

        scene = slicer.mrmlScene

        def closed(_scene: Any, _event: str) -> None:
            # The scene gives the ids of the nodes that it had to new ones.
            self._loaded.clear()
            on_closed()

        tag = scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, closed)
        return lambda: scene.RemoveObserver(tag)

    def has_extension(self, name: str) -> bool:
        """Whether the readers that an extension brings are registered."""
        from VisualDICOMBrowserLib.loading.registry import has_extension

        return has_extension(name)

    def why_no_extension(self, name: str) -> str:
        """Why an extension cannot be installed from here; empty if it can."""
        if _extensions_manager() is None:
            return _("This Slicer has no Extensions Manager.")
        return ""

    def install_extension(self, name: str) -> None:
        """Let the Extensions Manager install an extension, which asks before it does and before it restarts.

        Raises
        ------
        LoadError
            It cannot be installed from here.
        """
        import slicer

        manager = _extensions_manager()
        if manager is not None and hasattr(manager, "installExtensionFromServer"):
            if hasattr(manager, "interactive"):
                manager.interactive = True
            if manager.installExtensionFromServer(name):
                return
        if manager is None or not hasattr(slicer.app, "openExtensionsManagerDialog"):
            message = _("{extension} cannot be installed from here.").format(extension=name)
            raise LoadError(message, next_step=_("Install it in the Extensions Manager, then restart."))
        slicer.app.openExtensionsManagerDialog()

    def leave_database(self) -> None:
        """Let Slicer close its database, whose file is about to be put aside."""
        import slicer

        if hasattr(slicer.dicomDatabase, "closeDatabase"):
            slicer.dicomDatabase.closeDatabase()

    def before_network(self) -> bool:
        """See to pynetdicom, which Slicer does not bundle."""
        return self._ensure_network()

    def open_database(self, folder: str) -> None:
        """Let Slicer go over to the database in another folder.

        Raises
        ------
        DatabaseFault
            It cannot be opened.
        """
        from DICOMLib import DICOMUtils

        if not DICOMUtils.openDatabase(folder):
            message = f"Slicer could not open the database in {folder}."
            raise DatabaseFault(message, code="no_database", next_step="Choose another folder.")

    def _nodes(self, series_uid: str) -> list[Any]:
        import slicer

        found = [slicer.mrmlScene.GetNodeByID(node_id) for node_id in self._loaded.get(series_uid, ())]
        return [node for node in found if node is not None]


def _extensions_manager() -> Any:
    """Slicer's own model of extensions, None where it was built or started without."""
    import slicer

    model = getattr(slicer.app, "extensionsManagerModel", None)
    return model() if callable(model) else None


def _described(nodes: Sequence[Any]) -> str:
    images = [node.GetImageData() for node in nodes if node.IsA("vtkMRMLVolumeNode")]
    count = sum(image.GetDimensions()[2] for image in images if image is not None)
    return plural(count, "{count} slice", "{count} slices") if count else _("loaded")
