"""How many images a retrieve says that are missing."""

from __future__ import annotations

from types import SimpleNamespace

from VisualDICOMBrowserLib.engine.retrieve_plan import Piece
from VisualDICOMBrowserLib.engine.retrieve_result import account_of
from VisualDICOMBrowserLib.engine.retrieve_run import Asked
from VisualDICOMBrowserLib.errors import NetworkError
from VisualDICOMBrowserLib.model import NullControl, RetrieveRequest


def test_a_broken_retrieve_counts_what_is_known_to_be_missing() -> None:
    """Where the server that was asked announced no number, what another one said of the series counts."""
    pieces = (Piece(source="A", series="1.2"), Piece(source="A", series="1.3"))
    delivery = SimpleNamespace(refused=[], stored_series={"1.2.1": "1.2", "1.2.2": "1.2"})
    lost = NetworkError("The connection to A was lost.", code="connection_lost", server="A")
    asked = Asked("A", RetrieveRequest(StudyInstanceUID="1"), pieces, delivery, error=lost)  # type: ignore[arg-type]
    assert account_of([asked], (), NullControl(), {"1.2": 10, "1.3": 5}).count == 13
    assert account_of([asked], (), NullControl(), {}).count == 1
    assert account_of([asked], (), NullControl()).count == 1
