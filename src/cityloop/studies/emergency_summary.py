"""The scorecard of an emergency bench: means over seeds, paired intervals, the worst seed, and what the gain cost."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from cityloop.cities.events.corridors import Equipped
from cityloop.kernel.columns import F64
from cityloop.kernel.errors import StoreError
from cityloop.methods.statistics import Comparison, compare_paired, mean_interval, verdict_words
from cityloop.studies.emergency_eta import EtaFigures, eta_figures, eta_lines

if TYPE_CHECKING:
    from cityloop.studies.emergency_bench import EmergencySpec, Run
    from cityloop.studies.emergency_world import World

__all__ = ["ArmSummary", "CitySummary", "summarise", "summary_lines", "write_summaries"]

LEAST_CALLS = 20
"""Districts with fewer calls of high priority over all seeds are left out of the deciles."""


@dataclasses.dataclass(frozen=True, slots=True)
class ArmSummary:
    """One arm over all seeds, means unless said otherwise."""

    arm: str
    high_mean_min: float
    high_mean_interval_min: tuple[float, float] | None
    high_median_min: float
    high_p90_min: float
    high_p90_worst_seed_min: float
    worst_seed: int
    low_mean_min: float
    low_p90_min: float
    unserved: int
    by_priority: dict[int, dict[str, float]]
    phases: dict[str, float]
    norms: dict[str, float]
    offload_over_15_30_60: tuple[float, float, float]
    worst_district_decile_min: float
    moves_per_day: float
    repositioned_km_per_day: float
    late_finish_share: float
    breaks_missed: int
    breaks_taken: int
    diversions_per_100_calls: float
    swaps_per_100_calls: float
    kerb_h_per_day: float
    kerb_longest_min: float
    cpu_s_per_day: float
    log_bytes: int
    speed_factor: float
    """Greatest factor by which a road is driven faster than its own time; 1 without corridors and travel noise."""
    corridors: dict[str, float] | None
    eta: EtaFigures


@dataclasses.dataclass(frozen=True, slots=True)
class CitySummary:
    """All arms of a city."""

    city: str
    seeds: tuple[int, ...]
    days: float
    demand: float
    turnout_s: tuple[float, float]
    travel_noise: float
    turnout_noise: float
    corridor_saving_s: float | None
    nodes: int
    units: int
    ready_cpu_s: float
    label_mb: float
    reference_high_mean_min: float
    reference_high_p90_min: float
    arms: tuple[ArmSummary, ...]
    pairs: dict[str, dict[str, Any]]
    """By ``ours against theirs`` and measure."""
    share_of_reachable: dict[str, float]
    """(as-is - arm) / (as-is - reference) of the mean of high priority."""
    runs: tuple[dict[str, Any], ...]


def summarise(
    city: str,
    world: World,
    spec: EmergencySpec,
    runs: Sequence[Run],
    reference: Mapping[int, F64],
    equipped: Mapping[str, Equipped],
    ready_cpu_s: float,
) -> CitySummary:
    """Gather a city's runs."""
    by_arm = {name: [run for run in runs if run.arm == name] for name in spec.arms}
    arms = tuple(_arm(name, by_arm[name], spec.days, equipped.get(name)) for name in spec.arms)
    means = {arm.arm: arm.high_mean_min for arm in arms}
    bound = float(np.mean([minutes.mean() for minutes in reference.values()]))
    reachable = {}
    if "as-is" in means:
        room = means["as-is"] - bound
        reachable = {name: (means["as-is"] - mean) / room for name, mean in means.items() if name != "as-is"}
    ours = [name for name in spec.arms if name.startswith("brain")]
    pairs = {
        f"{one} against {other}": _pair(by_arm[one], by_arm[other])
        for one in ours
        for other in spec.arms
        if one != other and (not other.startswith("brain") or one == "brain")
    }
    return CitySummary(
        city=city,
        seeds=spec.seeds,
        days=spec.days,
        demand=spec.demand,
        turnout_s=spec.turnout_s,
        travel_noise=spec.travel_noise,
        turnout_noise=spec.turnout_noise,
        corridor_saving_s=spec.corridor_saving_s,
        nodes=len(world.case.roads.graph.x_m),
        units=len(world.case.unit_name),
        ready_cpu_s=ready_cpu_s,
        label_mb=(world.times.siren.size_bytes + world.times.ordinary.size_bytes) / 1e6,
        reference_high_mean_min=bound,
        reference_high_p90_min=float(np.mean([np.percentile(minutes, 90) for minutes in reference.values()])),
        arms=arms,
        pairs=pairs,
        share_of_reachable=reachable,
        runs=tuple(_row(run) for run in runs),
    )


def _arm(name: str, runs: Sequence[Run], days: float, made: Equipped | None) -> ArmSummary:
    def mean(values: Sequence[float]) -> float:
        return math.fsum(values) / len(values)

    high = mean_interval([run.high.mean_min for run in runs])
    worst = max(runs, key=lambda run: run.high.p90_min)
    calls = sum(run.high.calls + run.low.calls for run in runs)
    priorities = sorted({p for run in runs for p in run.by_priority})
    per_priority = {
        p: {
            key: mean([getattr(run.by_priority[p], key) for run in runs if p in run.by_priority])
            for key in ("calls", "mean_min", "median_min", "p90_min", "longest_min")
        }
        for p in priorities
    }
    days_in_all = days * len(runs)
    return ArmSummary(
        arm=name,
        high_mean_min=high.mean,
        high_mean_interval_min=None if high.interval is None else (high.interval.low, high.interval.high),
        high_median_min=mean([run.high.median_min for run in runs]),
        high_p90_min=mean([run.high.p90_min for run in runs]),
        high_p90_worst_seed_min=worst.high.p90_min,
        worst_seed=worst.seed,
        low_mean_min=mean([run.low.mean_min for run in runs]),
        low_p90_min=mean([run.low.p90_min for run in runs]),
        unserved=sum(run.high.unserved + run.low.unserved for run in runs),
        by_priority=per_priority,
        phases=_means([dataclasses.asdict(run.phases) for run in runs]),
        norms=_means([dataclasses.asdict(run.norms) for run in runs]),
        offload_over_15_30_60=(
            mean([run.offload[0] for run in runs]),
            mean([run.offload[1] for run in runs]),
            mean([run.offload[2] for run in runs]),
        ),
        worst_district_decile_min=_worst_decile(runs),
        moves_per_day=sum(run.moves for run in runs) / days_in_all,
        repositioned_km_per_day=sum(run.repositioned_km for run in runs) / days_in_all,
        late_finish_share=sum(run.late_finishes for run in runs) / max(sum(run.shifts for run in runs), 1),
        breaks_missed=sum(run.breaks_missed for run in runs),
        breaks_taken=sum(run.breaks_taken for run in runs),
        diversions_per_100_calls=100.0 * sum(run.diversions for run in runs) / calls,
        swaps_per_100_calls=100.0 * sum(run.swaps for run in runs) / calls,
        kerb_h_per_day=sum(run.kerb_h for run in runs) / days_in_all,
        kerb_longest_min=max(run.kerb_longest_min for run in runs),
        cpu_s_per_day=mean([run.cpu_s_per_day for run in runs]),
        log_bytes=sum(run.log_bytes for run in runs),
        speed_factor=(1.0 if made is None else made.speed_factor) * max(run.fastest for run in runs),
        corridors=None if made is None else {"junctions": made.junctions, "equipped": made.equipped},
        eta=eta_figures(np.concatenate([run.etas for run in runs]), sum(run.etas_taken_off for run in runs)),
    )


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _worst_decile(runs: Sequence[Run]) -> float:
    """Return the mean response over the tenth of districts that wait longest, all seeds together. [min]"""
    size = max(len(run.district_sum) for run in runs)
    total, count = np.zeros(size), np.zeros(size)
    for run in runs:
        total[: len(run.district_sum)] += run.district_sum
        count[: len(run.district_calls)] += run.district_calls
    kept = count >= min(LEAST_CALLS, count.max())
    means = np.sort(total[kept] / count[kept])[::-1]
    return float(means[: max(1, len(means) // 10)].mean())


def _pair(ours: Sequence[Run], theirs: Sequence[Run]) -> dict[str, Any]:
    measures = {
        "high mean": [(a.high.mean_min, b.high.mean_min) for a, b in zip(ours, theirs, strict=True)],
        "high p90": [(a.high.p90_min, b.high.p90_min) for a, b in zip(ours, theirs, strict=True)],
    }
    if all(run.low.calls > run.low.unserved for run in (*ours, *theirs)):
        measures["low p90"] = [(a.low.p90_min, b.low.p90_min) for a, b in zip(ours, theirs, strict=True)]
    found = {}
    for name, values in measures.items():
        comparison = compare_paired([a for a, _ in values], [b for _, b in values])
        found[name] = {**_told(comparison), "worst_seed": ours[comparison.worst].seed} | {
            "words": verdict_words(comparison, ours[0].arm, theirs[0].arm, "min")
        }
    return found


def _told(comparison: Comparison) -> dict[str, Any]:
    gain = comparison.gain_interval
    return {
        "n": comparison.n,
        "ours": comparison.ours,
        "theirs": comparison.theirs,
        "gain": comparison.gain_frac,
        "gain_interval": None if gain is None else (gain.low, gain.high),
        "verdict": comparison.verdict.value,
    }


def _row(run: Run) -> dict[str, Any]:
    row = dataclasses.asdict(run)
    del row["district_sum"], row["district_calls"], row["etas"]
    return row


def summary_lines(summary: CitySummary) -> list[str]:
    """Return the scorecard as lines for a terminal."""
    told = (
        f"{summary.city}: {len(summary.seeds)} seeds of {summary.days:g} days, {summary.units} units, simulated. "
        f"Reference: {summary.reference_high_mean_min:.2f} min, p90 {summary.reference_high_p90_min:.2f}."
    )
    heading = (
        f"  {'policy':<18}{'high':>7}{'median':>8}{'p90':>7}{'worst':>7}{'low p90':>9}{'decile':>8}{'moves':>7}"
        f"{'km/day':>8}{'late':>7}{'missed':>8}{'divert':>8}{'swaps':>7}{'CPU s':>7}{'factor':>8}"
    )
    lines = [told, heading, *(_line(arm) for arm in summary.arms)]
    for name, share in summary.share_of_reachable.items():
        if name.startswith("brain"):
            lines.append(f"  {name}: {share:.2f} of what lies between as-is and the reference")
    for pair in summary.pairs.values():
        lines.extend(f"  {measure}: {found['words']}" for measure, found in pair.items())
    if summary.travel_noise or summary.turnout_noise:
        for arm in summary.arms:
            lines.extend(eta_lines(arm.arm, arm.eta))
    else:
        lines.append("  Drives and turnouts take what is expected: bands mean nothing without --travel-noise.")
    return lines


def _line(arm: ArmSummary) -> str:
    return (
        f"  {arm.arm:<18}{arm.high_mean_min:>7.2f}{arm.high_median_min:>8.2f}{arm.high_p90_min:>7.2f}"
        f"{arm.high_p90_worst_seed_min:>7.2f}{arm.low_p90_min:>9.2f}{arm.worst_district_decile_min:>8.2f}"
        f"{arm.moves_per_day:>7.0f}{arm.repositioned_km_per_day:>8.0f}{100 * arm.late_finish_share:>6.0f}%"
        f"{arm.breaks_missed:>8}{arm.diversions_per_100_calls:>8.1f}{arm.swaps_per_100_calls:>7.1f}"
        f"{arm.cpu_s_per_day:>7.2f}{arm.speed_factor:>8.2f}"
    )


def write_summaries(path: Path, summaries: Sequence[CitySummary]) -> None:
    """Write the results file."""
    content = orjson.dumps(
        {"cities": [dataclasses.asdict(summary) for summary in summaries]},
        option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS,
    )
    try:
        path.write_bytes(content + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}).") from error
