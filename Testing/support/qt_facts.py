"""What Qt's classes offer, asked from PySide6: which names are properties, methods, signals and enums.

Facts for the idiom check (`pythonqt_idioms`): PythonQt shows every Qt property as an attribute, and the
desktop's `qt` does the same, so the property tables of Qt itself tell what may be called. Test code only,
main thread; needs PySide6, no application object.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets

__all__ = ["QtClass", "QtFacts", "qt_facts"]

_MODULES = (QtCore, QtGui, QtWidgets, QtNetwork)
# Properties of Qt 6 that Qt 5 lacks, or that PythonQt does not turn into attributes.
_NOT_PROPERTIES = {("QLayout", "contentsMargins"), ("QTimer", "singleShot")}


@dataclass(frozen=True)
class QtClass:
    """One class: names of its own and inherited members by kind."""

    name: str
    bases: frozenset[str]
    properties: frozenset[str]
    methods: frozenset[str]
    signals: frozenset[str]
    enums: frozenset[str]

    def accessor_of(self, method: str) -> str:
        """Property that a getter or setter such as ``isEnabled`` or ``setText`` belongs to, or an empty text."""
        for prefix in ("set", "is", "has"):
            rest = method[len(prefix) :]
            if method.startswith(prefix) and rest[:1].isupper():
                name = rest[0].lower() + rest[1:]
                if name in self.properties:
                    return name
        return ""


@dataclass(frozen=True)
class QtFacts:
    """All classes by name; ``only_properties`` are names that no class uses for a method."""

    classes: dict[str, QtClass]
    only_properties: frozenset[str] = field(default=frozenset())

    def find(self, name: str) -> QtClass | None:
        """Facts of a class, None if Qt has no such class."""
        return self.classes.get(name)


def _properties(kind: type) -> set[str]:
    meta = getattr(kind, "staticMetaObject", None)
    if meta is None:
        return set()
    names = {meta.property(index).name() for index in range(meta.propertyCount())}
    return {name for name in names if not any((base.__name__, name) in _NOT_PROPERTIES for base in kind.__mro__)}


def _describe(kind: type) -> QtClass:
    properties = _properties(kind)
    methods, signals, enums = set(), set(), set()
    for base in kind.__mro__[:-1]:
        for name, member in vars(base).items():
            if name.startswith("_"):
                continue
            if isinstance(member, QtCore.Signal):
                signals.add(name)
            elif isinstance(member, type) and name[0].isupper():
                enums.add(name)
            elif callable(member) or isinstance(member, (staticmethod, classmethod)):
                methods.add(name)
    bases = frozenset(base.__name__ for base in kind.__mro__)
    return QtClass(
        kind.__name__,
        bases,
        frozenset(properties),
        frozenset(methods - properties),
        frozenset(signals),
        frozenset(enums),
    )


@functools.cache
def qt_facts() -> QtFacts:
    """Facts of the PySide6 that is installed."""
    classes: dict[str, QtClass] = {}
    for module in _MODULES:
        for name in dir(module):
            kind = getattr(module, name)
            if isinstance(kind, type) and name.startswith("Q"):
                classes[name] = _describe(kind)
    properties = set().union(*(each.properties for each in classes.values()))
    methods = set().union(*(each.methods for each in classes.values()))
    python = set().union(*(vars(kind) for kind in (str, bytes, list, dict, set, tuple, int, float)))
    return QtFacts(classes, frozenset(properties - methods - python))
