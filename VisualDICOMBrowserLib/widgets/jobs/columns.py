"""Which columns of the job list the user wants, in which order and how wide; kept in the view settings. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

from VisualDICOMBrowserLib.widgets.context import ViewSettings
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.patients.column_store import ChosenColumn

__all__ = ["COLUMN_NAMES", "FIRST_WIDTHS", "JobColumns", "column_titles"]

COLUMN_NAMES = ("task", "what", "server", "progress", "time", "note")
"""By the number of the column in the model; the action icons come after them, always last."""

FIRST_WIDTHS = {"task": 128, "server": 116, "progress": 216, "time": 78, "note": 190}
"""In pixels at a font of 13; what is not named takes what is left."""

_SETTINGS = "jobs/columns"
_FIXED = "task"


def column_titles() -> dict[str, str]:
    """The title of each column by its name."""
    titles = (_("Task"), _("What"), _("Server"), _("Progress"), _("Time"), _("Note"))
    return dict(zip(COLUMN_NAMES, titles, strict=True))


class JobColumns:
    """Reads and keeps what the user chose.

    Parameters
    ----------
    settings : ViewSettings
    """

    fixed = (_FIXED,)

    def __init__(self, settings: ViewSettings) -> None:
        self._settings = settings
        kept = settings.get(_SETTINGS) or {}
        self._order = [str(name) for name in kept.get("order", ())]
        self._hidden = {str(name) for name in kept.get("hidden", ())}
        self._widths = {str(name): int(width) for name, width in (kept.get("widths") or {}).items()}

    def columns(self) -> list[ChosenColumn]:
        """All columns in order; the first, which has the icon and the titles of groups, stays where it is."""
        titles = column_titles()
        places = {name: place for place, name in enumerate(self._order)}
        usual = {name: place for place, name in enumerate(COLUMN_NAMES)}

        def place(name: str) -> tuple[bool, int, int]:
            return (name != _FIXED, places.get(name, usual[name]), usual[name])

        ordered = sorted(COLUMN_NAMES, key=place)
        return [ChosenColumn(name, titles[name], name == _FIXED or name not in self._hidden) for name in ordered]

    def show(self, name: str, visible: bool) -> None:
        """Show or hide a column."""
        self._hidden = self._hidden - {name} if visible else self._hidden | {name}
        self._keep()

    def order(self, names: Sequence[str]) -> None:
        """Keep columns in this order."""
        self._order = list(names)
        self._keep()

    def width(self, name: str) -> int:
        """The width that the user gave a column, 0 for none."""
        return self._widths.get(name, 0)

    def keep_widths(self, widths: dict[str, int]) -> None:
        """Remember widths."""
        self._widths.update(widths)
        self._keep()

    def reset(self) -> None:
        """Forget what the user chose."""
        self._order, self._hidden, self._widths = [], set(), {}
        self._settings.put(_SETTINGS, None)

    def _keep(self) -> None:
        kept = {"order": self._order, "hidden": sorted(self._hidden), "widths": self._widths}
        self._settings.put(_SETTINGS, kept)
