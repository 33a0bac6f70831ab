"""Everything that names a server, when the server gets another name or goes: nothing is left behind under the old one.

Our own store (indexes of folders, kept lists of studies, how far change feeds were heard), what is known of servers'
studies, jobs, watched studies, and the patients for whom a server is allowed or denied. Any thread.
"""

from __future__ import annotations

from VisualDICOMBrowserLib.database import patient_connections
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.notifications import CHANGES_HEARD
from VisualDICOMBrowserLib.servers.folders.index import section_of_folder, section_of_storage
from VisualDICOMBrowserLib.servers.web.orthanc_cache import STUDY_LISTS

__all__ = ["forget_server", "rename_server"]

_SECTIONS = (section_of_folder, section_of_storage)
_BY_NAME = (STUDY_LISTS, CHANGES_HEARD)


def rename_server(desk: EngineDesk, old: str, new: str) -> None:
    """What is kept of the server `old` is that of `new` from now on."""
    desk.queue.rename_server(old, new)
    desk.watches.rename_server(old, new)
    desk.remote.rename(old, new)
    if not desk.parts.database.read_only:
        patient_connections.rename_server(desk.parts.database, old, new)
    _rename_kept(desk.parts.database.own, old, new)


def forget_server(desk: EngineDesk, name: str) -> None:
    """Nothing is kept of the server any more; its jobs stay in the list and say what became of them."""
    desk.watches.forget_server(name)
    desk.remote.forget(name)
    if not desk.parts.database.read_only:
        patient_connections.forget_server(desk.parts.database, name)
    own = desk.parts.database.own
    for section_of in _SECTIONS:
        own.clear(section_of(name))
    for section in _BY_NAME:
        own.delete(section, name)


def _rename_kept(own: OwnStore, old: str, new: str) -> None:
    for section_of in _SECTIONS:
        own.rename_section(section_of(old), section_of(new))
    for section in _BY_NAME:
        own.rename_key(section, old, new)
