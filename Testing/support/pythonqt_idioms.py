"""Refuses what fails on PythonQt, or on the desktop's `qt`, by reading a file's syntax tree.

For objects whose Qt class it cannot tell, only names that mean the same everywhere in Qt are judged.
The rules are in `pythonqt_rules` and `pythonqt_rules_values`. Test code only.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

import Testing.support.pythonqt_rules_values  # noqa: F401 - enters its rules
from Testing.support.pythonqt_context import imports_qt, read_context
from Testing.support.pythonqt_rules import RULES

__all__ = ["Finding", "check_source"]


@dataclass(frozen=True)
class Finding:
    """One refused idiom: where it stands, the rule's name, and what to write instead."""

    line: int
    rule: str
    message: str


def check_source(source: str) -> list[Finding]:
    """Findings of one file's text, by line; empty if it is clean or does not import `qt`."""
    tree = ast.parse(source)
    if not imports_qt(tree):
        return []
    context = read_context(tree)
    findings = []
    for node in ast.walk(tree):
        for rule in RULES:
            if isinstance(node, rule.nodes):
                for message in rule.check(node, context):
                    findings.append(Finding(getattr(node, "lineno", 1), rule.name, message))
    return sorted(findings, key=lambda finding: (finding.line, finding.rule))
