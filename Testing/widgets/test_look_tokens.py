"""The colours of every look can be told apart: contrast as WCAG 2.1 defines it (relative luminance, 1.4.3)."""

from __future__ import annotations

import re

import pytest

from VisualDICOMBrowserLib.widgets.look.tokens import LOOKS

TEXT = 4.6
EDGE = 3.1

GROUNDS = ("window", "base", "bar", "button", "card", "selection", "hover")
PAIRS = [
    *(("text", ground) for ground in (*GROUNDS, "okground", "warnground", "errorground", "newground", "askground")),
    *(("mid", ground) for ground in GROUNDS),
    *((ink, ground) for ink in ("accent", "ok", "warn", "error", "new") for ground in ("window", "base", "card")),
    *((ink, "selection") for ink in ("accent", "ok", "warn", "error")),
    *((ink, "bar") for ink in ("accent", "ok", "warn", "error", "new")),
    ("accent", "askground"),
    ("ok", "okground"),
    ("warn", "warnground"),
    ("error", "errorground"),
    ("new", "newground"),
    ("accent", "errorground"),
    ("accent", "warnground"),
    ("onaccent", "accent"),
    ("onaccent", "accenthover"),
    ("onaccent", "accentpressed"),
]


def luminance(colour: str) -> float:
    shares = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#FFFFFF", "#777777") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("look", LOOKS)
def test_looks_have_the_same_tokens_written_alike(look):
    assert set(LOOKS[look]) == set(LOOKS["light"])
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in LOOKS[look].values())


@pytest.mark.parametrize("look", LOOKS)
def test_text_is_legible_on_every_ground_it_stands_on(look):
    tokens = LOOKS[look]
    weak = {pair: round(contrast(tokens[pair[0]], tokens[pair[1]]), 2) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < TEXT} == {}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("mark", ["edge", "accent", "error", "warn"])
def test_edges_of_fields_are_seen(look, mark):
    tokens = LOOKS[look]
    assert contrast(tokens[mark], tokens["base"]) >= EDGE


def test_contrast_look_has_more_of_it():
    assert contrast(LOOKS["contrast"]["mid"], LOOKS["contrast"]["base"]) >= 15
