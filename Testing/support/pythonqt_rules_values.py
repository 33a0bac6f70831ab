"""Further rules of the idiom check: what only Qt 6 has, values that PythonQt gives by reference, how widgets end.

Entered into `pythonqt_rules.RULES`. Used by `pythonqt_idioms.check_source` only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from Testing.support.pythonqt_context import FUNCTIONS, Context, qt_class_name
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


@rule("delete-later", ast.Call)
def _delete_later(node: ast.Call, context: Context) -> Iterator[str]:
    # A window crashed that was held by slots of its own parts only; a process or timer has no such parts.
    function = context.enclosing(node, FUNCTIONS)
    allowed = isinstance(function, FUNCTIONS) and function.name == "delete_later"
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    process = isinstance(receiver, ast.Name) and receiver.id == "process"
    if method_name(node) == "deleteLater" and not allowed and not process:
        yield "PythonQt may delete it twice: use delete_later(widget) of widgets.ending."


@rule("process-parent", ast.Call)
def _process_parent(node: ast.Call, context: Context) -> Iterator[str]:
    if qt_class_name(node.func) == "QProcess" and not node.args:
        yield "PythonQt deletes it inside its own signal: give it a parent, such as the application."
