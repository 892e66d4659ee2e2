"""The lamp checker's own reading of a network: foes, crossings and shipped yellows, by signal index."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from cityloop.kernel.errors import LayoutError

__all__ = ["CrossingLink", "SignalLinks", "read_signal_links"]

LEAST_YELLOW_S = 3.0
"""Where a junction's shipped program shows no yellow at all: RiLSA 2015, section 2.4, at 50 km/h."""


@dataclass(frozen=True, slots=True)
class CrossingLink:
    """A signal index that lets people over a road."""

    length_m: float
    foes: frozenset[int]
    """Vehicle links whose paths run over the crossing."""


@dataclass(slots=True)
class SignalLinks:
    """What the network file says of one signal, by signal index."""

    foes: dict[int, set[int]] = field(default_factory=dict)
    """Links whose paths cross; symmetric."""
    crossings: dict[int, CrossingLink] = field(default_factory=dict)
    yellow_s: dict[int, float] = field(default_factory=dict)
    """Shortest whole yellow that the shipped programs give the link."""
    least_yellow_s: float = LEAST_YELLOW_S
    """For links whose own yellow is not shipped: the least of the junction."""
    shipped_together: set[tuple[int, int]] = field(default_factory=set)
    """Foes that a shipped phase itself shows protected green together."""
    shipped_without_yellow: set[int] = field(default_factory=set)
    """Vehicle links that the shipped programs take from green to red with no yellow between."""
    never_green: set[int] = field(default_factory=set)
    """Links that no shipped phase gives green."""

    def conflicts(self, state: str) -> frozenset[tuple[int, int]]:
        """Return the pairs of foes shown protected green together that no shipped phase shows."""
        greens = [link for link, lamp in enumerate(state) if lamp == "G"]
        return frozenset(
            (a, b)
            for a, b in combinations(greens, 2)
            if b in self.foes.get(a, ()) and (a, b) not in self.shipped_together
        )


def read_signal_links(net_file: Path, program_files: Iterable[Path] = ()) -> dict[str, SignalLinks]:
    """Read every signal of a network, with the programs that the city ships beside it."""
    root = _root(net_file)
    link_of, next_lane, crossing_m = _connections(root)
    signals: dict[str, SignalLinks] = {}
    crossing_foes: dict[tuple[str, int], tuple[float, set[int]]] = {}
    for junction in root.iter("junction"):
        lanes = (junction.get("intLanes") or "").split()
        at = [_signal_of(lane, link_of, next_lane) for lane in lanes]
        for request in junction.iter("request"):
            row = int(request.get("index", "-1"))
            mine = at[row] if 0 <= row < len(at) else None
            if mine is None:
                continue
            links = signals.setdefault(mine[0], SignalLinks())
            if lanes[row] in crossing_m:
                crossing_foes.setdefault(mine, (crossing_m[lanes[row]], set()))
            # The string's last character stands for row 0.
            for other, bit in enumerate(reversed(request.get("foes", ""))):
                theirs = at[other] if bit == "1" and other < len(at) else None
                if theirs is None or theirs[0] != mine[0] or theirs[1] == mine[1]:
                    continue
                links.foes.setdefault(mine[1], set()).add(theirs[1])
                links.foes.setdefault(theirs[1], set()).add(mine[1])
    for (name, index), (length_m, _) in crossing_foes.items():
        signals[name].crossings[index] = CrossingLink(length_m, frozenset())
    for links in signals.values():
        for index, crossing in links.crossings.items():
            vehicles = frozenset(links.foes.get(index, set()) - links.crossings.keys())
            links.crossings[index] = CrossingLink(crossing.length_m, vehicles)
    programs = [root, *(_root(path) for path in program_files)]
    _read_programs(signals, [logic for part in programs for logic in part.iter("tlLogic")])
    return signals


def _connections(
    root: ET.Element,
) -> tuple[dict[str, tuple[str, int]], dict[str, list[str]], dict[str, float]]:
    """Return signal links by first internal lane, what leads onto a continued one, and crossings' lengths."""
    crossing_m: dict[str, float] = {}
    for edge in root.iter("edge"):
        lane = edge.find("lane")
        if edge.get("function") == "crossing" and lane is not None:
            crossing_m[lane.get("id", "")] = float(lane.get("length", "0"))
    link_of: dict[str, tuple[str, int]] = {}
    before: dict[str, list[str]] = {}
    for way in root.iter("connection"):
        via, signal = way.get("via"), way.get("tl")
        to_lane = f"{way.get('to')}_{way.get('toLane')}"
        if signal is not None:
            lane_id = to_lane if to_lane in crossing_m else via
            if lane_id is not None:
                link_of.setdefault(lane_id, (signal, int(way.get("linkIndex", "-1"))))
        elif via is not None and (way.get("from") or "").startswith(":"):
            before.setdefault(via, []).append(f"{way.get('from')}_{way.get('fromLane')}")
    return link_of, before, crossing_m


def _signal_of(lane: str, link_of: dict[str, tuple[str, int]], before: dict[str, list[str]]) -> tuple[str, int] | None:
    """Return the signal link that leads onto an internal lane, also where it waits inside the junction."""
    for _ in range(4):
        if lane in link_of:
            return link_of[lane]
        lanes = before.get(lane)
        if not lanes:
            return None
        lane = lanes[0]
    return None


def _read_programs(signals: dict[str, SignalLinks], logics: list[ET.Element]) -> None:
    green: dict[str, set[int]] = {}
    for logic in logics:
        name = logic.get("id", "")
        links = signals.setdefault(name, SignalLinks())
        phases = [(p.get("state", ""), float(p.get("minDur", p.get("duration", "0")))) for p in logic.iter("phase")]
        for state, _ in phases:
            green.setdefault(name, set()).update(i for i, lamp in enumerate(state) if lamp in "Gg")
            shown = [i for i, lamp in enumerate(state) if lamp == "G"]
            links.shipped_together |= {(a, b) for a, b in combinations(shown, 2) if b in links.foes.get(a, ())}
        for index in range(len(phases[0][0]) if phases else 0):
            _read_yellow(links, index, [(state[index], held_s) for state, held_s in phases if index < len(state)])
    for name, links in signals.items():
        links.never_green = {i for i in {*links.foes, *links.crossings} if i not in green.get(name, ())}
        links.least_yellow_s = min(links.yellow_s.values(), default=LEAST_YELLOW_S)


def _read_yellow(links: SignalLinks, index: int, shown: list[tuple[str, float]]) -> None:
    """Find a link's whole yellows in a program, which is a ring."""
    for yellow_s, then in _spans(shown):
        if yellow_s > 0:
            links.yellow_s[index] = min(yellow_s, links.yellow_s.get(index, yellow_s))
        elif then in "rsu" and index not in links.crossings:
            links.shipped_without_yellow.add(index)


def _spans(shown: list[tuple[str, float]]) -> Iterator[tuple[float, str]]:
    """Yield, for each end of green in the ring: the yellow's length and the aspect after it."""
    n = len(shown)
    for at in range(n):
        if shown[at][0] in "Gg" and shown[(at + 1) % n][0] not in "Gg":
            step, yellow_s = 1, 0.0
            while step < n and shown[(at + step) % n][0] in "yY":
                yellow_s += shown[(at + step) % n][1]
                step += 1
            yield yellow_s, shown[(at + step) % n][0]


def _root(path: Path) -> ET.Element:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return ET.parse(stream).getroot()
    except (OSError, EOFError, ET.ParseError) as error:
        raise LayoutError(f"{path}: cannot be read as XML ({error}); restore the file that the run used") from error
