"""Drawn cities: the brain against rounds, frequencies and thresholds at equal overflows, and against perfect demand.

Policies with a dial are run at several settings; their kilometres are then read at the overflow rate of the rival,
between the settings. A rival that cannot be brought to a rate is not compared there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cityloop.domains.refuse.measure import score
from cityloop.methods.statistics import compare_paired
from cityloop.studies.refuse_simulate import Policy
from cityloop.studies.refuse_year import faulty, km_at, open_city, run_city

__all__ = ["DIALS", "command", "summarise"]

DIALS: Mapping[str, tuple[float, ...]] = {
    "brain": (400.0, 1_500.0, 6_000.0, 25_000.0),
    "perfect": (300.0, 6_000.0),
    "frequencies": (0.0001, 0.001, 0.01, 0.05),
    "fixed": (0.001, 0.02, 0.1),
    "threshold": (0.6, 0.8),
}
SERVICE = 4.0
"""Overflowing container-days per thousand at which policies with a dial are compared: 99.6 % service."""


def _run(seed: int, days: int, containers_faulty: float) -> dict[str, Any]:
    bench = open_city(f"drawn:{seed}", days, seed)
    wanted = [Policy(name, dial) for name, dials in DIALS.items() for dial in dials]
    row: dict[str, Any] = {"seed": seed, "points": {}}
    for policy, records in run_city(bench, wanted).items():
        card = score(records)
        row["points"].setdefault(policy.name, []).append([policy.dial, card.overflows_per_1000, card.km, card.stops])
    if containers_faulty > 0:
        broken = run_city(faulty(bench, containers_faulty, seed), [Policy("brain", 25_000.0)])
        (records,) = broken.values()
        row["faulty"] = asdict(score(records))
    return row


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare the brain with each rival at equal overflows, paired over the cities."""
    out: dict[str, Any] = {"cities": len(rows)}

    def curve(row: Mapping[str, Any], name: str) -> list[tuple[float, float]]:
        return [(p[1], p[2]) for p in row["points"][name]]

    for rival in ("fixed", "frequencies"):
        pairs = []
        for row in rows:
            theirs = curve(row, rival)
            # A rival whose loosest setting still overflows less is met at its own rate.
            rate = min(SERVICE, max(p[0] for p in theirs))
            pairs.append((km_at(curve(row, "brain"), rate), km_at(theirs, rate)))
        out[f"{rival} at {SERVICE:g}"] = _compared(pairs)
    for k, fill in enumerate(DIALS["threshold"]):
        pairs = []
        for row in rows:
            rate, km = row["points"]["threshold"][k][1:3]
            ours = curve(row, "brain")
            # Beyond the loosest setting the brain is taken there: it overflows less and may drive more.
            pairs.append((km_at(ours, min(rate, max(p[0] for p in ours))), km))
        out[f"threshold {fill:g} at its own rate or less"] = _compared(pairs)
    # Told the truth, the planner overflows hardly at all: its cheapest setting within the service is the bound.
    pairs = []
    for row in rows:
        within = [p[1] for p in curve(row, "perfect") if p[0] <= SERVICE]
        pairs.append((km_at(curve(row, "brain"), SERVICE), min(within) if within else None))
    out["perfect demand"] = _compared(pairs)
    if all("faulty" in r for r in rows):
        whole = [next(p[1] for p in r["points"]["brain"] if p[0] == 25_000.0) for r in rows]
        broken = [r["faulty"]["overflows_per_1000"] for r in rows]
        out["15 % faulty"] = {
            "overflows_per_1000": sum(whole) / len(whole),
            "with_faults": sum(broken) / len(broken),
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
@click.option("--faulty", "share", default=0.15, show_default=True, help="Share of sensors that fail in a second run.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A line a city; continued.")
def command(seeds: str, days: int, share: float, out: Path) -> None:
    """Compare policies over drawn cities at equal overflows."""
    first, _, last = seeds.partition("-")
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []
    done = {row["seed"] for row in rows}
    for seed in range(int(first), int(last or first) + 1):
        if seed in done:
            continue
        rows.append(_run(seed, days, share))
        with out.open("a") as lines:
            lines.write(json.dumps(rows[-1]) + "\n")
    click.echo(json.dumps(summarise(rows), indent=1))


if __name__ == "__main__":
    command()
