"""How long one dispatch decision takes in a city far larger than those at hand: many open calls, many units.

Units and calls are laid at random over a city's own roads. Between two decisions a share of the units has a new
position and some calls have given way to others; everything else is as before. A decision is the whole way from
positions to proposals: times, the picture of what is covered, the assignment.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from cityloop.domains.emergency.assign import AssignParams, assign
from cityloop.domains.emergency.crew import CrewRules
from cityloop.domains.emergency.known_times import KnownTimes
from cityloop.domains.emergency.relocate import picture
from cityloop.domains.emergency.schema import CallTable, UnitStatus, UnitTable
from cityloop.domains.emergency.state import EmergencyState
from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import StoreError
from cityloop.studies.emergency_world import BEGIN_MS, World

__all__ = ["DispatchLoad", "DispatchTimes", "bench_dispatch", "dispatch_lines", "write_dispatch"]

NOON_MS = BEGIN_MS + 12 * 3_600_000


@dataclass(frozen=True, slots=True)
class DispatchLoad:
    """What is to be decided at once."""

    calls: int = 500
    units: int = 1000
    moved_share: float = 0.2
    """Units with a new position since the last decision."""
    new_calls: int = 20
    """Calls that give way to new ones between two decisions."""
    rounds: int = 100
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse a load that is none."""
        if min(self.calls, self.units, self.rounds) < 1 or not 0.0 <= self.moved_share <= 1.0:
            raise ValueError(f"A load needs calls, units, rounds and a share from 0 to 1, not {self}.")


@dataclass(frozen=True, slots=True)
class DispatchTimes:
    """How long decisions took."""

    city: str
    nodes: int
    calls: int
    units: int
    moved_share: float
    rounds: int
    cold_ms: float
    """The first decision: nothing known, code compiled before. [ms]"""
    wall_p50_ms: float
    wall_p99_ms: float
    cpu_p50_ms: float
    cpu_p99_ms: float
    """Processor time of the deciding thread: what it takes on a machine of one's own. [ms]"""
    sends: float
    """Proposals a decision, in the mean."""


def bench_dispatch(world: World, load: DispatchLoad) -> DispatchTimes:
    """Decide again and again while units move and calls come and go."""
    rng = np.random.default_rng(load.seed)
    small = replace(load, calls=min(load.calls, 30), units=min(load.units, 40), rounds=2)
    _decide(world, _draw(world, small, rng), small, rng)
    state = _draw(world, load, rng)
    wall, cpu, sends = _decide(world, state, load, rng)
    return DispatchTimes(
        city=world.case.name,
        nodes=len(world.case.roads.graph.x_m),
        calls=load.calls,
        units=load.units,
        moved_share=load.moved_share,
        rounds=load.rounds,
        cold_ms=float(wall[0]),
        wall_p50_ms=float(np.percentile(wall[1:], 50)),
        wall_p99_ms=float(np.percentile(wall[1:], 99)),
        cpu_p50_ms=float(np.percentile(cpu[1:], 50)),
        cpu_p99_ms=float(np.percentile(cpu[1:], 99)),
        sends=float(sends[1:].mean()),
    )


def _draw(world: World, load: DispatchLoad, rng: np.random.Generator) -> EmergencyState:
    """Return units that drive about and calls without a unit, laid at random over the roads."""
    nodes = np.flatnonzero(world.case.roads.access).astype(np.int32)
    n, m, never = load.units, load.calls, np.iinfo(np.int64).max // 4
    units = UnitTable(
        status=np.full(n, UnitStatus.MOVING, np.int32),
        node=rng.choice(nodes, n).astype(np.int32),
        node_in_ms=rng.integers(0, 10_000, n),
        offroad_m=np.zeros(n),
        site=rng.integers(0, len(world.sites.kind), n).astype(np.int32),
        call=np.full(n, -1, np.int64),
        since_ms=np.full(n, NOON_MS, np.int64),
        home=np.zeros(n, np.int32),
        kerb_used_ms=np.zeros(n, np.int64),
        shift_end_ms=np.full(n, never),
        meal_from_ms=np.full(n, never),
        meal_until_ms=np.full(n, never),
        diverted=np.zeros(n, np.bool_),
        capability=np.zeros(n, np.int32),
        seen_at_ms=np.full(n, NOON_MS, np.int64),
    )
    calls = CallTable(
        call=np.arange(m, dtype=np.int64),
        priority=np.where(rng.random(m) < 0.75, 1, len(world.times.response_mode)).astype(np.int32),
        node=rng.choice(nodes, m).astype(np.int32),
        offroad_m=rng.uniform(0, 100, m),
        received_ms=NOON_MS - rng.integers(0, 300_000, m),
        ready_ms=np.full(m, NOON_MS, np.int64),
        unit=np.full(m, -1, np.int32),
        eta_ms=np.zeros(m, np.int64),
        needs=np.zeros(m, np.int32),
    )
    known = (KnownTimes(world.times.siren), KnownTimes(world.times.ordinary))
    return EmergencyState(units, calls, world.sites, world.times, CrewRules(), known=known)


def _decide(world: World, state: EmergencyState, load: DispatchLoad, rng: np.random.Generator) -> tuple[F64, F64, I64]:
    nodes = np.flatnonzero(world.case.roads.access).astype(np.int32)
    wall, cpu = np.empty(load.rounds + 1), np.empty(load.rounds + 1)
    sends = np.empty(load.rounds + 1, np.int64)
    params, view = AssignParams(), None
    for k in range(load.rounds + 1):
        moved = np.arange(load.units) if k == 0 else rng.permutation(load.units)[: round(load.moved_share * load.units)]
        state.units.node[moved] = rng.choice(nodes, len(moved))
        fresh = rng.permutation(load.calls)[: min(load.new_calls, load.calls)]
        state.calls.node[fresh] = rng.choice(nodes, len(fresh))
        begun, begun_cpu = time.perf_counter(), time.thread_time()
        view = picture(state, world.coverage, NOON_MS, kept=view, changed=moved)
        chosen = assign(state, world.coverage, view, NOON_MS, params)
        wall[k], cpu[k] = 1000 * (time.perf_counter() - begun), 1000 * (time.thread_time() - begun_cpu)
        sends[k] = len(chosen.proposals)
    return wall, cpu, sends


def dispatch_lines(times: DispatchTimes) -> list[str]:
    """Return the row as lines for a terminal."""
    what = (
        f"{times.city}: one dispatch decision, {times.calls} open calls, {times.units} units, {times.nodes} nodes, "
        f"{100 * times.moved_share:.0f} % of positions new, {times.rounds} decisions."
    )
    took = (
        f"  wall p50 {times.wall_p50_ms:.1f} ms, p99 {times.wall_p99_ms:.1f} ms; processor p50 "
        f"{times.cpu_p50_ms:.1f} ms, p99 {times.cpu_p99_ms:.1f} ms; cold {times.cold_ms:.1f} ms; "
        f"{times.sends:.0f} units sent a decision"
    )
    return [what, took]


def write_dispatch(path: Path, rows: Sequence[DispatchTimes]) -> None:
    """Write the rows of all cities."""
    content = orjson.dumps({"dispatch": [asdict(times) for times in rows]}, option=orjson.OPT_INDENT_2)
    try:
        path.write_bytes(content + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}).") from error
