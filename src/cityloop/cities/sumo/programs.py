"""Signal programs for SUMO, from plans in terms of a junction's own stages.

A plan says which stages are shown and for how long; what lies between two stages (yellow, all-red, the
clearance of a crossing) is the controller's and comes from `transitions`. A plan equal to a sound shipped
program is written as that program, phase for phase, so that "fixed" differs from "shipped" only where
something had to be mended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import msgspec

from cityloop.cities.sumo.city_toml import write_atomically
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.shipped import is_sound, shipped_stages
from cityloop.cities.sumo.transitions import GREEN, clearances_ms, foes_of_crossings, gains, transition_steps
from cityloop.domains.signals.schema import Plan, PlanStage
from cityloop.kernel.errors import ConfigError

__all__ = [
    "MIN_GREEN_S",
    "PROGRAM_ID",
    "Phase",
    "actuated_plan",
    "cycle_s",
    "fixed_plan",
    "intergreen_s",
    "least_green_s",
    "omissible",
    "program_phases",
    "with_cycle",
    "write_programs",
]

PROGRAM_ID = "cityloop"

MIN_GREEN_S = 5.0
"""Least green of a stage (RiLSA 2015, 2.7.3: 5 s)."""

MAX_GREEN_S = 50.0
"""Longest actuated green where the shipped program gives none (netconvert's default)."""

GAP_S = 3.0
"""Gap that ends an actuated green (SUMO's default)."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a SUMO program."""

    state: str
    duration_s: float
    min_s: float
    max_s: float
    green: bool = False
    """Whether it shows a stage of the plan, rather than a change between two."""


def fixed_plan(network: Network) -> tuple[Plan, ...]:
    """Return, per junction, the shipped stages, greens and offset, mended where a green is too short."""
    return tuple(_fixed(network, row) for row in range(len(network.tls_ids)))


def actuated_plan(network: Network) -> tuple[Plan, ...]:
    """Return, per junction, the shipped stages as actuated: shipped bounds, else 5 to 50 s, gap 3 s."""
    plans = []
    for row, plan in enumerate(fixed_plan(network)):
        program = network.programs[row]
        bounds: dict[int, tuple[float, float]] = {}
        for phase, stage in shipped_stages(network, row):
            low_s, high_s = bounds.get(stage, (math.inf, 0.0))
            own = phase.min_s < phase.max_s and program.kind != "static"
            bounds[stage] = (
                min(low_s, phase.min_s if own else MIN_GREEN_S),
                max(high_s, phase.max_s if own else MAX_GREEN_S),
            )
        stages = []
        for shown in plan.stages:
            low_s, high_s = bounds[shown.stage]
            least_s = max(low_s, least_green_s(network, row, shown.stage))
            stages.append(PlanStage(shown.stage, max(high_s, least_s), least_s, GAP_S))
        plans.append(Plan(plan.junction, tuple(stages), plan.offset_s, actuated=True))
    return tuple(plans)


def _fixed(network: Network, row: int) -> Plan:
    shown: list[tuple[int, float]] = []
    service_begin = int(network.assets.controllers.stage_begin[row])
    for phase, stage in shipped_stages(network, row):
        if not network.assets.stages.service[service_begin + stage]:
            continue
        if shown and shown[-1][0] == stage:
            shown[-1] = (stage, shown[-1][1] + phase.duration_s)
        else:
            shown.append((stage, phase.duration_s))
    if len(shown) > 1 and shown[0][0] == shown[-1][0]:
        shown[0] = (shown[0][0], shown[0][1] + shown.pop()[1])
    stages = []
    for stage, green_s in shown or [(0, MIN_GREEN_S)]:
        least_s = least_green_s(network, row, stage)
        stages.append(PlanStage(stage, max(green_s, least_s), least_s))
    program = network.programs[row]
    plan = Plan(network.tls_ids[row], tuple(stages), program.offset_s)
    if is_sound(network, row):
        return plan
    # Mended changes last longer; the shipped cycle is kept all the same, since neighbours are
    # coordinated by it.
    return with_cycle(network, row, plan, sum(phase.duration_s for phase in program.phases))


def with_cycle(network: Network, row: int, plan: Plan, wanted_s: float) -> Plan:
    """Return a fixed plan with another cycle, each green beyond its least scaled alike, in whole seconds.

    Where the least greens and what lies between them take longer, that is the cycle.
    """
    lost_s = sum(
        shown.min_green_s + intergreen_s(network, row, shown.stage, plan.stages[k - len(plan.stages) + 1].stage)
        for k, shown in enumerate(plan.stages)
    )
    spare_s = [shown.green_s - shown.min_green_s for shown in plan.stages]
    share = [s / sum(spare_s) if sum(spare_s) > 0 else 1 / len(spare_s) for s in spare_s]
    to_give_s = max(0.0, wanted_s - lost_s)
    stages = []
    given_s = due_s = 0.0
    for shown, part in zip(plan.stages, share, strict=True):
        due_s += part * to_give_s
        extra_s = float(round(due_s - given_s))
        given_s += extra_s
        stages.append(PlanStage(shown.stage, shown.min_green_s + extra_s, shown.min_green_s))
    return Plan(plan.junction, tuple(stages), plan.offset_s)


def least_green_s(network: Network, row: int, stage: int) -> float:
    """Return a stage's least green in whole seconds: 5 s, or the Walk where a crossing walks. [s]."""
    begin = int(network.assets.controllers.stage_begin[row])
    return float(math.ceil(max(MIN_GREEN_S, float(network.assets.stages.min_green_s[begin + stage]))))


def intergreen_s(network: Network, row: int, from_stage: int, to_stage: int) -> float:
    """Return the time between two stages; 0 from a stage to itself. [s]."""
    if from_stage == to_stage:
        return 0.0
    return sum(duration_s for _, duration_s in transition_steps(network, row, from_stage, to_stage))


def cycle_s(network: Network, row: int, plan: Plan) -> float:
    """Return a fixed plan's cycle: its greens and what lies between them. [s]."""
    total_s = 0.0
    for here, shown in enumerate(plan.stages):
        following = plan.stages[(here + 1) % len(plan.stages)]
        total_s += shown.green_s + intergreen_s(network, row, shown.stage, following.stage)
    return total_s


def omissible(network: Network, row: int, kept: Sequence[int]) -> bool:
    """Return whether stages suffice: every link that is ever green is green in one of them."""
    begin = int(network.assets.controllers.stage_begin[row])
    states = network.stage_states[row]
    service = [k for k in range(len(states)) if network.assets.stages.service[begin + k]]
    needed = {i for k in service for i, lamp in enumerate(states[k]) if lamp in "gG"}
    return needed <= {i for k in kept for i, lamp in enumerate(states[k]) if lamp in "gG"}


def program_phases(network: Network, row: int, plan: Plan) -> tuple[Phase, ...]:
    """Return the phases of a plan, with what lies between its stages.

    Raises
    ------
    ConfigError
        When the plan names stages that the junction has not, or greens below its least.
    """
    _check(network, row, plan)
    if _is_shipped(network, row, plan):
        return tuple(
            Phase(phase.state, phase.duration_s, phase.duration_s, phase.duration_s)
            for phase in network.programs[row].phases
        )
    phases: list[Phase] = []
    for here, shown in enumerate(plan.stages):
        least_s = _clearing_green_s(network, row, plan, here)
        state = network.stage_states[row][shown.stage]
        phases.append(Phase(state, least_s, least_s, max(shown.green_s, least_s), green=True))
        following = plan.stages[(here + 1) % len(plan.stages)]
        if following.stage != shown.stage:
            for state, duration_s in transition_steps(network, row, shown.stage, following.stage):
                phases.append(Phase(state, duration_s, duration_s, duration_s))
    return tuple(phases)


def _least_shown_s(plan: Plan, at: int) -> float:
    return plan.stages[at].min_green_s if plan.actuated else plan.stages[at].green_s


def _clearing_green_s(network: Network, row: int, plan: Plan, here: int) -> float:
    """Return how long a stage of a plan is shown at the least. [s].

    A crossing may have ended in an earlier change, and those who drive over it start only in the next: the stages in
    between last until it is clear.
    """
    count, least_s = len(plan.stages), _least_shown_s(plan, here)
    states = [network.stage_states[row][shown.stage] for shown in plan.stages]
    after, now = states[(here + 1) % count], states[here]
    change_s = intergreen_s(network, row, plan.stages[here].stage, plan.stages[(here + 1) % count].stage)
    for crossing, foes in foes_of_crossings(network.assets, row).items():
        if now[crossing] in GREEN or not any(gains(now[foe], after[foe]) for foe in foes):
            continue
        elapsed_s = change_s
        for back in range(1, count):
            before = (here - back) % count
            elapsed_s += intergreen_s(network, row, plan.stages[before].stage, plan.stages[(before + 1) % count].stage)
            if states[before][crossing] in GREEN:
                least_s = max(least_s, math.ceil(clearances_ms(network.assets, row)[crossing] / 1000 - elapsed_s))
                break
            elapsed_s += _least_shown_s(plan, before)
    return float(least_s)


def _without_offset(plan: Plan) -> Plan:
    """Return a plan without its offset, which moves a program but changes none of its phases."""
    return msgspec.structs.replace(plan, offset_s=0.0)


def write_programs(network: Network, plans: Sequence[Plan], path: Path, *, begin_s: float = 0.0) -> None:
    """Write plans as a SUMO additional file; each takes the place of its junction's shipped program.

    A plan's actuated stages share one gap, since SUMO knows one a program. SUMO begins wherever the offset
    says, so a program that would begin within a change, or cut its first green short, is turned to the
    nearest instant at which it does not.

    Parameters
    ----------
    begin_s
        Instant at which the run begins. [s]
    """
    rows = {tls_id: row for row, tls_id in enumerate(network.tls_ids)}
    lines = ["<additional>"]
    for plan in plans:
        if plan.junction not in rows:
            known = ", ".join(network.tls_ids[:4])
            raise ConfigError(
                f"plan of junction {plan.junction!r}: the network has no such signal (it has {known}, ...)"
            )
        lines.extend(_logic(network, rows[plan.junction], plan, begin_s))
    write_atomically(path, "\n".join([*lines, "</additional>"]) + "\n")


def _logic(network: Network, row: int, plan: Plan, begin_s: float) -> list[str]:
    kind = "actuated" if plan.actuated else "static"
    name = quoteattr(plan.junction)
    phases = program_phases(network, row, plan)
    offset_s = plan.offset_s if _is_shipped(network, row, plan) else _settled_s(phases, plan, begin_s)
    lines = [f'    <tlLogic id={name} type="{kind}" programID="{PROGRAM_ID}" offset="{offset_s:g}">']
    if plan.actuated:
        lines.append(f'        <param key="max-gap" value="{plan.stages[0].gap_s:g}"/>')
    for phase in phases:
        bounds = f' minDur="{phase.min_s:g}" maxDur="{phase.max_s:g}"' if phase.min_s < phase.max_s else ""
        lines.append(f'        <phase duration="{phase.duration_s:g}" state="{phase.state}"{bounds}/>')
    return [*lines, "    </tlLogic>"]


def _is_shipped(network: Network, row: int, plan: Plan) -> bool:
    """Return whether a plan is the shipped program, and that is sound."""
    if plan.actuated or not is_sound(network, row):
        return False
    return _without_offset(plan) == _without_offset(_fixed(network, row))


def _settled_s(phases: Sequence[Phase], plan: Plan, begin_s: float) -> float:
    """Return the offset nearest a plan's own that lets a run begin in a green that lasts its least. [s]."""
    whole_s = sum(phase.duration_s for phase in phases)
    at_s = (begin_s - plan.offset_s) % whole_s
    least_s = {shown.stage: shown.min_green_s for shown in plan.stages}
    shown = iter(plan.stages)
    turns_s: list[float] = []
    from_s = 0.0
    for phase in phases:
        if phase.green:
            last_s = from_s + phase.duration_s - min(phase.duration_s, least_s[next(shown).stage])
            laps_s = (-whole_s, 0.0, whole_s)
            turns_s += [min(max(at_s, from_s + lap_s), last_s + lap_s) - at_s for lap_s in laps_s]
        from_s += phase.duration_s
    turn_s = min(turns_s, key=lambda turn_s: (abs(turn_s), turn_s))
    return (plan.offset_s - turn_s) % whole_s if turn_s else plan.offset_s


def _check(network: Network, row: int, plan: Plan) -> None:
    where = f"plan of junction {plan.junction!r}"
    begin = int(network.assets.controllers.stage_begin[row])
    if not plan.stages:
        raise ConfigError(f"{where}: no stages; give at least one")
    for shown in plan.stages:
        if not 0 <= shown.stage < len(network.stage_states[row]):
            most = len(network.stage_states[row]) - 1
            raise ConfigError(f"{where}: stage {shown.stage}, must be 0 to {most}")
        if not network.assets.stages.service[begin + shown.stage]:
            raise ConfigError(f"{where}: stage {shown.stage} is a clearance stage; it cannot be served")
        least_s = least_green_s(network, row, shown.stage)
        shortest_s = min(shown.min_green_s, shown.green_s) if plan.actuated else shown.green_s
        if shortest_s < least_s:
            raise ConfigError(f"{where}: stage {shown.stage} is green {shortest_s:g} s, must be {least_s:g} s or more")
        if plan.actuated and shown.green_s < shown.min_green_s:
            raise ConfigError(f"{where}: stage {shown.stage}: longest green {shown.green_s:g} s is below its least")
        if plan.actuated and (shown.gap_s <= 0 or shown.gap_s != plan.stages[0].gap_s):
            raise ConfigError(f"{where}: gap_s is {shown.gap_s:g}; give all its stages one gap above 0")
    if not omissible(network, row, [shown.stage for shown in plan.stages]):
        raise ConfigError(f"{where}: some movement is never green; add a stage that serves it")
