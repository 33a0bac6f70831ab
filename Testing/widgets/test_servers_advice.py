"""What the advice of a connection test offers is one click away: settings change, the test runs again and passes."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.certificates import EXPIRED_ON, Authority
from Testing.support.dcmtk import DcmQrScp
from Testing.support.tls_servers import tls_storescp
from Testing.support.web_server import Answer, Request, WebServer, json_answer
from Testing.support.widget_driving import shown, texts, type_into
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.servers.window import ServersWindow
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


@pytest.fixture
def window(client: QProcessClient) -> Iterator[ServersWindow]:
    """The window over an empty list."""
    context = BrowserContext(client, Theme("light"), None, MemoryViewSettings(), lambda *_: None)
    made = ServersWindow(context)
    made.show()
    yield made
    made.release()
    made.close()


@pytest.fixture
def tested(window: ServersWindow, client: QProcessClient, wait_until):
    """Adds a server, tests it, and waits for words of the advice."""

    def test(words: str, **server: Any) -> None:
        client.request("add_server", name="Main PACS", **server)
        wait_until(lambda: any(each.text == "Main PACS" for each in window.findChildren(qt.QLineEdit)))
        wait_until(lambda: shown(window, "Test connection").enabled)
        shown(window, "Test connection").click()
        wait_until(lambda: words in texts(window) and named(window, "Test again"))

    return test


def named(window: ServersWindow, name: str) -> list[Any]:
    """The visible buttons of that name."""
    return [each for each in window.findChildren(qt.QPushButton) if each.accessibleName == name and each.visible]


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A running server that answers to PACS."""
    served = QProcessClient(tmp_path / "pacs")
    yield served.request("start_node", port=0, ae_title="PACS")
    served.close()


def ports_offered(window: ServersWindow) -> list[Any]:
    """The visible buttons that offer another port."""
    buttons = [each for each in window.findChildren(qt.QPushButton) if each.visible]
    return [each for each in buttons if re.fullmatch(r"Use \d+", each.text)]


def stored(client: QProcessClient) -> dict[str, Any]:
    (server,) = client.request("servers")
    return server


def test_tls_is_switched_off_and_on(window, client: QProcessClient, tested, pacs: dict[str, Any], wait_until):
    port = pacs["port"]
    tested("speaks plain DICOM, but TLS is on", host="127.0.0.1", port=port, called_ae_title="PACS", tls=True)
    shown(window, "Switch TLS off").click()
    wait_until(lambda: not stored(client)["tls"])
    wait_until(lambda: "all steps passed" in texts(window))
    assert not shown(window, "Use TLS").checked


def test_an_encrypted_server_offers_tls(window, client: QProcessClient, tested, tmp_path: Path, wait_until):
    """What then is wrong with the certificate can be looked at."""
    folder = tmp_path / "ca"
    folder.mkdir()
    authority = Authority(folder)
    server = tls_storescp(tmp_path / "scp", authority, authority.leaf("old", expired=True), client_certificate=False)
    server.start()
    try:
        known = {"tls_ca_file": str(authority.certificate), "host": "localhost", "port": server.port}
        tested("speaks TLS, but TLS is off", called_ae_title="STORESCP", **known)
        shown(window, "Switch TLS on").click()
        wait_until(lambda: stored(client)["tls"])
        wait_until(lambda: named(window, "Details"))
        assert "failed at step 3" in texts(window)
        shown(window, "Details").click()
    finally:
        server.stop()
    logs = [each for each in qt.QApplication.topLevelWidgets() if each.windowTitle == "Certificate of Main PACS"]
    (field,) = logs[-1].findChildren(qt.QPlainTextEdit)
    assert f"Valid until: {EXPIRED_ON}" in field.plainText
    assert "Issued by:" in field.plainText


def test_c_move_is_offered_where_c_get_is_not(window, client: QProcessClient, tested, tmp_path: Path, wait_until):
    """Then the port of our listener is in the way, and another one is offered as well."""
    taken = socket.create_server(("127.0.0.1", 0))
    server = DcmQrScp(tmp_path / "pacs", options=["--disable-get"])
    server.start()
    try:
        config = server.config(retrieve_protocol="C-GET")
        client.request("set_setting", key="node/port", value=taken.getsockname()[1])
        address = {"host": config.host, "port": config.port, "called_ae_title": config.called_ae_title}
        tested("offers no retrieve by C-GET", retrieve_protocol="C-GET", **address)
        shown(window, "Use C-MOVE").click()
        wait_until(lambda: stored(client)["retrieve_protocol"] == "C-MOVE")
        wait_until(lambda: ports_offered(window))
        (use,) = ports_offered(window)
        use.click()
        wait_until(lambda: client.request("node")["running"])
        assert use.text == f"Use {client.request('node')['port']}"
        wait_until(lambda: "Our listener runs as" in texts(window))
    finally:
        taken.close()
        server.stop()


def test_a_web_page_leads_to_the_address(window, client: QProcessClient, tested, wait_until):
    page = Answer(200, {"Content-Type": "text/html"}, [b"<html>Hello</html>"])
    with WebServer(lambda request: page) as server:
        tested("answers with a web page, not DICOMweb", protocol="dicomweb", url=server.url)
        shown(window, "Edit URL").click()
        wait_until(lambda: shown(window, "Address").focus)


def test_a_missing_sign_in_leads_to_its_field(window, client: QProcessClient, tested, wait_until):
    def handler(request: Request) -> Answer:
        return json_answer([]) if request.headers.get("authorization") == "Bearer t0ken" else Answer(401)

    with WebServer(handler) as server:
        tested("Sign-in to Main PACS is needed", protocol="dicomweb", url=server.url)
        shown(window, "Set the way to sign in").click()
        shown(window, "Sign in").currentIndex = 2
        wait_until(lambda: stored(client)["auth"] == "bearer")
        type_into(window, "Token", "t0ken")
        wait_until(lambda: stored(client)["secrets"] == ["token"])
        window.test_chosen()
        wait_until(lambda: "accepts our sign-in" in texts(window))


def test_sending_is_tested_only_when_asked_for(window, client: QProcessClient, tested, wait_until):
    """STOW-RS: nothing is posted by a test, and one image by the test of sending."""

    def handler(request: Request) -> Answer:
        if request.method == "POST":
            uid = {"00081155": {"vr": "UI", "Value": ["2.25.306127849503612784950361278495036127849"]}}
            return json_answer({"00081199": {"vr": "SQ", "Value": [uid]}})
        return json_answer([])

    with WebServer(handler) as server:
        tested("Whether images may be sent shows only when some are sent", protocol="dicomweb", url=server.url)
        posted = [request for request in server.requests if request.method == "POST"]
        assert posted == []
        shown(window, "Test sending too").click()
        wait_until(lambda: "took a test image" in texts(window))
        wait_until(lambda: "all steps passed" in texts(window))
        posted = [request for request in server.requests if request.method == "POST"]
        assert len(posted) == 1
        assert b"CONNECTION-TEST" in posted[0].body
        # The next one is a usual test again.
        shown(window, "Test again").click()
        wait_until(lambda: "Whether images may be sent shows only when some are sent" in texts(window))
        assert len([request for request in server.requests if request.method == "POST"]) == 1
