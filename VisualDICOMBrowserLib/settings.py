"""Every setting: its key, type, default, unit and meaning, in one table.

Values that differ from the default are kept per database (``database.own_store``); this module only
declares and checks them. No Qt, no files; safe from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["SETTINGS", "Setting", "Settings"]

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: ``key`` as stored, ``default`` whose type is the setting's type, ``unit`` and ``help``."""

    key: str
    default: Value
    help: str
    unit: str = ""
    minimum: float | None = None

    def checked(self, value: Any) -> Value:
        """`value` as this setting's type.

        Raises
        ------
        UsageError
            The value has another type or lies below the minimum.
        """
        kind = type(self.default)
        try:
            if kind is bool:
                converted: Value = value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
            else:
                converted = kind(value)
        except (KeyError, TypeError, ValueError):
            message = f"Setting {self.key} takes a {kind.__name__}, not {value!r}."
            raise UsageError(message, subject=self.key) from None
        if self.minimum is not None and float(converted) < self.minimum:
            message = f"Setting {self.key} must be at least {self.minimum:g} {self.unit}".strip() + "."
            raise UsageError(message, subject=self.key)
        return converted


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        Setting("import/copy", False, "Copy imported files into the database instead of linking to them."),
        Setting("import/workers", 0, "Processes that read headers; 0 is one per processor core.", "", 0),
        Setting("import/include_hidden", True, "Look into hidden files and folders while importing."),
        Setting("import/inflate_limit", 256, "Largest inflated size of a deflated header.", "MB", 1),
        Setting("thumbnails/size", 256, "Longest side of a thumbnail.", "pixels", 16),
        Setting("thumbnails/automatic", True, "Make thumbnails after an import or a retrieve."),
        Setting("thumbnails/workers", 2, "Threads that make thumbnails.", "", 1),
        Setting("jobs/max_concurrent", 8, "Jobs that run at the same time.", "", 1),
        Setting("jobs/history_days", 30, "How long finished jobs stay in the list.", "days", 0),
        Setting("jobs/history_count", 1000, "Most finished jobs that stay in the list.", "", 0),
        Setting("jobs/max_waiting_s", 3600, "How long work that names no single server is tried again.", "s", 0),
        Setting("database/batch_files", 100, "Most instances that are stored and indexed together.", "", 1),
        Setting("database/batch_mb", 64, "Most data that is stored and indexed together.", "MB", 1),
        Setting("network/calling_ae_title", "VISUALDICOM", "AE title under which we call servers."),
        Setting("network/pdu_size", 131072, "Largest protocol data unit we accept.", "bytes", 4096),
        Setting("network/offline", False, "Leave servers alone; what has to do with them waits."),
        Setting("retrieve/workers", 2, "Processes that fetch instances in bulk.", "", 0),
        Setting("retrieve/move_wait_s", 20.0, "How long to wait for images that a C-MOVE has promised.", "seconds", 0),
        Setting("node/ae_title", "VISUALDICOM", "AE title of our own node; {host}, {port} and {number} are filled in."),
        Setting("node/start", False, "Start our own node together with a window or a long-running engine."),
        Setting("node/host", "127.0.0.1", "Address our own node listens on."),
        Setting("node/port", 11112, "Port our own node listens on.", "", 0),
        Setting("node/ports_tried", 1, "Ports tried from that one on, until one is free; for several copies.", "", 1),
        Setting("node/allowed_callers", "", "Who may call: AE, AE@address, *@network, with commas; empty: anybody."),
        Setting("node/check_called_ae", True, "Refuse callers that use another AE title than ours."),
        Setting("node/max_pdu", 131072, "Longest protocol data unit our own node takes, up to 1 MB.", "bytes", 4096),
        Setting("node/max_associations", 64, "Most associations of our own node at a time.", "", 1),
        Setting("node/max_per_peer", 32, "Most associations of one address at a time.", "", 1),
        Setting("node/idle_s", 60.0, "Silence after which an association is ended.", "s", 1),
        Setting("node/request_wait_s", 10.0, "How long a caller may take to ask for an association.", "s", 1),
        Setting("node/flush_before_answer", False, "Confirm a received image only when it outlives a power cut."),
        Setting("node/tls_certificate_file", "", "Certificate (PEM) with which our own node speaks TLS; empty: plain."),
        Setting("node/tls_key_file", "", "Key of that certificate (PEM), if it is in a file of its own."),
        Setting("node/tls_ca_file", "", "Certificates (PEM) of those who may vouch for callers."),
        Setting("node/tls_require_client", False, "Refuse callers without a certificate."),
        Setting("folder/quiet_s", 2.0, "How long a file in a folder stands still before it is taken.", "s", 0),
        Setting(
            "folder/lock_minutes", 10.0, "Age at which another computer's lock on a folder counts as left.", "min", 1
        ),
        Setting("notify/enabled", False, "Listen for notifications that servers post to us."),
        Setting("notify/host", "127.0.0.1", "Address at which servers post notifications."),
        Setting("notify/port", 11180, "Port at which servers post notifications.", "", 0),
    )
}


@dataclass(slots=True)
class Settings:
    """Values by key; a key without a value of its own has its default.

    Unknown keys and values of a wrong type in `stored` are dropped, so that a newer or damaged store
    never prevents a start.
    """

    stored: Mapping[str, Any] = field(default_factory=dict)
    _values: dict[str, Value] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for key, value in self.stored.items():
            setting = SETTINGS.get(key)
            if setting is not None:
                try:
                    self._values[key] = setting.checked(value)
                except UsageError:
                    continue

    def __getitem__(self, key: str) -> Value:
        return self._values.get(key, _known(key).default)

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = _known(key).checked(value)

    def integer(self, key: str) -> int:
        """Value of an integer setting."""
        return int(self[key])

    def text(self, key: str) -> str:
        """Value of a text setting."""
        return str(self[key])

    def flag(self, key: str) -> bool:
        """Value of a yes/no setting."""
        return bool(self[key])

    def changed(self) -> dict[str, Value]:
        """Values that differ from their default, by key."""
        return {key: value for key, value in self._values.items() if value != SETTINGS[key].default}


def _known(key: str) -> Setting:
    try:
        return SETTINGS[key]
    except KeyError:
        message = f"There is no setting {key!r}."
        raise UsageError(message, subject=key) from None
