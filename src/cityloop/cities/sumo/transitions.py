"""The change from one stage to another: yellow, all-red, crossing clearance, as lamp strings.

One function serves the field controller and the programs that are written for SUMO, so that a leased change
and a programmed one look the same on the street. Safe by construction: while it lasts nothing is green that
was not green before, and what stays green is green in both stages.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from cityloop.cities.sumo.stages import cedes, cleared
from cityloop.domains.signals.schema import LinkKind, SignalAssets
from cityloop.kernel.columns import BOOL
from cityloop.methods.clearance import held_green_s

__all__ = [
    "GREEN",
    "PROTECTED",
    "StageTables",
    "clearances_ms",
    "foes_of_crossings",
    "gains",
    "needed_intergreen_s",
    "transition_steps",
]

GREEN = "Gg"
"""SUMO's signs for green, with and without right of way."""

PROTECTED = "G"

_YELLOW = "y"
_RED = "r"
_STOP = "s"


class StageTables(Protocol):
    """What the lamps of a junction's stages are read from; a `Network` is one."""

    @property
    def assets(self) -> SignalAssets:
        """The signal tables."""

    @property
    def stage_states(self) -> tuple[tuple[str, ...], ...]:
        """SUMO's lamp string of every stage, junction after junction."""


def transition_steps(
    tables: StageTables,
    junction_row: int,
    from_stage: int,
    to_stage: int,
    extra_all_red_s: float = 0.0,
) -> tuple[tuple[str, float], ...]:
    """Return the lamp strings between two stages, each with its duration; empty when nothing has to clear.

    Links green in both stages stay green. One that gives up a protected green to a stream let go yields from the begin
    of the change, and that stream waits as long as if the turn had ended (`cityloop.methods.clearance.ceding`).
    A crossing that loses its green goes red at once; where people need longer to clear it than vehicles need, vehicles
    keep their green meanwhile (RiLSA 2015, 2.7; MUTCD 2023, 4I.06: Walk ends before the vehicles' green beside it).
    Then each vehicle link shows its own shipped yellow, and everything that gains green does so together when the last
    string has been shown.

    Parameters
    ----------
    tables
        The city's signal assets and lamp strings.
    junction_row
        Row of the junction.
    from_stage, to_stage
        Local stage numbers.
    extra_all_red_s
        Further time after the change's own intergreen with nothing new green. [s]
    """
    before = tables.stage_states[junction_row][from_stage]
    after = tables.stage_states[junction_row][to_stage]
    yellow_most_s, crossing_s = _needed_s(tables.assets, junction_row, before, after)
    yielding = cedes(before, after, _yields(tables.assets, junction_row))
    total_s = _intergreen_s(tables.assets, junction_row, from_stage, to_stage)
    total_s = max(total_s, yellow_most_s, crossing_s)
    if total_s <= 0:
        return ()
    all_red_s = float(tables.assets.controllers.all_red_s[junction_row])
    held_s = held_green_s(total_s, crossing_s, yellow_most_s, all_red_s) if yellow_most_s > 0 else 0.0
    total_s += extra_all_red_s
    begin = int(tables.assets.controllers.link_begin[junction_row])
    yellow_s = [
        _yellow_s(tables.assets, begin + link) if was in GREEN and now not in GREEN else 0.0
        for link, (was, now) in enumerate(zip(before, after, strict=True))
    ]
    ends = sorted({held_s + yellow for yellow in yellow_s if yellow > 0} | {total_s} | {held_s} - {0.0})
    steps = []
    shown_s = 0.0
    for end_s in ends:
        lamps = "".join(
            _during(was, now, held_s + yellow > shown_s if yellow > 0 else False, shown_s < held_s, cede)
            for was, now, yellow, cede in zip(before, after, yellow_s, yielding, strict=True)
        )
        steps.append((lamps, end_s - shown_s))
        shown_s = end_s
    return tuple(steps)


def needed_intergreen_s(assets: SignalAssets, junction_row: int, before: str, after: str) -> float:
    """Return the least time between leaving one lamp string and showing the next. [s]."""
    return max(_needed_s(assets, junction_row, before, after))


def _needed_s(assets: SignalAssets, junction_row: int, before: str, after: str) -> tuple[float, float]:
    """Return what the vehicles that lose green need, yellow alone, and what the crossings do. [s]."""
    begin = int(assets.controllers.link_begin[junction_row])
    on_the_way = cleared(before, after, _yields(assets, junction_row))
    losing = [k for k, (was, now) in enumerate(zip(before, on_the_way, strict=True)) if _loses(was, now)]
    gaining = [k for k, (was, now) in enumerate(zip(before, after, strict=True)) if gains(was, now)]
    yellow_s = max((_yellow_s(assets, begin + link) for link in losing), default=0.0)
    foes = foes_of_crossings(assets, junction_row)
    clearance_s = max(
        (
            float(assets.links.clearance_s[begin + link])
            for link in losing
            if foes.get(link, frozenset()).intersection(gaining)
        ),
        default=0.0,
    )
    return yellow_s, clearance_s


def _yields(assets: SignalAssets, junction_row: int) -> BOOL:
    """Return which of a junction's links yields to which, shape (n_links, n_links)."""
    controllers = assets.controllers
    size = int(controllers.link_end[junction_row]) - int(controllers.link_begin[junction_row])
    first = int(controllers.matrix_begin[junction_row])
    return assets.matrices.yields[first : first + size * size].reshape(size, size)


def foes_of_crossings(assets: SignalAssets, junction_row: int) -> dict[int, frozenset[int]]:
    """Return the local links whose paths cross each crossing of a junction, by the crossing's local link."""
    controllers = assets.controllers
    begin, end = int(controllers.link_begin[junction_row]), int(controllers.link_end[junction_row])
    size, first = end - begin, int(controllers.matrix_begin[junction_row])
    foe = assets.matrices.foe[first : first + size * size].reshape(size, size)
    kinds = assets.links.kind[begin:end]
    return {
        int(link): frozenset(int(other) for other in np.flatnonzero(foe[link]))
        for link in np.flatnonzero(kinds == LinkKind.CROSSING)
    }


def clearances_ms(assets: SignalAssets, junction_row: int) -> dict[int, int]:
    """Return how long each crossing of a junction takes to clear, by its local link. [ms]."""
    begin = int(assets.controllers.link_begin[junction_row])
    return {
        link: int(np.ceil(assets.links.clearance_s[begin + link] * 1000))
        for link in foes_of_crossings(assets, junction_row)
    }


def gains(was: str, now: str) -> bool:
    """Say whether a link is given more than it had: a green, or the right of way."""
    return (now in GREEN and was not in GREEN) or (now == PROTECTED and was != PROTECTED)


def _loses(was: str, now: str) -> bool:
    return was in GREEN and now not in GREEN


def _during(was: str, now: str, yellow: bool, held: bool, cedes: bool) -> str:
    """Return what a link shows while the change lasts."""
    if was in GREEN and now in GREEN:
        # Nobody whom it yields to comes before the change ends; those it is to be cleared for are held until then.
        return now if cedes and not held else was
    if yellow and held:
        return was
    if yellow:
        return _YELLOW
    return _STOP if was == now == _STOP else _RED


def _yellow_s(assets: SignalAssets, link_row: int) -> float:
    return 0.0 if assets.links.kind[link_row] == LinkKind.CROSSING else float(assets.links.yellow_s[link_row])


def _intergreen_s(assets: SignalAssets, junction_row: int, from_stage: int, to_stage: int) -> float:
    controllers = assets.controllers
    stages = int(controllers.stage_end[junction_row]) - int(controllers.stage_begin[junction_row])
    entry = int(controllers.intergreen_begin[junction_row]) + from_stage * stages + to_stage
    return float(assets.intergreen_s[entry])
