"""What the patient page asks for when something on it is clicked, typed or dragged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["PageActions"]


class PageActions(Protocol):
    """Carries out what the page is told to do. Series, studies and patients are entries of the catalogue."""

    def load(self, series: Sequence[Any]) -> None:
        """Load series; what is not here is fetched first."""
        ...

    def load_with_options(self, series: Sequence[Any]) -> None:
        """Choose how series are loaded."""
        ...

    def offer_extension(self, series: Any) -> None:
        """Say which extension can load a series, and how to get it."""
        ...

    def fetch(self, series: Sequence[Any]) -> None:
        """Fetch what is missing of series."""
        ...

    def fetch_studies(self, studies: Sequence[Any]) -> None:
        """Fetch what is missing of studies."""
        ...

    def fetch_again(self, series: Sequence[Any]) -> None:
        """Fetch anew what is here."""
        ...

    def cancel(self, job_ids: Sequence[str]) -> None:
        """End jobs."""
        ...

    def retry(self, job_ids: Sequence[str]) -> None:
        """Try jobs again now."""
        ...

    def pause(self, job_ids: Sequence[str]) -> None:
        """Let jobs rest."""
        ...

    def resume(self, job_ids: Sequence[str]) -> None:
        """Let paused jobs go on."""
        ...

    def show_job(self, job_id: str) -> None:
        """Show a job with its log."""
        ...

    def take_back_loading(self, series: Sequence[Any]) -> bool:
        """Do not load when complete after all; True if anything waited for that."""
        ...

    def to_top(self, series: Any) -> None:
        """Let what fetches a series go before all else."""
        ...

    def show_in_scene(self, series: Any) -> None:
        """Bring a loaded series into view."""
        ...

    def show_all_series(self, study: Any) -> None:
        """Show the series of a study that filters hide too, or hide them again."""
        ...

    def watch(self, studies: Sequence[Any], minutes: float) -> None:
        """Fetch what is new of studies for so long."""
        ...

    def stop_watching(self, studies: Sequence[Any]) -> None:
        """Look for what is new of studies no more."""
        ...

    def menu(self, level: str, entries: Sequence[Any], point: Any) -> None:
        """Open the menu of entries of a level (``SERIES``, ``STUDY``, ``PATIENT``; empty: of the page)."""
        ...

    def open_metadata(self, series: Any) -> None:
        """Show all attributes of a series."""
        ...

    def preview(self, series: Any) -> None:
        """Show a series large, beside its card."""
        ...

    def files_dragged(self, series: Sequence[Any]) -> None:
        """Files of series were dropped on another window."""
        ...
