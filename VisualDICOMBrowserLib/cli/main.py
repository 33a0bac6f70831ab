"""Entry point: parses, opens the engine, runs one command, and turns failures into a sentence and an exit code."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from VisualDICOMBrowserLib.cli.output import EXIT_FAILED, EXIT_USAGE, Output
from VisualDICOMBrowserLib.cli.parser import build_parser
from VisualDICOMBrowserLib.engine.logs import configure_logging
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 failed, 2 wrong usage, 3 partly)."""
    arguments = build_parser().parse_args(argv)
    configure_logging(logging.WARNING)
    output = Output(as_json=arguments.json)
    try:
        return _run(arguments, output)
    except VisualDICOMError as error:
        if arguments.json:
            output.document({"error": error.as_dict()}, "")
        output.message(str(error))
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except KeyboardInterrupt:
        output.message("Interrupted. What was stored so far stays; run the command again to go on.")
        return EXIT_FAILED


def _run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.command == "demo":
        from VisualDICOMBrowserLib.cli.demo import run_demo

        return run_demo(arguments, output)
    from VisualDICOMBrowserLib.cli import local, network
    from VisualDICOMBrowserLib.engine.open_engine import open_engine
    from VisualDICOMBrowserLib.engine.session import Session

    handlers = {**local.HANDLERS, **network.HANDLERS}
    with Session(open_engine(arguments.database, resume=False)) as session:
        return handlers[arguments.command](session, arguments, output)
