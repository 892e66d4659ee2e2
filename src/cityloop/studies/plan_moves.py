"""How a junction's plan may be started and changed while it is tuned. Every plan made here is a legal one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from cityloop.cities.sumo.netfile import Connection
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.programs import cycle_s, intergreen_s, least_green_s, omissible, with_cycle
from cityloop.domains.signals.schema import LinkKind, Plan, PlanStage
from cityloop.kernel.columns import F64
from cityloop.studies.webster import SATURATION_VEH_H, greens_s, permitted_frac, stage_shares, webster_cycle_s

__all__ = [
    "Demand",
    "as_actuated",
    "demand_of",
    "scaled",
    "service_stages",
    "vary_actuated",
    "vary_fixed",
    "webster_plan",
]

LEAST_CYCLE_S, MOST_CYCLE_S = 20.0, 150.0
MOST_GREEN_S = 120.0
_GAPS_S = (1.0, 8.0)


@dataclass(frozen=True, slots=True)
class Demand:
    """What the streams of one junction ask of its stages."""

    stages: tuple[int, ...]
    """Local numbers of the service stages, in shipped order."""
    served_frac: F64
    """Shape (n_stages, n_streams)."""
    flow_ratio: F64
    """Shape (n_streams,)."""


def service_stages(network: Network, row: int) -> tuple[int, ...]:
    """Return the local numbers of a junction's service stages."""
    begin, end = (
        int(column[row]) for column in (network.assets.controllers.stage_begin, network.assets.controllers.stage_end)
    )
    return tuple(k for k in range(end - begin) if network.assets.stages.service[begin + k])


def demand_of(
    network: Network,
    row: int,
    flows_veh_h: Mapping[tuple[str, str], float],
    connections: Sequence[Connection],
) -> Demand:
    """Return a junction's demand from turning flows.

    A turn's flow is split evenly over the lanes it may be made from. Streams are the links and, since a
    lane's links share its capacity, the lanes.
    """
    controllers, matrices = network.assets.controllers, network.assets.matrices
    begin = int(controllers.link_begin[row])
    n_links = int(controllers.link_end[row]) - begin
    own = [c for c in connections if c.tls == network.tls_ids[row]]
    own = [c for c in own if network.assets.links.kind[begin + c.link_index] != LinkKind.CROSSING]
    lanes_of: dict[tuple[str, str], int] = {}
    for c in own:
        lanes_of[c.from_edge, c.to_edge] = lanes_of.get((c.from_edge, c.to_edge), 0) + 1
    flow = np.zeros(n_links)
    for c in own:
        pair = (c.from_edge, c.to_edge)
        flow[c.link_index] += flows_veh_h.get(pair, 0.0) / lanes_of[pair]
    stages = service_stages(network, row)
    first = int(controllers.matrix_begin[row])
    yields = matrices.yields[first : first + n_links * n_links].reshape(n_links, n_links)
    link_frac = np.zeros((len(stages), n_links))
    for k, stage in enumerate(stages):
        state = network.stage_states[row][stage]
        green = np.array([lamp in "gG" for lamp in state])
        for link, lamp in enumerate(state):
            if lamp == "G":
                link_frac[k, link] = 1.0
            elif lamp == "g":
                link_frac[k, link] = permitted_frac(float(flow[yields[link] & green].sum()))
    streams = sorted({c.link_index for c in own})
    served = [link_frac[:, link] for link in streams]
    ratios = [flow[link] / SATURATION_VEH_H for link in streams]
    for lane in sorted({(c.from_edge, c.from_lane) for c in own}):
        links = sorted({c.link_index for c in own if (c.from_edge, c.from_lane) == lane})
        total = flow[links].sum()
        if len(links) > 1 and total > 0:
            served.append((link_frac[:, links] * flow[links]).sum(axis=1) / total)
            ratios.append(total / SATURATION_VEH_H)
    return Demand(stages, np.array(served).T.reshape(len(stages), -1), np.array(ratios))


def webster_plan(network: Network, row: int, demand: Demand, wanted_s: float | None = None) -> Plan:
    """Return the fixed plan that carries the most traffic, with Webster's cycle or the one wanted."""
    shares, ratio = stage_shares(demand.served_frac, demand.flow_ratio)
    kept = {stage for stage, share in zip(demand.stages, shares, strict=True) if share > 1e-6}
    by_cover = sorted(demand.stages, key=lambda s: -sum(lamp in "gG" for lamp in network.stage_states[row][s]))
    for stage in by_cover:
        if not omissible(network, row, sorted(kept)) and _adds(network, row, kept, stage):
            kept.add(stage)
    order = [stage for stage in demand.stages if stage in kept]
    lost_s = _lost_s(network, row, order)
    share_of = dict(zip(demand.stages, shares.tolist(), strict=True))
    least = [least_green_s(network, row, stage) for stage in order]
    cycle = min(MOST_CYCLE_S, webster_cycle_s(lost_s, min(ratio, 0.95))) if wanted_s is None else wanted_s
    greens = greens_s([share_of[s] for s in order], least, max(LEAST_CYCLE_S, round(cycle)) - lost_s)
    stages = tuple(map(PlanStage, order, greens, least))
    return Plan(network.tls_ids[row], stages)


def as_actuated(plan: Plan, longest_frac: float, gap_s: float, *, least_frac: float = 0.0) -> Plan:
    """Return a fixed plan's stages as an actuated plan around its greens."""
    stages = tuple(
        PlanStage(
            s.stage,
            float(min(MOST_GREEN_S, max(s.min_green_s, round(s.green_s * longest_frac)))),
            float(max(s.min_green_s, min(round(s.green_s * least_frac), round(s.green_s * longest_frac)))),
            gap_s,
        )
        for s in plan.stages
    )
    return msgspec.structs.replace(plan, stages=stages, actuated=True)


def scaled(network: Network, plans: Sequence[Plan], factor: float) -> tuple[Plan, ...]:
    """Return fixed plans with all cycles and offsets longer or shorter alike."""
    out = []
    for row, plan in enumerate(plans):
        wanted_s = float(round(cycle_s(network, row, plan) * factor))
        if not LEAST_CYCLE_S <= wanted_s <= MOST_CYCLE_S:
            return tuple(plans)
        changed = with_cycle(network, row, plan, wanted_s)
        out.append(msgspec.structs.replace(changed, offset_s=float(round(plan.offset_s * factor))))
    return tuple(out)


def vary_fixed(network: Network, row: int, plan: Plan, step: float, rng: np.random.Generator) -> Plan:
    """Return a neighbour of a fixed plan: another split, offset, cycle, order or choice of stages."""
    alone = len(network.tls_ids) == 1
    for _ in range(8):
        cycle = cycle_s(network, row, plan)
        draw = rng.random()
        if draw < 0.40:
            changed = _moved_green(plan, step, rng)
        elif draw < 0.65:
            if alone:
                changed = _recycled(network, row, plan, float(np.exp(rng.normal(0, 0.12 * step))))
            else:
                shift_s = rng.integers(0, max(1, int(cycle))) if rng.random() < 0.3 else rng.normal(0, 8 * step)
                changed = msgspec.structs.replace(
                    plan, offset_s=float(round(plan.offset_s + shift_s) % max(1, round(cycle)))
                )
        elif draw < 0.75:
            changed = _recycled(
                network,
                row,
                plan,
                float(rng.choice((0.5, 2.0)) if rng.random() < 0.4 else np.exp(rng.normal(0, 0.1 * step))),
            )
        else:
            changed = _restaged(network, row, plan, rng)
            changed = with_cycle(network, row, changed, cycle) if changed != plan else plan
        if changed != plan:
            return changed
    return plan


def vary_actuated(network: Network, row: int, plan: Plan, step: float, rng: np.random.Generator) -> Plan:
    """Return a neighbour of an actuated plan: other bounds of a green, gap, order or choice of stages."""
    for _ in range(8):
        draw = rng.random()
        k = int(rng.integers(len(plan.stages)))
        shown = plan.stages[k]
        least_s = least_green_s(network, row, shown.stage)
        if draw < 0.40:
            longest_s = round(shown.green_s * float(np.exp(rng.normal(0, 0.35 * step))) + rng.normal(0, 2))
            changed = _with_stage(plan, k, green_s=float(min(MOST_GREEN_S, max(shown.min_green_s, longest_s))))
        elif draw < 0.55:
            shortest_s = float(min(shown.green_s, max(least_s, round(shown.min_green_s + rng.normal(0, 4 * step)))))
            changed = _with_stage(plan, k, min_green_s=shortest_s)
        elif draw < 0.75:
            gap_s = float(np.clip(round(2 * (shown.gap_s + rng.normal(0, 1.0 * step))) / 2, *_GAPS_S))
            stages = tuple(msgspec.structs.replace(s, gap_s=gap_s) for s in plan.stages)
            changed = msgspec.structs.replace(plan, stages=stages)
        else:
            changed = _restaged(network, row, plan, rng)
        if changed != plan:
            return changed
    return plan


def _with_stage(plan: Plan, k: int, **changes: float) -> Plan:
    stages = list(plan.stages)
    stages[k] = msgspec.structs.replace(stages[k], **changes)
    return msgspec.structs.replace(plan, stages=tuple(stages))


def _moved_green(plan: Plan, step: float, rng: np.random.Generator) -> Plan:
    """Give seconds of one stage to another; the cycle stays."""
    if len(plan.stages) < 2:
        return plan
    giver, taker = rng.choice(len(plan.stages), 2, replace=False).tolist()
    spare_s = plan.stages[giver].green_s - plan.stages[giver].min_green_s
    moved_s = float(min(spare_s, rng.integers(1, max(2, round(8 * step) + 1))))
    if moved_s < 1:
        return plan
    plan = _with_stage(plan, giver, green_s=plan.stages[giver].green_s - moved_s)
    return _with_stage(plan, taker, green_s=plan.stages[taker].green_s + moved_s)


def _recycled(network: Network, row: int, plan: Plan, factor: float) -> Plan:
    wanted_s = float(round(cycle_s(network, row, plan) * factor))
    if not LEAST_CYCLE_S <= wanted_s <= MOST_CYCLE_S:
        return plan
    return with_cycle(network, row, plan, wanted_s)


def _restaged(network: Network, row: int, plan: Plan, rng: np.random.Generator) -> Plan:
    """Leave a stage out where its movements have another, put one in, or let two change places."""
    shown = list(plan.stages)
    draw = rng.random()
    if draw < 0.4 and len(shown) > 1:
        shown.pop(int(rng.integers(len(shown))))
        if not omissible(network, row, [s.stage for s in shown]):
            return plan
    elif draw < 0.7:
        absent = [s for s in service_stages(network, row) if s not in {t.stage for t in shown}]
        if not absent:
            return plan
        stage = int(rng.choice(absent))
        least_s = least_green_s(network, row, stage)
        green_s = float(least_s + rng.integers(0, 12))
        shown.insert(int(rng.integers(len(shown) + 1)), PlanStage(stage, green_s, least_s, shown[0].gap_s))
    elif len(shown) > 2:
        a, b = rng.choice(len(shown), 2, replace=False).tolist()
        shown[a], shown[b] = shown[b], shown[a]
    return msgspec.structs.replace(plan, stages=tuple(shown))


def _adds(network: Network, row: int, kept: set[int], stage: int) -> bool:
    """Return whether a stage shows green to a link that no kept stage does."""
    states = network.stage_states[row]
    green = {i for s in kept for i, lamp in enumerate(states[s]) if lamp in "gG"}
    return any(lamp in "gG" and i not in green for i, lamp in enumerate(states[stage]))


def _lost_s(network: Network, row: int, order: Sequence[int]) -> float:
    return sum(intergreen_s(network, row, stage, order[(k + 1) % len(order)]) for k, stage in enumerate(order))
