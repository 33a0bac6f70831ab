"""What a person should know before a volume is loaded: a sentence, with the word or two that a card has room for.

Standard library only; any thread.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Remark", "short_words"]


class Remark(str):
    """A sentence that has a short form.

    Parameters
    ----------
    sentence : str
    short : str
        The same in a word or two, such as "Uneven spacing".
    """

    short: str

    def __new__(cls, sentence: str, short: str) -> Remark:
        """A text that equals `sentence`."""
        made = super().__new__(cls, sentence)
        made.short = short
        return made


def short_words(sentences: Iterable[str]) -> str:
    """Short form of the first of `sentences` that has one, empty if none has."""
    return next((each.short for each in sentences if isinstance(each, Remark)), "")
