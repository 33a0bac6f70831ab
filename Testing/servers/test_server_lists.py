"""Lists of servers: export without secrets, import that takes what is usable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.registry import ServerRegistry
from VisualDICOMBrowserLib.servers.secrets import SecretStore
from VisualDICOMBrowserLib.servers.server_lists import DOCUMENT_KEY, export_list, import_list


class MemoryStore:
    """A `ValueStore` of this process."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get(self, section: str, key: str) -> Any | None:
        text = self.kept.get((section, key))
        return None if text is None else json.loads(text)

    def put(self, section: str, key: str, value: Any) -> None:
        self.kept[section, key] = json.dumps(value)


def config(name: str = "Main", **changes: Any) -> ServerConfig:
    return ServerConfig(**{"name": name, "host": "pacs.example.org", "called_ae_title": "MAIN", **changes})


def document(*entries: Any) -> dict[str, Any]:
    listed = [entry.to_dict() if isinstance(entry, ServerConfig) else entry for entry in entries]
    return {DOCUMENT_KEY: 1, "servers": listed}


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    monkeypatch.setenv("VISUAL_DICOM_SECRETS", "file")
    return SecretStore("test", tmp_path / "secrets")


@pytest.fixture
def registry(tmp_path: Path, secrets: SecretStore) -> Iterator[ServerRegistry]:
    """Main (default) and Archive."""
    store = OwnStore(tmp_path / "own.sql")
    made = ServerRegistry(store, secrets)
    made.add(config("Main", default=True))
    made.add(config("Archive"))
    yield made
    store.close()


def names(registry: ServerRegistry) -> list[str]:
    return [item.name for item in registry.list()]


def test_a_list_survives_the_way_through_a_file(registry: ServerRegistry, tmp_path: Path) -> None:
    registry.edit("Main", tls=True, tls_ca_file="/etc/pacs/ca.pem", headers={"X-Ward": "7B"})
    path = tmp_path / "servers.json"
    given_back = export_list(registry, path)
    assert json.loads(path.read_text(encoding="utf-8")) == given_back
    other = ServerRegistry(MemoryStore())
    report = import_list(json.loads(path.read_text(encoding="utf-8")), other)
    assert report.as_dict() == {
        "added": ["Main", "Archive"],
        "replaced": [],
        "skipped": [],
        "invalid": [],
        "notes": [],
    }
    assert other.list() == registry.list()
    assert not list(tmp_path.glob("*.part"))


def test_no_secret_leaves_in_a_list(registry: ServerRegistry, secrets: SecretStore, tmp_path: Path) -> None:
    secrets.put("Main", "password", "hunter2")
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    registry.edit("Main", headers={"X-Site": token, "X-Ward": "7B"})
    path = tmp_path / "servers.json"
    export_list(registry, path)
    assert "hunter2" not in path.read_text()
    assert token not in path.read_text()
    assert "X-Ward" in path.read_text()


def test_a_list_that_cannot_be_written_says_so(registry: ServerRegistry, tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="cannot be written to"):
        export_list(registry, tmp_path / "missing" / "servers.json")


def test_good_entries_are_taken_beside_bad_ones(registry: ServerRegistry) -> None:
    bad_port = {**config("Bad").to_dict(), "port": 0}
    report = import_list(document(config("New"), bad_port, "nonsense", None, {"name": "No host"}), registry)
    assert report.added == ["New"]
    assert report.invalid == [
        "Entry 2 (Bad): The port must be a whole number from 1 to 65535, not 0.",
        "Entry 3: The settings of a server must be fields with values.",
        "Entry 4: The settings of a server must be fields with values.",
        "Entry 5 (No host): The host is missing. The called AE title is missing.",
    ]
    assert names(registry) == ["Main", "Archive", "New"]


def test_what_is_there_already_is_skipped(registry: ServerRegistry) -> None:
    assert import_list(export_list(registry), registry).skipped == ["Main", "Archive"]
    assert names(registry) == ["Main", "Archive"]


def test_a_clash_renames_and_the_proxy_follows(registry: ServerRegistry) -> None:
    other = [config("Main", port=104, retrieve_protocol="proxy", proxy="Archive"), config("Archive", port=105)]
    report = import_list(document(*other), registry)
    assert report.added == ["Main 2", "Archive 2"]
    assert registry.get("Main 2").proxy == "Archive 2"
    assert registry.get("Main").port == 11112


def test_entries_of_one_name_all_get_in(registry: ServerRegistry) -> None:
    twins = document(
        config("Twin", port=1), config("Twin", port=2), config("Other", retrieve_protocol="proxy", proxy="Twin")
    )
    assert import_list(twins, registry).added == ["Twin", "Twin 2", "Other"]
    assert registry.get("Other").proxy == "Twin"


def test_a_clash_may_be_skipped_or_replaced(registry: ServerRegistry) -> None:
    changed = document(config("Main", port=104), config("New"))
    report = import_list(changed, registry, "skip")
    assert (report.skipped, report.added) == (["Main"], ["New"])
    report = import_list(changed, registry, "replace")
    assert (report.replaced, report.skipped) == (["Main"], ["New"])
    assert registry.get("Main").port == 104
    assert names(registry) == ["Main", "Archive", "New"]


def test_an_import_leaves_the_default_alone(registry: ServerRegistry) -> None:
    import_list(document(config("New", default=True)), registry)
    assert [item.name for item in registry.list() if item.default] == ["Main"]
    import_list(document(config("Main", default=True, port=104)), registry, "replace")
    assert [item.name for item in registry.list() if item.default] == ["Main"]


def test_a_replaced_server_does_not_get_the_password_of_the_old_one(
    registry: ServerRegistry, secrets: SecretStore
) -> None:
    secrets.put("Main", "password", "hunter2")
    secrets.put("Archive", "password", "hunter3")
    moved, same = config("Main", host="elsewhere.example.org"), config("Archive", timeout_s=5.0)
    report = import_list(document(moved, same), registry, "replace")
    assert secrets.get("Main") == {}
    assert secrets.get("Archive") == {"password": "hunter3"}
    assert report.notes == ["Main has another address or sign-in now, so its passwords must be entered again."]


def test_a_missing_proxy_is_told(registry: ServerRegistry) -> None:
    report = import_list(document(config("New", retrieve_protocol="proxy", proxy="Gateway")), registry)
    assert report.notes == ["New fetches through Gateway, which is not among the servers."]


@pytest.mark.parametrize(
    ("given_document", "words"),
    [
        ({}, "no list of servers"),
        ([], "no list of servers"),
        ({DOCUMENT_KEY: 2, "servers": []}, "newer version"),
        ({DOCUMENT_KEY: 1}, "no servers"),
        ({DOCUMENT_KEY: 1, "servers": "x"}, "no servers"),
    ],
)
def test_other_documents_are_refused(registry: ServerRegistry, given_document: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        import_list(given_document, registry)


def test_an_unknown_way_of_clashing_is_refused(registry: ServerRegistry) -> None:
    with pytest.raises(UsageError, match="rename, replace, skip"):
        import_list(document(config("New")), registry, "merge")
    assert names(registry) == ["Main", "Archive"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
SERVER = st.fixed_dictionaries(
    {"name": st.sampled_from(("A", "A 2", "B")), "host": st.just("h"), "called_ae_title": st.just("T")},
    optional={"proxy": st.sampled_from(("A", "A 2", "C")), "default": st.booleans(), "port": st.integers(0, 3)},
)


@given(st.lists(SERVER | JSON, max_size=6), st.sampled_from(("rename", "replace", "skip")))
def test_any_list_leaves_unique_names_and_one_default(entries: list[Any], on_clash: str) -> None:
    registry = ServerRegistry(MemoryStore())
    for _ in range(2):
        report = import_list({DOCUMENT_KEY: 1, "servers": entries}, registry, on_clash)
        told = report.added + report.replaced + report.skipped + report.invalid
        assert len(told) == len(entries)
    listed = names(registry)
    assert len(listed) == len(set(listed))
    assert sum(item.default for item in registry.list()) <= 1


def test_every_setting_survives_export_and_import(registry: ServerRegistry, tmp_path: Path) -> None:
    """Also those that a list of an earlier version does not have, which then are as they were by themselves."""
    set_up = config(
        "Slow",
        wildcards=False,
        character_set="ISO 2022 IR 149",
        ask_at_start=True,
        confirm_by_query=True,
        keep_compression=False,
        speed_limit_mb_s=2.5,
        images_per_batch=50,
        tls_min_version="1.3",
    )
    registry.add(set_up)
    listed = json.loads(json.dumps(export_list(registry)))
    other = ServerRegistry(MemoryStore())
    assert import_list(listed, other).invalid == []
    assert other.get("Slow") == set_up
    earlier = {name: listed["servers"][0][name] for name in ("name", "host", "port", "called_ae_title")}
    assert import_list(document({**earlier, "name": "Earlier"}), other).added == ["Earlier"]
    assert other.get("Earlier") == config("Earlier")
