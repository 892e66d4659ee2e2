"""Hospitals of a running city, by hand: what is heard of their doors, advice to turn round, and what is told of it."""

import dataclasses

import numpy as np
import pytest
from services_city import call_list, readings, services_layout, unit_words

from cityloop.domains.emergency.domain import emergency
from cityloop.domains.emergency.schema import (
    HOSPITALS,
    Advise,
    HospitalTable,
    Move,
    Reason,
    Rule,
    SiteKind,
    UnitStatus,
)
from cityloop.kernel.layout import StreamKind, Streams
from cityloop.kernel.messages import Allowed, Proposal, Refused
from cityloop.kernel.tick import Brain, start, tick
from cityloop.methods.hospital_choice import Capability, Door

NEAR, FAR = 2, 3
STROKE = int(Capability.STROKE)


def telling_layout(far_treats=STROKE):
    """The square with a hospital at its east side and another, with a stroke unit, at its west; both tell."""
    layout = services_layout()
    table = layout.tables["emergency"]
    sites = dataclasses.replace(
        table.sites,
        kind=np.append(table.sites.kind, SiteKind.HOSPITAL).astype(np.int32),
        x_m=np.append(table.sites.x_m, 0.0),
        y_m=np.append(table.sites.y_m, 500.0),
        edge=np.append(table.sites.edge, 3).astype(np.int32),
        edge_m=np.append(table.sites.edge_m, 500.0),
    )
    told = [(kind, site) for site in (NEAR, FAR) for kind in (StreamKind.HOSPITAL_OPEN, StreamKind.HOSPITAL_DIVERTING)]
    told += [(StreamKind.UNIT_NEEDS, unit) for unit in range(2)]
    streams = Streams(
        np.concatenate([layout.streams.kind, [int(kind) for kind, _ in told]]).astype(np.int32),
        np.concatenate([layout.streams.asset, [asset for _, asset in told]]).astype(np.int32),
    )
    hospitals = HospitalTable(
        np.array([NEAR, FAR], np.int32), np.array([0, far_treats], np.int32), np.array([1, 0], np.int32)
    )
    return dataclasses.replace(
        layout,
        streams=streams,
        tables={**layout.tables, "emergency": dataclasses.replace(table, sites=sites), HOSPITALS: hospitals},
        names={**layout.names, "sites": (*layout.names["sites"], "Far hospital")},
    )


def words(near=(1, 0), far=(1, 0), needs=(0, 0)):
    """What hospitals declare (open, diverting), and crews of their patients."""
    told = []
    for site, (is_open, diverting) in ((NEAR, near), (FAR, far)):
        told += [(StreamKind.HOSPITAL_OPEN, site, float(is_open))]
        told += [(StreamKind.HOSPITAL_DIVERTING, site, float(diverting))]
    return told + [(StreamKind.UNIT_NEEDS, unit, float(bits)) for unit, bits in enumerate(needs)]


CARRYING = (UnitStatus.TRANSPORTING, 7, NEAR)
HOME = (UnitStatus.STANDING, -1, 1)
CALL = call_list((7, 1, 1, 200.0, 300.0, 3))


class Loop:
    """Ticks of emergency alone."""

    def __init__(self, layout):
        self.layout, self.brain = layout, Brain((emergency,), {"emergency": "as-is"})
        self.state, self.now_ms = start(self.brain, layout, 0), 0

    def hear(self, told, after_s=1):
        """Let time pass and readings come; return who was advised where."""
        self.now_ms += after_s * 1000
        ticked = tick(self.brain, self.state, readings(self.layout, told, self.now_ms), (), self.now_ms)
        self.state = ticked.state
        return [one.proposal for one in ticked.decisions if isinstance(one.proposal.action, Advise)]

    @property
    def view(self):
        """What is published."""
        return self.state.views["emergency"]


@pytest.fixture
def loop():
    """A loop with one unit on its way to the near hospital with a patient, and one at home."""
    loop = Loop(telling_layout())
    assert not loop.hear([*unit_words(CARRYING, HOME), *CALL, *words()])
    return loop


def test_who_drives_to_a_hospital_that_closes_is_advised_once(loop):
    """The other one, with why; and again only for another patient."""
    (advice,) = loop.hear(words(near=(0, 0)))
    assert (advice.target, advice.action) == (0, Advise(site=FAR, door=int(Door.SOONEST)))
    assert advice.reason == Reason.HOSPITAL_CLOSED
    assert advice.cost > 0
    assert not loop.hear([*unit_words(CARRYING, HOME), *words(near=(0, 0))])


def test_a_diversion_alone_turns_nobody_round(loop):
    """It holds for who sets out from then on, which the crew does by itself."""
    assert not loop.hear(words(near=(1, 1)))
    assert loop.view.sites.diverting.tolist() == [False, False, True, False]


def test_advice_goes_by_what_the_crew_says_is_needed():
    """Nobody open has a stroke unit: the open one stabilises, and it is said so."""
    loop = Loop(telling_layout(far_treats=0))
    loop.hear([*unit_words(CARRYING, HOME), *CALL, *words(needs=(STROKE, 0))])
    (advice,) = loop.hear(words(near=(0, 0), needs=(STROKE, 0)))
    assert advice.action == Advise(site=FAR, door=int(Door.NONE_CAPABLE))


def test_the_last_door_is_driven_to_all_the_same(loop):
    """Both close: the one on the way is as good as any that is nearer, so nobody is turned back and forth."""
    for advice in loop.hear(words(near=(0, 0), far=(0, 0))):
        assert advice.action.door == Door.LAST_DOOR
    assert not loop.hear(words(near=(0, 0), far=(0, 0)))


def test_a_turn_is_told_once_the_crew_has_keyed_it(loop):
    """Instant, unit, call, whence and whither; what was only advised is no turn."""
    loop.hear(words(near=(0, 0)))
    assert not len(loop.view.turns.unit)
    loop.hear(unit_words((UnitStatus.TRANSPORTING, 7, FAR), HOME))
    turns = loop.view.turns
    assert (turns.at_ms.tolist(), turns.unit.tolist(), turns.call.tolist()) == ([3000], [0], [7])
    assert (turns.from_site.tolist(), turns.to_site.tolist()) == ([NEAR], [FAR])


def test_nobody_is_placed_at_a_closed_hospital(loop):
    """The view shows it closed, and the guard refuses a move there until it is open again."""
    move = Proposal(target=1, action=Move(site=NEAR), reason=Reason.GO_HOME, cost=0.0, gain=0.0)
    loop.hear(words(near=(0, 0)))
    state = loop.state.domains["emergency"]
    assert not loop.view.sites.is_open[NEAR]
    assert emergency.check(move, state, loop.now_ms) == Refused(Rule.SITE_CLOSED)
    loop.hear(words())
    assert emergency.check(move, loop.state.domains["emergency"], loop.now_ms) == Allowed(move.action)


def test_the_view_counts_who_is_at_the_door(loop):
    """Two units at one bay: one hands over, one waits."""
    loop.hear(unit_words((UnitStatus.AT_HOSPITAL, 7, NEAR), (UnitStatus.AT_HOSPITAL, 8, NEAR)))
    assert loop.view.sites.at_door.tolist() == [0, 0, 2, 0]
    assert loop.view.sites.bays.tolist() == [0, 0, 1, 0]


def test_a_word_that_is_no_number_changes_nothing(loop):
    """A hospital's last good word stands."""
    loop.hear([(StreamKind.HOSPITAL_OPEN, NEAR, float("nan"))])
    assert loop.view.sites.is_open[NEAR]
