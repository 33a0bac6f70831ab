"""What every view of the browser is given: the way to the engine, the look, what is known, and the host.

`BrowserContext` is made once by the browser and handed to its parts, so that they neither import nor know each
other. Main thread only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["BrowserContext", "Host", "ViewSettings"]


class ViewSettings(Protocol):
    """What is remembered between sessions: small JSON values by key."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Keep a value."""
        ...


class Host(Protocol):
    """What the program around the browser does for it: Slicer, or the desktop window."""

    @property
    def name(self) -> str:
        """How the place that series are loaded into is called in texts, such as ``Slicer``."""
        ...

    def load(self, series_uids: Sequence[str]) -> str:
        """Load series and return a sentence on what came of it.

        Raises
        ------
        VisualDICOMError
        """
        ...

    def in_scene(self) -> Mapping[str, str]:
        """What is loaded: by SeriesInstanceUID a few words such as ``176 slices``."""
        ...

    def show_in_scene(self, series_uid: str) -> None:
        """Bring a loaded series into view."""
        ...

    def follow_scene(self, on_closed: Callable[[], None]) -> Callable[[], None]:
        """Call `on_closed` whenever what is loaded was closed; the result ends that."""
        ...

    def has_extension(self, name: str) -> bool:
        """Whether the readers that an extension of Slicer brings are there."""
        ...

    def why_no_extension(self, name: str) -> str:
        """Why an extension of Slicer cannot be installed from here; empty if it can."""
        ...

    def install_extension(self, name: str) -> None:
        """Let the user install an extension of Slicer.

        Raises
        ------
        VisualDICOMError
        """
        ...

    def leave_database(self) -> None:
        """Let go of the database, whose file is about to be put aside."""
        ...

    def before_network(self) -> bool:
        """See to what must be there before a server is asked; False gives it up."""
        ...

    def open_database(self, folder: str) -> None:
        """Go over to the database in another folder, made if there is none.

        Raises
        ------
        VisualDICOMError
        """
        ...


class BrowserContext:
    """Handed to every view.

    Parameters
    ----------
    client : EngineClient
        Its callbacks come on the main thread.
    theme : Theme
    host : Host
    view_settings : ViewSettings
    report : Callable[[str, str], None]
        Shows a sentence in the notification bar: its level is ``info``, ``warn`` or ``error``; buttons may follow.

    Attributes
    ----------
    look_for_files : Callable[[Sequence of str], None]
        Called with series that could not be read; says it if their files are gone.
    """

    def __init__(
        self,
        client: EngineClient,
        theme: Theme,
        host: Host,
        view_settings: ViewSettings,
        report: Callable[..., None],
    ) -> None:
        self.client = client
        self.theme = theme
        self.host = host
        self.view_settings = view_settings
        self.report = report
        self.look_for_files: Callable[[Sequence[str]], None] = lambda _series: None
        self._left = False

    def for_window(self) -> BrowserContext:
        """The same for a window that may be gone before the engine answers."""
        return copy.copy(self)

    def leave(self) -> None:
        """Answers that are still to come go to nobody; failures that nobody takes are reported all the same."""
        self._left = True

    def ask(
        self,
        command: str,
        on_result: Callable[[Any], None] | None = None,
        on_error: Callable[[VisualDICOMError], None] | None = None,
        **arguments: Any,
    ) -> None:
        """Send a command to the engine; `on_result` gets what it answers, failures are reported unless taken."""

        def on_reply(result: Any, error: VisualDICOMError | None) -> None:
            if error is not None and on_error is None:
                self.report(str(error), "error")
            elif self._left:
                return
            elif error is not None and on_error is not None:
                on_error(error)
            elif on_result is not None:
                on_result(result)

        self.client.send(command, on_reply, **arguments)
