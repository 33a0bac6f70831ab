"""What is seen: the browser panel, its models, and the way to the engine over Qt's ``QProcess``.

Written for two bindings, PythonQt in Slicer and PySide6 in the desktop window (which brings the module ``qt``,
see ``desktop.qt``); a test refuses idioms that only one of them knows. Only the standard library, ``qt`` and
light modules of the engine are imported at file level. Main thread only, and no Python threads: they starve
inside Slicer.
"""
