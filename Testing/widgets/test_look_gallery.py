"""All parts of the look, in every look: drawn, named, of a size that can be hit, and acting."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import qt

from Testing.support.look_gallery import Gallery, nothing
from VisualDICOMBrowserLib.widgets.look import parts
from VisualDICOMBrowserLib.widgets.look.icons import icon_names
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.look.tokens import LOOKS

Wait = Callable[[Callable[[], object]], None]

SMALLEST = 24
"""Pixels that a target has, with a font of 13 pixels."""

BUTTONS = (qt.QToolButton, qt.QPushButton)


@pytest.fixture
def theme() -> Theme:
    return Theme("light")


@pytest.fixture
def gallery(theme):
    made = Gallery(theme)
    made.show()
    yield made
    made.close()


@pytest.fixture
def large_font():
    before = qt.QFont(qt.QApplication.font())
    large = qt.QFont(before)
    large.setPixelSize(26)
    qt.QApplication.setFont(large)
    yield large
    qt.QApplication.setFont(before)


def ink_share(pixmap, colour: str) -> float:
    image = pixmap.toImage()
    places = [(x, y) for x in range(image.width()) for y in range(image.height())]
    drawn = [image.pixelColor(*place) for place in places if image.pixelColor(*place).alpha() > 128]
    asked = qt.QColor(colour)
    assert all(abs(pixel.green() - asked.green()) < 4 and abs(pixel.red() - asked.red()) < 4 for pixel in drawn)
    return len(drawn) / len(places)


@pytest.mark.parametrize("look", LOOKS)
def test_gallery_is_drawn_in_every_look(look, tmp_path):
    gallery = Gallery(Theme(look))
    gallery.show()
    picture = gallery.grab()
    folder = Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)
    assert picture.save(str(folder / f"gallery-{look}.png"))
    assert picture.toImage().pixelColor(1, 1).name().upper() == Theme(look).text("window")
    gallery.close()


@pytest.mark.parametrize("name", icon_names())
def test_icon_draws_lines_in_the_colour_asked_for(name, theme):
    share = ink_share(theme.pixmap(name, "#14703a", 24), "#14703a")
    assert 0.01 < share < 0.6


def test_every_button_has_a_name_and_can_be_hit(gallery, theme):
    buttons = [button for kind in BUTTONS for button in gallery.findChildren(kind) if button.visible]
    for button in buttons:
        if button.parent().inherits("QTabBar") or button.parent().inherits("QLineEdit"):
            continue  # Qt's own.
        assert button.accessibleName or button.text
        assert button.height >= theme.px(SMALLEST)
    assert len(buttons) > 20


def test_fields_have_the_height_of_the_design_and_are_named(theme):
    font = qt.QFont(qt.QApplication.font())
    before = qt.QFont(font)
    font.setPixelSize(13)
    qt.QApplication.setFont(font)
    gallery = Gallery(theme)
    gallery.show()
    assert [field.height for field in gallery.fields] == [30] * 7
    assert [field.accessibleName for field in gallery.fields] == list("ABCDEFG")
    assert gallery.primary.height == 30
    gallery.close()
    qt.QApplication.setFont(before)


def test_lengths_grow_with_the_font(theme, large_font):
    assert theme.px(30) == 60
    gallery = Gallery(theme)
    gallery.show()
    assert min(field.height for field in gallery.fields) >= 52
    assert gallery.tool.iconSize.width() == 32
    gallery.close()


def test_keys_are_told_in_the_hint(gallery):
    assert gallery.tool.toolTip == "Settings (Ctrl+,)"


def test_switch_calls_for_the_user_alone(theme):
    changes: list[str] = []
    switch = parts.Segmented(theme, [("grid", "cards", "Cards"), ("rows", "rows", "Rows")], changes.append)
    first, second = switch.findChildren(qt.QToolButton)
    assert switch.chosen == "cards"
    switch.choose("rows")
    assert (first.checked, second.checked, changes) == (False, True, [])
    first.click()
    first.click()
    assert (switch.chosen, first.checked, changes) == ("cards", True, ["cards"])


def test_clear_button_is_there_while_the_field_holds_something(theme):
    field = qt.QLineEdit()
    action = parts.clear_button(theme, field)
    assert not action.visible
    field.text = "42"
    assert action.visible
    action.trigger()
    assert (field.text, action.visible) == ("", False)


def test_asking_sign_comes_late_and_goes(theme, wait_until):
    mark = parts.BusyMark(theme)
    mark.show()
    empty = mark.grab().toImage()
    mark.start()
    assert mark.grab().toImage() == empty
    wait_until(lambda: mark.grab().toImage() != empty)
    mark.stop()
    assert (mark.running, mark.grab().toImage() == empty) == (False, True)


def test_elided_label_tells_the_rest_in_its_hint(theme):
    label = parts.ElidedLabel("A long description of a series that has no room")
    label.resize(80, 20)
    label.grab()
    assert label.toolTip == label.text
    label.resize(2000, 20)
    label.grab()
    assert label.toolTip == ""


def test_theme_change_reaches_parts_until_they_are_gone(theme):
    button = parts.tool_button(theme, "gear", "Settings", nothing)
    light = button.icon.pixmap(16, 16).toImage()
    theme.choose("dark")
    assert button.icon.pixmap(16, 16).toImage() != light
    calls: list[str] = []
    theme.follow(button, lambda: calls.append(theme.look))
    button.deleteLater()
    qt.QCoreApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete)
    theme.choose("light")
    assert calls == ["dark"]


def test_system_look_follows_the_palette():
    theme = Theme("system")
    seen: list[str] = []
    theme.subscribe(lambda: seen.append(theme.look))
    before = qt.QPalette(qt.QApplication.palette())
    night, day = qt.QPalette(before), qt.QPalette(before)
    night.setColor(qt.QPalette.Window, qt.QColor("#202020"))
    day.setColor(qt.QPalette.Window, qt.QColor("#F0F0F0"))
    try:
        qt.QApplication.setPalette(day)
        seen.clear()
        qt.QApplication.setPalette(night)
        assert seen == ["dark"]
    finally:
        qt.QApplication.setPalette(before)


def test_style_sheet_is_filled_in_and_may_be_ones_own(theme, tmp_path):
    assert "@" not in theme.sheet()
    own = tmp_path / "own.qss"
    own.write_text("QLabel { color: @accent; min-height: @px(13)px; image: url(@icon(check,ok)); }")
    theme.use_sheet(own)
    text = theme.sheet()
    assert theme.text("accent") in text
    icon = Path(text.partition("url(")[2].partition(")")[0])
    assert theme.text("ok") in icon.read_text()
    own.unlink()
    assert "QPushButton" in theme.sheet()
