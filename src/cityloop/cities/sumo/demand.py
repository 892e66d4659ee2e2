"""Routes that a city's traffic could take, and demand files made of them.

Candidate routes run between the network's gates and its inner edges along fast and somewhat slower paths.
Each carries a prior weight: gates before inner edges, wide and fast roads before narrow ones, short ways
before detours. Where the city has routes of its own they are the larger part of the prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from cityloop.cities.sumo.case_facts import NetFacts, scan_xml
from cityloop.cities.sumo.sumo_tools import run_binary, run_tool
from cityloop.kernel.errors import InputError

__all__ = [
    "CandidateParams",
    "CandidateRoutes",
    "candidate_routes",
    "sample_with_sumo",
    "synthetic_demand",
    "write_demand",
]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

SYNTHETIC_VEH_PER_LANE_KM_H = 40.0
_VEHICLE_TYPE = '<vType id="fit.car" vClass="passenger" speedDev="0.1"/>'
_DEPARTURE = 'departLane="best" departSpeed="max"'


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateParams:
    """Which trips the candidates are drawn from."""

    pairs: int = 3_000
    """Pairs of first and last edge."""

    variants: int = 3
    """Paths tried for each pair beside the fastest."""

    random_factor: float = 1.6
    """Up to this factor each edge's time is stretched when another path is tried."""

    inner_frac: float = 0.05
    """Share of trip ends inside the network; the others are at its gates."""

    detour_scale: float = 8.0
    """Weight falls with exp(-detour_scale x relative detour), as in a logit choice of route."""

    own_frac: float = 0.8
    """Share of the prior that many routes of the city's own take."""

    own_half_veh: float = 200.0
    """Vehicles of the city's own routes at which they take half of `own_frac`: a handful proves little."""

    via_per_count: int = 30
    """Extra trips led over each counted edge that fewer candidates pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRoutes:
    """Distinct routes in the order of their edges, so that neighbours share links."""

    edges: tuple[tuple[str, ...], ...]
    weight: F64
    """Prior share of the traffic, summing to one, shape (n_routes,)."""


def candidate_routes(
    net_file: Path,
    net: NetFacts,
    counted: Iterable[str],
    own_routes: Sequence[Path],
    rng: np.random.Generator,
    work_dir: Path,
    params: CandidateParams = CandidateParams(),
) -> CandidateRoutes:
    """Draw candidate routes; `counted` edges are each passed by some of them where the network allows."""
    starts, start_weight = _trip_ends(net, net.predecessors, params.inner_frac)
    ends, end_weight = _trip_ends(net, net.successors, params.inner_frac)
    if not starts or not ends:
        raise InputError(f"{net_file}: no edge open to cars; demand cannot be made for it")
    pairs = _pairs(starts, start_weight, ends, end_weight, params.pairs, rng)
    trips = [(a, b, "", w, v) for a, b, w in pairs for v in range(params.variants + 1)]
    routed = _route(net_file, trips, params, rng, work_dir)
    passed = dict.fromkeys(counted, 0)
    for _, route in routed:
        for edge in set(route) & passed.keys():
            passed[edge] += 1
    led: list[tuple[str, str, str, float, int]] = []
    typical = float(np.median([w for *_, w in pairs])) if pairs else 1.0
    for edge, times in sorted(passed.items()):
        for _ in range(params.via_per_count if times < params.via_per_count else 0):
            a = starts[rng.choice(len(starts), p=start_weight)]
            b = ends[rng.choice(len(ends), p=end_weight)]
            led.append((a, b, edge, typical * 0.1, 0))
    routed += _route(net_file, led, params, rng, work_dir) if led else []
    prior: dict[tuple[str, ...], float] = {}
    fastest_s: dict[tuple[str, str], float] = {}
    for _, route in routed:
        key = (route[0], route[-1])
        fastest_s[key] = min(fastest_s.get(key, np.inf), _free_flow_s(net, route))
    for weight, route in routed:
        best_s = fastest_s[route[0], route[-1]]
        detour = _free_flow_s(net, route) / best_s - 1.0
        prior[route] = max(prior.get(route, 0.0), weight * float(np.exp(-params.detour_scale * detour)))
    own = _own_routes(net_file, own_routes, work_dir)
    own_veh = sum(own.values())
    return _gathered(prior, own, params.own_frac * own_veh / (own_veh + params.own_half_veh))


def write_demand(path: Path, routes: Sequence[tuple[str, ...]], route_of: I64, depart_s: F64, note: str) -> None:
    """Write vehicles, sorted by departure, over named routes."""
    used = np.unique(route_of)
    with path.open("w", encoding="utf-8") as out:
        out.write(f"<routes>\n    <!-- {note} -->\n    {_VEHICLE_TYPE}\n")
        for index in used:
            out.write(f'    <route id="fit.r{index}" edges={quoteattr(" ".join(routes[index]))}/>\n')
        for number, at in enumerate(np.argsort(depart_s, kind="stable")):
            out.write(
                f'    <vehicle id="fit.v{number}" type="fit.car" route="fit.r{route_of[at]}" '
                f'depart="{depart_s[at]:.1f}" {_DEPARTURE}/>\n'
            )
        out.write("</routes>\n")


def synthetic_demand(
    path: Path, net_file: Path, net: NetFacts, span_s: tuple[float, float], seed: int, work_dir: Path
) -> int:
    """Make up a moderate demand from nothing but the network, and return its number of vehicles.

    It stands in until counts are at hand, and proves nothing about the city: its size is
    `SYNTHETIC_VEH_PER_LANE_KM_H` for each kilometre of lane, evenly over the hours.
    """
    rng = np.random.default_rng(seed)
    candidates = candidate_routes(net_file, net, (), (), rng, work_dir)
    lane_km = sum(edge.length_m * edge.lanes for edge in net.edges.values()) / 1000.0
    hours = (span_s[1] - span_s[0]) / 3600.0
    vehicles = max(1, round(SYNTHETIC_VEH_PER_LANE_KM_H * lane_km * hours))
    route_of = rng.choice(len(candidates.edges), size=vehicles, p=candidates.weight)
    depart_s = span_s[0] + np.floor(rng.uniform(size=vehicles) * (span_s[1] - span_s[0]) * 10.0) / 10.0
    note = f"SYNTHETIC: made up from the network with seed {seed}, not observed."
    write_demand(path, candidates.edges, route_of.astype(np.int64), depart_s, note)
    return vehicles


def sample_with_sumo(
    candidates: CandidateRoutes,
    counts: Mapping[tuple[float, float], Mapping[str, float]],
    begin_s: float,
    seed: int,
    work_dir: Path,
) -> tuple[I64, F64]:
    """Draw vehicles with SUMO's routeSampler, the yardstick of the fit of our own.

    Returns the route of each vehicle and when it departs. Before the first count, back to `begin_s`, the
    departures of the first interval are repeated, so that the streets are full when counting starts.
    """
    pool, data, sampled = (work_dir / name for name in ("pool.rou.xml", "counts.xml", "sampled.rou.xml"))
    with pool.open("w", encoding="utf-8") as out:
        out.write("<routes>\n")
        for index, (edges, weight) in enumerate(zip(candidates.edges, candidates.weight, strict=True)):
            listed = quoteattr(" ".join(edges))
            out.write(f'    <route id="p{index}" probability="{weight:.9f}" edges={listed}/>\n')
        out.write("</routes>\n")
    with data.open("w", encoding="utf-8") as out:
        out.write("<data>\n")
        for (from_s, to_s), by_edge in sorted(counts.items()):
            out.write(f'    <interval id="c" begin="{from_s}" end="{to_s}">\n')
            for edge, count_veh in sorted(by_edge.items()):
                out.write(f'        <edge id={quoteattr(edge)} entered="{round(count_veh)}"/>\n')
            out.write("    </interval>\n")
        out.write("</data>\n")
    interval_s = min(to_s - from_s for from_s, to_s in counts)
    first_s, last_s = min(from_s for from_s, _ in counts), max(to_s for _, to_s in counts)
    arguments = ["-r", str(pool), "-d", str(data), "-o", str(sampled), "--weighted", "--optimize", "full"]
    arguments += ["-b", str(first_s), "-e", str(last_s), "-i", str(interval_s), "--seed", str(seed)]
    run_tool("routeSampler.py", arguments)
    number = {edges: index for index, edges in enumerate(candidates.edges)}
    drawn = [(number[edges], depart_s) for edges, depart_s in _read_departing_routes(sampled)]
    route_of = np.array([route for route, _ in drawn], dtype=np.int64)
    depart_s = np.array([at_s for _, at_s in drawn])
    for back in range(1, int(np.ceil((first_s - begin_s) / interval_s)) + 1):
        early = depart_s < first_s + interval_s
        early &= (depart_s >= first_s) & (depart_s - back * interval_s >= begin_s)
        route_of = np.r_[route_of, route_of[early]]
        depart_s = np.r_[depart_s, depart_s[early] - back * interval_s]
    return route_of, depart_s


def _trip_ends(net: NetFacts, beyond: Mapping[str, tuple[str, ...]], inner_frac: float) -> tuple[list[str], F64]:
    """Return the edges where trips may start (or end), with their weights; gates have nothing beyond them."""
    names = [name for name, edge in sorted(net.edges.items()) if edge.lanes]
    gate = np.array([not _leads_on(net, name, beyond) for name in names], dtype=bool)
    width = np.array([net.edges[name].lanes * net.edges[name].speed_mps for name in names])
    length = np.array([net.edges[name].lanes * net.edges[name].length_m for name in names])
    if not names:
        return [], width
    gates, inner = width * gate, length * ~gate
    inner_share = 1.0 if not gates.any() else inner_frac if inner.any() else 0.0
    weight = (1.0 - inner_share) * gates / max(gates.sum(), 1e-9) + inner_share * inner / max(inner.sum(), 1e-9)
    return names, weight / weight.sum()


def _leads_on(net: NetFacts, name: str, beyond: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether traffic goes on past this edge other than by turning round."""
    edge = net.edges[name]
    for other in beyond.get(name, ()):
        facing = net.edges[other]
        if (facing.from_node, facing.to_node) != (edge.to_node, edge.from_node):
            return True
    return False


def _pairs(
    starts: list[str],
    start_weight: F64,
    ends: list[str],
    end_weight: F64,
    how_many: int,
    rng: np.random.Generator,
) -> list[tuple[str, str, float]]:
    """Return pairs of first and last edge: the weightiest all, then others drawn by weight."""
    joint = np.outer(start_weight, end_weight).ravel()
    if np.count_nonzero(joint) > how_many:
        sure = np.argpartition(joint, -how_many // 2)[-how_many // 2 :]
        others = joint.copy()
        others[sure] = 0.0
        drawn = rng.choice(joint.size, size=how_many - sure.size, replace=True, p=others / others.sum())
        chosen, times = np.unique(drawn, return_counts=True)
        weights = {int(i): float(joint[i]) for i in sure}
        weights |= {int(i): others.sum() * n / drawn.size for i, n in zip(chosen, times, strict=True)}
    else:
        weights = {int(i): float(joint[i]) for i in np.flatnonzero(joint)}
    width = len(ends)
    found = [(starts[i // width], ends[i % width], weights[i]) for i in sorted(weights)]
    return [(a, b, w) for a, b, w in found if a != b]


def _route(
    net_file: Path,
    trips: Sequence[tuple[str, str, str, float, int]],
    params: CandidateParams,
    rng: np.random.Generator,
    work_dir: Path,
) -> list[tuple[float, tuple[str, ...]]]:
    """Route trips with duarouter, variant 0 along the fastest path, the others with stretched times."""
    routed: list[tuple[float, tuple[str, ...]]] = []
    for varied in (False, True):
        part = [trip for trip in trips if (trip[4] > 0) == varied]
        if not part:
            continue
        trip_file, route_file = work_dir / "candidate.trips.xml", work_dir / "candidate.rou.xml"
        with trip_file.open("w", encoding="utf-8") as out:
            out.write(f"<routes>\n    {_VEHICLE_TYPE}\n")
            for index, (start, end, via, _, _) in enumerate(part):
                led = f" via={quoteattr(via)}" if via else ""
                out.write(
                    f'    <trip id="{index}" type="fit.car" depart="0" from={quoteattr(start)} '
                    f"to={quoteattr(end)}{led}/>\n"
                )
            out.write("</routes>\n")
        arguments = ["-n", str(net_file), "-r", str(trip_file), "-o", str(route_file)]
        arguments += ["--ignore-errors", "--no-warnings", "--no-step-log", "--xml-validation", "never"]
        arguments += ["--seed", str(int(rng.integers(1 << 30)))]
        if varied:
            arguments += ["--weights.random-factor", str(params.random_factor)]
        run_binary("duarouter", arguments)
        for name, edges in _read_routes(route_file):
            if len(set(edges)) == len(edges):
                routed.append((part[int(name)][3], edges))
    return routed


def _own_routes(net_file: Path, own_routes: Sequence[Path], work_dir: Path) -> dict[tuple[str, ...], float]:
    """Return the routes that the city's own demand takes, with the number of vehicles on each."""
    if not own_routes:
        return {}
    route_file = work_dir / "own.rou.xml"
    arguments = ["-n", str(net_file), "-r", ",".join(map(str, own_routes)), "-o", str(route_file)]
    arguments += ["--ignore-errors", "--no-warnings", "--no-step-log", "--xml-validation", "never"]
    run_binary("duarouter", arguments)
    found: dict[tuple[str, ...], float] = {}
    for _, edges in _read_routes(route_file):
        found[edges] = found.get(edges, 0.0) + 1.0
    return found


def _read_routes(route_file: Path) -> list[tuple[str, tuple[str, ...]]]:
    return [(vehicle["id"], edges) for vehicle, edges in _vehicles(route_file)]


def _read_departing_routes(route_file: Path) -> list[tuple[tuple[str, ...], float]]:
    return [(edges, float(vehicle["depart"])) for vehicle, edges in _vehicles(route_file)]


def _vehicles(route_file: Path) -> list[tuple[dict[str, str], tuple[str, ...]]]:
    found: list[tuple[dict[str, str], tuple[str, ...]]] = []
    vehicle: dict[str, str] = {}

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal vehicle
        if tag in {"vehicle", "flow"}:
            vehicle = attributes
        elif tag == "route" and vehicle:
            found.append((vehicle, tuple(attributes["edges"].split())))

    scan_xml(route_file, on_start)
    return found


def _gathered(
    drawn: Mapping[tuple[str, ...], float], own: Mapping[tuple[str, ...], float], own_frac: float
) -> CandidateRoutes:
    edges = tuple(sorted({*drawn, *own}))
    of_drawn = np.array([drawn.get(route, 0.0) for route in edges])
    of_own = np.array([own.get(route, 0.0) for route in edges])
    weight = (1.0 - own_frac) * of_drawn / max(of_drawn.sum(), 1e-12)
    weight += own_frac * of_own / max(of_own.sum(), 1e-12)
    return CandidateRoutes(edges=edges, weight=weight / weight.sum())


def _free_flow_s(net: NetFacts, route: Sequence[str]) -> float:
    return sum(net.edges[name].length_m / net.edges[name].speed_mps for name in route)
