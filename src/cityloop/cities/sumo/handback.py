"""How a junction gets back to its own program: where to join it, and by which stage.

Joining is invisible on the street: the lamps shown are those that the program's clock asks for, and nothing
that the program does next cuts a green, a Walk or a crossing's clearance that began before the joining.

A red adds up from what the brain left and what the program's clock still asks for. Whoever would stand longer than
anybody may is let go once on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

from cityloop.cities.sumo.lamps import LampRecord
from cityloop.cities.sumo.own_program import OwnProgram, Running
from cityloop.cities.sumo.transitions import GREEN, gains

__all__ = ["LONGEST_RED_MS", "JunctionLimits", "earliest_join_ms", "kept_waiting", "legal_entry", "may_gain"]

LONGEST_RED_MS = 120_000
"""Nobody's red grows longer on the way home where a green can be fitted in (RiLSA 2015, 2.7.4: cycles up to 120 s)."""


@dataclass(frozen=True, slots=True)
class JunctionLimits:
    """Times that nobody may shorten at a junction."""

    min_green_ms: tuple[int, ...]
    """By local link: the least green, or the Walk of a crossing."""
    clearance_ms: dict[int, int]
    """By local link of each crossing."""
    foes: dict[int, frozenset[int]]
    """Local links whose paths cross each crossing."""


def may_gain(limits: JunctionLimits, lamps: LampRecord, after: str, at_ms: int) -> bool:
    """Say whether a lamp string may be shown at an instant without cutting a crossing's clearance."""
    for crossing, clearance_ms in limits.clearance_ms.items():
        if lamps.state[crossing] in GREEN or at_ms - lamps.changed_ms[crossing] >= clearance_ms:
            continue
        if any(gains(lamps.state[foe], after[foe]) for foe in limits.foes[crossing]):
            return False
    return True


def legal_entry(limits: JunctionLimits, lamps: LampRecord, own: OwnProgram, now_ms: int) -> Running | None:
    """Return where the own program may be joined at this instant, or None where it may not."""
    for entry in own.entries(lamps.state, now_ms):
        if _runs_on_legally(limits, lamps, own, entry, now_ms):
            return entry
    return None


def earliest_join_ms(
    limits: JunctionLimits, lamps: LampRecord, own: OwnProgram, from_ms: int, step_ms: int
) -> int | None:
    """Return when the program may first be joined with these lamps held, None if not within two cycles."""
    longest_ms = max((*limits.min_green_ms, *limits.clearance_ms.values(), own.cycle_ms))
    end_ms = from_ms + 2 * longest_ms
    for at_ms in range(from_ms, end_ms, step_ms):
        if legal_entry(limits, lamps, own, at_ms) is not None:
            return at_ms
    return None


def kept_waiting(lamps: LampRecord, own: OwnProgram, joined_ms: int) -> dict[int, int]:
    """Return the links whose red grows too long if the program goes on from an instant, with when it lets them go.

    A program whose own cycle is longer than that keeps links waiting in any case: its cycle is the bound then.
    """
    bound_ms = max(LONGEST_RED_MS, own.cycle_ms)
    waiting = {link for link, lamp in enumerate(lamps.state) if lamp not in GREEN}
    late: dict[int, int] = {}
    for entry in own.entries(lamps.state, joined_ms):
        for _, after, at_ms in own.changes(entry, joined_ms):
            for link in [link for link in waiting if after[link] in GREEN]:
                waiting.discard(link)
                if at_ms - lamps.changed_ms[link] > bound_ms:
                    late[link] = at_ms
    return late


def _runs_on_legally(limits: JunctionLimits, lamps: LampRecord, own: OwnProgram, entry: Running, now_ms: int) -> bool:
    """Follow the program for a cycle and look at what it does to what is under way."""
    under_way = {link for link, lamp in enumerate(lamps.state) if lamp in GREEN}
    clearing = {
        crossing: lamps.changed_ms[crossing] + clearance_ms
        for crossing, clearance_ms in limits.clearance_ms.items()
        if lamps.state[crossing] not in GREEN and lamps.changed_ms[crossing] + clearance_ms > now_ms
    }
    for before, after, at_ms in own.changes(entry, now_ms):
        if not under_way and not clearing:
            break
        for link in [link for link in under_way if after[link] not in GREEN]:
            if at_ms - lamps.changed_ms[link] < limits.min_green_ms[link]:
                return False
            under_way.discard(link)
        for crossing, until_ms in list(clearing.items()):
            if at_ms >= until_ms or after[crossing] in GREEN:
                del clearing[crossing]
            elif any(gains(before[foe], after[foe]) for foe in limits.foes[crossing]):
                return False
    return True
