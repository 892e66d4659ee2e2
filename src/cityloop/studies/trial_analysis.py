"""A field trial's outcome: the metric fixed beforehand, paired by day, judged by a permutation test and an interval.

The test needs no assumption but the coin: under no effect each pair's difference is as likely to have either sign. The
interval is Student's t. Days that were not kept as drawn are left out with their pair and told; nothing else is.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from cityloop.kernel.columns import F64
from cityloop.kernel.errors import InputError
from cityloop.methods.statistics import mean_interval
from cityloop.studies.trial_design import Protocol, digest_of, power_of

__all__ = ["Outcome", "analyse_trial", "permutation_p", "read_outcomes"]

_EXACT_PAIRS = 20
_DRAWS = 100_000


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the trial says."""

    digest: str
    """Of the protocol that it was analysed by."""
    pairs: int
    pairs_planned: int
    left_out: tuple[str, ...]
    on_mean: float | None
    off_mean: float | None
    difference: float | None
    """On less off."""
    low: float | None
    high: float | None
    p: float | None
    bound: float | None
    """What p is held against at this look."""
    look: float
    power_had: float | None
    """For the detectable difference, with the spread that was seen."""
    verdict: str
    harm: tuple[str, ...]
    """Days that were worse than the stop rule allows."""


def read_outcomes(path: Path) -> dict[tuple[str, str], tuple[float, bool | None]]:
    """Read district, day, value and, where it is known, whether it was kept on (1) or off (0)."""
    found: dict[tuple[str, str], tuple[float, bool | None]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not rows.fieldnames or not {"district", "day", "value"} <= set(rows.fieldnames):
                raise InputError(f"{path}, line 1: give the columns district, day, value and, if known, was_on")
            for line, row in enumerate(rows, start=2):
                key = (row["district"].strip(), row["day"].strip())
                if key in found:
                    raise InputError(f"{path}, line {line}: {key[0]} on {key[1]} stands there twice; keep one")
                value = float(row["value"])
                if not math.isfinite(value):
                    raise InputError(f"{path}, line {line}: value {row['value']!r} is no number; leave the row out")
                kept = (row.get("was_on") or "").strip()
                found[key] = (value, {"1": True, "0": False}.get(kept))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {error}; give numbers in the column value") from error
    return found


def analyse_trial(
    protocol: Protocol, digest: str, outcomes: Mapping[tuple[str, str], tuple[float, bool | None]], look: float
) -> Outcome:
    """Judge a trial at one of the looks that its protocol names.

    Raises
    ------
    InputError
        When the protocol is not the one that was fixed, or the look is none of its looks.
    """
    if digest != digest_of(protocol):
        raise InputError(
            f"the protocol's digest is {digest_of(protocol)[:16]}, not {digest[:16]}: it was changed after it was fixed"
        )
    if look not in protocol.stop.looks:
        names = ", ".join(f"{one:g}" for one in protocol.stop.looks)
        raise InputError(f"look {look:g}: the protocol looks at {names} of its pairs and at nothing between")
    differences, on, off, left_out = _pairs(protocol, outcomes)
    bound = protocol.stop.critical[protocol.stop.looks.index(look)]
    harm = _harm(protocol, outcomes)
    if len(differences) < 2 or len(differences) < math.floor(look * protocol.pairs) - len(left_out):
        return Outcome(
            digest=digest, pairs=len(differences), pairs_planned=protocol.pairs, left_out=left_out, on_mean=None,
            off_mean=None, difference=None, low=None, high=None, p=None, bound=bound, look=look, power_had=None,
            verdict="not yet: too few pairs for this look", harm=harm,
        )  # fmt: skip
    found = mean_interval(differences.tolist())
    p = permutation_p(differences, protocol.seed)
    interval = found.interval
    better = (found.mean < 0) == (protocol.better == "less")
    verdict = "no clear difference" if p > bound else "better" if better else "worse"
    return Outcome(
        digest=digest,
        pairs=len(differences),
        pairs_planned=protocol.pairs,
        left_out=left_out,
        on_mean=float(on.mean()),
        off_mean=float(off.mean()),
        difference=found.mean,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        p=p,
        bound=bound,
        look=look,
        power_had=_power_had(protocol, differences, bound),
        verdict=verdict,
        harm=harm,
    )


def permutation_p(differences: F64, seed: int) -> float:
    """Return the two-sided p of the sign-flip test of the mean: exact up to 20 pairs, drawn from the seed beyond."""
    n = len(differences)
    seen = abs(float(differences.sum()))
    # Rounding must not make the sample itself count as less extreme than it is.
    least = seen - 1e-9 * max(seen, 1.0)
    if n <= _EXACT_PAIRS:
        sums = np.zeros(1)
        for value in differences:
            sums = np.concatenate([sums + value, sums - value])
        return float((np.abs(sums) >= least).mean())
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(10):
        signs = rng.integers(0, 2, (_DRAWS // 10, n)) * 2 - 1
        hits += int((np.abs(signs @ differences) >= least).sum())
    return (hits + 1) / (_DRAWS + 1)


def _pairs(
    protocol: Protocol, outcomes: Mapping[tuple[str, str], tuple[float, bool | None]]
) -> tuple[F64, F64, F64, tuple[str, ...]]:
    by_pair: dict[int, dict[bool, float]] = {}
    broken: dict[int, str] = {}
    for one in protocol.assignments:
        found = outcomes.get((one.district, one.day))
        if found is None:
            continue
        value, kept = found
        if kept is not None and kept != one.on:
            broken[one.pair] = f"{one.district} {one.day}: drawn {'on' if one.on else 'off'}, kept the other way"
        by_pair.setdefault(one.pair, {})[one.on] = value
    whole = [pair for pair, sides in sorted(by_pair.items()) if len(sides) == 2 and pair not in broken]
    on = np.array([by_pair[pair][True] for pair in whole])
    off = np.array([by_pair[pair][False] for pair in whole])
    return on - off, on, off, tuple(broken[pair] for pair in sorted(broken))


def _harm(protocol: Protocol, outcomes: Mapping[tuple[str, str], tuple[float, bool | None]]) -> tuple[str, ...]:
    """Name the on days that are past the stop rule, against the worst off day of their district."""
    sign = 1.0 if protocol.better == "less" else -1.0
    worst: dict[str, float] = {}
    for one in protocol.assignments:
        found = outcomes.get((one.district, one.day))
        if found is not None and not one.on:
            worst[one.district] = max(worst.get(one.district, -math.inf), sign * found[0])
    said = []
    for one in protocol.assignments:
        found = outcomes.get((one.district, one.day))
        if found is None or not one.on or one.district not in worst:
            continue
        limit = worst[one.district] + protocol.stop.harm * abs(worst[one.district])
        if sign * found[0] > limit:
            said.append(f"{one.district} {one.day}: {found[0]:g} {protocol.unit}")
    return tuple(said)


def _power_had(protocol: Protocol, differences: Sequence[float] | F64, bound: float) -> float | None:
    spread = float(np.std(differences, ddof=1))
    return power_of(len(differences), protocol.detectable, spread, bound) if spread > 0 else None
