"""C-STORE as SCU: local instances to a server, each accounted for (DICOM PS3.4 annex B, PS3.7 9.1.1).

Headers are read ahead, a few hundred instances, to know which contexts to propose; one association serves as long as
what follows fits its contexts, and the server's settings allow. Streaming one file is ``sending``'s. One thread per
job.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from VisualDICOMBrowserLib.errors import AssociationError, BugError, PeerError
from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, SentInstance
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.sending import (
    SEND_BYTES,
    CannotSend,
    FileTorn,
    InstanceSender,
    StoredFile,
    read_stored_file,
)
from VisualDICOMBrowserLib.servers.dimse.status import Outcome, outcome_of, store_status_text
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.servers.faults import peer_faults
from VisualDICOMBrowserLib.servers.speed import piece_bytes, throttle_of
from VisualDICOMBrowserLib.servers.upper_layer.association import (
    Accepted,
    Caller,
    ContextProposal,
    TakeOverFailed,
    open_association,
    take_over,
)
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel

__all__ = ["Need", "StoreJob", "needs_of", "store_address"]

Need = tuple[str, str]
"""SOP class and transfer syntax."""

_MOST_CONTEXTS = 128
_READ_AHEAD = 256
_MOST_STARVED = 3
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_PROGRESS_S = 0.1


def store_address(config: ServerConfig) -> ServerConfig:
    """The server as it is reached for sending: its own host, port and AE title where they are set."""
    return dataclasses.replace(
        config,
        host=config.store_host or config.host,
        port=config.store_port or config.port,
        called_ae_title=config.store_ae_title or config.called_ae_title,
    )


def needs_of(files: Iterable[StoredFile], most: int = _MOST_CONTEXTS, *, keep_compression: bool = True) -> list[Need]:
    """Contexts for these files in their order, up to the first that finds no room among `most`.

    Every transfer syntax has a context of its own, for a peer chooses one per context: that of the file, and both
    uncompressed ones to fall back on; these alone for a compressed file unless its compression is to be kept.
    """
    chosen: dict[Need, None] = {}
    for stored in files:
        syntaxes = (_first_syntax(stored, keep_compression=keep_compression), *UNCOMPRESSED)
        wanted = [(stored.sop_class, syntax) for syntax in syntaxes]
        new = dict.fromkeys(need for need in wanted if need not in chosen)
        if len(chosen) + len(new) > most:
            break
        chosen.update(new)
    return list(chosen)


def _first_syntax(stored: StoredFile, *, keep_compression: bool) -> str:
    """Transfer syntax in which a file is offered first."""
    uncompressed = stored.transfer_syntax in (*UNCOMPRESSED, _EXPLICIT_BIG)
    return stored.transfer_syntax if keep_compression or uncompressed else UNCOMPRESSED[0]


class StoreJob:
    """Sends instances to one server.

    Parameters
    ----------
    config : ServerConfig
        The server, as it is reached for sending.
    caller : Caller
        Who we are.
    control : JobControl
        Of the job.
    on_sent : callable
        Hears of each instance as soon as its fate is known.
    """

    def __init__(
        self, config: ServerConfig, caller: Caller, control: JobControl, on_sent: Callable[[SentInstance], None]
    ) -> None:
        self._config = config
        self._caller = caller
        self._control = control
        self._on_sent = on_sent
        self._throttle = throttle_of(config, lambda: control.cancel_requested)
        self._starved: list[SentInstance] = []
        self._in_flight = False
        self._total = self._settled = self._bytes = 0
        self._progress_at = 0.0

    def run(self, instances: Sequence[InstanceRecord]) -> None:
        """Send all of them.

        An instance that the server is out of resources for is told as failed only when another one, or the end,
        follows; after three in a row the work stops, and they count as not confirmed.

        Raises
        ------
        NetworkError, PeerTimeoutError, AssociationError, PeerError, JobCancelled
            It cannot go on. What `on_sent` was not told of is not confirmed.
        """
        self._total = len(instances)
        keep = self._config.keep_compression
        outbox = _Outbox(instances, self._fail, keep_compression=keep)
        while outbox.fill():
            self._control.raise_if_cancelled()
            self._serve(outbox, needs_of(outbox.files(), keep_compression=keep))
        self._settle_starved()
        self._control.progress(self._settled, self._total, self._bytes)

    def _serve(self, outbox: _Outbox, needs: list[Need]) -> None:
        """Send what fits these contexts over one association."""
        offered = frozenset(needs)
        try:
            channel, contexts = self._open(needs)
        except AssociationError as refusal:
            if refusal.code != "no_context":
                raise
            while stored := outbox.take(offered):
                self._fail(stored.sop_instance, self._not_taken(stored.sop_class))
            return
        channel.on_tick = self._control.raise_if_cancelled
        sender = InstanceSender(
            channel,
            contexts,
            on_bytes=self._count,
            most_at_once=piece_bytes(self._config, SEND_BYTES),
            while_waiting=outbox.read_one,
        )
        stored = None
        most = self._config.images_per_batch or self._total
        try:
            with peer_faults(self._config):
                while most and (stored := outbox.take(offered)):
                    most -= 1
                    self._control.raise_if_cancelled()
                    self._send(sender, stored)
        except FileTorn as fault:
            channel.abort()
            self._in_flight = False
            if stored is not None:
                self._fail(stored.sop_instance, str(fault))
        except BaseException:
            if self._in_flight:
                channel.abort()
            else:
                channel.release()
            raise
        else:
            channel.release()

    def _open(self, needs: Sequence[Need]) -> tuple[Channel, Sequence[Accepted]]:
        proposals = [ContextProposal(sop_class, (syntax,)) for sop_class, syntax in needs]
        opened = open_association(self._config, self._caller, proposals, control=self._control)
        try:
            return take_over(opened, self._config, self._caller), opened.contexts
        except TakeOverFailed as fault:
            opened.association.abort()
            message = f"Images cannot be sent to {self._config.name}: {fault}."
            raise BugError(message, server=self._config.name) from fault

    def _send(self, sender: InstanceSender, stored: StoredFile) -> None:
        if not sender.takes(stored.sop_class):
            self._fail(stored.sop_instance, self._not_taken(stored.sop_class))
            return
        before = self._bytes
        self._in_flight = True
        try:
            status = sender.send(stored)
        except CannotSend as fault:
            self._in_flight = False
            self._fail(stored.sop_instance, str(fault))
            return
        self._in_flight = False
        self._answered(stored, status, sender.comment, self._bytes - before)

    def _answered(self, stored: StoredFile, status: int, comment: str, size: int) -> None:
        outcome = outcome_of(status)
        done = outcome in (Outcome.SUCCESS, Outcome.WARNING)
        sent = SentInstance(
            SOPInstanceUID=stored.sop_instance,
            status={Outcome.SUCCESS: "sent", Outcome.WARNING: "warning"}.get(outcome, "failed"),
            code=status,
            reason="" if outcome is Outcome.SUCCESS else _sentence(store_status_text(status, comment)),
            size=size if done else 0,
        )
        if 0xA700 <= status <= 0xA7FF:
            self._starved.append(sent)
            if len(self._starved) >= _MOST_STARVED:
                raise self._out_of_resources(status, comment)
            return
        self._settle_starved()
        self._settle(sent)

    def _out_of_resources(self, status: int, comment: str) -> PeerError:
        return PeerError(
            f"{self._config.name} takes no images now: {store_status_text(status, comment)}.",
            code="busy",
            server=self._config.name,
            next_step="Try again later.",
        )

    def _not_taken(self, sop_class: str) -> str:
        from pydicom.uid import UID

        return f"{self._config.name} does not take objects of the kind {UID(sop_class).name}"

    def _fail(self, uid: str, reason: str) -> None:
        self._settle(SentInstance(SOPInstanceUID=uid, status="failed", reason=_sentence(reason)))

    def _settle_starved(self) -> None:
        starved, self._starved = self._starved, []
        for sent in starved:
            self._settle(sent)

    def _settle(self, sent: SentInstance) -> None:
        self._settled += 1
        self._on_sent(sent)
        self._tell_progress()

    def _count(self, count: int) -> None:
        self._bytes += count
        self._tell_progress()
        self._throttle(count)
        self._control.raise_if_cancelled()

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if now - self._progress_at >= _PROGRESS_S:
            self._progress_at = now
            self._control.progress(self._settled, self._total, self._bytes)


class _Outbox:
    """What is still to be sent, the first few hundred with their headers read; `on_unreadable` hears of the rest."""

    def __init__(
        self,
        instances: Sequence[InstanceRecord],
        on_unreadable: Callable[[str, str], None],
        *,
        keep_compression: bool,
    ) -> None:
        self._keep_compression = keep_compression
        self._coming: Iterator[InstanceRecord] = iter(instances)
        self._ready: deque[StoredFile] = deque()
        self._on_unreadable = on_unreadable

    def fill(self) -> bool:
        """Read headers ahead; False if nothing is left to send."""
        while len(self._ready) < _READ_AHEAD and self._read():
            pass
        return bool(self._ready)

    def read_one(self) -> None:
        """Read one more header, unless enough are known."""
        if len(self._ready) < _READ_AHEAD:
            self._read()

    def files(self) -> Iterable[StoredFile]:
        """What is known of the next ones."""
        return self._ready

    def take(self, offered: frozenset[Need]) -> StoredFile | None:
        """The next one that these contexts are for."""
        if not self._ready:
            self.fill()
        for position, stored in enumerate(self._ready):
            if (stored.sop_class, _first_syntax(stored, keep_compression=self._keep_compression)) in offered:
                del self._ready[position]
                return stored
        return None

    def _read(self) -> bool:
        record = next(self._coming, None)
        if record is None:
            return False
        try:
            self._ready.append(read_stored_file(record, verify=True))
        except CannotSend as fault:
            self._on_unreadable(record.SOPInstanceUID, str(fault))
        return True


def _sentence(reason: str) -> str:
    """The reason as a sentence of one line."""
    text = " ".join(reason.split())[:300]
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
