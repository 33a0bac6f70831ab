"""A server gets another name or goes: jobs, watches and the lists of patients follow, also over a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from Testing.support.many_servers import ManyServers
from VisualDICOMBrowserLib.engine.engine import Engine
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig

STUDY = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ManyServers]:
    """An engine that knows two servers which nobody reaches, and one local patient."""
    servers = [ServerConfig(name=name, host="127.0.0.1", port=1, called_ae_title="A") for name in ("Old", "Other")]
    opened = ManyServers(tmp_path / "database", servers, options={"jobs/max_concurrent": 2})
    opened.put([Path(str(pydicom.data.get_testdata_file("CT_small.dcm")))])
    yield opened
    opened.close()


def paused_jobs(engine: ManyServers) -> list[str]:
    """A job at the server, one at both, and one at the other."""
    parameters: list[tuple[str, dict[str, Any]]] = [
        ("Old", {"StudyInstanceUID": STUDY}),
        ("", {"StudyInstanceUID": STUDY, "sources": ["Old", "Other"]}),
        ("Other", {"StudyInstanceUID": STUDY}),
    ]
    jobs = [engine.queue.submit("retrieve", fields, server=server) for server, fields in parameters]
    ended = [engine.queue.wait(job, 60) for job in jobs]
    assert {job.state.value for job in ended} == {"failed"}
    return jobs


def connections(engine: ManyServers) -> dict[str, list[str]]:
    """CTK's column of the only patient."""
    path = engine.parts.database.paths.absolute("ctkDICOM.sql")
    with sqlite3.connect(path) as database:
        ((text,),) = database.execute("SELECT Connections FROM Patients").fetchall()
    return dict(json.loads(text))


def test_jobs_watches_and_patients_follow(engine: ManyServers, tmp_path: Path) -> None:
    handle = engine.engine.handle
    jobs = paused_jobs(engine)
    handle("watch", {"StudyInstanceUID": STUDY, "server": "Old", "minutes": 60, "interval_s": 3600})
    handle("set_patient_server", {"PatientID": "1CT1", "server": "Old", "state": "allow"})
    handle("set_patient_server", {"PatientID": "1CT1", "server": "Other", "state": "deny"})
    handle("edit_server", {"name": "Old", "new_name": "New"})
    records = [engine.queue.job(job) for job in jobs]
    assert [record.server for record in records] == ["New", "", "Other"]
    assert records[1].parameters["sources"] == ["New", "Other"]
    assert [watch["server"] for watch in handle("watches", {})] == ["New"]
    assert (connections(engine)["allow"][-1], connections(engine)["deny"]) == ("New", ["Other"])
    # What runs meanwhile still calls it by the old name.
    assert engine.parts.servers.get("Old").name == "New"
    # The same request joins the renamed job, tried again, and does not make another one.
    engine.queue.retry(jobs[0])
    engine.close()
    again = Engine(tmp_path / "database")
    try:
        assert again.queue.job(jobs[0]).server == "New"
        assert again.queue.job(jobs[1]).parameters["sources"] == ["New", "Other"]
        assert [watch["server"] for watch in again.handle("watches", {})] == ["New"]
        with pytest.raises(UsageError):
            again.parts.servers.get("Old")
    finally:
        again.close()


def test_nothing_is_left_of_a_server_that_goes(engine: ManyServers) -> None:
    """Another one that gets its name later is not allowed for anybody; what was denied stays denied."""
    handle = engine.engine.handle
    handle("watch", {"StudyInstanceUID": STUDY, "server": "Old", "minutes": 60, "interval_s": 3600})
    handle("set_patient_server", {"PatientID": "1CT1", "server": "Old", "state": "allow"})
    handle("set_patient_server", {"PatientID": "1CT1", "server": "Other", "state": "deny"})
    handle("remove_server", {"name": "Old"})
    handle("remove_server", {"name": "Other"})
    assert handle("watches", {}) == []
    assert "Old" not in connections(engine)["allow"]
    assert connections(engine)["deny"] == ["Other"]
