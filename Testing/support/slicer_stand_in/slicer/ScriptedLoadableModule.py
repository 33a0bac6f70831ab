"""Base classes of scripted modules, with what Slicer's do that ours rely on."""

from __future__ import annotations

from typing import Any

import qt


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        self.parent = qt.QWidget()
        self.layout = qt.QVBoxLayout()
        self.parent.setLayout(self.layout)

    def setup(self) -> None:
        """Slicer adds its developer tools here."""


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        self.parent = parent


class ScriptedLoadableModuleTest:
    def delayDisplay(self, message: str) -> None:
        """Slicer shows the message."""
