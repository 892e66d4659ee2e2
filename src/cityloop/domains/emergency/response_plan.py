"""How many units of each kind an incident asks for; what ``schema`` hands on to whoever runs a city."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from cityloop.kernel.errors import ConfigError

__all__ = ["Due", "Fire", "ResponsePlan"]


class Fire(IntFlag):
    """What a unit of the fire service can do."""

    ENGINE = 16
    LADDER = 32
    CHIEF = 64


class Due(IntEnum):
    """What part of an assignment a unit fills."""

    FIRST = 1
    """The first engine."""
    SECOND = 2
    """The second engine."""
    OTHER = 3


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """How many units of each capability each determinant asks for; determinants come with the call.

    An incident that asks for several units is as many places to fill, each with what its unit must be able to do, so
    that every policy and the guard treat it as they treat calls: one place, one unit.
    """

    counts: dict[str, tuple[tuple[int, int], ...]]
    """By determinant: bits of capability and how many units with them."""
    second: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """The same of the second alarm: what comes besides when whoever is in command on scene asks for it."""

    def __post_init__(self) -> None:
        """Refuse a determinant that asks for nobody, and a second alarm without a first."""
        for determinant, wanted in (*self.counts.items(), *self.second.items()):
            if not wanted or any(bits <= 0 or count < 1 for bits, count in wanted):
                raise ConfigError(
                    f"Response plan: {determinant!r} asks for {wanted}, must name units, at least 1 of each."
                )
            if determinant not in self.counts:
                raise ConfigError(f"Response plan: {determinant!r} has a second alarm and no first; give it one.")

    def second_places(self, determinant: str) -> tuple[int, ...]:
        """Return what each unit of the second alarm must be able to do; none where there is no second alarm."""
        return tuple(bits for bits, count in self.second.get(determinant, ()) for _ in range(count))

    def places(self, determinant: str) -> tuple[tuple[int, Due], ...]:
        """Return the places to fill: what each unit must be able to do, and its part."""
        if determinant not in self.counts:
            raise ConfigError(f"Response plan: no determinant {determinant!r}; there are {', '.join(self.counts)}.")
        found: list[tuple[int, Due]] = []
        engines = 0
        for bits, count in self.counts[determinant]:
            for _ in range(count):
                due = Due.OTHER
                if bits & Fire.ENGINE:
                    engines += 1
                    due = Due(min(engines, 3))
                found.append((bits, due))
        return tuple(found)
