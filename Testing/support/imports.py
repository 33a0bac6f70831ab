"""What a Python file imports, and whether at file level, read from its syntax tree. Test code only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Import", "imports_of"]


@dataclass(frozen=True)
class Import:
    """One imported module; ``at_start`` is true if it is imported as soon as the file is."""

    module: str
    line: int
    at_start: bool


def imports_of(source: str, package: str = "") -> list[Import]:
    """Imports of a file's text, also those within functions.

    Parameters
    ----------
    source : str
        The file's text.
    package : str
        Dotted name of the package the file lies in, for relative imports.
    """
    return list(_walk(ast.parse(source), package, at_start=True))


def _walk(node: ast.AST, package: str, *, at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, at_start)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, package)
            for alias in child.names:
                # `from package import module` and `from module import name` look alike: give the longer.
                yield Import(f"{base}.{alias.name}", child.lineno, at_start)
        else:
            inner_at_start = at_start and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                inner_at_start = False
            yield from _walk(child, package, at_start=inner_at_start)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
