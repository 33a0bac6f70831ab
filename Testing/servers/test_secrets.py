"""`SecretStore`: in the key store, else in a file that only the user can read; never shown."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from VisualDICOMBrowserLib.errors import EnvironmentFault, StorageFault, UsageError
from VisualDICOMBrowserLib.servers.secrets import IN_FILE, IN_KEY_STORE, SERVICE, SecretStore, configuration_folder

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps files apart by their folder")


class MemoryKeyring(KeyringBackend):
    """A key store of this process; `locked` makes it refuse, `broken` raise what its system raises."""

    priority = 9  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.broken = False

    def get_password(self, service: str, username: str) -> str | None:
        self._refuse()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._refuse()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._refuse()
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError

    def _refuse(self) -> None:
        if self.locked:
            raise KeyringLocked
        if self.broken:
            raise ConnectionRefusedError


@pytest.fixture(autouse=True)
def usual_back_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("VISUAL_DICOM_SECRETS", raising=False)
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def key_store() -> MemoryKeyring:
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def no_key_store() -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    return SecretStore("database", tmp_path / "settings")


def kept_in_file(store: SecretStore) -> str:
    return store.path.read_text() if store.path.exists() else ""


def test_the_key_store_is_used_where_there_is_one(store: SecretStore, key_store: MemoryKeyring) -> None:
    assert store.where == IN_KEY_STORE
    store.put("Main", "password", "hunter2")
    store.put("Main", "header:X-Api-Key", "k")
    assert key_store.kept[SERVICE, "database/Main/password"] == "hunter2"
    assert store.get("Main") == {"password": "hunter2", "header:X-Api-Key": "k"}
    assert store.fields("Main") == ("header:X-Api-Key", "password")
    assert "hunter2" not in kept_in_file(store)


def test_names_with_slashes_stay_apart(tmp_path: Path, key_store: MemoryKeyring) -> None:
    SecretStore("a", tmp_path).put("b/c", "token", "1")
    SecretStore("a/b", tmp_path).put("c", "token", "2")
    assert SecretStore("a", tmp_path).get("b/c") == {"token": "1"}
    assert len(key_store.kept) == 2


@pytest.mark.usefixtures("no_key_store")
def test_without_a_key_store_the_file_is_used(store: SecretStore) -> None:
    assert store.where == IN_FILE
    store.put("Main", "password", "hunter2")
    assert SecretStore("database", store.path.parent).get("Main") == {"password": "hunter2"}
    assert SecretStore("other", store.path.parent).get("Main") == {}


def test_the_environment_keeps_the_key_store_out(
    store: SecretStore, key_store: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_DICOM_SECRETS", "file")
    store.put("Main", "password", "hunter2")
    assert (store.where, key_store.kept) == (IN_FILE, {})
    assert store.get("Main") == {"password": "hunter2"}


def test_a_locked_key_store_at_writing_means_the_file(store: SecretStore, key_store: MemoryKeyring) -> None:
    key_store.locked = True
    store.put("Main", "password", "hunter2")
    assert store.where == IN_FILE
    assert store.get("Main") == {"password": "hunter2"}


@pytest.mark.parametrize("fault", ["locked", "broken"])
def test_a_key_store_that_fails_at_reading_says_so(store: SecretStore, key_store: MemoryKeyring, fault: str) -> None:
    store.put("Main", "client_secret", "hunter2")
    setattr(key_store, fault, True)
    with pytest.raises(EnvironmentFault, match=r"The client secret of Main cannot be read: .* locked") as raised:
        store.get("Main")
    assert raised.value.code == "key_store"
    assert store.fields("Main") == ("client_secret",)


def test_a_key_store_that_went_away_says_so(store: SecretStore, key_store: MemoryKeyring) -> None:
    store.put("Main", "token", "hunter2")
    keyring.set_keyring(keyring.backends.fail.Keyring())
    with pytest.raises(EnvironmentFault, match="not there now"):
        store.get("Main")
    store.put("Main", "token", "again")
    assert store.get("Main") == {"token": "again"}


def test_what_the_user_deleted_in_the_key_store_is_gone(store: SecretStore, key_store: MemoryKeyring) -> None:
    store.put("Main", "token", "hunter2")
    key_store.kept.clear()
    assert store.get("Main") == {}
    store.forget("Main")
    assert store.fields("Main") == ()


def test_a_very_long_token_goes_to_the_file(store: SecretStore, key_store: MemoryKeyring) -> None:
    store.put("Main", "token", "short")
    store.put("Main", "token", "x" * 5000)
    assert key_store.kept == {}
    assert store.get("Main") == {"token": "x" * 5000}


def test_an_empty_value_forgets(store: SecretStore, key_store: MemoryKeyring) -> None:
    store.put("Main", "token", "1")
    store.put("Main", "password", "2")
    store.put("Main", "token", "")
    store.put("Main", "rest_password", "")
    assert store.get("Main") == {"password": "2"}
    assert list(key_store.kept.values()) == ["2"]


def test_copy_rename_and_forget(store: SecretStore, key_store: MemoryKeyring) -> None:
    store.put("Main", "token", "1")
    store.copy("Main", "Main 2")
    store.rename("Main", "Centre")
    store.rename("Centre", "Centre")
    assert store.fields("Main") == ()
    assert store.get("Main 2") == store.get("Centre") == {"token": "1"}
    store.forget("Main 2")
    store.forget("nobody")
    assert list(key_store.kept) == [(SERVICE, "database/Centre/token")]


@posix
@pytest.mark.usefixtures("no_key_store")
def test_only_the_user_can_read_the_file(store: SecretStore) -> None:
    store.put("Main", "password", "hunter2")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


@posix
@pytest.mark.usefixtures("no_key_store")
@pytest.mark.parametrize("file", [True, False])
def test_a_file_open_to_others_is_refused_until_mended(store: SecretStore, file: bool) -> None:
    store.put("Main", "password", "hunter2")
    (store.path if file else store.path.parent).chmod(0o644 if file else 0o777)
    for act in (lambda: store.get("Main"), lambda: store.put("Main", "token", "1"), lambda: store.forget("Main")):
        with pytest.raises(EnvironmentFault, match="other users can read or change") as raised:
            act()
        assert raised.value.code == "secret_file"
        assert "hunter2" not in str(raised.value.as_dict())
    store.mend()
    assert store.get("Main") == {"password": "hunter2"}


@posix
@pytest.mark.usefixtures("no_key_store")
def test_a_link_is_not_followed(store: SecretStore, tmp_path: Path) -> None:
    store.put("Main", "password", "hunter2")
    elsewhere = store.path.rename(tmp_path / "elsewhere.json")
    store.path.symlink_to(elsewhere)
    with pytest.raises(StorageFault, match="cannot be used"):
        store.get("Main")
    with pytest.raises(EnvironmentFault, match="belongs to another user"):
        store.mend()


@pytest.mark.usefixtures("no_key_store")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"servers": {}}', b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_not_written_over(store: SecretStore, content: bytes) -> None:
    store.put("Main", "password", "hunter2")
    store.path.write_bytes(content)
    for act in (lambda: store.get("Main"), lambda: store.put("Main", "token", "1")):
        with pytest.raises(EnvironmentFault, match="damaged or of a newer version"):
            act()
    assert store.path.read_bytes() == content


@posix
@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write everywhere")
@pytest.mark.usefixtures("no_key_store")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(StorageFault, match="closed"):
        SecretStore("database", closed / "settings").put("Main", "token", "1")


@pytest.mark.usefixtures("no_key_store")
def test_a_write_that_fails_leaves_the_old_file(store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("Main", "token", "1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFault, match="No space left"):
        store.put("Main", "token", "2")
    monkeypatch.undo()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    assert store.get("Main") == {"token": "1"}
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


@pytest.mark.parametrize("field", ["passwort", "header:", "header:X Key", "header:X\n", ""])
def test_unknown_secrets_are_refused(store: SecretStore, field: str) -> None:
    with pytest.raises(UsageError, match="has no secret"):
        store.put("Main", field, "x")


@pytest.mark.parametrize("value", ["two\nlines", "x" * 70_000, None, "\0"])
def test_values_of_more_than_a_line_are_refused(store: SecretStore, value: str) -> None:
    with pytest.raises(UsageError, match="one line of text") as raised:
        store.put("Main", "password", value)
    assert "two" not in str(raised.value.as_dict())


def test_nothing_is_shown(store: SecretStore, key_store: MemoryKeyring, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store.put("Main", "password", "hunter2")
        key_store.locked = True
        store.put("Main", "token", "hunter2")
    assert "hunter2" not in repr(store)
    assert not [record for record in caplog.records if "hunter2" in record.getMessage()]


@pytest.mark.usefixtures("no_key_store")
def test_the_file_is_json_of_a_known_version(store: SecretStore) -> None:
    store.put("Müller \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "token", "1")
    assert json.loads(store.path.read_bytes())["visual-dicom-browser-secrets"] == 1


@posix
def test_the_configuration_folder_follows_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert configuration_folder() == tmp_path / "visual-dicom-browser"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert configuration_folder() == Path.home() / ".config" / "visual-dicom-browser"
