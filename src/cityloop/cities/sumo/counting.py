"""Counts and journey times as the twin gives them, for comparison with those of the street.

A count is the number of vehicles that came onto a link in an interval, those that begin their trip there
included: what a detector at the beginning of the link sees. A journey time runs from the end of one link to
the end of another, as between two plate readers at stop lines; it belongs to the interval in which it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.case_facts import scan_xml
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.sumo_tools import run_binary

__all__ = ["Journey", "Measured", "measure_demand"]

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A stretch whose mean travel time is asked for."""

    from_edge: str
    to_edge: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of the twin gave."""

    count_veh: Mapping[tuple[str, float, float], float]
    """Vehicles by edge and interval; an edge without traffic is absent."""

    edge_time_s: Mapping[str, float]
    """Mean time spent on each edge over the whole run."""

    journey_time_s: Mapping[Journey, float]
    """Mean travel time of each journey; one that nobody made is absent."""


def measure_demand(
    case: CityCase,
    route_files: Iterable[Path],
    intervals: Iterable[Interval],
    journeys: Iterable[Journey],
    seed: int,
    work_dir: Path,
) -> Measured:
    """Run the city's hours once with these routes under its shipped signals, and count."""
    wanted = sorted({(case.begin_s, case.end_s), *intervals})
    meters = work_dir / "meters.add.xml"
    files = {interval: work_dir / f"counts{index}.xml" for index, interval in enumerate(wanted)}
    with meters.open("w", encoding="utf-8") as out:
        out.write("<additional>\n")
        for (begin_s, end_s), file in files.items():
            out.write(
                f'    <edgeData id="{file.stem}" file="{file}" begin="{begin_s}" end="{end_s}" excludeEmpty="true"/>\n'
            )
        out.write("</additional>\n")
    arguments = ["-n", str(case.net_file), "-r", ",".join(str(file) for file in route_files)]
    arguments += ["-a", ",".join(str(file) for file in (*case.additional_files, meters))]
    arguments += ["-b", str(case.begin_s), "-e", str(case.end_s), "--seed", str(seed)]
    arguments += ["--no-step-log", "--no-warnings", "--duration-log.disable", "--xml-validation", "never"]
    asked = tuple(journeys)
    exits = work_dir / "exits.xml"
    if asked:
        arguments += ["--vehroute-output", str(exits), "--vehroute-output.exit-times"]
    run_binary("sumo", arguments)
    count_veh: dict[tuple[str, float, float], float] = {}
    edge_time_s: dict[str, float] = {}
    for (begin_s, end_s), file in files.items():
        for edge, attributes in _edges(file):
            onto = float(attributes.get("entered", 0)) + float(attributes.get("departed", 0))
            count_veh[edge, begin_s, end_s] = onto
            if (begin_s, end_s) == (case.begin_s, case.end_s) and "traveltime" in attributes:
                edge_time_s[edge] = float(attributes["traveltime"])
    return Measured(
        count_veh=count_veh,
        edge_time_s=edge_time_s,
        journey_time_s=_journey_times_s(exits, asked) if asked else {},
    )


def _edges(file: Path) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "edge":
            found.append((attributes["id"], attributes))

    scan_xml(file, on_start)
    return found


def _journey_times_s(exits: Path, journeys: tuple[Journey, ...]) -> dict[Journey, float]:
    """Average over the vehicles that left both links; trips that end on the second never leave it."""
    times_s: dict[Journey, list[float]] = {journey: [] for journey in journeys}
    by_pair: dict[tuple[str, str], list[Journey]] = {}
    for journey in journeys:
        by_pair.setdefault((journey.from_edge, journey.to_edge), []).append(journey)

    def on_start(tag: str, attributes: dict[str, str]) -> None:
        if tag != "route" or "exitTimes" not in attributes:
            return
        edges = attributes["edges"].split()
        left_s = dict(zip(edges, map(float, attributes["exitTimes"].split()), strict=False))
        for (start, end), asked in by_pair.items():
            if start in left_s and end in left_s and edges[-1] != end and 0 <= left_s[start] < left_s[end]:
                for journey in asked:
                    if journey.begin_s <= left_s[start] < journey.end_s:
                        times_s[journey].append(left_s[end] - left_s[start])

    scan_xml(exits, on_start)
    return {journey: float(np.mean(values)) for journey, values in times_s.items() if values}
