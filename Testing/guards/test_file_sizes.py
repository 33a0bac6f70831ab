"""A subject fits in the head: files of at most 400 lines, functions of at most 60."""

from __future__ import annotations

import ast

from Testing.support.shipped import REPOSITORY, own_python_files

FILE_LINES = 400
FUNCTION_LINES = 60


def test_files_and_functions_are_short():
    faults = []
    for path in own_python_files():
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(REPOSITORY)
        lines = len(text.splitlines())
        if lines > FILE_LINES:
            faults.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    faults.append(f"{name}:{node.lineno}: {node.name} has {length} lines")
    assert not faults, "\n".join(faults)
