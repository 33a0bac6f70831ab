"""Signing in to web servers against an own OAuth2 server: every way, renewal, waiting for a person, and no leaks."""

from __future__ import annotations

import base64
import logging
import threading
from typing import Any

import pytest

from Testing.support.file_sink import ControlOfTest
from Testing.support.oauth_server import OAuthServer
from Testing.support.web_drivers import SecretsOfTest, web_driver, web_services
from Testing.support.web_server import Answer, Request, WebServer, json_answer
from VisualDICOMBrowserLib.errors import JobCancelled, PeerError
from VisualDICOMBrowserLib.model import Query
from VisualDICOMBrowserLib.servers.web.tokens import AccessToken, TokenCache

PASSWORD, CLIENT_SECRET, REFRESH = "pass-w0rd:ü", "client-s3cret", "refresh-t0ken"


def test_basic() -> None:
    """User and password, in UTF-8 (RFC 7617)."""
    expected = "Basic " + base64.b64encode(f"tester:{PASSWORD}".encode()).decode()

    def handler(request: Request) -> Answer:
        return json_answer([]) if request.headers.get("authorization") == expected else Answer(401)

    with WebServer(handler) as server:
        driver = web_driver(server.url, web_services(password=PASSWORD), auth="basic", user="tester")
        driver.find(Query(), ControlOfTest())
        driver.close()
        wrong = web_driver(server.url, web_services(password="other"), auth="basic", user="tester")
        with pytest.raises(PeerError, match="does not accept our sign-in") as fault:
            wrong.find(Query(), ControlOfTest())
        wrong.close()
        assert len(server.requests) == 2
    assert fault.value.code == "sign_in"


def test_bearer_without_a_token_is_not_asked() -> None:
    """The sentence says that the token is missing, and the server is left alone."""
    with WebServer(lambda request: json_answer([])) as server:
        driver = web_driver(server.url, web_services(), auth="bearer")
        with pytest.raises(PeerError, match="no token is stored"):
            driver.find(Query(), ControlOfTest())
        driver.close()
        assert not server.requests


def test_client_credentials_are_shared_by_drivers() -> None:
    """One token serves all drivers of an engine; it is fetched without own headers."""
    services = web_services(client_secret=CLIENT_SECRET, **{"header:X-Key": "k3y"})
    with OAuthServer() as oauth:
        for _ in range(3):
            driver = web_driver(oauth.server.url, services, auth="client_credentials", **oauth.settings)
            assert driver.find(Query(), ControlOfTest()).records
            driver.close()
        assert oauth.given == 1
        (form,) = oauth.forms()
        assert "x-key" not in oauth.server.seen("/token")[0].headers
    assert form == {
        "grant_type": "client_credentials",
        "scope": "read",
        "client_id": "browser",
        "client_secret": CLIENT_SECRET,
    }


def test_many_drivers_sign_in_once() -> None:
    """Several threads that need a token at the same moment."""
    services = web_services(client_secret=CLIENT_SECRET)
    with OAuthServer() as oauth:

        def search() -> None:
            driver = web_driver(oauth.server.url, services, auth="client_credentials", **oauth.settings)
            driver.find(Query(), ControlOfTest())
            driver.close()

        threads = [threading.Thread(target=search, name=f"test-search-{n}") for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert oauth.given == 1
        assert oauth.authorizations() == ["Bearer access-1"] * 6


def test_an_expired_token_is_renewed_once() -> None:
    """Case 70: the server takes the old token no more; a new one goes on, and a second refusal ends it."""
    services = web_services(client_secret=CLIENT_SECRET)
    with OAuthServer(valid=lambda token: token != "access-1") as oauth:
        driver = web_driver(oauth.server.url, services, auth="client_credentials", **oauth.settings)
        assert driver.find(Query(), ControlOfTest()).records
        assert oauth.authorizations() == ["Bearer access-1", "Bearer access-2"]
        oauth.valid = lambda token: False
        with pytest.raises(PeerError) as fault:
            driver.find(Query(), ControlOfTest())
        driver.close()
        assert oauth.given == 3
    assert fault.value.code == "sign_in"


def test_the_client_secret_goes_in_the_header_where_the_form_is_refused() -> None:
    """RFC 6749 2.3.1: some servers take it in one way only."""
    services = web_services(client_secret=CLIENT_SECRET)
    refused = json_answer({"error": "invalid_client"}, 401)
    with OAuthServer(refused, json_answer({"access_token": "a"})) as oauth:
        driver = web_driver(oauth.server.url, services, auth="client_credentials", **oauth.settings)
        driver.find(Query(), ControlOfTest())
        driver.close()
        first, second = oauth.server.seen("/token")
    assert "authorization" not in first.headers
    assert second.headers["authorization"].startswith("Basic ")
    assert "client_secret" not in second.form


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (json_answer({"error": "invalid_client", "error_description": CLIENT_SECRET}, 401), "sign_in", "not accepted"),
        (json_answer({"error": "strange"}, 400), "sign_in", "gave no token"),
        (json_answer({"access_token": ""}), "sign_in", "gave no token"),
        (json_answer(["list"]), "not_dicomweb", "something else than a token"),
        (Answer(200, {}, [b"<html>"]), "not_dicomweb", "something else than a token"),
        (Answer(404), "sign_in", "status 404"),
        (Answer(503, {"Retry-After": "7"}), "http_503", "busy"),
        (Answer(302, {"Location": "https://elsewhere.example.org/"}), "protocol", "redirect of the sign-in"),
    ],
)
def test_refused_sign_ins(answer: Answer, code: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the token address may say; never the secret, and nothing is sent to an address it names."""
    caplog.set_level(logging.DEBUG)
    services = web_services(client_secret=CLIENT_SECRET)
    with OAuthServer(answer) as oauth:
        driver = web_driver(oauth.server.url, services, auth="client_credentials", **oauth.settings)
        with pytest.raises(PeerError) as fault:
            driver.find(Query(), ControlOfTest())
        driver.close()
        assert not oauth.server.seen("/studies")
    assert fault.value.code == code
    assert words in fault.value.message
    for text in (str(fault.value), repr(fault.value), str(fault.value.as_dict()), caplog.text, repr(driver)):
        assert CLIENT_SECRET not in text


def device_driver(oauth: OAuthServer, services: Any) -> Any:
    """A driver whose user signs in with a code."""
    return web_driver(oauth.server.url, services, auth="device_code", **oauth.settings)


def test_device_code_waits_for_a_person() -> None:
    """RFC 8628: the person is told where and with what code, then it goes on; the refresh token is kept."""
    told: list[tuple[str, dict[str, Any]]] = []
    services = web_services(lambda name, **fields: told.append((name, fields)))
    pending = json_answer({"error": "authorization_pending"}, 400)
    done = json_answer({"access_token": "access", "refresh_token": REFRESH, "expires_in": 3600})
    control = ControlOfTest()
    with OAuthServer(pending, pending, done) as oauth:
        driver = device_driver(oauth, services)
        assert driver.find(Query(), control).records
        driver.close()
        assert oauth.forms("/device") == [{"client_id": "browser", "scope": "read"}]
        assert [form["device_code"] for form in oauth.forms()] == ["device-c0de"] * 3
    (name, fields), (end, ended) = told
    assert name == "sign_in_needed"
    assert fields == {
        "server": "Web",
        "url": "https://sign.example.org/device?user_code=ABCD-EFGH",
        "address": "https://sign.example.org/device",
        "code": "ABCD-EFGH",
        "expires_in": 600,
        "job_id": "",
    }
    assert (end, ended) == ("sign_in_ended", {"server": "Web", "outcome": "done", "message": ""})
    assert services.secrets is not None
    assert services.secrets.get("Web") == {"refresh_token": REFRESH}
    assert not any("device-c0de" in message or "access" in message for message in control.messages)


@pytest.mark.parametrize(
    ("error", "words"), [("access_denied", "it was not allowed"), ("expired_token", "nobody signed in")]
)
def test_device_code_refused_or_too_late(error: str, words: str) -> None:
    """The person says no, or nothing."""
    with OAuthServer(json_answer({"error": error}, 400)) as oauth:
        driver = device_driver(oauth, web_services())
        with pytest.raises(PeerError, match=words) as fault:
            driver.find(Query(), ControlOfTest())
        driver.close()
    assert fault.value.code == "sign_in"


def test_waiting_for_a_person_ends_by_cancel() -> None:
    """Cancel does not wait for the next question, which slow_down has put off."""
    control = ControlOfTest()
    slow = json_answer({"error": "slow_down"}, 400)
    with OAuthServer(slow) as oauth:
        driver = device_driver(oauth, web_services())
        timer = threading.Timer(0.5, control.cancel)
        timer.start()
        with pytest.raises(JobCancelled):
            driver.find(Query(), control)
        timer.join()
        driver.close()
        assert len(oauth.forms()) == 1


def test_a_refresh_token_saves_the_person() -> None:
    """RFC 6749 6: signed in again without anybody; a used-up refresh token is forgotten."""
    done = json_answer({"access_token": "access", "refresh_token": "next"})
    services = web_services(refresh_token=REFRESH)
    with OAuthServer(done) as oauth:
        driver = device_driver(oauth, services)
        driver.find(Query(), ControlOfTest())
        driver.close()
        assert [form["grant_type"] for form in oauth.forms()] == ["refresh_token"]
        assert not oauth.forms("/device")
    assert services.secrets is not None
    assert services.secrets.get("Web") == {"refresh_token": "next"}
    used_up = web_services(refresh_token=REFRESH)
    with OAuthServer(json_answer({"error": "invalid_grant"}, 400), json_answer({"access_token": "a"})) as oauth:
        driver = device_driver(oauth, used_up)
        driver.find(Query(), ControlOfTest())
        driver.close()
        assert len(oauth.forms("/device")) == 1
    assert isinstance(used_up.secrets, SecretsOfTest)
    assert used_up.secrets.fields == {}


def test_tokens_end_by_the_clock() -> None:
    """A token is not used beyond its time, and a newer one is not thrown away for an older."""
    now = [100.0]
    tokens = TokenCache(lambda: now[0])
    tokens.put(("Web",), AccessToken("first", 160.0))
    assert tokens.get(("Web",)) == "first"
    now[0] = 160.0
    assert tokens.get(("Web",)) == ""
    tokens.put(("Web",), AccessToken("second"))
    tokens.reject(("Web",), "first")
    assert tokens.get(("Web",)) == "second"
    assert "second" not in repr(AccessToken("second"))
