"""What is wrong with a city as it ships: its signal programs, its approach lanes, its demand.

Every finding names the junction, the link, the value, the bound and where the bound comes from, and says what
every arm but ``shipped`` does about it. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.netfile import NetFile, Phase, read_netfile
from cityloop.cities.sumo.network import Network, read_network
from cityloop.domains.signals.schema import LinkKind
from cityloop.kernel.errors import InputError

__all__ = [
    "Check",
    "Finding",
    "audit_city",
    "audit_network",
    "audit_programs",
    "conflicting_greens",
    "refuse_conflicting_greens",
]

_LEAST_GREEN_S = 5.0
_FAST_LIMITS_MPS = ((50 / 3.6, 3.0), (60 / 3.6, 4.0))
"""Least yellow up to a speed limit; 5 s beyond. [m/s, s]"""
_LONGEST_LIMIT_MPS = 130 / 3.6
_SLOWEST_LIMIT_MPS = 5 / 3.6
_ZONE_TIME_S = 5.0
_EPSILON = 1e-6


class Check(StrEnum):
    """What is looked for."""

    SHORT_GREEN = "short green"
    CUT_CROSSING = "crossing cut short"
    NO_YELLOW = "no yellow"
    SHORT_YELLOW = "short yellow"
    PROTECTED_FOES = "protected greens that cross"
    NEVER_GREEN = "never green"
    NO_STAGES = "signal without stages"
    SHORT_ZONE = "short detection zone"
    SPEED = "odd speed limit"
    UNCALIBRATED = "uncalibrated demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found."""

    check: Check
    junction: str
    """Empty for what concerns no junction."""
    link: int = -1
    """Signal index at the junction, -1 where it is not about a link."""
    phase: int = -1
    """Of the shipped program, -1 where it is not about a phase."""
    what: str
    value: float
    bound: float
    unit: str
    standard: str
    remedy: str
    """What every arm but ``shipped`` does about it."""


def audit_city(case: CityCase) -> list[Finding]:
    """Audit a case: its programs, its lanes and its demand."""
    network = read_network(case.net_file, walking_speed_mps=case.walking_speed_mps)
    found = [*audit_programs(network), *audit_network(read_netfile(case.net_file), network)]
    label = case.calibration_label()
    if label != "CALIBRATED":
        share = case.calibration.share_geh_below_5 if case.calibration is not None else float("nan")
        found.append(
            Finding(
                check=Check.UNCALIBRATED,
                junction="",
                what=f"{case.name}: {label}",
                value=share,
                bound=0.85,
                unit="share of links with GEH below 5",
                standard="DfT TAG unit M3.1, table 2",
                remedy="every figure carries the label; fit the demand to counts with cityloop calibrate",
            )
        )
    return found


def audit_programs(network: Network) -> list[Finding]:
    """Audit every junction's shipped program."""
    found: list[Finding] = []
    for row in range(len(network.tls_ids)):
        junction = _Junction(network, row)
        found += junction.greens()
        found += junction.yellows()
        found += junction.crossings()
        found += junction.foes()
    return found


class _Junction:
    """A junction's links and shipped phases, at the shortest times that the program allows."""

    def __init__(self, network: Network, row: int) -> None:
        controllers = network.assets.controllers
        self.name = network.tls_ids[row]
        self.begin, self.end = int(controllers.link_begin[row]), int(controllers.link_end[row])
        self.links = network.assets.links
        self.n = self.end - self.begin
        first = int(controllers.matrix_begin[row])
        self.foe = network.assets.matrices.foe[first : first + self.n * self.n].reshape(self.n, self.n)
        self.phases: tuple[Phase, ...] = network.programs[row].phases
        self.shortest_s = [min(phase.duration_s, phase.min_s) for phase in self.phases]
        # A link is as fast as the fastest approach lane that leads to it.
        self.limit_mps = np.zeros(self.n)
        movements, approaches = network.assets.movements, network.assets.approaches
        for link, approach in zip(movements.link, movements.approach, strict=True):
            if self.begin <= link < self.end:
                limit = approaches.speed_limit_mps[approach]
                self.limit_mps[link - self.begin] = max(self.limit_mps[link - self.begin], limit)

    def crossing(self, link: int) -> bool:
        return bool(self.links.kind[self.begin + link] == LinkKind.CROSSING)

    def runs(self, link: int, lamps: str) -> Iterator[tuple[int, int]]:
        """Yield the first phase and the number of phases of every run of lamps, over the cycle's seam."""
        shown = [phase.state[link] in lamps for phase in self.phases]
        for first, on in enumerate(shown):
            if on and not shown[first - 1]:
                count = 1
                while count < len(shown) and shown[(first + count) % len(shown)]:
                    count += 1
                yield first, count

    def lasts_s(self, first: int, count: int) -> float:
        return sum(self.shortest_s[(first + k) % len(self.phases)] for k in range(count))

    def finding(
        self,
        check: Check,
        link: int,
        phase: int,
        what: str,
        *,
        value: float,
        bound: float,
        unit: str,
        standard: str,
        remedy: str,
    ) -> Finding:
        kind = "crossing" if self.crossing(link) else "link"
        return Finding(
            check=check, junction=self.name, link=link, phase=phase, value=value, bound=bound, unit=unit,
            standard=standard, remedy=remedy, what=f"{self.name}, {kind} {link}: {what}",
        )  # fmt: skip

    def greens(self) -> Iterator[Finding]:
        for link in range(self.n):
            if not any(phase.state[link] in "gG" for phase in self.phases):
                yield self.finding(
                    Check.NEVER_GREEN, link, -1, "is green in no phase", value=0.0, bound=_LEAST_GREEN_S,
                    unit="s", standard="every signalled movement is served each cycle (RiLSA 2015)",
                    remedy="none serves it either, stages are the shipped ones; mend the network",
                )  # fmt: skip
            for first, count in self.runs(link, "gG"):
                lasts_s = self.lasts_s(first, count)
                if lasts_s < _LEAST_GREEN_S - _EPSILON:
                    yield self.finding(
                        Check.SHORT_GREEN, link, first, f"may be green for only {lasts_s:g} s", value=lasts_s,
                        bound=_LEAST_GREEN_S, unit="s", standard="RiLSA 2015, 2.7.3: at least 5 s",
                        remedy="holds every green for 5 s or longer",
                    )  # fmt: skip

    def yellows(self) -> Iterator[Finding]:
        for link in range(self.n):
            if self.crossing(link):
                continue
            least_s = next((s for limit, s in _FAST_LIMITS_MPS if self.limit_mps[link] <= limit + 0.1), 5.0)
            standard = f"RiLSA 2015: {least_s:g} s at {self.limit_mps[link] * 3.6:.0f} km/h"
            for first, count in self.runs(link, "gG"):
                after = (first + count) % len(self.phases)
                if count < len(self.phases) and self.phases[after].state[link] not in "yYgGuoO":
                    yield self.finding(
                        Check.NO_YELLOW, link, after, "loses green without yellow", value=0.0, bound=least_s,
                        unit="s", standard=standard, remedy="shows 3 s of yellow",
                    )  # fmt: skip
            for first, count in self.runs(link, "yY"):
                lasts_s = self.lasts_s(first, count)
                if lasts_s < least_s - _EPSILON:
                    shown_s = max(float(self.links.yellow_s[self.begin + link]), lasts_s)
                    yield self.finding(
                        Check.SHORT_YELLOW, link, first, f"has {lasts_s:g} s of yellow", value=lasts_s,
                        bound=least_s, unit="s", standard=standard,
                        remedy=f"shows {shown_s:g} s: the link's longest shipped yellow, never under 3 s",
                    )  # fmt: skip

    def crossings(self) -> Iterator[Finding]:
        for link in range(self.n):
            if not self.crossing(link):
                continue
            needed_s = float(self.links.clearance_s[self.begin + link])
            length_m = float(self.links.length_m[self.begin + link])
            for first, count in self.runs(link, "gG"):
                clear_s = self._until_foe_s(link, first, count)
                if clear_s is not None and clear_s < needed_s - _EPSILON:
                    pace = f"{length_m / clear_s:.1f} m/s" if clear_s > 0 else "no time at all"
                    yield self.finding(
                        Check.CUT_CROSSING, link, (first + count) % len(self.phases),
                        f"{length_m:.1f} m, foes go {clear_s:g} s after the Walk ({pace})", value=clear_s,
                        bound=needed_s, unit="s",
                        standard="RiLSA 2015: clear at 1.0 m/s where people are slow, 1.2 m/s else; "
                        "MUTCD 11th ed., 4I.06: 3.5 ft/s (1.07 m/s)",
                        remedy="lets the whole bound pass after the Walk before a foe gains green",
                    )  # fmt: skip

    def _until_foe_s(self, link: int, first: int, count: int) -> float | None:
        """Return the time from the Walk's end to the first gain of a foe, None where none ever gains."""
        walk = self.phases[(first + count - 1) % len(self.phases)].state
        elapsed_s = 0.0
        for step in range(len(self.phases) - count):
            index = (first + count + step) % len(self.phases)
            lamps = self.phases[index].state
            for other in np.flatnonzero(self.foe[link]):
                was, now = walk[other], lamps[other]
                if (now in "gG" and was not in "gG") or (now == "G" and was != "G"):
                    return elapsed_s
            elapsed_s += self.shortest_s[index]
        return None

    def foes(self) -> Iterator[Finding]:
        """Yield each pair of links that cross and are shown as protected together, once."""
        for index, a, b in self.protected_foes():
            yield self.finding(
                Check.PROTECTED_FOES, a, index, f"protected together with link {b}, whose path it crosses",
                value=2.0, bound=1.0, unit="protected streams on one conflict point",
                standard="EN 12675: conflicting streams are not released together",
                remedy="keeps a pair that the shipped program shows, and adds no other",
            )  # fmt: skip

    def protected_foes(self) -> Iterator[tuple[int, int, int]]:
        """Yield the first phase that shows a pair of crossing links as protected, and the two links."""
        seen: set[tuple[int, int]] = set()
        for index, phase in enumerate(self.phases):
            protected = [link for link in range(self.n) if phase.state[link] == "G"]
            for a, b in combinations(protected, 2):
                if self.foe[a, b] and (a, b) not in seen:
                    seen.add((a, b))
                    yield index, a, b


def conflicting_greens(net_file: Path, network: Network) -> str:
    """Say in one line which shipped phase lets crossing streams go at once; empty where none does."""
    found = [
        (junction.name, *pair)
        for junction in (_Junction(network, row) for row in range(len(network.tls_ids)))
        for pair in junction.protected_foes()
    ]
    if not found:
        return ""
    name, phase, a, b = found[0]
    more = f" ({len(found)} such pairs in all)" if len(found) > 1 else ""
    return f"{net_file}: <tlLogic id={name!r}>, phase {phase}: links {a} and {b} cross and both show 'G'{more}"


def refuse_conflicting_greens(net_file: Path) -> None:
    """Refuse a network whose own programs let crossing streams go at once."""
    if line := conflicting_greens(net_file, read_network(net_file)):
        raise InputError(f"{line}; show one of them 'g' where it yields, else 'r'")


def audit_network(net: NetFile, network: Network) -> list[Finding]:
    """Audit what programs do not tell: signals without stages, approach lanes and speed limits."""
    return [*_signals_without_stages(net, network), *_short_zones(network), *_speeds(net)]


def _signals_without_stages(net: NetFile, network: Network) -> Iterator[Finding]:
    rail = {node.id for node in net.nodes.values() if node.kind in ("rail_signal", "rail_crossing")}
    named = dict.fromkeys(c.tls for c in net.connections if c.tls)
    for tls_id in sorted({*named, *net.programs} - set(network.tls_ids) - rail):
        yield Finding(
            check=Check.NO_STAGES, junction=tls_id, what=f"{tls_id}: no program with a green, or no links",
            value=0.0, bound=1.0, unit="stages", standard="a signal shows green at some time",
            remedy="leaves it alone: it is not controlled and stands in no figure",
        )  # fmt: skip


def _short_zones(network: Network) -> Iterator[Finding]:
    approaches = network.assets.approaches
    lanes = network.layout.names["lanes"]
    for row in range(len(approaches.zone_m)):
        limit_mps = float(approaches.speed_limit_mps[row])
        reach_m, wanted_m = float(approaches.zone_m[row]), _ZONE_TIME_S * limit_mps
        if reach_m < wanted_m - _EPSILON:
            tls_id = network.tls_ids[int(approaches.junction[row])]
            lane = lanes[int(approaches.lane[row])]
            yield Finding(
                check=Check.SHORT_ZONE, junction=tls_id,
                what=f"{tls_id}, lane {lane}: seen for {reach_m:.0f} m before the stop line",
                value=reach_m, bound=wanted_m, unit="m",
                standard="NCHRP 812 (Signal Timing Manual, 2nd ed.): detection 5 s ahead",
                remedy="decides later for this lane; arrivals beyond are forecast from the signals upstream",
            )  # fmt: skip


def _speeds(net: NetFile) -> Iterator[Finding]:
    for edge in net.edges.values():
        if edge.function != "normal":
            continue
        for lane in edge.lanes:
            if not lane.motorised or lane.rail_only:
                continue
            fast, slow = lane.speed_mps > _LONGEST_LIMIT_MPS, lane.speed_mps < _SLOWEST_LIMIT_MPS
            if fast or slow:
                yield Finding(
                    check=Check.SPEED, junction="",
                    what=f"lane {lane.id}: limit {lane.speed_mps * 3.6:.0f} km/h",
                    value=lane.speed_mps,
                    bound=_LONGEST_LIMIT_MPS if fast else _SLOWEST_LIMIT_MPS,
                    unit="m/s",
                    standard="5 to 130 km/h",
                    remedy="takes the network as it is; correct it with netconvert",
                )  # fmt: skip
