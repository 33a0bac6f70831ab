"""What is known of sign-ins with a code (OAuth 2.0 device flow), server by server. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["SignInState", "SignInStates", "sentence_of"]

ASKING, WAITING, DONE, EXPIRED, REFUSED, CANCELLED, FAILED = (
    "asking",
    "waiting",
    "done",
    "expired",
    "refused",
    "cancelled",
    "failed",
)


@dataclass(frozen=True, slots=True)
class SignInState:
    """One sign-in.

    ``step`` is ``asking`` (for a code), ``waiting`` (for the person), ``done``, ``expired``, ``refused``,
    ``cancelled`` or ``failed``; ``address`` is where the code is entered, ``url`` the same with the code in it;
    ``until`` is the clock's time at which the code ends, ``job_id`` the job that waits.
    """

    server: str
    step: str = ASKING
    address: str = ""
    url: str = ""
    code: str = ""
    until: float = 0.0
    job_id: str = ""
    message: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing is waited for any more."""
        return self.step not in (ASKING, WAITING)


class SignInStates:
    """Follows the events of the engine.

    Parameters
    ----------
    clock : Callable[[], float]
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[str, SignInState] = {}
        self._shown = ""

    @property
    def shown(self) -> SignInState | None:
        """The sign-in to show: the one that waits for the person longest, else the last that ended."""
        waiting = next((state for state in self._states.values() if not state.ended), None)
        return waiting or self._states.get(self._shown)

    def of(self, server: str) -> SignInState | None:
        """The last sign-in to a server."""
        return self._states.get(server)

    def asking(self, server: str) -> bool:
        """A code is to be asked for; False if one is waited for already."""
        known = self._states.get(server)
        if known is not None and not known.ended:
            return False
        self._put(SignInState(server))
        return True

    def begun(self, server: str, job_id: str) -> None:
        """The job that asks for it."""
        state = self._states.get(server)
        if state is not None and not state.ended and not state.job_id:
            self._put(replace(state, job_id=job_id))

    def hear(self, event: dict[str, Any]) -> bool:
        """Take an event of the engine; whether it was about a sign-in."""
        name = event["event"]
        if name == "sign_in_needed":
            before = self._states.get(str(event["server"]))
            job_id = str(event.get("job_id") or (before.job_id if before is not None else ""))
            until = self._clock() + float(event.get("expires_in") or 0.0)
            address, url = str(event.get("address") or event["url"]), str(event["url"])
            state = SignInState(str(event["server"]), WAITING, address, url, str(event["code"]), until, job_id)
            self._put(state)
        elif name == "sign_in_ended":
            self._end(str(event["server"]), str(event["outcome"]), str(event.get("message", "")))
        elif name == "job_finished":
            return self._job_ended(event["job"])
        elif name == "engine_ready":
            # The engine that waited is gone.
            for state in [state for state in self._states.values() if not state.ended]:
                self._put(replace(state, step=CANCELLED))
        else:
            return False
        return True

    def failed(self, server: str, message: str) -> None:
        """No code could be asked for."""
        self._end(server, FAILED, message)

    def seconds_left(self, state: SignInState) -> int:
        """For how long the code is good."""
        return max(0, round(state.until - self._clock()))

    def _job_ended(self, job: dict[str, Any]) -> bool:
        """A job that asked for a code may end without one: signed in already, or the server is out of reach."""
        state = next((each for each in self._states.values() if each.job_id == job["job_id"]), None)
        if state is None or state.ended:
            return False
        outcome = {"done": DONE, "cancelled": CANCELLED}.get(str(job["state"]), FAILED)
        self._end(state.server, outcome, str((job.get("error") or {}).get("message", "")))
        return True

    def _end(self, server: str, outcome: str, message: str) -> None:
        self._put(replace(self._states.get(server, SignInState(server)), step=outcome, message=message))

    def _put(self, state: SignInState) -> None:
        self._states[state.server] = state
        self._shown = state.server


def sentence_of(state: SignInState, seconds_left: int) -> str:
    """How a sign-in stands."""
    if state.step == WAITING:
        minutes, seconds = divmod(seconds_left, 60)
        left = f"{minutes}:{seconds:02}"
        return _("Waiting for you to sign in there. The code is good for {time}.").format(time=left)
    sentences = {
        ASKING: _("{server} is being asked for a code ..."),
        DONE: _("You are signed in to {server}."),
        EXPIRED: _("The code has expired, nobody signed in to {server} with it."),
        REFUSED: _("The sign-in to {server} was refused."),
        CANCELLED: _("The sign-in to {server} was given up."),
    }
    return sentences.get(state.step, state.message or _("Signing in to {server} failed.")).format(server=state.server)
