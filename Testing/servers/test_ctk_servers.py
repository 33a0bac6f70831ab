"""Slicer's DICOM settings, written by a real QSettings as CTK's widgets write them, taken over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.servers.ctk_servers import read_ctk_settings, slicer_settings_files
from VisualDICOMBrowserLib.servers.qt_settings import read_qt_settings

PRESETS = (
    {"Name": "ExampleHost", "Address": "dicom.example.com", "Port": "11112", "Called AETitle": "AETITLE"},
    {"Name": "MedicalConnections", "Address": "dicomserver.co.uk", "Port": "104", "Called AETitle": "ANYAE"},
)


def row(**changes: Any) -> dict[str, Any]:
    """One row as ``ctkDICOMServerNodeWidget2::saveSettings`` builds it."""
    fields = {
        "Name": "Main PACS",
        "Verification": "",
        "Query/Retrieve": "",
        "Storage": "",
        "Trusted": "",
        "Calling AETitle": "SLICER",
        "Called AETitle": "MAIN",
        "Address": "pacs.example.org",
        "Port": "104",
        "Timeout": 30,
        "Retrieve Protocol": "CGET",
        "Retrieve Proxy": "",
        "QueryRetrieveCheckState": 2,
        "StorageCheckState": 0,
        "TrustedCheckState": 2,
    }
    return {**fields, **changes}


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """Where the settings lie."""
    return tmp_path / "Slicer.ini"


def write(path: Path, values: dict[str, Any]) -> None:
    """Write values with Qt's own class."""
    core = pytest.importorskip("PySide6.QtCore")
    settings = core.QSettings(str(path), core.QSettings.Format.IniFormat)
    for key, value in values.items():
        settings.setValue(key, value)
    settings.sync()
    assert settings.status() == core.QSettings.Status.NoError


def write_rows(path: Path, *rows: dict[str, Any], storage: bool = True) -> None:
    """Write rows as ``ctkDICOMServerNodeWidget2`` does: indented JSON as bytes."""
    core = pytest.importorskip("PySide6.QtCore")
    values: dict[str, Any] = {"DICOM/ServerNodeCount": len(rows)}
    for number, fields in enumerate(rows):
        text = json.dumps(dict(sorted(fields.items())), indent=4, ensure_ascii=False)
        values[f"DICOM/ServerNodes/{number}"] = core.QByteArray(text.encode() + b"\n")
    if storage:
        values |= {"DICOM/StorageEnabled": True, "DICOM/StorageAETitle": "CTKSTORE", "DICOM/StoragePort": "11112"}
    write(path, values)


def test_a_server_is_taken_over_whole(ini: Path) -> None:
    write_rows(ini, row())
    found = read_ctk_settings(ini)
    (server,) = found.servers
    assert server.to_dict() | {} == {
        **server.to_dict(),
        "name": "Main PACS",
        "protocol": "dimse",
        "enabled": True,
        "retrieve_enabled": True,
        "store_enabled": False,
        "trusted": True,
        "calling_ae_title": "SLICER",
        "called_ae_title": "MAIN",
        "host": "pacs.example.org",
        "port": 104,
        "timeout_s": 30.0,
        "retrieve_protocol": "C-GET",
        "proxy": "",
    }
    assert found.storage == {"ae_title": "CTKSTORE", "port": 11112, "enabled": True}
    assert (found.invalid, found.notes) == ((), ())
    json.dumps(found.as_dict())


def test_check_states_and_protocols(ini: Path) -> None:
    write_rows(
        ini,
        row(Name="Move", **{"Retrieve Protocol": "CMOVE", "TrustedCheckState": 0}),
        row(Name="Off", Port=105, QueryRetrieveCheckState=0, StorageCheckState=2),
        row(Name="Half", Port=106, QueryRetrieveCheckState=1, Timeout="7"),
    )
    found = read_ctk_settings(ini)
    move, off, half = found.servers
    assert (move.retrieve_protocol, move.trusted) == ("C-MOVE", False)
    assert (off.enabled, off.retrieve_enabled, off.store_enabled) == (False, False, True)
    assert (half.enabled, half.timeout_s) == (True, 7.0)
    assert found.notes == (
        "Servers that fetch by C-MOVE know this computer as CTKSTORE, port 11112; our listener must use the same.",
    )


def test_a_proxy_leaves_the_search(ini: Path) -> None:
    write_rows(ini, row(Name="Main", **{"Retrieve Proxy": "Gate"}), row(Name="Gate", Port="105"))
    found = read_ctk_settings(ini)
    main, gate = found.servers
    assert (main.retrieve_protocol, main.proxy, main.enabled) == ("proxy", "Gate", True)
    assert (gate.enabled, gate.retrieve_enabled) == (False, True)
    assert found.notes == ("Gate is the proxy of Main, so searches do not go to it.",)


def test_letters_signs_and_quotes_survive_qt(ini: Path) -> None:
    name = 'Zürich; "Haus" 1,2 \\ 日本 50% [x]=y'
    write_rows(ini, row(Name=name))
    assert read_ctk_settings(ini).servers[0].name == name


def test_the_public_examples_stay_behind(ini: Path) -> None:
    write_rows(ini, *(row(**preset) for preset in PRESETS), row())
    found = read_ctk_settings(ini)
    assert [server.name for server in found.servers] == ["Main PACS"]
    assert found.notes == (
        "ExampleHost is one of CTK's public examples and was left out.",
        "MedicalConnections is one of CTK's public examples and was left out.",
    )


def test_settings_of_another_language_fail_with_a_sentence(ini: Path) -> None:
    german = {"Nom": "PACS", "Adresse": "pacs.example.org", "Port": "104", "QueryRetrieveCheckState": 2}
    write_rows(ini, german, row())
    found = read_ctk_settings(ini)
    assert found.invalid == (
        "Server 1 of Slicer's settings was saved with Slicer in another language; add it by hand.",
    )
    assert len(found.servers) == 1


def test_rows_that_cannot_be_used_are_told(ini: Path) -> None:
    write_rows(ini, row(Port="0"), row(Address=""), row(**{"Called AETitle": "X" * 17}), row(Name="Good"))
    found = read_ctk_settings(ini)
    assert [server.name for server in found.servers] == ["Good"]
    assert found.invalid[0] == (
        "Server 1 of Slicer's settings (Main PACS): The port must be a whole number from 1 to 65535, not 0."
    )
    assert len(found.invalid) == 3


def test_the_first_version_kept_a_map(ini: Path) -> None:
    write(ini, {"DICOM/ServerNodeCount": 1, "DICOM/ServerNodes/0": row(Timeout=12)})
    (server,) = read_ctk_settings(ini).servers
    assert (server.name, server.port, server.timeout_s, server.enabled) == ("Main PACS", 104, 12.0, True)


def test_the_classic_widget_is_read_too(ini: Path) -> None:
    old = {"Name": "Old PACS", "AETitle": "OLD", "Address": "192.0.2.8", "Port": "104", "CGET": 0, "CheckState": 2}
    twin = {"Name": "Main PACS", "AETitle": "MAIN", "Address": "PACS.example.org", "Port": "104", "CGET": 2}
    write(
        ini,
        {
            "ServerNodeCount": 2,
            "ServerNodes/0": old,
            "ServerNodes/1": twin,
            "CallingAETitle": "SLICER",
            "StorageAETitle": "CTKSTORE",
            "StoragePort": "11113",
        },
    )
    write_rows(ini, row(), storage=False)
    found = read_ctk_settings(ini)
    assert [server.name for server in found.servers] == ["Main PACS", "Old PACS"]
    old_server = found.servers[1]
    assert (old_server.retrieve_protocol, old_server.calling_ae_title, old_server.enabled) == ("C-MOVE", "SLICER", True)
    assert found.storage == {"ae_title": "CTKSTORE", "port": 11113, "enabled": False}
    assert "Main PACS is set up twice in Slicer and was taken once." in found.notes


def test_settings_of_qt_5_are_read(ini: Path) -> None:
    """Qt 5 wrote Latin-1 with escapes, and JSON as plain text where a script set it."""
    ini.write_bytes(
        b"[DICOM]\nServerNodeCount=2\n"
        b'ServerNodes\\0="@ByteArray({\\n \\"Name\\": \\"Z\\xc3\\xbcrich\\", \\"Address\\": \\"h\\", \\"Port\\": 104, '
        b'\\"Called AETitle\\": \\"A\\", \\"QueryRetrieveCheckState\\": 2})"\n'
        b'ServerNodes\\1="{\\"Name\\": \\"G\\xe4ste\\", \\"Address\\": \\"i\\", \\"Port\\": \\"105\\", '
        b'\\"Called AETitle\\": \\"B\\", \\"QueryRetrieveCheckState\\": 0}"\n'
        b"Comment=caf\xe9\n"
    )
    assert [server.name for server in read_ctk_settings(ini).servers] == ["Zürich", "Gäste"]


def test_values_of_every_kind_are_read(ini: Path) -> None:
    core = pytest.importorskip("PySide6.QtCore")
    write(
        ini,
        {
            "text": "plain, with; signs = \t \u2028 \U0001f600",
            "at": "@home",
            "list": ["a", "b, c"],
            "group/sub key/ü": 5,
            "bytes": core.QByteArray(b"\0\xff)"),
            "map": {"a": 1, "b": [True, 1.5, None], "c": {"d": "e"}},
            "empty": "",
            "General/x": 1,
            "date": core.QDate(2026, 1, 31),
        },
    )
    assert read_qt_settings(ini) == {
        "text": "plain, with; signs = \t \u2028 \U0001f600",
        "at": "@home",
        "list": ["a", "b, c"],
        "group/sub key/ü": "5",
        "bytes": b"\0\xff)",
        "map": {"a": 1, "b": [True, 1.5, None], "c": {"d": "e"}},
        "empty": "",
        "General/x": "1",
        "date": None,
    }


def test_a_file_without_servers_is_refused(ini: Path, tmp_path: Path) -> None:
    ini.write_text("[General]\nx=1\n")
    with pytest.raises(UsageError, match=r"Slicer\.ini holds no settings of DICOM servers") as raised:
        read_ctk_settings(ini)
    assert raised.value.code == "no_servers"
    with pytest.raises(StorageFault, match="cannot be read"):
        read_ctk_settings(tmp_path / "missing.ini")
    with pytest.raises(StorageFault, match="cannot be read"):
        read_ctk_settings(tmp_path)


PIECES = st.sampled_from(
    [
        b"[DICOM]\n",
        b"ServerNodeCount=3\n",
        b"ServerNodes\\0=",
        b"@Variant(\\0\\0\\0\b",
        b"@ByteArray(",
        b"\\x",
        b'"',
        b")\n",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=20).map(b"".join))
def test_any_bytes_give_servers_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.ini"
    path.write_bytes(content)
    code = ""
    try:
        read_ctk_settings(path)
    except UsageError as refusal:
        code = refusal.code
    assert code in ("", "no_servers")


def test_settings_of_slicer_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert slicer_settings_files() == []
    for folder, name, age in (("NA-MIC", "Slicer.ini", 100), ("slicer.org", "Slicer.ini", 200)):
        path = tmp_path / folder / name
        path.parent.mkdir()
        path.touch()
        os.utime(path, (age, age))
    (tmp_path / "slicer.org" / "other.ini").touch()
    assert [path.parent.name for path in slicer_settings_files()] == ["slicer.org", "NA-MIC"]
