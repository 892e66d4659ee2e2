"""A malfunction monitor for one junction: it reads lamp states, and nothing else, and latches what is unsafe.

The role is that of a malfunction management unit or conflict monitor beside a controller (NEMA TS 2-2021, section 4):
written apart from whoever leads the lamps, asked by nobody, and never released by itself. A lamp counts once it has
been shown for ``HOLD_MS``: a shorter flicker must not trip a junction, and 450 ms must always be enough to.

References
----------
.. [1] NEMA TS 2-2021, Traffic Controller Assemblies with NTCIP Requirements, 4.4.3.1: a conflict shall not trigger the
   monitor in less than 200 ms and shall always trigger it within 450 ms.

"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = ["HOLD_MS", "LATEST_MS", "LampFault", "LampFaultKind", "LampMonitor", "MonitorRules"]

HOLD_MS = 250
"""A lamp shown for less is a flicker. [ms]"""
LATEST_MS = 450
"""Within this whatever is unsafe has been latched, on samples of at most ``LATEST_MS - HOLD_MS`` apart. [ms]"""
SLACK_MS = 100
"""A span that was sampled may have been longer by as much. [ms]"""

_GREEN = frozenset("Gg")
_YELLOW = frozenset("yY")
_LIT = _GREEN | _YELLOW
_PROTECTED = "G"
_NEVER_MS = -(1 << 62)


class LampFaultKind(Enum):
    """What is wrong with the lamps."""

    CONFLICT = "conflict"
    """Two links that may not go together are both protected."""
    SHORT_YELLOW = "short yellow"
    """A link lost its green with less yellow than it needs, or none."""
    CUT_CROSSING = "cut crossing"
    """Vehicles got a protected green across people who may still be walking."""
    SHAPE = "shape"
    """Not as many lamps as the junction has links."""


@dataclass(frozen=True, slots=True)
class LampFault:
    """What was latched."""

    kind: LampFaultKind
    links: tuple[int, ...]
    """Local links concerned."""
    at_ms: int
    """When it was latched. [ms]"""
    lamps: str

    def __str__(self) -> str:
        """Tell it in one line."""
        where = " and ".join(str(link) for link in self.links) or "all"
        return f"{self.kind.value} at link {where} ({self.lamps})"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRules:
    """What one junction must never show: the programming card of its monitor."""

    conflicts: frozenset[tuple[int, int]]
    """Pairs of links, the lesser first, that may not both be protected."""
    yellow_ms: tuple[int, ...]
    """Least yellow of each link, 0 where it needs none (crossings). [ms]"""
    clearance_ms: Mapping[int, int]
    """By crossing: how long after its green people may still be on it. [ms]"""
    crossing_foes: Mapping[int, frozenset[int]]
    """By crossing: the links whose paths lie across it."""


class LampMonitor:
    """The monitor of one junction; it stays latched until somebody resets it."""

    def __init__(self, rules: MonitorRules) -> None:
        self._rules = rules
        self.reset()

    def reset(self) -> None:
        """Release what is latched: a person has looked. The lamps are learned anew."""
        n = len(self._rules.yellow_ms)
        self.fault: LampFault | None = None
        self._shown = ""
        """The last sample."""
        self._since_ms = [_NEVER_MS] * n
        """Since when each link has shown what it showed last."""
        self._lamp = [""] * n
        """What counts: shown long enough. Empty before anything did."""
        self._began_ms = [_NEVER_MS] * n
        """When that began; unknown of a lamp that was on before the monitor was."""
        self._walked_ms = dict.fromkeys(self._rules.clearance_ms, _NEVER_MS)
        """When each crossing's green ended."""

    def see(self, now_ms: int, lamps: str) -> LampFault | None:
        """Take a sample and return what is latched, if anything is.

        Parameters
        ----------
        now_ms
            The instant of the sample, later than that of the one before. [ms]
        lamps
            What is shown from this instant on, one SUMO sign a link.
        """
        if self.fault is not None:
            return self.fault
        if len(lamps) != len(self._lamp):
            return self._latch(LampFaultKind.SHAPE, (), now_ms, lamps)
        first = not self._shown
        gained: list[tuple[int, int]] = []
        changed = False
        for link, lamp in enumerate(lamps):
            was = "" if first else self._shown[link]
            if was != self._lamp[link] and now_ms - self._since_ms[link] >= HOLD_MS:
                # It has been shown up to now, whatever is shown from now on.
                changed = True
                if not self._yellow_was_enough(link, was):
                    return self._latch(LampFaultKind.SHORT_YELLOW, (link,), now_ms, self._shown)
                if self._count(link, was):
                    gained.append((link, self._since_ms[link]))
            if lamp != was:
                self._since_ms[link] = now_ms
        told = self._shown
        self._shown = lamps
        if changed:
            self._check(gained, now_ms, told)
        return self.fault

    def _yellow_was_enough(self, link: int, lamp: str) -> bool:
        """Tell whether a link may show this after what it showed."""
        before, least_ms = self._lamp[link], self._rules.yellow_ms[link]
        if lamp in _GREEN or lamp in _YELLOW or before not in _LIT:
            return True
        shown_ms = self._since_ms[link] - self._began_ms[link] if before in _YELLOW else 0
        return shown_ms + SLACK_MS >= least_ms

    def _count(self, link: int, lamp: str) -> bool:
        """Let a lamp count; return whether the link has gained by it."""
        before, at_ms = self._lamp[link], self._since_ms[link]
        self._lamp[link] = lamp
        self._began_ms[link] = at_ms if before else _NEVER_MS
        if link in self._walked_ms and before in _GREEN and lamp not in _GREEN:
            self._walked_ms[link] = at_ms
        return before != "" and lamp in _GREEN and (before not in _GREEN or (lamp == _PROTECTED != before))

    def _check(self, gained: list[tuple[int, int]], now_ms: int, lamps: str) -> None:
        for crossing, foes in self._rules.crossing_foes.items():
            until_ms = self._walked_ms[crossing] + self._rules.clearance_ms[crossing] - SLACK_MS
            for link, at_ms in gained:
                if link in foes and self._lamp[crossing] not in _GREEN and at_ms < until_ms:
                    self._latch(LampFaultKind.CUT_CROSSING, (crossing, link), now_ms, lamps)
                    return
        for one, other in self._rules.conflicts:
            if self._lamp[one] == _PROTECTED == self._lamp[other]:
                self._latch(LampFaultKind.CONFLICT, (one, other), now_ms, lamps)
                return

    def _latch(self, kind: LampFaultKind, links: tuple[int, ...], now_ms: int, lamps: str) -> LampFault:
        self.fault = LampFault(kind, links, now_ms, lamps)
        return self.fault
