"""Logging of a process that is ours alone (command line, engine child): our own words, not those of libraries.

What pydicom and its codecs complain about a file reaches the user as that file's reason; their log lines and
warnings would only repeat it with a traceback. Never called in a host's process, whose logging is the host's.
"""

from __future__ import annotations

import logging
import sys

__all__ = ["configure_logging"]


_NOISY = ("pydicom", "pynetdicom", "py", "PIL")


def configure_logging(level: int) -> None:
    """Log our own messages from `level` on to standard error, those of DICOM libraries only if critical."""
    handler = logging.StreamHandler(sys.stderr)
    # A filter and no level: pydicom sets the level of its logger itself when it is imported.
    handler.addFilter(lambda record: record.levelno >= logging.CRITICAL or record.name.split(".")[0] not in _NOISY)
    logging.basicConfig(level=level, handlers=[handler], format="%(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
