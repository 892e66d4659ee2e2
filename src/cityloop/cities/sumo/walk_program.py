"""A shipped signal program, extended by crossings and given safe times.

The shipped program gives its stages: the phases that show a green and no yellow. They keep their order and
their greens. Between two stages stand one yellow and one all-red, the same all over the signal, wherever a
vehicle loses its green; a crossing that ends is cleared inside the stage's green as far as yellow and all-red
do not suffice. Nothing here starts SUMO.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cityloop.cities.sumo.crossings import Crossing, SignalSite
from cityloop.kernel.errors import LayoutError
from cityloop.methods.clearance import ClearanceParams, all_red_s, crossing_clearance_s, yellow_s

__all__ = ["Phase", "WalkProgram", "extend_program"]

_GREEN = frozenset("Gg")
_CHANGE = frozenset("yYu")
_STOP_AND_GO = frozenset("soO")
"""States in which a vehicle may go after it has waited for everybody else."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One row of a signal program."""

    duration_s: float
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkProgram:
    """The extended program and what had to be done for it."""

    phases: tuple[Phase, ...]
    yellow_s: int
    all_red_s: int
    shipped_cycle_s: float
    cycle_s: float
    stages: int
    lengthened: tuple[int, ...]
    """Stages whose green had to grow for a Walk and its clearance."""

    permissive: tuple[tuple[int, int], ...]
    """Stage and link of each turn that was protected and now yields to a crossing."""

    walk_stage: bool
    """Whether a stage for people alone had to be appended."""


@dataclass(frozen=True, slots=True)
class _Stage:
    green_s: float
    vehicles: str
    """State string; the crossings' places hold no meaning."""

    walks: frozenset[int]
    """Signal indices of the crossings that show Walk."""


def extend_program(shipped: Sequence[Phase], site: SignalSite, params: ClearanceParams) -> WalkProgram:
    """Give every crossing of a signal a Walk, and every change its safe times.

    A crossing walks in a stage when no vehicle that has green crosses it, save turns that leave over it: they
    yield, and lose a protected green for it. Near-side turns do so in any stage; turns across the road only
    in the longest possible stage of a crossing that would else have none. Crossings that even so have none
    get a stage of their own at the end.

    Parameters
    ----------
    shipped
        The program's phases. Crossings that it already names are given out anew.
    site
        The signal's links and crossings.
    params
        Safe times.

    References
    ----------
    .. [1] FHWA, MUTCD 4E.06 (2009) and 4F.17 (11th ed.); ITE (2020), RP-040B; FGSV (2015), RiLSA.
    """
    yellow = max(yellow_s(link.approach_mps, params) for link in site.links)
    all_red = max(all_red_s(link.path_m, min(link.approach_mps, link.path_mps), params) for link in site.links)
    stages = _stages_of(shipped, site, params)
    if not stages:
        raise LayoutError(f"Signal {site.signal!r}: no phase of its program shows a vehicle green; mend the program.")
    plan = _Plan(stages, site, params, yellow + all_red)
    permissive: list[tuple[int, int]] = []
    unserved: list[Crossing] = []
    for crossing in site.crossings:
        chosen = plan.choose(crossing)
        if not chosen:
            unserved.append(crossing)
        for stage in chosen:
            permissive += plan.give_walk(stage, crossing)
    if unserved:
        plan.append_walk_stage(unserved)
    lengthened = plan.lengthen()
    phases = tuple(plan.phases(yellow, all_red))
    return WalkProgram(
        phases=phases,
        yellow_s=yellow,
        all_red_s=all_red,
        shipped_cycle_s=sum(phase.duration_s for phase in shipped),
        cycle_s=sum(phase.duration_s for phase in phases),
        stages=len(plan.stages),
        lengthened=lengthened,
        permissive=tuple(sorted(permissive)),
        walk_stage=bool(unserved),
    )


def _stages_of(shipped: Sequence[Phase], site: SignalSite, params: ClearanceParams) -> list[_Stage]:
    """Pick the phases that are stages; neighbours of equal vehicle states are one."""
    places = sorted({link.index for link in site.links})
    stages: list[_Stage] = []
    for phase in shipped:
        if len(phase.state) <= places[-1]:
            raise LayoutError(
                f"Signal {site.signal!r}: state {phase.state!r} is shorter than its {places[-1] + 1} links; mend it."
            )
        shown = {phase.state[place] for place in places}
        if shown & _CHANGE or not shown & _GREEN:
            continue
        vehicles = ["r"] * site.size
        for place in places:
            vehicles[place] = phase.state[place]
        stages.append(_Stage(phase.duration_s, "".join(vehicles), frozenset()))
    merged: list[_Stage] = []
    for stage in stages:
        if merged and merged[-1].vehicles == stage.vehicles:
            merged[-1] = replace(merged[-1], green_s=merged[-1].green_s + stage.green_s)
        else:
            merged.append(stage)
    if len(merged) > 1 and merged[0].vehicles == merged[-1].vehicles:
        merged[0] = replace(merged[0], green_s=merged[0].green_s + merged.pop().green_s)
    return [replace(stage, green_s=max(stage.green_s, params.green_least_s)) for stage in merged]


class _Plan:
    """The stages while crossings are given to them."""

    def __init__(self, stages: list[_Stage], site: SignalSite, params: ClearanceParams, change_s: int) -> None:
        self.stages = stages
        self._site = site
        self._params = params
        self._change_s = change_s

    def choose(self, crossing: Crossing) -> list[int]:
        """Return the stages in which a crossing shall walk."""
        near = [s for s in range(len(self.stages)) if self._open(s, crossing, crossing.turns_near)]
        if near:
            return self._that_fit(near, crossing)
        both = crossing.turns_near | crossing.turns_far
        far = [s for s in range(len(self.stages)) if self._open(s, crossing, both)]
        return sorted(far, key=lambda s: (-self.stages[s].green_s, s))[:1]

    def give_walk(self, stage: int, crossing: Crossing) -> list[tuple[int, int]]:
        """Let a crossing walk in a stage; return the turns that thereby lost their protection."""
        vehicles = list(self.stages[stage].vehicles)
        lost = [link for link in sorted(crossing.foes) if vehicles[link] == "G"]
        for link in lost:
            vehicles[link] = "g"
        walks = self.stages[stage].walks | {crossing.index}
        self.stages[stage] = replace(self.stages[stage], vehicles="".join(vehicles), walks=walks)
        return [(stage, link) for link in lost]

    def append_walk_stage(self, unserved: Sequence[Crossing]) -> None:
        """Append a stage for the unserved crossings, and for those that cost it no further time."""
        longest_m = max(crossing.length_m for crossing in unserved)
        walks = frozenset(x.index for x in self._site.crossings if x.length_m <= longest_m)
        self.stages.append(_Stage(self._params.walk_least_s, "r" * self._site.size, walks))

    def lengthen(self) -> tuple[int, ...]:
        """Make every stage that ends a Walk long enough for it and its clearance; return those that grew."""
        grown: list[int] = []
        for number, stage in enumerate(self.stages):
            needed_s = self.clearance_s(number) + self._params.walk_least_s
            if self._ending(number) and stage.green_s < needed_s:
                self.stages[number] = replace(stage, green_s=needed_s)
                grown.append(number)
        return tuple(grown)

    def clearance_s(self, stage: int) -> int:
        """Return how long before the end of its green a stage ends the Walks that the next does not keep."""
        return max((self._lead_s(stage, crossing) for crossing in self._ending(stage)), default=0)

    def phases(self, yellow: int, all_red: int) -> Iterable[Phase]:
        """Write the stages out: Walk, clearance, yellow, all-red."""
        for number, stage in enumerate(self.stages):
            after = self.stages[self._next(number)]
            kept = stage.walks & after.walks
            clear_s = self.clearance_s(number)
            yield Phase(stage.green_s - clear_s, self._with_walks(stage.vehicles, stage.walks))
            if clear_s:
                yield Phase(clear_s, self._with_walks(stage.vehicles, kept))
            lost = self._losing(stage, after)
            if lost:
                yield Phase(yellow, self._with_walks(_change(stage, after, lost, "y"), kept))
                yield Phase(all_red, self._with_walks(_change(stage, after, lost, "r"), kept))

    def _open(self, stage: int, crossing: Crossing, yielding: frozenset[int]) -> bool:
        shown = self.stages[stage].vehicles
        return all(
            shown[link] not in _GREEN | _STOP_AND_GO
            or (shown[link] in _STOP_AND_GO and link in crossing.yields)
            or (shown[link] in _GREEN and link in yielding)
            or (shown[link] == "g" and link in crossing.turns_far)
            for link in crossing.foes
        )

    def _that_fit(self, possible: list[int], crossing: Crossing) -> list[int]:
        """Drop stages too short for Walk and clearance, unless that leaves none."""
        clear_s = crossing_clearance_s(crossing.length_m, self._params) - self._change_s
        needed_s = max(0, clear_s) + self._params.walk_least_s
        fit = [stage for stage in possible if self.stages[stage].green_s >= needed_s]
        return fit or sorted(possible, key=lambda s: (-self.stages[s].green_s, s))[:1]

    def _next(self, stage: int) -> int:
        return (stage + 1) % len(self.stages)

    def _ending(self, stage: int) -> list[Crossing]:
        ends = self.stages[stage].walks - self.stages[self._next(stage)].walks
        return [crossing for crossing in self._site.crossings if crossing.index in ends]

    def _losing(self, stage: _Stage, after: _Stage) -> frozenset[int]:
        """Return the links whose green ends between two stages.

        A turn that keeps its green into the Walk of a crossing that it leaves over ends it too, and begins
        anew with the Walk: nobody shall step off the kerb into a running stream (RiLSA 2015, conditionally
        compatible streams).
        """
        begun = after.walks - stage.walks
        met = {link for crossing in self._site.crossings if crossing.index in begun for link in crossing.foes}
        return frozenset(
            link
            for link, (a, b) in enumerate(zip(stage.vehicles, after.vehicles, strict=True))
            if a in _GREEN and (b not in _GREEN or link in met)
        )

    def _lead_s(self, stage: int, crossing: Crossing) -> int:
        """Return how long before a stage's end its Walk must end, so that nobody meets a new green."""
        needed_s = crossing_clearance_s(crossing.length_m, self._params)
        gained_s = 0.0
        now = stage
        for _ in self.stages:
            before, now = now, self._next(now)
            lost = self._losing(self.stages[before], self.stages[now])
            gained_s += self._change_s if lost else 0
            if self._meets(crossing, self.stages[before], self.stages[now], lost):
                break
            gained_s += self.stages[now].green_s
        return max(0, needed_s - int(gained_s))

    def _meets(self, crossing: Crossing, before: _Stage, now: _Stage, lost: frozenset[int]) -> bool:
        """Tell whether a stage gives a foe a protected green, or any green that it had not just before."""
        return any(
            now.vehicles[link] == "G"
            or (now.vehicles[link] == "g" and (before.vehicles[link] not in _GREEN or link in lost))
            for link in crossing.foes
        )

    def _with_walks(self, vehicles: str, walks: frozenset[int]) -> str:
        shown = list(vehicles)
        for crossing in self._site.crossings:
            shown[crossing.index] = "G" if crossing.index in walks else "r"
        return "".join(shown)


def _change(before: _Stage, after: _Stage, lost: frozenset[int], shown: str) -> str:
    """Return what vehicles see between two stages; a green that stays shows the weaker of the two."""
    out = []
    for link, (a, b) in enumerate(zip(before.vehicles, after.vehicles, strict=True)):
        if link in lost:
            out.append(shown)
        elif a in _GREEN:
            out.append("g" if "g" in (a, b) else "G")
        else:
            out.append(a)
    return "".join(out)
