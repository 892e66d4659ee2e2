"""Improve a design of many parts when only a costly, noisy trial tells how good it is.

The search is a random local search without derivatives, made cheap in three ways:

- *parts*: a trial reports not only the whole cost but the share that belongs to each part, so one trial
  tries a change in many parts at once (none next to another) and the changes that helped where they were
  made are kept together [1]_;
- *pairing*: every comparison is made on the same scenarios, so that what chance does to both sides cancels;
- *racing*: a candidate meets the scenarios one after another and is dropped as soon as it falls behind [2]_.

Steps grow where changes succeed and shrink where they fail. The same generator gives the same answer,
however many trials run side by side.

References
----------
.. [1] Potter, M. A. and De Jong, K. A. (1994). A cooperative coevolutionary approach to function
   optimization. PPSN III, 249-257. doi:10.1007/3-540-58484-6_269
.. [2] Maron, O. and Moore, A. W. (1994). Hoeffding races: accelerating model selection search for
   classification and function approximation. NIPS 6, 59-66.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from cityloop.kernel.columns import F64

__all__ = ["Found", "Measured", "Moves", "SearchParams", "search"]

G = TypeVar("G", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one trial of one design on one scenario gave."""

    cost: float
    """What is made small."""

    parts: F64
    """The share of the cost that arose at each part, shape (n_parts,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParams:
    """How long and how boldly to search."""

    budget: int
    """Trials allowed, the starts included."""

    scenarios: int = 3
    """Scenarios that every accepted design has been measured on."""

    probes: int = 2
    """Designs tried side by side in a round, on one scenario."""

    gain_frac: float = 0.001
    """Least relative gain that counts: below it, a change is taken for luck."""

    whole_frac: float = 0.15
    """Share of rounds that try a move of the whole design, where there is one."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot make a search."""
        if self.budget < 1 or self.scenarios < 1 or self.probes < 1:
            raise ValueError("budget, scenarios and probes must be 1 or more")
        if not 0 <= self.gain_frac < 1 or not 0 <= self.whole_frac <= 1:
            raise ValueError("gain_frac and whole_frac must lie within 0 and 1")


@dataclass(frozen=True, slots=True)
class Moves(Generic[G]):
    """How a design may change."""

    vary: Callable[[int, G, float, np.random.Generator], G]
    """``vary(part, gene, step, rng)``: another gene for a part; ``step``, about 1, scales its boldness."""

    whole: Callable[[tuple[G, ...], np.random.Generator], tuple[G, ...]] | None = None
    """Another design that differs in all its parts."""


@dataclass(frozen=True, slots=True)
class Found(Generic[G]):
    """The best design and what finding it took."""

    design: tuple[G, ...]
    cost: float
    """Mean over the scenarios."""
    start_cost: float
    """The first start's mean, or its cost on the first scenario when it was dropped there."""
    trials: int


Trial = tuple[tuple[G, ...], int]
"""A design and the scenario to try it on."""


class _Ledger(Generic[G]):
    """Trials made so far; asks for none twice and counts those that were run."""

    def __init__(self, measure: Callable[[Sequence[Trial[G]]], Sequence[Measured]], budget: int) -> None:
        self._measure = measure
        self._known: dict[Trial[G], Measured] = {}
        self.budget = budget
        self.spent = 0

    def measure(self, trials: Sequence[Trial[G]]) -> list[Measured]:
        """Return the outcome of every trial, running those not yet known together."""
        fresh = list(dict.fromkeys(trial for trial in trials if trial not in self._known))
        if fresh:
            self._known.update(zip(fresh, self._measure(fresh), strict=True))
            self.spent += len(fresh)
        return [self._known[trial] for trial in trials]

    def mean(self, design: tuple[G, ...], scenarios: Sequence[int]) -> float:
        """Return a design's mean cost over scenarios."""
        return sum(m.cost for m in self.measure([(design, s) for s in scenarios])) / len(scenarios)

    def left(self, trials: int) -> bool:
        """Whether that many more trials are within the budget."""
        return self.spent + trials <= self.budget


def search(
    starts: Sequence[tuple[G, ...]],
    moves: Moves[G],
    measure: Callable[[Sequence[Trial[G]]], Sequence[Measured]],
    params: SearchParams,
    rng: np.random.Generator,
    *,
    neighbours: Sequence[Sequence[int]] = (),
    on_round: Callable[[int, float], None] = lambda spent, cost: None,
) -> Found[G]:
    """Return the best design found within the budget.

    Parameters
    ----------
    starts
        Designs to begin from; the best of them on all scenarios is improved.
    measure
        Runs trials, in any order or side by side, and answers in the order asked.
    neighbours
        Parts whose cost a part also moves; parts of one trial's changes are never neighbours.
    on_round
        Told the trials spent and the best mean cost after every round.
    """
    ledger = _Ledger(measure, params.budget)
    everything = range(params.scenarios)
    best = _best_start(ledger, starts, params.scenarios)
    best_cost = ledger.mean(best, everything)
    parts = len(best)
    near = [list(neighbours[p]) if neighbours else [] for p in range(parts)]
    steps = np.ones(parts)
    rounds = 0
    on_round(ledger.spent, best_cost)
    stale = 0
    while ledger.left(params.probes + params.scenarios) and stale < 200:
        scenario = rounds % params.scenarios
        rounds += 1
        before = ledger.spent
        base = ledger.measure([(best, scenario)])[0]
        if moves.whole is not None and rng.random() < params.whole_frac:
            chosen: list[int] = []
            probes = [moves.whole(best, rng) for _ in range(params.probes)]
        else:
            chosen = _apart(base.parts, near, rng)
            probes = [_varied(best, chosen, moves, steps, rng) for _ in range(params.probes)]
        results = ledger.measure([(probe, scenario) for probe in probes])
        stale = stale + 1 if ledger.spent == before else 0
        candidates = _candidates(best, base, probes, results, chosen, near)
        won = False
        for candidate in candidates:
            if ledger.left(params.scenarios) and _wins(ledger, candidate, best, params, scenario):
                for part in chosen:
                    if candidate[part] != best[part]:
                        steps[part] = min(2.0, steps[part] * 1.3)
                best, best_cost, won = candidate, ledger.mean(candidate, everything), True
                break
        if not won:
            steps[chosen] = np.maximum(0.25, steps[chosen] * 0.93)
        on_round(ledger.spent, best_cost)
    return Found(best, best_cost, ledger.measure([(starts[0], 0)])[0].cost, ledger.spent)


def _best_start(ledger: _Ledger[G], starts: Sequence[tuple[G, ...]], scenarios: int) -> tuple[G, ...]:
    """Let the starts race: the better half after each scenario goes on to the next.

    As many of the first starts take part as the budget allows.
    """
    left = list(dict.fromkeys(starts))
    while len(left) > 1 and sum(_still_in(len(left), k) for k in range(scenarios)) > ledger.budget:
        left.pop()
    for scenario in range(scenarios):
        ledger.measure([(design, scenario) for design in left])
        left.sort(key=lambda design: ledger.mean(design, range(scenario + 1)))
        if scenario < scenarios - 1:
            left = left[: _still_in(len(left), 1)]
    return left[0]


def _still_in(starts: int, scenarios: int) -> int:
    """Return how many of the starts are left after some scenarios."""
    for _ in range(scenarios):
        starts = (starts + 1) // 2
    return starts


def _apart(costs: F64, near: Sequence[Sequence[int]], rng: np.random.Generator) -> list[int]:
    """Draw parts of which no two are neighbours, costly ones first more often than not."""
    weight = np.sqrt(np.maximum(costs, 0.0)) + 1e-9
    order = np.argsort(-weight * rng.random(len(weight)))
    chosen: list[int] = []
    for part in order.tolist():
        if not any(part in near[other] or other in near[part] for other in chosen):
            chosen.append(part)
    return chosen[: max(1, (len(costs) + 1) // 2)]


def _varied(
    best: tuple[G, ...], chosen: Sequence[int], moves: Moves[G], steps: F64, rng: np.random.Generator
) -> tuple[G, ...]:
    genes = list(best)
    for part in chosen:
        genes[part] = moves.vary(part, genes[part], float(steps[part]), rng)
    return tuple(genes)


def _candidates(
    best: tuple[G, ...],
    base: Measured,
    probes: Sequence[tuple[G, ...]],
    results: Sequence[Measured],
    chosen: Sequence[int],
    near: Sequence[Sequence[int]],
) -> list[tuple[G, ...]]:
    """Return what is worth a race: the changes that helped where made, together; then the best probe."""
    merged = list(best)
    for part in chosen:
        gains = [_local_gain(part, base, result, chosen, near) for result in results]
        k = int(np.argmax(gains))
        if gains[k] > 0:
            merged[part] = probes[k][part]
    whole = [p for p, r in sorted(zip(probes, results, strict=True), key=lambda pr: pr[1].cost) if r.cost < base.cost]
    return [design for design in dict.fromkeys([tuple(merged), *whole[:1]]) if design != best]


def _local_gain(
    part: int, base: Measured, result: Measured, chosen: Sequence[int], near: Sequence[Sequence[int]]
) -> float:
    """Return by how much the cost fell at a part and, shared with other changed parts, at its neighbours."""
    fell = base.parts - result.parts
    gain = float(fell[part])
    for other in near[part]:
        gain += float(fell[other]) / max(1, sum(1 for p in chosen if other in near[p]))
    return gain


def _wins(ledger: _Ledger[G], candidate: tuple[G, ...], best: tuple[G, ...], params: SearchParams, first: int) -> bool:
    """Race a candidate against the best, scenario by scenario; it must lead at every post."""
    order = [(first + k) % params.scenarios for k in range(params.scenarios)]
    for posts in range(1, params.scenarios + 1):
        raced = order[:posts]
        bar = ledger.mean(best, raced) * (1 - params.gain_frac)
        if ledger.mean(candidate, raced) >= bar:
            return False
    return True
