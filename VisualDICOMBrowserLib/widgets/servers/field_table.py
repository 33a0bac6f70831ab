"""The form of a server as a table: one row for each line of it, every setting of `ServerConfig` once. No Qt.

Built when it is asked for, so that its texts are in the language of that moment.
"""

from __future__ import annotations

from VisualDICOMBrowserLib.servers.config_checks import CHARACTER_SETS
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.servers.field_table_network import limits_rows, notification_rows, security_rows
from VisualDICOMBrowserLib.widgets.servers.fields import DICOMWEB, DIMSE, FOLDER, NETWORK, Field, Row, Tab

__all__ = ["server_tabs"]

_AE_WIDTH = 18


def server_tabs() -> list[Tab]:
    """The pages of the form in their order."""
    return [
        Tab("connection", _("Connection"), (*_who_rows(), *_address_rows(), *_use_rows())),
        Tab("query", _("Query"), (*_query_rows(), *_date_rows(), *_query_manner_rows())),
        Tab("retrieve", _("Retrieve"), (*_way_rows(), *_fetch_rows(), *_orthanc_rows())),
        Tab("send", _("Send"), _send_rows()),
        Tab("worklist", _("Worklist"), _worklist_rows()),
        Tab("security", _("Security"), security_rows()),
        Tab("limits", _("Limits"), limits_rows()),
        Tab("notifications", _("Notifications"), notification_rows()),
    ]


def _who_rows() -> tuple[Row, ...]:
    protocols = (
        ("dimse", _("DIMSE (classic DICOM)")),
        ("dicomweb", _("DICOMweb")),
        ("folder", _("Folder")),
    )
    return (
        Row(
            label=_("Name"),
            fields=(
                Field(name="name", placeholder=_("Main PACS")),
                Field(name="default", kind="flag", label=_("Default for queries")),
                Field(name="trusted", kind="flag", label=_("Trusted")),
            ),
        ),
        Row(
            label=_("Protocol"),
            fields=(Field(name="protocol", kind="choice", choices=protocols),),
            remark=_("The other protocols show other fields"),
        ),
    )


def _address_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Host"),
            fields=(
                Field(name="host", placeholder="pacs.example.org"),
                Field(name="port", kind="whole", label=_("Port"), lowest=1, highest=65535, width=7),
            ),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Called AE title"),
            fields=(Field(name="called_ae_title", placeholder="MAINPACS", width=_AE_WIDTH),),
            remark=_("the server's own title"),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Calling AE title"),
            fields=(Field(name="calling_ae_title", placeholder=_("as This computer"), width=_AE_WIDTH),),
            remark=_("how this computer presents itself"),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Address"),
            fields=(Field(name="url", placeholder="https://pacs.example.org/dicom-web"),),
            protocols=(DICOMWEB,),
        ),
        Row(
            label=_("Path of QIDO-RS"),
            fields=(Field(name="qido_prefix", placeholder=_("the address itself"), width=28),),
            remark=_("only where searches go to another path"),
            protocols=(DICOMWEB,),
        ),
        Row(
            label=_("Path of WADO-RS"),
            fields=(Field(name="wado_prefix", placeholder=_("the address itself"), width=28),),
            remark=_("only where images come from another path"),
            protocols=(DICOMWEB,),
        ),
        Row(
            label=_("Path of STOW-RS"),
            fields=(Field(name="stow_prefix", placeholder=_("the address itself"), width=28),),
            remark=_("only where images are sent to another path"),
            protocols=(DICOMWEB,),
        ),
        Row(label=_("Folder"), fields=(Field(name="folder", kind="folder"),), protocols=(FOLDER,)),
        Row(
            label="",
            fields=(Field(name="folder_recursive", kind="flag", label=_("Look into subfolders too")),),
            protocols=(FOLDER,),
        ),
    )


def _use_rows() -> tuple[Row, ...]:
    query = Field(name="enabled", kind="flag", label=_("Query"))
    retrieve = Field(name="retrieve_enabled", kind="flag", label=_("Retrieve"))
    send = Field(name="store_enabled", kind="flag", label=_("Send to it"))
    worklist = Field(name="worklist_enabled", kind="flag", label=_("Worklist"))
    tls = Field(name="tls", kind="flag", label=_("Use TLS"))
    return (
        Row(label=_("Use for"), fields=(query, retrieve, send, worklist, tls), protocols=(DIMSE,)),
        Row(label=_("Use for"), fields=(query, retrieve, send), protocols=(DICOMWEB, FOLDER)),
    )


def _query_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Studies at most, of a list"),
            fields=(Field(name="query_limit", kind="whole", zero=_("all"), width=12),),
            remark=_("without a patient or other filter"),
            protocols=NETWORK,
        ),
        Row(
            label=_("Studies at most, of a search"),
            fields=(Field(name="search_limit", kind="whole", zero=_("all"), width=12),),
            protocols=NETWORK,
        ),
        Row(
            label=_("Ask anew after more than"),
            fields=(Field(name="cache_threshold", kind="whole", unit=_("changes"), width=16),),
            remark=_("on the server; the last answer is used until then"),
            protocols=NETWORK,
        ),
        Row(
            label=_("Look into the folder every"),
            fields=(Field(name="folder_watch_s", kind="number", highest=86400, unit="s", zero=_("query"), width=14),),
            remark=_("seconds; 0 for on a query only"),
            protocols=(FOLDER,),
        ),
    )


def _date_rows() -> tuple[Row, ...]:
    units = (("days", _("days")), ("months", _("months")), ("years", _("years")))
    return (
        Row(
            label=_("Only studies of the last"),
            fields=(
                Field(name="recent_count", kind="whole", highest=100_000, zero=_("any time"), width=12),
                Field(name="recent_unit", kind="choice", choices=units, accessible=_("Days, months or years")),
            ),
            protocols=NETWORK,
        ),
        Row(
            label=_("Only studies from"),
            fields=(
                Field(name="date_from", kind="date", width=12),
                Field(name="date_to", kind="date", label=_("to"), width=12, accessible=_("Only studies to")),
            ),
            remark=_("year-month-day"),
            protocols=NETWORK,
        ),
    )


def _query_manner_rows() -> tuple[Row, ...]:
    sets = (("", _("The plainest that will do")), *((term, term) for term in CHARACTER_SETS))
    return (
        Row(
            label=_("Texts"),
            fields=(
                Field(name="wildcards", kind="flag", label=_("Find a text anywhere in names and descriptions")),
                Field(name="fuzzy", kind="flag", label=_("Find names that sound alike")),
            ),
            protocols=(DICOMWEB,),
        ),
        Row(
            label=_("Texts"),
            fields=(Field(name="wildcards", kind="flag", label=_("Find a text anywhere in names and descriptions")),),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Character set"),
            fields=(Field(name="character_set", kind="choice", choices=sets),),
            remark=_("of queries, and of answers that name none"),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("At the start"),
            fields=(Field(name="ask_at_start", kind="flag", label=_("Ask for the list of studies, if trusted")),),
            protocols=NETWORK,
        ),
    )


def _way_rows() -> tuple[Row, ...]:
    ways = (
        ("auto", _("Automatic: C-GET, else C-MOVE")),
        ("C-GET", _("C-GET: images come over our connection")),
        ("C-MOVE", _("C-MOVE: the server sends to this computer")),
        ("proxy", _("C-MOVE to a proxy, then from there")),
    )
    modes = (
        ("copy", _("Copy into the database")),
        ("link", _("Link: the files stay where they are")),
        ("move", _("Import, then clean up the folder")),
    )
    return (
        Row(
            label=_("Way"),
            fields=(Field(name="retrieve_protocol", kind="choice", choices=ways),),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Proxy"),
            fields=(Field(name="proxy", kind="server"),),
            remark=_("takes what the server sends; must be in the list"),
            protocols=(DIMSE,),
            only=("retrieve_protocol", ("proxy",)),
        ),
        Row(
            label=_("Destination of C-MOVE"),
            fields=(Field(name="move_destination", placeholder=_("our listener"), width=_AE_WIDTH),),
            remark=_("AE title that the server knows"),
            protocols=(DIMSE,),
            only=("retrieve_protocol", ("auto", "C-MOVE", "proxy")),
        ),
        Row(
            label=_("Files"),
            fields=(Field(name="folder_mode", kind="choice", choices=modes),),
            remark=_("Cleaning up waits for a lock of another computer"),
            protocols=(FOLDER,),
        ),
    )


def _fetch_rows() -> tuple[Row, ...]:
    ahead = (
        ("nothing", _("Nothing")),
        ("thumbnails", _("Pictures only")),
        ("series", _("Whole series of the shown patient")),
        ("priors", _("Whole series and earlier studies")),
    )
    return (
        Row(
            label=_("Fetch ahead"),
            fields=(
                Field(name="prefetch", kind="choice", choices=ahead),
                Field(name="manual", kind="flag", label=_("Only by hand")),
            ),
        ),
        Row(
            label=_("Ask again for studies under"),
            fields=(
                Field(
                    name="refresh_younger_h", kind="number", highest=8760, unit=_("h old"), zero=_("never"), width=14
                ),
            ),
            remark=_("so that images still coming in are not missed"),
            protocols=NETWORK,
        ),
        Row(
            label=_("Read directly from"),
            fields=(Field(name="storage_folder", kind="folder"),),
            remark=_("the server's own storage, if this computer reaches it"),
            protocols=NETWORK,
        ),
    )


def _orthanc_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("Orthanc address"),
            fields=(Field(name="rest_url", placeholder="http://pacs.example.org:8042"),),
            protocols=NETWORK,
        ),
        Row(
            label=_("Orthanc user"),
            fields=(
                Field(name="rest_user", width=_AE_WIDTH),
                Field(name="rest_password", kind="secret", label=_("Password"), accessible=_("Orthanc password")),
            ),
            protocols=NETWORK,
        ),
    )


def _send_rows() -> tuple[Row, ...]:
    keep = Field(name="keep_compression", kind="flag", label=_("Keep compressed images compressed"))
    confirm = Field(name="confirm_by_query", kind="flag", label=_("Ask the server whether all has arrived"))
    return (
        Row(
            label=_("Send to AE title"),
            fields=(Field(name="store_ae_title", placeholder=_("the same"), width=_AE_WIDTH),),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Send to host"),
            fields=(
                Field(name="store_host", placeholder=_("the same")),
                Field(
                    name="store_port",
                    kind="whole",
                    label=_("Port"),
                    highest=65535,
                    zero=_("the same"),
                    width=10,
                    accessible=_("Send to port"),
                ),
            ),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Largest request"),
            fields=(Field(name="stow_limit_mb", kind="number", unit="MB", zero=_("any size"), width=14),),
            protocols=(DICOMWEB,),
        ),
        Row(label=_("Images"), fields=(keep,), protocols=NETWORK),
        Row(label=_("Afterwards"), fields=(confirm,), protocols=NETWORK),
    )


def _worklist_rows() -> tuple[Row, ...]:
    return (
        Row(
            label=_("AE title of the worklist"),
            fields=(Field(name="worklist_ae_title", placeholder=_("the called one"), width=_AE_WIDTH),),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Scheduled station"),
            fields=(Field(name="scheduled_ae_title", placeholder=_("any"), width=_AE_WIDTH),),
            remark=_("AE title of the device"),
            protocols=(DIMSE,),
        ),
        Row(
            label=_("Modality"),
            fields=(Field(name="worklist_modality", placeholder=_("any"), width=_AE_WIDTH),),
            remark="CT, MR, US ...",
            protocols=(DIMSE,),
        ),
    )
