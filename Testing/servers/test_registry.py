"""`ServerRegistry`: the user's order, one default, proxies and secrets that follow their server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.registry import ServerRegistry, free_name
from VisualDICOMBrowserLib.servers.secrets import SecretStore


def config(name: str = "Main", **changes: Any) -> ServerConfig:
    return ServerConfig(**{"name": name, "host": "pacs.example.org", "called_ae_title": "MAIN", **changes})


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[OwnStore]:
    store = OwnStore(tmp_path / "own.sql")
    yield store
    store.close()


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    monkeypatch.setenv("VISUAL_DICOM_SECRETS", "file")
    return SecretStore("test", tmp_path / "secrets")


@pytest.fixture
def registry(own_store: OwnStore, secrets: SecretStore) -> ServerRegistry:
    """Three servers: Main, Archive, Test."""
    made = ServerRegistry(own_store, secrets)
    for name in ("Main", "Archive", "Test"):
        made.add(config(name))
    return made


def names(registry: ServerRegistry) -> list[str]:
    return [item.name for item in registry.list()]


def test_order_name_and_place_are_kept(registry: ServerRegistry, own_store: OwnStore) -> None:
    registry.edit("Archive", name="Old archive", port=104)
    assert names(ServerRegistry(own_store)) == ["Main", "Old archive", "Test"]
    assert registry.get("Old archive").port == 104
    registry.remove("Main")
    assert names(registry) == ["Old archive", "Test"]


def test_what_is_not_there_or_taken_is_refused(registry: ServerRegistry) -> None:
    with pytest.raises(UsageError, match=r"There is no server 'Mian'\. Known servers: Main, Archive, Test\."):
        registry.get("Mian")
    with pytest.raises(UsageError, match="already"):
        registry.add(config("Main"))
    with pytest.raises(UsageError, match="already"):
        registry.edit("Test", name="Main")
    with pytest.raises(UsageError, match="no field colour"):
        registry.edit("Test", colour="red")
    with pytest.raises(UsageError, match="from 1 to 65535"):
        registry.edit("Test", port=0)
    with pytest.raises(UsageError, match="no server ''"):
        registry.remove("")
    assert names(registry) == ["Main", "Archive", "Test"]


def test_servers_move(registry: ServerRegistry) -> None:
    registry.move("Test", 0)
    assert names(registry) == ["Test", "Main", "Archive"]
    registry.move("Test", 99)
    assert names(registry) == ["Main", "Archive", "Test"]
    registry.move_up("Archive")
    registry.move_up("Archive")
    assert names(registry) == ["Archive", "Main", "Test"]
    registry.move_down("Main")
    registry.move_down("Main")
    assert names(registry) == ["Archive", "Test", "Main"]
    registry.move("Main", -5)
    assert names(registry) == ["Main", "Archive", "Test"]


def test_there_is_at_most_one_default(registry: ServerRegistry) -> None:
    assert registry.default() == registry.get("Main")
    registry.set_default("Archive")
    registry.set_default("Test")
    assert [item.name for item in registry.list() if item.default] == ["Test"]
    registry.add(config("New", default=True))
    assert [item.name for item in registry.list() if item.default] == ["New"]
    registry.enable("New", False)
    assert registry.default() == registry.get("Main")
    registry.enable("Main", False)
    assert registry.default() == registry.get("Archive")
    for name in ("Archive", "Test"):
        registry.enable(name, False)
    assert registry.default() is None


def test_a_duplicate_has_a_number_its_secrets_and_its_place(registry: ServerRegistry, secrets: SecretStore) -> None:
    registry.set_default("Main")
    secrets.put("Main", "password", "hunter2")
    assert registry.duplicate("Main").name == "Main 2"
    assert registry.duplicate("Main").name == "Main 3"
    assert registry.duplicate("Main 2").name == "Main 4"
    assert names(registry) == ["Main", "Main 3", "Main 2", "Main 4", "Archive", "Test"]
    assert [item.name for item in registry.list() if item.default] == ["Main"]
    assert secrets.get("Main 4") == {"password": "hunter2"}
    assert registry.get("Main 4").to_dict() == {**registry.get("Main").to_dict(), "name": "Main 4", "default": False}


def test_free_names() -> None:
    assert free_name("PACS", []) == "PACS"
    assert free_name("PACS", ["PACS"]) == "PACS 2"
    assert free_name("PACS 2", ["PACS", "PACS 2", "PACS 3"]) == "PACS 4"
    assert free_name("Ward 12", ["Ward 12"]) == "Ward 13"
    assert free_name("x" * 64, ["x" * 64]) == "x" * 62 + " 2"


def test_secrets_follow_a_rename_and_end_with_their_server(registry: ServerRegistry, secrets: SecretStore) -> None:
    secrets.put("Main", "token", "abc")
    registry.edit("Main", name="Centre")
    assert secrets.get("Centre") == {"token": "abc"}
    assert secrets.fields("Main") == ()
    registry.remove("Centre")
    assert secrets.fields("Centre") == ()


def test_a_new_server_gets_no_secrets_of_an_older_one(registry: ServerRegistry, secrets: SecretStore) -> None:
    secrets.put("Gone", "password", "hunter2")
    registry.add(config("Gone"))
    assert secrets.get("Gone") == {}


def test_a_proxy_that_is_renamed_stays_the_proxy(registry: ServerRegistry) -> None:
    registry.edit("Main", retrieve_protocol="proxy", proxy="Archive")
    registry.edit("Archive", name="Gateway")
    assert registry.get("Main").proxy == "Gateway"


def test_a_proxy_in_use_is_not_removed(registry: ServerRegistry) -> None:
    registry.edit("Main", retrieve_protocol="proxy", proxy="Archive")
    with pytest.raises(UsageError, match=r"Archive is the proxy of Main, so it is not removed\.") as raised:
        registry.remove("Archive")
    assert raised.value.code == "server_in_use"
    registry.edit("Main", retrieve_protocol="C-GET")
    registry.remove("Archive")
    assert registry.get("Main").proxy == ""


def test_an_unusable_entry_keeps_its_place_until_it_is_mended(
    registry: ServerRegistry, own_store: OwnStore, caplog: pytest.LogCaptureFixture
) -> None:
    stored = own_store.get("servers", "list")
    newer = {**stored[1], "retrieve_protocol": "carrier pigeon", "later": 1}
    own_store.put("servers", "list", [stored[0], newer, stored[2], "nonsense"])
    assert names(registry) == ["Main", "Test"]
    assert len(caplog.records) == 2
    assert "carrier pigeon" in registry.unusable()["Archive"]
    with pytest.raises(UsageError, match="carrier pigeon"):
        registry.get("Archive")
    registry.edit("Test", port=104)
    assert own_store.get("servers", "list")[1] == newer
    with pytest.raises(UsageError, match="already"):
        registry.add(config("Archive"))
    registry.edit("Archive", retrieve_protocol="C-MOVE")
    assert names(registry) == ["Main", "Archive", "Test"]


def test_an_unusable_entry_can_be_removed(registry: ServerRegistry, own_store: OwnStore) -> None:
    own_store.put("servers", "list", [{"name": "Broken"}, *own_store.get("servers", "list")])
    registry.remove("Broken")
    assert registry.unusable() == {}
    assert names(registry) == ["Main", "Archive", "Test"]


def test_a_list_that_is_none_is_empty(own_store: OwnStore) -> None:
    own_store.put("servers", "list", {"not": "a list"})
    assert ServerRegistry(own_store).list() == []
