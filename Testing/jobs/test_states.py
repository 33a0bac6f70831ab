"""The table of moves between states."""

from __future__ import annotations

import pytest

from VisualDICOMBrowserLib.errors import BugError
from VisualDICOMBrowserLib.jobs.states import TRANSITIONS, JobState, moved


def test_every_state_has_its_row_and_ends_lead_nowhere_but_to_a_new_try() -> None:
    assert set(TRANSITIONS) == set(JobState)
    ends = {JobState.DONE, JobState.PARTLY, JobState.FAILED, JobState.CANCELLED}
    assert {state for state in JobState if state.finished} == ends
    assert TRANSITIONS[JobState.DONE] == frozenset()
    assert {TRANSITIONS[state] for state in ends - {JobState.DONE}} == {frozenset({JobState.QUEUED})}


def test_every_unfinished_state_can_be_cancelled_and_reaches_running() -> None:
    for state in JobState:
        if not state.finished:
            assert JobState.CANCELLED in TRANSITIONS[state]
            assert state is JobState.RUNNING or _reaches(state, JobState.RUNNING)


def _reaches(start: JobState, goal: JobState) -> bool:
    seen, ahead = set(), {start}
    while ahead:
        state = ahead.pop()
        seen.add(state)
        ahead |= TRANSITIONS[state] - seen
    return goal in seen


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_moves_outside_the_table_are_bugs(before: JobState, after: JobState) -> None:
    if after in TRANSITIONS[before]:
        assert moved(before, after, "r-1") is after
    else:
        with pytest.raises(BugError, match=f"from {before.value} to {after.value}"):
            moved(before, after, "r-1")
