"""DIMSE status codes in words (DICOM PS3.4 B.2.3, C.4.1 to C.4.3, GG; PS3.7 annex C).

Lookup only; any thread.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["CANCELLED", "PENDING", "SUCCESS", "Outcome", "is_pending", "outcome_of", "status_text", "store_status_text"]

SUCCESS = 0x0000
PENDING = 0xFF00
CANCELLED = 0xFE00

# Error Comment is a short text (PS3.7 C); more than that is not for people.
_LONGEST_COMMENT = 256


class Outcome(Enum):
    """What a status says of the whole operation (PS3.7 annex C)."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCELLED = "cancelled"
    WARNING = "warning"
    FAILURE = "failure"


_GENERAL = {
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP instance",
    0x0118: "no such SOP class",
    0x0119: "class and instance conflict",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0210: "duplicate invocation",
    0x0211: "unrecognised operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xB000: "some of the images could not be sent",
    0xB001: "the server gave only part of the matches",
    0xA701: "out of resources, the matches cannot be counted",
    0xA702: "none of the images could be sent",
    0xA801: "the move destination is not known there",
    0xAA00: "none of the images asked for were found",
    0xAA02: "unable to send the images in this way",
    0xAA03: "the connection for the images failed",
    0xAA04: "the query matched more than one patient",
    0xFE00: "cancelled by the server",
}
# Whole ranges share one meaning: low byte, or low 12 bits, are left to the implementation.
_RANGES = (
    (0xA700, 0xA7FF, "out of resources"),
    (0xA800, 0xA8FF, "SOP class not supported"),
    (0xA900, 0xA9FF, "the request does not fit the SOP class"),
    (0xC000, 0xCFFF, "unable to process"),
    (0xB000, 0xBFFF, "done with a warning"),
)


# What differs for C-STORE (PS3.4 B.2.3).
_STORE_RANGES = (
    (0xA700, 0xA7FF, "out of resources"),
    (0xA900, 0xA9FF, "the object does not fit its SOP class"),
    (0xB000, 0xB000, "some values were changed there"),
    (0xB006, 0xB006, "some elements were left out there"),
    (0xB007, 0xB007, "the object does not fit its SOP class, it was taken all the same"),
    (0xC000, 0xCFFF, "the server cannot understand the object"),
)


def status_text(status: int, comment: str = "") -> str:
    """The status in words with its code and the server's own comment, such as
    ``"out of resources (A700)"``."""
    words = _GENERAL.get(status) or next(
        (text for low, high, text in _RANGES if low <= status <= high), "unknown status"
    )
    return _with_remark(words, status, comment)


def store_status_text(status: int, comment: str = "") -> str:
    """Like `status_text`, for the answer to a C-STORE."""
    words = next((text for low, high, text in _STORE_RANGES if low <= status <= high), "")
    return _with_remark(words, status, comment) if words else status_text(status, comment)


def _with_remark(words: str, status: int, comment: str) -> str:
    remark = "".join(letter if letter.isprintable() else " " for letter in comment[:_LONGEST_COMMENT]).strip()
    return f"{words} ({status:04X}: {remark})" if remark else f"{words} ({status:04X})"


def is_pending(status: int) -> bool:
    """True for FF00 and FF01: more answers follow."""
    return status in (PENDING, 0xFF01)


def outcome_of(status: int) -> Outcome:
    """What a status says of the whole operation; unknown codes are failures."""
    if status == SUCCESS:
        return Outcome.SUCCESS
    if is_pending(status):
        return Outcome.PENDING
    if status == CANCELLED:
        return Outcome.CANCELLED
    if status in (0x0001, 0x0107, 0x0116) or 0xB000 <= status <= 0xBFFF:
        return Outcome.WARNING
    return Outcome.FAILURE
