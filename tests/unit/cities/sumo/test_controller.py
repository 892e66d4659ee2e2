"""The field controller: leases, minimums and the way home, second by second."""

from __future__ import annotations

import pytest

from cityloop.cities.sumo.controller import FieldController, Join, Mode, Show
from cityloop.cities.sumo.lamps import LampRecord
from cityloop.cities.sumo.own_program import OwnPhase, OwnProgram, Running
from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.messages import Action, Command, ReceiptStatus

# Links: 0 through, 1 its left turn, 2 the side street, 3 the crossing of the side street's arm.
STATES = ("GgrG", "Ggrr", "GGrr", "rrGr")
FOES = ((0, 2), (1, 2), (2, 3), (1, 3))
OWN = OwnProgram(
    "0",
    (
        OwnPhase("GgrG", 20_000, 1),
        OwnPhase("Ggrr", 8_000, 2),
        OwnPhase("yyrr", 3_000, 3),
        OwnPhase("rrGr", 15_000, 4),
        OwnPhase("rryr", 3_000, 5),
        OwnPhase("rrrr", 1_000, 0),
    ),
    0,
)


class Street:
    """A junction whose lamps follow its controller, or its own program; time begins at 0."""

    def __init__(self, junction, own: OwnProgram = OWN) -> None:
        self.own, self.now_ms, self.sequence = own, 0, 0
        self.lamps = own.phases[0].state
        self.controller = FieldController(junction, 0, own, LampRecord(self.lamps, 0))
        self.shown: list[str] = []
        self.receipts = []

    def lease(self, stage, *, epoch=1, sequence=None, for_ms=4000):
        self.sequence = self.sequence + 1 if sequence is None else sequence
        return self.give(ShowStage(stage), epoch=epoch, sequence=self.sequence, not_after_ms=self.now_ms + for_ms)

    def give(self, action: Action, *, epoch: int, sequence: int, not_after_ms: int):
        command = Command(
            domain="signals",
            target=0,
            action=action,
            epoch=epoch,
            sequence=sequence,
            issued_at_ms=self.now_ms,
            not_after_ms=not_after_ms,
        )
        self.receipts += self.controller.offer(command, self.now_ms)

    def pass_s(self, seconds: int, stage: int | None = None) -> None:
        for _ in range(seconds):
            if stage is not None:
                self.lease(stage)
            act, receipts = self.controller.step(self.now_ms, self.lamps)
            self.receipts += receipts
            if isinstance(act, Show):
                self.lamps = act.state
            elif self.controller.mode is Mode.OWN:
                self.lamps = self.own.phases[self.own.due(self.now_ms).index].state
            self.shown.append(self.lamps)
            self.now_ms += 1000

    def statuses(self) -> list[ReceiptStatus]:
        return [receipt.status for receipt in self.receipts]


@pytest.fixture
def street(junction_of) -> Street:
    return Street(junction_of(STATES, clearance_s={3: 8.0}, foes=FOES, passed=(1,), walk_s=7.0))


def test_without_leases_the_own_plan_runs(street):
    """A silent brain leaves the lamps alone."""
    street.pass_s(50)
    assert street.controller.mode is Mode.OWN
    assert street.shown[:20] == ["GgrG"] * 20
    assert street.shown[28] == "yyrr"


def test_a_lease_for_the_stage_shown_is_accepted_at_once(street):
    """The lamps shown are a stage, so they are taken over and held."""
    street.pass_s(10)
    street.pass_s(30, stage=0)
    assert set(street.shown) == {"GgrG"}
    assert set(street.statuses()) == {ReceiptStatus.ACCEPTED}
    assert street.controller.mode is Mode.LEASED


def test_a_lease_waits_for_the_own_plans_change_to_end(street):
    """While the own plan shows yellow, a lease is pending; the next stage is taken over when it is shown."""
    street.pass_s(29)
    street.pass_s(3, stage=3)
    assert set(street.statuses()) == {ReceiptStatus.PENDING}
    street.pass_s(2, stage=3)
    assert street.statuses()[-1] is ReceiptStatus.ACCEPTED
    assert street.lamps == "rrGr"


def test_a_stage_keeps_its_walk_before_it_is_left(street):
    """A change asked for too early waits until the Walk's 7 s are over, and is then made in full."""
    street.pass_s(1)
    street.pass_s(20, stage=3)
    assert street.shown[:7] == ["GgrG"] * 7
    assert street.shown[7:12] == ["Ggrr"] * 5
    assert street.shown[12:15] == ["yyrr"] * 3
    assert street.shown[15] == "rrGr"
    assert street.statuses()[:6] == [ReceiptStatus.PENDING] * 6


def test_a_change_waits_for_somebody_slow_on_the_crossing(street):
    """The detector over the crossing tells of somebody for 3 s beyond its clearance: everybody has red so long."""
    street.pass_s(1)
    street.controller.occupied = frozenset({3})
    street.pass_s(17, stage=3)
    street.controller.occupied = frozenset()
    street.pass_s(3, stage=3)
    assert street.shown[12:15] == ["yyrr"] * 3
    assert street.shown[15:18] == ["rrrr"] * 3
    assert street.shown[18] == "rrGr"


def test_a_stuck_detector_over_a_crossing_closes_no_junction(street):
    """As long again as the 8 s of the clearance, and no longer."""
    street.pass_s(1)
    street.controller.occupied = frozenset({3})
    street.pass_s(30, stage=3)
    assert street.shown[15:23] == ["rrrr"] * 8
    assert street.shown[23] == "rrGr"


def test_a_pending_lease_is_answered_again_when_it_is_served(street):
    """One lease, not renewed: pending first, accepted when the change begins."""
    street.pass_s(4)
    street.lease(3)
    street.pass_s(4)
    assert street.statuses() == [ReceiptStatus.PENDING, ReceiptStatus.ACCEPTED]


def test_a_crossing_is_remembered_through_stages_that_do_not_touch_it(junction_of):
    """A stage between the Walk and its foe does not shorten the clearance."""
    states = ("GrrG", "Grrr", "rGrr", "rrGr")
    junction = junction_of(states, clearance_s={3: 20.0}, foes=((0, 1), (0, 2), (1, 2), (2, 3)))
    own = OwnProgram("0", tuple(OwnPhase(state, 50_000, (i + 1) % 4) for i, state in enumerate(states)), 0)
    street = Street(junction, own)
    street.pass_s(5, stage=0)
    street.pass_s(1, stage=2)
    begun = len(street.shown)
    street.pass_s(7, stage=2)
    street.pass_s(30, stage=3)
    assert street.shown.index("rrGr") - (begun - 1) >= 20


def test_old_commands_are_stale(street):
    """A lesser epoch, or a sequence that is not greater, changes nothing."""
    street.pass_s(10)
    street.lease(0, epoch=2, sequence=5)
    street.lease(3, epoch=2, sequence=5)
    street.lease(3, epoch=1, sequence=9)
    street.pass_s(1)
    assert street.statuses() == [ReceiptStatus.STALE, ReceiptStatus.STALE, ReceiptStatus.ACCEPTED]
    assert street.lamps == "GgrG"


def test_a_new_epoch_begins_its_sequence_anew(street):
    """After a restart the brain counts from nought and is heard."""
    street.pass_s(10)
    street.lease(0, epoch=1, sequence=900)
    street.pass_s(1)
    street.lease(0, epoch=2, sequence=0)
    street.pass_s(1)
    assert street.statuses() == [ReceiptStatus.ACCEPTED, ReceiptStatus.ACCEPTED]


def test_what_the_junction_cannot_show_is_refused(street):
    """Unknown stages, clearance stages and other actions are refused, each with its reason."""
    street.lease(9)
    street.lease(-1)
    street.lease(1)
    street.give(Action(), epoch=1, sequence=99, not_after_ms=5000)
    assert set(street.statuses()) == {ReceiptStatus.REFUSED}
    assert "9" in street.receipts[0].detail
    assert "passed through" in street.receipts[2].detail


def test_every_command_of_a_second_is_answered(street):
    """Two commands before one step: the later counts, the earlier is stale."""
    street.pass_s(10)
    street.lease(0)
    street.lease(3)
    street.pass_s(1)
    assert street.statuses() == [ReceiptStatus.STALE, ReceiptStatus.ACCEPTED]


def test_a_lease_that_runs_out_is_told_once_and_the_way_home_begins(street):
    """Four seconds after the last renewal the junction hands back, and says so once."""
    street.pass_s(10)
    street.pass_s(1, stage=0)
    street.pass_s(3)
    assert street.controller.mode is Mode.LEASED
    street.pass_s(1)
    assert street.controller.mode is not Mode.LEASED
    street.pass_s(30)
    assert street.statuses().count(ReceiptStatus.EXPIRED) == 1


def test_a_lease_holds_no_longer_than_four_seconds_whatever_it_says(street):
    """An hour's lease from a brain that dies is over in 4 s."""
    street.pass_s(10)
    street.lease(0, for_ms=3_600_000)
    street.pass_s(5)
    assert street.controller.mode is not Mode.LEASED


def test_a_command_after_its_end_is_expired(street):
    """A lease that arrives too late is not taken."""
    street.pass_s(10)
    street.lease(3, for_ms=0)
    street.pass_s(1)
    assert street.statuses() == [ReceiptStatus.EXPIRED]
    assert street.controller.mode is Mode.OWN


def test_the_own_plan_is_joined_where_its_clock_stands(street):
    """After a minute of leases the lamps are second by second those of a junction that was never leased."""
    street.pass_s(10)
    street.pass_s(60, stage=3)
    street.pass_s(60)
    assert street.controller.mode is Mode.OWN
    due = [OWN.phases[OWN.due(second * 1000).index].state for second in range(200)]
    home = next(s for s in range(70, 130) if street.shown[s:130] == due[s:130])
    assert home <= 70 + 4 + 30


def _longest_red_s(shown: list[str], link: int) -> int:
    """Return the longest run of seconds in which a link is not green."""
    return max(len(run) for run in "".join("g" if lamps[link] in "gG" else "r" for lamps in shown).split("g"))


@pytest.mark.parametrize("held_s", [90, 100, 110])
@pytest.mark.parametrize("dies_at_s", range(0, 100, 9))
def test_nobody_stands_too_long_over_a_hand_back(junction_of, held_s, dies_at_s):
    """A red that the brain left and the own clock would go on with is ended on the way home, then the clock is kept."""
    own = OwnProgram(
        "long",
        (
            OwnPhase("GgrG", 85_000, 1), OwnPhase("Ggrr", 8_000, 2), OwnPhase("yyrr", 3_000, 3),
            OwnPhase("rrGr", 15_000, 4), OwnPhase("rryr", 3_000, 5), OwnPhase("rrrr", 1_000, 0),
        ),
        -dies_at_s * 1000,
    )  # fmt: skip
    street = Street(junction_of(STATES, clearance_s={3: 8.0}, foes=FOES, passed=(1,)), own)
    street.lamps = own.phases[own.due(0).index].state
    street.pass_s(held_s + 20, stage=0)
    street.pass_s(250)
    # The lease lasts 4 s more; then 26 s reach for the least green of the stage left, the crossing and a change.
    assert _longest_red_s(street.shown[20:], 2) <= max(120, held_s + 30)
    assert street.controller.mode is Mode.OWN
    assert street.lamps == own.phases[own.due(street.now_ms - 1000).index].state


def test_handing_back_adds_all_red_where_none_is_shipped(street):
    """The change home has 3 s of yellow and 2 s of all-red."""
    street.pass_s(10)
    street.pass_s(38, stage=3)
    street.pass_s(12)
    assert street.shown[51:57] == ["rryr", "rryr", "rryr", "rrrr", "rrrr", "GgrG"]


def test_a_renewal_on_the_way_home_takes_the_junction_back(street):
    """A brain that comes back is served again, after the change under way."""
    street.pass_s(10)
    street.pass_s(30, stage=3)
    street.pass_s(8)
    street.pass_s(20, stage=3)
    assert street.controller.mode is Mode.LEASED
    assert street.lamps == "rrGr"


def test_an_actuated_plan_is_joined_at_the_stage_shown(junction_of):
    """A plan without a clock is entered at the phase that looks the same, its greens past their least."""
    junction = junction_of(STATES, clearance_s={3: 8.0}, foes=FOES, passed=(1,))
    own = OwnProgram("a", OWN.phases, None)
    street = Street(junction, own)
    street.pass_s(30, stage=3)
    for _ in range(10):
        act, _ = street.controller.step(street.now_ms, street.lamps)
        street.now_ms += 1000
        if isinstance(act, Join):
            break
    assert act == Join(3, 0)


def test_the_clock_of_a_fixed_program_runs_on(junction_of):
    """A program of 50 s that began at -7 s is in its first phase, 13 s before its end, at 0 s and at 50 s."""
    own = OwnProgram("0", OWN.phases, -7_000)
    assert own.cycle_ms == 50_000
    assert own.due(0) == Running(0, 13_000)
    assert own.due(50_000) == Running(0, 13_000)
    assert own.due(13_000) == Running(1, 8_000)
