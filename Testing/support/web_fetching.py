"""What tests of DICOMweb share: asking a scriptable server, and looking at what was kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Testing.support.ct_series import CtSeries
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.web_drivers import web_driver
from Testing.support.web_server import Answer, Request, WebServer
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import FindResult, Query, RetrieveRequest, RetrieveResult


def contents(series: CtSeries) -> list[bytes]:
    """Files of a series."""
    return [path.read_bytes() for path in series.files.values()]


def request_for(series: CtSeries, *instances: str, expected: int | None = None) -> RetrieveRequest:
    """The series, or instances of it."""
    return RetrieveRequest(
        StudyInstanceUID=series.StudyInstanceUID,
        SeriesInstanceUID=series.SeriesInstanceUID,
        SOPInstanceUIDs=instances,
        expected=expected,
    )


def fetch(
    handler: Callable[[Request], Answer],
    request: RetrieveRequest,
    sink: FileSink,
    control: ControlOfTest | None = None,
    **changes: object,
) -> RetrieveResult:
    """Retrieve from a server that answers so."""
    with WebServer(handler) as server:
        driver = web_driver(server.url, **changes)  # type: ignore[arg-type]
        try:
            return driver.retrieve(request, sink, control or ControlOfTest())
        finally:
            driver.close()


def answering(answer: Answer) -> Callable[[Request], Answer]:
    """A handler with one answer."""
    return lambda request: answer


def check_kept(sink: FileSink, series: CtSeries, count: int) -> None:
    """That many instances are there, as they were, and nothing else."""
    assert len(sink.files) == count
    assert sink.stray_files() == []
    for received in sink.files:
        assert received.path.read_bytes() == series.files[received.SOPInstanceUID].read_bytes()


def find(url: str, *, control: ControlOfTest | None = None, **changes: object) -> FindResult:
    """All studies of a server."""
    services = changes.pop("services", None)
    driver = web_driver(url, services, **changes)  # type: ignore[arg-type]
    try:
        return driver.find(Query(), control or ControlOfTest())
    finally:
        driver.close()


def fault_of(answer: Answer | Callable[[Request], Answer], **changes: object) -> VisualDICOMError:
    """How a search fails that is answered so."""
    handler = answer if callable(answer) else lambda request: answer
    with WebServer(handler) as server, pytest.raises(VisualDICOMError) as failure:
        find(server.url, **changes)
    return failure.value
