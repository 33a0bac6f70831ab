"""``python -m VisualDICOMBrowserLib.cli``, the same as ``visual-dicom-browser``."""

import sys

from VisualDICOMBrowserLib.cli.main import main

sys.exit(main())
