"""The engine's own node: settings, ports, titles, destinations, and what outlives the end of the engine."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.byte_caller import (
    STUDY_ROOT_MOVE,
    associate,
    data_set,
    request_association,
    status_of,
    store_request,
)
from Testing.support.faulty_peer import PeerSide
from Testing.support.processes import free_port as any_free_port
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.events import ContentChanges, EventHub
from VisualDICOMBrowserLib.engine.listening import Listening, node_ae_title
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
from VisualDICOMBrowserLib.errors import NetworkError, UsageError
from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.servers.arrivals import Arrivals
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.registry import ServerRegistry
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

WAIT_S = 30.0


class Parts:
    """What an engine gives to its node."""

    def __init__(self, folder: Path, on_event: Any) -> None:
        self.database = LocalDatabase.open(folder)
        self.store = InstanceStore(self.database)
        self.settings = Settings()
        self.servers = ServerRegistry(self.database.own)
        self.hub = EventHub()
        self.hub.subscribe(on_event)
        self.changes = ContentChanges(self.hub)
        self.started: list[Listening] = []

    def listening(self, arrivals: Arrivals | None = None) -> Listening:
        made = Listening(
            database=self.database,
            store=self.store,
            settings=self.settings,
            servers=self.servers,
            changes=self.changes,
            arrivals=arrivals,
        )
        self.started.append(made)
        return made

    def close(self) -> None:
        for listening in self.started:
            listening.stop()
        self.changes.close()
        self.store.close()
        self.database.close()


@pytest.fixture
def parts(tmp_path: Path, listener: Any) -> Iterator[Parts]:
    made = Parts(tmp_path / "db", listener)
    yield made
    made.close()


def opened(port: int) -> PeerSide:
    return PeerSide(socket.create_connection(("127.0.0.1", port)))


def test_it_is_started_once_and_tells_where(parts: Parts, free_port: int, listener: Any) -> None:
    listening = parts.listening()
    assert listening.fields() == {"running": False}
    parts.settings["node/port"] = free_port
    fields = listening.start()
    assert fields == {
        "running": True,
        "host": "127.0.0.1",
        "port": free_port,
        "ae_title": "VISUALDICOM",
        "tls": False,
    }
    assert listening.start(port=1) == fields == listening.fields()
    side = opened(free_port)
    assert request_association(side, called="VISUALDICOM")[0] == 2
    assert status_of(side, store_request("1.5.1"), data_set("1.5.1")) == 0
    side.send_pdu(5, bytes(4))
    assert side.read_pdu()[0] == 6
    side.socket.close()
    listener.wait(lambda event: event.get("series") == ["1.2.1.1"])
    listening.stop()
    listening.stop()
    assert listening.fields() == {"running": False}


def test_copies_take_the_first_free_port_and_their_own_title(parts: Parts, free_port: int) -> None:
    """Case 61: the port is in use."""
    parts.settings["node/port"] = free_port
    parts.settings["node/ports_tried"] = 5
    parts.settings["node/ae_title"] = "VIEWER{number}"
    first, second = parts.listening(), parts.listening()
    assert first.start()["ae_title"] == "VIEWER0"
    fields = second.start()
    assert free_port < fields["port"] < free_port + 5
    assert fields["ae_title"] == f"VIEWER{fields['port'] - free_port}"
    address = second.address()
    assert (address.ae_title, address.host, address.port) == (fields["ae_title"], "127.0.0.1", fields["port"])
    assert Arrivals(first.address).listener() == first.address()


def test_a_port_in_use_is_told_with_one_that_is_free(parts: Parts, free_port: int) -> None:
    """Case 61."""
    parts.listening().start(port=free_port)
    with pytest.raises(NetworkError) as caught:
        parts.listening().start(port=free_port)
    assert caught.value.code == "cannot_listen"
    message = str(caught.value)
    assert message.startswith(f"Port {free_port} is used by another program. ")
    assert message.endswith(" is free.")
    with pytest.raises(NetworkError, match=r"has no address 192\.0\.2\.1"):
        parts.listening().start(host="192.0.2.1", port=free_port)


def test_settings_that_cannot_be_used_are_named(parts: Parts) -> None:
    parts.settings["node/port"] = 0
    parts.settings["node/allowed_callers"] = "*"
    with pytest.raises(UsageError, match="allowed callers"):
        parts.listening().start()
    parts.settings["node/allowed_callers"] = ""
    parts.settings["node/max_pdu"] = 2_000_000
    with pytest.raises(UsageError, match="from 4096 to 1048576"):
        parts.listening().start()
    parts.settings["node/max_pdu"] = 65536
    parts.settings["node/tls_certificate_file"] = str(parts.database.folder / "none.pem")
    with pytest.raises(UsageError, match=r"none\.pem"):
        parts.listening().start()


def test_rules_and_limits_of_the_settings_count(parts: Parts) -> None:
    parts.settings["node/port"] = 0
    parts.settings["node/allowed_callers"] = "FRIEND@127.0.0.1"
    parts.settings["node/check_called_ae"] = False
    parts.settings["node/max_pdu"] = 8192
    port = parts.listening().start()["port"]
    for calling, expected in (("FRIEND", 2), ("STRANGER", 3)):
        side = opened(port)
        kind, body = request_association(side, called="ANYBODY", calling=calling)
        assert kind == expected
        assert ((8192).to_bytes(4, "big") in body) == (expected == 2)
        side.socket.close()


@pytest.mark.parametrize(
    ("pattern", "title"),
    [
        ("VIEWER", "VIEWER"),
        ("V{port}N{number}", "V11113N1"),
        ("{host}", "a-host-with-a-lo"),
        ("{host:.6}_{number:03}", "a-host_001"),
    ],
)
def test_title_patterns(pattern: str, title: str) -> None:
    assert node_ae_title(pattern, host="a-host-with-a-long-name", port=11113, number=1) == title


@pytest.mark.parametrize("pattern", ["{user}", "{", "{0}", "{host.x}"])
def test_bad_title_patterns(pattern: str) -> None:
    with pytest.raises(UsageError, match="cannot be filled in"):
        node_ae_title(pattern, host="h", port=1, number=0)


def test_servers_that_are_added_later_are_destinations(parts: Parts, silent_port: int) -> None:
    port = parts.listening().start(port=0, ae_title="NODE")["port"]
    side = opened(port)
    associate(side)
    assert status_of(side, store_request("1.5.1"), data_set("1.5.1")) == 0
    identifier = encode_elements([(0x00080052, "CS", b"STUDY "), (0x0020000D, "UI", b"1.2.1")], implicit=False)
    move = Command(field=CommandField.C_MOVE_RQ, message_id=4, sop_class=STUDY_ROOT_MOVE, destination="LATER")
    assert status_of(side, move, identifier, context=7) == 0xA801
    parts.servers.add(
        ServerConfig(name="Later", host="127.0.0.1", port=silent_port, called_ae_title="LATER", timeout_s=1.0)
    )
    assert status_of(side, move, identifier, context=7) == 0xA702
    side.socket.close()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_what_was_confirmed_outlives_a_killed_engine(tmp_path: Path, listener: Any) -> None:
    """Killed while it receives, again and again: all that was confirmed is there, whole, and nothing else is left."""
    folder = tmp_path / "db"
    confirmed: set[str] = set()
    client = ProcessClient(folder)
    client.subscribe(listener)
    try:
        for turn, kill_after in enumerate((1, 30, 120)):
            port = client.request("start_node", port=any_free_port(), ae_title="NODE")["port"]
            side = opened(port)
            associate(side)
            for number in range(kill_after):
                uid = f"1.{turn}.{number}"
                assert status_of(side, store_request(uid), data_set(uid, more=20_000)) == 0
                confirmed.add(uid)
            # One more is half sent when the engine dies.
            side.send_command_only(1, store_request(f"1.{turn}.999"))
            side.send_pdv(1, 0, data_set(f"1.{turn}.999", more=5000)[:4000])
            assert client.pid is not None
            os.kill(client.pid, signal.SIGKILL)
            side.wait_for_end()
            side.socket.close()
            listener.wait_named("engine_ready", turn + 2)
            found = client.request("records", level="IMAGE")
            assert {record["SOPInstanceUID"] for record in found} == confirmed
    finally:
        client.close()
    database = LocalDatabase.open(folder)
    records = database.reader.find(Query(level=Level.IMAGE))
    assert {Path(record.path).stat().st_size > 20_000 for record in records} == {True}
    database.close()
    incoming = folder / "visual-dicom-browser-incoming"
    assert [path for path in incoming.rglob("*") if path.suffix in (".part", ".arrived", ".intent")] == []
