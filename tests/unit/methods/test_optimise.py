"""The search for designs of many parts, on costs whose best is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cityloop.methods.optimise import Measured, Moves, SearchParams, search

BEST = (3, -4, 7, 0, 12, -9)


class Bowl:
    """A cost that is least at BEST, the same luck for all designs on one scenario."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], int]] = []

    def __call__(self, trials: Sequence[tuple[tuple[int, ...], int]]) -> list[Measured]:
        self.asked += trials
        return [self._one(*trial) for trial in trials]

    def _one(self, design: tuple[int, ...], scenario: int) -> Measured:
        luck = np.random.default_rng(scenario).normal(0, 5, len(design))
        parts = (np.array(design) - np.array(BEST)) ** 2 + 20.0 + luck
        return Measured(float(parts.sum()), parts)


def step_by(part: int, gene: int, step: float, rng: np.random.Generator) -> int:
    """Move a gene by a few."""
    return gene + round(rng.normal(0, 3 * step))


def found(budget: int = 200, seed: int = 1):
    """Search from far away."""
    bowl = Bowl()
    start = (0,) * len(BEST)
    result = search([start], Moves(step_by), bowl, SearchParams(budget=budget), np.random.default_rng(seed))
    return result, bowl


def test_the_best_design_of_a_bowl_is_come_near():
    """Six parts are brought within one of their best in 200 trials."""
    result, _ = found()
    assert np.abs(np.array(result.design) - np.array(BEST)).max() <= 1


def test_the_budget_is_kept_and_no_trial_is_asked_for_twice():
    """The search runs no more trials than it may, each once."""
    result, bowl = found(budget=60)
    assert len(bowl.asked) == len(set(bowl.asked)) == result.trials <= 60


def test_the_same_generator_gives_the_same_answer():
    """Two searches with one seed agree in everything; another seed goes another way."""
    assert found(seed=3)[0] == found(seed=3)[0]
    assert found(seed=3)[1].asked != found(seed=4)[1].asked


def test_changes_that_helped_in_different_probes_are_kept_together():
    """In as many trials, a search that sees the parts gets farther than one that sees the whole alone."""

    def blind(trials: Sequence[tuple[tuple[int, ...], int]]) -> list[Measured]:
        return [Measured(m.cost, np.zeros(1)) for m in Bowl()(trials)]

    def vary_all(part: int, gene: tuple[int, ...], step: float, rng: np.random.Generator) -> tuple[int, ...]:
        return tuple(step_by(part, g, step, rng) for g in gene)

    def blind_measure(trials):
        return blind([(design[0], scenario) for design, scenario in trials])

    seeing, blinded = [], []
    for seed in range(5):
        seeing.append(found(budget=80, seed=seed)[0].cost)
        start = ((0,) * len(BEST),)
        rng = np.random.default_rng(seed)
        blinded.append(search([start], Moves(vary_all), blind_measure, SearchParams(budget=80), rng).cost)
    assert np.mean(seeing) < np.mean(blinded)


def test_neighbours_are_never_changed_in_one_trial():
    """Of a chain of parts, no two next to each other differ from the best design within one probe."""
    changed: list[list[int]] = []
    current: list[int] = []

    def vary(part: int, gene: int, step: float, rng: np.random.Generator) -> int:
        current.append(part)
        return step_by(part, gene, step, rng)

    def measure(trials):
        if current:
            changed.append(current.copy())
            current.clear()
        return Bowl()(trials)

    chain = [[k for k in (part - 1, part + 1) if 0 <= k < len(BEST)] for part in range(len(BEST))]
    params = SearchParams(budget=60, probes=1)
    search([(0,) * len(BEST)], Moves(vary), measure, params, np.random.default_rng(1), neighbours=chain)
    assert changed
    assert all(abs(a - b) != 1 for parts in changed for a in parts for b in parts)


def test_the_best_start_is_taken_and_bad_ones_are_dropped_early():
    """Four starts race: the worst two meet one scenario only."""
    starts = [(k,) * len(BEST) for k in (0, 1, 30, 40)]
    bowl = Bowl()
    params = SearchParams(budget=7, scenarios=3)
    result = search(starts, Moves(step_by), bowl, params, np.random.default_rng(1))
    assert [scenario for design, scenario in bowl.asked if design[0] >= 30] == [0, 0]
    assert result.design == (1,) * len(BEST)


def test_starts_that_the_budget_cannot_race_are_left_out():
    """Twenty starts and six trials: the first few race, and the budget holds."""
    starts = [(k,) * len(BEST) for k in range(20)]
    bowl = Bowl()
    search(starts, Moves(step_by), bowl, SearchParams(budget=6), np.random.default_rng(1))
    assert 0 < len(bowl.asked) <= 6


def test_a_search_without_trials_is_refused():
    """A budget of none makes no search."""
    with pytest.raises(ValueError, match="budget"):
        SearchParams(budget=0)
