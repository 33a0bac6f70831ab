"""The commands that concern servers, transfers and jobs, with their options; what they do stands in ``network``,
``servers``, ``transfers`` and ``jobs``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from VisualDICOMBrowserLib.cli.options import Commands, add_filters

__all__ = ["add_jobs", "add_network", "add_servers"]


def add_servers(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """``servers`` and its actions."""
    servers = commands.add_parser("servers", help="the servers of this database")
    actions = servers.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="all servers")
    for name, text in (("add", "add a server"), ("edit", "change a server")):
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("name", metavar="NAME")
        _add_server_options(action)
        if name == "edit":
            action.add_argument("--new-name", metavar="NAME")
    for name, text in (
        ("remove", "forget a server"),
        ("duplicate", "add a copy under the name with a number"),
        ("default", "make it the one that is selected first"),
    ):
        actions.add_parser(name, parents=[common], help=text).add_argument("name", metavar="NAME")
    testing = actions.add_parser(
        "test", parents=[common], help="walk through everything that can be wrong with a server"
    )
    testing.add_argument("name", metavar="NAME")
    testing.add_argument("--store", action="store_true", help="send a small test image too, which may stay there")
    order = actions.add_parser("order", parents=[common], help="put these servers first, in this order")
    order.add_argument("names", nargs="+", metavar="NAME")
    secret = actions.add_parser("secret", parents=[common], help="keep a password or token, read from standard input")
    secret.add_argument("name", metavar="NAME")
    secret.add_argument("field", metavar="FIELD", help="password, token, client_secret, rest_password, header:NAME")
    exporting = actions.add_parser("export", parents=[common], help="write the list without passwords")
    exporting.add_argument("file", type=Path, metavar="FILE.json")
    importing = actions.add_parser("import", parents=[common], help="take over a list, or Slicer's own (.ini)")
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.add_argument("--on-clash", choices=["rename", "replace", "skip"], default="rename")


def _add_server_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("--protocol", choices=["dimse", "dicomweb", "folder"])
    action.add_argument("--host")
    action.add_argument("--port", type=int)
    action.add_argument("--aet", help="AE title of the server")
    action.add_argument("--calling-aet", help="AE title under which we call it")
    action.add_argument("--url", help="DICOMweb address")
    action.add_argument("--folder", help="folder to look through")
    action.add_argument("--retrieve", choices=["auto", "C-GET", "C-MOVE", "proxy"], help="how instances are fetched")
    action.add_argument("--proxy", metavar="NAME", help="server that takes what a C-MOVE-only PACS sends")
    action.add_argument("--auth", choices=["none", "basic", "bearer", "client_credentials", "device_code"])
    action.add_argument("--user")
    action.add_argument("--tls", action=argparse.BooleanOptionalAction, default=None, help="encrypt DIMSE")
    action.add_argument("--timeout", type=float, metavar="SECONDS")
    action.add_argument("--max-associations", type=int, metavar="N")
    action.add_argument(
        "--set",
        dest="more",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other field, such as prefetch=series or tls_ca_file=ca.pem; several times for several",
    )


def add_network(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """What asks, fetches, sends and listens."""
    finding = commands.add_parser("find", parents=[common], help="ask servers what they have")
    _add_sources(finding, "all, or a server; several times for several")
    add_filters(finding, "study")
    retrieving = commands.add_parser("retrieve", parents=[common], help="fetch from servers")
    _add_sources(retrieving, "where to fetch from, in this order (default: wherever it is)")
    retrieving.add_argument("--study", metavar="UID", required=True)
    retrieving.add_argument("--series", metavar="UID", default="")
    retrieving.add_argument("--force", action="store_true", help="fetch again what is here already")
    sending = commands.add_parser("send", parents=[common], help="send from the local database")
    what = sending.add_mutually_exclusive_group(required=True)
    for level, text in (("patient", "ID"), ("study", "UID"), ("series", "UID"), ("instance", "UID")):
        what.add_argument(f"--{level}", nargs="+", metavar=text)
    sending.add_argument("--to", nargs="+", default=[], metavar="SERVER", help="servers of this database")
    sending.add_argument("--address", metavar="AET@HOST:PORT", help="a receiver given by hand")
    sending.add_argument("--url", metavar="URL", help="a DICOMweb receiver given by hand")
    for name, text in (
        ("listen", "take what others send, and offer the database, until interrupted"),
        ("serve", "the same as listen"),
    ):
        listening = commands.add_parser(name, parents=[common], help=text)
        listening.add_argument("--host", default="", help="address to listen on (default: 127.0.0.1)")
        listening.add_argument("--port", type=int, help="port to listen on (default: the setting node/port)")
        listening.add_argument("--aet", default="", help="our AE title (default: the setting node/ae_title)")
    worklist = commands.add_parser("worklist", parents=[common], help="scheduled procedure steps of a server")
    worklist.add_argument("server", metavar="SERVER")
    for option, field in (
        ("--station", "ScheduledStationAETitle"),
        ("--modality", "Modality"),
        ("--from", "date_from"),
        ("--to", "date_to"),
        ("--patient-id", "PatientID"),
        ("--patient-name", "PatientName"),
        ("--accession", "AccessionNumber"),
    ):
        worklist.add_argument(option, dest=field, default="", metavar="TEXT")
    worklist.add_argument("--limit", type=int, default=0)
    watching = commands.add_parser("watch", parents=[common], help="fetch what is new of a study for a while")
    watching.add_argument("server", metavar="SERVER", nargs="?", default="")
    watching.add_argument("--study", metavar="UID", required=True)
    watching.add_argument("--minutes", type=float, default=60.0)
    watching.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")


def _add_sources(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="SERVER", help="one server, the same as --server")
    parser.add_argument("--server", dest="servers", action="append", default=[], metavar="NAME", help=text)


def add_jobs(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """``jobs`` and its actions."""
    jobs = commands.add_parser("jobs", help="the job queue of this database")
    actions = jobs.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="all jobs, the newest last")
    actions.add_parser("clear", parents=[common], help="forget finished jobs")
    actions.add_parser("show", parents=[common], help="one job with its log").add_argument("job_id", metavar="JOB")
    for name, text in (
        ("cancel", "give up jobs"),
        ("pause", "let jobs rest until they are resumed"),
        ("resume", "go on with paused and unfinished jobs, and wait for them (default: all)"),
        ("retry", "try jobs again that failed or were cancelled, and wait for them"),
    ):
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("job_ids", nargs="*", metavar="JOB")
        if name != "resume":
            action.add_argument("--all", action="store_true", help="all that can")
