"""The notification bar: one message at a time, merged by cause, closed by hand or by itself."""

from __future__ import annotations

import pytest
import qt

from VisualDICOMBrowserLib.widgets.look import note_bar
from VisualDICOMBrowserLib.widgets.look.note_bar import NoteBar
from VisualDICOMBrowserLib.widgets.look.theme import Theme


@pytest.fixture
def bar():
    window = qt.QWidget()
    column = qt.QVBoxLayout()
    made = NoteBar(Theme("light"))
    column.addWidget(made)
    window.setLayout(column)
    window.show()
    yield made
    window.close()


def shown_texts(bar) -> list[str]:
    return [button.text for button in bar.findChildren(qt.QPushButton) if not button.isHidden()]


def pressed(bar, text: str) -> None:
    next(button for button in bar.findChildren(qt.QPushButton) if button.text == text).click()


def test_bar_takes_no_room_without_a_message(bar):
    assert bar.isHidden()
    bar.say("Old PACS did not answer.", "error")
    assert not bar.isHidden()
    assert bar.accessibleName == "Old PACS did not answer."
    bar.close_note()
    assert bar.isHidden()


def test_messages_wait_behind_the_one_that_is_shown(bar):
    for number in range(3):
        bar.say(f"Message {number}", "warn")
    assert bar.current.text == "Message 0"
    assert "1 of 3" in shown_texts(bar)
    pressed(bar, "1 of 3")
    assert (bar.current.text, shown_texts(bar)) == ("Message 1", ["2 of 3"])
    bar.close_note()
    assert bar.current.text == "Message 2"
    bar.close_note()
    assert (bar.current.text, shown_texts(bar)) == ("Message 0", [])


def test_same_cause_is_one_message_with_a_count(bar):
    bar.say("Disk full, 0.2 GB left.", "error", key="disk")
    bar.say("Disk full, 0.1 GB left.", "error", key="disk")
    assert len(bar.notes) == 1
    assert bar.accessibleName == "Disk full, 0.1 GB left. (2 times)"
    bar.take_back("disk")
    assert bar.isHidden()


def test_taking_back_another_message_keeps_the_one_that_is_shown(bar):
    bar.say("One", "warn", key="one")
    bar.say("Two", "warn", key="two")
    bar.show_next()
    bar.take_back("one")
    assert bar.current.text == "Two"


def test_information_leaves_by_itself_and_errors_stay(bar, monkeypatch, wait_until):
    monkeypatch.setattr(note_bar, "_INFO_MS", 20)
    bar.say("Old PACS refused.", "error")
    bar.say("9 unfinished jobs go on.")
    bar.show_next()
    wait_until(lambda: len(bar.notes) == 1)
    assert bar.current.level == "error"
    assert not bar._timer.active


def test_button_acts_once_and_the_message_is_done(bar):
    done: list[str] = []
    actions = [("Show", lambda: done.append("show")), ("Pause all", lambda: done.append("pause")), ("No", print)]
    bar.say("9 unfinished jobs go on.", "info", actions)
    assert shown_texts(bar) == ["Show", "Pause all"]
    pressed(bar, "Pause all")
    assert (done, bar.isHidden()) == (["pause"], True)


def test_action_may_say_something_itself(bar):
    bar.say("Not loaded.", "warn", [("Try again", lambda: bar.say("Loaded."))])
    pressed(bar, "Try again")
    assert bar.current.text == "Loaded."


def test_details_are_shown_on_demand(bar):
    bar.say("The engine was restarted.", "warn", details="signal 11")
    details = bar.findChild(qt.QPlainTextEdit)
    assert details.isHidden()
    pressed(bar, "Details")
    assert (details.isHidden(), details.plainText) == (False, "signal 11")


def test_text_of_servers_is_not_taken_for_markup(bar):
    bar.say("<b>Old</b> PACS & more. It failed.", "error")
    label = max(bar.findChildren(qt.QLabel), key=lambda found: len(found.text))
    assert label.text == "<b>&lt;b&gt;Old&lt;/b&gt; PACS &amp; more.</b> It failed."


def test_unknown_level_is_information(bar):
    bar.say("Hello", "strange")
    assert bar.current.level == "info"
