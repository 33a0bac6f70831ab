"""The rules of the idiom check: one function for each, with what to write instead.

Each rule was seen to fail on real PythonQt (Qt 5) or on the desktop's `qt` (PySide6 with properties as
attributes). Used by `pythonqt_idioms.check_source` only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from Testing.support.pythonqt_context import FUNCTIONS, Context, Known, qt_class_name

__all__ = ["RULES", "Rule", "method_name", "rule"]


@dataclass(frozen=True)
class Rule:
    """A named check of certain nodes; gives a message for each fault."""

    name: str
    nodes: tuple[type[ast.AST], ...]
    check: Callable[..., Iterator[str]]


RULES: list[Rule] = []


def rule(name: str, *nodes: type[ast.AST]) -> Callable[[Callable[..., Iterator[str]]], None]:
    """Enter a function into `RULES`."""

    def enter(check: Callable[..., Iterator[str]]) -> None:
        RULES.append(Rule(name, nodes, check))

    return enter


def method_name(node: ast.Call) -> str:
    """``f`` of the call ``x.f()``, else an empty text."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _receiver(node: ast.Call, context: Context) -> Known | None:
    return context.known(node.func.value) if isinstance(node.func, ast.Attribute) else None


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _own_method(name: str, node: ast.AST, context: Context) -> bool:
    class_node = context.enclosing(node, ast.ClassDef)
    return isinstance(class_node, ast.ClassDef) and any(
        isinstance(each, FUNCTIONS) and each.name == name for each in class_node.body
    )


# --- properties, methods, arguments


@rule("property-called", ast.Call)
def _property_called(node: ast.Call, context: Context) -> Iterator[str]:
    name, known = method_name(node), _receiver(node, context)
    if not name or _own_method(name, node, context):
        return
    if known is not None:
        called = name in known.qt.properties
    else:
        told = name in context.facts.only_properties
        called = told and (not name.islower() or name in ("enabled", "checked", "visible"))
    if called:
        yield f"{name} is a property: read it without ()."


@rule("class-property", ast.Call)
def _class_property(node: ast.Call, context: Context) -> Iterator[str]:
    if isinstance(node.func, ast.Attribute):
        found = context.facts.find(qt_class_name(node.func.value))
        if found and node.func.attr in found.properties:
            yield f"qt.{found.name}.{node.func.attr} of the class is None: ask an instance."


@rule("accessor", ast.Call)
def _accessor(node: ast.Call, context: Context) -> Iterator[str]:
    name, known = method_name(node), _receiver(node, context)
    if known is None or _own_method(name, node, context):
        return
    accessor = known.qt.accessor_of(name)
    overloaded = {
        "setContentsMargins",
        "setSourceModel",
        "setVisible",
        "setCurrentIndex",
        "isSignalConnected",
        "setFocus",
    }
    if accessor and name not in overloaded and accessor != "singleShot":
        yield f"The desktop's qt has no {name}(): use the attribute {accessor}."


@rule("getter-not-called", ast.Attribute)
def _getter_not_called(node: ast.Attribute, context: Context) -> Iterator[str]:
    getters = {"parent", "layout", "children", "window", "style", "actions", "model", "viewport"}
    getters |= {"selectionModel", "result", "checkState", "currentItem", "fontMetrics", "contentsRect", "header"}
    known = context.known(node.value)
    if known is None or node.attr not in getters or not isinstance(node.ctx, ast.Load):
        return
    parent = context.parent(node)
    called = isinstance(parent, ast.Call) and parent.func is node
    passed = isinstance(parent, ast.Call) and node in parent.args
    if node.attr in known.qt.methods and not called and not passed:
        yield f"{node.attr} is a method: without () it is a slot object, which is always true."


@rule("keyword-argument", ast.Call)
def _keyword_argument(node: ast.Call, context: Context) -> Iterator[str]:
    if not node.keywords:
        return
    name, known = method_name(node), _receiver(node, context)
    is_qt = _root(node.func) == "qt" or (known is not None and name in known.qt.methods | known.qt.signals)
    if name == "__init__":
        is_qt = context.base_of(context.enclosing(node, ast.ClassDef)) is not None
    elif _own_method(name, node, context):
        return
    if name in ("addWidget", "addLayout", "addAction", "addRow", "insertWidget", "findChild", "findChildren"):
        is_qt = True
    if is_qt:
        yield "Qt calls take no keyword arguments on PythonQt: pass them by position."


@rule("tuple-for-value", ast.Call)
def _tuple_for_value(node: ast.Call, context: Context) -> Iterator[str]:
    values = {"resize", "move", "setFixedSize", "setBaseSize", "setGeometry"}
    if method_name(node) in values and any(isinstance(each, ast.Tuple) for each in node.args):
        yield "A tuple is not taken for a QSize or QPoint: make one."


@rule("copied-property", ast.Call)
def _copied_property(node: ast.Call, context: Context) -> Iterator[str]:
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Attribute):
        inner = node.func.value.attr
        if inner in ("font", "palette", "sizePolicy") and node.func.attr.startswith("set"):
            yield f"{inner} gives a copy, so this changes nothing: change a copy and assign it."


@rule("none-as-text", ast.Assign, ast.Call)
def _none_as_text(node: ast.Assign | ast.Call, context: Context) -> Iterator[str]:
    texts = ("text", "toolTip", "windowTitle", "placeholderText", "statusTip", "objectName", "styleSheet")
    if isinstance(node, ast.Assign):
        value = node.value
        meant = any(isinstance(each, ast.Attribute) and each.attr in texts for each in node.targets)
    else:
        value = node.args[0] if len(node.args) == 1 else ast.Constant("")
        name = method_name(node)
        meant = name.startswith("set") and name[3:4].lower() + name[4:] in texts
    if meant and isinstance(value, ast.Constant) and value.value is None:
        yield "None becomes the text 'None': use ''."


@rule("overwritten-slot", ast.Assign)
def _overwritten_slot(node: ast.Assign, context: Context) -> Iterator[str]:
    for target in node.targets:
        if not isinstance(target, ast.Attribute):
            continue
        known = context.known(target.value)
        if target.attr == "singleShot":
            yield "singleShot cannot be assigned: stop the timer in its slot."
        elif known is None or target.attr in known.qt.properties:
            continue
        elif known.subclass and (target.attr in known.qt.methods | known.qt.signals or target.attr == "name"):
            yield f"{target.attr} belongs to {known.qt.name} and cannot be assigned: use another name."
        elif not known.subclass:
            yield f"{known.qt.name} takes no attributes of ours: subclass it or keep the value elsewhere."


@rule("absent-name", ast.Attribute, ast.ImportFrom)
def _absent_name(node: ast.Attribute | ast.ImportFrom, context: Context) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        if node.module == "qt":
            yield "Write `import qt`: names are added to it late."
        return
    name = qt_class_name(node)
    absent = """QStringList QVariant QString QChar QSvgRenderer QSqlDatabase QTest QWebEngineView QtConcurrent
        QFutureWatcher qRgb QT_VERSION_STR QtWidgets QtGui QtCore pyqtSignal pyqtSlot QtMsgType QRegExp
        QSignalMapper"""
    if name in absent.split():
        yield f"qt.{name} is not there on every binding."


@rule("unportable-method", ast.Call)
def _unportable_method(node: ast.Call, context: Context) -> Iterator[str]:
    advice = {
        "exec_": "exec()",
        "currentData": "itemData(combo.currentIndex)",
        "fontMetrics": "qt.QFontMetrics(widget.font)",
        "fontInfo": "qt.QFontInfo(widget.font)",
        "setMargin": "setContentsMargins()",
        "sizeInBytes": "bytesPerLine() * height()",
        "byteCount": "bytesPerLine() * height()",
        "setFilterRegExp": "filterRegularExpression",
        "getContentsMargins": "contentsMargins()",
        "invokeMethod": "qt.QTimer.singleShot(0, function)",
        "toPyDate": "toString('yyyy-MM-dd')",
        "getRgb": "red(), green(), blue()",
        "getRect": "x(), y(), width(), height()",
        "setColorTable": "an image that has its colours",
        "desktop": "qt.QApplication.screens()",
    }
    name = method_name(node)
    if name in advice and not _own_method(name, node, context):
        yield f"{name}() is not there on every binding: use {advice[name]}."


@rule("size-hint", ast.FunctionDef)
def _size_hint(node: ast.FunctionDef, context: Context) -> Iterator[str]:
    base = context.base_of(context.parent(node))
    ignored = ("QWidget", "QFrame", "QGroupBox", "QStackedWidget")
    if node.name in ("sizeHint", "minimumSizeHint") and base is not None and base.name in ignored:
        yield f"{node.name} of a {base.name} is ignored by some PythonQt: set minimum or fixed sizes."


@rule("model-defaults", ast.FunctionDef)
def _model_defaults(node: ast.FunctionDef, context: Context) -> Iterator[str]:
    base = context.base_of(context.parent(node))
    optional = {"rowCount": 1, "columnCount": 1, "data": 1, "headerData": 1, "hasChildren": 1}
    if base is None or "QAbstractItemModel" not in base.bases or node.name not in optional:
        return
    if len(node.args.defaults) < optional[node.name]:
        yield f"Give the last parameter of {node.name} a default: Qt and Python call it with fewer."


# --- identity and life time


@rule("super-call", ast.Call)
def _super_call(node: ast.Call, context: Context) -> Iterator[str]:
    function = node.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call)):
        return
    is_super = isinstance(function.value.func, ast.Name) and function.value.func.id == "super"
    base = context.base_of(context.enclosing(node, ast.ClassDef))
    if is_super and base is not None and function.attr != "__init__":
        yield f"super() knows no Qt method: call qt.{base.name}.{function.attr}(self, ...)."


@rule("isinstance", ast.Call)
def _isinstance(node: ast.Call, context: Context) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass") and len(node.args) == 2:
        kinds = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
        if any(qt_class_name(kind) for kind in kinds):
            yield "Wrappers have no C++ base classes in Python: ask object.inherits('QClass')."


@rule("collected", ast.Call)
def _collected(node: ast.Call, context: Context) -> Iterator[str]:
    takers = ("setModel", "setItemDelegate", "setItemDelegateForColumn", "installEventFilter", "setValidator")
    if method_name(node) in takers and any(isinstance(each, ast.Call) for each in node.args):
        made = node.args[-1]
        if isinstance(made, ast.Call) and not made.args:
            yield "Qt does not own this: keep a reference, or it is collected."


@rule("returned-object", ast.Return)
def _returned_object(node: ast.Return, context: Context) -> Iterator[str]:
    function = context.enclosing(node, FUNCTIONS)
    if isinstance(function, ast.FunctionDef) and function.name in ("mimeData", "createEditor"):
        known = context.known(node.value) if node.value is not None else None
        if known is not None and not isinstance(node.value, ast.Attribute):
            yield f"What {function.name} returns is collected before Qt sees it: keep it on self."


@rule("event-reference", ast.Assign)
def _event_reference(node: ast.Assign, context: Context) -> Iterator[str]:
    value = node.value
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return
    source = value.func.value
    from_event = isinstance(source, ast.Name) and source.id in ("event", "e")
    kept = any(isinstance(target, ast.Attribute) for target in node.targets)
    if from_event and kept and value.func.attr in ("size", "rect", "globalPos", "oldSize", "pos", "position"):
        yield "This points into the event: copy it, as in qt.QPoint(event.globalPos())."


@rule("painter-end", ast.FunctionDef)
def _painter_end(node: ast.FunctionDef, context: Context) -> Iterator[str]:
    inner = list(ast.walk(node))
    paints = any(isinstance(each, ast.Call) and qt_class_name(each.func) == "QPainter" for each in inner)
    finals = [statement for each in inner if isinstance(each, ast.Try) for statement in each.finalbody]
    ends = any(
        isinstance(each, ast.Call) and method_name(each) == "end" for final in finals for each in ast.walk(final)
    )
    if paints and not ends:
        yield "Call painter.end() in a finally clause."


@rule("with-qt", ast.With)
def _with_qt(node: ast.With, context: Context) -> Iterator[str]:
    if any(isinstance(each.context_expr, ast.Call) and context.known(each.context_expr) for each in node.items):
        yield "Qt objects are no context managers: use try and finally."


@rule("bytes-of-array", ast.Call)
def _bytes_of_array(node: ast.Call, context: Context) -> Iterator[str]:
    takes = isinstance(node.func, ast.Name) and node.func.id in ("bytes", "len", "memoryview", "bytearray")
    if not takes or len(node.args) != 1:
        return
    argument = node.args[0]
    known = context.known(argument)
    arrays = ("readAll", "readAllStandardOutput", "readAllStandardError", "toBase64", "toUtf8")
    arrays += ("saveGeometry", "saveState")
    read = isinstance(argument, ast.Call) and method_name(argument) in arrays
    if read or (known is not None and known.qt.name == "QByteArray"):
        yield "A QByteArray gives its bytes by data() and its length by size() only."


@rule("image-from-bytes", ast.Call)
def _image_from_bytes(node: ast.Call, context: Context) -> Iterator[str]:
    if qt_class_name(node.func) == "QImage" and len(node.args) >= 5:
        yield "QImage takes no bytesPerLine on PythonQt: use loadFromData."


# --- signals, threads, enums


@rule("threads", ast.Attribute, ast.Import, ast.ImportFrom)
def _threads(node: ast.AST, context: Context) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        if qt_class_name(node) in ("QThread", "QRunnable", "QThreadPool"):
            yield "Python in a Qt thread crashes PythonQt: leave work to the engine process."
        return
    assert isinstance(node, (ast.Import, ast.ImportFrom))
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    if any(name.split(".")[0] in ("threading", "concurrent", "asyncio", "multiprocessing") for name in names):
        yield "Python threads starve inside Slicer: leave work to the engine process."


@rule("signal-owner", ast.Assign)
def _signal_owner(node: ast.Assign, context: Context) -> Iterator[str]:
    if isinstance(node.value, ast.Call) and qt_class_name(node.value.func) == "Signal":
        parent = context.parent(node)
        if context.base_of(parent) is None:
            yield "A signal outside a QObject class crashes when connected."


@rule("connect", ast.Call)
def _connect(node: ast.Call, context: Context) -> Iterator[str]:
    if method_name(node) != "connect" or _root(node.func) == "slicer":
        return
    assert isinstance(node.func, ast.Attribute)
    if len(node.args) > 1:
        yield "connect takes one Python function and no connection type."
    if isinstance(node.func.value, ast.Subscript):
        yield "Signals have no subscripts on PythonQt: use one that is not overloaded."
    for slot in node.args[:1]:
        if isinstance(slot, ast.Lambda) and slot.args.defaults:
            yield "A default of a lambda takes the signal's value: write lambda *_, name=value: ..."
        if isinstance(slot, ast.Call) and _root(slot.func) in ("partial", "functools"):
            yield "partial gets all of the signal's arguments on PythonQt: use a lambda."
        if isinstance(slot, ast.Constant):
            yield "Connect by signal.connect(function)."


@rule("sender", ast.Call)
def _sender(node: ast.Call, context: Context) -> Iterator[str]:
    if method_name(node) == "sender" and not node.args:
        yield "sender() is None in a Python slot: use a lambda."


@rule("late-arguments", ast.Call)
def _late_arguments(node: ast.Call, context: Context) -> Iterator[str]:
    timer = method_name(node) == "singleShot" and len(node.args) > 2
    shortcut = qt_class_name(node.func) == "QShortcut" and len(node.args) > 2
    if timer or shortcut:
        yield "Only (interval, function) and (key, parent) work: connect afterwards."


@rule("scoped-enum", ast.Attribute)
def _scoped_enum(node: ast.Attribute, context: Context) -> Iterator[str]:
    if isinstance(node.value, ast.Attribute):
        owner = qt_class_name(node.value.value)
        found = context.facts.find(owner)
        scoped = owner == "Qt" or (found is not None and node.value.attr in found.enums)
        if scoped and node.value.attr[:1].isupper() and node.attr[:1].isupper():
            yield f"Scoped enums fail on some PythonQt: write qt.{owner}.{node.attr}."


@rule("settings-value", ast.Call)
def _settings_value(node: ast.Call, context: Context) -> Iterator[str]:
    known = _receiver(node, context)
    if known is not None and known.qt.name == "QSettings" and method_name(node) == "value" and len(node.args) > 2:
        yield "QSettings.value takes no type: convert what it gives."
