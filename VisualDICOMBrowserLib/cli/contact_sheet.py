"""A sheet of thumbnails with captions, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.model import SeriesRecord

__all__ = ["Card", "write_contact_sheet"]

_COLUMNS = 10
_PICTURE = 128
_WIDTH = 144
_HEIGHT = 176
_ROW = 18
_BACKGROUND = (38, 41, 46)
_CARD = (27, 30, 34)
_TEXT = (231, 234, 238)
_MUTED = (170, 179, 189)
_PILL = (29, 57, 86)


@dataclass(frozen=True, slots=True)
class Card:
    """One series: path of its picture (empty if it has none) and what is written with it."""

    picture: str
    modality: str
    title: str
    detail: str

    @classmethod
    def of(cls, series: SeriesRecord, thumbnail: dict[str, Any]) -> Card:
        """Card of a series and what the engine says of its picture."""
        number = "" if series.SeriesNumber is None else f"{series.SeriesNumber} "
        images = series.NumberOfSeriesRelatedInstances or 0
        if thumbnail["path"]:
            detail = f"{images} image{'' if images == 1 else 's'}"
            if series.Columns and series.Rows:
                detail = f"{series.Columns}x{series.Rows}, {detail}"
        else:
            detail = thumbnail["reason"] or thumbnail["label"]
        return cls(thumbnail["path"], series.Modality, f"{number}{series.SeriesDescription}".strip(), detail)


def write_contact_sheet(cards: Sequence[Card], path: Path) -> None:
    """Draw the cards that have a picture, list the others in rows below them, and write the sheet to `path`."""
    from PIL import Image, ImageDraw, ImageFont

    pictures = [card for card in cards if card.picture]
    others = [card for card in cards if not card.picture]
    columns = min(_COLUMNS, max(4, len(pictures)))
    top_of_rows = -(-len(pictures) // columns) * _HEIGHT + 8
    size = (columns * _WIDTH + 8, top_of_rows + len(others) * _ROW + 8)
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    fonts = (ImageFont.load_default(11), ImageFont.load_default(10))
    for number, card in enumerate(pictures):
        place = (number % columns * _WIDTH + 8, number // columns * _HEIGHT + 8)
        _draw_card(sheet, draw, card, place, fonts)
    for number, card in enumerate(others):
        line = "   ".join(text for text in (card.modality, card.title, card.detail) if text)
        draw.text((12, top_of_rows + number * _ROW), line, _MUTED, fonts[0])
    sheet.save(path)


def _draw_card(sheet: Any, draw: Any, card: Card, place: tuple[int, int], fonts: tuple[Any, Any]) -> None:
    from PIL import Image

    left, top = place
    draw.rectangle((left, top, left + _WIDTH - 8, top + _HEIGHT - 8), fill=_CARD)
    with Image.open(card.picture) as picture:
        fitted = picture.convert("RGB")
        fitted.thumbnail((_PICTURE, _PICTURE))
    sheet.paste(fitted, (left + 4 + (_PICTURE - fitted.width) // 2, top + 4 + (_PICTURE - fitted.height) // 2))
    if card.modality:
        box = draw.textbbox((left + 7, top + 6), card.modality, fonts[1])
        draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), fill=_PILL)
        draw.text((left + 7, top + 6), card.modality, _TEXT, fonts[1])
    draw.text((left + 4, top + _PICTURE + 8), _fit(draw, card.title, fonts[0]), _TEXT, fonts[0])
    draw.text((left + 4, top + _PICTURE + 22), _fit(draw, card.detail, fonts[1]), _MUTED, fonts[1])


def _fit(draw: Any, text: str, font: Any) -> str:
    """`text`, elided to the card's width."""
    if draw.textlength(text, font) <= _PICTURE:
        return text
    while text and draw.textlength(text + "…", font) > _PICTURE:
        text = text[:-1]
    return text.rstrip() + "…"
