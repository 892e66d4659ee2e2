"""Whatever leases arrive, in whatever order, the lamps stay safe and the own plan comes back.

The watcher below reads lamp strings alone and shares no code with the controller.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.cities.sumo.controller import FieldController, Join, Mode, Show
from cityloop.cities.sumo.lamps import LampRecord
from cityloop.cities.sumo.monitoring import monitor_rules
from cityloop.cities.sumo.own_program import OwnPhase, OwnProgram
from cityloop.cities.sumo.transitions import transition_steps
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.messages import Command
from cityloop.methods.lamp_monitor import LampMonitor

# Links: 0 through, 1 its left turn, 2 the side street, 3 the crossing of the side street, 4 another arm.
STATES = ("GgrGr", "Ggrrr", "GGrrr", "rrGrr", "rrrrG")
FOES = ((0, 2), (1, 2), (2, 3), (1, 3), (0, 4), (1, 4), (2, 4))
CLEARANCE_S = 20.0
WALK_S = 7.0
YELLOW_S = 3.0

silent = st.just(())
one_lease = st.tuples(st.integers(-1, 5), st.integers(1, 3), st.integers(0, 40), st.integers(-1, 12))
"""Stage, epoch, sequence, seconds to the end: with stages and orders that make no sense."""
steady = st.tuples(st.sampled_from([0, 2, 3, 4]), st.integers(1, 25))
"""A stage and for how many seconds it is renewed."""
orbits = st.sampled_from([(0, 3, 4), (0, 4, 3)])
wild = st.lists(st.one_of(silent, st.lists(one_lease, min_size=1, max_size=3)), min_size=1, max_size=120)


def _own(junction, orbit: tuple[int, ...], clocked: bool, offset_s: int) -> OwnProgram:
    """Return a legal program that goes round three stages, 15 s each, its changes in full."""
    phases: list[tuple[str, float]] = []
    for stage, following in zip(orbit, (*orbit[1:], orbit[0]), strict=True):
        phases += [(STATES[stage], 15.0), *transition_steps(junction, 0, stage, following)]
    return OwnProgram(
        "0",
        tuple(
            OwnPhase(state, round(shown_s * 1000), (i + 1) % len(phases)) for i, (state, shown_s) in enumerate(phases)
        ),
        -offset_s * 1000 if clocked else None,
    )


class Street:
    """A junction in a world that has nothing but its lamps."""

    def __init__(self, junction, own: OwnProgram) -> None:
        self.own, self.now_ms = own, 0
        self.phase = own.due(0)
        self.until_ms = self.phase.remaining_ms
        self.lamps = own.phases[self.phase.index].state
        self.controller = FieldController(junction, 0, own, LampRecord(self.lamps, 0))
        self.shown: list[str] = []
        self.modes: list[Mode] = []
        self.owed: list[int] = []
        self.answered: list[int] = []

    def second(self, leases) -> None:
        for stage, epoch, sequence, for_s in leases:
            command = Command(
                domain="signals",
                target=0,
                action=ShowStage(stage),
                epoch=epoch,
                sequence=sequence,
                issued_at_ms=self.now_ms,
                not_after_ms=self.now_ms + for_s * 1000,
            )
            self.owed.append(sequence)
            self.answered += [r.sequence for r in self.controller.offer(command, self.now_ms)]
        act, receipts = self.controller.step(self.now_ms, self.lamps)
        self.answered += [r.sequence for r in receipts]
        if isinstance(act, Show):
            self.lamps = act.state
        elif isinstance(act, Join):
            self._enter(act.phase, act.remaining_ms or self.own.phases[act.phase].duration_ms)
        if self.controller.mode is Mode.OWN:
            while self.until_ms <= self.now_ms:
                following = self.own.phases[self.index].following
                self._enter(following, self.own.phases[following].duration_ms, self.until_ms)
            self.lamps = self.own.phases[self.index].state
        self.shown.append(self.lamps)
        self.modes.append(self.controller.mode)
        self.now_ms += 1000

    @property
    def index(self) -> int:
        return self._index if hasattr(self, "_index") else self.phase.index

    def _enter(self, index: int, for_ms: int, from_ms: int | None = None) -> None:
        self._index = index
        self.until_ms = (self.now_ms if from_ms is None else from_ms) + for_ms


def _watch(shown: list[str]) -> list[str]:
    """Return what is wrong with a history of lamps, one string a second."""
    wrong: list[str] = []
    pairs = [(i, j) for i in range(5) for j in range(5)]
    together = {(i, j) for state in STATES for i, j in pairs if state[i] == state[j] == "G"}
    since = [0] * 5
    ended: dict[int, int] = {}
    ceded: dict[int, int] = {}
    for second, lamps in enumerate(shown):
        before = shown[max(second - 1, 0)]
        wrong += [
            f"{second} s: {i} and {j} both protected"
            for i, j in FOES
            if lamps[i] == lamps[j] == "G" and (i, j) not in together
        ]
        for link in range(5):
            was, now = before[link], lamps[link]
            held = second - since[link]
            if link != 3 and was == "y" != now and now != "y" and held < YELLOW_S and since[link]:
                wrong.append(f"{second} s: {link} yellow for {held} s")
            if link != 3 and was in "Gg" and now in "rs":
                wrong.append(f"{second} s: {link} from green to red")
            if was in "Gg" and now not in "Gg" and held < (WALK_S if link == 3 else 5) and since[link]:
                wrong.append(f"{second} s: {link} green for {held} s")
            if was == "G" and now == "g":
                ceded[link] = second
            if now == "g" and second - ceded.get(link, -99) < YELLOW_S:
                foes = [i + j - link for i, j in FOES if link in (i, j)]
                if any(lamps[foe] in "Gg" and before[foe] not in "Gg" for foe in foes):
                    wrong.append(f"{second} s: {link} was met before it could be clear")
            if link == 3 and was in "Gg" and now not in "Gg":
                ended[3] = second
            gained = (now == "G" and was != "G") or (now == "g" and was not in "Gg")
            if link in (1, 2) and gained and now == "G" and second - ended.get(3, -99) < CLEARANCE_S:
                wrong.append(f"{second} s: the crossing was cut by {link}")
            if (was in "Gg") != (now in "Gg") or (was != now and "y" in (was, now)):
                since[link] = second
    return wrong


def _home_by_s(street: Street) -> int:
    """Return the second from which on the own plan has run, to the end."""
    return max((s + 1 for s, mode in enumerate(street.modes) if mode is not Mode.OWN), default=0)


def _junction(junction_of, all_red_s: float):
    return junction_of(STATES, clearance_s={3: CLEARANCE_S}, foes=FOES, passed=(1,), all_red_s=all_red_s, walk_s=WALK_S)


@given(
    seconds=wild,
    orbit=orbits,
    clocked=st.booleans(),
    offset_s=st.integers(0, 60),
    all_red_s=st.sampled_from([0.0, 1.0]),
)
def test_no_order_of_leases_makes_the_lamps_unsafe(junction_of, seconds, orbit, clocked, offset_s, all_red_s):
    """Stale, wrong, late and hasty commands alike: no conflict, no cut green, yellow, Walk or clearance."""
    junction = _junction(junction_of, all_red_s)
    street = Street(junction, _own(junction, orbit, clocked, offset_s))
    for leases in [*seconds, *[()] * 90]:
        street.second(leases)
    assert _watch(street.shown) == []


@given(seconds=wild, orbit=orbits, clocked=st.booleans(), all_red_s=st.sampled_from([0.0, 1.0]))
def test_the_lamp_monitor_never_trips_on_what_the_controller_does(junction_of, seconds, orbit, clocked, all_red_s):
    """The two are written apart: whatever is asked, the monitor finds nothing on lamps sampled every 50 ms."""
    junction = _junction(junction_of, all_red_s)
    street = Street(junction, _own(junction, orbit, clocked, 0))
    for leases in [*seconds, *[()] * 60]:
        street.second(leases)
    monitor = LampMonitor(monitor_rules(junction.assets, 0))
    for at_ms in range(0, len(street.shown) * 1000, 50):
        assert monitor.see(at_ms, street.shown[at_ms // 1000]) is None


@given(
    asked=st.lists(steady, min_size=1, max_size=8),
    orbit=orbits,
    clocked=st.booleans(),
    offset_s=st.integers(0, 60),
    all_red_s=st.sampled_from([0.0, 1.0]),
)
def test_a_brain_that_falls_silent_leaves_the_own_plan_running(junction_of, asked, orbit, clocked, offset_s, all_red_s):
    """Steady leases, then silence: safe throughout, home in bounded time, and in step with the clock."""
    junction = _junction(junction_of, all_red_s)
    own = _own(junction, orbit, clocked, offset_s)
    street = Street(junction, own)
    renewals = [stage for stage, count in asked for _ in range(count)]
    for number, stage in enumerate(renewals):
        street.second([(stage, 1, number, 4)])
    for _ in range(200):
        street.second([])
    assert _watch(street.shown) == []
    last_s = len(renewals) - 1
    assert Mode.LEASED not in street.modes[last_s + 4 :]
    # A change under way, the stage's least, the change home, and what the clock asks for.
    longest_s = CLEARANCE_S + 2
    wait_s = own.cycle_ms // 1000 if clocked else WALK_S
    assert _home_by_s(street) - last_s <= 4 + longest_s + WALK_S + longest_s + wait_s
    if clocked:
        home_s = _home_by_s(street)
        due = [own.phases[own.due(s * 1000).index].state for s in range(len(street.shown))]
        assert street.shown[home_s:] == due[home_s:]


@given(seconds=wild)
def test_every_command_gets_an_answer(junction_of, seconds):
    """Each sequence sent comes back in at least one receipt."""
    junction = _junction(junction_of, 1.0)
    street = Street(junction, _own(junction, (0, 3, 4), True, 0))
    for leases in [*seconds, ()]:
        street.second(leases)
    assert set(street.owed) <= set(street.answered)


@given(asked=st.lists(st.sampled_from([0, 2, 3, 4]), min_size=1, max_size=6))
def test_a_stage_asked_for_without_pause_is_shown(junction_of, asked):
    """A pending lease is not forgotten: renewed for 60 s, every service stage comes to be shown."""
    junction = _junction(junction_of, 0.0)
    street = Street(junction, _own(junction, (0, 3, 4), True, 0))
    for turn, stage in enumerate(asked):
        for second in range(60):
            street.second([(stage, 1, turn * 60 + second, 4)])
        assert street.lamps == STATES[stage]


@pytest.mark.parametrize("stage", [0, 2, 3, 4])
@pytest.mark.parametrize("orbit", [(0, 3, 4), (0, 4, 3)])
def test_silence_at_any_moment_of_the_own_plans_cycle_is_safe(junction_of, stage, orbit):
    """Every second of the cycle is tried: the way home from a long-held stage cuts nothing short."""
    junction = _junction(junction_of, 0.0)
    for offset_s in range(_own(junction, orbit, True, 0).cycle_ms // 1000):
        street = Street(junction, _own(junction, orbit, True, offset_s))
        for number in range(45):
            street.second([(stage, 1, number, 4)])
        for _ in range(90):
            street.second([])
        assert _watch(street.shown) == []
        assert street.modes[-1] is Mode.OWN
