"""What becomes of a job's record when a server that it names gets another name. Pure functions."""

from __future__ import annotations

from dataclasses import replace

from VisualDICOMBrowserLib.jobs.job import JobRecord

__all__ = ["names_server", "with_server_renamed"]

_SOURCES = "sources"
"""Parameter that holds names of servers."""


def names_server(record: JobRecord, server: str) -> bool:
    """Whether a job concerns that server."""
    return record.server == server or server in (record.parameters.get(_SOURCES) or ())


def with_server_renamed(record: JobRecord, old: str, new: str) -> JobRecord:
    """The record where the server `old` is called `new`."""
    parameters = dict(record.parameters)
    if sources := parameters.get(_SOURCES):
        parameters[_SOURCES] = [new if name == old else name for name in sources]
    return replace(record, server=new if record.server == old else record.server, parameters=parameters)
