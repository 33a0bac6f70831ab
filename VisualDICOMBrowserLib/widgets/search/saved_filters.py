"""Filters that the user keeps by name, those asked last, and the lock. Standard library only.

All of it lives in the `ViewSettings` of the host, as plain JSON values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import ViewSettings

__all__ = ["SavedFilters", "filters_from", "filters_to"]

_LAST = 8


def filters_to(filters: Filters) -> dict[str, Any]:
    """Filters as JSON values, only what restricts."""
    empty = asdict(Filters())
    return {name: value for name, value in asdict(filters).items() if value != empty[name]}


def filters_from(values: Mapping[str, Any]) -> Filters:
    """Filters of such values; what is not known any more is left out."""
    known = {field.name for field in fields(Filters)}
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Filters(**{name: value for name, value in plain.items() if name in known})


class SavedFilters:
    """Reads and writes them.

    Parameters
    ----------
    settings : ViewSettings
    """

    def __init__(self, settings: ViewSettings) -> None:
        self._settings = settings

    def names(self) -> list[str]:
        """Names of kept filters, sorted."""
        return sorted(self._kept())

    def filters(self, name: str) -> Filters:
        """Kept filters."""
        return filters_from(self._kept().get(name, {}))

    def keep(self, name: str, filters: Filters) -> None:
        """Keep filters under a name, in place of those of that name."""
        self._settings.put("search/saved", {**self._kept(), name: filters_to(filters)})

    def forget(self, name: str) -> None:
        """Keep them no longer."""
        self._settings.put("search/saved", {key: value for key, value in self._kept().items() if key != name})
        if self.at_start == name:
            self.at_start = ""

    @property
    def at_start(self) -> str:
        """Name of the filters that a new window begins with, empty for none."""
        return str(self._settings.get("search/at_start", "") or "")

    @at_start.setter
    def at_start(self, name: str) -> None:
        self._settings.put("search/at_start", name)

    @property
    def locked(self) -> bool:
        """Whether filters outlive the session."""
        return bool(self._settings.get("search/locked", False))

    def lock(self, filters: Filters | None) -> None:
        """Let these filters outlive the session, or with None none."""
        self._settings.put("search/locked", filters is not None)
        self._settings.put("search/locked_filters", filters_to(filters) if filters is not None else {})

    def first(self) -> Filters:
        """What a new window begins with: locked filters, else those chosen for the start, else none."""
        if self.locked:
            return filters_from(dict(self._settings.get("search/locked_filters", {}) or {}))
        return self.filters(self.at_start) if self.at_start else Filters()

    def last(self) -> list[Filters]:
        """What servers were asked for last, the newest first."""
        return [filters_from(values) for values in self._settings.get("search/last", []) or []]

    def asked(self, filters: Filters) -> None:
        """Remember a query."""
        plain = filters_to(filters)
        if plain:
            others = [values for values in self._settings.get("search/last", []) or [] if dict(values) != plain]
            self._settings.put("search/last", [plain, *others][:_LAST])

    def _kept(self) -> dict[str, Any]:
        return dict(self._settings.get("search/saved", {}) or {})
