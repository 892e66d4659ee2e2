"""Amsterdam's eighteen months: the recorded visits against the brain, before and after March 2020."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from cityloop.domains.refuse.measure import DayRecord, score
from cityloop.studies.refuse_amsterdam import REPLAY, recorded_order_km, replay_city
from cityloop.studies.refuse_simulate import FLEET, gather_history, run_policy
from cityloop.studies.refuse_year import parse_policy

__all__ = ["command", "compared"]

_MARCH = 60
"""Days from 1 January to 1 March 2020."""


def compared(theirs: Sequence[DayRecord], ours: Sequence[DayRecord]) -> dict[str, Any]:
    """Compare the days that both have, before and after 1 March 2020."""
    common = {r.day for r in theirs} & {r.day for r in ours}
    out: dict[str, Any] = {}
    for name, first, last in (("before", 0, _MARCH), ("after", _MARCH, 10_000), ("all", 0, 10_000)):
        window = [d for d in common if first <= d < last]
        if not window:
            continue
        a = score([r for r in ours if r.day in window])
        b = score([r for r in theirs if r.day in window])
        between = (a.km - a.haul_km, b.km - b.haul_km)
        out[name] = {
            "days": len(window),
            "km_less_frac": 1.0 - a.km / b.km,
            "km_between_stops_less_frac": 1.0 - between[0] / between[1],
            "stops_less_frac": 1.0 - a.stops / b.stops,
            "overflows_per_1000": [a.overflows_per_1000, b.overflows_per_1000],
            "ours": asdict(a),
            "theirs": asdict(b),
        }
    return out


def _load(path: Path) -> list[DayRecord]:
    return [DayRecord(**json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--policy", "policies", multiple=True, default=("recorded", "brain:500"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for one line a day and policy.")
@click.option("--days", default=600, show_default=True, help="Stop after so many days of the records.")
@click.option("--density", default=REPLAY.density_kg_m3, show_default=True, help="Waste as thrown in. [kg/m3]")
@click.option("--payload", default=REPLAY.payload_kg, show_default=True, help="Of a truck. [kg]")
@click.option("--order/--no-order", default=False, help="Also drive the recorded visits in their recorded order.")
def command(
    folder: Path, policies: tuple[str, ...], out: Path, days: int, density: float, payload: float, order: bool
) -> None:
    """Replay FOLDER's weighings under policies, and compare them with the first."""
    replay = replace(REPLAY, density_kg_m3=density, payload_kg=payload)
    out.mkdir(parents=True, exist_ok=True)
    city, practice = replay_city(folder, replay, seed=1)
    city = replace(city, deposit=city.deposit[:, :days])
    history = gather_history(city, practice, replay.history_days)
    fleet = replace(FLEET, payload_kg=payload)
    paths = [out / f"{text.replace(':', '-')}.jsonl" for text in policies]
    for text, path in zip(policies, paths, strict=True):
        with path.open("w") as lines:

            def keep(record: DayRecord) -> None:
                lines.write(json.dumps(asdict(record)) + "\n")  # called within this turn of the loop
                lines.flush()

            run_policy(city, history, parse_policy(text), recorded=practice, fleet=fleet, keep=keep)
    theirs = _load(paths[0])
    result = {text: compared(theirs, _load(path)) for text, path in zip(policies[1:], paths[1:], strict=True)}
    if order:
        km = recorded_order_km(folder, replay, replay.history_days)
        result["recorded order"] = {"km": sum(km)}
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    command()
