"""Every file that imports `qt` is written in the subset that PythonQt and the desktop's `qt` share."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6", reason="the idiom check asks PySide6 what Qt offers (extra 'desktop')")

from Testing.support.pythonqt_idioms import check_source
from Testing.support.pythonqt_rules import RULES
from Testing.support.shipped import REPOSITORY, shipped_files

_CLASS = "class W(qt.QWidget):\n  def __init__(self):\n    qt.QWidget.__init__(self)\n"
_LABEL = _CLASS + "    self.label = qt.QLabel('x')\n"
_MODEL = "class M(qt.QAbstractListModel):\n"
_VIEW = "class W(qt.QTreeView):\n  def go(self, event):\n"

# Rule: what it refuses, what it lets pass.
SAMPLES = {
    "property-called": (_LABEL + "    print(self.label.text())", _LABEL + "    print(self.label.text)"),
    "class-property": ("qt.QApplication.applicationName()", "qt.QApplication.instance().applicationName"),
    "accessor": (_LABEL + "    self.label.setText('y')", _LABEL + "    self.label.text = 'y'"),
    "getter-not-called": (_LABEL + "    if self.label.parent: pass", _LABEL + "    if self.label.parent(): pass"),
    "keyword-argument": ("qt.QLabel(text='x')", "qt.QLabel('x', None)"),
    "late-property": (
        "qt.QTreeView().header().sectionsMovable = False",
        "qt.QTreeView().header().stretchLastSection = False",
    ),
    "no-brush": ("def f(p): p.setBrush(qt.Qt.NoBrush if p else p)", "def f(p): p.setBrush(qt.QBrush() if p else p)"),
    "reference": (
        "def f(p):\n  c = p.color(qt.QPalette.Text)\n  c.setAlpha(1)",
        "def f(p):\n  c = qt.QColor(p.color(qt.QPalette.Text))\n  c.setAlpha(1)",
    ),
    "tuple-for-value": (_CLASS + "    self.resize((1, 2))", _CLASS + "    self.resize(1, 2)"),
    "copied-property": (_LABEL + "    self.label.font.setBold(True)", "f = qt.QFont()\nf.setBold(True)"),
    "none-as-text": (_LABEL + "    self.label.text = None", _LABEL + "    self.label.text = ''"),
    "overwritten-slot": (_CLASS + "    self.update = 1", _CLASS + "    self._update = 1"),
    "absent-name": ("x = qt.QString('a')", "x = qt.QSize(1, 2)"),
    "unportable-method": ("menu = qt.QMenu()\nmenu.exec_()", "menu = qt.QMenu()\nmenu.exec()"),
    "size-hint": ("class W(qt.QFrame):\n  def sizeHint(self): pass", "class W(qt.QLabel):\n  def sizeHint(self): pass"),
    "model-defaults": (
        _MODEL + "  def rowCount(self, parent): pass",
        _MODEL + "  def rowCount(self, parent=None): pass",
    ),
    "super-call": (
        "class W(qt.QLabel):\n  def resizeEvent(self, event): super().resizeEvent(event)",
        "class W(qt.QLabel):\n  def resizeEvent(self, event): qt.QLabel.resizeEvent(self, event)",
    ),
    "isinstance": ("isinstance(x, qt.QWidget)", "x.inherits('QWidget')"),
    "collected": ("view = qt.QTreeView()\nview.setModel(M())", "view = qt.QTreeView()\nm = M()\nview.setModel(m)"),
    "returned-object": (
        _MODEL + "  def mimeData(self, rows):\n    m = qt.QMimeData()\n    return m",
        _MODEL + "  def mimeData(self, rows):\n    self._m = qt.QMimeData()\n    return self._m",
    ),
    "event-reference": (
        _VIEW + "    self.place = event.globalPos()",
        _VIEW + "    self.place = qt.QPoint(event.globalPos())",
    ),
    "painter-end": (
        "def f(pm):\n  p = qt.QPainter(pm)\n  p.end()",
        "def f(pm):\n  p = qt.QPainter(pm)\n  try: pass\n  finally: p.end()",
    ),
    "with-qt": ("with qt.QSignalBlocker(x): pass", "with open('x'): pass"),
    "bytes-of-array": ("p = qt.QProcess(x)\nbytes(p.readAll())", "p = qt.QProcess(x)\np.readAll().data()"),
    "image-from-bytes": ("qt.QImage(b, 1, 2, 3, f)", "qt.QImage(b, 1, 2, f)"),
    "threads": ("import threading", "import time"),
    "signal-owner": (
        "class C:\n  done = qt.Signal(object)",
        "class C(qt.QObject):\n  done = qt.Signal(object)",
    ),
    "connect": ("b.clicked.connect(lambda i=1: i)", "b.clicked.connect(lambda *_, i=1: i)"),
    "sender": (_CLASS + "    self.sender()", _CLASS + "    sender = 1"),
    "late-arguments": ("qt.QTimer.singleShot(0, x, f)", "qt.QTimer.singleShot(0, f)"),
    "scoped-enum": ("x = qt.Qt.AlignmentFlag.AlignLeft", "x = qt.Qt.AlignLeft"),
    "delete-later": ("def end(window): window.deleteLater()", "def end(window): delete_later(window)"),
    "process-parent": ("p = qt.QProcess()", "p = qt.QProcess(qt.QApplication.instance())"),
    "settings-value": ("qt.QSettings().value('k', 1, int)", "int(qt.QSettings().value('k', 1))"),
}

MORE_REFUSED = {
    "two arguments of connect": "b.clicked.connect(f, qt.Qt.QueuedConnection)",
    "connect by text": "b.connect('clicked()', f)",
    "signal with a subscript": "c.activated[str].connect(f)",
    "partial as slot": "b.clicked.connect(functools.partial(f, 1))",
    "Qt thread": "class T(qt.QThread): pass",
    "attribute on a plain wrapper": _LABEL + "    self.label.mine = 1",
    "keyword to base __init__": "class W(qt.QLabel):\n  def __init__(self): super().__init__(parent=None)",
    "class of the same file": "class A(qt.QLabel): pass\nclass B(A):\n  def f(self): super().clear()",
    "property of an unknown object": "def f(button): return button.styleSheet()",
    "annotated parameter": "def f(box: qt.QComboBox): return box.count()",
    "from qt import": "from qt import QLabel",
    "scoped enum of a class": "x = qt.QListView.ViewMode.IconMode",
    "image size by tuple": "w = qt.QWidget()\nw.setFixedSize((1, 2))",
}


def rules_of(sample: str) -> set[str]:
    return {finding.rule for finding in check_source("import qt\n" + sample)}


def test_every_rule_has_samples():
    assert {rule.name for rule in RULES} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_rule_refuses_the_bad_sample_and_takes_the_good_one(name):
    bad, good = SAMPLES[name]
    assert name in rules_of(bad)
    assert rules_of(good) == set()


@pytest.mark.parametrize("name", MORE_REFUSED)
def test_variant_is_refused(name):
    assert rules_of(MORE_REFUSED[name])


def test_file_without_qt_is_not_judged():
    assert check_source("import threading\nsuper().x()") == []


def test_string_connect_is_allowed_to_slicers_own_objects():
    assert check_source("import qt\nslicer.dicomDatabase.connect('databaseChanged()', f)") == []


def test_shipped_files_are_in_the_portable_subset():
    faults = [
        f"{path.relative_to(REPOSITORY)}:{finding.line}: {finding.rule}: {finding.message}"
        for path in shipped_files(".py")
        for finding in check_source(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)
