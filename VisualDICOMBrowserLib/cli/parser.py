"""The commands and options of ``visual-dicom-browser``; what they do stands in ``local``, ``network``, ``demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib import __version__

__all__ = ["build_parser"]

DEFAULT_DATABASE = Path.home() / "VisualDICOMBrowser"

_FILTERS = {
    "--patient-id": ("PatientID", "patient ID contains"),
    "--patient-name": ("PatientName", "patient name contains, parts in any order"),
    "--study": ("StudyInstanceUID", "this StudyInstanceUID"),
    "--series": ("SeriesInstanceUID", "this SeriesInstanceUID"),
    "--study-description": ("StudyDescription", "study description contains"),
    "--series-description": ("SeriesDescription", "series description contains"),
    "--accession": ("AccessionNumber", "this accession number"),
    "--from": ("date_from", "study date from, YYYYMMDD"),
    "--to": ("date_to", "study date up to, YYYYMMDD"),
}

_LEVELS = ("patient", "study", "series", "image")


def build_parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--database",
        type=Path,
        default=DEFAULT_DATABASE,
        metavar="DIR",
        help="database folder, made if there is none (default: %(default)s)",
    )
    common.add_argument("--json", action="store_true", help="one JSON document on standard output")

    parser = argparse.ArgumentParser(
        prog="visual-dicom-browser",
        description="Local DICOM database and remote servers from the command line.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_local(commands, common)
    _add_servers(commands, common)
    _add_network(commands, common)
    _add_jobs(commands, common)
    demo = commands.add_parser("demo", parents=[common], help="show the whole way on real and generated data")
    demo.add_argument("--headless", action="store_true", help="no window: a table and pictures in a folder")
    demo.add_argument("--output", type=Path, default=Path("out"), metavar="DIR", help="where pictures go")
    demo.add_argument("--from", dest="source", type=Path, metavar="DIR", help="put this folder into the PACS")
    return parser


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_local(commands: _Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    importing = commands.add_parser("import", parents=[common], help="import files, folders, DICOMDIR or zip")
    importing.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    how = importing.add_mutually_exclusive_group()
    how.add_argument("--copy", action="store_true", help="copy files into the database folder")
    how.add_argument("--link", action="store_true", help="leave files where they are (default)")

    listing = commands.add_parser("list", parents=[common], help="what is in the local database")
    _add_filters(listing, "patient")

    removing = commands.add_parser("remove", parents=[common], help="remove from the local database")
    what = removing.add_mutually_exclusive_group(required=True)
    what.add_argument("--patient", metavar="ID", help="all of the patient with this PatientID")
    what.add_argument("--study", metavar="UID")
    what.add_argument("--series", metavar="UID")

    thumbnail = commands.add_parser("thumbnail", parents=[common], help="make the pictures of series")
    thumbnail.add_argument("series", nargs="+", metavar="SERIES")
    thumbnail.add_argument("--force", action="store_true", help="make them anew")
    thumbnail.add_argument("--output", type=Path, metavar="DIR", help="copy the pictures there")

    loading = commands.add_parser("load", parents=[common], help="load a series and save it as a volume")
    loading.add_argument("series", metavar="SERIES")
    loading.add_argument("--output", type=Path, required=True, metavar="FILE.nrrd")


def _add_servers(commands: _Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    servers = commands.add_parser("servers", help="the servers of this database")
    actions = servers.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="all servers")
    for name, text in (("add", "add a server"), ("edit", "change a server")):
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("name", metavar="NAME")
        action.add_argument("--protocol", choices=["dimse"], default="dimse" if name == "add" else None)
        action.add_argument("--host", required=name == "add")
        action.add_argument("--port", type=int, required=name == "add")
        action.add_argument("--aet", help="AE title of the server", required=name == "add")
        action.add_argument("--calling-aet", help="AE title under which we call it")
        action.add_argument("--timeout", type=float, metavar="SECONDS")
        action.add_argument("--max-associations", type=int, metavar="N")
        if name == "edit":
            action.add_argument("--new-name", metavar="NAME")
    for name, text in (("remove", "forget a server"), ("test", "ask whether a server answers (C-ECHO)")):
        actions.add_parser(name, parents=[common], help=text).add_argument("name", metavar="NAME")


def _add_network(commands: _Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    finding = commands.add_parser("find", parents=[common], help="ask a server what it has (C-FIND)")
    finding.add_argument("server", metavar="SERVER")
    _add_filters(finding, "study")
    retrieving = commands.add_parser("retrieve", parents=[common], help="fetch from a server (C-GET)")
    retrieving.add_argument("server", metavar="SERVER")
    retrieving.add_argument("--study", metavar="UID", required=True)
    retrieving.add_argument("--series", metavar="UID", default="")
    serving = commands.add_parser("serve", parents=[common], help="offer the database to other DICOM nodes")
    serving.add_argument("--host", default="", help="address to listen on (default: 127.0.0.1)")
    serving.add_argument("--port", type=int, help="port to listen on (default: the setting node/port)")
    serving.add_argument("--aet", default="", help="our AE title (default: the setting node/ae_title)")


def _add_jobs(commands: _Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    jobs = commands.add_parser("jobs", help="the job queue of this database")
    actions = jobs.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="all jobs, the newest last")
    actions.add_parser("clear", parents=[common], help="forget finished jobs")
    actions.add_parser("resume", parents=[common], help="take up unfinished jobs and wait for them")
    for name, text in (("show", "one job with its log"), ("cancel", "give up a job")):
        actions.add_parser(name, parents=[common], help=text).add_argument("job_id", metavar="JOB")


def _add_filters(parser: argparse.ArgumentParser, level: str) -> None:
    parser.add_argument("--level", choices=_LEVELS, default=level, help="default: %(default)s")
    for option, (field, text) in _FILTERS.items():
        parser.add_argument(option, dest=field, default="", metavar="TEXT", help=text)
    parser.add_argument(
        "--modality",
        dest="Modalities",
        action="append",
        default=[],
        help="modality, several times for several",
    )
    parser.add_argument("--limit", type=int, default=0, help="most records wanted, 0 for all")


def filters_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The filters that were given, as fields of `Query`."""
    names = [field for field, _ in _FILTERS.values()] + ["Modalities", "limit"]
    return {name: value for name in names if (value := getattr(arguments, name))}
