"""Paints cards, compact rows and rows of the Rows view. Main thread only.

Pictures stay on black in every look, so what lies on them has the colours of the dark one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.paint import draw_progress, draw_tag, draw_text, scaled_font, text_width
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.look.tokens import DARK
from VisualDICOMBrowserLib.widgets.page.arrival import paint_arrival
from VisualDICOMBrowserLib.widgets.page.geometry import CardPlaces, Metrics
from VisualDICOMBrowserLib.widgets.page.states import CardState, Marks
from VisualDICOMBrowserLib.widgets.page.words import DOT, number_text, title_of

__all__ = ["Look", "Scrub", "paint_card", "paint_row", "sets_place"]

_SHADE = 170
_KIND_ICONS = {
    "SR": "document", "DOC": "document", "KO": "star", "ECG": "heart", "SEG": "layers", "RTSTRUCT": "layers",
    "RTDOSE": "layers", "PR": "image", "REG": "link", "RTPLAN": "document",
}  # fmt: skip
_NEW_GROUND = "#8A45D8"
_HATCHED: dict[tuple[Any, ...], Any] = {}
_FRAMED: dict[tuple[Any, ...], Any] = {}
_MOST_FRAMED = 200


@dataclass(frozen=True, slots=True)
class Scrub:
    """The slice under the mouse: its picture, number and count, and how far right the mouse is."""

    picture: Any
    number: int
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Look:
    """How a card stands in the view.

    ``arrived`` is where the slices lie that have come (`arrived_shares`), of ``slices`` there will be.
    """

    series: Any
    state: CardState
    marks: Marks
    picture: Any | None
    selected: bool = False
    active: bool = False
    hovered: bool = False
    scrub: Scrub | None = None
    arrived: tuple[tuple[float, float], ...] | None = None
    slices: int = 0


def paint_card(painter: Any, theme: Theme, metrics: Metrics, rect: Any, look: Look) -> None:
    """Paint a card of the grid."""
    places = metrics.card(rect)
    painter.setRenderHint(qt.QPainter.Antialiasing, True)
    _paint_frame(painter, theme, metrics, places.frame, look, 6)
    if look.marks.sets > 1:
        _paint_stack(painter, theme, metrics, places.picture)
    _paint_picture(painter, theme, metrics, places.picture, look)
    _paint_edge(painter, theme, metrics, places.picture, look.state)
    _paint_corners(painter, theme, metrics, places, look)
    if look.scrub is not None:
        _paint_scrub(painter, metrics, places.picture, look.scrub)
    elif look.state.share is not None:
        paint_arrival(painter, metrics.px, places.picture, look.state.share, look.slices, look.arrived)
    _paint_words(painter, theme, metrics, places, look)


def paint_row(painter: Any, theme: Theme, metrics: Metrics, rect: Any, look: Look, boxed: bool) -> None:
    """Paint a compact row, boxed, or one of the Rows view."""
    px, state, series = metrics.px, look.state, look.series
    places = metrics.row(rect, boxed)
    painter.setRenderHint(qt.QPainter.Antialiasing, True)
    if boxed and not look.selected:
        _rounded(painter, places.frame, px(6), theme.colour("border"), theme.colour("card"))
    _paint_frame(painter, theme, metrics, places.frame, look, 6)
    if look.picture is not None:
        _paint_on_black(painter, places.picture, look.picture, px(3))
        if state.name in ("remote", "failed"):
            _paint_edge(painter, theme, metrics, places.picture, state)
    else:
        _rounded(painter, places.picture, px(4), None, theme.colour("bar"))
        side = px(18)
        icon = _KIND_ICONS.get(str(series.Modality), "image" if series.Rows else "document")
        spot = places.picture.center()
        painter.drawPixmap(spot.x() - side // 2 + 1, spot.y() - side // 2 + 1, theme.pixmap(icon, "mid", side))
    if state.icon:
        _paint_icon(painter, theme, places.state, state.icon, state.icon_tone, px(16))
    if state.in_scene:
        place = places.scene if state.icon else places.state
        _paint_icon(painter, theme, place, "cube", "ok", px(16))
    _paint_row_words(painter, theme, metrics, places, look, boxed)
    if state.share is not None:
        bar = qt.QRect(places.title.x(), places.frame.bottom() - px(3), places.frame.right() - places.title.x(), px(3))
        draw_progress(painter, theme, bar, state.share)


def _paint_row_words(painter: Any, theme: Theme, metrics: Metrics, places: CardPlaces, look: Look, boxed: bool) -> None:
    px, state, series = metrics.px, look.state, look.series
    title = qt.QRect(places.title)
    middle = title.y() + title.height() // 2
    title.setLeft(title.x() + draw_tag(painter, theme, title.x(), middle, str(series.Modality), metrics.font) + px(6))
    number = number_text(series)
    if number and not boxed:
        taken = draw_text(painter, title, number, scaled_font(metrics.font, 1.0, True), theme.colour("mid"))
        title.setLeft(title.x() + taken + px(7))
    taken = draw_text(painter, title, title_of(series), scaled_font(metrics.font, 1.0, True), theme.colour("text"))
    if state.new:
        _new_mark(painter, metrics, title.x() + taken + px(6), title)
    text = state.text if state.name != "local" else state.text + DOT + _("local") if boxed else state.text
    text = DOT.join(part for part in (number if boxed else "", text) if part)
    font = scaled_font(metrics.font, 12 / 13, state.tone != "mid")
    draw_text(painter, places.detail, text, font, theme.colour(state.tone))


def _new_mark(painter: Any, metrics: Metrics, x: int, line: Any) -> None:
    font = scaled_font(metrics.font, 10 / 13, True)
    width = text_width(_("NEW"), font) + metrics.px(10)
    if x + width > line.right():
        return
    box = qt.QRect(x, line.y() + metrics.px(1), width, line.height() - metrics.px(2))
    _rounded(painter, box, metrics.px(3), None, qt.QColor(_NEW_GROUND))
    draw_text(painter, box, _("NEW"), font, qt.QColor("#FFFFFF"), qt.Qt.AlignHCenter)


def _paint_frame(painter: Any, theme: Theme, metrics: Metrics, frame: Any, look: Look, radius: int) -> None:
    if look.selected:
        pen = qt.QPen(theme.colour("accent"))
        pen.setWidthF(2.0)
        _rounded(painter, frame.adjusted(1, 1, -1, -1), metrics.px(radius), pen, theme.colour("selection"))
    elif look.hovered:
        _rounded(painter, frame, metrics.px(radius), theme.colour("border"), theme.colour("hover"))
    if look.active:
        pen = qt.QPen(theme.colour("text"))
        pen.setStyle(qt.Qt.DotLine)
        inset = 4 if look.selected else 2
        _rounded(painter, frame.adjusted(inset, inset, -inset, -inset), metrics.px(radius - 2), pen, None)


def _paint_stack(painter: Any, theme: Theme, metrics: Metrics, picture: Any) -> None:
    """Two sheets that look out behind the picture."""
    px = metrics.px
    for step, token in ((2, "edge"), (1, "mid")):
        sheet = qt.QRect(
            picture.x() + step * px(5), picture.y() - px(1) - step * px(3), picture.width() - step * px(10), px(10)
        )
        _rounded(painter, sheet, px(2), None, theme.colour(token))


def _paint_picture(painter: Any, theme: Theme, metrics: Metrics, place: Any, look: Look) -> None:
    px = metrics.px
    picture = look.scrub.picture if look.scrub is not None else look.picture
    if picture is not None:
        _paint_on_black(painter, place, picture, px(4))
        return
    painter.drawPixmap(place.topLeft(), _hatched(place.size(), metrics, painter.device().devicePixelRatioF()))
    words = qt.QColor("#C4CAD2")
    big = scaled_font(metrics.font, 1.5 if not metrics.small else 1.0, True)
    height = int(metrics.line * 1.5)
    middle = place.y() + place.height() // 2
    top = middle - (height // 2 if metrics.small else height)
    area = qt.QRect(place.x(), top, place.width(), height)
    draw_text(painter, area, str(look.series.Modality), big, words, qt.Qt.AlignHCenter)
    if not metrics.small:
        below = qt.QRect(place.x() + px(4), area.bottom(), place.width() - px(8), metrics.line)
        small = scaled_font(metrics.font, 11 / 13)
        draw_text(painter, below, _why_no_picture(look), small, words, qt.Qt.AlignHCenter)


def _hatched(size: Any, metrics: Metrics, ratio: float) -> Any:
    """What stands for a picture that is not there, drawn once for each size."""
    key = (size.width(), size.height(), metrics.px(16), ratio)
    if key not in _HATCHED:
        px = metrics.px
        made = qt.QPixmap(round(size.width() * ratio), round(size.height() * ratio))
        made.setDevicePixelRatio(ratio)
        made.fill(qt.QColor(0, 0, 0, 0))
        painter = qt.QPainter(made)
        try:
            painter.setRenderHint(qt.QPainter.Antialiasing, True)
            path = qt.QPainterPath()
            path.addRoundedRect(qt.QRectF(0, 0, size.width(), size.height()), px(4), px(4))
            painter.setClipPath(path)
            painter.fillRect(0, 0, size.width(), size.height(), qt.QColor("#3A3E45"))
            painter.setPen(qt.QPen(qt.QColor("#2B2E34"), px(8)))
            for x in range(-size.height(), size.width() + px(16), px(16)):
                painter.drawLine(x, size.height(), x + size.height(), 0)
        finally:
            painter.end()
        _HATCHED.clear()  # one size is in use at a time
        _HATCHED[key] = made
    return _HATCHED[key]


def _why_no_picture(look: Look) -> str:
    if look.series.thumbnail or (look.series.local and not look.series.label):
        return _("picture on its way")
    return _("no picture") if look.series.local else _("no picture yet")


def _paint_on_black(painter: Any, place: Any, picture: Any, radius: int) -> None:
    painter.drawPixmap(place.topLeft(), _framed(picture, place.width(), place.height(), radius))


def _framed(picture: Any, width: int, height: int, radius: int) -> Any:
    """A picture in the middle of black with round corners, drawn once: to clip costs more than all else of a card."""
    key = (picture.cacheKey(), width, height, radius)
    if key not in _FRAMED:
        ratio = picture.devicePixelRatio()
        made = qt.QPixmap(round(width * ratio), round(height * ratio))
        made.setDevicePixelRatio(ratio)
        made.fill(qt.QColor(0, 0, 0, 0))
        painter = qt.QPainter(made)
        try:
            painter.setRenderHint(qt.QPainter.Antialiasing, True)
            _rounded(painter, qt.QRect(0, 0, width, height), radius, None, qt.QColor("#000000"))
            path = qt.QPainterPath()
            path.addRoundedRect(qt.QRectF(0, 0, width, height), radius, radius)
            painter.setClipPath(path)
            left = (width - round(picture.width() / ratio)) // 2
            painter.drawPixmap(qt.QPoint(left, (height - round(picture.height() / ratio)) // 2), picture)
        finally:
            painter.end()
        if len(_FRAMED) >= _MOST_FRAMED:
            _FRAMED.clear()
        _FRAMED[key] = made
    return _FRAMED[key]


def _paint_edge(painter: Any, theme: Theme, metrics: Metrics, picture: Any, state: CardState) -> None:
    if not state.edge:
        return
    pen = qt.QPen(theme.colour("error" if state.edge == "failed" else "accent"))
    pen.setWidthF(1.6)
    out = metrics.px(1)
    if state.edge == "dashed":
        pen.setDashPattern([3.0, 2.0])
        out = metrics.px(3)
    _rounded(painter, picture.adjusted(-out, -out, out, out), metrics.px(5), pen, None)


def _paint_corners(painter: Any, theme: Theme, metrics: Metrics, places: CardPlaces, look: Look) -> None:
    px, state, tag = metrics.px, look.state, places.tag
    small = scaled_font(metrics.font, 11 / 13, True)
    white = qt.QColor("#FFFFFF")
    for text, box in _tags(metrics, places, look.series, state, look.picture is not None or look.scrub is not None):
        if box.width() > px(12):
            _rounded(painter, box, px(3), None, _shade())
            draw_text(painter, box, text, small, white, qt.Qt.AlignHCenter)
    if state.new and not metrics.small:
        tiny = scaled_font(metrics.font, 10 / 13, True)
        box = qt.QRect(tag.x(), tag.bottom() + px(3), text_width(_("NEW"), tiny) + px(10), metrics.line - px(1))
        _rounded(painter, box, px(3), None, qt.QColor(_NEW_GROUND))
        draw_text(painter, box, _("NEW"), tiny, white, qt.Qt.AlignHCenter)
    if state.icon:
        _rounded(painter, places.state, px(4), None, _shade())
        tone = "#FFFFFF" if state.icon_tone == "text" else DARK[state.icon_tone]
        _paint_icon(painter, theme, places.state, state.icon, tone, px(16))
    if state.in_scene and look.scrub is None:
        box = places.scene.adjusted(px(2), px(2), -px(2), -px(2)) if not metrics.small else places.scene
        up = px(8) if state.share is not None else 0
        box = box.translated(0, -up)
        _rounded(painter, box, px(4), None, qt.QColor("#1C8447"))
        _paint_icon(painter, theme, box, "cube", "#FFFFFF", px(15))
    if look.marks.overlays and look.scrub is None:
        _rounded(painter, places.overlay, px(4), None, _shade())
        _paint_icon(painter, theme, places.overlay, "layers", "#FFFFFF", px(16))


def _tags(metrics: Metrics, places: CardPlaces, series: Any, state: CardState, pictured: bool) -> list[tuple[str, Any]]:
    """Words in the top left corner with their ``QRect``s; without a picture its modality stands in the middle."""
    px, tag = metrics.px, places.tag
    small = scaled_font(metrics.font, 11 / 13, True)
    words = [str(series.Modality)] if pictured else []
    if state.sets > 1:
        words.append(_("{count} sets").format(count=state.sets))
    x, right = tag.x(), places.state.x() - px(2) if state.icon else tag.right()
    found = []
    for text in words:
        box = qt.QRect(x, tag.y(), min(right - x, text_width(text, small) + px(10)), tag.height())
        found.append((text, box))
        x = box.right() + px(3)
    return found


def sets_place(metrics: Metrics, places: CardPlaces, series: Any, state: CardState) -> Any:
    """``QRect`` of the number of frame sets on a card that has several."""
    return _tags(metrics, places, series, state, bool(series.thumbnail))[-1][1]


def _paint_scrub(painter: Any, metrics: Metrics, picture: Any, scrub: Scrub) -> None:
    """The number of the slice, and where the mouse stands among all."""
    px = metrics.px
    small = scaled_font(metrics.font, 11 / 13, True)
    text = f"{scrub.number} / {scrub.count}"
    box = qt.QRect(picture.x() + px(4), picture.bottom() - metrics.line - px(9), 0, metrics.line + px(2))
    box.setWidth(min(picture.width() - px(8), text_width(text, small) + px(12)))
    _rounded(painter, box, px(3), None, _shade())
    draw_text(painter, box, text, small, qt.QColor("#FFFFFF"), qt.Qt.AlignHCenter)
    line = qt.QRect(picture.x(), picture.bottom() - px(3), picture.width(), px(3))
    painter.fillRect(line, qt.QColor(255, 255, 255, 70))
    done = round(line.width() * scrub.number / max(1, scrub.count))
    painter.fillRect(qt.QRect(line.x(), line.y(), done, line.height()), qt.QColor(DARK["accent"]))
    knob = min(line.right() - px(4), max(line.x(), line.x() + done - px(2)))
    painter.fillRect(qt.QRect(knob, line.y() - px(2), px(5), px(6)), qt.QColor("#FFFFFF"))


def _paint_words(painter: Any, theme: Theme, metrics: Metrics, places: CardPlaces, look: Look) -> None:
    title = qt.QRect(places.title)
    bold = scaled_font(metrics.font, 1.0, True)
    number = number_text(look.series)
    if number:
        taken = draw_text(painter, title, number, bold, theme.colour("mid"))
        title.setLeft(title.x() + taken + metrics.px(7))
    draw_text(painter, title, title_of(look.series), bold, theme.colour("text"))
    if not metrics.small:
        font = scaled_font(metrics.font, 12 / 13, look.state.tone != "mid")
        cut = look.state.short and text_width(look.state.text, font) > places.detail.width()
        text = look.state.short if cut else look.state.text
        draw_text(painter, places.detail, text, font, theme.colour(look.state.tone))


def _paint_icon(painter: Any, theme: Theme, place: Any, name: str, tone: str, side: int) -> None:
    x = place.x() + (place.width() - side) // 2
    painter.drawPixmap(x, place.y() + (place.height() - side) // 2, theme.pixmap(name, tone, side))


def _rounded(painter: Any, rect: Any, radius: int, pen: Any | None, brush: Any | None) -> None:
    painter.setPen(qt.Qt.NoPen if pen is None else pen)
    painter.setBrush(qt.QBrush() if brush is None else brush)
    inset = 0.0 if pen is None else 0.5
    area = qt.QRectF(rect)
    area.adjust(inset, inset, -inset, -inset)
    painter.drawRoundedRect(area, radius, radius)


def _shade() -> Any:
    return qt.QColor(18, 21, 25, _SHADE)
