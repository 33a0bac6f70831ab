"""Our node as a whole engine runs it: started with it, on loopback alone, and two DCMTK senders on a full disk."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import run_client
from Testing.support.processes import free_port as any_free_port
from Testing.support.processes import required_program
from VisualDICOMBrowserLib.engine.process_client import ProcessClient

FILE_LIMIT = 1_000_000
OF_NO_SPACE = re.compile(r"(?i)out\s*of\s*resources")


@pytest.fixture
def open_client(tmp_path: Path) -> Iterator[Callable[[], ProcessClient]]:
    """Makes clients, one after the other, of an engine in a child process on one folder."""
    made: list[ProcessClient] = []

    def make() -> ProcessClient:
        made.append(ProcessClient(tmp_path / "db"))
        return made[-1]

    yield make
    for client in made:
        client.close()


def send(port: int, *series: CtSeries) -> list[subprocess.CompletedProcess[str]]:
    """One sender for each series, all at the same time."""
    done: dict[int, subprocess.CompletedProcess[str]] = {}

    def run(number: int, files: Iterator[Path]) -> None:
        done[number] = run_client("storescu", "-v", "-aec", "NODE", "127.0.0.1", str(port), *files)

    senders = [threading.Thread(target=run, args=(n, iter(one.files.values()))) for n, one in enumerate(series)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return [done[number] for number in range(len(series))]


def stored(client: ProcessClient) -> dict[str, Path]:
    """Files by SOP Instance UID."""
    return {record["SOPInstanceUID"]: Path(record["path"]) for record in client.request("records", level="IMAGE")}


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_two_senders_on_a_disk_that_is_full_for_one(open_client: Callable[[], ProcessClient], tmp_path: Path) -> None:
    """Case 64: the large images are answered A700 and leave nothing, the small ones between them are kept whole."""
    import resource

    large = make_ct_series(tmp_path / "large", 3, size=1024, number=1)
    small = make_ct_series(tmp_path / "small", 20, size=32, number=2)
    client = open_client()
    port = client.request("start_node", port=any_free_port(), ae_title="NODE")["port"]
    assert client.pid is not None
    before = resource.prlimit(client.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(client.pid, resource.RLIMIT_FSIZE, (FILE_LIMIT, before[1]))
    refused, taken = send(port, large, small)
    assert OF_NO_SPACE.search(refused.stdout + refused.stderr)
    assert taken.returncode == 0, taken.stderr
    assert not OF_NO_SPACE.search(taken.stdout + taken.stderr)
    assert {uid: dataset_bytes(path) for uid, path in stored(client).items()} == {
        uid: dataset_bytes(path) for uid, path in small.files.items()
    }
    incoming = tmp_path / "db" / "visual-dicom-browser-incoming"
    assert [path for path in incoming.rglob("*") if path.suffix in (".part", ".arrived", ".intent")] == []
    # The same process takes them as soon as there is room.
    resource.prlimit(client.pid, resource.RLIMIT_FSIZE, before)
    (again,) = send(port, large)
    assert again.returncode == 0, again.stderr
    assert set(stored(client)) == set(small.files) | set(large.files)


def test_it_starts_with_the_engine_if_so_set(open_client: Callable[[], ProcessClient], free_port: int) -> None:
    client = open_client()
    client.request("set_setting", key="node/port", value=free_port)
    assert client.request("node") == {"running": False}
    client.request("set_setting", key="node/start", value=True)
    client.close()
    fields = open_client().request("node")
    assert (fields["running"], fields["host"], fields["port"]) == (True, "127.0.0.1", free_port)
    assert run_client("echoscu", "-aec", fields["ae_title"], "127.0.0.1", str(free_port)).returncode == 0


def test_an_engine_whose_port_is_taken_starts_all_the_same(
    open_client: Callable[[], ProcessClient], free_port: int
) -> None:
    """Case 61: the port of a node that is to start with the engine belongs to another program."""
    client = open_client()
    client.request("set_setting", key="node/port", value=free_port)
    client.request("set_setting", key="node/start", value=True)
    client.close()
    with socket.create_server(("127.0.0.1", free_port)):
        client = open_client()
        node = client.request("node")
        assert node["running"] is False
        assert node["problem"].startswith(f"Port {free_port} is used by another program.")
        assert client.request("counts")["instances"] == 0
    assert client.request("start_node")["port"] == free_port
    assert "problem" not in client.request("node")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
def test_it_is_reached_by_loopback_alone(open_client: Callable[[], ProcessClient]) -> None:
    fields: dict[str, Any] = open_client().request("start_node", port=any_free_port(), ae_title="NODE")
    assert run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(fields["port"])).returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", fields["port"]), timeout=10.0)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which ports need a right")
def test_a_low_port_that_the_system_refuses() -> None:
    """Case 61: a port below 1024, by a process that really lacks the right."""
    first_free = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    port = first_free - 1
    if port < 1:
        pytest.skip("this system lets everybody listen on every port")
    program = (
        "from VisualDICOMBrowserLib.servers.node.listening_socket import cannot_listen, listening_socket\n"
        "try:\n"
        f"    listening_socket('127.0.0.1', {port})\n"
        "except OSError as fault:\n"
        f"    print(cannot_listen('127.0.0.1', {port}, fault))\n"
    )
    command = [sys.executable, "-c", program]
    if os.geteuid() == 0:
        right = "-net_bind_service"
        command = [required_program("/usr/bin/setpriv"), "--bounding-set", right, "--inh-caps", right, *command]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith(f"Port {port} needs a right that this program does not have"), done.stderr
