"""What the chips under the search fields say. Pure functions, standard library only.

A *state* of a server is a dict as `search_run.SearchRun.states` gives it: ``state`` (``not_asked``, ``queued``,
``running``, ``waiting``, ``done``, ``partly``, ``failed``, ``cancelled``, ``offline``), ``count``, ``limit_reached``,
``warnings``, ``error``, ``since``, ``seconds``, ``next_try``, ``page`` (how many the next answer brings) and ``stuck``
(the rest cannot be asked for).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = [
    "FITS",
    "ChipState",
    "chip_of",
    "is_busy",
    "local_chip",
    "merged_chips",
    "offline_chip",
    "seconds_text",
    "short_reason",
    "tightened",
    "worklist_chip",
]

FITS = ("full", "plain", "short", "merged", "tight")
"""Ways to write the chips, from the most words to the fewest."""

_BUSY = ("queued", "running", "waiting")
_REASONS = {
    "refused": "connection refused",
    "unknown_host": "name not known",
    "timeout": "no answer",
    "unreachable": "not reachable",
    "connection_lost": "connection lost",
    "aborted": "broke off",
    "busy": "busy",
    "sign_in": "sign-in needed",
    "no_right": "no right",
    "not_dicom": "no DICOM there",
    "not_dicomweb": "no DICOMweb there",
    "association": "not let in",
    "association_rejected": "not let in",
    "no_context": "offers no query",
    "tls_expected": "wants TLS",
    "tls_not_expected": "speaks plain DICOM",
    "tls_certificate_expired": "certificate expired",
    "tls_untrusted": "certificate not trusted",
    "engine": "engine was restarted",
}


@dataclass(frozen=True)
class ChipState:
    """One chip: its look, its words, and what can be done there.

    ``tone`` is ``plain``, ``ok``, ``ask``, ``warn``, ``error`` or ``off``. ``actions`` are names with their texts;
    ``servers`` are those it stands for, empty for the local database. ``said`` is for screen readers in place of
    words that count seconds or were shortened.
    """

    name: str
    words: str
    icon: str
    tone: str
    servers: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    members: tuple[ChipState, ...] = field(default=())
    short: tuple[str, str] | None = None
    worklist: bool = False
    said: str = ""

    @property
    def spoken(self) -> str:
        """Name and words for a screen reader."""
        return self.said or ", ".join(part for part in (self.name, self.words) if part)


def is_busy(state: Mapping[str, Any]) -> bool:
    """Whether a server still owes its answer."""
    return str(state.get("state")) in _BUSY


def local_chip(shown: int, total: int, *, short: bool = False) -> ChipState:
    """The chip of the local database."""
    if short:
        words = f"{shown:,}"
    elif shown == total:
        words = plural(total, "{count} patient", "{count} patients")
    else:
        words = _("{shown} of {patients}").format(
            shown=f"{shown:,}", patients=plural(total, "{count} patient", "{count} patients")
        )
    return ChipState(
        _("Local") if short else _("Local database"),
        words,
        "database",
        "plain",
        hint=_("What the filters find in the local database. Click to show only this."),
        short=("" if short else _("Local"), f"{shown:,}"),
    )


def offline_chip() -> ChipState:
    """The mark that servers are left alone, with the way back."""
    hint = _("Servers are left alone: queries, fetching and sending wait until you go online.")
    online = (("online", _("Go online")),)
    return ChipState(_("Working offline"), "", "plug", "warn", (), online, hint, short=(_("Offline"), ""))


def worklist_chip(count: int, *, busy: bool, failed: bool) -> ChipState:
    """The chip that opens the worklist; a count below 0 stands for not asked yet."""
    today = _("{count} today").format(count=f"{count:,}") if count >= 0 else _("not asked")
    words = _("asking") if busy else _("failed") if failed else today
    tone = "error" if failed and not busy else "plain"
    hint = _("Scheduled procedures of today. Click to see them.")
    return ChipState(
        _("Worklist"),
        words,
        "calendar",
        tone,
        hint=hint,
        short=("", "" if busy or count < 0 else f"{count:,}"),
        worklist=True,
    )


def tightened(chip: ChipState) -> ChipState:
    """The same in fewer words; all of them stand in its hint."""
    if chip.short is None:
        return chip
    hint = f"{chip.spoken}\n{chip.hint}"
    return replace(chip, name=chip.short[0], words=chip.short[1], hint=hint, said=chip.spoken)


def seconds_text(seconds: float) -> str:
    """A short time: ``0.4 s``, ``12 s``, ``2:05 min``."""
    if seconds < 9.95:
        return _("{seconds} s").format(seconds=f"{seconds:.1f}")
    if seconds < 60:
        return _("{seconds} s").format(seconds=f"{seconds:.0f}")
    return _("{minutes} min").format(minutes=f"{int(seconds) // 60}:{int(seconds) % 60:02}")


def short_reason(error: Mapping[str, Any] | None, server: str = "") -> str:
    """Why a server failed, in two or three words."""
    error = error or {}
    known = _REASONS.get(str(error.get("code", "")))
    if known:
        return _(known)
    message = str(error.get("message", "")).removeprefix(f"{server}: ").removeprefix(f"{server} ").rstrip(".")
    if not message:
        return _("failed")
    return message if len(message) <= 36 else message[:34].rstrip() + "..."


def chip_of(
    server: str, state: Mapping[str, Any], now: float, *, clock: float = 0.0, earlier: bool = False
) -> ChipState:
    """The chip of one server.

    Parameters
    ----------
    now : float
        Monotonic seconds, as ``since``.
    clock : float
        Seconds of the wall clock, as ``next_try``.
    earlier : bool
        Whether the fields have changed since it was asked.
    """
    words, icon, tone, actions = _looks(server, state, now, clock)
    if earlier and tone != "off":
        words = _("{words}, for earlier filters").format(words=words)
    short = None
    if state.get("state") in ("done", "partly") and state.get("count"):
        count = f"{int(state['count']):,}"
        short = (server, _("{count}+").format(count=count) if state.get("limit_reached") else count)
    counting = {"queued": _("asking"), "running": _("asking"), "waiting": _("waits to try again")}
    said = counting.get(str(state.get("state")), "")
    said = f"{server}, {said}" if said else ""
    return ChipState(server, words, icon, tone, (server,), actions, _hint(server, state), short=short, said=said)


def _looks(
    server: str, state: Mapping[str, Any], now: float, clock: float
) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    kind = str(state.get("state"))
    count = int(state.get("count") or 0)
    studies = plural(count, "{count} study", "{count} studies")
    if kind in ("queued", "running"):
        waited = seconds_text(max(0.0, float(int(now - float(state.get("since") or now)))))
        waited = waited.replace(".0 ", " ")
        text = _("asking, {seconds}").format(seconds=waited)
        if count:
            text = _("{studies} so far, {seconds}").format(studies=studies, seconds=waited)
        return text, "", "ask", (("stop", _("Stop")),)
    if kind == "waiting":
        left = max(0, int(float(state.get("next_try") or clock) - clock))
        text = _("next try in {minutes}:{seconds}").format(minutes=left // 60, seconds=f"{left % 60:02}")
        return text, "retry", "warn", (("retry", _("Try now")), ("stop", _("Stop")))
    if kind == "failed":
        actions = (("retry", _("Retry")), ("why", _("Why?")))
        return short_reason(state.get("error"), server), "cross-circle", "error", actions
    if kind == "cancelled":
        words = _("stopped, {studies}").format(studies=studies) if count else _("stopped")
        return words, "stop", "plain", (("retry", _("Ask")),)
    if kind in ("done", "partly"):
        return _answered(state, count, studies)
    if kind == "offline":
        return _("offline"), "plug", "off", ()
    return _("not asked"), "cloud", "off", ()


def _answered(state: Mapping[str, Any], count: int, studies: str) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    if state.get("limit_reached"):
        words = plural(count, "first {count} study, more exist", "first {count} studies, more exist")
        following = _("Next {count}").format(count=f"{int(state.get('page') or count):,}")
        actions = (("narrow", _("Narrow the dates")), ("next", following))
        return words, "warning", "warn", actions[:1] if state.get("stuck") else actions
    seconds = state.get("seconds")
    words = studies if count else _("nothing found")
    if seconds is not None:
        words = _("{words} · {seconds}").format(words=words, seconds=seconds_text(float(seconds)))
    if state.get("state") == "partly" or state.get("warnings"):
        return words, "warning", "warn", (("why", _("Why?")),)
    return words, "check-circle" if count else "check", "ok" if count else "plain", ()


def _hint(server: str, state: Mapping[str, Any]) -> str:
    """What was sent, at which level, for how long, and what the server remarked."""
    lines = []
    query = state.get("query")
    if query is not None:
        keys = ", ".join(f"{key}: {_plain(value)}" for key, value in query.items() if value)
        lines.append(_("Asked for studies with {keys}.").format(keys=keys) if keys else _("Asked for all studies."))
    if state.get("seconds") is not None and not is_busy(state):
        lines.append(_("Took {seconds}.").format(seconds=seconds_text(float(state["seconds"]))))
    lines += [str(text) for text in state.get("warnings") or ()]
    error = state.get("error") or {}
    lines += [str(error[key]) for key in ("message", "next_step") if error.get(key)]
    if state.get("count"):
        lines.append(_("Click to show only what {server} has.").format(server=server))
    return "\n".join(lines) or _("{server} was not asked.").format(server=server)


def _plain(value: Any) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, (list, tuple)) else str(value)


def merged_chips(chips: Sequence[ChipState], *, narrow: bool, counts: Mapping[str, int]) -> list[ChipState]:
    """Fewer chips for less room: one for each tone of servers.

    Where there is room only those that were not asked become one; `narrow` merges all tones and shortens the words.

    Parameters
    ----------
    counts : mapping
        Studies by server.
    """
    groups: dict[str, list[ChipState]] = {}
    for chip in chips:
        groups.setdefault("ok" if chip.tone == "plain" and chip.servers else chip.tone, []).append(chip)
    made: list[ChipState] = []
    for tone in ("ok", "warn", "ask", "error", "off") if narrow else ("off",):
        members = groups.get(tone, [])
        if members:
            made.append(_merged(tone, members, counts, len(chips)) if narrow or len(members) > 1 else members[0])
    if narrow:
        return [chip for chip in made if chip.tone != "off" or len(made) == 1]
    return [chip for chip in chips if chip.tone != "off"] + made


def _merged(tone: str, members: Sequence[ChipState], counts: Mapping[str, int], total: int) -> ChipState:
    number = len(members)
    servers = tuple(server for chip in members for server in chip.servers)
    found = sum(counts.get(server, 0) for server in servers)
    icon = members[0].icon
    if tone == "ok":
        name, words = plural(number, "{count} server", "{count} servers"), f"{found:,}"
        icon = "check-circle"
    elif tone == "warn":
        name, words = "", plural(number, "{count} incomplete", "{count} incomplete")
    elif tone == "ask":
        name, words = "", _("asking {number} of {total}...").format(number=number, total=total)
    elif tone == "error":
        name, words = "", _("{count} failed").format(count=number)
    else:
        offline = all(chip.icon == "plug" for chip in members)
        text = _("{count} servers offline") if offline else _("{count} more, not asked")
        name, words = "", text.format(count=number)
    actions = (("stop", _("Stop")),) if tone == "ask" else ()
    short = ("", f"{found:,}" if tone == "ok" else _("{number} of {total}").format(number=number, total=total))
    if tone in ("warn", "error"):
        short = ("", f"{number}")
    if tone == "off":
        short = (name, words)
    hint = "\n".join(f"{chip.name}: {chip.words}" for chip in members)
    return ChipState(name, words, icon, tone, servers, actions, hint, tuple(members), short)
