"""The commands an engine understands: each is one public method of a group, with plain JSON arguments and result.

The method's name is the command's name on the wire and its parameters are the command's arguments. None of them
waits for the network or for long work; those that start a job return its id.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from VisualDICOMBrowserLib.engine.commands_care import CareCommands
from VisualDICOMBrowserLib.engine.commands_facts import FactCommands
from VisualDICOMBrowserLib.engine.commands_jobs import JobCommands
from VisualDICOMBrowserLib.engine.commands_local import LocalCommands
from VisualDICOMBrowserLib.engine.commands_missing import MissingCommands
from VisualDICOMBrowserLib.engine.commands_network import NetworkCommands
from VisualDICOMBrowserLib.engine.commands_servers import ServerCommands
from VisualDICOMBrowserLib.engine.commands_view import ViewCommands
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["Commands"]


class Commands:
    """The command table of one engine."""

    def __init__(self, desk: EngineDesk) -> None:
        groups = (
            LocalCommands(desk),
            ViewCommands(desk),
            FactCommands(desk),
            CareCommands(desk),
            MissingCommands(desk),
            ServerCommands(desk),
            NetworkCommands(desk),
            JobCommands(desk),
        )
        self._methods: dict[str, Callable[..., Any]] = {
            name: getattr(group, name) for group in groups for name in vars(type(group)) if not name.startswith("_")
        }

    def run(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Call the method named `command` with `arguments`.

        Raises
        ------
        UsageError
            There is no such command, or it does not take these arguments.
        VisualDICOMError
            The command failed.
        """
        method = self._methods.get(command)
        if method is None:
            message = f"The engine knows no command {command!r}."
            raise UsageError(message, code="unknown_command", subject=command)
        try:
            bound = inspect.signature(method).bind(**arguments)
        except TypeError as error:
            message = f"The command {command} was given wrong arguments: {error}."
            raise UsageError(message, subject=command) from None
        return method(*bound.args, **bound.kwargs)
