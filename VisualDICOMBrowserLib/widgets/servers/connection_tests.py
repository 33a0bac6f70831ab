"""The last connection test of each server, kept between sessions; a test under way step by step. No widgets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["ConnectionTests"]

_KEY = "servers/tests"


class ConnectionTests:
    """Starts tests and hears of their steps.

    Parameters
    ----------
    context : BrowserContext
    on_change : Callable[[str], None]
        Called with the name of a server whose test has got on.
    """

    def __init__(self, context: BrowserContext, on_change: Callable[[str], None]) -> None:
        self._context = context
        self._on_change = on_change
        self._running: dict[str, dict[str, Any]] = {}
        kept = context.view_settings.get(_KEY, {})
        self._last: dict[str, dict[str, Any]] = dict(kept) if isinstance(kept, dict) else {}

    @property
    def last(self) -> dict[str, dict[str, Any]]:
        """By server what the last test found: the fields of a diagnosis, ``time``, ``seconds`` and ``job_id``."""
        return self._last

    @property
    def running(self) -> list[str]:
        """Servers that are being tested."""
        return list(self._running)

    def steps(self, server: str) -> list[dict[str, Any]]:
        """The steps so far of the test under way, else those of the last one."""
        found = self._running.get(server) or self._last.get(server) or {}
        return list(found.get("steps", ()))

    def start(self, server: str, store: bool = False) -> None:
        """Test a server, unless that is under way; with `store`, by sending a test image too."""
        if server in self._running:
            return
        self._running[server] = {"steps": [], "job_id": ""}

        def begun(job_id: str) -> None:
            test = self._running.get(server)
            if test is not None:
                test["job_id"] = job_id
                self._on_change(server)

        asked = {"name": server, **({"store": True} if store else {})}
        self._context.ask("test_server", begun, lambda error: self._failed(server, error), **asked)
        self._on_change(server)

    def stop(self, server: str) -> None:
        """Give up a test."""
        job_id = self._running.get(server, {}).get("job_id")
        if job_id:
            self._context.ask("cancel_job", job_id=job_id)

    def rename(self, old: str, new: str) -> None:
        """A server has got another name."""
        for tests in (self._running, self._last):
            if old in tests:
                tests[new] = tests.pop(old)
        self._keep()

    def forget(self, server: str) -> None:
        """A server is gone, or is not what was tested any more."""
        if self._last.pop(server, None) is not None:
            self._keep()

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine."""
        if event["event"] == "test_step":
            test = self._running.setdefault(
                event["server"], {"steps": [], "job_id": event["job_id"], "begun": time.time()}
            )
            test["job_id"] = event["job_id"]
            test["steps"].append({name: event[name] for name in ("name", "state", "message", "seconds")})
            self._on_change(event["server"])
        elif event["event"] == "job_finished" and event["job"]["kind"] == "test":
            self._finished(event["job"])
        elif event["event"] == "engine_ready":
            # Tests do not go on in another engine.
            stopped, self._running = list(self._running), {}
            for server in stopped:
                self._on_change(server)

    def _finished(self, job: dict[str, Any]) -> None:
        server = str(job["server"])
        test = self._running.pop(server, {"steps": []})
        result = job.get("result") or {}
        if job["state"] == "cancelled":
            self._on_change(server)
            return
        seconds = (job.get("finished") or 0.0) - (job.get("started") or 0.0)
        error = job.get("error") or {}
        self._last[server] = {
            "ok": bool(result.get("ok")),
            "steps": result.get("steps") or test["steps"],
            "advice": result.get("advice") or [text for text in (error.get("next_step"),) if text],
            "request": result.get("request", ""),
            "acts": result.get("acts") or [],
            "error": error.get("message", ""),
            "time": job.get("finished") or time.time(),
            "seconds": round(seconds, 1),
            "job_id": job["job_id"],
        }
        self._keep()
        self._on_change(server)

    def _failed(self, server: str, error: VisualDICOMError) -> None:
        self._running.pop(server, None)
        self._context.report(_("The test could not be started. {reason}").format(reason=error), "error")
        self._on_change(server)

    def _keep(self) -> None:
        self._context.view_settings.put(_KEY, self._last)
