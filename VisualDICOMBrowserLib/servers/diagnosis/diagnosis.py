"""Walks through everything that can be wrong with a server, and says where it stopped, why, and what to do.

Here: the walk itself and its result. The steps of each protocol are in ``dimse``, ``web`` and
``folder``, the words for people in ``texts``, what to do at once in ``acts``. Nothing is sent to the server but
questions, unless sending is to be tested too; one image is fetched and thrown away. One thread per walk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import BugError, JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.diagnosis.acts import REFUSED_CERTIFICATE, Act, acts_of
from VisualDICOMBrowserLib.servers.diagnosis.certificate import certificate_text
from VisualDICOMBrowserLib.servers.diagnosis.texts import Facts, advice_text, request_text
from VisualDICOMBrowserLib.servers.driver import DriverServices, ServerDriver, driver_for
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool

__all__ = ["FAILED", "NOT_TRIED", "PASSED", "SKIPPED", "Diagnosis", "Omitted", "Step", "Walk", "diagnose"]

PASSED, FAILED, SKIPPED, NOT_TRIED = "passed", "failed", "skipped", "not tried"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, ``passed``, ``failed``, ``skipped`` (not needed here) or ``not tried``, and seconds."""

    name: str
    state: str
    message: str
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain fields."""
        return {"name": self.name, "state": self.state, "message": self.message, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a walk found.

    ``ok`` is true where no step failed. ``advice`` says what each fault means and what to do, one sentence each;
    ``acts`` are those of it that can be done at once; ``request`` is a text for the administrator of the server, empty
    for a folder.
    """

    server: str
    ok: bool
    steps: tuple[Step, ...]
    advice: tuple[str, ...]
    request: str
    acts: tuple[Act, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the wire and for ``--json``."""
        return {
            "server": self.server,
            "ok": self.ok,
            "steps": [step.as_dict() for step in self.steps],
            "advice": list(self.advice),
            "request": self.request,
            "acts": [act.as_dict() for act in self.acts],
        }


class Omitted(Exception):
    """Raised by a step that is not carried out; `state` is ``skipped`` or ``not tried``."""

    def __init__(self, message: str, state: str = SKIPPED) -> None:
        super().__init__(message)
        self.state = state


@dataclass(slots=True)
class Walk:
    """The steps so far, what the later ones need of them, and the first fault."""

    config: ServerConfig
    settings: Settings
    pool: BulkPool | None
    services: DriverServices
    control: JobControl
    on_step: Callable[[Step], object] | None = None
    sends: bool = False
    total: int = 0
    steps: list[Step] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)
    _driver: ServerDriver | None = None

    def run(self, name: str, action: Callable[[], str], needs: Collection[str] = ()) -> None:
        """Carry out a step, unless one that it `needs` failed; `action` gives what is to be said of it.

        Raises
        ------
        JobCancelled
            The user gave up.
        """
        self.control.raise_if_cancelled()
        started = time.monotonic()
        missing = [step.name for step in self.steps if step.name in needs and step.state in (FAILED, NOT_TRIED)]
        state = PASSED
        try:
            if missing:
                nothing = ""
                raise Omitted(nothing, NOT_TRIED)
            message = action()
        except Omitted as reason:
            state, message = reason.state, str(reason)
        except (JobCancelled, BugError):
            raise
        except VisualDICOMError as fault:
            self.control.raise_if_cancelled()
            state, message = FAILED, fault.message
            self.facts.add_fault(name, fault)
        self._add(Step(name, state, message, time.monotonic() - started))

    def refused_certificate(self, endpoint: ServerConfig, fault: VisualDICOMError) -> None:
        """Keep what the certificate of the server says that was refused."""
        if fault.code in REFUSED_CERTIFICATE:
            self.facts.certificate = certificate_text(endpoint, self.control)

    def secrets(self) -> dict[str, str]:
        """Secrets of the server; empty without a store for them."""
        return dict(self.services.secrets.get(self.config.name)) if self.services.secrets is not None else {}

    def driver(self) -> ServerDriver:
        """The server's driver, one for the whole walk; to be called within a step, because making it may fail."""
        if self._driver is None:
            # The way over the network is what is tested, whatever shorter ways there are.
            config = replace(self.config, rest_url="", storage_folder="")
            self._driver = driver_for(config, self.settings, self.pool, self.services)
        return self._driver

    def close(self) -> None:
        """End what the driver has open."""
        if self._driver is not None:
            self._driver.close()

    def diagnosis(self) -> Diagnosis:
        """What came of the walk."""
        ok = all(step.state != FAILED for step in self.steps)
        advice = advice_text(self.config, self.facts)
        request, acts = request_text(self.config, self.facts), acts_of(self.config, self.facts)
        return Diagnosis(self.config.name, ok, tuple(self.steps), advice, request, acts)

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.control.progress(len(self.steps), self.total or None)
        if self.on_step is not None:
            self.on_step(step)


def diagnose(
    config: ServerConfig,
    settings: Settings,
    pool: BulkPool | None,
    services: DriverServices,
    control: JobControl,
    on_step: Callable[[Step], object] | None = None,
    *,
    sends: bool = False,
) -> Diagnosis:
    """Walk through a server step by step; stops where later steps need the one that failed.

    Parameters
    ----------
    config : ServerConfig
        The server.
    settings : Settings
        Our AE title and our listener.
    pool : BulkPool or None
        Worker processes that fetch, as for a retrieve.
    services : DriverServices
        Secrets, our listener, other servers, as for a driver.
    control : JobControl
        Cancels between and within steps.
    on_step : callable, optional
        Hears of each step when it is done, in this thread.
    sends : bool
        Send a small test image too, which may stay on the server.

    Raises
    ------
    JobCancelled
        The user gave up. Everything else is a result.
    """
    walk = Walk(config, settings, pool, services, control, on_step, sends)
    try:
        _steps_of(config.protocol)(walk)
    finally:
        walk.close()
    return walk.diagnosis()


def _steps_of(protocol: str) -> Callable[[Walk], None]:
    if protocol == "folder":
        from VisualDICOMBrowserLib.servers.diagnosis.folder import walk_folder

        return walk_folder
    if protocol == "dicomweb":
        from VisualDICOMBrowserLib.servers.diagnosis.web import walk_web

        return walk_web
    from VisualDICOMBrowserLib.servers.diagnosis.dimse import walk_dimse

    return walk_dimse
