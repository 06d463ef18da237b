"""Admission of lanes: how many a worker has in hand, of which servers, and when one gives way."""

from __future__ import annotations

from mailconfig.delivery.worker.in_hand import MOST_WAITING, PATIENCE_SECONDS, InHand, LaneInHand
from mailconfig.delivery.worker.picking import DueLane, Host
from mailconfig.delivery.worker.room import LaneRoom

HERE, THERE = Host("here.example", 587, ""), Host("there.example", 587, "")


def take(in_hand: InHand, host: Host, numbers: range) -> list[LaneInHand]:
    """Take so many lanes of accounts at ``host``."""
    taken = [in_hand.add(DueLane(number, host)) for number in numbers]
    return [lane for lane in taken if lane is not None]


def let_wait(lanes: list[LaneInHand]) -> None:
    """Nothing has been heard of their servers for too long."""
    for lane in lanes:
        lane.moved_at -= PATIENCE_SECONDS + 1


def test_lanes_that_move_fill_the_concurrency() -> None:
    in_hand = InHand(4)
    taken = take(in_hand, HERE, range(3))
    assert in_hand.room() == 1
    take(in_hand, HERE, range(3, 4))
    assert in_hand.room() == 0
    in_hand.remove(taken[0])
    assert in_hand.room() == 1


def test_a_lane_whose_server_hangs_makes_room_until_it_moves_again() -> None:
    in_hand = InHand(2)
    first, _second = take(in_hand, HERE, range(2))
    let_wait([first])
    assert in_hand.room() == 1
    first.note_moved()
    assert in_hand.room() == 0


def test_lanes_that_wait_are_bounded_too() -> None:
    in_hand = InHand(2)
    for round_ in range(1 + MOST_WAITING):
        assert in_hand.room() == 2
        let_wait(take(in_hand, Host(f"h{round_}", 25, ""), range(2 * round_, 2 * round_ + 2)))
    assert in_hand.room() == 0


def test_a_server_with_its_share_is_crowded_and_one_that_hangs_gets_no_more() -> None:
    in_hand = InHand(4)
    here = take(in_hand, HERE, range(2))
    assert in_hand.crowded() == {HERE}
    assert in_hand.hanging() == set()
    let_wait(here)
    assert in_hand.hanging() == {HERE}
    take(in_hand, THERE, range(2, 3))
    assert in_hand.hanging() == {HERE}


def test_a_lane_gives_way_only_to_one_that_would_get_its_room() -> None:
    in_hand = InHand(4)
    here, there = take(in_hand, HERE, range(2))[0], take(in_hand, THERE, range(2, 3))[0]
    assert not in_hand.gives_way(there), "nobody waits"
    in_hand.note_others([DueLane(9, HERE)])
    assert in_hand.gives_way(here)
    assert not in_hand.gives_way(there), "the other one's server has its share"
    in_hand.note_others([DueLane(9, THERE)])
    assert in_hand.gives_way(here)
    assert in_hand.gives_way(there)


def test_sessions_count_as_lanes_do_and_take_no_room_that_others_wait_for() -> None:
    in_hand = InHand(4)
    (lane,) = take(in_hand, HERE, range(1))
    assert in_hand.add_session(lane)
    assert in_hand.add_session(lane)
    assert in_hand.room() == 1
    assert in_hand.crowded() == {HERE}
    in_hand.note_others([DueLane(9, THERE)])
    assert not in_hand.add_session(lane), "the room is for the one that waits"
    take(in_hand, THERE, range(9, 10))
    in_hand.note_others([])
    assert not in_hand.add_session(lane), "there is none"
    assert in_hand.add(DueLane(10, THERE)) is None
    in_hand.free_session(lane, was_wanted=False)
    assert in_hand.room() == 1
    assert in_hand.further_sessions == 1


def test_so_many_sessions_end_as_lanes_wait() -> None:
    in_hand = InHand(4)
    (lane,) = take(in_hand, HERE, range(1))
    for _ in range(3):
        assert in_hand.add_session(lane)
    assert not in_hand.claims(lane)
    in_hand.note_others([DueLane(9, THERE), DueLane(10, THERE)])
    assert [in_hand.claims(lane) for _ in range(3)] == [True, True, False]
    in_hand.note_others([DueLane(9, THERE), DueLane(10, THERE)])
    assert not in_hand.claims(lane), "two are about to end"
    in_hand.free_session(lane, was_wanted=True)
    in_hand.free_session(lane, was_wanted=True)
    in_hand.note_others([DueLane(10, THERE)])
    assert in_hand.claims(lane)


def test_no_session_is_added_at_a_server_at_which_so_many_hang() -> None:
    in_hand = InHand(4)
    let_wait(take(in_hand, HERE, range(2)))
    (lane,) = take(in_hand, HERE, range(2, 3))
    assert in_hand.room() == 3
    assert not in_hand.add_session(lane)


def room_of(in_hand: InHand, lane: LaneInHand, *, takes_more: bool = True) -> LaneRoom:
    """What the drain of a lane sees."""
    return LaneRoom(in_hand, lane, start=lambda _work: None, on_free=lambda: None, takes_more=takes_more)


def test_a_lane_that_may_have_one_session_moves_as_any_other() -> None:
    in_hand = InHand(4)
    (lane,) = take(in_hand, HERE, range(1))
    room = room_of(in_hand, lane, takes_more=False)
    assert room.take() is None
    let_wait([lane])
    assert in_hand.room() == 4
    room.note_moved()
    assert in_hand.room() == 3


def test_a_session_that_ended_for_another_lane_is_not_opened_again_at_once() -> None:
    in_hand = InHand(2)
    (lane,) = take(in_hand, HERE, range(1))
    room = room_of(in_hand, lane)
    session = room.take()
    assert session is not None
    assert not session.is_wanted()
    in_hand.note_others([DueLane(9, THERE)])
    assert session.is_wanted()
    session.free()
    in_hand.note_others([])
    assert in_hand.room() == 1
    assert room.take() is None
    lane.gave_way_at -= PATIENCE_SECONDS + 1
    assert room.take() is not None


def test_a_lane_whose_server_was_away_takes_no_room_until_it_answers() -> None:
    in_hand = InHand(2)
    doubtful = [in_hand.add(DueLane(number, HERE, was_away=True)) for number in range(3)]
    assert in_hand.room() == 2
    first = doubtful[0]
    assert first is not None
    first.note_moved()
    assert in_hand.room() == 1
