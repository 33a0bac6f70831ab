"""What delegates draw with, drawn on pictures and measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import qt

from VisualDICOMBrowserLib.widgets.look import paint
from VisualDICOMBrowserLib.widgets.look.theme import Theme

WIDTH, HEIGHT = 200, 40


@pytest.fixture
def theme() -> Theme:
    return Theme("light")


@pytest.fixture
def image() -> Any:
    made = qt.QImage(WIDTH, HEIGHT, qt.QImage.Format_ARGB32)
    made.fill(qt.QColor("#FFFFFF"))
    return made


@contextmanager
def painter_on(image) -> Iterator[Any]:
    painter = qt.QPainter(image)
    try:
        yield painter
    finally:
        painter.end()


@pytest.fixture
def right_to_left() -> Iterator[None]:
    application = qt.QApplication.instance()
    application.layoutDirection = qt.Qt.RightToLeft
    yield
    application.layoutDirection = qt.Qt.LeftToRight


def columns_of(image, colour: str) -> list[int]:
    middle = HEIGHT // 2
    return [x for x in range(WIDTH) if image.pixelColor(x, middle).name().upper() == colour]


def drawn_columns(image) -> list[int]:
    white = qt.QColor("#FFFFFF")
    return [x for x in range(WIDTH) if any(image.pixelColor(x, y) != white for y in range(HEIGHT))]


@pytest.mark.parametrize(("fraction", "share"), [(-1, 0), (0, 0), (0.25, 0.25), (1, 1), (7, 1)])
def test_progress_fills_its_share(image, theme, fraction, share):
    with painter_on(image) as painter:
        paint.draw_progress(painter, theme, qt.QRect(0, 17, WIDTH, 6), fraction)
    assert len(columns_of(image, theme.text("accent"))) == pytest.approx(WIDTH * share, abs=4)


def test_progress_grows_from_the_side_that_one_reads_from(image, theme, right_to_left):
    with painter_on(image) as painter:
        paint.draw_progress(painter, theme, qt.QRect(0, 17, WIDTH, 6), 0.5)
    assert min(columns_of(image, theme.text("accent"))) == pytest.approx(WIDTH / 2, abs=4)


@pytest.mark.parametrize("tone", paint.TONES)
def test_pill_takes_the_width_it_says(image, theme, tone):
    font = qt.QFont()
    with painter_on(image) as painter:
        width = paint.draw_pill(painter, theme, 0, 20, "2 new", tone, font)
    assert width == paint.pill_size("2 new", font).width()
    assert max(drawn_columns(image), default=0) <= width


def test_tag_is_a_thin_frame(image, theme):
    with painter_on(image) as painter:
        width = paint.draw_tag(painter, theme, 0, 20, "RTDOSE", qt.QFont())
    assert 0 < width <= paint.pill_size("RTDOSE", qt.QFont()).width()
    assert image.pixelColor(width // 2, 20 - paint.pill_size("X", qt.QFont()).height()).name() == "#ffffff"


def test_icon_is_in_the_middle_of_its_place(image, theme):
    with painter_on(image) as painter:
        paint.draw_icon(painter, theme, "grid", "ok", qt.QRect(50, 0, 100, 40))
    drawn = drawn_columns(image)
    assert min(drawn) >= 80
    assert (min(drawn) + max(drawn)) / 2 == pytest.approx(100, abs=1)


@pytest.mark.parametrize("text", ["T1 MPRAGE sagittal isotropic, second", "النموذج ليلى"])
def test_text_begins_at_the_left_of_its_place_and_ends_in_it(image, theme, text):
    font = qt.QFont()
    rect = qt.QRect(20, 0, 120, 40)
    with painter_on(image) as painter:
        width = paint.draw_text(painter, rect, text, font, theme.colour("text"))
    assert width <= 120
    drawn = drawn_columns(image)
    assert min(drawn) <= 25
    assert max(drawn) <= 142


def test_text_begins_at_the_right_in_a_mirrored_layout(image, theme, right_to_left):
    with painter_on(image) as painter:
        paint.draw_text(painter, qt.QRect(0, 0, WIDTH, 40), "CT", qt.QFont(), theme.colour("text"))
    assert max(drawn_columns(image)) >= WIDTH - 4


def test_elided_text_fits_and_keeps_its_end_where_asked():
    font = qt.QFont()
    text = "/data/archive/2026/08/19/series-0009.dcm"
    short = paint.elided(text, font, 120)
    assert paint.text_width(short, font) <= 120
    assert short.endswith("…")
    assert paint.elided(text, font, 120, middle=True).endswith("m")
    assert paint.elided("CT", font, 120) == "CT"


@pytest.mark.parametrize("sized_in_pixels", [True, False])
def test_scaled_font_keeps_how_it_is_measured(sized_in_pixels):
    font = qt.QFont()
    if sized_in_pixels:
        font.setPixelSize(13)
    else:
        font.setPointSizeF(10)
    half = paint.scaled_font(font, 0.5, True)
    assert half.pixelSize() == 6 if sized_in_pixels else half.pointSizeF() == 5
    assert half.weight() == qt.QFont.DemiBold


def test_numbers_stand_off_the_edge_of_their_fields(theme, wait_until):
    window = qt.QWidget()
    column = qt.QVBoxLayout()
    window.setLayout(column)
    theme.apply(window)
    field = qt.QSpinBox()
    column.addWidget(field)
    window.show()
    line = field.findChild(qt.QLineEdit)
    wait_until(lambda: line.textMargins().left() > 0)
    window.close()
