"""The command that has series examined for their cards; see ``commands``."""

from __future__ import annotations

from VisualDICOMBrowserLib.engine.desk import EngineDesk

__all__ = ["FactCommands"]


class FactCommands:
    """What a window asks to say of series beyond their records."""

    def __init__(self, desk: EngineDesk) -> None:
        self._facts = desk.facts

    def series_facts(self, series: list[str]) -> None:
        """Have local series examined, the first ones first; each comes as an event ``series_facts``.

        Its fields are ``series``, ``refers_to`` (SeriesInstanceUIDs, images first), ``references_text`` ("4 segments"),
        ``needs`` (an extension of Slicer, or empty), ``warning`` (a word or two), ``sentences`` (the warnings in full)
        and ``sets`` (of frames).
        """
        self._facts.ask(series)
