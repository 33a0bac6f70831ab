"""One of the series that are looked at: its choice, its slider, its picture, its header. Main thread only.

Headers are asked for one at a time, as the pictures are: while one is read only the newest wish waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import ElidedLabel, label
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.metadata.words import series_choice, told_nodes, uid_name
from VisualDICOMBrowserLib.widgets.page.words import DOT
from VisualDICOMBrowserLib.widgets.preview.picture import PictureView
from VisualDICOMBrowserLib.widgets.preview.slice_feed import SliceFeed
from VisualDICOMBrowserLib.widgets.preview.words import place_text

__all__ = ["SeriesSide"]

_PICTURE, _LEAST = 96, 140
Nodes = Sequence[Mapping[str, Any]]


class SeriesSide(qt.QWidget):
    """A series with its slider.

    Parameters
    ----------
    context : BrowserContext
    letter : str
        ``A`` or ``B``.
    on_nodes : Callable[[], None]
        Called when `nodes` are others.
    on_moved : Callable[[], None]
        Called when the user chose another slice.
    on_series : Callable[[], None]
        Called when the user chose another series.
    """

    def __init__(
        self,
        context: BrowserContext,
        letter: str,
        on_nodes: Callable[[], None],
        on_moved: Callable[[], None],
        on_series: Callable[[], None],
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._on_nodes, self._on_moved, self._on_series = on_nodes, on_moved, on_series
        self._choices: list[Any] = []
        self._series: Any = None
        self._instances: list[dict[str, Any]] = []
        self._frames: list[tuple[int, int]] = []
        self._nodes: Nodes | None = None
        self._known = False
        self._reading = False
        self._read_again = False
        self._turn = 0
        self._feed = SliceFeed(context, self._take_picture, self._on_event)
        self._build(letter)

    @property
    def series(self) -> Any:
        """The series, None for none."""
        return self._series

    @property
    def nodes(self) -> Nodes | None:
        """Elements of the slice that is chosen, None without a series."""
        return self._nodes

    @property
    def count(self) -> int:
        """How many frames there are here."""
        return len(self._frames)

    @property
    def index(self) -> int:
        """Number of the frame, from 0."""
        return int(self._slider.value)

    @property
    def reading(self) -> bool:
        """Whether a header is waited for."""
        return self._reading

    @property
    def instance(self) -> dict[str, Any] | None:
        """The instance that is shown, as the command ``instances`` tells of it."""
        return self._instances[self._frames[self.index][0]] if self._frames else None

    def positions(self) -> list[float | None]:
        """Place of each frame along the normal in mm."""
        return [self._instances[number]["position"] for number, _frame in self._frames]

    def show_choices(self, choices: Sequence[Any], chosen: Any, none: str = "") -> None:
        """Offer series; `none` is offered first where there may be none."""
        self._choices = [*([None] if none else []), *choices]
        was = self._combo.blockSignals(True)
        self._combo.clear()
        for series in self._choices:
            self._combo.addItem(none if series is None else series_choice(series))
        self._combo.currentIndex = self._choices.index(chosen) if chosen in self._choices else 0
        self._combo.blockSignals(was)
        self.show_series(chosen)

    def show_series(self, series: Any) -> None:
        """Show a series, None for none."""
        self._series = series
        self._turn += 1
        self._known = self._reading = self._read_again = False
        self._set_instances([])
        self._picture.show_pixmap(qt.QPixmap(series.thumbnail) if series is not None and series.thumbnail else None)
        for part in (self._picture, self._caption, self._slider, self._place):
            part.visible = series is not None
        if series is None:
            self._feed.close()
        else:
            self._feed.begin(series.SeriesInstanceUID)
            self._ask_instances()

    def seek(self, index: int) -> None:
        """Show another slice without telling that the user chose it."""
        was = self._slider.blockSignals(True)
        self._slider.value = min(max(0, index), max(0, self.count - 1))
        self._slider.blockSignals(was)
        self._read()

    def close_side(self) -> None:
        """Listen to the engine no longer."""
        self._turn += 1
        self._series = None
        self._feed.close()

    # Parts

    def _build(self, letter: str) -> None:
        theme = self._context.theme
        px = theme.px
        self._picture = PictureView(theme)
        self._picture.setFixedSize(px(_PICTURE), px(_PICTURE))
        self._picture.accessibleName = _("Slice of {letter}").format(letter=letter)
        mark = label(letter, "strong")
        set_state(mark, "state", "ask")
        self._combo = qt.QComboBox()
        self._combo.accessibleName = _("Series {letter}").format(letter=letter)
        self._combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
        self._combo.minimumContentsLength = 12
        self._combo.currentIndexChanged.connect(lambda *_: self._chosen())
        self._caption = label(_("Instance"), "mid")
        self._slider = qt.QSlider(qt.Qt.Horizontal)
        self._slider.accessibleName = _("Instance of {letter}").format(letter=letter)
        self._slider.minimumWidth = px(_LEAST)
        self._slider.valueChanged.connect(lambda *_: self._moved())
        self._place = label("", "strong")
        self._line = ElidedLabel("", "small")
        top = qt.QHBoxLayout()
        top.spacing = px(9)
        top.addWidget(mark)
        top.addWidget(self._combo, 1)
        middle = qt.QHBoxLayout()
        middle.spacing = px(8)
        middle.addWidget(self._caption)
        middle.addWidget(self._slider, 1)
        middle.addWidget(self._place)
        texts = qt.QVBoxLayout()
        texts.spacing = px(3)
        texts.addLayout(top)
        texts.addStretch(1)
        texts.addLayout(middle)
        texts.addStretch(1)
        texts.addWidget(self._line)
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = px(12)
        layout.addWidget(self._picture, 0, qt.Qt.AlignTop)
        layout.addLayout(texts, 1)
        self.setLayout(layout)

    def _chosen(self) -> None:
        number = self._combo.currentIndex
        if 0 <= number < len(self._choices):
            self.show_series(self._choices[number])
            self._on_series()

    def _moved(self) -> None:
        self._read()
        self._on_moved()

    # Instances

    def _ask_instances(self) -> None:
        turn = self._turn
        self._context.ask(
            "instances",
            lambda reply: self._take_instances(reply, turn),
            lambda error: self._failed(error, turn),
            series=self._series.SeriesInstanceUID,
        )

    def _take_instances(self, instances: list[dict[str, Any]], turn: int) -> None:
        if turn != self._turn:
            return
        before = self.index if self._frames else None
        self._known = True
        self._set_instances(instances, before)
        if before is None and self.count:
            self._on_series()

    def _set_instances(self, instances: list[dict[str, Any]], before: int | None = None) -> None:
        self._instances = instances
        self._frames = [
            (number, frame)
            for number, instance in enumerate(instances)
            for frame in range(max(1, int(instance["NumberOfFrames"] or 1)))
        ]
        several = len(instances) > 1 or self.count <= 1
        self._caption.text = _("Instance") if several else _("Frame")
        was = self._slider.blockSignals(True)
        self._slider.maximum = max(0, self.count - 1)
        self._slider.value = min(before, max(0, self.count - 1)) if before is not None else self.count // 2
        self._slider.blockSignals(was)
        self._slider.enabled = self.count > 1
        self._read()

    def _read(self) -> None:
        """Show the header of the frame that the slider is at."""
        self._place.text = f"{self.index + 1} / {self.count}" if self._frames else ""
        if not self._frames:
            # Until the engine has told what is here, what was shown before stays.
            self._nodes = told_nodes(self._series) if self._known else None
            self._write_line()
            self._on_nodes()
            return
        ratio = float(self.devicePixelRatioF())
        self._feed.ask(index=self.index, side=round(self._context.theme.px(_PICTURE) * ratio))
        if self._reading:
            self._read_again = True
            return
        self._reading = True
        turn = self._turn
        number, frame = self._frames[self.index]
        self._context.ask(
            "metadata",
            lambda nodes: self._take_nodes(nodes, turn),
            lambda error: self._failed(error, turn),
            SOPInstanceUID=self._instances[number]["SOPInstanceUID"],
            frame=frame,
        )

    def _take_nodes(self, nodes: Nodes, turn: int) -> None:
        if turn != self._turn:
            return
        self._reading = False
        if self._read_again:
            self._read_again = False
            self._read()
        self._nodes = nodes
        self._write_line()
        self._on_nodes()

    def _failed(self, error: VisualDICOMError, turn: int) -> None:
        if turn == self._turn:
            self._reading = self._read_again = False
            self._nodes = []
            self._line.text = str(error)
            self._on_nodes()
            self._context.look_for_files([self._series.SeriesInstanceUID])

    def _write_line(self, position: float | None = None) -> None:
        if not self._known:
            self._line.text = ""
            return
        if not self._frames:
            servers = ", ".join(self._series.sources)
            told = _("Not fetched yet. This is what {servers} told.").format(servers=servers)
            self._line.text = told if servers else _("Nothing of this series is here")
            return
        values = {node["tag"]: node["value"] for node in self._nodes or ()}
        instance = self.instance
        if position is None and instance is not None:
            position = instance["position"]
        slice_text = _("Slice {place}").format(place=place_text(position)) if position is not None else ""
        kind = values.get("0008,0016", "")
        syntax = values.get("0002,0010", "")
        parts = (slice_text, uid_name(kind) or kind, uid_name(syntax) or syntax)
        self._line.text = DOT.join(part for part in parts if part)

    def _take_picture(self, answer: Mapping[str, Any]) -> None:
        if self._series is None:
            return
        pixmap = qt.QPixmap(answer["path"]) if answer["path"] else None
        self._picture.show_pixmap(pixmap)
        self._picture.toolTip = str(answer["reason"])
        if pixmap is not None and int(answer["index"]) == self.index:
            self._write_line(answer["position"])

    def _on_event(self, event: Mapping[str, Any]) -> None:
        if self._series is None:
            return
        uid = self._series.SeriesInstanceUID
        if event["event"] == "engine_ready":
            self._feed.begin(uid)
            self._reading = False
            self._ask_instances()
        elif event["event"] == "content_changed":
            named = [*event["series"], *event["removed"]]
            if uid in named or not (named or event["studies"]):
                self._ask_instances()
