"""Displayed fields: columns that rules compute from the headers of the instances of a series.

What lives here: what a rule is, how its values merge with what a row already has, and the registry in which
Python code adds rules of its own. The built-in rules are in `displayed_rules`; when and on which rows they
run is decided in `filing`. A row of the table ``DisplayedFieldGeneratorRules`` with ``Enabled`` 0 switches
the rule of that name off (as in CTK). Rules are called on whatever thread writes to the database.

A rule of one's own::

    class ProtocolRule(DisplayedFieldRule):
        name = "Protocol"
        tags = ("0018,1030",)
        merges = {"Studies.StudyDescription": Merge.CONCATENATE}

        def fields(self, values):
            return {"Studies.StudyDescription": values.get("0018,1030", "")}

    RULES.register(ProtocolRule())
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Mapping
from enum import Enum

from VisualDICOMBrowserLib.database.schema import COLUMN_DISPLAY_ROWS
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["RULES", "DisplayedFieldRule", "Merge", "RuleRegistry", "merged"]

_LONGEST = 255
_TAG = re.compile(r"[0-9A-F]{4},[0-9A-F]{4}")
_SEPARATOR = ", "
# What identifies or links rows, or belongs to others, is not for rules.
_PROTECTED = re.compile(r"UID$|^PatientID$|^PatientsName$|Timestamp$|^Connections$")
_FIELDS = frozenset(f"{table}.{field}" for table, field, *_ in COLUMN_DISPLAY_ROWS if not _PROTECTED.search(field))


class Merge(Enum):
    """What happens when instances of one series, study or patient give different values for a field."""

    SAME_VALUE = "same value"  # they should not differ; the first that is not empty stays
    CONCATENATE = "concatenate"  # joined with ", " unless contained already, up to 255 characters


class DisplayedFieldRule:
    """One rule. Subclasses set the class attributes and override `fields`.

    Attributes
    ----------
    name : str
        Unique name, as in ``DisplayedFieldGeneratorRules``.
    tags : tuple of str
        Tags (``"GGGG,EEEE"``, upper case) whose values `fields` is given; they are read at indexing.
    merges : mapping of str to Merge
        How each field merges; keys are ``"Patients.Column"``, ``"Studies.Column"`` or ``"Series.Column"``.
    placeholders : collection of str
        Values that stand for "nothing known" and give way to any other.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    merges: Mapping[str, Merge] = {}
    placeholders: Collection[str] = ()

    def fields(self, values: Mapping[str, str]) -> dict[str, str]:
        """Field values for one instance from its header values; empty ones are as good as absent.

        Must depend on nothing but the values of `tags`: instances with equal values are asked once.
        """
        raise NotImplementedError


def merged(rule: Merge, present: str, new: str, placeholders: Collection[str] = ()) -> str:
    """Value of a field that has `present` and is given `new`."""
    if not new:
        return present
    if not present or present in placeholders:
        return new
    if new in placeholders or rule is Merge.SAME_VALUE or new in present:
        return present
    joined = present + _SEPARATOR + new
    return joined if len(joined) <= _LONGEST else present


class RuleRegistry:
    """The rules in the order in which they are applied. Safe from any thread."""

    def __init__(self, rules: Collection[DisplayedFieldRule] = ()) -> None:
        self._rules: dict[str, DisplayedFieldRule] = {}
        self._lock = threading.Lock()
        for rule in rules:
            self.register(rule)

    def register(self, rule: DisplayedFieldRule) -> None:
        """Add a rule after the others, or put it in the place of the one with its name.

        Databases that are opened afterwards use it.

        Raises
        ------
        UsageError
            The rule has no name, a malformed tag, or a field that is no column a rule may set.
        """
        wrong = [tag for tag in rule.tags if not _TAG.fullmatch(tag)]
        wrong += [key for key in rule.merges if key not in _FIELDS]
        if not rule.name or wrong:
            message = f"The displayed-field rule {rule.name!r} is not usable: {', '.join(wrong) or 'no name'}."
            raise UsageError(message, subject=rule.name)
        with self._lock:
            self._rules[rule.name] = rule

    def unregister(self, name: str) -> None:
        """Take a rule out, if it is there."""
        with self._lock:
            self._rules.pop(name, None)

    def rules(self, disabled: Collection[str] = ()) -> tuple[DisplayedFieldRule, ...]:
        """Rules in order, without those whose name is in `disabled`."""
        with self._lock:
            return tuple(rule for name, rule in self._rules.items() if name not in disabled)


RULES = RuleRegistry()
