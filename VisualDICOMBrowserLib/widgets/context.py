"""What every view of the browser is given: the way to the engine, the look, what is known, and the host.

`BrowserContext` is made once by the browser and handed to its parts, so that they neither import nor know each
other. Main thread only.
"""

from __future__ import annotations

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
        Shows a sentence in the notification bar: its level is ``info``, ``warn`` or ``error``.
    """

    def __init__(
        self,
        client: EngineClient,
        theme: Theme,
        host: Host,
        view_settings: ViewSettings,
        report: Callable[[str, str], None],
    ) -> None:
        self.client = client
        self.theme = theme
        self.host = host
        self.view_settings = view_settings
        self.report = report

    def ask(
        self,
        command: str,
        on_result: Callable[[Any], None] | None = None,
        on_error: Callable[[VisualDICOMError], None] | None = None,
        **arguments: Any,
    ) -> None:
        """Send a command to the engine; `on_result` gets what it answers, failures are reported unless taken."""

        def on_reply(result: Any, error: VisualDICOMError | None) -> None:
            if error is not None:
                if on_error is not None:
                    on_error(error)
                else:
                    self.report(str(error), "error")
            elif on_result is not None:
                on_result(result)

        self.client.send(command, on_reply, **arguments)
