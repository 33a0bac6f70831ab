"""Further rules of the idiom check: properties that only Qt 6 has, and values that PythonQt gives by reference.

Entered into `pythonqt_rules.RULES`. Used by `pythonqt_idioms.check_source` only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from Testing.support.pythonqt_context import FUNCTIONS, Context
from Testing.support.pythonqt_rules import method_name, rule

__all__: list[str] = []


@rule("late-property", ast.Attribute)
def _late_property(node: ast.Attribute, context: Context) -> Iterator[str]:
    # Attributes on the desktop, methods on Qt 5: neither `x.name = value` nor `x.setName(value)` works on both.
    late = """sectionsMovable sectionsClickable sortIndicatorClearable updateThreshold keyboardSearchFlags
        labelDrawingMode accessibleIdentifier autoAcceptChildRows colorScheme"""
    if node.attr in late.split():
        yield f"{node.attr} is no property of Qt 5: do without it."


@rule("no-brush", ast.Attribute)
def _no_brush(node: ast.Attribute, context: Context) -> Iterator[str]:
    parent = context.parent(node)
    while isinstance(parent, ast.IfExp):
        parent = context.parent(parent)
    if node.attr == "NoBrush" and isinstance(parent, ast.Call) and method_name(parent) in ("setBrush", "setBackground"):
        yield "PythonQt takes no brush style here: use qt.QBrush()."


@rule("reference", ast.Assign)
def _reference(node: ast.Assign, context: Context) -> Iterator[str]:
    getters = ("color", "brush", "pen", "background")
    function = context.enclosing(node, FUNCTIONS)
    if not (isinstance(node.value, ast.Call) and method_name(node.value) in getters and function is not None):
        return
    names = {target.id for target in node.targets if isinstance(target, ast.Name)}
    setters = [each.func for each in ast.walk(function) if isinstance(each, ast.Call)]
    changed = [each.value for each in setters if isinstance(each, ast.Attribute) and each.attr.startswith("set")]
    if any(isinstance(each, ast.Name) and each.id in names for each in changed):
        yield "This points into the palette or painter it came from: change a copy, as in qt.QColor(...)."
