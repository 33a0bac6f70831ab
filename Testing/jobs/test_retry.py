"""Which errors are tried again, after how long, and how long at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.errors import (
    AssociationError,
    BugError,
    DatabaseFault,
    EngineError,
    JournalError,
    NetworkError,
    PeerError,
    PeerTimeoutError,
    RejectedFileError,
    StorageFault,
    UsageError,
    VisualDICOMError,
    error_from_dict,
)
from VisualDICOMBrowserLib.jobs.job import FailureRun, JobRecord
from VisualDICOMBrowserLib.jobs.retry import RetryByError, counted_failure, may_pass, needs_space, span_in_words

PASSING = [
    (PeerTimeoutError, ["timeout"]),
    (NetworkError, ["connection_lost", "unreachable", "released"]),
    (AssociationError, ["aborted", "busy", "local_limit"]),
    (PeerError, ["busy", "http_429", "http_503", "http_500", "http_502", "http_504"]),
    (EngineError, ["worker_died"]),
    (DatabaseFault, ["busy", "database_locked"]),
    (JournalError, ["journal"]),
]
LASTING = [
    (
        NetworkError,
        [
            "refused",
            "unknown_host",
            "cannot_listen",
            "tls_expected",
            "tls_not_expected",
            "tls_certificate_expired",
            "tls_certificate_name",
            "tls_untrusted",
            "tls_client_certificate",
        ],
    ),
    (AssociationError, ["called_ae", "calling_ae", "no_context", "association_rejected"]),
    (
        PeerError,
        [
            "not_dicom",
            "not_dicomweb",
            "protocol",
            "not_found",
            "peer_status",
            "move_destination",
            "http_400",
            "sign_in",
            "no_right",
            "http_409",
            "too_large",
        ],
    ),
    (EngineError, ["engine_closed", "queue_closed"]),
    (DatabaseFault, ["database_damaged"]),
    (StorageFault, ["storage", "disk_full"]),
    (RejectedFileError, [""]),
    (UsageError, ["unknown_server", "not_offered"]),
    (BugError, [""]),
]


def of(table: list[tuple[type[VisualDICOMError], list[str]]]) -> list[VisualDICOMError]:
    return [kind("What failed.", code=code) for kind, codes in table for code in codes]


def failing(count: int = 1, lasted_s: float = 0.0) -> JobRecord:
    return JobRecord(job_id="r-1", kind="retrieve", failing=FailureRun(count=count, lasted_s=lasted_s))


def policy(max_waiting_s: float = 1e9, part: float = 0.5) -> RetryByError:
    return RetryByError(lambda job: max_waiting_s, random=lambda: part)


@pytest.mark.parametrize("error", of(PASSING), ids=lambda error: f"{type(error).__name__}-{error.code}")
def test_what_may_pass_is_tried_again(error: VisualDICOMError) -> None:
    assert may_pass(error)
    assert may_pass(error_from_dict(error.as_dict()))
    assert policy().next_try(failing(), error, 100.0) == 102.0


@pytest.mark.parametrize("error", of(LASTING), ids=lambda error: f"{type(error).__name__}-{error.code}")
def test_what_lasts_is_not(error: VisualDICOMError) -> None:
    assert not may_pass(error)
    assert policy().next_try(failing(), error, 100.0) is None


def test_only_a_full_disk_needs_space() -> None:
    assert [error.code for error in of(PASSING) + of(LASTING) if needs_space(error)] == ["disk_full"]


def test_waits_double_up_to_the_longest() -> None:
    waits = [policy().next_try(failing(count), PeerTimeoutError("Silent."), 0.0) for count in range(1, 12)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240]
    assert policy(part=1.0).next_try(failing(5000), PeerTimeoutError("Silent."), 0.0) == pytest.approx(300.0)


@given(st.integers(1, 2000), st.floats(0, 1))
def test_waits_vary_by_a_quarter_and_stay_in_bounds(count: int, part: float) -> None:
    wait = policy(part=part).next_try(failing(count), PeerTimeoutError("Silent."), 1000.0)
    assert wait is not None
    middle = min(2.0 * 2.0 ** min(count - 1, 40), 240.0)
    assert 0.75 * middle - 1e-6 <= wait - 1000.0 <= min(1.25 * middle, 300.0) + 1e-6


def test_the_time_decides_and_not_the_count_and_the_last_try_is_at_its_end() -> None:
    silent = PeerTimeoutError("Silent.")
    limited = policy(max_waiting_s=60.0)
    assert limited.next_try(failing(count=500, lasted_s=0.0), silent, 0.0) == 60.0
    assert limited.next_try(failing(count=5, lasted_s=50.0), silent, 0.0) == 10.0
    assert limited.next_try(failing(count=1, lasted_s=60.0), silent, 0.0) is None
    assert policy(max_waiting_s=0.0).next_try(failing(), silent, 0.0) is None


def test_peer_that_asks_for_time_gets_it() -> None:
    asked = PeerError("Wait 90 s.", code="http_429", retry_after=90.0)
    assert policy(part=0.0).next_try(failing(), asked, 0.0) == 90.0
    assert policy(part=1.0).next_try(failing(), asked, 0.0) == 112.5
    assert policy(max_waiting_s=95.0, part=1.0).next_try(failing(), asked, 0.0) == 95.0
    assert policy(max_waiting_s=80.0).next_try(failing(), asked, 0.0) is None
    soon = PeerError("Wait 1 s.", code="http_503", retry_after=1.0)
    assert policy().next_try(failing(), soon, 0.0) == 2.0
    long = PeerError("Wait 1 h.", code="http_503", retry_after=3600.0)
    assert policy(part=0.0).next_try(failing(), long, 0.0) == 3600.0
    wrong = PeerError("Wait?", code="http_503", retry_after=-5.0)
    assert policy().next_try(failing(), wrong, 0.0) == 2.0


def test_failures_in_a_row_are_counted_and_progress_begins_a_new_run() -> None:
    job = JobRecord(job_id="r-1", kind="retrieve", progress_done=10, progress_total=200)
    first = counted_failure(job, 1000.0, 99.0)
    assert first == FailureRun(count=1, since=1000.0, lasted_s=0.0, reached=-190)
    second = counted_failure(replace(job, failing=replace(first, wait_s=2.0)), 1005.0, 5.0)
    assert second == FailureRun(count=2, since=1000.0, lasted_s=5.0, reached=-190)
    # The next start counts only what is left.
    further = replace(job, failing=second, progress_done=20, progress_total=190)
    assert counted_failure(further, 1010.0, 5.0) == FailureRun(count=1, since=1010.0, reached=-170)
    again = replace(job, failing=second, progress_done=3, progress_total=200)
    assert counted_failure(again, 1010.0, 5.0).count == 3
    unknown = replace(job, failing=FailureRun(reached=7), progress_done=8, progress_total=None)
    assert counted_failure(unknown, 1010.0, 5.0).count == 1


def test_clock_set_back_and_a_machine_that_slept_count_little() -> None:
    job = JobRecord(job_id="r-1", kind="retrieve", failing=FailureRun(lasted_s=10.0, wait_s=30.0))
    assert counted_failure(job, 0.0, -50_000.0).lasted_s == 10.0
    assert counted_failure(job, 0.0, 50_000.0).lasted_s == 10.0 + 30.0 + 600.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0:00"), (-3.0, "0:00"), (38.2, "0:38"), (59.7, "1:00"), (725.0, "12:05"), (3600.0, "1:00:00")],
)
def test_spans_read_well(seconds: float, words: str) -> None:
    assert span_in_words(seconds) == words
