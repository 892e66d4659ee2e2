"""One run of a city under given signal programs, for its mean delay and where that delay arose.

Delay is time loss plus depart delay, averaged over all vehicles: those still under way when the hours end,
and those that never got onto the network (end minus planned departure), included.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cityloop.cities.sumo.case_facts import read_net_facts, scan_xml
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.kernel.errors import CityError

__all__ = ["TrialResult", "answering_junctions", "entry_edges", "run_trial", "turning_flows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What one run gave."""

    mean_delay_s: float
    vehicles: int
    delay_by_edge_s: Mapping[str, float]
    """Total delay by the edge where it arose; waiting to depart counts for the edge of departure. [s]"""


def run_trial(
    case: CityCase,
    programs: Path | None,
    *,
    seed: int,
    scale: float = 1.0,
    entries: Mapping[str, str] | None = None,
) -> TrialResult:
    """Run the city's hours once and measure its delay.

    Parameters
    ----------
    programs
        Additional file with signal programs, or None for the shipped ones.
    scale
        Demand, as a multiple of the city's own.
    entries
        First edge by vehicle, for those that never depart (``entry_edges``).
    """
    with tempfile.TemporaryDirectory(prefix="cityloop-trial-") as folder:
        work = Path(folder)
        meter, trips, edges = work / "meter.add.xml", work / "tripinfo.xml", work / "edges.xml"
        meter.write_text(
            f'<additional><edgeData id="delay" file="{edges}" excludeEmpty="true"/></additional>',
            encoding="utf-8",
        )
        outputs = ["--tripinfo-output", str(trips)]
        outputs += ["--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted"]
        run_binary("sumo", [*_inputs(case, programs, meter, seed, scale), *outputs])
        return _read(trips, edges, entries or {})


def turning_flows(case: CityCase, *, seed: int) -> dict[tuple[str, str], float]:
    """Return the demand of each pair of consecutive edges under the shipped signals. [veh/h].

    Vehicles still under way count with their whole route, and all are scaled up for those that never
    departed.
    """
    with tempfile.TemporaryDirectory(prefix="cityloop-trial-") as folder:
        routes, trips = Path(folder) / "routes.xml", Path(folder) / "tripinfo.xml"
        outputs = ["--vehroute-output", str(routes), "--vehroute-output.write-unfinished"]
        outputs += ["--vehroute-output.last-route", "--tripinfo-output", str(trips)]
        outputs += ["--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted"]
        run_binary("sumo", [*_inputs(case, None, None, seed, 1.0), *outputs])
        counts: dict[tuple[str, str], int] = defaultdict(int)
        departed = planned = 0

        def on_route(tag: str, attributes: dict[str, str]) -> None:
            nonlocal departed
            if tag == "route" and "edges" in attributes:
                departed += 1
                path = attributes["edges"].split()
                for pair in pairwise(path):
                    counts[pair] += 1

        def on_trip(tag: str, attributes: dict[str, str]) -> None:
            nonlocal planned
            planned += tag == "tripinfo"

        scan_xml(routes, on_route)
        scan_xml(trips, on_trip)
    per_hour = 3600.0 / (case.end_s - case.begin_s) * max(1.0, planned / max(1, departed))
    return {pair: count * per_hour for pair, count in counts.items()}


def entry_edges(case: CityCase) -> dict[str, str]:
    """Return the first edge of every vehicle, trip and flow that the demand files name."""
    first: dict[str, str] = {}
    named: dict[str, str] = {}
    by_name: dict[str, str] = {}
    current = ""

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal current
        if tag in ("vehicle", "trip", "flow"):
            current = attributes.get("id", "")
            if "from" in attributes:
                first[current] = attributes["from"]
            elif "route" in attributes:
                by_name[current] = attributes["route"]
        elif tag == "route" and attributes.get("edges"):
            edge = attributes["edges"].split()[0]
            if "id" in attributes:
                named[attributes["id"]] = edge
            else:
                first.setdefault(current, edge)

    for file in case.route_files:
        scan_xml(file, on_start)
    first.update({vehicle: named[route] for vehicle, route in by_name.items() if route in named})
    return first


def answering_junctions(case: CityCase, network: Network) -> dict[str, int]:
    """Return the signal junction that answers for an edge's delay: the one all its traffic meets next.

    Edges from which traffic reaches several signals, or none, are left out.
    """
    layout, approaches = network.layout, network.assets.approaches
    edges = layout.names["edges"]
    owner = {
        edges[int(layout.lanes.edge[int(lane)])]: int(row)
        for lane, row in zip(approaches.lane, approaches.junction, strict=True)
    }
    successors = read_net_facts(case.net_file).successors
    while True:
        found = {}
        for edge, following in successors.items():
            if edge in owner or not following:
                continue
            rows = {owner.get(name, -1) for name in following}
            if len(rows) == 1 and -1 not in rows:
                found[edge] = rows.pop()
        if not found:
            return owner
        owner.update(found)


def _inputs(case: CityCase, programs: Path | None, meter: Path | None, seed: int, scale: float) -> list[str]:
    arguments = ["-c", str(case.sumocfg)] if case.sumocfg else ["-n", str(case.net_file)]
    if case.route_files:
        arguments += ["-r", ",".join(str(file) for file in case.route_files)]
    additional = [*case.additional_files, *(file for file in (programs, meter) if file is not None)]
    if additional:
        arguments += ["-a", ",".join(str(file) for file in additional)]
    arguments += [
        "-b",
        f"{case.begin_s:g}",
        "-e",
        f"{case.end_s:g}",
        "--seed",
        str(seed),
        "--scale",
        f"{scale:g}",
    ]
    arguments += [
        "--step-length",
        "1",
        "--time-to-teleport",
        "-1",
        "--no-step-log",
        "--no-warnings",
        "--duration-log.disable",
    ]
    return [*arguments, "--xml-validation", "never"]


def _read(trips: Path, edges: Path, entries: Mapping[str, str]) -> TrialResult:
    total_s, vehicles = 0.0, 0
    by_edge: dict[str, float] = defaultdict(float)

    def on_trip(tag: str, attributes: dict[str, str]) -> None:
        nonlocal total_s, vehicles
        if tag != "tripinfo":
            return
        waited_s = float(attributes["departDelay"])
        vehicles += 1
        total_s += float(attributes["timeLoss"]) + waited_s
        name = attributes["id"]
        edge = attributes["departLane"].rpartition("_")[0] or entries.get(name) or entries.get(name.rpartition(".")[0])
        if edge:
            by_edge[edge] += waited_s

    def on_edge(tag: str, attributes: dict[str, str]) -> None:
        if tag == "edge":
            by_edge[attributes["id"]] += float(attributes.get("timeLoss", 0.0))

    scan_xml(trips, on_trip)
    scan_xml(edges, on_edge)
    if not vehicles:
        raise CityError(
            "no vehicle entered the city within its hours, so there is no delay to measure; check the routes"
        )
    return TrialResult(mean_delay_s=total_s / vehicles, vehicles=vehicles, delay_by_edge_s=by_edge)
