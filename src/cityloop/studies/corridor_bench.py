"""Green corridors in the twin: what they save an emergency trip, and what everybody else pays.

Each seed's trips are the same in every arm: blue light alone, blue light with corridors, and a lone run on a free road
with signals off. The brain controls the signals in the first two.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cityloop.cities.sumo.folder import resolve_city
from cityloop.kernel.errors import ConfigError
from cityloop.methods.statistics import compare_paired, mean_interval
from cityloop.studies.corridor_run import ARMS, CorridorRun, run_arm

__all__ = ["CorridorSpec", "CorridorSummary", "bench_corridors", "summarise", "summary_lines"]

_NOTES = (
    (
        "Simulated. Blue light is modelled by the vehicle's type (past a red light at 20 km/h once that is free, a "
        "fifth above the limit) and by others moving aside within their lane, not by SUMO's bluelight device, which "
        "crashes on ingolstadt7."
    ),
    "In the lone run nobody else is on the road and every light is green; its time is the least that a trip can take.",
    "Who waits on a street of one lane cannot be passed in the simulation, as nobody drives on the opposite lane.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorridorSpec:
    """What is measured."""

    cities: tuple[str, ...]
    rates_per_h: tuple[float, ...] = (4.0, 30.0)
    seeds: tuple[int, ...] = (1,)
    out: Path
    """Folder for the runs; results of finished ones are kept there and not made again."""
    begin_s: float | None = None
    """After the configuration's begin."""
    end_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        for rate in self.rates_per_h:
            if not 0 < rate <= 120:
                raise ConfigError(f"rate: {rate:g} trips an hour; give more than 0, at most 120")


class CorridorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One city at one rate of trips, over its seeds."""

    city: str
    rate_per_h: float
    seeds: tuple[int, ...]
    trips: int
    signals: int
    blue_light_s: float
    """Mean time of a trip. [s]"""
    corridors_s: float
    lone_s: float
    removed_frac: float
    """Share of the time between blue light alone and the lone run that corridors remove."""
    removed_low: float | None
    removed_high: float | None
    """Over seeds, 95 %; None for one seed."""
    saved_per_signal_s: float
    saved_low: float | None
    saved_high: float | None
    others_mean_s: tuple[float, float]
    """Mean delay of others near trips: without and with corridors. [s]"""
    others_change_frac: float
    others_change_low: float | None
    others_change_high: float | None
    others_p95_s: tuple[float, float]
    others_most_s: tuple[float, float]
    people_mean_s: tuple[float, float] | None
    """The same of people who walk; None where nobody does."""
    longest_red_s: tuple[float, float]
    gridlocked: tuple[int, int]
    """Runs in which traffic stood for five minutes."""
    unfinished: tuple[int, int]
    unit_collisions: tuple[int, int]
    other_collisions: tuple[int, int]
    unsafe_lamps: tuple[int, int]
    not_arrived: tuple[int, int]
    """Trips that had not arrived at the end; they count up to then."""
    decisions: dict[str, int]


def bench_corridors(spec: CorridorSpec, say: Callable[[str], None]) -> list[CorridorSummary]:
    """Run every arm of every city, rate and seed, and sum up what is complete."""
    spec.out.mkdir(parents=True, exist_ok=True)
    summaries = []
    for city in spec.cities:
        for rate in spec.rates_per_h:
            runs = [{arm: _run(spec, city, arm, rate, seed, say) for arm in ARMS} for seed in spec.seeds]
            summaries.append(summarise(runs))
    return summaries


def _run(spec: CorridorSpec, city: str, arm: str, rate: float, seed: int, say: Callable[[str], None]) -> CorridorRun:
    case = resolve_city(city)
    begin_s = case.begin_s + (spec.begin_s or 0.0)
    end_s = case.end_s if spec.end_s is None else min(case.begin_s + spec.end_s, case.end_s)
    name = f"{case.name}-{arm}-{rate:g}-{seed}-{begin_s:g}-{end_s:g}"
    kept = spec.out / f"{name}.json"
    if kept.is_file():
        return msgspec.json.decode(kept.read_bytes(), type=CorridorRun)
    case = dataclasses.replace(case, begin_s=begin_s, end_s=end_s)
    found = run_arm(case, arm, rate, seed, spec.out / name)
    kept.write_bytes(msgspec.json.encode(found))
    say(f"{name}: {len(found.measures.trip_s)} trips, {found.cpu_s:.0f} s of processor time")
    return found


def summarise(runs: Sequence[Mapping[str, CorridorRun]]) -> CorridorSummary:
    """Sum up the arms of one city and rate, one mapping a seed."""
    blue, led, lone = ([run[arm] for run in runs] for arm in ARMS)
    totals = [[sum(run.measures.trip_s.values()) for run in arm] for arm in (blue, led, lone)]
    signals = [sum(run.measures.signals.values()) for run in blue]
    trips = sum(len(run.measures.trip_s) for run in blue)
    saved = [b - c for b, c in zip(totals[0], totals[1], strict=True)]
    removed = [
        gain / (slow - fast) if slow > fast else math.nan
        for gain, slow, fast in zip(saved, totals[0], totals[2], strict=True)
    ]
    per_signal = mean_interval([s / n for s, n in zip(saved, signals, strict=True)])
    share = mean_interval(removed)
    means = [[_mean(run.measures.delay_s) for run in arm] for arm in (led, blue)]
    others = compare_paired(means[0], means[1])
    change = others.gain_interval
    walkers = [[_mean(run.measures.person_delay_s) for run in arm] for arm in (blue, led)]
    on_foot = any(run.measures.person_delay_s for run in blue)
    pooled = [np.array([d for run in arm for d in run.measures.delay_s.values()] or [0.0]) for arm in (blue, led)]
    counts: dict[str, int] = {}
    for run in led:
        for reason, count in run.decisions.items():
            counts[reason] = counts.get(reason, 0) + count
    return CorridorSummary(
        city=blue[0].city,
        rate_per_h=blue[0].rate_per_h,
        seeds=tuple(run.seed for run in blue),
        trips=trips,
        signals=sum(signals),
        blue_light_s=sum(totals[0]) / trips,
        corridors_s=sum(totals[1]) / trips,
        lone_s=sum(totals[2]) / trips,
        removed_frac=sum(saved) / (sum(totals[0]) - sum(totals[2])),
        removed_low=None if share.interval is None else share.interval.low,
        removed_high=None if share.interval is None else share.interval.high,
        saved_per_signal_s=sum(saved) / sum(signals),
        saved_low=None if per_signal.interval is None else per_signal.interval.low,
        saved_high=None if per_signal.interval is None else per_signal.interval.high,
        others_mean_s=(others.theirs, others.ours),
        others_change_frac=others.ours / others.theirs - 1.0 if others.theirs else 0.0,
        others_change_low=None if change is None else -change.high,
        others_change_high=None if change is None else -change.low,
        others_p95_s=(float(np.percentile(pooled[0], 95)), float(np.percentile(pooled[1], 95))),
        others_most_s=(float(pooled[0].max()), float(pooled[1].max())),
        people_mean_s=(_mean_of(walkers[0]), _mean_of(walkers[1])) if on_foot else None,
        longest_red_s=(max(r.longest_red_s for r in blue), max(r.longest_red_s for r in led)),
        gridlocked=(sum(r.measures.gridlocked for r in blue), sum(r.measures.gridlocked for r in led)),
        unfinished=_both(blue, led, lambda m: m.unfinished),
        unit_collisions=_both(blue, led, lambda m: m.unit_collisions),
        other_collisions=_both(blue, led, lambda m: m.other_collisions),
        unsafe_lamps=(sum(r.unsafe_lamps for r in blue), sum(r.unsafe_lamps for r in led)),
        not_arrived=_both(blue, led, lambda m: len(m.trip_s) - m.arrived),
        decisions=dict(sorted(counts.items())),
    )


def summary_lines(summary: CorridorSummary) -> list[str]:
    """Return a summary as text."""
    s = summary
    removed = f"{s.removed_frac:.2f}{_between(s.removed_low, s.removed_high, '.2f')}"
    saved = f"{s.saved_per_signal_s:.1f} s{_between(s.saved_low, s.saved_high, '.1f')}"
    change = f"{100 * s.others_change_frac:+.1f} %{_between(s.others_change_low, s.others_change_high, '+.1%')}"
    percentile = f"{s.others_p95_s[0]:.0f} to {s.others_p95_s[1]:.0f} s"
    most = f"{s.others_most_s[0]:.0f} to {s.others_most_s[1]:.0f} s"
    lines = [
        f"{s.city}, {s.rate_per_h:g} trips an hour, {len(s.seeds)} seed(s), {s.trips} trips over {s.signals} signals",
        f"  a trip: blue light {s.blue_light_s:.0f} s, with corridors {s.corridors_s:.0f} s, lone {s.lone_s:.0f} s",
        f"  removed {removed} of the time between, {saved} saved a signal",
        f"  others near: mean {s.others_mean_s[0]:.1f} to {s.others_mean_s[1]:.1f} s ({change})",
        f"  others near: 95th percentile {percentile}, most {most}",
    ]
    if s.people_mean_s is not None:
        lines.append(f"  people on foot near: mean {s.people_mean_s[0]:.1f} to {s.people_mean_s[1]:.1f} s")
    pairs = (
        ("longest red", s.longest_red_s),
        ("gridlocked runs", s.gridlocked),
        ("unfinished", s.unfinished),
        ("collisions with a unit", s.unit_collisions),
        ("other collisions", s.other_collisions),
        ("unsafe lamp states", s.unsafe_lamps),
        ("trips not arrived", s.not_arrived),
    )
    lines.append("  without, with corridors: " + "; ".join(f"{what} {a:g}, {b:g}" for what, (a, b) in pairs))
    return lines


def notes() -> tuple[str, ...]:
    """Return what every figure is to be read with."""
    return _NOTES


def _between(low: float | None, high: float | None, form: str) -> str:
    return "" if low is None or high is None else f" ({low:{form}} to {high:{form}})"


def _mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values) if values else 0.0


def _mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _both(blue: Sequence[CorridorRun], led: Sequence[CorridorRun], of: Callable[[Any], int]) -> tuple[int, int]:
    return sum(of(run.measures) for run in blue), sum(of(run.measures) for run in led)
