"""The program that SUMO runs at a junction by itself, as far as the field controller must know it.

A fixed program has a clock: it says at any instant which phase is due, whoever holds the lamps meanwhile. An
actuated program has none; it may be entered at any phase, which then begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["OwnPhase", "OwnProgram", "Running"]


@dataclass(frozen=True, slots=True)
class OwnPhase:
    """One phase of a SUMO program."""

    state: str
    duration_ms: int
    """How long it lasts; of an actuated phase the least."""

    following: int
    """Number of the phase after it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A phase under way."""

    index: int
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class OwnProgram:
    """A junction's own program."""

    program_id: str
    phases: tuple[OwnPhase, ...]
    begins_ms: int | None
    """An instant at which phase 0 begins; None for a program without a clock."""

    @property
    def cycle_ms(self) -> int:
        """Return the sum of the phases' durations."""
        return sum(phase.duration_ms for phase in self.phases)

    def entries(self, state: str, now_ms: int) -> tuple[Running, ...]:
        """Return where the program may be entered while the lamps show a string."""
        if self.begins_ms is None:
            # SUMO may end an actuated phase that was entered from outside at once, before its least time.
            return tuple(Running(i, 0) for i, p in enumerate(self.phases) if p.state == state)
        due = self.due(now_ms)
        return (due,) if self.phases[due.index].state == state else ()

    def due(self, now_ms: int) -> Running:
        """Return the phase that the program's clock asks for; of a program without a clock the first."""
        if self.begins_ms is None:
            return Running(0, self.phases[0].duration_ms)
        into_ms = (now_ms - self.begins_ms) % self.cycle_ms
        for index, phase in enumerate(self.phases):
            if into_ms < phase.duration_ms:
                return Running(index, phase.duration_ms - into_ms)
            into_ms -= phase.duration_ms
        return Running(0, self.phases[0].duration_ms)

    def changes(self, running: Running, now_ms: int) -> Iterator[tuple[str, str, int]]:
        """Yield the changes of the next cycle: lamps before, lamps after, and the earliest instant."""
        index, at_ms = running.index, now_ms + running.remaining_ms
        for _ in self.phases:
            following = self.phases[index].following
            yield self.phases[index].state, self.phases[following].state, at_ms
            index, at_ms = following, at_ms + self.phases[following].duration_ms

    def runs_in_order(self) -> bool:
        """Say whether every phase is followed by the next, as a clock needs."""
        last = len(self.phases) - 1
        return all(phase.following == (0 if i == last else i + 1) for i, phase in enumerate(self.phases))
