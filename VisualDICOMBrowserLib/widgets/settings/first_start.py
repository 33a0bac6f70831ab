"""The first start: where images are to be kept, and what can be done then. Main thread only."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import Pill, icon_label, label, line, primary_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.settings.databases import FoundDatabase, default_folder

__all__ = ["FirstStart"]

_WIDEST = 902
_CARD_HEIGHT = 196
_NARROW = 640


class FirstStart(qt.QScrollArea):
    """Three ways to a database, and three first steps. Slicer's database is preselected when it was found.

    Parameters
    ----------
    theme : Theme
    found : FoundDatabase or None
        Slicer's database on this computer.
    on_use : Callable[[str], None]
        Called with the folder of the database to open, made if there is none.
    on_then : Callable[[str, str], None]
        Called with ``import``, ``server`` or ``sample`` and the folder of the preselected database, which that needs.
    """

    def __init__(
        self,
        theme: Theme,
        found: FoundDatabase | None,
        on_use: Callable[[str], None],
        on_then: Callable[[str, str], None],
    ) -> None:
        qt.QScrollArea.__init__(self)
        self._theme = theme
        self._on_use = on_use
        self._on_then = on_then
        self._preselected = str(found.folder if found else default_folder())
        self._cards: list[Any] = []
        self._fault = label("", "")
        self._fault.wordWrap = True
        self._fault.alignment = qt.Qt.AlignCenter
        set_state(self._fault, "state", "error")
        self._fault.hide()
        self.widgetResizable = True
        self.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        self.frameShape = qt.QFrame.NoFrame
        self.accessibleName = _("First start")
        self._page = qt.QWidget()
        self._page.setProperty("ground", "base")
        self._page.setAttribute(qt.Qt.WA_StyledBackground, True)
        self._page.setLayout(self._build(found))
        self.setWidget(self._page)

    def say(self, sentence: str) -> None:
        """Say why a folder was not taken."""
        self._fault.text = sentence
        self._fault.visible = bool(sentence)

    def resizeEvent(self, event: Any) -> None:
        """Put the cards below each other where there is no room beside each other."""
        narrow = self.width < self._theme.px(_NARROW)
        self._row.setDirection(qt.QBoxLayout.TopToBottom if narrow else qt.QBoxLayout.LeftToRight)
        for card in self._cards:
            card.minimumHeight = 0 if narrow else self._theme.px(_CARD_HEIGHT)
        qt.QScrollArea.resizeEvent(self, event)

    def _build(self, found: FoundDatabase | None) -> Any:
        px = self._theme.px
        column = qt.QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.spacing = px(14)
        column.addWidget(self._centred(icon_label(self._theme, "layers", "accent", 48)))
        title = label(_("Where should images be kept?"), "title")
        title.styleSheet = f"font-size: {px(22)}px; font-weight: 500;"
        sentence = label(
            _(
                "The browser stores what it fetches in a local database. "
                "Nothing leaves this computer unless you send it."
            ),
            "mid",
        )
        for each in (title, sentence):
            each.alignment = qt.Qt.AlignCenter
            each.wordWrap = True
            column.addWidget(each)
        column.addSpacing(px(4))
        self._row = qt.QBoxLayout(qt.QBoxLayout.LeftToRight)
        self._row.spacing = px(16)
        for card in self._make_cards(found):
            self._row.addWidget(card, 1)
        column.addWidget(self._fault)
        column.addLayout(self._row)
        column.addWidget(self._steps())
        middle = qt.QWidget()
        middle.setLayout(column)
        middle.maximumWidth = px(_WIDEST)
        row = qt.QHBoxLayout()
        row.setContentsMargins(px(16), px(48), px(16), px(24))
        row.addStretch(1)
        row.addWidget(middle, 100)
        row.addStretch(1)
        outer = qt.QVBoxLayout()
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(row)
        outer.addStretch(1)
        return outer

    def _make_cards(self, found: FoundDatabase | None) -> list[Any]:
        cards = []
        if found is not None:
            folder = str(found.folder)
            cards.append(
                self._card(
                    "database",
                    _("Use Slicer's database"),
                    _described(found),
                    primary_button(self._theme, _("Use this database"), lambda: self._on_use(folder)),
                    _("found"),
                )
            )
        else:
            folder = self._preselected
            sentence = _("In {folder}. It is made now and can be moved later.").format(folder=folder)
            use = primary_button(self._theme, _("Use this folder"), lambda: self._on_use(folder))
            cards.append(self._card("database", _("Use the usual folder"), sentence, use, _("suggested")))
        create = push_button(self._theme, _("Choose folder..."), lambda: self._ask(_("Folder of the new database")))
        sentence = _("An empty folder on a disk with space. A CT study takes about 0.5 GB.")
        cards.append(self._card("folder", _("Create a new database"), sentence, create))
        other = push_button(self._theme, _("Open..."), lambda: self._ask(_("Folder with a database")))
        sentence = _("Any folder with a ctkDICOM.sql file, made by Slicer or by this browser.")
        cards.append(self._card("import", _("Open another database"), sentence, other))
        return cards

    def _card(self, icon: str, title: str, sentence: str, button: Any, pill: str = "") -> Any:
        px = self._theme.px
        card = qt.QFrame()
        card.setProperty("kind", "box")
        if pill:
            # The look's style sheet has no frame for a choice; its colours follow the theme all the same.
            self._theme.follow(card, lambda: self._mark(card))
        top = qt.QHBoxLayout()
        top.addWidget(icon_label(self._theme, icon, "accent", 24))
        top.addStretch(1)
        if pill:
            top.addWidget(Pill(pill, "ok"))
        about = label(sentence, "mid")
        about.wordWrap = True
        about.alignment = qt.Qt.AlignTop
        column = qt.QVBoxLayout()
        column.setContentsMargins(px(18), px(16), px(18), px(16))
        column.spacing = px(8)
        column.addLayout(top)
        name = label(title, "strong")
        name.wordWrap = True
        column.addWidget(name)
        column.addWidget(about, 1)
        column.addWidget(button)
        card.setLayout(column)
        button.accessibleName = f"{title}: {button.text}"
        self._cards.append(card)
        return card

    def _mark(self, card: Any) -> None:
        ground, edge = self._theme.text("askground"), self._theme.text("accent")
        radius = self._theme.px(6)
        card.styleSheet = (
            f'QFrame[kind="box"] {{ background: {ground}; border: 1px solid {edge}; border-radius: {radius}px; }}'
        )

    def _steps(self) -> Any:
        px = self._theme.px
        box = qt.QFrame()
        box.setProperty("kind", "box")
        column = qt.QVBoxLayout()
        column.setContentsMargins(px(18), px(14), px(18), px(14))
        column.spacing = px(9)
        column.addWidget(label(_("Then, whenever you like"), "strong"))
        steps = (
            (
                "import",
                "import",
                _("Add images from this computer"),
                _("Drop files, folders, a ZIP or a DICOMDIR anywhere on this window."),
                _("Import..."),
            ),
            (
                "server",
                "server",
                _("Connect a PACS or a DICOMweb server"),
                _("Name, address, AE title; a test tells in plain words what is wrong."),
                _("Add server..."),
            ),
            (
                "sample",
                "sample",
                _("Just looking? Load sample data"),
                _("CT, MR and ultrasound of a few patients, from the files that come with pydicom."),
                _("Get sample"),
            ),
        )
        for number, step in enumerate(steps, 1):
            if number > 1:
                column.addWidget(line())
            column.addLayout(self._step(number, *step))
        box.setLayout(column)
        return box

    def _step(self, number: int, name: str, icon: str, title: str, sentence: str, text: str) -> Any:
        px = self._theme.px
        row = qt.QHBoxLayout()
        row.spacing = px(14)
        place = label(str(number), "strong")
        set_state(place, "state", "ask")
        row.addWidget(place)
        row.addWidget(icon_label(self._theme, icon, "mid", 18))
        words = qt.QVBoxLayout()
        words.spacing = px(1)
        about = label(sentence, "mid")
        about.wordWrap = True
        name_of_step = label(title, "strong")
        name_of_step.wordWrap = True
        words.addWidget(name_of_step)
        words.addWidget(about)
        row.addLayout(words, 1)
        button = push_button(self._theme, text, lambda: self._on_then(name, self._preselected))
        row.addWidget(button)
        return row

    def _ask(self, title: str) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self, title)
        if folder:
            self._on_use(folder)

    @staticmethod
    def _centred(widget: Any) -> Any:
        holder = qt.QWidget()
        row = qt.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(widget)
        row.addStretch(1)
        holder.setLayout(row)
        return holder


def _described(found: FoundDatabase) -> str:
    patients = plural(found.patients, "{count} patient", "{count} patients")
    images = plural(found.instances, "{count} image", "{count} images")
    today = found.changed == datetime.date.today()
    when = _("last used today") if today else _("last used on {date}").format(date=found.changed.isoformat())
    what = _("{patients}, {images}, {when}.").format(patients=patients, images=images, when=when)
    return what + " " + _("Everything you do here also shows in the DICOM module.")
