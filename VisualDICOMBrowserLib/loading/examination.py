"""What the plugins make of series: candidates, and which of them to load.

Every plugin is asked about every series; per series the most confident candidates are chosen, but never
two that hold the same image (Slicer's own rule loads such ties twice). Main thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from VisualDICOMBrowserLib.errors import LoadError, VisualDICOMError
from VisualDICOMBrowserLib.loading.plugin_database import PluginDatabase
from VisualDICOMBrowserLib.loading.registry import PluginFactory, registered_plugins
from VisualDICOMBrowserLib.loading.scene import is_slicer_application
from VisualDICOMBrowserLib.series.headers import TAGS
from VisualDICOMBrowserLib.series.kinds import no_reader_sentences

__all__ = ["Candidate", "Examination", "Failure", "Progress", "examine_series", "hosting"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Told how many steps are done, of how many, and what comes next. May raise to give up."""

_SAME_CONFIDENCE = 1e-6


@dataclass(frozen=True)
class Candidate:
    """One way to load something of a series; ``loadable.selected`` says whether it is chosen."""

    SeriesInstanceUID: str
    plugin_name: str
    plugin: Any
    loadable: Any


@dataclass(frozen=True)
class Failure:
    """A series, or a part of it, that could not be loaded, and why."""

    SeriesInstanceUID: str
    error: VisualDICOMError

    @property
    def reason(self) -> str:
        """The sentence for a person."""
        return str(self.error)


@dataclass(frozen=True)
class Examination:
    """All candidates by series and plugin, and what is wrong with series that have none."""

    candidates: tuple[Candidate, ...]
    failed: tuple[Failure, ...]

    @property
    def selected(self) -> tuple[Candidate, ...]:
        """The candidates chosen to be loaded."""
        return tuple(item for item in self.candidates if item.loadable.selected)

    def by_plugin(self) -> dict[str, list[Any]]:
        """Loadables by plugin name."""
        found: dict[str, list[Any]] = {}
        for item in self.candidates:
            found.setdefault(item.plugin_name, []).append(item.loadable)
        return found


def examine_series(
    database: PluginDatabase,
    series_uids: Sequence[str],
    scene: Any = None,
    *,
    plugins: Mapping[str, PluginFactory] | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Ask plugins what they can load of these series, and choose among their answers.

    Parameters
    ----------
    database : PluginDatabase
        Where the series are.
    series_uids : sequence of str
        Series Instance UIDs.
    scene : vtkMRMLScene, optional
        The scene that loading will go to.
    plugins : mapping of name to factory, optional
        Plugins to ask instead of the registered ones.
    progress : callable, optional
        Told about every series.

    Returns
    -------
    Examination
        A plugin that fails is logged and counts as having no answer.
    """
    uids = list(dict.fromkeys(series_uids))
    factories = registered_plugins() if plugins is None else plugins
    candidates: list[Candidate] = []
    failed: list[Failure] = []
    with hosting(database, scene):
        instances = {name: _attached(factory(), database, scene) for name, factory in factories.items()}
        for done, uid in enumerate(uids):
            if progress is not None:
                progress(done, len(uids), f"Examining series {done + 1} of {len(uids)}")
            files = sorted(database.filesForSeries(uid))
            found = list(_candidates(instances, uid, files)) if files else []
            _choose(found)
            candidates += found
            if not found:
                failed.append(Failure(uid, _nothing_to_load(database, uid, files)))
    return Examination(tuple(candidates), tuple(failed))


@contextmanager
def hosting(database: PluginDatabase, scene: Any) -> Iterator[None]:
    """Let plugins written for Slicer find `slicer.dicomDatabase` and `slicer.mrmlScene` outside Slicer."""
    if is_slicer_application():
        yield
        return
    names = {"dicomDatabase": database, "mrmlScene": scene}
    before = {name: getattr(slicer, name) for name in names if hasattr(slicer, name)}
    vars(slicer).update(names)
    try:
        yield
    finally:
        for name in names:
            delattr(slicer, name)
        vars(slicer).update(before)


def _attached(plugin: Any, database: PluginDatabase, scene: Any) -> Any:
    if hasattr(plugin, "attach"):
        plugin.attach(database, scene)
    return plugin


def _candidates(instances: Mapping[str, Any], uid: str, files: list[str]) -> Iterator[Candidate]:
    for name, plugin in instances.items():
        try:
            loadables = plugin.examineForImport([files])
        except Exception:
            # Plugins are foreign code; one that fails must not keep the others from reading the series.
            logger.exception("DICOM plugin %s failed to examine series %s", name, uid)
            continue
        for loadable in loadables:
            yield Candidate(uid, name, plugin, loadable)


def _choose(candidates: Sequence[Candidate]) -> None:
    """Set `selected` of the loadables of one series: the most confident, without sharing images."""
    best = max((item.loadable.confidence for item in candidates), default=0.0)
    tied = [item for item in candidates if item.loadable.confidence >= best - _SAME_CONFIDENCE]
    chosen: list[Any] = []
    for item in candidates:
        item.loadable.selected = False
    for item in sorted(tied, key=lambda item: -len(_images(item.loadable))):
        if not any(_share_images(item.loadable, other) for other in chosen):
            item.loadable.selected = True
            chosen.append(item.loadable)


def _images(loadable: Any) -> set[Any]:
    """What a loadable consists of: frames where it says so, else files."""
    slices = getattr(loadable, "slices", None)
    return {(item.file, item.frame) for item in slices} if slices else set(loadable.files)


def _share_images(one: Any, other: Any) -> bool:
    if hasattr(one, "slices") and hasattr(other, "slices"):
        return not _images(one).isdisjoint(_images(other))
    return not set(one.files).isdisjoint(other.files)


def _nothing_to_load(database: PluginDatabase, uid: str, files: Sequence[str]) -> LoadError:
    if not files:
        message = f"The database has no files of series {uid}."
        return LoadError(message, subject=uid, next_step="Import or retrieve the series first.")
    if not any(Path(file).is_file() for file in files):
        message = f"None of the {len(files)} files of series {uid} is on disk any more; the first was {files[0]}."
        return LoadError(message, subject=uid, next_step="Import or retrieve the series again.")
    modality = database.fileValue(files[0], TAGS["modality"]).strip()
    has_pixels = bool(database.fileValue(files[0], TAGS["rows"]).strip())
    message, next_step = no_reader_sentences(modality, has_pixels)
    return LoadError(message, subject=uid, next_step=next_step)
