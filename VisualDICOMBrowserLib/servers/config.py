"""What is known of one server: `ServerConfig`, valid once made.

Plain data; what a field may hold stands in ``config_checks``. Secrets (passwords, tokens) are never among these
fields, they are kept by ``secrets``. No network, no files; any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config_checks import config_problems

__all__ = ["ServerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """One server as the user set it up.

    Parameters
    ----------
    name : str
        What the user calls it; unique in the registry.
    protocol : str
        ``dimse``, ``dicomweb`` or ``folder``.
    enabled, retrieve_enabled, store_enabled, worklist_enabled : bool
        Whether searches go to it, instances are fetched from it, sent to it, and its worklist is asked.
    default : bool
        The one that a window selects first.
    trusted : bool
        False to ask it only about patients for whom the user allowed it.
    timeout_s : float
        Longest time to connect, and longest silence of the server, in seconds.
    max_associations : int
        Most associations or connections we open to it at the same time.
    query_workers, fetch_workers, send_workers : int
        How many of these may search, fetch and send at the same time; 0 for as many as there are.
    max_waiting_s : float
        How long failed work is tried again before it fails for good, in seconds.
    speed_limit_mb_s : float
        Most that is fetched from and sent to it in one second over all connections, in MB; 0 for no limit.
    images_per_batch : int
        Most images of one store request or association, and that are indexed together; 0 for what suits best.
    ask_at_start : bool
        Whether its list of studies is asked for when the engine starts, within the dates and limits below; only if
        it is trusted.
    wildcards : bool
        Whether texts are looked for anywhere in names and descriptions (``*text*``), and not only as a whole.
    confirm_by_query : bool
        Whether it is asked afterwards for what was sent; what it does not list counts as not confirmed.
    keep_compression : bool
        Whether compressed images are sent as they are; else as explicit VR little endian.

    host, port, called_ae_title, calling_ae_title : str, int
        DIMSE address; an empty calling AE title means the setting ``network/calling_ae_title``.
    keep_association : bool
        Whether the association of a query stays open for the next one.
    retrieve_protocol : str
        ``auto`` (C-GET, else C-MOVE), ``C-GET``, ``C-MOVE``, or ``proxy``: C-MOVE to the server named by ``proxy``,
        from which the instances are then fetched.
    proxy : str
        Name of the server that takes what a C-MOVE-only PACS sends.
    move_destination : str
        AE title named in C-MOVE; empty for that of our listener.
    store_host, store_port, store_ae_title : str, int
        Address to send to where it differs; empty and 0 for the same.
    worklist_ae_title, scheduled_ae_title, worklist_modality : str
        AE title of its worklist (empty for the called one), and what worklist queries ask for.
    character_set : str
        Specific Character Set in which queries are written, and in which a server that names none is understood;
        empty for the plainest that will do. DICOMweb is always UTF-8.

    url, qido_prefix, wado_prefix, stow_prefix : str
        DICOMweb address, and path parts of the services where they differ.
    auth : str
        ``none``, ``basic``, ``bearer``, ``client_credentials`` or ``device_code``. The secrets are ``password``,
        ``token`` and ``client_secret``.
    user, token_url, device_url, client_id, scope : str
        What signing in needs besides secrets.
    headers : dict
        Further HTTP headers; those that hold a secret belong to the secrets, as ``header:NAME``.
    fuzzy : bool
        Ask for fuzzy matching of names (QIDO-RS).
    stow_limit_mb : float
        Largest STOW-RS request, 0 for any size.

    tls : bool
        Encrypt DIMSE; DICOMweb does it by its address.
    tls_ca_file, tls_certificate_file, tls_key_file : str
        PEM files: who may vouch for the server (empty: the system's list), and our own certificate and key.
    tls_check_host : bool
        Whether the server's certificate must name its host.
    tls_min_version : str
        Oldest version of TLS that is taken, ``1.2`` or ``1.3``.

    folder, folder_recursive, folder_mode : str, bool, str
        Folder to look through; ``link``, ``copy``, or ``move`` (copy, then remove what was taken).
    folder_watch_s : float
        Look through it every so many seconds; 0 for on query only.

    rest_url, rest_user : str
        REST address of an Orthanc, empty for none; the secret is ``rest_password``.
    query_limit, search_limit : int
        Most studies of a plain list and of a search; 0 for all.
    cache_threshold : int
        Ask anew only after more than so many changes on the server.
    storage_folder : str
        Its storage where it lies on a disk that we reach; read directly.
    notification_interval_s : float
        Ask for changes every so many seconds; 0 for never.

    manual : bool
        Nothing is fetched before the user asks for it.
    prefetch : str
        ``nothing``, ``thumbnails``, ``series`` (of the shown patient) or ``priors``.
    refresh_younger_h : float
        Ask again for studies younger than so many hours; 0 for never.
    date_from, date_to : str
        Only studies of these dates, ``YYYYMMDD``.
    recent_count, recent_unit : int, str
        Only studies of the last so many ``days``, ``months`` or ``years``; 0 for all.

    Raises
    ------
    UsageError
        Fields are not usable; the message has one sentence for each.
    """

    name: str
    protocol: str = "dimse"
    enabled: bool = True
    retrieve_enabled: bool = True
    store_enabled: bool = True
    worklist_enabled: bool = False
    default: bool = False
    trusted: bool = True
    timeout_s: float = 30.0
    max_associations: int = 4
    query_workers: int = 0
    fetch_workers: int = 0
    send_workers: int = 0
    max_waiting_s: float = 3600.0
    speed_limit_mb_s: float = 0.0
    images_per_batch: int = 0
    ask_at_start: bool = False
    wildcards: bool = True
    confirm_by_query: bool = False
    keep_compression: bool = True

    host: str = ""
    port: int = 11112
    called_ae_title: str = ""
    calling_ae_title: str = ""
    keep_association: bool = True
    retrieve_protocol: str = "auto"
    proxy: str = ""
    move_destination: str = ""
    store_host: str = ""
    store_port: int = 0
    store_ae_title: str = ""
    worklist_ae_title: str = ""
    scheduled_ae_title: str = ""
    worklist_modality: str = ""
    character_set: str = ""

    url: str = ""
    qido_prefix: str = ""
    wado_prefix: str = ""
    stow_prefix: str = ""
    auth: str = "none"
    user: str = ""
    token_url: str = ""
    device_url: str = ""
    client_id: str = ""
    scope: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    fuzzy: bool = False
    stow_limit_mb: float = 0.0

    tls: bool = False
    tls_ca_file: str = ""
    tls_certificate_file: str = ""
    tls_key_file: str = ""
    tls_check_host: bool = True
    tls_min_version: str = "1.2"

    folder: str = ""
    folder_recursive: bool = True
    folder_mode: str = "copy"
    folder_watch_s: float = 0.0

    rest_url: str = ""
    rest_user: str = ""
    query_limit: int = 0
    search_limit: int = 0
    cache_threshold: int = 0
    storage_folder: str = ""
    notification_interval_s: float = 0.0

    manual: bool = False
    prefetch: str = "nothing"
    refresh_younger_h: float = 0.0
    date_from: str = ""
    date_to: str = ""
    recent_count: int = 0
    recent_unit: str = "days"

    def __post_init__(self) -> None:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        problems = config_problems(values)
        if problems:
            name = self.name if isinstance(self.name, str) else ""
            raise UsageError(" ".join(problems.values()), code="server_config", server=name)
        for field_name, value in values.items():
            # Titles and addresses are pasted, with the blanks around them.
            if isinstance(value, str):
                object.__setattr__(self, field_name, value.strip())
        object.__setattr__(self, "headers", dict(self.headers))

    def workers(self, work: str) -> int:
        """How many associations may ``query``, ``fetch`` or ``send`` at the same time; of other work, all of them."""
        own = {"query": self.query_workers, "fetch": self.fetch_workers, "send": self.send_workers}.get(work, 0)
        return min(own, self.max_associations) if own else self.max_associations

    def to_dict(self) -> dict[str, Any]:
        """All fields, for the store, the wire and ``--json``; no secrets."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> ServerConfig:
        """Config with the fields that `to_dict` wrote; unknown keys are dropped, missing ones have defaults.

        Raises
        ------
        UsageError
            A field is not usable, or there is no name.
        """
        if not isinstance(values, Mapping):
            message = "The settings of a server must be fields with values."
            raise UsageError(message, code="server_config")
        known = {item.name: values[item.name] for item in fields(cls) if item.name in values}
        return cls(**{"name": "", **known})
