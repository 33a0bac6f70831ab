"""What helps against the cause of a failure: which buttons there are, and what they do, with a real engine."""

from __future__ import annotations

from typing import Any

import pytest
import qt

from Testing.support.browser_driving import Wait, add_server, press_key, query
from Testing.support.widget_driving import all_named
from Testing.widgets.job_samples import NOW, brief, failure
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.jobs.remedies import remedies_of
from VisualDICOMBrowserLib.widgets.jobs.reports import next_steps
from VisualDICOMBrowserLib.widgets.jobs.state import JobsState
from VisualDICOMBrowserLib.widgets.jobs.words import note_of, server_limit
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient


def failed(code: str, message: str = "It failed.", **more: Any) -> dict[str, Any]:
    return brief(1, "failed", "MR 1 Head", error=failure(message, code), finished=NOW, **more)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("unknown_host", ["Edit address", "Test connection"]),
        ("refused", ["Test connection", "Edit port"]),
        ("timeout", ["Test connection"]),
        ("tls_expected", ["Switch TLS on", "Test connection"]),
        ("tls_not_expected", ["Switch TLS off", "Test connection"]),
        ("tls_certificate_expired", ["Certificates", "Test connection"]),
        ("called_ae", ["Copy request", "Test connection"]),
        ("calling_ae", ["Copy request", "Test connection"]),
        ("move_destination", ["Copy request", "Test connection"]),
        ("move_nothing_came", ["Test listener", "Copy request"]),
        ("cannot_listen", ["Listener settings"]),
        ("sign_in", ["Sign in", "Copy request"]),
        ("not_dicomweb", ["Edit URL", "Test connection"]),
        ("disk_full", ["Choose folder"]),
    ],
)
def test_each_cause_has_its_remedy_before_another_try(code: str, words: list[str]):
    steps = [step.words for step in next_steps(failed(code))]
    assert steps == [*words, "Try again"]


def test_a_server_without_c_get_is_asked_by_c_move():
    steps = next_steps(failed("no_context", "Main PACS offers no retrieve by C-GET."))
    assert steps[0].words == "Use C-MOVE"
    assert next_steps(failed("no_context", "Main PACS offers no search (C-FIND)."))[0].words == "Copy request"


def test_the_address_of_a_web_server_is_its_url():
    job = failed("tls_expected")
    assert [each.words for each in remedies_of(job, {"protocol": "dicomweb"})] == ["Edit URL", "Test connection"]


def test_what_will_be_tried_again_is_tried_now_first():
    waiting = brief(1, "waiting", error=failure("Main PACS: nothing listens.", "refused"), next_try=NOW + 9)
    assert [step.words for step in next_steps(waiting)] == ["Try now", "Test connection", "Cancel"]
    busy = brief(1, "waiting", error=failure("Main PACS is busy."), next_try=NOW + 9)
    assert [step.words for step in next_steps(busy)] == ["Try now", "Cancel"]
    full = brief(1, "paused", error={**failure("The disk is full.", "disk_full", ""), "server": ""})
    assert [step.words for step in next_steps(full)] == ["Choose folder", "Resume", "Cancel"]


def test_nothing_is_offered_for_a_server_that_is_not_known():
    job = brief(1, "failed", error=failure("Nothing listens.", "refused", ""), server="", finished=NOW)
    assert remedies_of(job) == ()


def test_a_queued_job_says_that_its_server_has_no_room():
    state = JobsState(lambda: NOW)
    state.replace([brief(1, "running"), brief(2, "running", kind="find"), brief(3, "queued"), brief(4, "queued")])
    job, server = state.get("retrieve-3"), {"max_associations": 2}
    assert job is not None
    assert note_of(job, state, None, server_limit(job, state, server)) == "server limit: 2 at a time"
    assert server_limit(job, state, {"max_associations": 3}) == 0
    assert server_limit(job, state, {"max_associations": 3, "fetch_workers": 1}) == 1
    state.update({**brief(1, "done"), "finished": NOW})
    assert server_limit(job, state, server) == 0


def test_a_paused_job_says_who_paused_it_and_when():
    state = JobsState(lambda: NOW)
    state.replace([brief(1, "paused"), brief(2, "queued")])
    state.update(brief(2, "paused"))
    assert note_of(state.get("retrieve-1") or {}, state) == "paused by you"
    assert note_of(state.get("retrieve-2") or {}, state) == "paused by you at 12:00"


def button(window: Any, text: str) -> Any:
    (found,) = [each for each in window.findChildren(qt.QPushButton) if each.text == text and each.isVisibleTo(window)]
    return found


@pytest.fixture
def failed_fetch(browser: Browser, client: QProcessClient, pacs: QProcessClient, wait_until: Wait) -> Browser:
    """The browser after a fetch that failed because the PACS has another AE title."""
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None)
    client.request("edit_server", name="Main PACS", called_ae_title="WRONG")
    browser.acts.fetch_studies([browser.showing.current.studies[0]])
    wait_until(lambda: any(note.level == "error" for note in browser.note_bar.notes))
    return browser


def test_the_bar_and_the_details_copy_the_request(failed_fetch: Browser, wait_until: Wait):
    browser = failed_fetch
    (note,) = [each for each in browser.note_bar.notes if each.level == "error"]
    assert [text for text, _act in note.actions] == ["Copy request", "Show"]
    qt.QApplication.clipboard().setText("")
    dict(note.actions)["Copy request"]()
    wait_until(lambda: "Dear PACS administrator" in qt.QApplication.clipboard().text())
    assert '"WRONG"' in qt.QApplication.clipboard().text()

    qt.QApplication.clipboard().setText("")
    dict(note.actions)["Show"]()
    wait_until(lambda: all_named(browser.jobs_panel, "Details of the job")[0].visible)
    button(browser.jobs_panel, "Copy request").click()
    wait_until(lambda: "Dear PACS administrator" in qt.QApplication.clipboard().text())


def test_the_details_open_the_test_of_the_server(failed_fetch: Browser, wait_until: Wait):
    browser = failed_fetch
    press_key(browser, "Ctrl+J")
    (job,) = [each for each in browser.feed.state.jobs() if each["state"] == "failed" and each["kind"] == "retrieve"]
    assert browser.jobs_panel.select(job["job_id"])
    button(browser.jobs_panel, "Test connection").click()
    window = browser.windows.open_servers()
    wait_until(lambda: "WRONG" in " ".join(each.text for each in window.findChildren(qt.QLabel) if each.text))


def test_tls_is_switched_and_the_job_tried_again(
    browser: Browser, client: QProcessClient, pacs: QProcessClient, wait_until: Wait
):
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None)
    client.request("edit_server", name="Main PACS", tls=True)
    browser.acts.fetch_studies([browser.showing.current.studies[0]])

    def job() -> dict[str, Any]:
        found = [each for each in browser.feed.state.jobs() if each["kind"] == "retrieve"]
        return found[0] if found else {}

    wait_until(lambda: job().get("state") in ("failed", "waiting"))
    press_key(browser, "Ctrl+J")
    assert browser.jobs_panel.select(job()["job_id"])
    button(browser.jobs_panel, "Switch TLS off").click()
    wait_until(lambda: job()["state"] == "done")
    assert client.request("servers")[0]["tls"] is False


def test_a_full_disk_is_told_once_with_what_is_left(browser: Browser, client: QProcessClient, wait_until: Wait):
    add_server(client, "Main PACS", 11112)
    full = brief(1, "paused", error={**failure("The disk is full.", "disk_full", ""), "server": ""})
    for _again in range(3):
        browser.hearing.hear({"event": "job_changed", "job": full})
    wait_until(lambda: browser.note_bar.notes and browser.note_bar.notes[0].count == 3)
    (note,) = browser.note_bar.notes
    assert note.text.startswith("Disk full, ")
    assert note.text.endswith(" left. Fetching is paused, nothing lost.")
    assert [text for text, _act in note.actions] == ["Choose folder"]
