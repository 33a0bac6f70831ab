"""Options that several commands share, and how they become arguments of the engine's commands."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["Commands", "add_filters", "filters_of"]

Commands = argparse._SubParsersAction  # argparse has no public name for it

_FILTERS = {
    "--patient-id": ("PatientID", "patient ID contains"),
    "--patient-name": ("PatientName", "patient name contains, parts in any order"),
    "--study": ("StudyInstanceUID", "this StudyInstanceUID"),
    "--series": ("SeriesInstanceUID", "this SeriesInstanceUID"),
    "--study-description": ("StudyDescription", "study description contains"),
    "--series-description": ("SeriesDescription", "series description contains"),
    "--accession": ("AccessionNumber", "this accession number"),
    "--from": ("date_from", "study date from, YYYYMMDD"),
    "--to": ("date_to", "study date up to, YYYYMMDD"),
}

_LEVELS = ("patient", "study", "series", "image")


def add_filters(parser: argparse.ArgumentParser, level: str) -> None:
    parser.add_argument("--level", choices=_LEVELS, default=level, help="default: %(default)s")
    for option, (field, text) in _FILTERS.items():
        parser.add_argument(option, dest=field, default="", metavar="TEXT", help=text)
    parser.add_argument(
        "--modality",
        dest="Modalities",
        action="append",
        default=[],
        help="modality, several times for several",
    )
    parser.add_argument("--limit", type=int, default=0, help="most records wanted, 0 for all")


def filters_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The filters that were given, as fields of `Query`."""
    names = [field for field, _ in _FILTERS.values()] + ["Modalities", "limit"]
    return {name: value for name in names if (value := getattr(arguments, name))}
