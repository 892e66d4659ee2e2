"""What every text or object codec of readings gives back: readings with streams by name, and what was refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import InputError

__all__ = [
    "INSTANT_RANGE_MS",
    "MAX_NAME_BYTES",
    "NO_INSTANT",
    "Gathering",
    "NamedReadings",
    "RefusedReading",
    "WireError",
    "folded",
]

NO_INSTANT = -(2**63)
"""Stands for: the message does not say when; the instant of arrival is taken."""

INSTANT_RANGE_MS = (-62_135_596_800_000, 253_402_300_799_999)
"""First and last instant that can be written as a date of four digits: years 1 to 9999. [ms]"""

MAX_NAME_BYTES = 255
"""Longest name of a stream, in UTF-8."""


def folded(name: str) -> str:
    """Return a name without what people do not see: case and Unicode form. Names that fold alike are taken for one."""
    return unicodedata.normalize("NFKC", name).casefold()


class WireError(InputError):
    """A message that cannot be read; one line that names the place, the value and the bound."""

    def __init__(self, why: str) -> None:
        # What it quotes of the message, by way of a library too, may hold line breaks of the sender's.
        super().__init__(" ".join(why.split()))


@dataclass(frozen=True, slots=True)
class RefusedReading:
    """A part of a message that could not be taken as a reading, while the rest could."""

    name: str
    """Stream, as far as it is known."""

    why: str
    """One line for a person."""


@dataclass(frozen=True, slots=True)
class NamedReadings:
    """Readings of one message, in the message's order."""

    names: Sequence[str]
    observed_at_ms: I64
    """Instants, ``NO_INSTANT`` where the message gives none. [ms]"""

    value: F64
    units: Sequence[str] | None = None
    """Units as the message names them, empty where it names none; None when it names none at all."""

    refused: tuple[RefusedReading, ...] = ()

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.names)


class Gathering:
    """Readings being gathered from a message, one at a time."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._instants: list[int] = []
        self._values: list[float] = []
        self._units: list[str] = []
        self._refused: list[RefusedReading] = []

    def take(self, name: str, observed_at_ms: float, value: float, unit: str = "") -> None:
        """Add a reading; an instant out of all range refuses it."""
        low, high = INSTANT_RANGE_MS
        if observed_at_ms != NO_INSTANT and not low <= observed_at_ms <= high:
            self.refuse(name, f"instant {observed_at_ms!r:.40} ms is outside the years 1 to 9999")
            return
        self._names.append(name)
        self._instants.append(int(observed_at_ms))
        self._values.append(value)
        self._units.append(unit)

    def refuse(self, name: str, why: str) -> None:
        """Note a part that is no reading."""
        self._refused.append(RefusedReading(name[:MAX_NAME_BYTES], why))

    def done(self) -> NamedReadings:
        """Return what was gathered."""
        return NamedReadings(
            self._names,
            np.array(self._instants, np.int64),
            np.array(self._values, np.float64),
            self._units if any(self._units) else None,
            tuple(self._refused),
        )
