"""What the idiom check knows of a file: Qt classes of its objects, and what surrounds a node.

Known are ``self`` in subclasses, names and attributes assigned from ``qt.SomeClass(...)``, and parameters
annotated so. No rules here (`pythonqt_rules`). Test code only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from Testing.support.qt_facts import QtClass, QtFacts, qt_facts

__all__ = ["FUNCTIONS", "Context", "Known", "imports_qt", "qt_class_name", "read_context"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Known:
    """What is known of an object: its Qt class, and whether its class is a Python subclass of that."""

    qt: QtClass
    subclass: bool = False


@dataclass
class Context:
    """Types and surroundings of the nodes of one file."""

    facts: QtFacts
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    local_classes: dict[str, str] = field(default_factory=dict)
    names: dict[tuple[ast.AST | None, str], Known] = field(default_factory=dict)
    attributes: dict[tuple[ast.AST | None, str], Known] = field(default_factory=dict)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Node that holds this one."""
        return self.parents.get(node)

    def enclosing(self, node: ast.AST, kinds: type[ast.AST] | tuple[type[ast.AST], ...]) -> ast.AST | None:
        """Nearest class or function around a node."""
        current = self.parents.get(node)
        while current is not None and not isinstance(current, kinds):
            current = self.parents.get(current)
        return current

    def base_of(self, class_node: ast.AST | None) -> QtClass | None:
        """Qt class that a class statement derives from, also through classes of the same file."""
        if not isinstance(class_node, ast.ClassDef):
            return None
        return self.facts.find(self.local_classes.get(class_node.name, ""))

    def known(self, node: ast.AST) -> Known | None:
        """Qt class of an expression, None if it cannot be told."""
        if isinstance(node, ast.Call):
            return self._made_by(node)
        if isinstance(node, ast.Name):
            function = self.enclosing(node, FUNCTIONS)
            if node.id == "self":
                base = self.base_of(self.enclosing(node, ast.ClassDef))
                return Known(base, subclass=True) if base else None
            return self.names.get((function, node.id)) or self.names.get((None, node.id))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return self.attributes.get((self.enclosing(node, ast.ClassDef), node.attr))
        return None

    def _made_by(self, call: ast.Call) -> Known | None:
        name = qt_class_name(call.func)
        if name:
            found = self.facts.find(name)
            return Known(found) if found else None
        if isinstance(call.func, ast.Name) and call.func.id in self.local_classes:
            found = self.facts.find(self.local_classes[call.func.id])
            return Known(found, subclass=True) if found else None
        return None


def qt_class_name(node: ast.AST) -> str:
    """``X`` of the expression ``qt.X``, else an empty text."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "qt":
        return node.attr
    return ""


def imports_qt(tree: ast.AST) -> bool:
    """True if a file imports `qt` anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name == "qt" for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "qt":
            return True
    return False


def read_context(tree: ast.AST) -> Context:
    """Context of one file."""
    context = Context(qt_facts())
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            context.parents[child] = node
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                name = qt_class_name(base)
                if isinstance(base, ast.Name):
                    name = context.local_classes.get(base.id, "")
                if name:
                    context.local_classes[node.name] = name
    for target, known, node in _assignments(tree, context):
        if isinstance(target, ast.Name):
            context.names[context.enclosing(node, FUNCTIONS), target.id] = known
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            context.attributes[context.enclosing(node, ast.ClassDef), target.attr] = known
    return context


def _assignments(tree: ast.AST, context: Context) -> Iterator[tuple[ast.expr, Known, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            known = context.known(node.value)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if known:
                yield from ((target, known, node) for target in targets)
        elif isinstance(node, ast.arg) and node.annotation is not None:
            found = context.facts.find(qt_class_name(node.annotation))
            if found:
                yield ast.Name(node.arg), Known(found), node
