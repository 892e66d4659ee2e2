"""A separate checker of lamp states: it reads the network file and `tls_states.xml`, and nothing of ours.

It has its own reading of the network and shares no code with the controller, the guard or the monitor, so
that an error of theirs does not hide here. Every kind of unsafe state is counted beside the number of times
it could have happened: no violation in no opportunity proves nothing.

A span that began before the recording did has no known length, and is neither an opportunity nor a violation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cityloop.cities.sumo.outputs import elements
from cityloop.studies.lamp_network import SignalLinks, read_signal_links

__all__ = ["LampKind", "LampReport", "Red", "check_lamps"]

MIN_GREEN_S = 5.0
"""Least green of a vehicle link."""
MIN_WALK_S = 5.0
"""Least Walk of a crossing: RiLSA 2015 asks for 5 s; the MUTCD (2023) for 7 s, or 4 s where few walk."""
WALKING_SPEED_MPS = 1.0
EXAMPLES = 5
_SLACK_S = 1e-6


class LampKind(msgspec.Struct, kw_only=True):
    """One kind of unsafe lamp state."""

    violations: int = 0
    opportunities: int = 0
    examples: list[str] = []


class Red(msgspec.Struct, frozen=True, kw_only=True):
    """The longest red of a junction, of any link with or without demand."""

    link: int
    """Signal index, -1 where there is no such link."""
    red_s: float
    ended: bool
    """False where the recording began or ended during it: it was at least this long."""


class LampReport(msgspec.Struct, kw_only=True):
    """What the lamps showed in one run."""

    unsafe: int
    """Violations of every kind together."""
    opportunities: int
    """Opportunities of every kind together."""
    steps: int
    """Recorded states of all junctions together."""
    step_s: float
    """Time between two records: nothing shorter can be seen."""
    walking_speed_mps: float
    kinds: dict[str, LampKind]
    longest_red: dict[str, Red]
    """By junction, of vehicle links."""
    longest_crossing_red: dict[str, Red]
    crossing_wait_s: float | None
    """Mean wait of somebody who comes to any crossing at a random moment; None without crossings."""
    conflict_s: float
    """How long conflicting protected greens were shown, all pairs together."""


KINDS = (
    "conflicting greens",
    "green to red without yellow",
    "short yellow",
    "short green",
    "cut crossing clearance",
    "short walk",
)


@dataclass(slots=True)
class _Junction:
    """What is remembered of a junction between two of its records."""

    links: SignalLinks
    state: str = ""
    time_s: float = 0.0
    aspect_since: list[float] = field(default_factory=list)
    aspect_known: list[bool] = field(default_factory=list)
    """Whether the present aspect was seen to begin."""
    walk_ended: dict[int, float] = field(default_factory=dict)
    awaited: dict[int, set[int]] = field(default_factory=dict)
    """By crossing whose Walk has ended: foes that have not had a protected green since."""
    conflicts: frozenset[tuple[int, int]] = frozenset()
    first_s: float = 0.0
    red_since: dict[int, float] = field(default_factory=dict)
    red_known: dict[int, bool] = field(default_factory=dict)


def check_lamps(
    net_file: Path,
    states_file: Path,
    *,
    program_files: Iterable[Path] = (),
    walking_speed_mps: float = WALKING_SPEED_MPS,
) -> LampReport:
    """Check one run's recorded lamps.

    Parameters
    ----------
    net_file
        The network as shipped.
    states_file
        SUMO's SaveTLSStates output.
    program_files
        Additional files whose programs belong to the city as shipped; never the plans under test.
    walking_speed_mps
        Speed that a crossing's clearance is asked for.
    """
    checker = _Checker(read_signal_links(net_file, program_files), walking_speed_mps)
    for element, begun in elements(states_file, "tlsState"):
        if begun:
            checker.record(element.get("id", ""), float(element.get("time", "nan")), element.get("state", ""))
    return checker.report()


class _Checker:
    """Follows every junction's lamps from record to record."""

    def __init__(self, links: dict[str, SignalLinks], walking_speed_mps: float) -> None:
        self._junctions = {name: _Junction(of) for name, of in links.items()}
        self._speed_mps = walking_speed_mps
        self._kinds = {kind: LampKind(examples=[]) for kind in KINDS}
        self._steps = 0
        self._step_s = float("inf")
        self._conflict_s = 0.0
        self._vehicle_reds: dict[str, Red] = {}
        self._crossing_reds: dict[str, Red] = {}
        self._waits = [0.0, 0.0]

    def record(self, name: str, time_s: float, state: str) -> None:
        """Take the next record of a junction."""
        self._steps += 1
        junction = self._junctions.get(name)
        if junction is None:
            return
        if not junction.state:
            self._begin(junction, time_s, state)
            return
        step_s = time_s - junction.time_s
        if 0.0 < step_s < self._step_s:
            self._step_s = step_s
        self._conflict_s += step_s * len(junction.conflicts)
        before, junction.time_s = junction.state, time_s
        if state != before:
            self._change(name, junction, before, state, time_s)
            junction.state = state

    def _begin(self, junction: _Junction, time_s: float, state: str) -> None:
        junction.state, junction.time_s, junction.first_s = state, time_s, time_s
        junction.aspect_since = [time_s] * len(state)
        junction.aspect_known = [False] * len(state)
        for link, lamp in enumerate(state):
            if lamp == "r":
                junction.red_since[link] = time_s
                junction.red_known[link] = False
        junction.conflicts = junction.links.conflicts(state)
        for pair in sorted(junction.conflicts):
            self._violate(
                "conflicting greens", f"{time_s:g} s: links {pair[0]} and {pair[1]}, from the first record on"
            )

    def _change(self, name: str, junction: _Junction, before: str, state: str, time_s: float) -> None:
        changed = [link for link, (a, b) in enumerate(zip(before, state, strict=True)) if a != b]
        # Ends before beginnings: a Walk that ends in the step in which a foe gains green has had no
        # clearance at all.
        for link in changed:
            self._end(name, junction, link, before[link], state[link], time_s)
        for link in changed:
            self._gain(name, junction, link, before[link], state[link], time_s)
        shown = junction.links.conflicts(state)
        for a, b in sorted(shown - junction.conflicts):
            self._violate("conflicting greens", f"{time_s:g} s, {name}: links {a} and {b}")
        junction.conflicts = shown

    def _end(self, name: str, junction: _Junction, link: int, was: str, now: str, time_s: float) -> None:
        held_s, known = time_s - junction.aspect_since[link], junction.aspect_known[link]
        at = f"{time_s:g} s, {name}, link {link}"
        crossing = link in junction.links.crossings
        green_ends = was in "Gg" and now not in "Gg"
        if crossing and green_ends:
            self._check("short walk", known, held_s < MIN_WALK_S - _SLACK_S, f"{at}: Walk of {held_s:g} s")
            junction.walk_ended[link] = time_s
            junction.awaited[link] = set(junction.links.crossings[link].foes)
        elif green_ends:
            self._check("short green", known, held_s < MIN_GREEN_S - _SLACK_S, f"{at}: green of {held_s:g} s")
            exempt = link in junction.links.shipped_without_yellow
            self._check("green to red without yellow", not exempt, now in "rsu", f"{at}: {was} to {now}")
        elif was in "yY" and now not in "yY":
            due_s = junction.links.yellow_s.get(link, junction.links.least_yellow_s)
            short = held_s < due_s - _SLACK_S
            self._check("short yellow", known, short, f"{at}: yellow of {held_s:g} s, shipped {due_s:g} s")
        if was == "r":
            self._red_ended(name, junction, link, time_s, ended=True)
        if now == "r":
            junction.red_since[link], junction.red_known[link] = time_s, True
        # 'G' and 'g' are one green, as far as its length goes.
        if not (was in "Gg" and now in "Gg"):
            junction.aspect_since[link], junction.aspect_known[link] = time_s, True

    def _gain(self, name: str, junction: _Junction, link: int, was: str, now: str, time_s: float) -> None:
        if now in "Gg" and link in junction.links.crossings:
            junction.awaited.pop(link, None)
        if now != "G" or was == "G":
            return
        if junction.links.foes.get(link):
            self._kinds["conflicting greens"].opportunities += 1
        for crossing, foes in junction.awaited.items():
            if link in foes:
                foes.discard(link)
                due_s = junction.links.crossings[crossing].length_m / self._speed_mps
                had_s = time_s - junction.walk_ended[crossing]
                text = f"{time_s:g} s, {name}: link {link}, {had_s:g} s after the Walk of {crossing}"
                short = had_s < due_s - _SLACK_S
                self._check("cut crossing clearance", True, short, f"{text}, due {due_s:.1f} s")

    def _red_ended(self, name: str, junction: _Junction, link: int, time_s: float, *, ended: bool) -> None:
        red_s = time_s - junction.red_since.pop(link)
        whole = junction.red_known.pop(link) and ended
        if link in junction.links.never_green:
            return
        crossing = link in junction.links.crossings
        reds = self._crossing_reds if crossing else self._vehicle_reds
        if name not in reds or red_s > reds[name].red_s:
            reds[name] = Red(link=link, red_s=red_s, ended=whole)
        if crossing:
            self._waits[0] += red_s * red_s / 2

    def report(self) -> LampReport:
        """Close the spans that are still open and gather the findings."""
        crossing_s = 0.0
        for name, junction in self._junctions.items():
            for link in list(junction.red_since):
                self._red_ended(name, junction, link, junction.time_s, ended=False)
            crossing_s += (junction.time_s - junction.first_s) * sum(
                c not in junction.links.never_green for c in junction.links.crossings
            )
        self._waits[1] = crossing_s
        return LampReport(
            unsafe=sum(kind.violations for kind in self._kinds.values()),
            opportunities=sum(kind.opportunities for kind in self._kinds.values()),
            steps=self._steps,
            step_s=self._step_s if self._step_s < float("inf") else 0.0,
            walking_speed_mps=self._speed_mps,
            kinds=self._kinds,
            longest_red=self._vehicle_reds,
            longest_crossing_red=self._crossing_reds,
            crossing_wait_s=self._waits[0] / crossing_s if crossing_s > 0 else None,
            conflict_s=self._conflict_s,
        )

    def _check(self, kind: str, counts: bool, broken: bool, text: str) -> None:
        if counts:
            self._kinds[kind].opportunities += 1
            if broken:
                self._violate(kind, text)

    def _violate(self, kind: str, text: str) -> None:
        found = self._kinds[kind]
        found.violations += 1
        if len(found.examples) < EXAMPLES:
            found.examples.append(text)
