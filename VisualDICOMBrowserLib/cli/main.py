"""Entry point: parses, opens the engine, runs one command, and turns failures into a sentence and an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from VisualDICOMBrowserLib.cli.output import EXIT_FAILED, EXIT_USAGE, Output
from VisualDICOMBrowserLib.cli.parser import DEFAULT_DATABASE, build_parser
from VisualDICOMBrowserLib.engine.logs import configure_logging
from VisualDICOMBrowserLib.errors import JobCancelled, StorageFault, UsageError, VisualDICOMError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 failed, 2 wrong usage, 3 partly)."""
    arguments = build_parser().parse_args(argv)
    configure_logging(logging.WARNING)
    output = Output(as_json=arguments.json)
    try:
        return _run(arguments, output)
    except VisualDICOMError as error:
        return _failed(error, output)
    except BrokenPipeError:
        # Who reads our output has heard enough; what is still buffered must not fail as the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        message = f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}."
        return _failed(StorageFault(message, subject=str(error.filename or "")), output)
    except KeyboardInterrupt:
        return _failed(_interrupted(elsewhere=False), output)


def _failed(error: VisualDICOMError, output: Output) -> int:
    """Tell what went wrong, as the one document if there was none yet."""
    if output.as_json and not output.documented:
        output.document({"error": error.as_dict()}, "")
    output.message(str(error))
    return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED


def _interrupted(*, elsewhere: bool) -> JobCancelled:
    if elsewhere:
        message = "Interrupted. The program that runs the engine of this database goes on with what was begun."
        return JobCancelled(message, code="interrupted", next_step="See it with jobs list, end it with jobs cancel.")
    message = "Interrupted. What was stored so far stays."
    return JobCancelled(message, code="interrupted", next_step="Run the command again, or jobs resume, to go on.")


def _run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.command == "demo":
        from VisualDICOMBrowserLib.cli.demo import run_demo

        return run_demo(arguments, output)
    if arguments.command == "browse":
        from VisualDICOMBrowserLib.cli.browse import run_browse

        return run_browse(arguments, output, DEFAULT_DATABASE)
    from VisualDICOMBrowserLib.cli import care, jobs, local, network, servers, transfers
    from VisualDICOMBrowserLib.engine.open_engine import open_engine
    from VisualDICOMBrowserLib.engine.session import Session

    modules = (local, servers, network, transfers, jobs, care)
    handlers = {name: handler for module in modules for name, handler in module.HANDLERS.items()}
    care.prepare(arguments, output)
    client = open_engine(arguments.database, resume=False)
    with Session(client) as session:
        try:
            return handlers[arguments.command](session, arguments, output)
        except KeyboardInterrupt:
            raise _interrupted(elsewhere=not client.hosting) from None
