"""What a junction's lamps show, and since when each link has been green or not."""

from __future__ import annotations

from cityloop.cities.sumo.transitions import GREEN

__all__ = ["LampRecord"]


class LampRecord:
    """The lamp string of a junction with the instants at which it came about."""

    __slots__ = ("changed_ms", "since_ms", "state")

    def __init__(self, state: str, at_ms: int) -> None:
        self.state = state
        self.since_ms = at_ms
        """Since when exactly this string is shown."""
        self.changed_ms = [at_ms] * len(state)
        """Per link, when it last became green or ceased to be."""

    def see(self, state: str, at_ms: int) -> None:
        """Take the string shown from an instant on."""
        if state == self.state:
            return
        for link, (was, now) in enumerate(zip(self.state, state, strict=True)):
            if was != now and (was in GREEN) != (now in GREEN):
                self.changed_ms[link] = at_ms
        self.state = state
        self.since_ms = at_ms

    def copy(self) -> LampRecord:
        """Return a record that may be carried on as a supposition."""
        copied = LampRecord(self.state, self.since_ms)
        copied.changed_ms = self.changed_ms.copy()
        return copied
