"""A field trial before it begins: on and off days by district from a seed, the metric fixed, its power, its stop rule.

Days are paired: in each pair of like days of the week of one district one is drawn to be on. What is judged is the
difference within pairs. The protocol is written once and named by its digest; the analysis refuses another.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
import numpy as np

from cityloop.kernel.errors import ConfigError, InputError

__all__ = [
    "Assignment",
    "Protocol",
    "StopRule",
    "days_needed",
    "design_trial",
    "digest_of",
    "obrien_fleming",
    "power_of",
    "read_protocol",
]

FORMAT = 1
_LEAST_PAIRS = 5


class StopRule(msgspec.Struct, frozen=True, kw_only=True):
    """When the trial ends early."""

    looks: tuple[float, ...]
    """Shares of the pairs after which the data may be looked at."""
    critical: tuple[float, ...]
    """Two-sided bounds of the t statistic's p at each look (O'Brien-Fleming spending)."""
    harm: float
    """Stop at once, and go off, where a day under the brain is worse than the worst off day by this share."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One district and day."""

    district: str
    day: str
    pair: int
    on: bool


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """Everything fixed beforehand."""

    format: int = FORMAT
    title: str
    metric: str
    unit: str
    better: str
    """``less`` or ``more``."""
    districts: tuple[str, ...]
    begin: str
    days: int
    seed: int
    alpha: float
    power: float
    detectable: float
    """The difference that the trial has that power for, in the metric's unit."""
    pair_sd: float
    """Standard deviation of the difference within a pair, as assumed."""
    pairs: int
    stop: StopRule
    assignments: tuple[Assignment, ...]


def power_of(pairs: int, detectable: float, pair_sd: float, alpha: float) -> float:
    """Return the power of the two-sided paired t test: Student's t, not central.

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical power analysis for the behavioral sciences, 2nd ed., ch. 2.
    """
    from scipy.stats import nct, t

    if pairs < 2 or pair_sd <= 0:
        raise ConfigError(f"power: {pairs} pairs, a spread of {pair_sd:g}; give two pairs or more, a spread above 0")
    degrees, shift = pairs - 1, detectable / pair_sd * math.sqrt(pairs)
    bound = float(t.ppf(1 - alpha / 2, degrees))
    return float(nct.sf(bound, degrees, shift) + nct.cdf(-bound, degrees, shift))


def days_needed(detectable: float, pair_sd: float, alpha: float, power: float) -> int:
    """Return the least number of pairs with that power."""
    if detectable == 0:
        raise ConfigError("detectable: a difference of 0 needs no end of days; give one worth having")
    pairs = _LEAST_PAIRS
    while power_of(pairs, abs(detectable), pair_sd, alpha) < power:
        pairs += 1
        if pairs > 2000:
            message = f"{abs(detectable):g} against a spread of {pair_sd:g} needs more than 2,000 pairs; aim at more"
            raise ConfigError(message)
    return pairs


def obrien_fleming(looks: Sequence[float], alpha: float) -> tuple[float, ...]:
    """Return the two-sided p bound at each look; what is spent up to the end is ``alpha``.

    The spending function of Lan and DeMets, 2 - 2 Phi(z / sqrt(t)); each look is given what is new since the last,
    which ignores that looks are correlated: the trial is stricter than it says, never laxer.

    References
    ----------
    .. [1] Lan, K. K. G. and DeMets, D. L. (1983). Discrete sequential boundaries for clinical trials. Biometrika,
       70(3), 659-663. doi:10.1093/biomet/70.3.659
    """
    from scipy.stats import norm

    z = float(norm.ppf(1 - alpha / 2))
    spent = [2 - 2 * float(norm.cdf(z / math.sqrt(share))) for share in looks]
    return tuple(after - before for before, after in zip([0.0, *spent[:-1]], spent, strict=True))


def design_trial(
    *,
    title: str,
    metric: str,
    unit: str,
    better: str,
    districts: Sequence[str],
    begin: str,
    detectable: float,
    pair_sd: float,
    seed: int,
    alpha: float = 0.05,
    power: float = 0.8,
    looks: Sequence[float] = (0.5, 1.0),
    harm: float = 0.25,
) -> Protocol:
    """Return a protocol with as many pairs of days as its power asks for."""
    if better not in ("less", "more"):
        raise ConfigError(f"better: {better!r}; give less or more")
    if not districts or len(set(districts)) < len(districts):
        raise ConfigError("districts: give at least one, none of them twice")
    if not 0 < alpha < 0.5 or not 0.5 <= power < 1:
        raise ConfigError(f"alpha {alpha:g} and power {power:g}: give 0 to 0.5 and 0.5 to 1")
    if list(looks) != sorted(set(looks)) or looks[-1] != 1.0 or looks[0] <= 0:
        raise ConfigError("looks: give rising shares of the pairs that end with 1")
    try:
        first = date.fromisoformat(begin)
    except ValueError as error:
        raise ConfigError(f"begin {begin!r}: {error}; give a day such as 2027-03-01") from error
    bounds = obrien_fleming(looks, alpha)
    pairs = days_needed(detectable, pair_sd, bounds[-1], power)
    # Whole fortnights: each day of the week is paired with itself a week later.
    each = math.ceil(pairs / len(districts) / 7) * 7
    rng = np.random.default_rng(seed)
    rows: list[Assignment] = []
    number = 0
    for district in districts:
        for week in range(each // 7):
            coins = rng.integers(0, 2, 7)
            for weekday in range(7):
                for later in (0, 1):
                    day = first + timedelta(days=14 * week + weekday + 7 * later)
                    on = bool(coins[weekday] == later)
                    rows.append(Assignment(district=district, day=day.isoformat(), pair=number + weekday, on=on))
            number += 7
    rows.sort(key=lambda one: (one.day, one.district))
    return Protocol(
        title=title,
        metric=metric,
        unit=unit,
        better=better,
        districts=tuple(districts),
        begin=begin,
        days=2 * each,
        seed=seed,
        alpha=alpha,
        power=power_of(number, detectable, pair_sd, bounds[-1]),
        detectable=abs(detectable),
        pair_sd=pair_sd,
        pairs=number,
        stop=StopRule(looks=tuple(looks), critical=bounds, harm=harm),
        assignments=tuple(rows),
    )


def digest_of(protocol: Protocol) -> str:
    """Return the protocol's name: the SHA-256 of its canonical bytes."""
    return hashlib.sha256(msgspec.json.encode(protocol, order="deterministic")).hexdigest()


def read_protocol(data: bytes, source: str) -> Protocol:
    """Read a protocol back, or say what is wrong with it."""
    try:
        return msgspec.json.decode(data, type=Protocol)
    except msgspec.DecodeError as error:
        raise InputError(f"{source}: not a trial's protocol ({error}); make one with cityloop trial plan") from error
