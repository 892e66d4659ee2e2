"""Tune a city's fixed and actuated plans on training seeds, as strong rivals of the brain.

Both arms start from several plans in closed form and are then improved in the twin itself, by
`methods.optimise`, for the delay that scores are taken in. Training seeds never occur among the seeds of a
score. See `docs/signals-plans.md`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.kept_plans import find_plans, kept_plans_file
from cityloop.cities.sumo.netfile import read_netfile
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.plans import TUNER_VERSION, TunedPlans, write_plans
from cityloop.cities.sumo.programs import actuated_plan, cycle_s, fixed_plan, write_programs
from cityloop.cities.sumo.sumo_tools import sumo_version
from cityloop.cities.sumo.trial import TrialResult, answering_junctions, entry_edges, run_trial, turning_flows
from cityloop.domains.signals.schema import Plan
from cityloop.kernel.errors import ConfigError
from cityloop.methods.optimise import Found, Measured, Moves, SearchParams, search
from cityloop.studies.foot_waits import foot_waits
from cityloop.studies.plan_moves import (
    Demand,
    as_actuated,
    demand_of,
    scaled,
    vary_actuated,
    vary_fixed,
    webster_plan,
)

__all__ = ["DEFAULT_BUDGET", "TRAINING_SEEDS", "ensure_plans", "tune"]

DEFAULT_BUDGET = 200
"""Training runs an arm. The brain's parameters are frozen, so its share of the same budget stays unspent."""

TRAINING_SEEDS = (1001, 1002, 1003)
"""Apart from the seeds 1, 2, ... that scores are taken on."""

_SEARCH_SEED = 1
_COMMON_CYCLES_S = (40.0, 50.0, 60.0, 75.0, 90.0)

Progress = Callable[[str], None]
Design = tuple[Plan, ...]


def _silent(_: str) -> None:
    """Say nothing."""


def ensure_plans(
    case: CityCase,
    *,
    jobs: int = 1,
    budget: int = DEFAULT_BUDGET,
    cache: Path | None = None,
    progress: Progress = _silent,
) -> Path:
    """Return the file of a city's tuned plans, tuning them first unless they are at hand.

    Plans that lie with the city are taken where they were tuned for its very files; then the cache; else
    they are tuned and kept in the cache.
    """
    kept = kept_plans_file(case, cache)
    if (found := find_plans(case, cache=cache)) is not None:
        path, plans = found
        if path == kept and not plans.foot_waits:
            # Kept before people's waits were measured, or of a city without crossings, where it takes no run.
            write_plans(
                kept, msgspec.structs.replace(plans, foot_waits=foot_waits(case, plans.fixed_tuned, plans.seeds))
            )
        return path
    write_plans(kept, tune(case, jobs=jobs, budget=budget, progress=progress))
    return kept


def tune(
    case: CityCase,
    *,
    jobs: int = 1,
    budget: int = DEFAULT_BUDGET,
    seeds: Sequence[int] = TRAINING_SEEDS,
    progress: Progress = _silent,
) -> TunedPlans:
    """Tune both arms, each with its own budget of training runs.

    Parameters
    ----------
    jobs
        Training runs side by side; the answer does not depend on it.
    seeds
        SUMO seeds of the training runs.
    """
    if budget < 2 * len(seeds):
        raise ConfigError(f"--budget {budget}: too few runs; give at least {2 * len(seeds)}, two a seed")
    bench = _Bench(case, tuple(seeds), jobs)
    progress(f"{case.name}: counting turns")
    demands = bench.demands()
    shipped_s, fixed_s = bench.delay_s(None), bench.delay_s(fixed_plan(bench.network))
    actuated_s = bench.delay_s(actuated_plan(bench.network))
    progress(f"{case.name}: shipped {shipped_s:.1f} s, fixed {fixed_s:.1f} s, actuated {actuated_s:.1f} s")
    fixed = bench.search("fixed-tuned", _fixed_starts(bench.network, demands), budget, progress)
    actuated = bench.search("actuated-tuned", _actuated_starts(bench.network, fixed.design), budget, progress)
    return TunedPlans(
        city=case.name,
        case_digest=case.digest,
        begin_s=case.begin_s,
        end_s=case.end_s,
        walking_speed_mps=case.walking_speed_mps,
        tuner=TUNER_VERSION,
        sumo_version=sumo_version(),
        seeds=tuple(seeds),
        budget=budget,
        evaluations={"fixed-tuned": fixed.trials, "actuated-tuned": actuated.trials},
        delay_s={
            "shipped": shipped_s,
            "fixed": fixed_s,
            "fixed-tuned": fixed.cost,
            "actuated": actuated_s,
            "actuated-tuned": actuated.cost,
        },
        fixed_tuned=fixed.design,
        actuated_tuned=actuated.design,
        foot_waits=foot_waits(case, fixed.design, seeds),
    )


def _fixed_starts(network: Network, demands: Sequence[Demand]) -> list[Design]:
    """Return the shipped plan, Webster's plans with each junction's own cycle, and with common cycles."""
    rows = range(len(network.tls_ids))
    shipped = fixed_plan(network)
    own = tuple(webster_plan(network, row, demands[row]) for row in rows)
    commons = list(_COMMON_CYCLES_S)
    busiest_s = max(cycle_s(network, row, own[row]) for row in rows)
    if all(abs(busiest_s - c) > 4 for c in commons):
        commons.append(float(round(busiest_s)))
    common = [tuple(webster_plan(network, row, demands[row], c) for row in rows) for c in commons]
    return list(dict.fromkeys([shipped, own, *common]))


def _actuated_starts(network: Network, fixed: Design) -> list[Design]:
    """Return the shipped stages and the tuned fixed plan's, under several longest greens and gaps."""
    shipped = actuated_plan(network)
    around = [
        tuple(as_actuated(plan, longest, gap_s, least_frac=least) for plan in fixed)
        for longest, gap_s, least in (
            (1.0, 3.0, 1.0),
            (1.3, 3.0, 0.8),
            (1.3, 2.0, 0.0),
            (1.3, 3.0, 0.0),
            (2.0, 2.0, 0.0),
            (2.0, 3.0, 0.0),
            (4.0, 2.0, 0.0),
        )
    ]
    spread = [
        tuple(as_actuated(plan, longest, gap_s) for plan in fixed_plan(network))
        for longest, gap_s in ((0.7, 2.0), (1.0, 2.0), (1.0, 3.0))
    ]
    return list(dict.fromkeys([shipped, *around, *spread]))


@dataclass(slots=True)
class _Bench:
    """Runs training trials of one city."""

    case: CityCase
    seeds: tuple[int, ...]
    jobs: int
    network: Network = field(init=False)
    owner: Mapping[str, int] = field(init=False)
    entries: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.network = read_network(self.case.net_file, walking_speed_mps=self.case.walking_speed_mps)
        self.owner = answering_junctions(self.case, self.network)
        self.entries = entry_edges(self.case)

    def demands(self) -> list[Demand]:
        """Return every junction's demand, from the turns of one training run."""
        flows = turning_flows(self.case, seed=self.seeds[0])
        connections = read_netfile(self.case.net_file).connections
        return [demand_of(self.network, row, flows, connections) for row in range(len(self.network.tls_ids))]

    def delay_s(self, design: Design | None) -> float:
        """Return the mean delay over the training seeds. [s]."""
        return float(np.mean([r.mean_delay_s for r in self._run([(design, k) for k in range(len(self.seeds))])]))

    def search(self, arm: str, starts: Sequence[Design], budget: int, progress: Progress) -> Found[Plan]:
        """Improve the best of the starts within the budget."""
        network = self.network
        actuated = arm == "actuated-tuned"

        def vary(row: int, plan: Plan, step: float, rng: np.random.Generator) -> Plan:
            return (vary_actuated if actuated else vary_fixed)(network, row, plan, step, rng)

        def whole(design: Design, rng: np.random.Generator) -> Design:
            return scaled(network, design, float(np.exp(rng.normal(0, 0.15))))

        return search(
            starts,
            Moves(vary, None if actuated or len(network.tls_ids) == 1 else whole),
            self._measure,
            SearchParams(budget=budget, scenarios=len(self.seeds)),
            np.random.default_rng(_SEARCH_SEED),
            neighbours=_neighbours(network),
            on_round=lambda spent, cost: progress(f"{self.case.name}: {arm} {spent}/{budget} runs, {cost:.2f} s"),
        )

    def _measure(self, trials: Sequence[tuple[Design, int]]) -> list[Measured]:
        return [self._attributed(result) for result in self._run(trials)]

    def _attributed(self, result: TrialResult) -> Measured:
        parts = np.zeros(len(self.network.tls_ids))
        for edge, delay_s in result.delay_by_edge_s.items():
            if edge in self.owner:
                parts[self.owner[edge]] += delay_s
        return Measured(result.mean_delay_s, parts / result.vehicles)

    def _run(self, trials: Sequence[tuple[Design | None, int]]) -> list[TrialResult]:
        with ThreadPoolExecutor(max_workers=max(1, self.jobs)) as pool:
            return list(pool.map(self._trial, trials))

    def _trial(self, trial: tuple[Design | None, int]) -> TrialResult:
        design, scenario = trial
        with tempfile.TemporaryDirectory(prefix="cityloop-tune-") as folder:
            programs = None
            if design is not None:
                programs = Path(folder) / "programs.add.xml"
                write_programs(self.network, design, programs, begin_s=self.case.begin_s)
            return run_trial(self.case, programs, seed=self.seeds[scenario], entries=self.entries)


def _neighbours(network: Network) -> list[list[int]]:
    """Return, per junction, those whose traffic it meters or that meter its own."""
    movements, approaches = network.assets.movements, network.assets.approaches
    junction_of_group = dict(zip(approaches.group.tolist(), approaches.junction.tolist(), strict=True))
    near: list[set[int]] = [set() for _ in network.tls_ids]
    for approach, group in zip(movements.approach.tolist(), movements.next_group.tolist(), strict=True):
        here, there = int(approaches.junction[approach]), junction_of_group.get(group, -1)
        if there >= 0 and there != here:
            near[here].add(there)
            near[there].add(here)
    return [sorted(rows) for rows in near]
