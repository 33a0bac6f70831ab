"""Paints the header of a study, in the list and where it sticks to the top. Main thread only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.paint import (
    draw_pill,
    draw_progress,
    draw_tag,
    draw_text,
    pill_size,
    scaled_font,
    text_width,
)
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.geometry import HeaderPlaces, Metrics
from VisualDICOMBrowserLib.widgets.page.words import DOT, count_text, study_date, time_text

__all__ = ["HeaderLook", "counts_place", "paint_header"]

_ICONS = {"local": ("check", "ok"), "remote": ("cloud", "accent"), "partly": ("cloud-half", "accent")}
_MOST_TAGS = 5
_ICON, _BAR, _SHORT_BAR, _LEAST_WORD = 16, 90, 44, 40
_LEAST_BESIDE_LINK = 170
"""Room for the date; what the filters hide is told even if it shortens the description."""


@dataclass(frozen=True, slots=True)
class HeaderLook:
    """What a header shows.

    ``state`` is a name, words and a share, as `study_state` gives them; ``shown`` is how many series are shown,
    ``fitting`` how many the filters let through where they hide some, -1 where they hide none.
    """

    study: Any
    opened: bool
    earlier: str
    shown: int
    new: int
    state: tuple[str, str, float | None]
    active: bool = False
    hovered: bool = False
    more_hovered: bool = False
    fitting: int = -1
    link_hovered: bool = False

    @property
    def linked(self) -> bool:
        """Whether the counts can be clicked, to show what the filters hide, or to hide it again."""
        return self.fitting >= 0

    @property
    def counts(self) -> str:
        """How many series and images; of a partly shown study how many of them are shown."""
        total = int(self.study.series_count)
        if self.linked:
            text = _("{fitting:,} of {total:,} series, show all")
            if self.shown > self.fitting:
                text = _("{total:,} series, show {fitting:,} of {total:,}")
            return text.format(fitting=self.fitting, total=total)
        if 0 < self.shown < total:
            series = _("{shown:,} of {total:,} series").format(shown=self.shown, total=total)
        else:
            series = plural(total, "{count} series", "{count} series")
        images = int(self.study.image_count)
        return _("{series}, {images}").format(series=series, images=count_text(images)) if images else series


def paint_header(painter: Any, theme: Theme, metrics: Metrics, rect: Any, look: HeaderLook) -> None:
    """Paint a header into the row's rectangle."""
    px = metrics.px
    places = metrics.header(rect)
    painter.setRenderHint(qt.QPainter.Antialiasing, True)
    painter.setPen(theme.colour("border") if look.hovered else qt.Qt.NoPen)
    painter.setBrush(theme.colour("bar"))
    painter.drawRoundedRect(qt.QRectF(places.box), px(5), px(5))
    if look.active:
        pen = qt.QPen(theme.colour("text"))
        pen.setStyle(qt.Qt.DotLine)
        painter.setPen(pen)
        painter.setBrush(qt.QBrush())
        painter.drawRoundedRect(qt.QRectF(places.box.adjusted(2, 2, -3, -3)), px(4), px(4))
    if look.more_hovered:
        painter.setPen(qt.Qt.NoPen)
        painter.setBrush(theme.colour("hover"))
        painter.drawRoundedRect(qt.QRectF(places.more), px(4), px(4))
    _icon(painter, theme, places.chevron, "chevron-down" if look.opened else "chevron-right", "text", px(16))
    _icon(painter, theme, places.more, "more", "mid", px(16))
    if metrics.narrow:
        _paint_two_lines(painter, theme, metrics, rect, look)
    else:
        _paint_one_line(painter, theme, metrics, rect, look)


def counts_place(metrics: Metrics, rect: Any, look: HeaderLook) -> Any:
    """``QRect`` of the counts within a header's row; empty where there is no room for them."""
    px, small = metrics.px, scaled_font(metrics.font, 12 / 13)
    area = _area(metrics, metrics.header(rect))
    width = text_width(look.counts, small) + 2
    if metrics.narrow:
        right = _left_of_state(metrics, area, look, px(_SHORT_BAR), brief=True) - px(8)
        x = area.x() + text_width(_before_counts(look), small)
        top = area.y() + (area.height() - 2 * metrics.line) // 2 + metrics.line
        return qt.QRect(x, top, max(0, min(width, right - x)), metrics.line)
    right = _left_of_state(metrics, area, look, px(_BAR)) - px(18)
    least = area.x() + (px(_LEAST_BESIDE_LINK) if look.linked else _least_width(metrics, look))
    if not look.counts or right - width <= least:
        return qt.QRect(right, area.y(), 0, area.height())
    return qt.QRect(right - width, area.y(), width, area.height())


def _area(metrics: Metrics, places: HeaderPlaces) -> Any:
    """Between the chevron and the menu."""
    left = places.chevron.right() + metrics.px(5)
    return qt.QRect(left, places.box.y(), places.more.x() - left - metrics.px(4), places.box.height())


def _before_counts(look: HeaderLook) -> str:
    new = plural(look.new, "{count} new", "{count} new") if look.new else ""
    return "".join(part + DOT for part in (new, look.earlier) if part)


def _paint_counts(painter: Any, theme: Theme, metrics: Metrics, place: Any, look: HeaderLook) -> None:
    font = qt.QFont(scaled_font(metrics.font, 12 / 13))
    font.setUnderline(look.link_hovered)
    draw_text(painter, place, look.counts, font, theme.colour("accent" if look.linked else "mid"))


def _paint_one_line(painter: Any, theme: Theme, metrics: Metrics, rect: Any, look: HeaderLook) -> None:
    px, study = metrics.px, look.study
    area = _area(metrics, metrics.header(rect))
    right = _paint_state(painter, theme, metrics, area, look, px(_BAR)) - px(18)
    small = scaled_font(metrics.font, 12 / 13)
    mid = theme.colour("mid")
    accession = _("Acc. {number}").format(number=study.AccessionNumber) if study.AccessionNumber else ""
    least = area.x() + _least_width(metrics, look)
    counts = counts_place(metrics, rect, look)
    if counts.width():
        _paint_counts(painter, theme, metrics, counts, look)
        right = counts.x() - px(18)
    width = text_width(accession, small)
    if accession and right - width > least:
        draw_text(painter, qt.QRect(right - width, area.y(), width + 2, area.height()), accession, small, mid)
        right -= width + px(18)
    x, middle = area.x(), area.y() + area.height() // 2
    bold = scaled_font(metrics.font, 1.0, True)

    def put(text: str, font: Any, colour: Any, gap: int) -> None:
        nonlocal x
        if text and right > x:
            x += draw_text(painter, qt.QRect(x, area.y(), right - x, area.height()), text, font, colour) + px(gap)

    put(study_date(study), bold, theme.colour("text"), 8)
    put(time_text(str(study.StudyTime or "")), small, mid, 14)
    if look.new:
        text = plural(look.new, "{count} new", "{count} new")
        x += draw_pill(painter, theme, x, middle, text, "new", metrics.font) + px(10)
    for modality in list(study.ModalitiesInStudy or ())[:_MOST_TAGS]:
        if x + pill_size(str(modality), metrics.font).width() < right:
            x += draw_tag(painter, theme, x, middle, str(modality), metrics.font) + px(4)
    x += px(7)
    pill = pill_size(look.earlier, metrics.font).width() + px(10) if look.earlier else 0
    bound, right = right, right - pill
    put(
        str(study.StudyDescription or _("No description")),
        scaled_font(metrics.font, 1.0, True),
        theme.colour("text"),
        10,
    )
    right = bound
    if look.earlier and x + pill - px(10) <= right:
        draw_pill(painter, theme, x, middle, look.earlier, "mid", metrics.font)


def _least_width(metrics: Metrics, look: HeaderLook) -> int:
    """What date, modalities and the description need, before counts are worth their room."""
    study, font = look.study, metrics.font
    tags = list(study.ModalitiesInStudy or ())[:_MOST_TAGS]
    width = text_width(f"{study_date(study)} 00:00", scaled_font(font, 1.0, True)) + metrics.px(60)
    width += sum(pill_size(str(tag), font).width() + metrics.px(4) for tag in tags)
    width += pill_size(look.earlier, font).width() if look.earlier else 0
    width += pill_size(_("{count} new").format(count=look.new), font).width() if look.new else 0
    described = text_width(str(study.StudyDescription or ""), scaled_font(font, 1.0, True))
    return int(width + min(described, metrics.px(220)))


def _paint_two_lines(painter: Any, theme: Theme, metrics: Metrics, rect: Any, look: HeaderLook) -> None:
    px, study = metrics.px, look.study
    area = _area(metrics, metrics.header(rect))
    right = _paint_state(painter, theme, metrics, area, look, px(_SHORT_BAR), brief=True) - px(8)
    top = area.y() + (area.height() - 2 * metrics.line) // 2
    first = qt.QRect(area.x(), top, right - area.x(), metrics.line)
    title = "  ".join(part for part in (study_date(study), str(study.StudyDescription or "")) if part)
    draw_text(painter, first, title, scaled_font(metrics.font, 1.0, True), theme.colour("text"))
    counts, small, mid = counts_place(metrics, rect, look), scaled_font(metrics.font, 12 / 13), theme.colour("mid")
    before = qt.QRect(area.x(), counts.y(), min(counts.x(), right) - area.x(), metrics.line)
    draw_text(painter, before, _before_counts(look), small, mid)
    if not counts.width():
        return
    _paint_counts(painter, theme, metrics, counts, look)
    after = qt.QRect(counts.right() - 1, counts.y(), right - counts.right() + 1, metrics.line)
    if look.state[0] != "local" and after.width() > px(_LEAST_WORD):
        draw_text(painter, after, DOT + look.state[1], small, mid)


def _paint_state(
    painter: Any, theme: Theme, metrics: Metrics, area: Any, look: HeaderLook, bar: int, brief: bool = False
) -> int:
    """Progress, Complete or the server at the right end; returns where it begins."""
    px = metrics.px
    name, text, share = look.state
    small = scaled_font(metrics.font, 12 / 13, share is not None)
    x = area.right() - px(4)
    left = _left_of_state(metrics, area, look, bar, brief=brief)
    token = "accent" if share is not None else "ok" if name == "local" else "mid"
    if not brief:
        width = text_width(text, small)
        x -= width
        draw_text(painter, qt.QRect(x, area.y(), width + 2, area.height()), text, small, theme.colour(token))
    if share is not None:
        height = px(6)
        place = qt.QRect(left, area.y() + (area.height() - height) // 2, bar, height)
        painter.setPen(qt.Qt.NoPen)
        draw_progress(painter, theme, place, share)
    else:
        icon, tone = _ICONS[name]
        side = px(_ICON)
        _icon(painter, theme, qt.QRect(left, area.y(), side, area.height()), icon, tone, side)
    return left


def _left_of_state(metrics: Metrics, area: Any, look: HeaderLook, bar: int, *, brief: bool = False) -> int:
    """Where progress, Complete or the server begins."""
    text, share = look.state[1:]
    words = 0 if brief else text_width(text, scaled_font(metrics.font, 12 / 13, share is not None)) + metrics.px(7)
    return int(area.right() - metrics.px(4) - words - (bar if share is not None else metrics.px(_ICON)))


def _icon(painter: Any, theme: Theme, place: Any, name: str, token: str, side: int) -> None:
    x = place.x() + (place.width() - side) // 2
    painter.drawPixmap(x, place.y() + (place.height() - side) // 2, theme.pixmap(name, token, side))
