"""A shipped program extended by crossings, on a crossroads small enough to check by hand."""

from __future__ import annotations

import pytest

from cityloop.cities.sumo.crossings import Crossing, SignalSite, VehicleLink
from cityloop.cities.sumo.walk_program import Phase, extend_program
from cityloop.kernel.errors import LayoutError
from cityloop.methods.clearance import ClearanceParams

PARAMS = ClearanceParams()


def link(index: int, turn: str = "s") -> VehicleLink:
    """A way of 20 m at 13.89 m/s: 4 s of yellow and 2 s of all-red."""
    return VehicleLink(
        index=index,
        from_edge=f"in{index}",
        to_edge=f"out{index}",
        turn=turn,
        approach_mps=13.89,
        path_m=20.0,
        path_mps=13.89,
    )


def crossing(index: int, foes: set[int], *, near: set[int] = frozenset(), far: set[int] = frozenset(), length_m=8.0):
    """A crossing to which every foe yields."""
    return Crossing(
        edge=f":J_c{index}",
        index=index,
        length_m=length_m,
        foes=frozenset(foes),
        turns_near=frozenset(near),
        turns_far=frozenset(far),
        yields=frozenset(foes),
    )


def site(*crossings: Crossing, links: int = 4) -> SignalSite:
    """Links 0 (straight) and 1 (right) from the south, 2 (straight) and 3 (left) from the west."""
    turns = {1: "r", 3: "l"}
    return SignalSite(
        signal="J", links=tuple(link(i, turns.get(i, "s")) for i in range(links)), crossings=tuple(crossings)
    )


SHIPPED = [Phase(20, "GGrr"), Phase(3, "yyrr"), Phase(15, "rrGG"), Phase(3, "rryy")]


def test_vehicles_keep_their_greens_and_gain_safe_times():
    """Without crossings the stages keep their greens, with one yellow and one all-red between them."""
    program = extend_program(SHIPPED, site(), PARAMS)
    assert program.phases == (
        Phase(20, "GGrr"),
        Phase(4, "yyrr"),
        Phase(2, "rrrr"),
        Phase(15, "rrGG"),
        Phase(4, "rryy"),
        Phase(2, "rrrr"),
    )
    assert (program.shipped_cycle_s, program.cycle_s) == (41, 47)


def test_a_crossing_is_cleared_inside_the_green_as_far_as_the_change_does_not_suffice():
    """8 m take 8 s; yellow and all-red give 6, so Walk ends 2 s before the green does."""
    program = extend_program(SHIPPED, site(crossing(4, {2, 3})), PARAMS)
    assert program.phases[:4] == (
        Phase(18, "GGrrG"),
        Phase(2, "GGrrr"),
        Phase(4, "yyrrr"),
        Phase(2, "rrrrr"),
    )


def test_a_short_crossing_walks_as_long_as_the_green():
    """6 m are cleared within yellow and all-red."""
    program = extend_program(SHIPPED, site(crossing(4, {2, 3}, length_m=6.0)), PARAMS)
    assert program.phases[0] == Phase(20, "GGrrG")


def test_a_near_turn_loses_its_protection_while_the_crossing_walks():
    """A right turn that leaves over the crossing shows g instead of G, and the record says so."""
    program = extend_program(SHIPPED, site(crossing(4, {1, 2, 3}, near={1})), PARAMS)
    assert program.phases[0] == Phase(18, "GgrrG")
    assert program.permissive == ((0, 1),)


def test_a_far_turn_keeps_its_protection_where_another_stage_serves_the_crossing():
    """A left turn yields only to a crossing that would else have no Walk."""
    shipped = [*SHIPPED, Phase(10, "rrrG"), Phase(3, "rrry")]
    program = extend_program(shipped, site(crossing(4, {2, 3}, far={3})), PARAMS)
    assert program.permissive == ()
    assert program.phases[0].state == "GGrrG"


def test_a_far_turn_yields_to_a_crossing_that_has_no_other_stage():
    """The crossing walks in the longest stage in which only turns cross it."""
    program = extend_program(SHIPPED, site(crossing(4, {0, 3}, far={3})), PARAMS)
    assert program.permissive == ((1, 3),)
    assert Phase(13, "rrGgG") in program.phases


def test_a_crossing_without_a_stage_gets_one_at_the_end():
    """All vehicles stand for the least Walk and the full clearance."""
    program = extend_program(SHIPPED, site(crossing(4, {0, 2})), PARAMS)
    assert program.walk_stage
    assert program.phases[-2:] == (Phase(5, "rrrrG"), Phase(8, "rrrrr"))


def test_a_stage_too_short_for_walk_and_clearance_grows():
    """A 30 m crossing takes 30 s, 6 of them in the change: 24 and 5 of Walk make 29."""
    program = extend_program(SHIPPED, site(crossing(4, {2, 3}, length_m=30.0)), PARAMS)
    assert program.lengthened == (0,)
    assert program.phases[:2] == (Phase(5, "GGrrG"), Phase(24, "GGrrr"))


def test_a_slower_walk_is_cleared_longer():
    """At 0.8 m/s 8 m take 10 s, so Walk ends 4 s before the green does."""
    program = extend_program(SHIPPED, site(crossing(4, {2, 3})), ClearanceParams(walking_speed_mps=0.8))
    assert program.phases[:2] == (Phase(16, "GGrrG"), Phase(4, "GGrrr"))


def test_turning_right_on_red_is_open_to_a_crossing_that_it_yields_to():
    """A stop sign in the signal (s) waits for people by itself."""
    shipped = [Phase(20, "GGrs"), Phase(3, "yyrs"), Phase(15, "rrGG"), Phase(3, "rryy")]
    yielding = crossing(4, {2, 3})
    assert extend_program(shipped, site(yielding), PARAMS).phases[0].state == "GGrsG"
    deaf = Crossing(
        edge=":J_c4",
        index=4,
        length_m=8.0,
        foes=frozenset({2, 3}),
        turns_near=frozenset(),
        turns_far=frozenset(),
        yields=frozenset({2}),
    )
    assert extend_program(shipped, site(deaf), PARAMS).walk_stage


def test_a_missing_yellow_is_mended():
    """Two stages that follow each other at once get the yellow and all-red that they lack."""
    program = extend_program([Phase(10, "GGrr"), Phase(10, "rrGG")], site(), PARAMS)
    assert [phase.state for phase in program.phases] == ["GGrr", "yyrr", "rrrr", "rrGG", "rryy", "rrrr"]


def test_a_green_that_stays_is_not_interrupted():
    """A link that is green before and after a change keeps the weaker of its two greens in between."""
    shipped = [Phase(10, "GGrg"), Phase(3, "yyrg"), Phase(10, "rrrG"), Phase(3, "rrry")]
    states = [phase.state for phase in extend_program(shipped, site(), PARAMS).phases]
    assert states[:4] == ["GGrg", "yyrg", "rrrg", "rrrG"]


def test_a_turn_starts_anew_with_the_walk_that_it_yields_to():
    """A right turn that is green in two stages ends before the crossing's Walk begins in the second."""
    shipped = [Phase(10, "rGGr"), Phase(3, "rGyr"), Phase(10, "GGrr"), Phase(3, "yyrr")]
    program = extend_program(shipped, site(crossing(4, {1, 2}, near={1}, length_m=6.0)), PARAMS)
    assert [phase.state for phase in program.phases][:4] == ["rGGrr", "ryyrr", "rrrrr", "GgrrG"]


def test_a_program_without_green_is_refused():
    """A signal that never shows green has no stage to keep."""
    with pytest.raises(LayoutError, match="'J': no phase"):
        extend_program([Phase(10, "rrrr")], site(), PARAMS)


def test_a_state_shorter_than_the_links_is_refused():
    """The message names the signal, the state and the number of links."""
    with pytest.raises(LayoutError, match=r"'J': state 'GG' is shorter than its 4 links"):
        extend_program([Phase(10, "GG")], site(), PARAMS)
