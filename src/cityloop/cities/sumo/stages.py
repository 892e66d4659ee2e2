"""Stages, yellows and intergreens of a shipped signal program.

A stage is a distinct green image of the shipped program. A short image that shows no link anything it does not also
get in a longer stage is a clearance stage: the program passes through it, nobody is served by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cityloop.cities.sumo.netfile import Program
from cityloop.domains.signals.schema import Lamp
from cityloop.kernel.columns import BOOL, F64, U8
from cityloop.methods.clearance import ceding

__all__ = ["LAMP_OF", "StageTable", "cedes", "cleared", "intergreens", "lamp_codes", "stage_table"]

LAMP_OF = {"r": Lamp.RED, "u": Lamp.RED, "g": Lamp.PERMISSIVE, "G": Lamp.PROTECTED, "s": Lamp.STOP}
_TEXT_OF = {Lamp.RED: "r", Lamp.PERMISSIVE: "g", Lamp.PROTECTED: "G", Lamp.STOP: "s"}

MIN_GREEN_S = 5.0
"""Least green of any stage (RiLSA 2015, 2.7.3: 5 s)."""

DEFAULT_YELLOW_S = 3.0
"""Yellow where a shipped program takes green away without one (RiLSA 2015, 50 km/h: 3 s)."""

CLEARANCE_STAGE_S = 6.0
"""A stage no longer than this may be a clearance stage."""


@dataclass(frozen=True, slots=True)
class StageTable:
    """Stages of one junction."""

    states: tuple[str, ...]
    """SUMO state of each stage, in shipped order: only ``r``, ``g``, ``G``, ``s``."""
    green_s: tuple[float, ...]
    """Longest shipped duration of each."""
    service: tuple[bool, ...]
    yellow_s: F64
    """Per link, the longest shipped yellow; the default where green is taken without one."""
    all_red_s: float


def stage_table(program: Program, crossing: BOOL) -> StageTable:
    """Read the stages of a program.

    Parameters
    ----------
    program
        The shipped program.
    crossing
        Whether each link is a pedestrian crossing, shape (n_links,).
    """
    green_s: dict[str, float] = {}
    for phase in program.phases:
        if not any(c in "yYuo" for c in phase.state) and any(c in "gG" for c in phase.state):
            longest_s = max(phase.duration_s, phase.max_s if phase.min_s < phase.max_s else 0.0)
            green_s[phase.state] = max(green_s.get(phase.state, 0.0), longest_s)
    if not green_s:
        # A program that never shows a plain green image: take its greens where it shows yellow beside them.
        for phase in program.phases:
            image = "".join("r" if c in "yYuo" else c for c in phase.state)
            if any(c in "gG" for c in image):
                green_s[image] = max(green_s.get(image, 0.0), phase.duration_s)
    states = tuple(green_s)
    durations_s = tuple(green_s.values())
    return StageTable(
        states,
        durations_s,
        _service(states, durations_s),
        _yellows(program, crossing),
        _all_red(program),
    )


def _service(states: Sequence[str], green_s: Sequence[float]) -> tuple[bool, ...]:
    """Tell service stages from clearance stages."""
    rank = {"r": 0, "s": 1, "g": 2, "G": 3}
    service = []
    for a, state in enumerate(states):
        covered = all(
            c not in "gG"
            or any(rank[states[b][i]] >= rank[c] and (green_s[b] > green_s[a]) for b in range(len(states)) if b != a)
            for i, c in enumerate(state)
        )
        service.append(not (covered and green_s[a] <= CLEARANCE_STAGE_S))
    return tuple(service)


def _yellows(program: Program, crossing: BOOL) -> F64:
    """Return each link's shipped yellow [s]; 0 for crossings."""
    n_links = max((len(p.state) for p in program.phases), default=0)
    longest = np.zeros(n_links)
    n = len(program.phases)
    for link in range(n_links):
        for start in range(n):
            before = program.phases[start - 1].state[link]
            if program.phases[start].state[link] not in "yY" or before in "yY":
                continue
            total, step = 0.0, start
            while program.phases[step % n].state[link] in "yY" and step < start + n:
                total += program.phases[step % n].duration_s
                step += 1
            longest[link] = max(longest[link], total)
    longest = np.maximum(longest, DEFAULT_YELLOW_S)
    longest[crossing[:n_links]] = 0.0
    return np.ceil(longest)


def _all_red(program: Program) -> float:
    """Return the longest shipped phase that shows red alone after a yellow [s]."""
    longest = 0.0
    for index, phase in enumerate(program.phases):
        before = program.phases[index - 1].state
        if not any(c in "gGyY" for c in phase.state) and any(c in "yY" for c in before):
            longest = max(longest, phase.duration_s)
    return min(float(np.ceil(longest)), 10.0)


def lamp_codes(state: str) -> U8:
    """Return a stage's lamps as `Lamp` values, shape (n_links,)."""
    return np.array([LAMP_OF[c] for c in state], np.uint8)


def cleared(before: str, after: str, yields: BOOL) -> str:
    """Return what must be cleared before a stage: its lamps, red where a green gives up its right of way."""
    return "".join("r" if lost else lamp for lost, lamp in zip(cedes(before, after, yields), after, strict=True))


def cedes(before: str, after: str, yields: BOOL) -> list[bool]:
    """Tell of each link whether it stays green and gives up its right of way to a stream that is let go."""
    losing: list[bool] = ceding(lamp_codes(before), lamp_codes(after), yields).tolist()
    return losing


def intergreens(
    states: Sequence[str], yellow_s: F64, all_red_s: float, clearance_s: F64, crossing: BOOL, foe: BOOL, yields: BOOL
) -> F64:
    """Return the time in s from leaving each stage to the first new green of each other, shape (n_stages, n_stages).

    Vehicles that lose green see their yellow, then the all-red; as long is given where one loses its right of way to a
    stream let go.
    A gaining stream that crosses a footway waits until whoever began to walk at the Walk's last moment is over it.
    """
    n = len(states)
    table = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            if a == b:
                continue
            needed = 0.0
            on_the_way = cleared(states[a], states[b], yields)
            for i, (x, y) in enumerate(zip(states[a], on_the_way, strict=True)):
                if x not in "gG" or y in "gG":
                    continue
                if not crossing[i]:
                    needed = max(needed, yellow_s[i] + all_red_s)
                elif any(
                    foe[i, k] and states[b][k] in "gG" and states[a][k] not in "gG" for k in range(len(states[b]))
                ) or any(foe[i, k] and states[b][k] == "G" and states[a][k] != "G" for k in range(len(states[b]))):
                    needed = max(needed, clearance_s[i])
            table[a, b] = np.ceil(needed)
    return table
