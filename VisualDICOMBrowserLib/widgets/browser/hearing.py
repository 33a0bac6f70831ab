"""What the browser makes of the engine's events, and what it says in the notification bar. Main thread only."""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["Hearing"]

_ENGINE_KEY = "engine"
_QUIET_KINDS = ("find", "thumbnail", "test", "echo")


class Hearing:
    """Passes events on to the views of a browser.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine; catalogue, search and jobs hear by themselves."""
        browser, name = self._browser, event.get("event")
        if name == "thumbnail_ready":
            browser.page.note_thumbnail(event)
        elif name == "strip_ready":
            browser.page.note_strip(event)
        elif name == "servers_changed":
            browser.ask_servers()
        elif name == "engine_ready":
            browser.note_bar.take_back(_ENGINE_KEY)
            browser.ask_servers()
        elif name == "engine_notice":
            level = str(event.get("level", "info"))
            browser.note_bar.say(str(event.get("message", "")), level, (), _ENGINE_KEY if level == "error" else "")
        elif name == "job_finished":
            self._job_ended(event["job"])

    def say_resumed(self, count: int) -> None:
        """Say that an earlier session's jobs go on."""
        browser = self._browser
        text = plural(count, "{count} unfinished job goes on.", "{count} unfinished jobs go on.")
        show = (_("Show"), lambda: browser.arranging.show_jobs(True))
        browser.note_bar.say(text, "info", (show, (_("Pause all"), lambda: browser.jobs_panel.pause_all())))

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
            say(text, "error", (show,), str(error.get("message", "")))
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
