"""How dates, names and sizes read to a person."""

from __future__ import annotations

import pytest

from VisualDICOMBrowserLib.widgets.wording import person_name, size_text, written_date


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (person_name("Doe^Jane^^Dr"), "Doe, Jane"),
        (person_name("^^^^"), ""),
        (person_name("=山田^太郎"), "山田, 太郎"),
        (written_date("20260819"), "2026-08-19"),
        (written_date("today"), "today"),
        (size_text(999), "999 bytes"),
        (size_text(52_400_000), "52 MB"),
    ],
)
def test_values_read_well(written: str, said: str) -> None:
    assert written == said
