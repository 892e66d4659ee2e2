"""One run: one arm on one seed's calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cityloop.cities.events.calls import Calls
from cityloop.cities.events.city import EventCity
from cityloop.cities.events.conditions import PLAIN, Conditions
from cityloop.domains.emergency.assign import AssignParams
from cityloop.domains.emergency.decide import as_is, brain, dmexclp, naive, status_plan
from cityloop.domains.emergency.decide.brain import BrainParams
from cityloop.domains.emergency.forecast import Coverage
from cityloop.domains.emergency.guard import check
from cityloop.domains.emergency.relocate import RelocateParams
from cityloop.domains.emergency.schema import Send
from cityloop.domains.emergency.state import EmergencyState
from cityloop.kernel.arbitration import one_per_target
from cityloop.kernel.columns import I32
from cityloop.kernel.errors import InvariantError
from cityloop.kernel.messages import Allowed, Proposal, Refused, Request, Trimmed
from cityloop.studies.emergency_eta import EtaWatch
from cityloop.studies.emergency_world import BEGIN_MS, World, roster_of

__all__ = ["ARMS", "Arm", "run_arm"]

DAY_MS = 86_400_000

Propose = Callable[[EmergencyState, Coverage, Sequence[Request], int], list[Proposal]]


@dataclass(frozen=True, slots=True)
class Arm:
    """A policy, and where its units are at home."""

    name: str
    propose: Propose
    shipped_homes: bool = True


def _without(name: str, assign: AssignParams | None = None, relocate: RelocateParams | None = None) -> Arm:
    """Return the brain without one of its parts."""
    params = BrainParams(assign or AssignParams(), relocate or RelocateParams())
    return Arm(name, partial(brain.propose, params=params))


ARMS: dict[str, Arm] = {
    "naive": Arm("naive", naive.propose, shipped_homes=False),
    "as-is": Arm("as-is", as_is.propose),
    "status-plan": Arm("status-plan", status_plan.propose),
    "dmexclp": Arm("dmexclp", dmexclp.propose),
    "brain": Arm("brain", brain.propose),
    "brain-no-posts": _without("brain-no-posts", relocate=RelocateParams(use_posts=False)),
    "brain-no-live": _without("brain-no-live", relocate=RelocateParams(live=False)),
    "brain-no-reassign": _without("brain-no-reassign", assign=AssignParams(reassign=False)),
    "brain-no-prepared": _without("brain-no-prepared", assign=AssignParams(prepared=False)),
}


def homes_of(world: World, arm: Arm) -> I32:
    """Return the home site of every unit; whose station is closed is at home at the nearest open one."""
    n_stations = len(world.case.stations.node)
    if arm.shipped_homes:
        homes = world.case.unit_station.copy()
    else:
        homes = np.array(naive.round_robin_homes(len(world.case.unit_name), n_stations), np.int32)
    open_here = np.flatnonzero(world.sites.is_open[:n_stations]).astype(np.int32)
    for u in np.flatnonzero(~world.sites.is_open[homes]):
        homes[u] = open_here[world.coverage.site_drive_min[homes[u], open_here].argmin()]
    return homes


def run_arm(
    world: World,
    arm: Arm,
    calls: Calls,
    days: float,
    conditions: Conditions = PLAIN,
    *,
    record: bool = False,
    watch: EtaWatch | None = None,
) -> EventCity:
    """Run one arm until its last call is attended; ``watch`` notes what was expected of every unit sent."""
    end_ms = BEGIN_MS + round(days * DAY_MS)
    roster = roster_of(world.rules, len(world.case.unit_name), BEGIN_MS, end_ms + 10 * DAY_MS)
    city = EventCity(
        world.case,
        world.sites,
        world.times,
        calls,
        homes_of(world, arm),
        roster,
        (BEGIN_MS, end_ms),
        conditions,
        record,
    )
    while city.advance():
        if watch is not None:
            watch.look(city)
        state = EmergencyState(
            city.units,
            city.open_calls(),
            city.sites,
            world.times,
            world.rules,
            conditions.turnout.standing_ms,
            conditions.turnout.driving_ms,
        )
        for proposal in one_per_target(arm.propose(state, world.coverage, (), city.now_ms)):
            match check(proposal, state, city.now_ms):
                case Allowed(action=action):
                    if watch is not None and isinstance(action, Send):
                        watch.told(city, state, proposal.target, action.call)
                    city.apply(proposal.target, action, proposal.reason)
                case Refused(rule=rule):
                    city.ledger.refused[rule] = city.ledger.refused.get(rule, 0) + 1
                case Trimmed():
                    raise InvariantError("This guard allows or refuses.")
    if watch is not None:
        watch.look(city)
    return city
