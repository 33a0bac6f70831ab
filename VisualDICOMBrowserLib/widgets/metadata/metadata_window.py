"""The window with all attributes of a series, alone or beside those of another one. Non-modal. Main thread only.

Ctrl+F searches, Ctrl+C copies the value, Ctrl+Shift+C the rows, F11 takes the whole screen, Esc empties the search
and then closes.
"""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import (
    ElidedLabel,
    Pill,
    clear_button,
    icon_label,
    label,
    leading_icon,
    line,
    push_button,
    tool_button,
)
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.metadata.aligning import aligned_index
from VisualDICOMBrowserLib.widgets.metadata.explaining import explanation
from VisualDICOMBrowserLib.widgets.metadata.side import SeriesSide
from VisualDICOMBrowserLib.widgets.metadata.table import AttributeTable
from VisualDICOMBrowserLib.widgets.metadata.tree import Path, Row, Seen, merged, seen
from VisualDICOMBrowserLib.widgets.metadata.words import json_of, row_text, text_of, uid_name
from VisualDICOMBrowserLib.widgets.page.words import DOT

__all__ = ["MetadataWindow"]

_WIDTH, _HEIGHT, _FIELD, _CHOICE = 1120, 640, 300, 280
_KEY = "metadata/window"


class MetadataWindow(qt.QWidget):
    """Shows headers.

    Parameters
    ----------
    context : BrowserContext
    series : SeriesEntry
    other : SeriesEntry, optional
        What it is compared with.
    """

    def __init__(self, context: BrowserContext, series: Any, other: Any = None) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._groups: list[Row] = []
        self._seen = Seen()
        self._toggled: set[Path] = set()
        self._keys: list[Any] = []
        self._comparing: bool | None = None
        self._share = 0.5
        patient = series.study.patient
        self.windowTitle = _("DICOM metadata of {patient}").format(patient=patient.shown_name or patient.PatientID)
        set_state(self, "ground", "base")
        self._build(DOT.join(dict.fromkeys(part for part in (patient.shown_name, patient.PatientID) if part)))
        theme = context.theme
        theme.follow(self, lambda: theme.apply(self))
        self._restore()
        choices = _choices(series, other)
        self._a.show_choices(choices, series)
        self._b.show_choices(choices, other, _("Compare with..."))
        self._share_room()
        self._table.setFocus()

    @property
    def sides(self) -> tuple[SeriesSide, SeriesSide]:
        """Series A and series B."""
        return self._a, self._b

    @property
    def table(self) -> AttributeTable:
        """The tree of attributes."""
        return self._table

    @property
    def comparing(self) -> bool:
        """Whether there is a series B."""
        return self._b.series is not None

    def copy_value(self) -> None:
        """Put the value of the selected rows on the clipboard, of both series where they differ."""
        texts = []
        for row in self._table.selected():
            values = [row.a or ""]
            if self.comparing and row.differs:
                values.append(row.b or "")
            texts.append("\t".join(values))
        self._copy("\n".join(texts))

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard, with tabs between the cells."""
        self._copy("\n".join(row_text(row, self.comparing) for row in self._table.selected()))

    def copy_all_text(self) -> None:
        """Put all that is found on the clipboard."""
        self._copy(text_of(self._seen.rows, self.comparing))

    def copy_all_json(self) -> None:
        """Put all that is found on the clipboard as JSON."""
        self._copy(json_of(self._seen.rows, self.comparing))

    def toggle_full(self) -> None:
        """Take the whole screen, or give it back."""
        if self.fullScreen:
            self.showNormal()
        else:
            self.showFullScreen()

    def closeEvent(self, event: Any) -> None:
        """Listen to the engine no longer; a window that is closed is not shown again."""
        self._remember()
        self._a.close_side()
        self._b.close_side()
        qt.QWidget.closeEvent(self, event)

    # Parts

    def _build(self, who: str) -> None:
        self._a = SeriesSide(self._context, "A", self._merge, lambda: self._align(self._a, self._b), self._new_series)
        self._b = SeriesSide(self._context, "B", self._merge, lambda: self._align(self._b, self._a), self._new_series)
        theme, settings = self._context.theme, self._context.view_settings
        self._table = AttributeTable(theme, settings, self._toggle, self._show_selected)
        px = theme.px
        self._splitter = qt.QSplitter(qt.Qt.Horizontal)
        self._splitter.childrenCollapsible = False
        self._a.setContentsMargins(0, 0, px(10), 0)
        self._b.setContentsMargins(px(10), 0, 0, 0)
        self._splitter.addWidget(self._a)
        self._splitter.addWidget(self._b)
        self._splitter.setStretchFactor(0, 1)
        self._splitter.setStretchFactor(1, 1)
        sides = qt.QHBoxLayout()
        sides.setContentsMargins(px(16), px(12), px(16), px(11))
        sides.addWidget(self._splitter)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        for part in (self._head(who), sides, self._bar()):
            strip = qt.QWidget()
            set_state(strip, "ground", "window")
            strip.setLayout(part)
            layout.addWidget(strip)
            layout.addWidget(line())
        layout.addWidget(self._table, 1)
        layout.addWidget(line())
        foot = qt.QWidget()
        set_state(foot, "ground", "window")
        foot.setLayout(self._foot())
        layout.addWidget(foot)
        self.setLayout(layout)
        self._add_menu()
        for key, action in (
            ("Ctrl+F", self._search),
            ("Ctrl+C", self.copy_value),
            ("Ctrl+Shift+C", self.copy_rows),
            ("F11", self.toggle_full),
            ("Escape", self._leave),
        ):
            self._bind(key, action)

    def _add_menu(self) -> None:
        """What the right button offers on the tree."""
        self._table.contextMenuPolicy = qt.Qt.ActionsContextMenu
        for text, action in (
            (_("Copy value"), self.copy_value),
            (_("Copy row"), self.copy_rows),
            (_("Copy all as text"), self.copy_all_text),
            (_("Copy all as JSON"), self.copy_all_json),
        ):
            entry = qt.QAction(text, self._table)
            entry.triggered.connect(lambda *_, action=action: action())
            self._table.addAction(entry)

    def _bind(self, key: str, action: Any) -> None:
        shortcut = qt.QShortcut(qt.QKeySequence(key), self)
        shortcut.activated.connect(lambda *_: action())
        self._keys.append(shortcut)

    def _head(self, who: str) -> Any:
        theme = self._context.theme
        head = self._row(8)
        head.addWidget(icon_label(theme, "document", "accent", 18))
        head.addWidget(label(_("DICOM metadata"), "heading"))
        head.addWidget(ElidedLabel(who, "mid"), 1)
        head.addWidget(tool_button(theme, "copy", _("Copy all as JSON"), self.copy_all_json))
        head.addWidget(tool_button(theme, "export", _("Save as a file..."), self._save))
        head.addWidget(tool_button(theme, "fullscreen", _("Full screen"), self.toggle_full, "", "F11"))
        head.addWidget(tool_button(theme, "close", _("Close"), lambda: self.close()))
        return head

    def _bar(self) -> Any:
        theme = self._context.theme
        self._field = qt.QLineEdit()
        self._field.accessibleName = _("Search attributes")
        self._field.placeholderText = _("Tag, name or value")
        self._field.toolTip = _("Search in tags, names and values (Ctrl+F)")
        self._field.minimumWidth = theme.px(_FIELD) // 2
        self._field.maximumWidth = theme.px(_FIELD)
        leading_icon(theme, self._field, "search")
        self._clear = clear_button(theme, self._field)
        self._field.textChanged.connect(lambda *_: self._filter())
        self._counts = label("", "mid")
        self._only = self._check(_("Only differences"), False, self._filter)
        self._private = self._check(_("Private tags"), True, self._filter)
        self._keep = self._check(_("Keep slices aligned"), True, lambda: self._align(self._a, self._b))
        self._pill = Pill("", "warn")
        bar = self._row(12)
        bar.addWidget(self._field, 6)
        for part in (self._counts, self._only, self._private, self._keep):
            bar.addWidget(part)
        bar.addStretch(1)
        bar.addWidget(self._pill)
        return bar

    def _foot(self) -> Any:
        theme = self._context.theme
        self._chosen = ElidedLabel("", "strong")
        self._more = ElidedLabel("", "mid")
        self._value_button = push_button(theme, _("Copy value"), self.copy_value, "copy", "", "Ctrl+C")
        self._row_button = push_button(theme, _("Copy row"), self.copy_rows, "", "", "Ctrl+Shift+C")
        foot = self._row(10)
        foot.addWidget(self._chosen)
        foot.addWidget(self._more, 1)
        for button in (
            self._value_button,
            self._row_button,
            push_button(theme, _("Copy all as text"), self.copy_all_text),
        ):
            foot.addWidget(button)
        return foot

    def _row(self, spacing: int) -> Any:
        px = self._context.theme.px
        row = qt.QHBoxLayout()
        row.setContentsMargins(px(16), px(7), px(12), px(7))
        row.spacing = px(spacing)
        return row

    def _check(self, text: str, checked: bool, action: Any) -> Any:
        box = qt.QCheckBox(text)
        box.accessibleName = text
        box.checked = checked
        box.toggled.connect(lambda *_: action())
        return box

    # What is shown

    def _new_series(self) -> None:
        """Another series was chosen, or its instances are known."""
        self._share_room()
        self._align(self._a, self._b)
        self._merge()

    def _align(self, moved: SeriesSide, other: SeriesSide) -> None:
        if not (self._keep.checked and moved.count and other.count):
            return
        index = aligned_index(moved.index, moved.positions(), other.positions())
        if index != other.index:
            other.seek(index)

    # What is remembered

    def _restore(self) -> None:
        theme = self._context.theme
        kept = self._context.view_settings.get(_KEY) or {}
        width, height = kept.get("size") or (theme.px(_WIDTH), theme.px(_HEIGHT))
        self.resize(int(width), int(height))
        self._share = float(kept.get("share") or 0.5)

    def _remember(self) -> None:
        self._note_share()
        kept = self._context.view_settings.get(_KEY) or {}
        size = kept.get("size") if self.fullScreen else [self.width, self.height]
        self._context.view_settings.put(_KEY, {"size": size, "share": round(self._share, 4)})
        self._table.remember()

    def _note_share(self) -> None:
        left, right = self._splitter.sizes()
        if self._comparing and left > 0 < right:
            self._share = left / (left + right)

    def _share_room(self) -> None:
        """Alone, a series has the room of both, but for the choice of the other one."""
        if self._comparing == self.comparing:
            return
        self._note_share()
        self._comparing = self.comparing
        self._b.maximumWidth = qt.QWidget().maximumWidth if self.comparing else self._context.theme.px(_CHOICE)
        whole = max(2, sum(self._splitter.sizes()) or self.width)
        left = round(whole * self._share) if self.comparing else whole - self._context.theme.px(_CHOICE)
        self._splitter.setSizes([max(1, left), max(1, whole - left)])

    def _merge(self) -> None:
        nodes_b = self._b.nodes if self.comparing else None
        if self._a.nodes is None or (self.comparing and nodes_b is None):
            return
        self._groups = merged(self._a.nodes, nodes_b)
        self._only.enabled = self._keep.enabled = self.comparing
        self._filter()

    def _filter(self) -> None:
        comparing = self.comparing
        text = str(self._field.text)
        only = bool(comparing and self._only.checked)
        self._seen = seen(self._groups, text, only, bool(self._private.checked), self._toggled)
        found = self._seen
        self._table.show_lines(found.lines, comparing, text.strip().strip("()").casefold())
        set_state(self._field, "state", "active" if text.strip() else "")
        if found.found == found.total:
            self._counts.text = plural(found.total, "{count} attribute", "{count} attributes")
        else:
            words = _("{found} of {total} attributes")
            self._counts.text = words.format(found=f"{found.found:,}", total=f"{found.total:,}")
        words = _("Only differences ({count})") if comparing else _("Only differences")
        self._only.text = words.format(count=f"{found.differing:,}")
        self._show_pill(comparing and bool(text.strip()))
        self._show_selected()

    def _show_pill(self, shown: bool) -> None:
        found, differing = self._seen.found, self._seen.found_differing
        words = _("{count} of {total} differs") if differing == 1 else _("{count} of {total} differ")
        self._pill.text = words.format(count=differing, total=found) if differing else _("No difference")
        self._pill.set_tone("warn" if differing else "ok")
        self._pill.visible = shown and found > 0

    def _show_selected(self) -> None:
        rows = self._table.selected()
        self._value_button.enabled = self._row_button.enabled = bool(rows)
        row = rows[-1] if rows else None
        if row is None or row.kind != "element":
            self._chosen.text = "" if row is None else row.name
            self._more.text = "" if row is not None else _("Choose a row to read all of its value")
            return
        words = _("{tag} {name}: {value}").format(tag=row.tag, name=row.name, value=row.a or row.b or "")
        self._chosen.text = " ".join(words.split())
        other = _("B: {value}").format(value=row.b or _("not there")) if row.differs and row.a is not None else ""
        meant = " ".join(other.split()) or (uid_name(row.a or "") if row.vr == "UI" else "")
        self._more.text = DOT.join(part for part in (meant, explanation(row.tag, row.vr, row.path)) if part)

    def _toggle(self, path: Path) -> None:
        self._toggled ^= {path}
        self._filter()

    def _search(self) -> None:
        _take_focus(self._field)
        self._field.selectAll()

    def _leave(self) -> None:
        if self._field.text:
            self._field.clear()
        elif self.fullScreen:
            self.showNormal()
        else:
            self.close()

    # Out

    def _copy(self, text: str) -> None:
        if text:
            qt.QApplication.clipboard().setText(text)

    def _save(self) -> None:
        kinds = _("Text (*.txt);;JSON (*.json)")
        path = qt.QFileDialog.getSaveFileName(self, _("Save attributes"), "", kinds)
        if path:
            self.save_to(path)

    def save_to(self, path: str) -> None:
        """Write all that is found to a file, as JSON where its name ends so."""
        as_json = path.lower().endswith(".json")
        text = json_of(self._seen.rows, self.comparing) if as_json else text_of(self._seen.rows, self.comparing)
        try:
            with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  (text in)
                file.write(text + "\n")
        except OSError as error:
            reason = error.strerror or str(error)
            self._context.report(_("{path} was not written: {reason}.").format(path=path, reason=reason), "error")


def _choices(series: Any, other: Any) -> list[Any]:
    """What can be looked at: series of the same study first, then those of the patient's other ones, newest first."""
    others = [study for study in series.study.patient.studies if study is not series.study]
    others.sort(key=lambda study: str(study.moment), reverse=True)
    choices = [each for study in (series.study, *others) for each in study.series]
    return [*choices, *(each for each in (series, other) if each is not None and each not in choices)]


def _take_focus(widget: Any) -> None:
    widget.setFocus(qt.Qt.ShortcutFocusReason)
