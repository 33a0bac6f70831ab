"""The preview: a series large over the browser, opened and closed by Space. Main thread only.

The mouse or the wheel moves through the slices, dragging changes window and level, Left and Right go to the
neighbours, Enter loads, F takes the whole screen. It listens to the engine only while it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import BusyMark, ElidedLabel, hint_with_key, tool_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.page.words import DOT, dimensions, number_text, study_date, title_of
from VisualDICOMBrowserLib.widgets.preview.picture import PictureCalls, PictureView
from VisualDICOMBrowserLib.widgets.preview.slice_feed import SliceFeed
from VisualDICOMBrowserLib.widgets.preview.words import place_text, window_text

__all__ = ["PreviewPopup"]

_SIDE, _SMALLEST, _EDGE, _LEAST_PICTURE = 430, 300, 8, 100
_LARGEST_ASKED = 1536
_WINDOW_SHARE = 2.0
"""How much wider the window gets when the mouse crosses the whole picture, in its own width."""


class PreviewPopup(qt.QFrame):
    """A frame over the browser.

    Parameters
    ----------
    context : BrowserContext
    step : Callable[[int], SeriesEntry or None]
        Gives the series after (+1) or before (-1) the one that is shown.
    on_load : Callable[[SeriesEntry], None]
        Loads a series.
    parent : QWidget
        What it is shown over.
    on_use : Callable[[SeriesEntry, int], None], optional
        Makes the slice of a number the picture of a series.
    """

    def __init__(
        self,
        context: BrowserContext,
        step: Callable[[int], Any],
        on_load: Callable[[Any], None],
        parent: Any,
        on_use: Callable[[Any, int], None] | None = None,
    ) -> None:
        qt.QFrame.__init__(self, parent)
        self._context = context
        self._step = step
        self._on_load = on_load
        self._on_use = on_use
        self._over = parent
        self._series: Any = None
        self._index: int | None = None
        self._count = 0
        self._window: tuple[float, float] | None = None
        self._shown_window: tuple[float, float] | None = None
        self._full = False
        self._rearranging = False
        self._place: Any = None
        self._focus_before: Any = None
        self._feed = SliceFeed(context, self._take_picture, self._on_event)
        self.accessibleName = _("Preview")
        self.focusPolicy = qt.Qt.StrongFocus
        set_state(self, "kind", "popup")
        self._build()
        parent.installEventFilter(self)
        qt.QFrame.hide(self)

    @property
    def series(self) -> Any:
        """The series that is shown."""
        return self._series

    @property
    def index(self) -> int | None:
        """Number of the slice from 0, None before the first one came."""
        return self._index

    @property
    def is_full(self) -> bool:
        """Whether it has the whole screen."""
        return self._full

    def show_series(self, series: Any, place: Any = None) -> None:
        """Show a series.

        Parameters
        ----------
        series : SeriesEntry
        place : QRect, optional
            Where on the screen its card is, which is to stay in sight.
        """
        if not self.isVisibleTo(self._over) and not self._full:
            self._focus_before = qt.QApplication.focusWidget()
        self._take_series(series)
        self._place = None if place is None else qt.QRect(place)
        if not self._full:
            self._fit()
        self.show()
        self.raise_()
        _take_focus(self)
        self._ask()

    def step_series(self, steps: int) -> None:
        """Go to a neighbour of the series."""
        series = self._step(steps)
        if series is not None and series is not self._series:
            self._take_series(series)
            self._ask()

    def step_slice(self, steps: int) -> None:
        """Go through the slices, as far as there are any."""
        if self._index is not None and self._count:
            self.seek(self._index + steps)

    def seek(self, index: int) -> None:
        """Show the slice of a number, from 0."""
        index = min(self._count - 1, max(0, index))
        if self._count and index != self._index:
            self._index = index
            self._write()
            self._ask()

    def use_slice(self) -> None:
        """Make the slice that is shown the picture of its series."""
        if self._on_use is not None and self._use.enabled and self._index is not None:
            self._on_use(self._series, self._index)

    def change_window(self, wider: float, brighter: float) -> None:
        """Widen the window and raise its level, in shares of the picture's size."""
        window = self._window or self._shown_window
        if window is not None:
            center, width = window
            width_now = max(width * (1 + wider * _WINDOW_SHARE), 1e-3)
            self._window = (center + brighter * width, width_now)
            self._write()
            self._ask()

    def reset_window(self) -> None:
        """Show the window that the file asks for."""
        self._window = None
        self._ask()

    def toggle_full(self) -> None:
        """Take the whole screen, or give it back."""
        self._rearranging = True
        try:
            self._full = not self._full
            if self._full:
                self.setWindowFlags(qt.Qt.Window | qt.Qt.FramelessWindowHint)
                self.showFullScreen()
            else:
                self.setWindowFlags(qt.Qt.Widget)
                self._fit()
                self.show()
                self.raise_()
        finally:
            self._rearranging = False
        _take_focus(self)
        self._ask()

    def keyPressEvent(self, event: Any) -> None:
        """All that the mouse does, and more."""
        far = max(2, self._count // 10)
        actions: dict[Any, Callable[[], None]] = {
            qt.Qt.Key_Escape: self._leave,
            qt.Qt.Key_Space: lambda: self.hide(),
            qt.Qt.Key_Return: self._load,
            qt.Qt.Key_Enter: self._load,
            qt.Qt.Key_Left: lambda: self.step_series(-1),
            qt.Qt.Key_Right: lambda: self.step_series(1),
            qt.Qt.Key_Up: lambda: self.step_slice(-1),
            qt.Qt.Key_Down: lambda: self.step_slice(1),
            qt.Qt.Key_PageUp: lambda: self.step_slice(-far),
            qt.Qt.Key_PageDown: lambda: self.step_slice(far),
            qt.Qt.Key_Home: lambda: self.seek(0),
            qt.Qt.Key_End: lambda: self.seek(self._count - 1),
            qt.Qt.Key_F: self.toggle_full,
            qt.Qt.Key_R: self.reset_window,
            qt.Qt.Key_P: self.use_slice,
        }
        action = actions.get(event.key())
        if action is None:
            qt.QFrame.keyPressEvent(self, event)
        else:
            action()
            event.accept()

    def hideEvent(self, event: Any) -> None:
        """Listen no longer, and give the focus back."""
        qt.QFrame.hideEvent(self, event)
        if self._rearranging or self.isVisibleTo(self._over):
            return
        self._busy.stop()
        self._feed.close()
        before, self._focus_before = self._focus_before, None
        if self._full:
            self._full = False
            qt.QTimer.singleShot(0, self._back_in_browser)
        if before:
            with suppress(RuntimeError):  # It may have gone meanwhile.
                before.setFocus(qt.Qt.OtherFocusReason)

    def resizeEvent(self, event: Any) -> None:
        """Ask for a picture that is fine enough."""
        qt.QFrame.resizeEvent(self, event)
        if self._series is not None and self._index is not None:
            self._ask()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Stay inside the browser when that gets smaller."""
        if event.type() == qt.QEvent.Resize and not self._full and self.visible:
            self._fit()
        return False

    # Parts

    def _build(self) -> None:
        theme = self._context.theme
        calls = PictureCalls()
        calls.step, calls.seek = self.step_slice, self.seek
        calls.window, calls.reset_window = self.change_window, self.reset_window
        self._title = ElidedLabel("", "strong")
        self._line = ElidedLabel("", "small")
        self._busy = BusyMark(theme)
        self._picture = PictureView(theme, calls)
        self._picture.toolTip = _("Drag to change window and level, double-click to reset them")
        self._picture.minimumSize = qt.QSize(theme.px(_LEAST_PICTURE), theme.px(_LEAST_PICTURE))
        texts = qt.QVBoxLayout()
        texts.spacing = 1
        texts.addWidget(self._title)
        texts.addWidget(self._line)
        head = qt.QHBoxLayout()
        head.spacing = theme.px(2)
        head.addLayout(texts, 1)
        head.addWidget(self._busy)
        self._use = tool_button(theme, "image", _("Use this slice as picture"), self.use_slice, "", "P")
        head.addWidget(self._use)
        if self._on_use is None:
            self._use.hide()
        head.addWidget(tool_button(theme, "fullscreen", _("Full screen"), self.toggle_full, "", "F"))
        head.addWidget(tool_button(theme, "close", _("Close preview"), lambda: self.hide(), "", "Space"))
        foot = qt.QHBoxLayout()
        foot.spacing = theme.px(6)
        for words in (_("Move or wheel: slices"), _("Left / Right: next series"), _("Enter: load"), _("Esc: close")):
            foot.addWidget(ElidedLabel(words, "small"))
            foot.addStretch(1)
        foot.takeAt(foot.count() - 1)
        layout = qt.QVBoxLayout()
        margin = theme.px(11)
        layout.setContentsMargins(margin, margin - 3, margin, margin - 2)
        layout.spacing = theme.px(8)
        layout.addLayout(head)
        layout.addWidget(self._picture, 1)
        layout.addLayout(foot)
        self.setLayout(layout)

    def _fit(self) -> None:
        """Beside the card it belongs to, inside of the browser."""
        px, over = self._context.theme.px, self._over
        edge = px(_EDGE)
        least = self.layout().minimumSize()
        wanted = max(min(px(_SIDE), over.width // 2), px(_SMALLEST), least.width())
        width = min(wanted, over.width - 2 * edge)
        chrome = least.height() - px(_LEAST_PICTURE)
        height = min(width + chrome - 2 * px(11), over.height - 2 * edge)
        x, y = (over.width - width) // 2, (over.height - height) // 2
        if self._place is not None:
            card = qt.QRect(over.mapFromGlobal(self._place.topLeft()), self._place.size())
            beside = card.right() + edge
            x = beside if beside + width + edge <= over.width else card.left() - edge - width
            y = card.center().y() - height // 2
        x = min(max(x, edge), over.width - edge - width)
        y = min(max(y, edge), over.height - edge - height)
        self.geometry = qt.QRect(x, y, width, height)

    def _back_in_browser(self) -> None:
        self.setWindowFlags(qt.Qt.Widget)  # This hides it too.

    def _leave(self) -> None:
        if self._full:
            self.toggle_full()
        else:
            self.hide()

    def _load(self) -> None:
        series = self._series
        self.hide()
        self._on_load(series)

    # Pictures

    def _take_series(self, series: Any) -> None:
        self._series = series
        self._index, self._count = None, 0
        self._window = self._shown_window = None
        here = bool(series.local)
        self._use.enabled = here
        hint = hint_with_key(_("Use this slice as picture"), "P")
        self._use.toolTip = hint if here else _("Nothing of it is here yet; fetch it first.")
        self._feed.begin(series.SeriesInstanceUID)
        number = number_text(series)
        title = f"{number}  {title_of(series)}" if number else title_of(series)
        parts = (series.study.patient.shown_name, study_date(series.study), dimensions(series))
        self._title.text = title
        self._line.text = DOT.join(part for part in parts if part)
        self.accessibleDescription = f"{title}, {self._line.text}"
        # The small picture of the card stands there until a better one comes.
        self._picture.show_pixmap(qt.QPixmap(series.thumbnail) if series.thumbnail else None)
        if not series.local:
            self._picture.show_words(_("Not fetched yet"))
        self._write()

    def _ask(self) -> None:
        if self._series is None or not self._series.local:
            return
        center, width = self._window or (None, None)
        ratio = float(self.devicePixelRatioF())
        side = min(_LARGEST_ASKED, round(max(self._picture.width, self._picture.height) * ratio))
        self._feed.ask(index=self._index, center=center, width=width, side=side)
        self._busy.start()

    def _take_picture(self, answer: Mapping[str, Any]) -> None:
        if not self._feed.busy:
            self._busy.stop()
        if not answer["path"]:
            self._picture.show_words(str(answer["reason"]))
            self._context.look_for_files([self._series.SeriesInstanceUID])
            return
        pixmap = qt.QPixmap(answer["path"])
        if pixmap.isNull():  # Its file has made way for newer ones.
            return
        self._picture.show_pixmap(pixmap)
        self._count = int(answer["count"])
        if self._index is None:
            self._index = int(answer["index"])
        self._shown_window = None if answer["width"] is None else (answer["center"], answer["width"])
        self._write(answer["position"])

    def _write(self, position: float | None = None) -> None:
        series = self._series
        kind = DOT.join(part for part in (series.Modality, title_of(series)) if part)
        place = ""
        if self._index is not None and self._count:
            place = _("Slice {number} / {count}").format(number=self._index + 1, count=self._count)
        window = self._window or self._shown_window
        self._picture.show_texts(kind, window_text(window), place, place_text(position))
        self._picture.show_place(self._index or 0, self._count)
        self._picture.accessibleName = DOT.join(part for part in (kind, place, window_text(window)) if part)

    def _on_event(self, event: Mapping[str, Any]) -> None:
        series = self._series
        if event["event"] == "engine_ready":
            self._feed.begin(series.SeriesInstanceUID)
            self._ask()
        elif event["event"] == "content_changed":
            anything = not (event["series"] or event["studies"] or event["removed"])
            if anything or series.SeriesInstanceUID in event["series"]:
                self._ask()
        elif event["event"] == "thumbnail_ready":
            ours = event["series"] == series.SeriesInstanceUID
            if ours and self._index is None and event["path"]:
                self._picture.show_pixmap(qt.QPixmap(event["path"]))


def _take_focus(widget: Any) -> None:
    widget.setFocus(qt.Qt.PopupFocusReason)
