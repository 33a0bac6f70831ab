"""Working offline, with a real engine and a real server: what waits, what is shown, and the way back."""

from __future__ import annotations

import os
import signal
from typing import Any

import qt

from Testing.support.browser_driving import Wait, add_server, names, query
from Testing.support.widget_driving import texts
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient


def notes(browser: Browser) -> str:
    return "\n".join(note.text for note in browser.note_bar.notes)


def words(browser: Browser) -> dict[str, str]:
    return {chip.name: chip.words for chip in browser.chips.shown}


def go_offline(browser: Browser, wait_until: Wait) -> None:
    (item,) = [each for each in browser.open_menu() if each.text == "Work Offline"]
    assert item.checked is False
    item.action()
    wait_until(lambda: browser.offline.on)


def go_online(browser: Browser, wait_until: Wait) -> None:
    (chip,) = [chip for chip in browser.chips._chips if not chip.isHidden() and chip.state.name == "Working offline"]
    chip.press("online")
    wait_until(lambda: not browser.offline.on)


def retrieve(client: QProcessClient) -> dict[str, Any]:
    return [job for job in client.request("jobs") if job["kind"] == "retrieve"][-1]


def test_offline_a_query_says_so_at_once_and_asks_nobody(
    filled: Browser, pacs: QProcessClient, client: QProcessClient, wait_until: Wait
) -> None:
    wait_until(lambda: "Main PACS" in words(filled))
    go_offline(filled, wait_until)
    assert words(filled)["Main PACS"] == "offline"
    before = len(client.request("jobs"))
    query(filled, wait_until, "1")
    wait_until(lambda: "Working offline: no server was asked." in notes(filled))
    assert words(filled)["Main PACS"] == "offline"
    assert len(client.request("jobs")) == before
    assert names(filled) == ["CompressedSamples, CT1", "CompressedSamples, MR1"]
    go_online(filled, wait_until)
    assert "Working offline" not in notes(filled)
    assert "Working offline" not in words(filled)
    query(filled, wait_until, "1")
    assert words(filled)["Main PACS"].startswith("2 studies")


def test_jobs_wait_offline_without_an_attempt_and_go_on_online(
    browser: Browser, pacs: QProcessClient, client: QProcessClient, wait_until: Wait
) -> None:
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None and browser.showing.current.studies[0].series)
    go_offline(browser, wait_until)
    assert words(browser)["Main PACS"].startswith("1 study")  # what it has answered stays
    browser.acts.fetch(browser.showing.current.studies[0].series)
    wait_until(lambda: [each for each in browser.feed.state.jobs() if each["kind"] == "retrieve"])
    (job,) = [each for each in browser.feed.state.jobs() if each["kind"] == "retrieve"]
    assert browser.feed.note(job) == "Working offline"
    assert (retrieve(client)["state"], retrieve(client)["attempts"]) == ("queued", 0)
    go_online(browser, wait_until)
    wait_until(lambda: retrieve(client)["state"] == "done")
    assert retrieve(client)["attempts"] == 1


def test_offline_outlives_the_engine_and_jobs_left_by_it_wait_on(
    browser: Browser, pacs: QProcessClient, client: QProcessClient, wait_until: Wait
) -> None:
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None and browser.showing.current.studies[0].series)
    go_offline(browser, wait_until)
    browser.acts.fetch(browser.showing.current.studies[0].series)
    # The question for the series of the study may still be under way.
    wait_until(lambda: [job for job in client.request("jobs") if job["kind"] == "retrieve"])
    before = client.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: client.pid not in (0, None, before))
    wait_until(lambda: "The background engine was restarted." in notes(browser))
    assert client.request("offline") is True
    assert (retrieve(client)["state"], retrieve(client)["attempts"]) == ("queued", 0)
    assert browser.offline.on
    go_online(browser, wait_until)
    wait_until(lambda: retrieve(client)["state"] == "done")


def test_when_no_server_answers_one_press_works_offline(
    filled: Browser, client: QProcessClient, free_port: int, wait_until: Wait
) -> None:
    add_server(client, "Old PACS", free_port)
    query(filled, wait_until, "1")
    wait_until(lambda: "No server answered." in notes(filled))
    (note,) = [note for note in filled.note_bar.notes if note.text.startswith("No server answered.")]
    assert [text for text, _action in note.actions] == ["Test connections", "Work offline"]
    note.actions[1][1]()
    wait_until(lambda: filled.offline.on and "Working offline" in words(filled))
    assert "connection refused" in words(filled)["Old PACS"]


def test_an_empty_window_offers_to_go_online(browser: Browser, pacs: QProcessClient, wait_until: Wait) -> None:
    wait_until(lambda: "Query servers" in [each.text for each in browser.findChildren(qt.QPushButton)])
    go_offline(browser, wait_until)
    wait_until(lambda: "No images yet" in texts(browser))
    buttons = [each for each in browser.findChildren(qt.QPushButton) if each.isVisibleTo(browser)]
    assert [each.text for each in buttons].count("Go online") == 2  # in the empty view and on the mark
    next(each for each in buttons if each.text == "Go online").click()
    wait_until(lambda: not browser.offline.on)
