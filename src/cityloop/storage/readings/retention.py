"""How long readings are kept, by what they tell about: where people were expires first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cityloop.kernel.errors import ConfigError
from cityloop.kernel.readings import ROLLUP_MS, DataKind

__all__ = ["DEFAULT_RETENTION", "Keep", "parse_keep"]

_DAY_S = 86_400.0
_UNITS_S = {"h": 3_600.0, "d": _DAY_S, "y": 365.25 * _DAY_S}


@dataclass(frozen=True, slots=True)
class Keep:
    """How long the readings of one kind are kept, and how long their 5-minute roll-ups."""

    readings_s: float
    rollups_s: float

    def __post_init__(self) -> None:
        for name in ("readings_s", "rollups_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Keep.{name}: {getattr(self, name)} s, must be more than 0.")

    def readings_from_ms(self, now_ms: int) -> int:
        """Return the first instant whose readings are kept, at the begin of a bin."""
        return _bin_before(now_ms, self.readings_s)

    def rollups_from_ms(self, now_ms: int) -> int:
        """Return the first instant whose roll-ups are kept, at the begin of a bin."""
        return _bin_before(now_ms, max(self.readings_s, self.rollups_s))


DEFAULT_RETENTION: Mapping[DataKind, Keep] = {
    DataKind.MEASUREMENT: Keep(2 * 365.25 * _DAY_S, 10 * 365.25 * _DAY_S),
    DataKind.CONTROL: Keep(365.25 * _DAY_S, 365.25 * _DAY_S),
    DataKind.VEHICLE_POSITION: Keep(30 * _DAY_S, 30 * _DAY_S),
    DataKind.PERSON_POSITION: Keep(_DAY_S, _DAY_S),
}
"""What a city is safe with until it decides otherwise. Means of positions tell where somebody was: they go as well."""


def parse_keep(text: str) -> tuple[DataKind, Keep]:
    """Return the policy that a text asks for: ``person_position=12h``, or with roll-ups ``measurement=1y/10y``.

    Raises
    ------
    ConfigError
        Naming the part that cannot be read.
    """
    name, _, spans = text.partition("=")
    kinds = {kind.name.lower(): kind for kind in DataKind}
    if name not in kinds:
        raise ConfigError(f"{text!r}: {name!r} is no kind of data; name one of {', '.join(kinds)}.")
    readings, _, rollups = spans.partition("/")
    return kinds[name], Keep(_span_s(text, readings), _span_s(text, rollups or readings))


def _span_s(text: str, span: str) -> float:
    number, unit = span[:-1], span[-1:]
    try:
        if unit in _UNITS_S:
            return float(number) * _UNITS_S[unit]
    except ValueError:
        pass
    raise ConfigError(f"{text!r}: {span!r} is no span of time; write a number and h, d or y, such as 30d.")


def _bin_before(now_ms: int, span_s: float) -> int:
    edge = now_ms - int(span_s * 1_000)
    return edge - edge % ROLLUP_MS
