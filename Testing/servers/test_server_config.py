"""`ServerConfig`: valid once made, one sentence for each bad field; `ServerRegistry`: the user's order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig, config_problems
from VisualDICOMBrowserLib.servers.registry import ServerRegistry


def config(name: str = "Main PACS", **changes: Any) -> ServerConfig:
    return ServerConfig(**{"name": name, "host": "pacs.example.org", "called_ae_title": "MAIN", **changes})


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[OwnStore]:
    store = OwnStore(tmp_path / "own.sql")
    yield store
    store.close()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "  ", "name of the server is missing"),
        ("name", "two\nlines", "one line"),
        ("protocol", "gopher", "one of dimse"),
        ("host", "", "host is missing"),
        ("host", "http://pacs", "plain name or address"),
        ("port", 0, "from 1 to 65535"),
        ("port", "104", "whole number"),
        ("port", True, "whole number"),
        ("called_ae_title", "", "called AE title is missing"),
        ("called_ae_title", "X" * 17, "17 characters"),
        ("calling_ae_title", "A\\B", "no backslash"),
        ("timeout_s", 0, "time-out must be a number from 1"),
        ("timeout_s", float("nan"), "time-out"),
        ("max_associations", 33, "from 1 to 32"),
        ("retrieve_protocol", "C-FLY", "one of C-GET"),
        ("enabled", "yes", "yes or no"),
    ],
)
def test_a_bad_field_has_its_sentence(field: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        config(**{field: value})
    assert words in raised.value.message
    assert list(config_problems({**config().to_dict(), field: value})) == [field]


def test_every_bad_field_is_named() -> None:
    problems = config_problems({"host": "", "port": -1, "called_ae_title": ""})
    assert sorted(problems) == ["called_ae_title", "host", "port"]


def test_fields_survive_the_way_through_a_dictionary() -> None:
    original = config(port=104, timeout_s=12.5, max_associations=2, enabled=False)
    assert ServerConfig.from_dict({**original.to_dict(), "later_field": 1}) == original


def test_registry_keeps_order_name_and_place(own_store: OwnStore) -> None:
    registry = ServerRegistry(own_store)
    for name in ("Main", "Archive", "Test"):
        registry.add(config(name))
    registry.edit("Archive", name="Old archive", port=104)
    assert [item.name for item in ServerRegistry(own_store).list()] == ["Main", "Old archive", "Test"]
    assert registry.get("Old archive").port == 104
    registry.remove("Main")
    assert [item.name for item in registry.list()] == ["Old archive", "Test"]


def test_registry_refuses_what_is_not_there_or_taken(own_store: OwnStore) -> None:
    registry = ServerRegistry(own_store)
    registry.add(config("Main"))
    registry.add(config("Test"))
    with pytest.raises(UsageError, match=r"There is no server 'Mian'\. Known servers: Main, Test\."):
        registry.get("Mian")
    with pytest.raises(UsageError, match="already"):
        registry.add(config("Main"))
    with pytest.raises(UsageError, match="already"):
        registry.edit("Test", name="Main")
    with pytest.raises(UsageError, match="no field colour"):
        registry.edit("Test", colour="red")
    with pytest.raises(UsageError, match="from 1 to 65535"):
        registry.edit("Test", port=0)
    assert [item.name for item in registry.list()] == ["Main", "Test"]


def test_registry_leaves_out_a_damaged_entry(own_store: OwnStore, caplog: pytest.LogCaptureFixture) -> None:
    registry = ServerRegistry(own_store)
    registry.add(config("Main"))
    own_store.put("servers", "list", [{"name": "broken"}, *own_store.get("servers", "list"), "nonsense"])
    assert [item.name for item in registry.list()] == ["Main"]
    assert len(caplog.records) == 2
