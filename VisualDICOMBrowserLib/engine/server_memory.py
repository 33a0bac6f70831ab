"""What our own store keeps under the names of servers, when a server gets another name or goes.

Indexes of folders, kept lists of studies, and how far change feeds were heard. What is known of servers' studies is in
`database.remote_records`. Any thread.
"""

from __future__ import annotations

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.engine.notifications import CHANGES_HEARD
from VisualDICOMBrowserLib.servers.folders.index import section_of_folder, section_of_storage
from VisualDICOMBrowserLib.servers.web.orthanc_cache import STUDY_LISTS

__all__ = ["forget_server", "rename_server"]

_SECTIONS = (section_of_folder, section_of_storage)
_BY_NAME = (STUDY_LISTS, CHANGES_HEARD)


def rename_server(own: OwnStore, old: str, new: str) -> None:
    """What is kept of the server `old` is that of `new` from now on."""
    for section_of in _SECTIONS:
        own.rename_section(section_of(old), section_of(new))
    for section in _BY_NAME:
        own.rename_key(section, old, new)


def forget_server(own: OwnStore, name: str) -> None:
    """Nothing is kept of the server any more."""
    for section_of in _SECTIONS:
        own.clear(section_of(name))
    for section in _BY_NAME:
        own.delete(section, name)
