"""The commands and options of ``visual-dicom-browser``; what they do stands in ``local``, ``network``, ``demo``
and ``browse``.

Those that concern servers and jobs are in ``parser_network``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from VisualDICOMBrowserLib import __version__
from VisualDICOMBrowserLib.cli.browse import add_browse
from VisualDICOMBrowserLib.cli.options import Commands, add_filters
from VisualDICOMBrowserLib.cli.parser_network import add_jobs, add_network, add_servers

__all__ = ["DEFAULT_DATABASE", "build_parser"]

DEFAULT_DATABASE = Path.home() / "VisualDICOMBrowser"


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
    add_servers(commands, common)
    add_network(commands, common)
    add_jobs(commands, common)
    add_browse(commands, common)
    demo = commands.add_parser("demo", parents=[common], help="show the whole way on real and generated data")
    demo.add_argument("--headless", action="store_true", help="no window: a table and pictures in a folder")
    demo.add_argument("--output", type=Path, default=Path("out"), metavar="DIR", help="where pictures go")
    demo.add_argument("--from", dest="source", type=Path, metavar="DIR", help="put this folder into the PACS")
    return parser


def _add_local(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    importing = commands.add_parser("import", parents=[common], help="import files, folders, DICOMDIR or zip")
    importing.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    how = importing.add_mutually_exclusive_group()
    how.add_argument("--copy", action="store_true", help="copy files into the database folder")
    how.add_argument("--link", action="store_true", help="leave files where they are (default)")

    listing = commands.add_parser("list", parents=[common], help="what is in the local database")
    add_filters(listing, "patient")

    removing = commands.add_parser("remove", parents=[common], help="remove from the local database")
    what = removing.add_mutually_exclusive_group(required=True)
    what.add_argument("--patient", metavar="ID", help="all of the patient with this PatientID")
    what.add_argument("--study", metavar="UID")
    what.add_argument("--series", metavar="UID")

    checking = commands.add_parser("check", parents=[common], help="is the database sound and every file there?")
    mend = checking.add_mutually_exclusive_group()
    mend.add_argument("--find", type=Path, metavar="DIR", help="look there for files that are missing")
    mend.add_argument("--remove-missing", action="store_true", help="remove what missing files left in the database")
    mend.add_argument("--rebuild", action="store_true", help="make a damaged database anew; the damaged file is kept")

    thumbnail = commands.add_parser("thumbnail", parents=[common], help="make the pictures of series")
    thumbnail.add_argument("series", nargs="+", metavar="SERIES")
    thumbnail.add_argument("--force", action="store_true", help="make them anew")
    thumbnail.add_argument("--output", type=Path, metavar="DIR", help="copy the pictures there")

    loading = commands.add_parser("load", parents=[common], help="load a series and save it as a volume")
    loading.add_argument("series", metavar="SERIES")
    loading.add_argument("--output", type=Path, required=True, metavar="FILE.nrrd")

    setting = commands.add_parser("settings", parents=[common], help="list the settings of this database, or set one")
    setting.add_argument("key", nargs="?", metavar="SETTING")
    setting.add_argument("value", nargs="?", default="", metavar="VALUE")
