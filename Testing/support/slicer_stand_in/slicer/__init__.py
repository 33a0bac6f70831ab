"""Stands in for the Slicer application where its side of the scripted module is needed: names it looks up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class _Signal:
    """A signal of a wrapped Qt object."""

    def __init__(self) -> None:
        self.slots: list[Callable[[], None]] = []

    def connect(self, slot: Callable[[], None]) -> None:
        self.slots.append(slot)

    def disconnect(self, slot: Callable[[], None]) -> None:
        self.slots.remove(slot)


class _Database:
    """The part of `slicer.dicomDatabase` that the module uses outside loading."""

    def __init__(self) -> None:
        self.databaseDirectory = ""
        self.isOpen = False
        self.changes = 0
        self.tagsToPrecache = ("0018,1151",)
        self.opened = _Signal()

    def openFolder(self, folder: Path) -> None:
        """What the DICOM module does when the user chooses a database folder."""
        self.databaseDirectory = str(folder)
        self.isOpen = True
        for slot in list(self.opened.slots):
            slot()

    def databaseChanged(self) -> None:
        self.changes += 1


class vtkMRMLScene:
    """The part of a scene that the module uses outside loading: who is told of its events."""

    EndCloseEvent = 66000

    def __init__(self) -> None:
        self.observers: dict[int, Callable[..., None]] = {}

    def AddObserver(self, event: int, callback: Callable[..., None]) -> int:
        """Returns the tag that `RemoveObserver` takes."""
        tag = max(self.observers, default=0) + 1
        self.observers[tag] = callback
        return tag

    def RemoveObserver(self, tag: int) -> None:
        del self.observers[tag]


app = object()
mrmlScene = vtkMRMLScene()
dicomDatabase = _Database()
