"""The host without Slicer: the module `qt` over PySide6, and a window around the browser panel.

The only place that knows PySide6. Main thread only.
"""
