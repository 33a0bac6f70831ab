"""The setting ``images_per_batch`` of a server where something is fetched from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.support.ct_series import make_ct_series
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc


@pytest.mark.parametrize(("batch", "most"), [(2, 2), (0, 100)])
def test_no_more_images_are_indexed_together_than_set(tmp_path: Path, batch: int, most: int) -> None:
    series = make_ct_series(tmp_path / "series", 7)
    orthanc = Orthanc(tmp_path / "orthanc")
    whole: list[int] = []
    try:
        orthanc.start()
        orthanc.put(series.files.values())
        engine = ManyServers(
            tmp_path / "engine", [orthanc.config(name="Archive", images_per_batch=batch)], on_stored=whole.append
        )
        try:
            job = engine.retrieve("Archive", StudyInstanceUID=series.StudyInstanceUID)
            assert set(engine.instances()) == set(series.files)
        finally:
            engine.close()
    finally:
        orthanc.stop()
    assert job.result is not None
    assert job.result["imported"] == 7
    batches = [after - before for before, after in zip([0, *whole], whole, strict=False)]
    assert sum(batches) == 7
    assert max(batches) <= most
