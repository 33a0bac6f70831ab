"""What the browser makes of the engine's events, and what it says in the notification bar. Main thread only."""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.widgets.browser.care import DAMAGED
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["Hearing"]

_ENGINE_KEY, _RESTART_KEY, _SERVERS_KEY = "engine", "restart", "servers"
_QUIET_KINDS = ("find", "thumbnail", "test", "echo")


class Hearing:
    """Passes events on to the views of a browser.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._just_ready = self._restarted = self._damaged = False
        self._told_of: float | None = None

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine; catalogue, search and jobs hear by themselves."""
        browser, name = self._browser, event.get("event")
        if name == "thumbnail_ready":
            browser.page.note_thumbnail(event)
        elif name == "strip_ready":
            browser.page.note_strip(event)
        elif name == "slices_arrived":
            browser.page.note_arrived(event)
        elif name == "series_facts":
            browser.facts.note(event)
        elif name == "servers_changed":
            browser.ask_servers()
        elif name == "engine_ready":
            browser.note_bar.take_back(_ENGINE_KEY)
            browser.ask_servers()
            browser.worklist.begin_anew()
            browser.facts.begin_anew()
        elif name == "engine_notice":
            level = str(event.get("level", "info"))
            # The engine's client says so right after the new engine is ready.
            self._restarted = self._restarted or (self._just_ready and level == "warning")
            self._say_notice(level, str(event.get("message", "")))
        elif name == "engine_failed":
            self._damaged = (event.get("error") or {}).get("code") == DAMAGED
        elif name == "job_changed":
            browser.windows.remedies.note_paused(event["job"], browser.note_bar.say)
        elif name == "job_finished":
            self._job_ended(event["job"])
        browser.windows.care.hear(event)
        browser.watching.hear(event)
        browser.windows.hear(event)
        browser.offline.hear(event)
        self._just_ready = name == "engine_ready"

    def say_resumed(self, count: int) -> None:
        """Say that an earlier session's jobs go on."""
        browser = self._browser
        if self._restarted:
            text = _("The background engine was restarted. ") + plural(
                count, "{count} job goes on.", "{count} jobs go on."
            )
        else:
            text = plural(count, "{count} unfinished job goes on.", "{count} unfinished jobs go on.")
        browser.note_bar.take_back(_RESTART_KEY)
        show = (_("Show"), lambda: browser.arranging.show_jobs(True))
        pause = (_("Pause all"), lambda: browser.jobs_panel.pause_all())
        browser.note_bar.say(text, "info", (show, pause), _RESTART_KEY, self._last_words() if self._restarted else "")

    def _say_notice(self, level: str, message: str) -> None:
        """Say what the engine's client tells; of an engine that ended with the last lines of its log."""
        browser = self._browser
        key = {"error": _ENGINE_KEY, "warning": _RESTART_KEY}.get(level, "")
        actions = ((_("Rebuild"), browser.windows.care.rebuild),) if self._damaged and level == "error" else ()
        details = self._last_words() if level in ("error", "warning") else ""
        browser.note_bar.say(message, level, actions, key, details)

    def _last_words(self) -> str:
        return "\n".join(getattr(self._browser.context.client, "last_words", ()))

    def say_why(self, server: str) -> None:
        """What a server remarked on its answer; where it gave none, its settings, where it can be tested."""
        state = self._browser.run.states.get(server, {})
        if state.get("state") == "failed" or not state.get("warnings"):
            self._browser.windows.open_servers(server)
            return
        self._browser.note_bar.say(" ".join(state["warnings"]), "warn", (), f"why {server}")

    def note_search(self) -> None:
        """Say that no server has answered, once for each query; what is here stays."""
        browser, run = self._browser, self._browser.run
        states = run.states
        if states and run.asked_at != self._told_of and all(each["state"] == "offline" for each in states.values()):
            self._told_of = run.asked_at
            browser.offline.say_not_asked()
        if not run.finished or not states or any(each["state"] != "failed" for each in states.values()):
            if states:
                browser.note_bar.take_back(_SERVERS_KEY)
            return
        if self._told_of != run.asked_at:
            self._told_of = run.asked_at
            names = list(states)
            test = (_("Test connections"), lambda: browser.windows.test_servers(names))
            offline = (_("Work offline"), browser.offline.go_offline)
            text = _("No server answered. What is here stays.")
            browser.note_bar.say(text, "error", (test, offline), _SERVERS_KEY)

    def _job_ended(self, job: dict[str, Any]) -> None:
        """Say what failed in the background, and what an import left out; the rest is in the job list."""
        self._browser.change_soon()
        say = self._browser.note_bar.say
        show = (_("Show"), lambda: self._browser.navigation.show_job(str(job["job_id"])))
        result = job.get("result") or {}
        left = int(result.get("failed_count") or 0)
        if job["kind"] == "retrieve" and job["state"] in ("failed", "cancelled", "partly"):
            self._browser.acts.give_up_loading((job.get("concerns") or {}).get("series") or ())
        if job["state"] == "failed" and job["kind"] not in _QUIET_KINDS:
            error = job.get("error") or {}
            text = f"{error.get('message', '')} {error.get('next_step', '')}".strip()
            mending = self._browser.windows.remedies.buttons(job)
            say(text, "error", (*mending, show), str(error.get("message", "")))
        elif job["kind"] == "import" and job["state"] in ("done", "partly"):
            text = plural(int(result.get("imported") or 0), "{count} image imported.", "{count} images imported.")
            if left:
                text += " " + plural(left, "{count} file was not taken.", "{count} files were not taken.")
            say(text, "warn" if left else "info", (show,) if left else ())
        elif job["kind"] == "retrieve" and job["state"] == "partly":
            text = plural(
                left, "{count} image is missing; the rest is kept.", "{count} images are missing; the rest is kept."
            )
            say(f"{job.get('label') or ''}: {text}", "warn", (show,))
        elif job["kind"] == "send" and job["state"] == "partly":
            text = plural(left, "{count} image was not sent.", "{count} images were not sent.")
            say(f"{job.get('label') or ''}: {text}", "warn", (show,))
