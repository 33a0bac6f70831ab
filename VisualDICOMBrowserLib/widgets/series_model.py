"""The series of a study as cards: the model with their pictures, and the delegate that paints them.

A series without a picture is a low row that names its kind, never a big empty square. Main thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.wording import counted

__all__ = ["SeriesDelegate", "SeriesModel"]

Record = dict[str, Any]

_PICTURE = qt.Qt.UserRole + 1
_TITLE = qt.Qt.UserRole + 2
_DETAIL = qt.Qt.UserRole + 3
_REMARK = qt.Qt.UserRole + 4

_MARGIN = 6
_SIDE = 144


class SeriesModel(qt.QAbstractListModel):
    """Series records in order of their number, with the picture of each once it is made."""

    def __init__(self) -> None:
        qt.QAbstractListModel.__init__(self)
        self._records: list[Record] = []
        self._pictures: dict[str, Any] = {}
        self._remarks: dict[str, str] = {}

    def show(self, records: Sequence[Record]) -> bool:
        """Show these series; False if they are the same as before, and nothing happened."""
        if list(records) == self._records:
            return False
        self.beginResetModel()
        self._records = list(records)
        self._pictures = {}
        self.endResetModel()
        return True

    def note_thumbnail(self, event: dict[str, Any]) -> None:
        """Take the picture, or the reason why there is none, of a ``thumbnail_ready`` event."""
        uid = str(event.get("series", ""))
        self._remarks[uid] = str(event.get("label") or event.get("reason") or "")
        self._pictures.pop(uid, None)
        for row, record in enumerate(self._records):
            if record["SeriesInstanceUID"] == uid:
                self._records[row] = {**record, "thumbnail": event.get("path") or ""}
                index = self.index(row, 0)
                self.dataChanged.emit(index, index)

    def series_uid(self, row: int) -> str:
        """Series Instance UID of a row."""
        return str(self._records[row]["SeriesInstanceUID"])

    def series_uids(self) -> list[str]:
        """Series Instance UIDs of all rows."""
        return [str(record["SeriesInstanceUID"]) for record in self._records]

    def rowCount(self, parent: Any = None) -> int:
        """Number of series; rows have no children."""
        return 0 if parent is not None and parent.isValid() else len(self._records)

    def data(self, index: Any, role: int = 0) -> Any:
        """What the delegate paints, and the words that screen readers and tool tips give."""
        if not index.isValid() or index.row() >= len(self._records):
            return None
        record = self._records[index.row()]
        title, detail = _title(record), _detail(record)
        remark = self._remarks.get(str(record["SeriesInstanceUID"]), "")
        if role == _PICTURE:
            return self._picture(record)
        if role in (qt.Qt.DisplayRole, _TITLE):
            return title
        if role == _DETAIL:
            return detail
        if role == _REMARK:
            return remark
        if role in (qt.Qt.ToolTipRole, qt.Qt.AccessibleTextRole):
            return ", ".join(part for part in (title, detail, remark) if part)
        return None

    def _picture(self, record: Record) -> Any:
        uid, path = str(record["SeriesInstanceUID"]), str(record.get("thumbnail") or "")
        if uid not in self._pictures:
            self._pictures[uid] = qt.QPixmap(path) if path else qt.QPixmap()
        return self._pictures[uid]


def _title(record: Record) -> str:
    number = record.get("SeriesNumber")
    description = str(record.get("SeriesDescription") or "(no description)")
    return description if number is None else f"{number}  {description}"


def _detail(record: Record) -> str:
    count = record.get("NumberOfSeriesRelatedInstances")
    parts = [str(record.get("Modality", ""))]
    if count is not None:
        parts.append(counted(int(count), "image"))
    if record.get("Rows") and record.get("Columns"):
        parts.append(f"{record['Columns']} x {record['Rows']}")
    return "  ".join(part for part in parts if part)


class SeriesDelegate(qt.QStyledItemDelegate):
    """Paints a card: the picture on black, below it number and description, then modality and counts."""

    def sizeHint(self, option: Any, index: Any) -> Any:
        """Room for the picture, if there is one, and two lines of text."""
        lines = 2 * qt.QFontMetrics(option.font).height() + 2 * _MARGIN
        picture = index.data(_PICTURE)
        side = _SIDE if picture is not None and not picture.isNull() else 0
        return qt.QSize(_SIDE + 2 * _MARGIN, lines + (side + _MARGIN if side else 0))

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one card within the cell."""
        rect = qt.QRect(option.rect).adjusted(2, 2, -2, -2)
        selected = bool(option.state & qt.QStyle.State_Selected)
        palette = option.palette
        painter.save()
        try:
            edge = palette.color(qt.QPalette.Highlight if selected else qt.QPalette.Mid)
            painter.setPen(edge)
            painter.setBrush(palette.color(qt.QPalette.Highlight) if selected else palette.color(qt.QPalette.Base))
            painter.drawRect(rect)
            top = self._paint_picture(painter, rect, index.data(_PICTURE))
            ink = palette.color(qt.QPalette.HighlightedText if selected else qt.QPalette.Text)
            self._paint_words(painter, option, rect, top, index, ink)
        finally:
            painter.restore()

    def _paint_picture(self, painter: Any, rect: Any, picture: Any) -> int:
        """Paint the picture, if there is one; returns where the words begin."""
        if picture is None or picture.isNull():
            return rect.top() + _MARGIN
        place = qt.QRect(rect.left() + 1, rect.top() + 1, rect.width() - 2, _SIDE)
        painter.fillRect(place, qt.QColor(0, 0, 0))
        scaled = picture.scaled(place.size(), qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation)
        left = place.left() + (place.width() - scaled.width()) // 2
        painter.drawPixmap(left, place.top() + (place.height() - scaled.height()) // 2, scaled)
        return int(place.bottom()) + _MARGIN

    def _paint_words(self, painter: Any, option: Any, rect: Any, top: int, index: Any, ink: Any) -> None:
        metrics = qt.QFontMetrics(option.font)
        width = rect.width() - 2 * _MARGIN
        painter.setPen(ink)
        detail = " - ".join(part for part in (index.data(_DETAIL), index.data(_REMARK)) if part)
        for line, text in enumerate((index.data(_TITLE), detail)):
            place = qt.QRect(rect.left() + _MARGIN, top + line * (metrics.height() + 2), width, metrics.height())
            shown = metrics.elidedText(str(text or ""), qt.Qt.ElideRight, width)
            painter.drawText(place, qt.Qt.AlignLeft | qt.Qt.AlignVCenter, shown)
