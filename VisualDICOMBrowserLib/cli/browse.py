"""The command ``browse``: the window on a database, or a picture of it without a display."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from VisualDICOMBrowserLib.cli.options import Commands
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, Output
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["add_browse", "run_browse"]

_SIZE = re.compile(r"(\d{2,5})[xX](\d{2,5})")
_LOOKS = ("light", "dark", "contrast", "system")


def add_browse(commands: Commands[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    browse = commands.add_parser("browse", parents=[common], help="open the window")
    browse.add_argument("--theme", choices=_LOOKS, default="", help="look of the window (default: what is remembered)")
    browse.add_argument("--patient", default="", metavar="ID", help="show the patient with this PatientID")
    browse.add_argument("--screenshot", type=Path, metavar="FILE", help="write a picture of the window and end")
    browse.add_argument("--size", default="1200x780", metavar="WxH", help="size of that picture (default: %(default)s)")
    browse.add_argument("--limit-s", type=float, default=60.0, metavar="S", help="most seconds to wait for pictures")


def run_browse(arguments: argparse.Namespace, output: Output, default: Path) -> int:
    """Show the window until it is closed, or write a picture of it.

    Without ``--database`` the database that the window had last is opened; if there never was one and there is none
    in the `default` folder either, the window asks where images are to be kept.
    """
    from VisualDICOMBrowserLib.desktop import app

    if arguments.screenshot is not None:
        size = _size(arguments.size)
        app.screenshot(
            _folder(arguments.database, default, None),
            arguments.screenshot,
            size,
            arguments.theme or "light",
            arguments.patient,
            arguments.limit_s,
        )
        output.document({"picture": str(arguments.screenshot)}, f"Written: {arguments.screenshot}")
        return EXIT_DONE
    app.check_display()
    app.application()
    folder = _folder(arguments.database, default, app.remembered_folder())
    return app.run(folder, arguments.theme, arguments.patient)


def _folder(given: Path, default: Path, remembered: Path | None) -> Path | None:
    if given != default:
        return given
    return remembered or (default if default.is_dir() else None)


def _size(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None:
        message = f"A size is written as 1200x780, not {text!r}."
        raise UsageError(message, subject=text)
    return int(found.group(1)), int(found.group(2))
