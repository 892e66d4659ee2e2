"""Demand for any network from a seed: cars by a gravity model, trams along their tracks, people on foot.

Nothing here was observed, and every city that uses it says so (``synthetic = true``).

The demand is written as flows with exponential gaps (``period="exp(rate)"``), so the seed has two meanings
that do not mix: the seed given here draws *which* routes carry how much, once; SUMO's seed draws *when* each
vehicle and person appears, of which type, and how it drives. SUMO keeps arrivals and driving apart too (each
has a generator of its own), so two controls under one SUMO seed meet the same arrivals, and another seed is
another morning of the same district.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import sumolib

from cityloop.cities.sumo.case_facts import scan_xml
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.cities.sumo.synthetic_capacity import movement_capacities_vph, thinned
from cityloop.cities.sumo.synthetic_lines import TramLine, tram_lines
from cityloop.cities.sumo.synthetic_walks import WalkFlow, walk_flows
from cityloop.kernel.errors import LayoutError

__all__ = ["SyntheticDemand", "WrittenDemand", "write_demand"]

_SECONDS_PER_H = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticDemand:
    """How much of what to write."""

    cars_per_h: float = 1500.0
    persons_per_h: float = 600.0
    tram_headway_s: float = 600.0
    begin_s: float = 0.0
    end_s: float = 3600.0
    through_frac: float = 0.5
    """Share of the cars that only pass: in by one gate of the network, out by another."""
    local_frac: float = 0.1
    """Share of the cars that begin and end inside; the rest comes in or leaves."""
    routes: int = 1200
    """Car routes drawn; each carries the same rate, and equal ones are merged."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what makes no demand."""
        if self.end_s <= self.begin_s:
            raise ValueError(f"end_s is {self.end_s:g}, not after begin_s {self.begin_s:g}.")
        if min(self.cars_per_h, self.persons_per_h) < 0 or self.tram_headway_s <= 0 or self.routes <= 0:
            raise ValueError("cars_per_h, persons_per_h must be 0 or more, headway and routes more than 0.")
        if not 0 <= self.through_frac + self.local_frac <= 1:
            raise ValueError("through_frac and local_frac must lie in 0 to 1 together.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDemand:
    """What was written."""

    car_flows: int
    tram_lines: int
    walk_flows: int


def write_demand(net_file: Path, out: Path, demand: SyntheticDemand) -> WrittenDemand:
    """Write ``demand.rou.xml`` and ``stops.add.xml`` for a network into a folder that exists."""
    rng = np.random.default_rng(demand.seed)
    net = sumolib.net.readNet(str(net_file), withPrograms=False)
    cars = _car_routes(net, net_file, demand, rng)
    lines = tram_lines(net)
    walks = walk_flows(net_file, demand.persons_per_h, rng)
    _write_stops(out / "stops.add.xml", lines)
    _write_routes(out / "demand.rou.xml", demand, cars, lines, walks)
    return WrittenDemand(car_flows=len(cars), tram_lines=len(lines), walk_flows=len(walks))


def _car_routes(net: Any, net_file: Path, demand: SyntheticDemand, rng: np.random.Generator) -> list[tuple[str, float]]:
    """Draw car routes, merged, each with its rate per second."""
    if demand.cars_per_h == 0:
        return []
    edges = [e for e in net.getEdges(withInternal=False) if e.allows("passenger")]
    entries = [e for e in edges if not _others(e, e.getIncoming(), "from")]
    exits = [e for e in edges if not _others(e, e.getOutgoing(), "to")]
    gates = {e.getID() for e in (*entries, *exits)}
    inside = [e for e in edges if e.getID() not in gates and e.getLength() >= 20.0]
    if not edges or not ((entries and exits) or inside):
        raise LayoutError("The network has no roads that cars can enter or leave; give one that has.")
    kinds = [("through", demand.through_frac), ("local", demand.local_frac)]
    kinds.append(("in", (1 - demand.through_frac - demand.local_frac) / 2))
    kinds.append(("out", (1 - demand.through_frac - demand.local_frac) / 2))
    if not (entries and exits):
        kinds = [("local", 1.0)]
    elif not inside:
        kinds = [("through", 1.0)]
    reach_m = math.dist(*net.getBBoxXY()) / 2
    pairs: list[tuple[str, str]] = []
    for kind, share in kinds:
        origins = entries if kind in ("through", "in") else inside
        targets = exits if kind in ("through", "out") else inside
        pairs += _draw_pairs(origins, targets, round(demand.routes * share), reach_m, rng)
    routes = Counter(_routed(net_file, pairs, demand.seed))
    if not routes:
        raise LayoutError(f"{net_file}: no car route could be found between its gates and roads.")
    routes = thinned(routes, movement_capacities_vph(net_file), demand.cars_per_h, rng)
    per_route_hz = demand.cars_per_h / _SECONDS_PER_H / routes.total()
    return [(edges_text, count * per_route_hz) for edges_text, count in sorted(routes.items())]


def _others(edge: Any, neighbours: Any, side: str) -> list[Any]:
    """Return the neighbours that cars may use, the way back left out."""
    if side == "from":
        others = [e for e in neighbours if e.getFromNode() is not edge.getToNode()]
    else:
        others = [e for e in neighbours if e.getToNode() is not edge.getFromNode()]
    return [e for e in others if e.allows("passenger")]


def _draw_pairs(
    origins: Sequence[Any], targets: Sequence[Any], count: int, reach_m: float, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """Draw origins by capacity, and a target for each by capacity and distance.

    Nobody drives for less than a fifth of the network's half diagonal; beyond that the draw of a target fades
    with distance as exp(-d / reach).
    """
    weight_from = np.array([_capacity(e) for e in origins])
    weight_to = np.array([_capacity(e) for e in targets])
    start_m = np.array([e.getFromNode().getCoord()[:2] for e in origins])
    end_m = np.array([e.getToNode().getCoord()[:2] for e in targets])
    pairs = []
    for origin in rng.choice(len(origins), size=count, p=weight_from / weight_from.sum()):
        distance_m = np.hypot(*(end_m - start_m[origin]).T)
        weight = weight_to * np.exp(-distance_m / reach_m) * (distance_m >= reach_m / 5)
        if weight.sum() > 0:
            target = rng.choice(len(targets), p=weight / weight.sum())
            pairs.append((str(origins[origin].getID()), str(targets[target].getID())))
    return pairs


def _capacity(edge: Any) -> float:
    """Weigh an edge by lanes open to cars and speed; a long inner road has more doors."""
    lanes = sum(lane.allows("passenger") for lane in edge.getLanes())
    return float(lanes * edge.getSpeed() ** 2 * min(edge.getLength(), 200.0) ** 0.5)


def _routed(net_file: Path, pairs: Sequence[tuple[str, str]], seed: int) -> list[str]:
    """Return the edges of each pair's route, as text; pairs without a route are left out.

    Free-flow times are blurred by up to half for every trip, since not all drivers choose the same way.
    """
    with tempfile.TemporaryDirectory(prefix="cityloop-") as folder:
        trips, routed = Path(folder) / "trips.xml", Path(folder) / "routes.xml"
        lines = [
            f'<trip id="{row}" depart="0" from={quoteattr(origin)} to={quoteattr(target)}/>'
            for row, (origin, target) in enumerate(pairs)
        ]
        trips.write_text("<routes>\n" + "\n".join(lines) + "\n</routes>\n", encoding="utf-8")
        run_binary(
            "duarouter",
            ["-n", str(net_file), "-r", str(trips), "-o", str(routed), "--seed", str(seed), "--ignore-errors",
             "--weights.random-factor", "1.5", "--no-warnings", "--no-step-log",
             "--write-license", "false"],
        )  # fmt: skip
        routes: list[str] = []
        scan_xml(routed, lambda tag, given: routes.append(given["edges"]) if tag == "route" else None)
        return routes


def _write_stops(path: Path, lines: Sequence[TramLine]) -> None:
    """Write each stop once, whatever number of lines calls there."""
    stops = {stop.name: stop for line in lines for stop in line.stops}
    rows = [
        f'    <busStop id="{stop.name}" lane={quoteattr(stop.lane)} '
        f'startPos="{stop.begin_m:.1f}" endPos="{stop.end_m:.1f}"/>'
        for stop in stops.values()
    ]
    path.write_text("\n".join(["<additional>", *rows, "</additional>", ""]), encoding="utf-8")


def _write_routes(
    path: Path,
    demand: SyntheticDemand,
    cars: Sequence[tuple[str, float]],
    lines: Sequence[TramLine],
    walks: Sequence[WalkFlow],
) -> None:
    """Write the flows: trams with their timetable, the rest with their rates."""
    window = f'begin="{demand.begin_s:g}" end="{demand.end_s:g}"'
    rows = [
        "<!-- Synthetic demand, made by cityloop from a seed; nothing of it was observed. -->",
        "<routes>",
        '    <vTypeDistribution id="road">',
        '        <vType id="car" vClass="passenger" probability="0.94"/>',
        '        <vType id="lorry" vClass="truck" length="9" probability="0.06"/>',
        "    </vTypeDistribution>",
        '    <vType id="tram" vClass="tram" length="30" personCapacity="180"/>',
        '    <vType id="walker" vClass="pedestrian"/>',
    ]
    for row, (edges_text, rate_hz) in enumerate(cars):
        rows.append(
            f'    <flow id="c{row}" type="road" {window} period="exp({rate_hz:.7f})" '
            'departLane="best" departSpeed="desired" departPos="random_free">'
            f'<route edges="{edges_text}"/></flow>'
        )
    for row, (origin, target, rate_hz) in enumerate(walks):
        rows.append(
            f'    <personFlow id="p{row}" type="walker" {window} period="exp({rate_hz:.7f})">'
            f"<walk from={quoteattr(origin)} to={quoteattr(target)}/></personFlow>"
        )
    for row, line in enumerate(lines):
        # Lines are spread over the headway, so that they do not all meet at the first junction.
        first_s = demand.begin_s + 60.0 + row * demand.tram_headway_s / len(lines)
        stops = "".join(f'<stop busStop="{stop.name}" duration="20"/>' for stop in line.stops)
        rows.append(
            f'    <flow id="t{row}" type="tram" begin="{first_s:g}" end="{demand.end_s:g}" '
            f'period="{demand.tram_headway_s:g}" personNumber="60">'
            f'<route edges="{" ".join(line.edges)}"/>{stops}</flow>'
        )
    path.write_text("\n".join([*rows, "</routes>", ""]), encoding="utf-8")
