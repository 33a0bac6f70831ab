"""Sending from the local database through the queue to real receivers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import StoreScp
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError

WAIT_S = 60.0


@pytest.fixture
def series(tmp_path: Path, session: Session) -> CtSeries:
    """Ten slices in the local database."""
    made = make_ct_series(tmp_path / "series", 10)
    session.import_files([made.folder], timeout=WAIT_S)
    return made


def test_a_study_goes_to_several_receivers_as_it_is(
    session: Session, series: CtSeries, start_orthanc: Callable[..., Orthanc], tmp_path: Path
) -> None:
    orthanc = start_orthanc()
    storescp = StoreScp(tmp_path / "storescp")
    storescp.start()
    try:
        session.client.request("add_server", **orthanc.config(name="Archive").to_dict())
        study = session.records("STUDY")[0]
        address = {"called_ae_title": storescp.AE_TITLE, "host": "127.0.0.1", "port": storescp.port}
        results = session.send([study], ["Archive"], address=address, timeout=WAIT_S)
    finally:
        storescp.stop()
    assert [(result["sent"], result["failed_count"]) for result in results] == [(10, 0), (10, 0)]
    assert orthanc.instance_count() == 10
    received = sorted(dataset_bytes(path) for path in storescp.received.iterdir())
    assert received == sorted(dataset_bytes(path) for path in series.files.values())


def test_a_receiver_that_is_down_is_named_and_retry_sends_all(
    session: Session, series: CtSeries, tmp_path: Path
) -> None:
    storescp = StoreScp(tmp_path / "storescp")
    config = storescp.config()
    session.client.request("add_server", **config.to_dict())
    job_id = session.client.request("send", level="SERIES", uids=[series.SeriesInstanceUID], servers=[config.name])[0]
    with pytest.raises(VisualDICOMError, match=f"nothing listens on port {config.port}"):
        session.wait(job_id, WAIT_S)
    storescp.start()
    try:
        assert session.client.request("retry_jobs", job_ids=[job_id]) == [job_id]
        assert session.wait(job_id, WAIT_S)["result"]["sent"] == 10
    finally:
        storescp.stop()
    assert len(list(storescp.received.iterdir())) == 10


def test_what_cannot_be_sent_is_said_before_anything_is_queued(session: Session, series: CtSeries) -> None:
    config = {"host": "127.0.0.1", "called_ae_title": "X", "store_enabled": False}
    session.client.request("add_server", name="Closed", **config)
    with pytest.raises(UsageError, match="Closed is not set up for sending"):
        session.client.request("send", level="SERIES", uids=[series.SeriesInstanceUID], servers=["Closed"])
    with pytest.raises(UsageError, match="The port must be a whole number"):
        session.client.request(
            "send", level="SERIES", uids=["1.2"], address={"called_ae_title": "A", "host": "h", "port": 0}
        )
    assert session.client.request("jobs")[-1]["kind"] != "send"


def test_something_the_database_does_not_have_fails_with_its_reason(session: Session, storescp: StoreScp) -> None:
    session.client.request("add_server", **storescp.config().to_dict())
    job_id = session.client.request("send", level="STUDY", uids=["1.2.3"], servers=["storescp"])[0]
    with pytest.raises(UsageError, match="The database has no images"):
        session.wait(job_id, WAIT_S)


@pytest.fixture
def storescp(tmp_path: Path) -> StoreScp:
    """A receiver that is not started."""
    return StoreScp(tmp_path / "storescp")
