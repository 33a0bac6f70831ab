"""What a form of a server shows and saves, as plain data."""

from __future__ import annotations

import dataclasses

import pytest

from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.config_checks import config_problems
from VisualDICOMBrowserLib.servers.secrets import SECRET_FIELDS
from VisualDICOMBrowserLib.widgets.servers.drafts import changes_to_save, free_name, new_server
from VisualDICOMBrowserLib.widgets.servers.field_table import server_tabs
from VisualDICOMBrowserLib.widgets.servers.fields import ALL
from VisualDICOMBrowserLib.widgets.servers.server_words import (
    field_of_step,
    free_port_in,
    mark_of_test,
    server_line,
    steps_of,
    verdict,
)

SETTINGS = {field.name for field in dataclasses.fields(ServerConfig)}
# Kept by the sign-in itself, and the token of our own listener for notifications.
NOT_IN_FORM = {"refresh_token", "notify_token"}


def fields_for(protocol: str) -> list[str]:
    rows = [row for tab in server_tabs() for row in tab.rows if protocol in row.protocols]
    return [field.name for row in rows for field in row.fields]


def test_every_setting_of_a_server_has_its_field():
    shown = {name for protocol in ALL for name in fields_for(protocol)}
    assert shown >= SETTINGS
    assert shown - SETTINGS == {*SECRET_FIELDS, "header:"} - NOT_IN_FORM


@pytest.mark.parametrize("protocol", ALL)
def test_no_setting_has_two_fields_in_one_form(protocol: str):
    names = fields_for(protocol)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("protocol", ALL)
def test_new_server_lacks_only_its_address(protocol: str):
    needed = {"dimse": {"host", "called_ae_title"}, "dicomweb": {"url"}, "folder": {"folder"}}
    assert set(config_problems(new_server(protocol, "New"))) == needed[protocol]


def test_usable_changes_are_saved_beside_unusable_ones():
    stored = new_server("dimse", "A") | {"host": "one", "called_ae_title": "A"}
    values = stored | {"host": "two words", "port": 104}
    assert changes_to_save(stored, values, config_problems(values)) == {"port": 104}


def test_choice_waits_for_what_it_needs():
    stored = new_server("dimse", "A") | {"host": "one", "called_ae_title": "A"}
    by_proxy = stored | {"retrieve_protocol": "proxy"}
    assert changes_to_save(stored, by_proxy, config_problems(by_proxy)) == {}
    web = stored | {"protocol": "dicomweb", "timeout_s": 5.0}
    assert changes_to_save(stored, web, config_problems(web)) == {"timeout_s": 5.0}
    whole = web | {"url": "https://pacs.example.org"}
    assert changes_to_save(stored, whole, config_problems(whole)).keys() == {"protocol", "url", "timeout_s"}


def test_free_name_counts_up():
    assert free_name("New", []) == "New"
    assert free_name("New", ["New", "New 2"]) == "New 3"


def test_server_line_says_what_it_is_and_where():
    pacs = new_server("dimse", "PACS") | {"host": "pacs", "called_ae_title": "MAIN"}
    proxy = new_server("dimse", "Proxy") | {"host": "proxy", "called_ae_title": "P"}
    old = new_server("dimse", "Old") | {"host": "old", "retrieve_protocol": "proxy", "proxy": "Proxy"}
    servers = [pacs, proxy, old]
    assert server_line(pacs, servers) == "DIMSE · MAIN @ pacs:11112"
    assert server_line(proxy, servers) == "DIMSE · used by Old"
    assert server_line(old, servers) == "DIMSE · C-MOVE only, through Proxy"
    assert server_line(new_server("folder", "F") | {"folder_mode": "move"}) == "Folder · import, then clean up"


def test_test_reads_as_where_it_stands():
    passed, failed = {"name": "name", "state": "passed"}, {"name": "network", "state": "failed", "message": "No."}
    assert verdict("dimse", [passed], True) == ("step 2 of 9", "ask")
    assert verdict("dimse", [passed, failed], False) == ("failed at step 2 of 9", "error")
    assert verdict("folder", [passed], False) == ("all steps passed", "ok")
    icon, token, words = mark_of_test({}, {"ok": False, "steps": [passed, failed]})
    assert (icon, token) == ("cross-circle", "error")
    assert words.endswith("No.")
    assert mark_of_test({"protocol": "dicomweb", "auth": "bearer"}, None)[0] == "key"


@pytest.mark.parametrize("protocol", ALL)
def test_fields_of_failed_steps_are_in_the_form(protocol: str):
    names = fields_for(protocol)
    assert all(field_of_step(step, protocol) in ("", *names) for step in steps_of(protocol))


def test_free_port_is_read_from_the_sentence():
    assert free_port_in("Port 11112 is used by another program. 11113 is free.") == 11113
    assert free_port_in("Choose another port.") == 0
