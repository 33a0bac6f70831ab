"""Relational queries, against pynetdicom's own provider, which agrees to them or does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from Testing.support.file_sink import ControlOfTest
from VisualDICOMBrowserLib.model import InstanceRecord, Level, Query, SeriesRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.find import STUDY_ROOT_FIND
from VisualDICOMBrowserLib.settings import Settings


class Provider:
    """A C-FIND provider with one study of one series of one image; remembers what it was asked."""

    def __init__(self, agrees: bytes | None) -> None:
        self.agrees = agrees
        self.proposed: list[dict[Any, bytes]] = []
        self.asked: list[Dataset] = []

    def extended(self, event: Any) -> dict[Any, bytes]:
        self.proposed.append(dict(event.app_info))
        return {} if self.agrees is None else {STUDY_ROOT_FIND: self.agrees}

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        self.asked.append(asked)
        match = Dataset()
        match.QueryRetrieveLevel = asked.QueryRetrieveLevel
        match.PatientID, match.StudyInstanceUID = "P-1", "1.2"
        match.SeriesInstanceUID, match.SOPInstanceUID, match.Modality = "1.2.3", "1.2.3.4", "CT"
        yield 0xFF00, match


@pytest.fixture(params=[b"\x01", b"\x00", None], ids=["agrees", "declines", "silent"])
def provider(request: pytest.FixtureRequest) -> Provider:
    """One that agrees, one that declines, and one that does not answer the proposal."""
    return Provider(request.param)


@pytest.fixture
def config(provider: Provider) -> Iterator[ServerConfig]:
    """How to reach it."""
    from pynetdicom import AE, evt

    entity = AE(ae_title="QR")
    entity.add_supported_context(STUDY_ROOT_FIND)
    handlers = [(evt.EVT_SOP_EXTENDED, provider.extended), (evt.EVT_C_FIND, provider.find)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    yield ServerConfig(name="QR", host="127.0.0.1", port=server.server_address[1], called_ae_title="QR")
    server.shutdown()


@pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])
def test_series_and_images_of_a_patient(provider: Provider, config: ServerConfig, own_loop: bool) -> None:
    """One request where the server agreed, level by level else; the answer is the same."""
    driver = DimseDriver(config, Settings(), own_loop=own_loop)
    query = Query(level=Level.SERIES, PatientID="P-", Modalities=("CT",), date_from="20240101")
    (series,) = driver.find(query, ControlOfTest()).records
    assert isinstance(series, SeriesRecord)
    assert (series.SeriesInstanceUID, series.StudyInstanceUID, series.PatientID) == ("1.2.3", "1.2", "P-1")
    (image,) = driver.find(Query(level=Level.IMAGE, PatientID="P-1"), ControlOfTest()).records
    driver.close()
    assert isinstance(image, InstanceRecord)
    assert (image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID) == ("1.2.3.4", "1.2.3", "1.2")
    assert provider.proposed == [{STUDY_ROOT_FIND: b"\x01"}]
    levels = [asked.QueryRetrieveLevel for asked in provider.asked]
    if provider.agrees == b"\x01":
        assert levels == ["SERIES", "IMAGE"]
        asked = provider.asked[0]
        assert (asked.PatientID, asked.StudyDate, asked.Modality) == ("*P-*", "20240101-", "CT")
        assert "ModalitiesInStudy" not in asked
    else:
        assert levels == ["STUDY", "SERIES", "STUDY", "SERIES", "IMAGE"]
        assert "PatientID" not in provider.asked[1]
