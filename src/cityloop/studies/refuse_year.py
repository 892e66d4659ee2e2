"""Policies against rivals over many days of a city: ``cityloop bench refuse --city``.

A city is drawn (``drawn:SEED``, or a folder with a ``refuse.toml``) or replayed from recorded weighings (a folder
that holds them). All policies start from the same history and are driven by the same router.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cityloop.cities.bins.city import BinCity
from cityloop.cities.bins.generate import CitySpec, generate, with_faults
from cityloop.domains.refuse.decide import frequencies
from cityloop.domains.refuse.measure import DayRecord, Scorecard, score
from cityloop.kernel.columns import I64
from cityloop.kernel.errors import ConfigError
from cityloop.studies.refuse_amsterdam import REPLAY, replay_city
from cityloop.studies.refuse_records import AMSTERDAM_WEIGHINGS
from cityloop.studies.refuse_simulate import FLEET, Policy, gather_history, run_policy

__all__ = [
    "HISTORY_DAYS",
    "Bench",
    "bench_city",
    "drawn_city",
    "faulty",
    "km_at",
    "open_city",
    "parse_policy",
    "run_city",
]

HISTORY_DAYS = 60
_SPEC = "refuse.toml"
_DIALS = {"brain": 20_000.0, "perfect": 20_000.0, "fixed": 0.01, "frequencies": 0.001, "recorded": 0.0}
_ALIASES = {"risk": "brain", "threshold-60": "threshold:0.6", "threshold-80": "threshold:0.8"}


@dataclass(frozen=True, slots=True)
class Bench:
    """A city ready to be run: with its practice so far, and recorded days where there are any."""

    city: BinCity
    practice: tuple[I64, ...]
    history_days: int
    recorded: tuple[I64, ...] | None
    fleet_payload_kg: float


def parse_policy(text: str) -> Policy:
    """Read a policy as ``NAME`` or ``NAME:DIAL``."""
    name, _, dial = _ALIASES.get(text.strip(), text.strip()).partition(":")
    if name not in _DIALS and name != "threshold":
        known = ", ".join([*_DIALS, "threshold-60", "threshold-80"])
        raise ConfigError(f"policy {text!r}: there is none of that name; choose among {known}, with :DIAL if wanted.")
    try:
        value = float(dial) if dial else _DIALS.get(name, 0.8)
    except ValueError:
        raise ConfigError(f"policy {text!r}: {dial!r} is no number; write {name}:NUMBER.") from None
    if not value >= 0.0:
        raise ConfigError(f"policy {text!r}: the dial is {value:g}, must not be negative.")
    return Policy(name, value)


def open_city(where: Path | str, days: int, seed: int) -> Bench:
    """Open a drawn or recorded city for so many days after its history."""
    text = str(where)
    if text.startswith("drawn"):
        _, _, number = text.partition(":")
        if number and not number.isdigit():
            raise ConfigError(f"city {text!r}: {number!r} is no seed; write drawn:NUMBER.")
        return drawn_city(CitySpec(days=HISTORY_DAYS + days), int(number or seed))
    folder = Path(where)
    if (folder / AMSTERDAM_WEIGHINGS).is_file():
        city, practice = replay_city(folder, REPLAY, seed)
        stop = min(city.days, REPLAY.history_days + days)
        return Bench(_cut(city, stop), practice[:stop], REPLAY.history_days, practice[:stop], REPLAY.payload_kg)
    if not (folder / _SPEC).is_file():
        raise ConfigError(f"{folder}: holds neither {_SPEC} nor {AMSTERDAM_WEIGHINGS}; or name a city drawn:SEED.")
    try:
        given: dict[str, Any] = tomllib.loads((folder / _SPEC).read_text())
        drawn = int(given.pop("seed", seed))
        spec = msgspec.convert({**given, "days": HISTORY_DAYS + days}, CitySpec)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError, TypeError) as error:
        raise ConfigError(f"{folder / _SPEC}: {error}") from error
    return drawn_city(spec, drawn)


def drawn_city(spec: CitySpec, seed: int) -> Bench:
    """Draw a city whose first two months are its history, all containers emptied as if they filled in four days."""
    city = generate(spec, seed)
    n = len(city)
    book = frequencies.fit_patterns(np.full(n, 0.25), np.full(n, 0.1), np.ones(7), 0.05, city.distance_m[2:, 2:])
    practice = tuple(frequencies.due(book, day % 14) for day in range(HISTORY_DAYS))
    return Bench(city, practice, HISTORY_DAYS, None, FLEET.payload_kg)


def _cut(city: BinCity, days: int) -> BinCity:
    return replace(city, deposit=city.deposit[:, :days])


def run_city(
    bench: Bench, policies: Sequence[Policy], announce: Callable[[str], None] | None = None
) -> dict[Policy, list[DayRecord]]:
    """Run every policy over the same days of the same city."""
    history = gather_history(bench.city, bench.practice, bench.history_days)
    fleet = replace(FLEET, payload_kg=bench.fleet_payload_kg)
    return {
        policy: run_policy(bench.city, history, policy, recorded=bench.recorded, fleet=fleet, announce=announce)
        for policy in policies
    }


def km_at(points: Sequence[tuple[float, float]], overflow: float) -> float | None:
    """Return the kilometres at which a policy with a dial would have a given overflow rate; None beyond its dial.

    Parameters
    ----------
    points
        Overflow rate and kilometres at some settings of the dial; interpolated over the logarithm of the rate.
    """
    ordered = sorted(points)
    rate = np.log(np.maximum([p[0] for p in ordered], 1e-3))
    km = np.minimum.accumulate([p[1] for p in ordered])
    if len(ordered) < 2 or not rate[0] <= np.log(max(overflow, 1e-3)) <= rate[-1]:
        return None
    return float(np.interp(np.log(max(overflow, 1e-3)), rate, km))


def bench_city(
    where: Path | str,
    *,
    days: int,
    policies: Sequence[str],
    seed: int,
    json_out: Path | None,
    log_out: Path | None,
) -> dict[str, Any]:
    """Run policies over a city; write the figures and, if wanted, what was done on every day.

    The first policy is compared with each of the others.
    """
    wanted = [parse_policy(text) for text in policies]
    bench = open_city(where, days, seed)
    results = run_city(bench, wanted, lambda text: print(text, file=sys.stderr))
    cards: dict[str, Scorecard] = {text: score(results[p]) for text, p in zip(policies, wanted, strict=True)}
    figures: dict[str, Any] = {
        "city": bench.city.name,
        "containers": len(bench.city),
        "days": bench.city.days - bench.history_days,
        "history_days": bench.history_days,
        "payload_kg": bench.fleet_payload_kg,
        "policies": {text: asdict(card) for text, card in cards.items()},
    }
    ours = cards[policies[0]]
    figures["compared"] = {
        text: {
            "km_less_frac": 1.0 - ours.km / card.km if card.km else None,
            "stops_less_frac": 1.0 - ours.stops / card.stops if card.stops else None,
            "overflows_per_1000_more": ours.overflows_per_1000 - card.overflows_per_1000,
        }
        for text, card in cards.items()
        if text != policies[0]
    }
    if log_out is not None:
        named = zip(policies, wanted, strict=True)
        lines = [json.dumps({"policy": text, **asdict(record)}) for text, p in named for record in results[p]]
        log_out.write_text("\n".join(lines) + "\n")
    if json_out is not None:
        json_out.write_text(json.dumps(figures, indent=1) + "\n")
    for text, card in cards.items():
        print(
            f"{text}: {card.km:.0f} km, {card.stops} stops, {card.trips} loads, fill {card.fill_at_stop:.2f}, "
            f"{card.overflows_per_1000:.2f} overflows per 1,000 container-days, {card.co2_kg / 1000:.1f} t CO2"
        )
    return figures


def faulty(bench: Bench, share: float, seed: int) -> Bench:
    """Return the bench with a share of its sensors dead, stuck or lying from its first fortnight on."""
    return replace(bench, city=with_faults(bench.city, share, seed, bench.history_days))
