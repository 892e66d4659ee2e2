"""Calls from outside on their way to the dispatch centre: told once, told when they change, told again to a new one.

They are no decisions, so they pass neither policy nor guard: the brain hears of them as of every call, on the centre's
list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from cityloop.domains.emergency.schema import DOMAIN, TakeCall
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Command
from cityloop.kernel.ports import City
from cityloop.wire.live import CallEntry

__all__ = ["CENTRE", "PhonedIn"]

CENTRE = -1
"""Target of what is told to the dispatch centre itself, and sequence of it: nobody waits for a receipt."""
_NEVER_MS = 2**53


class PhonedIn:
    """A city whose dispatch centre is also told what was taken down elsewhere.

    Parameters
    ----------
    lap
        Which centre it is: a twin that begins anew has an empty list.
    """

    def __init__(self, city: City, lap: Callable[[], int]) -> None:
        self._city, self._lap = city, lap
        self._told: dict[int, CallEntry] = {}
        self._listed: tuple[CallEntry, ...] = ()
        self._of = lap()
        self._now_ms = 0

    def listed(self, calls: Sequence[CallEntry]) -> None:
        """Take the calls that are known now."""
        self._listed = tuple(calls)

    def layout(self) -> Layout:
        """Return the city's assets."""
        return self._city.layout()

    def observe(self, until_ms: int) -> Any:
        """Tell what is new, and let time pass."""
        self._tell(until_ms)
        seen: Any = self._city.observe(until_ms)
        if self._lap() != self._of:
            self._of, self._told = self._lap(), {}
        kept = tuple(one for one in seen.receipts if one.target != CENTRE)
        return seen if len(kept) == len(seen.receipts) else dataclasses.replace(seen, receipts=kept)

    def apply(self, commands: Sequence[Command]) -> None:
        """Hand over leases."""
        self._city.apply(commands)

    def close(self) -> None:
        """Close the city. Safe to call twice."""
        self._city.close()

    def _tell(self, now_ms: int) -> None:
        fresh = [one for one in self._listed if self._told.get(one.number) != one]
        if not fresh:
            return
        self._told |= {one.number: one for one in fresh}
        self._city.apply(
            [
                Command(
                    domain=DOMAIN,
                    target=CENTRE,
                    action=TakeCall(
                        one.number,
                        one.priority,
                        one.determinant,
                        one.x_m,
                        one.y_m,
                        max(now_ms - one.received_at_ms, 0) / 1000.0,
                        one.over,
                    ),
                    epoch=0,
                    sequence=CENTRE,
                    issued_at_ms=now_ms,
                    not_after_ms=_NEVER_MS,
                )
                for one in fresh
            ]
        )
