"""Loading series of the local database into a MRML scene: the one entry for scripts, views and commands.

Examination (which plugin, which volumes) lives in `examination`; making nodes lives in the plugins. Main
thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.errors import LoadError, VisualDICOMError
from VisualDICOMBrowserLib.loading.examination import (
    Candidate,
    Failure,
    Progress,
    examine_series,
    hosting,
)
from VisualDICOMBrowserLib.loading.plugin_database import PluginDatabase
from VisualDICOMBrowserLib.loading.registry import PluginFactory

__all__ = ["LoadReport", "Loaded", "examine_series", "load_candidates", "load_series"]

logger = logging.getLogger(__name__)

# Nodes that come along with the ones a person asked for.
_HELPER_CLASSES = ("vtkMRMLStorageNode", "vtkMRMLDisplayNode", "vtkMRMLTransformNode")


@dataclass(frozen=True)
class Loaded:
    """One loadable that became nodes (data nodes; not their display, storage and transform nodes)."""

    SeriesInstanceUID: str
    plugin_name: str
    name: str
    nodes: tuple[Any, ...]
    warning: str


@dataclass(frozen=True)
class LoadReport:
    """What came of loading."""

    loaded: tuple[Loaded, ...]
    failed: tuple[Failure, ...]

    @property
    def nodes(self) -> tuple[Any, ...]:
        """All nodes loaded."""
        return tuple(node for item in self.loaded for node in item.nodes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know, one text per node, beginning with its name."""
        return tuple(f"{item.name}: {item.warning}" for item in self.loaded if item.warning)


def load_series(
    database: PluginDatabase,
    series_uids: Sequence[str],
    scene: Any,
    *,
    plugins: Mapping[str, PluginFactory] | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Load series into `scene`, each the way the plugins are most sure of.

    Parameters
    ----------
    database : PluginDatabase
        Where the series are.
    series_uids : sequence of str
        Series Instance UIDs.
    scene : vtkMRMLScene
        Where nodes go; in Slicer that must be `slicer.mrmlScene`, which plugins there use.
    plugins : mapping of name to factory, optional
        Plugins to use instead of the registered ones.
    progress : callable, optional
        Told about every series examined and every volume loaded; may raise `JobCancelled`.

    Returns
    -------
    LoadReport
        What was loaded, and what could not be, with reasons.

    Raises
    ------
    LoadError
        Nothing could be loaded; the first reason.
    """
    examination = examine_series(database, series_uids, scene, plugins=plugins, progress=progress)
    report = load_candidates(database, examination.selected, scene, progress=progress)
    failed = (*examination.failed, *report.failed)
    if failed and not report.loaded:
        raise failed[0].error
    return LoadReport(report.loaded, failed)


def load_candidates(
    database: PluginDatabase,
    candidates: Sequence[Candidate],
    scene: Any,
    *,
    progress: Progress | None = None,
) -> LoadReport:
    """Load exactly these candidates of an examination, whatever their ``selected`` says."""
    loaded: list[Loaded] = []
    failed: list[Failure] = []
    with hosting(database, scene):
        for done, candidate in enumerate(candidates):
            name = candidate.loadable.name
            if progress is not None:
                progress(done, len(candidates), f"Loading {name}")
            try:
                nodes = _load(candidate, scene)
            except VisualDICOMError as error:
                failed.append(Failure(candidate.SeriesInstanceUID, error))
                continue
            loaded.append(
                Loaded(
                    candidate.SeriesInstanceUID,
                    candidate.plugin_name,
                    name,
                    nodes,
                    candidate.loadable.warning.strip(),
                )
            )
    if progress is not None and candidates:
        progress(len(candidates), len(candidates), "Loaded")
    return LoadReport(tuple(loaded), tuple(failed))


def _load(candidate: Candidate, scene: Any) -> tuple[Any, ...]:
    """Nodes that the plugin made of a candidate; the one it returned comes first."""
    before = {node.GetID() for node in _all_nodes(scene)}
    name = candidate.loadable.name
    try:
        result = candidate.plugin.load(candidate.loadable)
    except VisualDICOMError:
        raise
    except Exception as error:
        # Plugins are foreign code: whatever they raise is the reason that the user is told.
        logger.exception("DICOM plugin %s failed to load %s", candidate.plugin_name, name)
        message = f"'{name}' could not be loaded as {candidate.plugin.loadType}: {error}"
        raise LoadError(message.rstrip(".") + ".", subject=candidate.SeriesInstanceUID) from error
    if not result:
        message = f"'{name}' could not be loaded as {candidate.plugin.loadType}."
        raise LoadError(message, subject=candidate.SeriesInstanceUID, next_step="The application log has the details.")
    returned = (result,) if hasattr(result, "GetID") else ()
    added = [node for node in _all_nodes(scene) if node.GetID() not in before and node not in returned]
    return (*returned, *(node for node in added if _is_data(node)))


def _all_nodes(scene: Any) -> list[Any]:
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]


def _is_data(node: Any) -> bool:
    return node.IsA("vtkMRMLDisplayableNode") and not any(node.IsA(name) for name in _HELPER_CLASSES)
