"""The window that shows what was loaded: three slice views of a volume, enough to check a series. Main thread only.

Also given here: where in the scene the patient of a volume is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.desktop.slice_view import SliceView, orientation_name
from VisualDICOMBrowserLib.desktop.slicing import ORIENTATIONS, VolumeSlicer
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import ElidedLabel, label, push_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.wording import person_name

__all__ = ["VolumeWindow", "is_volume", "patient_of"]

_WIDEST = 10_000_000.0
# Center and width of what is looked at in CT, in Hounsfield units.
_CT_WINDOWS = (
    ("Abdomen", 40.0, 400.0),
    ("Lung", -600.0, 1500.0),
    ("Bone", 480.0, 2500.0),
    ("Brain", 40.0, 80.0),
    ("Mediastinum", 50.0, 350.0),
)


def is_volume(node: Any) -> bool:
    """True of nodes that this window can show."""
    return bool(node.IsA("vtkMRMLVolumeNode")) and node.GetImageData() is not None


def patient_of(node: Any) -> tuple[str, str, str]:
    """Patient's name and ID, and the modality, as the subject hierarchy of the node's scene has them."""
    import slicer

    names = slicer.vtkMRMLSubjectHierarchyConstants
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    item = hierarchy.GetItemByDataNode(node)
    modality = hierarchy.GetItemAttribute(item, names.GetDICOMSeriesModalityAttributeName())
    patient = hierarchy.GetItemAncestorAtLevel(item, names.GetDICOMLevelPatient())
    if not patient:
        return "", "", modality
    name = hierarchy.GetItemAttribute(patient, names.GetDICOMPatientNameAttributeName())
    known = hierarchy.GetItemAttribute(patient, names.GetDICOMPatientIDAttributeName())
    return person_name(name) or name, known, modality


class VolumeWindow(qt.QWidget):
    """Axial, sagittal and coronal slices of one of the loaded volumes.

    Parameters
    ----------
    theme : Theme
        Of the bar; pictures stay on black.
    on_closed : Callable[[], None], optional
        Called when the window was closed.
    """

    def __init__(self, theme: Theme, on_closed: Callable[[], None] | None = None) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._on_closed = on_closed
        self._nodes: list[Any] = []
        self._slicer: VolumeSlicer | None = None
        self._center, self._width = 0.0, 1.0
        self._large = ""
        self.views = {
            name: SliceView(name, self._drag_window, self._moved, self._point, self._toggle_large)
            for name in ORIENTATIONS
        }
        self._build()
        self._retitle()
        theme.follow(self, lambda: theme.apply(self))
        self.resize(1080, 720)

    @property
    def node(self) -> Any:
        """The volume that is shown, or None."""
        return self._slicer.node if self._slicer else None

    @property
    def window(self) -> tuple[float, float]:
        """Center and width; a negative width shows low values bright."""
        return self._center, self._width

    def show_nodes(self, nodes: Sequence[Any]) -> None:
        """Add volumes to those that can be chosen, and show the first of them."""
        added = [node for node in nodes if is_volume(node)]
        # What was closed in the scene meanwhile is no longer there to be shown.
        self._nodes = [node for node in self._nodes if node.GetScene() is not None and node not in added] + added
        was = self._choice.blockSignals(True)
        self._choice.clear()
        for node in self._nodes:
            self._choice.addItem(node.GetName())
        self._choice.blockSignals(was)
        self._choice.visible = len(self._nodes) > 1
        if added:
            self.choose(self._nodes.index(added[0]))

    def choose(self, number: int) -> None:
        """Show one of the volumes."""
        if not 0 <= number < len(self._nodes):
            return
        was = self._choice.blockSignals(True)
        self._choice.currentIndex = number
        self._choice.blockSignals(was)
        self._slicer = VolumeSlicer(self._nodes[number])
        self._center, self._width = self._slicer.first_window()
        for view in self.views.values():
            view.show_volume(self._slicer, self._center, self._width)
        for name, slider in self._sliders.items():
            self._set_slider(slider, self.views[name])
        self._retitle()
        self._show_window()
        self.views["axial"].setFocus()

    def set_window(self, center: float, width: float) -> None:
        """Show other values as black and white."""
        smallest = self._smallest_width()
        sign = -1.0 if width < 0 else 1.0
        self._center, self._width = center, sign * max(abs(width), smallest)
        for view in self.views.values():
            view.set_window(self._center, self._width)
        self._show_window()

    def reset_window(self) -> None:
        """Window and level as they were when the volume was loaded."""
        if self._slicer is not None:
            self.set_window(*self._slicer.first_window())

    def closeEvent(self, event: Any) -> None:
        """Say that it was closed; it keeps its volumes and can be shown again."""
        qt.QWidget.closeEvent(self, event)
        if self._on_closed is not None:
            self._on_closed()

    def _build(self) -> None:
        self._bar = qt.QFrame()
        self._bar.setProperty("ground", "bar")
        self._bar.setProperty("line", "below")
        row = qt.QHBoxLayout()
        row.setContentsMargins(self._px(12), self._px(6), self._px(12), self._px(6))
        row.spacing = self._px(8)
        self._patient = label("", "heading")
        self._about = ElidedLabel("", "mid")
        row.addWidget(self._patient)
        row.addWidget(self._about, 1)
        self._choice = qt.QComboBox()
        self._choice.accessibleName = _("Volume")
        self._choice.toolTip = _("Which of the loaded volumes is shown")
        self._choice.currentIndexChanged.connect(lambda number: self.choose(number))
        self._choice.maximumWidth = self._px(240)
        self._choice.hide()
        row.addWidget(self._choice)
        self._fields = [self._number_field(_("Window")), self._number_field(_("Level"))]
        for field in self._fields:
            row.addWidget(label(field.accessibleName, "caption"))
            row.addWidget(field)
        self._presets = push_button(self._theme, _("Presets"), lambda: None)
        self._menu = qt.QMenu(self._presets)
        self._menu.aboutToShow.connect(lambda *_args: self._fill_menu())
        self._presets.setMenu(self._menu)
        row.addWidget(self._presets)
        self._bar.setLayout(row)
        self._status = label("", "small")
        self._status.setContentsMargins(self._px(12), self._px(3), self._px(12), self._px(3))
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(self._bar)
        layout.addLayout(self._build_views(), 1)
        layout.addWidget(self._status)
        self.setLayout(layout)
        self.setProperty("ground", "window")
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self._point("", None, False)

    def _build_views(self) -> Any:
        self._sliders = {}
        self._cells = {}
        for name, view in self.views.items():
            slider = qt.QSlider(qt.Qt.Horizontal)
            slider.accessibleName = _("{view} slices").format(view=orientation_name(name))
            slider.valueChanged.connect(lambda *value, view=name: self.views[view].set_index(value[0]))
            cell = qt.QWidget()
            column = qt.QVBoxLayout()
            column.setContentsMargins(0, 0, 0, 0)
            column.spacing = 0
            column.addWidget(view, 1)
            column.addWidget(slider)
            cell.setLayout(column)
            self._sliders[name], self._cells[name] = slider, cell
        grid = qt.QGridLayout()
        grid.setContentsMargins(self._px(4), self._px(4), self._px(4), 0)
        grid.spacing = self._px(4)
        grid.addWidget(self._cells["axial"], 0, 0, 2, 1)
        grid.addWidget(self._cells["sagittal"], 0, 1)
        grid.addWidget(self._cells["coronal"], 1, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        grid.setRowStretch(0, 1)
        grid.setRowStretch(1, 1)
        return grid

    def _px(self, length: int) -> int:
        return self._theme.px(length)

    def _number_field(self, text: str) -> Any:
        field = qt.QDoubleSpinBox()
        field.decimals = 0
        field.keyboardTracking = False
        field.setRange(-_WIDEST, _WIDEST)
        field.accessibleName = text
        field.setFixedWidth(self._px(96))
        field.valueChanged.connect(lambda *_args: self._fields_changed())
        return field

    def _fields_changed(self) -> None:
        width, center = self._fields[0].value, self._fields[1].value
        self.set_window(center, -abs(width) if self._width < 0 else abs(width))

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._menu.addAction(_("As loaded")).triggered.connect(lambda *_args: self.reset_window())
        if self._slicer is None:
            return
        low, high = self._slicer.low, self._slicer.high
        whole = self._menu.addAction(_("Whole range"))
        whole.triggered.connect(lambda *_args: self.set_window((low + high) / 2, high - low))
        whole = self._menu.addAction(_("Black and white swapped"))
        whole.triggered.connect(lambda *_args: self.set_window(self._center, -self._width))
        if patient_of(self._slicer.node)[2] == "CT":
            self._menu.addSeparator()
            for name, center, width in _CT_WINDOWS:
                entry = self._menu.addAction(_(name))
                entry.triggered.connect(lambda *_args, center=center, width=width: self.set_window(center, width))

    def _smallest_width(self) -> float:
        span = self._slicer.high - self._slicer.low if self._slicer else 1.0
        return max(min(1.0, span / 1000), 1e-6)

    def _show_window(self) -> None:
        grey = self._slicer is not None and not (self._slicer.is_colour or self._slicer.is_label)
        decimals = 0 if self._slicer is None or self._slicer.high - self._slicer.low > 20 else 3
        for field, value in zip(self._fields, (abs(self._width), self._center), strict=True):
            was = field.blockSignals(True)
            field.decimals = decimals
            field.value = value
            field.enabled = grey
            field.blockSignals(was)
        self._presets.enabled = grey

    def _drag_window(self, right: float, down: float) -> None:
        """To the right widens the window, down raises its level; the whole view is the range of the volume."""
        if self._slicer is None or self._slicer.is_colour or self._slicer.is_label:
            return
        span = max(min(self._slicer.high - self._slicer.low, 4 * abs(self._width)), self._smallest_width())
        sign = -1.0 if self._width < 0 else 1.0
        width = max(abs(self._width) + right * span, self._smallest_width())
        self.set_window(self._center + down * span, sign * width)

    def _moved(self, orientation: str, index: int) -> None:
        self._sliders[orientation].value = index

    @staticmethod
    def _set_slider(slider: Any, view: SliceView) -> None:
        was = slider.blockSignals(True)
        slider.setRange(0, max(view.count - 1, 0))
        slider.value = view.index
        slider.enabled = view.count > 1
        slider.blockSignals(was)

    def _point(self, orientation: str, voxel: tuple[float, float, float] | None, link: bool) -> None:
        """Say what is under the mouse; linked, the other views go to it."""
        if self._slicer is None or voxel is None:
            text = _("Drag: window and level. Wheel: slices. Shift and move: other views follow. Double-click: large.")
            self._status.text = text
            return
        found = self._slicer.value(voxel)
        value = ", ".join(f"{each:.6g}" for each in found) if found else "-"
        names = zip(("R", "A", "S"), ("L", "P", "I"), self._slicer.position(voxel), strict=True)
        place = "  ".join(f"{plus if mm >= 0 else minus} {abs(mm):.1f}" for plus, minus, mm in names)
        self._status.text = _("{place} mm   value {value}").format(place=place, value=value)
        if link:
            for name in ORIENTATIONS:
                if name != orientation:
                    self._sliders[name].value = self._slicer.index_at(name, voxel)

    def _toggle_large(self, orientation: str) -> None:
        self._large = "" if self._large else orientation
        for name, cell in self._cells.items():
            cell.visible = self._large in ("", name)

    def _retitle(self) -> None:
        if self._slicer is None:
            self.windowTitle = _("Loaded volume")
            return
        node = self._slicer.node
        name, known, modality = patient_of(node)
        size = " x ".join(str(length) for length in self._slicer.image.GetDimensions())
        spacing = " x ".join(f"{length:.3g}" for length in node.GetSpacing())
        about = [known, modality, node.GetName(), _("{size}, {spacing} mm").format(size=size, spacing=spacing)]
        self._patient.text = name or _("Patient without name")
        self._about.text = "   ".join(part for part in about if part)
        self.windowTitle = f"{self._patient.text} - {node.GetName()}"
