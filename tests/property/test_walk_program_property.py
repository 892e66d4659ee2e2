"""Whatever the junction and its shipped program, the extended program is safe second by second."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.cities.sumo.crossings import Crossing, SignalSite, VehicleLink
from cityloop.cities.sumo.walk_program import Phase, WalkProgram, extend_program
from cityloop.methods.clearance import ClearanceParams

GREEN = "Gg"


@st.composite
def signals(draw: st.DrawFn) -> tuple[list[Phase], SignalSite, ClearanceParams]:
    """A signal of up to 6 links and 3 crossings, with up to 5 phases of any green, red or stop."""
    n = draw(st.integers(1, 6))
    links = tuple(
        VehicleLink(
            index=i,
            from_edge=f"in{i}",
            to_edge=f"out{i}",
            turn="s",
            approach_mps=draw(st.floats(5.0, 30.0)),
            path_m=draw(st.floats(5.0, 80.0)),
            path_mps=draw(st.floats(3.0, 20.0)),
        )
        for i in range(n)
    )
    crossings = []
    for k in range(draw(st.integers(0, 3))):
        kind = [draw(st.sampled_from(["none", "near", "far", "through", "deaf"])) for _ in range(n)]
        pick = {name: frozenset(i for i in range(n) if kind[i] == name) for name in set(kind)}
        none = frozenset[int]()
        near, far, through = pick.get("near", none), pick.get("far", none), pick.get("through", none)
        crossings.append(
            Crossing(
                edge=f":J_c{k}",
                index=n + k,
                length_m=draw(st.floats(2.0, 30.0)),
                foes=near | far | through | pick.get("deaf", none),
                turns_near=near,
                turns_far=far,
                yields=near | far | through,
            )
        )
    states = draw(st.lists(st.text("rrgGsy", min_size=n, max_size=n), min_size=1, max_size=5))
    states.append("G" + draw(st.text("rgG", min_size=n - 1, max_size=n - 1)))
    phases = [Phase(draw(st.integers(1, 50)), state) for state in states]
    speed_mps = draw(st.sampled_from([0.8, 1.0]))
    return (
        phases,
        SignalSite(signal="J", links=links, crossings=tuple(crossings)),
        ClearanceParams(walking_speed_mps=speed_mps),
    )


def seconds(program: WalkProgram, cycles: int = 3) -> list[str]:
    """Spell a program out, a state a second."""
    assert all(float(phase.duration_s).is_integer() and phase.duration_s > 0 for phase in program.phases)
    once = [phase.state for phase in program.phases for _ in range(int(phase.duration_s))]
    return once * cycles


def runs(column: str) -> list[tuple[str, int]]:
    """Lengths of equal neighbours, the first and last left out since they may be cut."""
    return [(shown, len(list(group))) for shown, group in itertools.groupby(column)][1:-1]


@given(signals())
@settings(max_examples=300, deadline=None)
def test_every_lost_green_ends_in_yellow_and_all_red(signal):
    """A vehicle link goes from green to yellow for the computed time, then red for at least the all-red."""
    program = extend_program(*signal)
    states = seconds(program)
    for index in (link.index for link in signal[1].links):
        kinds = "".join("G" if state[index] in GREEN else state[index] for state in states)
        for (shown, _), (then, held), (last, rest) in zip(runs(kinds), runs(kinds)[1:], runs(kinds)[2:], strict=False):
            if shown == "G":
                assert (then, held) == ("y", program.yellow_s)
                assert last == "r"
                assert rest >= program.all_red_s


@given(signals())
@settings(max_examples=300, deadline=None)
def test_every_crossing_walks_long_enough(signal):
    """Each crossing is served each cycle, and no Walk is shorter than the least."""
    _, site, params = signal
    states = seconds(extend_program(*signal))
    for crossing in site.crossings:
        column = "".join(state[crossing.index] for state in states)
        assert "G" in column
        assert all(held >= params.walk_least_s for shown, held in runs(column) if shown == "G")


@given(signals())
@settings(max_examples=300, deadline=None)
def test_nobody_meets_a_protected_green_on_a_crossing(signal):
    """While a crossing walks, its foes stand, or yield as turns or as stops, or end their green."""
    _, site, _ = signal
    for state in seconds(extend_program(*signal), cycles=1):
        for crossing in site.crossings:
            if state[crossing.index] != "G":
                continue
            for foe in crossing.foes:
                turns = crossing.turns_near | crossing.turns_far
                assert (
                    state[foe] == "r"
                    or (state[foe] in "gy" and foe in turns)
                    or (state[foe] == "s" and foe in crossing.yields)
                )


@given(signals())
@settings(max_examples=300, deadline=None)
def test_a_crossing_is_clear_before_a_foe_gets_its_green(signal):
    """From the end of Walk to a foe's new green pass at least length over walking speed."""
    _, site, params = signal
    states = seconds(extend_program(*signal))
    for crossing in site.crossings:
        ended_s: int | None = None
        for second, (before, now) in enumerate(itertools.pairwise(states), start=1):
            if before[crossing.index] == "G" and now[crossing.index] != "G":
                ended_s = second
            if now[crossing.index] == "G" or ended_s is None:
                continue
            for foe in crossing.foes:
                gained = now[foe] in GREEN and before[foe] not in GREEN
                if gained or (now[foe] == "G" and before[foe] != "G"):
                    assert second - ended_s >= crossing.length_m / params.walking_speed_mps - 1e-6


@given(signals())
@settings(max_examples=300, deadline=None)
def test_a_walk_begins_before_nobody_who_drives(signal):
    """When a Walk begins, each foe has been without a green for at least the all-red."""
    _, site, _ = signal
    program = extend_program(*signal)
    states = seconds(program)
    for crossing in site.crossings:
        for second in range(program.all_red_s, len(states)):
            if states[second][crossing.index] != "G" or states[second - 1][crossing.index] == "G":
                continue
            for foe in crossing.foes:
                before = {state[foe] for state in states[second - program.all_red_s : second]}
                assert not before & set("Ggy")


@given(signals())
@settings(max_examples=200, deadline=None)
def test_vehicles_keep_at_least_their_shipped_green(signal):
    """Each link is green at least as long in a cycle as in the shipped stages."""
    shipped, site, _ = signal
    program = extend_program(*signal)
    for link in site.links:
        stages = [phase for phase in shipped if "y" not in phase.state]
        was_s = sum(phase.duration_s for phase in stages if phase.state[link.index] in GREEN)
        is_s = sum(phase.duration_s for phase in program.phases if phase.state[link.index] in GREEN)
        assert is_s >= was_s
