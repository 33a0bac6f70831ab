"""Who may start next."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from VisualDICOMBrowserLib.jobs.job import Priority
from VisualDICOMBrowserLib.jobs.limits import Limits, ReadyJobs


def test_limits_count_by_kind_and_by_server() -> None:
    limits = Limits({"retrieve": 2}, {"PACS_A": 1, "PACS_B": 0}.__getitem__)
    limits.start(("retrieve", "PACS_A"))
    assert not limits.has_room(("retrieve", "PACS_A"))
    assert not limits.has_room(("find", "PACS_A"))
    assert limits.has_room(("retrieve", "PACS_B"))
    limits.start(("retrieve", "PACS_B"))
    assert not limits.has_room(("retrieve", ""))
    assert limits.has_room(("find", "PACS_B"))
    limits.end(("retrieve", "PACS_A"))
    assert limits.has_room(("retrieve", "PACS_A"))


def test_server_without_a_known_limit_has_none(caplog: object) -> None:
    assert Limits({}, {}.__getitem__).has_room(("find", "removed"))


def test_full_class_is_passed_over() -> None:
    ready = ReadyJobs()
    ready.add("first", ("retrieve", "A"), 30, 1)
    ready.add("second", ("retrieve", "B"), 0, 2)
    assert ready.pop(lambda job_class, priority: job_class[1] != "A") == "second"
    assert ready.pop(lambda job_class, priority: job_class[1] != "A") is None
    assert ready.pop(lambda job_class, priority: True) == "first"
    assert ready.pop(lambda job_class, priority: True) is None


def test_raised_and_discarded_jobs_leave_no_ghosts() -> None:
    ready = ReadyJobs()
    for number in range(3):
        ready.add(f"j{number}", ("k", ""), 0, number)
    ready.add("j2", ("k", ""), 10, 2)
    ready.add("j2", ("k", ""), 0, 2)
    ready.add("j1", ("k", ""), 10, 1)
    ready.discard("j0")
    assert [ready.pop(lambda job_class, priority: True) for _ in range(3)] == ["j1", "j2", None]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 2)), max_size=30
    ),
    st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"))),
)
def test_pop_gives_the_best_with_room(jobs: list[tuple[int, str, str, int]], full: set[tuple[str, str]]) -> None:
    ready = ReadyJobs()
    for number, (priority, kind, server, _) in enumerate(jobs):
        ready.add(str(number), (kind, server), priority, number)
    order = sorted(range(len(jobs)), key=lambda number: (-jobs[number][0], number))
    expected = [str(number) for number in order if jobs[number][1:3] not in full]
    popped = iter(lambda: ready.pop(lambda job_class, priority: job_class not in full), None)
    assert list(popped) == expected


def test_limit_of_a_kind_may_be_asked_anew() -> None:
    setting = [1]
    limits = Limits({"retrieve": lambda: setting[0], "broken": {}.__getitem__}, lambda server: 0)
    limits.start(("retrieve", ""))
    assert not limits.has_room(("retrieve", ""))
    setting[0] = 2
    assert limits.has_room(("retrieve", ""))
    assert limits.has_room(("broken", ""))


def test_low_priority_leaves_a_thread_and_a_place_at_each_server_to_others() -> None:
    """Case 72 (priority inversion)."""
    limits = Limits({}, {"PACS_A": 2, "PACS_B": 1}.__getitem__, workers=3)
    limits.start(("retrieve", "PACS_A"))
    assert not limits.has_room(("retrieve", "PACS_A"), Priority.LOW)
    assert limits.has_room(("retrieve", "PACS_A"), Priority.NORMAL)
    assert limits.has_room(("retrieve", "PACS_B"), Priority.LOW)
    limits.start(("retrieve", "PACS_C"))
    assert not limits.has_room(("retrieve", "PACS_B"), Priority.LOW)
    assert limits.has_room(("retrieve", "PACS_B"), Priority.HIGH)
    assert Limits({}, lambda server: 1, workers=1).has_room(("retrieve", "PACS_A"), Priority.LOW)
