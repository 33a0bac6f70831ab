"""The job kind ``send``: local instances to one server or one address given by hand, by C-STORE or STOW-RS.

What the receiver confirmed is kept beside the database while the job lives, so that a job which goes on after a
break or a restart sends the rest only. Nothing counts as sent before the receiver said so, and where the server's
settings ask for it (``confirm_by_query``) before it lists it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.send_confirm import not_listed
from VisualDICOMBrowserLib.errors import JobCancelled, PeerError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.outcome import UnfinishedWork
from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, Level, Query, SentInstance
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import ServerDriver

__all__ = ["SendKind", "address_config"]

_SECTION = "sent:"
_NOTE_EVERY_S = 0.5
_NOTE_EVERY = 100
_LISTED = 1000


def address_config(address: dict[str, Any]) -> ServerConfig:
    """Server settings of an address given by hand: ``called_ae_title``, ``host``, ``port``, or ``url``.

    Raises
    ------
    UsageError
        Something is missing or not usable.
    """
    if address.get("url"):
        return ServerConfig.from_dict({"name": str(address["url"])[:64], **address, "protocol": "dicomweb"})
    title, host, port = address.get("called_ae_title", ""), address.get("host", ""), address.get("port", 0)
    return ServerConfig.from_dict({"name": f"{title}@{host}:{port}"[:64], **address, "protocol": "dimse"})


class SendKind:
    """Sends what ``level`` and ``uids`` name: studies, series or instances, or a patient by its key.

    Further parameters of the job: ``address`` (see `address_config`) where no server is named. Result: ``sent``,
    ``warnings``, ``bytes``, ``seconds``, ``failed_count`` and ``failed`` with a reason for each instance.
    """

    name = "send"
    limit = 0
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same objects to the same place are the same job."""
        address = sorted((parameters.get("address") or {}).items())
        return f"{parameters['level']}|{','.join(sorted(parameters['uids']))}|{address}"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Send what is not confirmed yet, and tell what came of all of it."""
        started = time.monotonic()
        instances = self._instances(job.parameters)
        notes = _Notes(self._parts.database.own, job.job_id, len(instances), control)
        waiting = [record for record in instances if not notes.confirmed(record.SOPInstanceUID)]
        config = self._config(job)
        driver = self._parts.driver_of(config)
        try:
            if waiting:
                driver.store(waiting, control, notes.note)
            if config.confirm_by_query:
                notes.keep()
                _confirm(driver, instances, notes, control)
        except JobCancelled:
            notes.keep()
            raise
        except VisualDICOMError as error:
            notes.keep()
            raise UnfinishedWork(error, notes.result(instances, started, str(error))) from error
        finally:
            driver.close()
        notes.keep()
        result = notes.result(instances, started, f"{config.name} did not confirm it.")
        if not result["failed_count"]:
            notes.forget()
        elif not result["done_count"]:
            did = "confirmed" if config.confirm_by_query else "took"
            message = f"{config.name} {did} none of {len(instances)} images."
            reason = result["failed"][0]["reason"]
            raise UnfinishedWork(PeerError(message, code="none_sent", server=config.name, next_step=reason), result)
        return result

    def _config(self, job: JobRecord) -> ServerConfig:
        address = job.parameters.get("address")
        return address_config(address) if address else self._parts.servers.get(job.server)

    def _instances(self, parameters: dict[str, Any]) -> list[InstanceRecord]:
        """Local instances with a file, in the order of their series and numbers.

        Raises
        ------
        UsageError
            The database has none of it.
        """
        reader = self._parts.database.reader
        level, uids = Level(parameters["level"]), list(parameters["uids"])
        found: list[InstanceRecord] = []
        if level is Level.IMAGE:
            for uid in uids:
                found += reader.instances(Query(level=Level.IMAGE, SOPInstanceUID=uid))
        else:
            for series in self._series(level, uids):
                found += reader.instances_of_series(series)
        found = [record for record in found if record.path]
        if not found:
            message = "The database has no images of what is to be sent."
            raise UsageError(message, code="nothing_to_send", subject=uids[0] if uids else "")
        return found

    def _series(self, level: Level, uids: Sequence[str]) -> list[str]:
        if level is Level.SERIES:
            return list(uids)
        reader = self._parts.database.reader
        if level is Level.PATIENT:
            return [series for uid in uids for series in reader.series_of_patient(int(uid))]
        queries = [Query(level=Level.SERIES, StudyInstanceUID=uid) for uid in uids]
        return [record.SeriesInstanceUID for query in queries for record in reader.series(query)]


class _Notes:
    """What is known of each instance of one job: in memory, and in batches beside the database."""

    def __init__(self, own: OwnStore, job_id: str, total: int, control: JobControl) -> None:
        self._own = own
        self._section = _SECTION + job_id
        self._total = total
        self._control = control
        self._fates: dict[str, SentInstance] = {
            uid: SentInstance(SOPInstanceUID=uid, **fields) for uid, fields in own.items(self._section).items()
        }
        self._confirmed = sum(fate.status != "failed" for fate in self._fates.values())
        self._unkept: dict[str, Any] = {}
        self._kept_at = time.monotonic()
        self._bytes = 0

    def confirmed(self, uid: str) -> bool:
        """Whether the receiver has this instance."""
        fate = self._fates.get(uid)
        return fate is not None and fate.status != "failed"

    def note(self, sent: SentInstance) -> None:
        """The fate of one instance is known."""
        self._fates[sent.SOPInstanceUID] = sent
        if sent.status != "failed":
            self._confirmed += 1
            self._bytes += sent.size
            self._unkept[sent.SOPInstanceUID] = {"status": sent.status, "code": sent.code, "reason": sent.reason}
        elif sent.reason:
            self._control.log(f"{sent.SOPInstanceUID}: {sent.reason}")
        now = time.monotonic()
        if len(self._unkept) >= _NOTE_EVERY or now - self._kept_at > _NOTE_EVERY_S:
            self.keep()
        self._control.progress(self._confirmed, self._total, self._bytes)

    def doubt(self, uid: str, reason: str, *, send_again: bool) -> None:
        """What counted as sent is not confirmed after all; `send_again` where the receiver does not have it."""
        self._confirmed -= self.confirmed(uid)
        self._fates[uid] = SentInstance(SOPInstanceUID=uid, status="failed", reason=reason)
        if send_again:
            self._unkept[uid] = {"status": "failed", "reason": reason}

    def keep(self) -> None:
        """Write down what was confirmed since the last time."""
        unkept, self._unkept = self._unkept, {}
        self._kept_at = time.monotonic()
        if unkept:
            self._own.put_many(self._section, unkept)

    def forget(self) -> None:
        """All is confirmed, so nothing has to be remembered."""
        self._own.clear(self._section)

    def result(self, instances: Sequence[InstanceRecord], started: float, otherwise: str) -> dict[str, Any]:
        """Counts and failures; `otherwise` is the reason of those whose fate is not known."""
        failed = [
            {"SOPInstanceUID": record.SOPInstanceUID, "code": fate.code, "reason": fate.reason or otherwise}
            for record in instances
            if (fate := self._fates.get(record.SOPInstanceUID) or _unknown(record)).status == "failed"
        ]
        warnings = [
            {"SOPInstanceUID": uid, "code": fate.code, "reason": fate.reason}
            for uid, fate in self._fates.items()
            if fate.status == "warning"
        ]
        return {
            "sent": self._confirmed,
            "done_count": self._confirmed,
            "warnings": warnings[:_LISTED],
            "failed_count": len(failed),
            "failed": failed[:_LISTED],
            "bytes": self._bytes,
            "seconds": round(time.monotonic() - started, 3),
        }


def _confirm(driver: ServerDriver, instances: Sequence[InstanceRecord], notes: _Notes, control: JobControl) -> None:
    """Ask the server for what counts as sent; what it does not list is not confirmed."""
    sent = [record for record in instances if notes.confirmed(record.SOPInstanceUID)]
    try:
        missing = not_listed(driver, sent, control)
    except VisualDICOMError as error:
        if not isinstance(error, JobCancelled):
            reason = f"{driver.name} took it, but cannot be asked whether it has it: {error.message}"
            for record in sent:
                notes.doubt(record.SOPInstanceUID, reason, send_again=False)
        raise
    for uid in missing:
        notes.doubt(uid, f"{driver.name} took it, but does not list it, so it is not confirmed.", send_again=True)
    control.log(f"{driver.name} lists {len(sent) - len(missing)} of {len(sent)} images that were sent.")


def _unknown(record: InstanceRecord) -> SentInstance:
    return SentInstance(SOPInstanceUID=record.SOPInstanceUID, status="failed")
