"""Arguments of commands as records, with a sentence for each that is wrong. Pure; any thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from VisualDICOMBrowserLib.engine.kind_find import query_from
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["known_fields", "level_from", "query_of"]


def level_from(text: str) -> Level:
    """Query/retrieve level of that name.

    Raises
    ------
    UsageError
        There is no such level.
    """
    try:
        return Level(str(text).upper())
    except ValueError:
        message = f"{text!r} is not a level; use PATIENT, STUDY, SERIES or IMAGE."
        raise UsageError(message, subject=str(text)) from None


def query_of(level: str, filters: Mapping[str, Any]) -> Query:
    """Query at that level.

    Raises
    ------
    UsageError
        There is no such level or filter.
    """
    known = [field.name for field in dataclasses.fields(Query) if field.name != "level"]
    if wrong := ", ".join(sorted(set(filters) - set(known))):
        message = f"There is no filter {wrong}."
        raise UsageError(message, subject=wrong, next_step=f"Known filters: {', '.join(known)}.")
    return query_from({"level": level_from(level), **filters})


def known_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a server's settings as given.

    Raises
    ------
    UsageError
        A server has no such field.
    """
    known = {field.name for field in dataclasses.fields(ServerConfig)}
    if unknown := sorted(set(fields) - known):
        message = f"A server has no field {', '.join(unknown)}."
        raise UsageError(message, subject=unknown[0])
    return dict(fields)
