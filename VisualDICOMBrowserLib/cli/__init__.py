"""The command line ``visual-dicom-browser``.

``parser`` declares the commands, ``local``, ``network`` and ``demo`` carry them out, ``output`` writes what
people and programs read. With ``--json`` exactly one document goes to standard output; progress and messages
go to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done.
"""

from VisualDICOMBrowserLib.cli.main import main

__all__ = ["main"]
