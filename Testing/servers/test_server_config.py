"""`ServerConfig`: valid once made, and one sentence for each bad field, whatever is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.config_checks import config_problems, is_secret_header

FIELDS = tuple(ServerConfig.__dataclass_fields__)


def config(name: str = "Main PACS", **changes: Any) -> ServerConfig:
    return ServerConfig(**{"name": name, "host": "pacs.example.org", "called_ae_title": "MAIN", **changes})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "  ", "name of the server is missing"),
        ("name", "two\nlines", "one line"),
        ("protocol", "gopher", "one of dimse"),
        ("protocol", ["dimse"], "one of dimse"),
        ("host", "", "host is missing"),
        ("host", "http://pacs", "plain name or address"),
        ("host", "pacs:104", "port has a field of its own"),
        ("host", "pacs..example.org", "not a name that a computer can have"),
        ("host", "x" * 64 + ".org", "not a name that a computer can have"),
        ("host", "pacs\0", "plain name or address"),
        ("port", 0, "from 1 to 65535"),
        ("port", "104", "whole number"),
        ("port", True, "whole number"),
        pytest.param("port", 10**5000, "whole number", id="huge-port"),
        ("called_ae_title", "", "called AE title is missing"),
        ("called_ae_title", "X" * 17, "17 characters"),
        ("calling_ae_title", "A\\B", "no backslash"),
        ("timeout_s", 0, "time-out must be a number from 1"),
        ("timeout_s", float("nan"), "time-out"),
        ("max_associations", 33, "from 1 to 32"),
        ("retrieve_protocol", "C-FLY", "one of auto, C-GET, C-MOVE, proxy, not 'C-FLY'"),
        ("retrieve_protocol", "proxy", "server to use as proxy is missing"),
        ("proxy", "Main PACS", "its own proxy"),
        ("enabled", "yes", "yes or no"),
        ("url", "https://me:secret@host/rs", "must look like https://host/path"),
        ("url", "ftp://host/rs", "must look like https://host/path"),
        ("url", "https://host:0/rs", "must look like https://host/path"),
        ("url", "https://host/rs?token=x", "parameters after ? or #"),
        ("token_url", "https://host/token?client_secret=x", "holds a secret among its parameters"),
        ("headers", {"Authorization": "Bearer x"}, "holds a secret"),
        ("headers", {"X-Api-Key": "x"}, "holds a secret"),
        ("headers", {"X-Ward": "Basic dGVzdA=="}, "holds a secret"),
        ("headers", {"Host": "other"}, "set by this program"),
        ("headers", {"X-Ward": "two\r\nX-More: 1"}, "one line"),
        ("headers", {"X Ward": "1"}, "plain name"),
        ("headers", ["X-Ward"], "names with values"),
        ("date_from", "20260231", "date such as 20260131"),
        ("date_from", "2026131", "date such as 20260131"),
        ("folder", "incoming", "full path"),
        ("recent_unit", "weeks", "days, months, years"),
        ("tls_key_file", "/keys/key.pem", "needs its certificate file"),
        ("wildcards", 1, "yes or no"),
        ("ask_at_start", "no", "yes or no"),
        ("confirm_by_query", None, "yes or no"),
        ("keep_compression", "", "yes or no"),
        ("character_set", "UTF-8", "left out or one of ISO_IR 13, ISO_IR 100"),
        ("character_set", ["ISO_IR 100"], "character set of queries"),
        ("speed_limit_mb_s", -1, "speed limit must be a number from 0"),
        ("images_per_batch", 2.5, "images per batch must be a whole number"),
        ("tls_min_version", "1.1", "oldest version of TLS must be one of 1.2, 1.3, not '1.1'"),
    ],
)
def test_a_bad_field_has_its_sentence(field: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        config(**{field: value})
    assert words in raised.value.message
    assert raised.value.code == "server_config"
    problems = config_problems({**config().to_dict(), field: value})
    assert len(problems) == 1
    assert words in "".join(problems.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "192.0.2.7"),
        ("host", "fe80::1%eth0"),
        ("host", "[2001:db8::5]"),
        ("host", "klinik-münchen.example"),
        ("token_url", "https://login.example.org/token?policy=sign_in"),
        ("headers", {"X-Ward": "7B", "X-Authenticated-User": "viewer"}),
        ("folder", "C:\\Incoming"),
        ("date_from", "20240229"),
        ("called_ae_title", "  MAIN  "),
    ],
)
def test_a_good_field_is_taken(field: str, value: object) -> None:
    assert config_problems({**config().to_dict(), field: value}) == {}


def test_every_bad_field_is_named() -> None:
    problems = config_problems({"protocol": "dimse", "host": "", "port": -1, "called_ae_title": ""})
    assert sorted(problems) == ["called_ae_title", "host", "port"]


def test_a_form_may_ask_about_single_fields() -> None:
    assert config_problems({"host": ""}) == {}
    assert config_problems({"date_from": "20260201", "date_to": "20260101"}) == {
        "date_to": "The last date lies before the first."
    }
    assert list(config_problems({"protocol": "dicomweb", "auth": "device_code", "url": "https://h"})) == [
        "client_id",
        "token_url",
        "device_url",
    ]


def test_no_sentence_repeats_a_password() -> None:
    for field in ("url", "rest_url", "token_url", "device_url"):
        assert "hunter2" not in config_problems({field: "https://me:hunter2@host/"})[field]
    assert "hunter2" not in config_problems({"host": "me:hunter2@pacs"})["host"]
    assert "hunter2" not in config_problems({"headers": {"Cookie": "hunter2"}})["headers"]


def test_blanks_around_a_text_do_not_matter() -> None:
    made = config(" Main ", host=" pacs ", called_ae_title="MAIN            ")
    assert (made.name, made.host, made.called_ae_title) == ("Main", "pacs", "MAIN")


def test_fields_survive_the_way_through_json() -> None:
    original = config(port=104, timeout_s=12.5, max_associations=2, enabled=False, headers={"X-Ward": "7B"})
    assert ServerConfig.from_dict(json.loads(json.dumps({**original.to_dict(), "later_field": 1}))) == original


def test_a_server_of_an_earlier_version_has_the_defaults_of_what_came_later() -> None:
    later = {
        "wildcards": True,
        "character_set": "",
        "ask_at_start": False,
        "confirm_by_query": False,
        "keep_compression": True,
        "speed_limit_mb_s": 0.0,
        "images_per_batch": 0,
        "tls_min_version": "1.2",
    }
    earlier = {name: value for name, value in config().to_dict().items() if name not in later}
    read = ServerConfig.from_dict(earlier)
    assert {name: getattr(read, name) for name in later} == later
    changed = config(character_set="ISO 2022 IR 87", speed_limit_mb_s=2.5, wildcards=False, tls_min_version="1.3")
    assert ServerConfig.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed


def test_headers_are_the_configs_own() -> None:
    headers = {"X-Ward": "7B"}
    made = config(headers=headers)
    headers["Authorization"] = "Bearer x"
    assert made.headers == {"X-Ward": "7B"}


def test_headers_that_let_somebody_in_are_known() -> None:
    assert is_secret_header("X-Auth-Token", "1")
    assert is_secret_header("X-Ward", " bearer abc")
    assert not is_secret_header("X-Auth-User", "viewer")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(object())
    | st.just(5000).map(lambda digits: 10**digits),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=8))
def test_nothing_but_a_usage_error_comes_of_any_value(values: dict[str, Any]) -> None:
    try:
        made = ServerConfig.from_dict(values)
    except UsageError as refusal:
        sentences = refusal.message
        json.dumps(refusal.as_dict())
    else:
        sentences = ""
        json.dumps(made.to_dict())
    assert not sentences or sentences.endswith(".")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(("host", "url", "called_ae_title", "date_from", "folder", "name")), st.text(max_size=80))
def test_what_is_taken_is_taken_again(field: str, text: str) -> None:
    try:
        made = config(**{field: text})
    except UsageError:
        return
    assert ServerConfig.from_dict(made.to_dict()) == made


@given(ANYTHING)
def test_fields_that_are_no_mapping_are_refused(values: Any) -> None:
    with pytest.raises(UsageError):
        ServerConfig.from_dict(values if not isinstance(values, dict) else [values])
