"""`OrthancRest`: what an Orthanc tells beyond DICOM: its change feed, its list of studies, where its files lie.

Requests go through ``http``, so that credentials never follow a redirect, answers are bounded and a connection can
be broken off. Keeps nothing but the UIDs of resources it was asked about. Used by one thread at a time.

Reference: Orthanc's REST API, "/changes", "/tools/find", "/tools/bulk-content" (the latter since 1.9.4).
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from VisualDICOMBrowserLib.errors import PeerError, UsageError
from VisualDICOMBrowserLib.model import FindResult, JobControl, NullControl, Query, StudyRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import SecretSource
from VisualDICOMBrowserLib.servers.web.http import SecretHeaders, WebSession

__all__ = ["Change", "OrthancRest", "StoredFile", "Uids"]

_CHANGES_AT_ONCE = 100
_MOST_PAGES = 50
_MOST_BYTES = 64 << 20
_KEPT_UIDS = 20_000
_KINDS = {"NewStudy": "Study", "NewSeries": "Series", "NewInstance": "Instance", "StableStudy": "Study"}
_PARENTS = {"Instance": ("ParentSeries", "Series"), "Series": ("ParentStudy", "Study")}
_UID_NAMES = {"Study": "StudyInstanceUID", "Series": "SeriesInstanceUID", "Instance": "SOPInstanceUID"}
_STUDY_TAGS = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "InstitutionName",
    "ReferringPhysicianName",
)  # fmt: skip
_NO_BULK = frozenset(("not_found", "http_404", "http_405"))
_PATIENT_TAGS = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
# Newer versions answer with these, older ones have to be asked for the series.
_COUNTED = ("ModalitiesInStudy", "NumberOfStudyRelatedInstances")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uids:
    """DICOM UIDs of a study, series or instance; those below it are empty."""

    StudyInstanceUID: str = ""
    SeriesInstanceUID: str = ""
    SOPInstanceUID: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change feed: its number, its kind (``NewStudy``, ``NewSeries``, ``NewInstance``,
    ``StableStudy``), and what it is about."""

    number: int
    kind: str
    uids: Uids


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An instance with the name of its file in Orthanc's storage, which lies in ``name[:2]/name[2:4]/name``.

    The series is empty where it cannot be said.
    """

    SOPInstanceUID: str
    name: str
    SeriesInstanceUID: str = ""


class OrthancRest:
    """The REST interface of one Orthanc.

    Parameters
    ----------
    config : ServerConfig
        ``rest_url``, ``rest_user``, and the TLS files.
    secrets : SecretSource, optional
        Has ``rest_password``.

    Raises
    ------
    UsageError
        The server has no REST address.
    """

    def __init__(self, config: ServerConfig, secrets: SecretSource | None = None) -> None:
        if not config.rest_url:
            message = f"{config.name} has no REST address."
            next_step = "Set it in the server's settings."
            raise UsageError(message, code="not_offered", server=config.name, next_step=next_step)
        self._config = config
        self._root = config.rest_url.rstrip("/")
        self._uids: OrderedDict[str, Uids] = OrderedDict()
        kept = secrets.get(config.name) if secrets is not None and config.rest_user else {}
        # The session belongs to the REST address: none of the headers or sign-ins of the DICOMweb address.
        address = replace(config, protocol="dicomweb", url=config.rest_url, auth="none", user="", headers={})
        hidden = SecretHeaders(key_password=kept.get("key_password", ""))
        self._session = WebSession(address, hidden, _Basic(config.rest_user, kept.get("rest_password", "")))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def last_change(self, control: JobControl | None = None) -> int:
        """Number of the newest change, 0 if there is none.

        Raises
        ------
        PeerError, NetworkError, PeerTimeoutError
            It refuses, cannot be reached, or is no Orthanc.
        """
        return _number(self._mapping(self._get("/changes?last", control)), "Last")

    def needs_refresh(self, last_seen: int, threshold: int, control: JobControl | None = None) -> bool:
        """Whether more than `threshold` changes came since the change number `last_seen`.

        Raises as `last_change`.
        """
        last = self.last_change(control)
        # A lower number is a server that began anew.
        return last < last_seen or last - last_seen > threshold

    def changes(self, since: int, control: JobControl | None = None) -> tuple[list[Change], int]:
        """Changes after the number `since`, the oldest first, and the number to go on from.

        At most five thousand at once. Resources that were deleted meanwhile are left out. Raises as `last_change`.
        """
        entries: list[Mapping[str, Any]] = []
        last = since
        for _ in range(_MOST_PAGES):
            page = self._mapping(self._get(f"/changes?since={last}&limit={_CHANGES_AT_ONCE}", control))
            listed = page.get("Changes")
            found = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
            entries += [entry for entry in found if entry.get("ChangeType") in _KINDS]
            before, last = last, _number(page, "Last")
            if page.get("Done") is not False or last <= before:
                break
        by_kind: dict[str, list[str]] = {}
        for entry in entries:
            by_kind.setdefault(_KINDS[entry["ChangeType"]], []).append(str(entry.get("ID", "")))
        for kind in ("Study", "Series", "Instance"):
            self._resolve(kind, by_kind.get(kind, ()), control)
        changes = [
            Change(_number(entry, "Seq"), str(entry["ChangeType"]), self._uids[str(entry.get("ID", ""))])
            for entry in entries
            if str(entry.get("ID", "")) in self._uids
        ]
        return changes, max(last, since)

    def find_studies(self, query: Query, control: JobControl | None = None) -> FindResult:
        """Studies that match, at most as many as the query wants.

        Raises as `last_change`.
        """
        limit = query.limit
        asked: dict[str, Any] = {"Level": "Study", "Expand": True, "CaseSensitive": False, "Query": _as_tags(query)}
        asked["RequestedTags"] = _COUNTED
        if limit:
            asked["Limit"] = limit + 1
        answer = self._post("/tools/find", asked, control)
        if not isinstance(answer, list):
            raise self._not_orthanc()
        items = [item for item in answer if isinstance(item, Mapping)]
        limit_reached = 0 < limit < len(items)
        items = items[:limit] if limit else items
        counted = self._counted([str(item.get("ID", "")) for item in items if "RequestedTags" not in item], control)
        records = [_study(item, counted.get(str(item.get("ID", "")), {}), self._config.name) for item in items]
        return FindResult(records=tuple(each for each in records if each is not None), limit_reached=limit_reached)

    def files_of(self, wanted: Mapping[str, str], control: JobControl) -> list[StoredFile]:
        """Names of the files of the instances that have the given UIDs, by keyword. Raises as `last_change`."""
        asked = {"Level": "Instance", "Expand": True, "Query": dict(wanted)}
        answer = self._post("/tools/find", asked, control)
        items = [item for item in answer if isinstance(item, Mapping)] if isinstance(answer, list) else []
        series = wanted.get("SeriesInstanceUID", "")
        if not series:
            self._resolve("Series", [str(item.get("ParentSeries", "")) for item in items], control)
        found = []
        for item in items:
            tags, name = item.get("MainDicomTags"), item.get("FileUuid")
            if isinstance(tags, Mapping) and isinstance(name, str):
                above = series or self._uids.get(str(item.get("ParentSeries", "")), Uids()).SeriesInstanceUID
                found.append(StoredFile(str(tags.get("SOPInstanceUID", "")), name, above))
        return found

    def _counted(self, studies: Sequence[str], control: JobControl | None) -> dict[str, dict[str, Any]]:
        """Modalities and number of instances by study, from its series; empty where they cannot be had at once."""
        counted: dict[str, dict[str, Any]] = {}
        for start in range(0, len(studies), _CHANGES_AT_ONCE):
            asked = {"Resources": list(studies[start : start + _CHANGES_AT_ONCE]), "Level": "Series"}
            try:
                answer = self._post("/tools/bulk-content", asked, control)
            except PeerError as error:
                if error.code not in _NO_BULK:
                    raise
                return {}
            for item in answer if isinstance(answer, list) else ():
                tags = item.get("MainDicomTags") if isinstance(item, Mapping) else None
                instances = item.get("Instances") if isinstance(item, Mapping) else None
                if isinstance(tags, Mapping) and isinstance(instances, list):
                    study = counted.setdefault(str(item.get("ParentStudy", "")), {"Modalities": set(), "Instances": 0})
                    study["Modalities"].add(str(tags.get("Modality", "")))
                    study["Instances"] += len(instances)
        return counted

    def _resolve(self, kind: str, ids: Sequence[str], control: JobControl | None) -> None:
        """Learn the UIDs of resources, and of those above them."""
        unknown = list(dict.fromkeys(item for item in ids if item and item not in self._uids))
        for start in range(0, len(unknown), _CHANGES_AT_ONCE):
            contents = self._contents(kind, unknown[start : start + _CHANGES_AT_ONCE], control)
            parent_field, parent_kind = _PARENTS.get(kind, ("", ""))
            if parent_field:
                parents = [str(item.get(parent_field, "")) for item in contents]
                self._resolve(parent_kind, parents, control)
            for item in contents:
                tags = item.get("MainDicomTags")
                above = self._uids.get(str(item.get(parent_field, "")), Uids())
                uid = str(tags.get(_UID_NAMES[kind], "")) if isinstance(tags, Mapping) else ""
                if uid:
                    self._uids[str(item.get("ID", ""))] = replace(above, **{_UID_NAMES[kind]: uid})
        while len(self._uids) > _KEPT_UIDS:
            self._uids.popitem(last=False)

    def _contents(self, kind: str, ids: Sequence[str], control: JobControl | None) -> list[Mapping[str, Any]]:
        try:
            answer = self._post("/tools/bulk-content", {"Resources": list(ids)}, control)
        except PeerError as error:
            if error.code not in _NO_BULK:
                raise
            answer = [self._one(kind, item, control) for item in ids]
        return [item for item in answer if isinstance(item, Mapping)] if isinstance(answer, list) else []

    def _one(self, kind: str, resource: str, control: JobControl | None) -> Any:
        """One resource, for an Orthanc that does not give several at once; None if it is gone."""
        path = {"Study": "studies", "Series": "series", "Instance": "instances"}[kind]
        try:
            return self._get(f"/{path}/{resource}", control)
        except PeerError as error:
            if error.code in ("not_found", "http_404"):
                return None
            raise

    def _get(self, path: str, control: JobControl | None) -> Any:
        return self._asked("GET", path, None, control)

    def _post(self, path: str, content: Mapping[str, Any], control: JobControl | None) -> Any:
        return self._asked("POST", path, json.dumps(content).encode(), control)

    def _asked(self, method: str, path: str, body: bytes | None, control: JobControl | None) -> Any:
        given = control or NullControl()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self._only_orthanc(), self._session.cancellable(given):
            send = None if body is None else lambda: body
            with self._session.request(method, self._root + path, given, headers=headers, body=send) as answer:
                return json.loads(answer.content(_MOST_BYTES))

    @contextmanager
    def _only_orthanc(self) -> Iterator[None]:
        """Say in our words that something else answers at the address."""
        try:
            yield
        except (ValueError, RecursionError):
            raise self._not_orthanc() from None
        except PeerError as error:
            if error.code == "not_dicomweb":
                raise self._not_orthanc() from None
            raise

    def _mapping(self, answer: Any) -> Mapping[str, Any]:
        if not isinstance(answer, Mapping):
            raise self._not_orthanc()
        return answer

    def _not_orthanc(self) -> PeerError:
        message = f"{self._config.name}: the REST address does not answer as an Orthanc."
        return PeerError(message, code="protocol", server=self._config.name, next_step="Check the REST address.")


class _Basic:
    """Sign-in with user and password, which never changes."""

    def __init__(self, user: str, password: str) -> None:
        text = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._header = f"Basic {text}" if user else ""

    def header(self, control: JobControl) -> str:
        """Value of the Authorization header."""
        return self._header

    def renewed(self, rejected: str, control: JobControl) -> bool:
        """There is nothing to renew."""
        return False


def _as_tags(query: Query) -> dict[str, str]:
    """The query of /tools/find; what is empty does not restrict."""
    texts = {name: getattr(query, name) for name in ("PatientID", "PatientName", "StudyDescription", "AccessionNumber")}
    asked = {name: pattern for name, text in texts.items() if (pattern := _pattern(text))}
    if query.StudyInstanceUID:
        asked["StudyInstanceUID"] = query.StudyInstanceUID
    if query.Modalities:
        asked["ModalitiesInStudy"] = "\\".join(query.Modalities)
    if query.date_from or query.date_to:
        same = query.date_from == query.date_to
        asked["StudyDate"] = query.date_from if same else f"{query.date_from}-{query.date_to}"
    return asked


def _pattern(text: str) -> str:
    """Text that matches anywhere, unless the user put wild cards; several values are not meant by a backslash."""
    plain = text.strip().replace("\\", "?").replace("\0", "")
    return plain if not plain or "*" in plain or "?" in plain else f"*{plain}*"


def _study(item: Mapping[str, Any], counted: Mapping[str, Any], server: str) -> StudyRecord | None:
    """Record of one expanded study, with what was `counted` of its series; None if it is none."""
    fields: dict[str, Any] = {}
    for part, names in (("MainDicomTags", _STUDY_TAGS), ("PatientMainDicomTags", _PATIENT_TAGS)):
        tags = item.get(part)
        if isinstance(tags, Mapping):
            fields.update({name: str(tags[name]) for name in names if name in tags})
    if not fields.get("StudyInstanceUID"):
        return None
    series = item.get("Series")
    fields["NumberOfStudyRelatedSeries"] = len(series) if isinstance(series, list) else None
    told = item.get("RequestedTags")
    if isinstance(told, Mapping):
        modalities, number = (str(told.get(name, "")) for name in _COUNTED)
        counted = {"Modalities": modalities.split("\\"), "Instances": int(number) if number.isdecimal() else None}
    fields["ModalitiesInStudy"] = tuple(sorted({name.strip() for name in counted.get("Modalities", ())} - {""}))
    return StudyRecord(**fields, NumberOfStudyRelatedInstances=counted.get("Instances"), server=server)


def _number(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
