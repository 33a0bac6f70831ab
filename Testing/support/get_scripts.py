"""Parts of scripts for a `FaultyPeer` that serves C-GET, and the driver's retrieve against them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from VisualDICOMBrowserLib.errors import (
    VisualDICOMError,
)
from VisualDICOMBrowserLib.model import RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.get import STUDY_ROOT_GET
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.3"
PIXELS = bytes(range(256)) * 40
ANNOUNCED = RetrieveRequest(StudyInstanceUID=STUDY, SeriesInstanceUID="1.2.3.4", SOPClassUIDs=(CT,), expected=2)

Script = Callable[[PeerSide], None]


def data_set(uid: str) -> bytes:
    """A small data set, explicit little endian."""
    return encode_elements([(0x00080018, "UI", uid.encode()), (0x7FE00010, "OW", PIXELS)], implicit=False)


def store_command(uid: str, number: int = 1, sop_class: str = CT) -> Command:
    """Request of one sub-operation."""
    return Command(field=CommandField.C_STORE_RQ, message_id=number, sop_class=sop_class, sop_instance=uid, priority=0)


def begin_get(peer: PeerSide) -> tuple[int, int]:
    """Accept, take the C-GET request; contexts of C-GET and of CT storage."""
    peer.accept()
    get_context, request, _ = peer.read_message()
    assert request.field == CommandField.C_GET_RQ
    return get_context, peer.context_for(CT)


def store(peer: PeerSide, context: int, uid: str, number: int = 1) -> int:
    """Send one instance; the status of the response."""
    peer.send(context, store_command(uid, number), data_set(uid))
    _, answer, _ = peer.read_message()
    assert answer.field == CommandField.C_STORE_RSP
    assert answer.responded_to == number
    assert answer.status is not None
    return answer.status


def final(status: int = 0, **fields: int) -> Command:
    """The last response to the C-GET."""
    return Command(field=CommandField.C_GET_RSP, responded_to=1, sop_class=STUDY_ROOT_GET, status=status, **fields)


def retrieve(
    script: Script,
    sink: FileSink,
    *,
    control: ControlOfTest | None = None,
    request: RetrieveRequest = ANNOUNCED,
    timeout_s: float = 5.0,
    own_loop: bool = True,
) -> RetrieveResult:
    """What the driver makes of a peer that plays `script`."""
    with FaultyPeer(script) as peer:
        driver = DimseDriver(peer.config(timeout_s=timeout_s), Settings(), own_loop=own_loop)
        return driver.retrieve(request, sink, control or ControlOfTest())


def failure_of(script: Script, sink: FileSink, timeout_s: float = 5.0, *, own_loop: bool = True) -> VisualDICOMError:
    """The error the driver raises; nothing partial may stay."""
    with pytest.raises(VisualDICOMError) as raised:
        retrieve(script, sink, timeout_s=timeout_s, own_loop=own_loop)
    assert sink.stray_files() == []
    return raised.value
