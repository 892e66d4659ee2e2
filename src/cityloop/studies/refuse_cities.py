"""Drawn cities: the brain against rounds, frequencies and thresholds at equal overflows, and against perfect demand.

Every policy is run at several settings of its dial, a threshold too. Two are compared at one rate of overflows, their
kilometres read between the settings. A rival that overflows less at its loosest setting is met there; one that cannot
be brought down to a rate in a city is not compared. The best rival of a city is the one that drives least at that rate.
Thresholds of 60 and 80 % are met at their own rates too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cityloop.cities.bins.generate import CitySpec
from cityloop.domains.refuse.measure import score
from cityloop.methods.statistics import compare_paired
from cityloop.studies.refuse_simulate import Policy
from cityloop.studies.refuse_year import HISTORY_DAYS, drawn_city, faulty, km_at, run_city

__all__ = ["DIALS", "command", "summarise"]

DIALS: Mapping[str, tuple[float, ...]] = {
    "brain": (2_500.0, 7_000.0, 15_000.0, 30_000.0),
    "perfect": (1_000.0, 3_000.0, 8_000.0),
    "frequencies": (0.001, 0.01, 0.05, 0.2),
    "fixed": (0.02, 0.1, 0.2),
    "threshold": (0.3, 0.4, 0.5, 0.6, 0.8),
}
RATES = (2.0, 4.0, 12.0)
"""Overflowing container-days per thousand at which policies are compared: 99.8, 99.6 and 98.8 % service."""
RIVALS = ("fixed", "frequencies", "threshold")
NAMED_FILLS = (0.6, 0.8)
FAULTY_DIAL = 30_000.0

Curve = list[tuple[float, float]]


def _run(seed: int, days: int, containers: int, containers_faulty: float) -> dict[str, Any]:
    bench = drawn_city(CitySpec(days=HISTORY_DAYS + days, containers=containers), seed)
    wanted = [Policy(name, dial) for name, dials in DIALS.items() for dial in dials]
    row: dict[str, Any] = {"seed": seed, "containers": containers, "points": {}}
    for policy, records in run_city(bench, wanted).items():
        card = score(records)
        row["points"].setdefault(policy.name, []).append([policy.dial, card.overflows_per_1000, card.km, card.stops])
    if containers_faulty > 0:
        broken = run_city(faulty(bench, containers_faulty, seed), [Policy("brain", FAULTY_DIAL)])
        (records,) = broken.values()
        row["faulty"] = asdict(score(records))
    return row


def _curve(row: Mapping[str, Any], name: str) -> Curve:
    return [(p[1], p[2]) for p in row["points"][name]]


def _km_within(curve: Curve, rate: float) -> float | None:
    """Return the kilometres of a rival at a rate; those of its loosest setting where that overflows less."""
    return min(km for _, km in curve) if max(at for at, _ in curve) < rate else km_at(curve, rate)


def _best_rival(row: Mapping[str, Any], rate: float) -> float | None:
    """Return the kilometres of the rival that drives least at a rate; None where none reaches it."""
    reached = [km for km in (_km_within(_curve(row, rival), rate) for rival in RIVALS) if km is not None]
    return min(reached, default=None)


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare the brain with rivals, the best of them and perfect demand at equal overflows, paired over the cities."""
    out: dict[str, Any] = {"cities": len(rows)}
    for rate in RATES:
        ours = [km_at(_curve(row, "brain"), rate) for row in rows]
        for rival in (*RIVALS, "perfect"):
            # Of the planner told the truth a loosest setting is no favour: it is compared between its settings only.
            read = km_at if rival == "perfect" else _km_within
            theirs = [read(_curve(row, rival), rate) for row in rows]
            out[f"{rival} at {rate:g}"] = _compared(list(zip(ours, theirs, strict=True)))
        best = [_best_rival(row, rate) for row in rows]
        out[f"best rival at {rate:g}"] = _compared(list(zip(ours, best, strict=True)))
    for fill in NAMED_FILLS:
        own = [next(p for p in row["points"]["threshold"] if p[0] == fill) for row in rows]
        pairs = [(km_at(_curve(row, "brain"), point[1]), point[2]) for row, point in zip(rows, own, strict=True)]
        out[f"threshold {fill:g} at its own rate"] = {
            **_compared(pairs),
            "rates": [round(point[1], 1) for point in own],
        }
    if all("faulty" in r for r in rows):
        whole = [next(p[1] for p in r["points"]["brain"] if p[0] == FAULTY_DIAL) for r in rows]
        broken = [r["faulty"]["overflows_per_1000"] for r in rows]
        out["15 % faulty"] = {
            "overflows_per_1000": sum(whole) / len(whole),
            "with_faults": sum(broken) / len(broken),
            "by_city": [[round(a, 2), round(b, 2)] for a, b in zip(whole, broken, strict=True)],
        }
    return out


def _compared(pairs: Sequence[tuple[float | None, float | None]]) -> dict[str, Any]:
    """Compare kilometres where both are known."""
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not both:
        return {"cities": 0}
    result = compare_paired([a for a, _ in both], [b for _, b in both])
    bounds = result.gain_interval
    return {
        "cities": len(both),
        "ours_km": result.ours,
        "theirs_km": result.theirs,
        "less_frac": result.gain_frac,
        "interval": None if bounds is None else [bounds.low, bounds.high],
        "by_city": [1.0 - a / b for a, b in both],
    }


@click.command()
@click.option("--seeds", default="1-10", show_default=True, help="First and last seed of the cities.")
@click.option("--days", default=60, show_default=True, help="Days after two months of history.")
@click.option("--containers", type=click.IntRange(min=2), default=300, show_default=True, help="In each city.")
@click.option("--faulty", "share", default=0.15, show_default=True, help="Share of sensors that fail in a second run.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A line a city; continued.")
def command(seeds: str, days: int, containers: int, share: float, out: Path) -> None:
    """Compare policies over drawn cities at equal overflows."""
    first, _, last = seeds.partition("-")
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []
    done = {row["seed"] for row in rows}
    for seed in range(int(first), int(last or first) + 1):
        if seed in done:
            continue
        rows.append(_run(seed, days, containers, share))
        with out.open("a") as lines:
            lines.write(json.dumps(rows[-1]) + "\n")
    click.echo(json.dumps(summarise(rows), indent=1))


if __name__ == "__main__":
    command()
