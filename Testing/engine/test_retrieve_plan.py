"""Who is asked for what: every instance from one source at a time, the best first, and never twice from the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from VisualDICOMBrowserLib.engine.retrieve_plan import Piece, RetrievePlan, SeriesPlan
from VisualDICOMBrowserLib.engine.sources import SeriesAt, source_rank
from VisualDICOMBrowserLib.servers.config import ServerConfig


def listed(*uids: int, count: int | None = None) -> SeriesAt:
    """A source that named these instances."""
    return SeriesAt(len(uids) if count is None else count, {f"1.{uid}": "1.2.840.10008.5.1.4.1.1.2" for uid in uids})


def pieces_of(plan: RetrievePlan) -> dict[str, list[Piece]]:
    return plan.next_pieces()


def test_sources_are_ranked_by_what_they_cost() -> None:
    folder = ServerConfig(name="Folder", protocol="folder", folder="/data")
    on_disk = ServerConfig(name="Disk", host="h", called_ae_title="A", storage_folder="/data")
    web = ServerConfig(name="Web", protocol="dicomweb", url="https://host/dicom-web")
    get = ServerConfig(name="Get", host="h", called_ae_title="A")
    move = ServerConfig(name="Move", host="h", called_ae_title="A", retrieve_protocol="C-MOVE")
    assert [source_rank(config) for config in (folder, on_disk, web, get, move)] == [0, 0, 1, 2, 3]


def test_a_single_holder_is_asked_for_the_whole_series() -> None:
    plan = RetrievePlan({"A": 2}, [SeriesPlan("1", {"A": SeriesAt(7)})])
    assert pieces_of(plan) == {"A": [Piece("A", "1", whole=True, expected=7)]}
    assert pieces_of(plan) == {}


def test_the_best_source_gets_what_it_has_and_the_next_the_rest() -> None:
    series = SeriesPlan("1", {"Move": listed(*range(10)), "Web": listed(0, 1, 2)})
    plan = RetrievePlan({"Move": 3, "Web": 1}, [series])
    pieces = pieces_of(plan)
    (web,), (move,) = pieces["Web"], pieces["Move"]
    assert (web.uids, web.whole) == (("1.0", "1.1", "1.2"), True)
    assert (len(move.uids), move.whole) == (7, False)


def test_among_equals_the_one_with_most_sends() -> None:
    plan = RetrievePlan({"A": 2, "B": 2}, [SeriesPlan("1", {"A": listed(1), "B": listed(1, 2, 3)})])
    assert list(pieces_of(plan)) == ["B"]


def test_what_is_here_is_not_asked_for() -> None:
    series = SeriesPlan("1", {"A": listed(1, 2, 3)}, here={"1.2"})
    plan = RetrievePlan({"A": 2}, [series])
    assert plan.present == 1
    assert pieces_of(plan)["A"][0].uids == ("1.1", "1.3")
    assert not pieces_of(plan)


def test_what_one_did_not_send_comes_from_the_next_and_never_again_from_the_first() -> None:
    plan = RetrievePlan({"A": 2, "B": 2}, [SeriesPlan("1", {"A": listed(1, 2, 3), "B": listed(1, 2, 3)})])
    (piece,) = pieces_of(plan)["A"]
    assert plan.settle(piece, {"1.1"}, set()) == 2
    (again,) = pieces_of(plan)["B"]
    assert again.uids == ("1.2", "1.3")
    assert plan.settle(again, set(), set()) == 2
    assert pieces_of(plan) == {}
    assert sorted(plan.missing) == ["1.2", "1.3"]


def test_another_content_of_what_is_here_is_not_asked_for_elsewhere() -> None:
    plan = RetrievePlan({"A": 2, "B": 2}, [SeriesPlan("1", {"A": listed(1), "B": listed(1)})])
    (piece,) = pieces_of(plan)["A"]
    assert plan.settle(piece, set(), {"1.1"}) == 0
    assert pieces_of(plan) == {}


def test_who_has_more_than_it_listed_is_asked_for_all_of_it_first() -> None:
    cut = SeriesAt(20, {"1.1": "", "1.2": ""}, cut=True)
    plan = RetrievePlan({"A": 2, "B": 3}, [SeriesPlan("1", {"A": listed(1, 2, 3), "B": cut})])
    pieces = pieces_of(plan)
    assert pieces == {"B": [Piece("B", "1", whole=True, expected=20)]}
    assert plan.settle(pieces["B"][0], {"1.1", "1.2"}, set()) == 1
    assert pieces_of(plan)["A"][0].uids == ("1.3",)


def test_a_dead_source_is_asked_nothing() -> None:
    plan = RetrievePlan({"A": 1, "B": 2}, [SeriesPlan("1", {"A": listed(1), "B": listed(1)})])
    plan.leave_out("A")
    assert list(pieces_of(plan)) == ["B"]


@settings(max_examples=200, deadline=None)
@given(
    holdings=st.dictionaries(st.sampled_from("ABCD"), st.sets(st.integers(0, 12), min_size=1), min_size=1, max_size=4),
    ranks=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    here=st.sets(st.integers(0, 12)),
    luck=st.randoms(use_true_random=False),
)
def test_no_instance_is_asked_for_twice_at_a_time_and_none_is_forgotten(holdings, ranks, here, luck) -> None:
    """Whatever sources have and lose: what somebody can send arrives, and nobody is asked twice."""
    series = SeriesPlan(
        "1", {name: listed(*sorted(uids)) for name, uids in holdings.items()}, here={f"1.{uid}" for uid in here}
    )
    plan = RetrievePlan(dict(zip("ABCD", ranks, strict=True)), [series])
    arrived: set[str] = set()
    asked: set[tuple[str, str]] = set()
    running: list[Piece] = []
    running += [piece for pieces in plan.next_pieces().values() for piece in pieces]
    lost_everywhere = {uid for uids in holdings.values() for uid in map("1.{}".format, uids)} - series.here
    while running:
        flying = [uid for piece in running for uid in piece.uids]
        assert len(flying) == len(set(flying))
        assert not arrived.intersection(flying)
        piece = running.pop(luck.randrange(len(running)))
        for uid in piece.uids:
            assert (piece.source, uid) not in asked
            asked.add((piece.source, uid))
        came = {uid for uid in piece.uids if luck.random() < 0.7}
        arrived |= came
        plan.settle(piece, came, set())
        running += [piece for pieces in plan.next_pieces().values() for piece in pieces]
    for uid in lost_everywhere - arrived:
        assert all((name, uid) in asked for name, uids in holdings.items() if int(uid[2:]) in uids)
    assert set(plan.missing) == lost_everywhere - arrived
