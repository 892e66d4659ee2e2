"""Scores of several arms over the same seeds: means with intervals, paired gains, and what got worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from cityloop.kernel.errors import StoreError
from cityloop.methods.statistics import Comparison, Verdict, compare_paired, mean_interval, verdict_words
from cityloop.studies.scorecard import RunScore

__all__ = ["MEASURES", "ArmSummary", "Estimate", "Failure", "Measure", "Pair", "Summary", "summarise"]

FORMAT = 1


class Measure(NamedTuple):
    """A figure of a scorecard of which less is better."""

    key: str
    label: str
    unit: str
    of: Callable[[RunScore], float | None]


MEASURES: tuple[Measure, ...] = (
    Measure("delay_s", "Mean delay", "s", lambda s: s.vehicles.delay_s),
    Measure("delay_p95_s", "95th percentile of delay", "s", lambda s: s.vehicles.delay_p95_s),
    Measure("person_delay_s", "Mean delay of a person in a vehicle", "s", lambda s: s.persons.delay_s),
    Measure("waiting_s", "Mean standing time", "s", lambda s: s.vehicles.waiting_s),
    Measure("longest_waiting_s", "Longest standing time of a vehicle", "s", lambda s: s.vehicles.longest_waiting_s),
    Measure("stops", "Stops of a vehicle", "", lambda s: s.vehicles.stops),
    Measure("not_arrived", "Vehicles not arrived", "veh", lambda s: s.vehicles.unfinished + s.vehicles.undeparted),
    Measure(
        "walk_waiting_s",
        "Mean wait on foot",
        "s",
        lambda s: s.pedestrians.waiting_s if s.pedestrians else None,
    ),
    Measure(
        "walk_waiting_p95_s",
        "95th percentile of the wait on foot",
        "s",
        lambda s: s.pedestrians.waiting_p95_s if s.pedestrians else None,
    ),
    Measure(
        "longest_walk_waiting_s",
        "Longest wait on foot",
        "s",
        lambda s: s.pedestrians.longest_waiting_s if s.pedestrians else None,
    ),
    Measure("longest_red_s", "Longest red of a vehicle link", "s", lambda s: s.longest_red_s),
    Measure("longest_crossing_red_s", "Longest red of a crossing", "s", lambda s: s.longest_crossing_red_s),
)


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A mean over seeds with its 95 % interval, None where one seed gives none."""

    mean: float
    low: float | None
    high: float | None


class ArmSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One arm over all seeds."""

    arm: str
    seeds: tuple[int, ...]
    measures: dict[str, Estimate]
    worst_seed: int
    worst_delay_s: float | None
    unsafe: int
    opportunities: int
    unsafe_by_kind: dict[str, tuple[int, int]]
    """Violations and opportunities."""
    longest_red_s: float | None
    longest_crossing_red_s: float | None
    teleports: int
    collisions: int | None
    emergency_stops: int | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of two arms, seed by seed."""

    ours: str
    theirs: str
    measure: str
    """Key of a measure, or the name of a junction."""
    label: str
    unit: str
    ours_mean: float
    theirs_mean: float
    difference: Estimate
    gain_frac: float | None
    gain_low: float | None
    gain_high: float | None
    worst_seed: int
    verdict: str
    words: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run that gave no score."""

    arm: str
    seed: int
    reason: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All arms of one city at one scale and sensing level."""

    format: int = FORMAT
    simulated: bool = True
    city: str
    case_digest: str
    calibration: str
    sensing: str
    scale: float
    sumo_version: str
    seeds: tuple[int, ...]
    """Seeds on which every arm has a score; pairs use these alone."""
    arms: tuple[ArmSummary, ...]
    ours: str
    """The arm that is compared with each of the others."""
    best_other: str | None
    """Of the others the one with the least mean delay on these very seeds, which favours it."""
    pairs: tuple[Pair, ...]
    """Ours against each other arm, every measure."""
    losses: tuple[Pair, ...]
    """Measures and junctions in which ours is worse than the best other, beyond the interval."""
    compared: int
    """Comparisons behind the losses: about one in forty comes out worse by chance alone."""
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]


def summarise(scores: Mapping[str, Sequence[RunScore]], ours: str, failures: Sequence[Failure] = ()) -> Summary:
    """Bring the scores of arms together.

    Parameters
    ----------
    scores
        By arm, in the order to be shown; runs of one city, scale and sensing level.
    ours
        The arm of interest.
    """
    first = _check(scores)
    by_seed = {arm: {score.seed: score for score in runs} for arm, runs in scores.items()}
    common = tuple(sorted(set.intersection(*(set(runs) for runs in by_seed.values()))))
    shown = [arm for arm in by_seed if arm != ours]
    means = {arm: _mean_delay([by_seed[arm][seed] for seed in common]) for arm in shown} if common else {}
    best = min(means, key=lambda arm: means[arm]) if means else None
    pairs: list[Pair] = []
    losses: list[Pair] = []
    compared = 0
    if ours in by_seed:
        for arm in means:
            mine, rival = ([by_seed[who][seed] for seed in common] for who in (ours, arm))
            pairs += _measure_pairs(mine, rival, ours, arm, common)
        if best is not None:
            mine, rival = ([by_seed[who][seed] for seed in common] for who in (ours, best))
            against = [
                *(p for p in pairs if p.theirs == best),
                *_junction_pairs(mine, rival, ours, best, common),
            ]
            compared = len(against)
            losses = [pair for pair in against if pair.verdict == Verdict.WORSE.value]
    every = [score for runs in scores.values() for score in runs]
    return Summary(
        city=first.city,
        case_digest=first.digests.get("case", ""),
        calibration=first.calibration,
        sensing=_sensing(scores, ours),
        scale=first.scale,
        sumo_version=first.sumo_version,
        seeds=common,
        arms=tuple(_arm(arm, runs) for arm, runs in scores.items() if runs),
        ours=ours,
        best_other=best,
        pairs=tuple(pairs),
        losses=tuple(losses),
        compared=compared,
        failures=tuple(failures),
        warnings=tuple(f"{s.arm}, seed {s.seed}: {text}" for s in every for text in s.warnings),
    )


def _check(scores: Mapping[str, Sequence[RunScore]]) -> RunScore:
    every = [score for runs in scores.values() for score in runs]
    if not every:
        raise StoreError("No run of any arm gave a score, so there is nothing to compare; see the failures above")
    first = every[0]
    for score in every:
        for name in ("city", "scale", "begin_s", "end_s", "sumo_version"):
            if getattr(score, name) != getattr(first, name):
                raise StoreError(
                    f"runs of different {name} cannot be compared: "
                    f"{getattr(first, name)!r} and {getattr(score, name)!r}; report them apart"
                )
        if score.digests.get("case") != first.digests.get("case"):
            raise StoreError(f"runs of {first.city} were made from different files; run them again together")
    return first


def _sensing(scores: Mapping[str, Sequence[RunScore]], ours: str) -> str:
    runs = scores.get(ours) or next(runs for runs in scores.values() if runs)
    return runs[0].sensing


def _arm(arm: str, runs: Sequence[RunScore]) -> ArmSummary:
    measures = {}
    for measure in MEASURES:
        values = [value for score in runs if (value := measure.of(score)) is not None]
        if len(values) == len(runs):
            measures[measure.key] = _estimate(values)
    worst = max(runs, key=lambda score: score.vehicles.delay_s or 0.0)
    kinds = {
        kind: (
            sum(score.safety.kinds[kind].violations for score in runs),
            sum(score.safety.kinds[kind].opportunities for score in runs),
        )
        for kind in runs[0].safety.kinds
    }
    return ArmSummary(
        arm=arm,
        seeds=tuple(score.seed for score in runs),
        measures=measures,
        worst_seed=worst.seed,
        worst_delay_s=worst.vehicles.delay_s,
        unsafe=sum(score.safety.unsafe for score in runs),
        opportunities=sum(score.safety.opportunities for score in runs),
        unsafe_by_kind=kinds,
        longest_red_s=max((s.longest_red_s for s in runs if s.longest_red_s is not None), default=None),
        longest_crossing_red_s=max(
            (s.longest_crossing_red_s for s in runs if s.longest_crossing_red_s is not None), default=None
        ),
        teleports=sum(score.simulator.teleports for score in runs),
        collisions=sum(score.simulator.collisions for score in runs),
        emergency_stops=_sum_known([score.simulator.emergency_stops for score in runs]),
    )


def _sum_known(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _estimate(values: Sequence[float]) -> Estimate:
    found = mean_interval(values)
    interval = found.interval
    return Estimate(mean=found.mean, low=interval.low if interval else None, high=interval.high if interval else None)


def _mean_delay(runs: Sequence[RunScore]) -> float:
    return sum(score.vehicles.delay_s or 0.0 for score in runs) / len(runs)


def _measure_pairs(
    mine: Sequence[RunScore], rival: Sequence[RunScore], ours: str, theirs: str, seeds: Sequence[int]
) -> list[Pair]:
    pairs = []
    for measure in MEASURES:
        a, b = _known(map(measure.of, mine)), _known(map(measure.of, rival))
        if a is not None and b is not None:
            compared = compare_paired(a, b)
            pairs.append(_pair(compared, ours, theirs, measure.key, measure.label, measure.unit, seeds))
    return pairs


def _junction_pairs(
    mine: Sequence[RunScore], rival: Sequence[RunScore], ours: str, theirs: str, seeds: Sequence[int]
) -> list[Pair]:
    pairs = []
    for row, junction in enumerate(mine[0].junctions):
        a = _known(score.junctions[row].delay_veh_h for score in mine)
        b = _known(score.junctions[row].delay_veh_h for score in rival)
        if a is not None and b is not None:
            label = f"Delay at junction {junction.junction}"
            pairs.append(_pair(compare_paired(a, b), ours, theirs, junction.junction, label, "veh h", seeds))
    return pairs


def _known(values: Iterable[float | None]) -> list[float] | None:
    """Return the values, or None where any of them is missing."""
    found = list(values)
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def _pair(compared: Comparison, ours: str, theirs: str, key: str, label: str, unit: str, seeds: Sequence[int]) -> Pair:
    between, gain = compared.difference.interval, compared.gain_interval
    return Pair(
        ours=ours,
        theirs=theirs,
        measure=key,
        label=label,
        unit=unit,
        ours_mean=compared.ours,
        theirs_mean=compared.theirs,
        difference=Estimate(
            mean=compared.difference.mean,
            low=between.low if between else None,
            high=between.high if between else None,
        ),
        gain_frac=compared.gain_frac,
        gain_low=gain.low if gain else None,
        gain_high=gain.high if gain else None,
        worst_seed=seeds[compared.worst],
        verdict=compared.verdict.value,
        words=verdict_words(compared, ours, theirs, unit),
    )
