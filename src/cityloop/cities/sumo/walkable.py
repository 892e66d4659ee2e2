"""A SUMO case on foot: the same city with sidewalks, signalised crossings, people, and time for them."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.crossings import SignalSite, read_sites
from cityloop.cities.sumo.pedestrians import draw_walks, write_walks
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.cities.sumo.walk_program import Phase, WalkProgram, extend_program
from cityloop.cities.sumo.walkways import add_walkways, raised_edges, read_xml, write_raised, xml_bytes
from cityloop.kernel.errors import CityError, InputError
from cityloop.methods.clearance import ClearanceParams

__all__ = ["WalkableCity", "WalkableSignal", "make_walkable"]

_BLOCKER_S = 60
"""After so long others drive round a vehicle that blocks a junction.

A turn that waits inside the junction for people can, in SUMO, lock for good with a U-turn beside it; without
teleporting, such a lock would fill the map.
"""

_NAMES = {
    "net-file": ("net-file", "net", "n"),
    "route-files": ("route-files", "routes", "r"),
    "additional-files": ("additional-files", "additional", "a"),
    "begin": ("begin", "b"),
    "end": ("end", "e"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkableSignal:
    """What became of one signal."""

    signal: str
    crossings: int
    yellow_s: int
    all_red_s: int
    stages: int
    shipped_cycle_s: float
    cycle_s: float
    lengthened: tuple[int, ...]
    """Stages whose green grew."""

    permissive: tuple[tuple[int, int], ...]
    """Stage and link of each protected turn that now yields to a crossing."""

    walk_stage: bool
    """A stage for people alone was appended, since some crossing fitted in no shipped stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkableCity:
    """The walkable variant of a city, and what was done to make it."""

    sumocfg: Path
    net: Path
    routes: tuple[Path, ...]
    pedestrians: Path
    begin_s: float
    end_s: float
    sidewalks: int
    """Edges that gained one."""

    crossings: int
    persons: int
    unjoined_pairs: int
    """Ordered pairs of corners that no crossings join; nobody was asked to walk between them."""

    signals: tuple[WalkableSignal, ...]


def make_walkable(
    sumocfg: Path,
    out: Path,
    *,
    seed: int,
    persons_per_junction_h: float = 300.0,
    walking_speed_mps: float = 1.0,
) -> WalkableCity:
    """Write the walkable variant of a SUMO case into a new folder.

    The same inputs give the same bytes. The folder appears complete or not at all.

    Parameters
    ----------
    sumocfg
        Configuration with a network, routes, begin and end.
    out
        Folder to make; it may exist if it is empty.
    seed
        Seed of the people. Signals do not depend on it.
    persons_per_junction_h
        Mean number of people who cross at each signal. [persons/h]
    walking_speed_mps
        Speed that crossings are cleared for; 1.0 is the project's choice, 0.8 where frail people cross. [m/s]
    """
    if not persons_per_junction_h >= 0 or not walking_speed_mps > 0:
        raise InputError(
            f"persons_per_junction_h {persons_per_junction_h} must be 0 or more, "
            f"and walking_speed_mps {walking_speed_mps} positive."
        )
    case = _read_case(sumocfg)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not an empty folder; name a new one")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        made = Path(scratch) / "case"
        made.mkdir()
        city = _build(case, made, seed, persons_per_junction_h, ClearanceParams(walking_speed_mps=walking_speed_mps))
        if out.exists():
            out.rmdir()
        made.rename(out)
    return _moved(city, out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    name: str
    config: ET.Element
    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...]
    begin_s: float
    end_s: float


def _read_case(sumocfg: Path) -> _Case:
    config = read_xml(sumocfg)
    found: dict[str, str] = {}
    for option, names in _NAMES.items():
        for element in config.iter():
            if element.tag in names:
                found[option] = element.get("value", element.get("v", ""))
    for option in ("net-file", "route-files", "begin", "end"):
        if not found.get(option):
            raise InputError(f"{sumocfg}: names no {option}; add <{option} value=.../>")
    times: list[float] = []
    for option in ("begin", "end"):
        try:
            times.append(float(found[option]))
        except ValueError:
            raise InputError(f"{sumocfg}: {option} is {found[option]!r}; give seconds") from None
    if not times[0] < times[1]:
        raise InputError(f"{sumocfg}: end {times[1]:g} must lie after begin {times[0]:g}")

    def paths(option: str) -> tuple[Path, ...]:
        return tuple(sumocfg.parent / name for name in found.get(option, "").replace(",", " ").split())

    return _Case(
        name=sumocfg.name.removesuffix(".sumocfg"),
        config=config,
        net=paths("net-file")[0],
        routes=paths("route-files"),
        additional=paths("additional-files"),
        begin_s=times[0],
        end_s=times[1],
    )


def _build(case: _Case, made: Path, seed: int, persons_per_junction_h: float, params: ClearanceParams) -> WalkableCity:
    shipped = read_xml(case.net)
    net = add_walkways(shipped, case.net, made.parent)
    raised = raised_edges(shipped, net, case.net)
    shipped_phases = {_key(logic): _phases(logic, case.net) for logic in shipped.iter("tlLogic")}
    sites = read_sites(net)
    records: dict[str, WalkableSignal] = {}
    for logic in net.iter("tlLogic"):
        site = sites.get(logic.attrib["id"])
        if site is not None:
            program = extend_program(shipped_phases[_key(logic)], site, params)
            _replace_phases(logic, program, case.begin_s)
            # SUMO starts a signal with the last of its programs.
            records[site.signal] = _record(site, program)
    demand = draw_walks(net, sites, (case.begin_s, case.end_s), persons_per_junction_h, np.random.default_rng(seed))

    net_file = made / f"{case.name}.net.xml"
    net_file.write_bytes(xml_bytes(net))
    routes = tuple(write_raised(path, made, raised) for path in case.routes)
    additional = tuple(write_raised(path, made, raised) for path in case.additional)
    pedestrians = made / "pedestrians.rou.xml"
    pedestrians.write_bytes(write_walks(demand.walks))
    _prove(net_file, pedestrians, case, made.parent)
    config_file = made / f"{case.name}.sumocfg"
    config_file.write_bytes(xml_bytes(_config(case, net_file, (*routes, pedestrians), additional)))
    return WalkableCity(
        sumocfg=config_file,
        net=net_file,
        routes=routes,
        pedestrians=pedestrians,
        begin_s=case.begin_s,
        end_s=case.end_s,
        sidewalks=len(raised),
        crossings=sum(len(site.crossings) for site in sites.values()),
        persons=len(demand.walks),
        unjoined_pairs=demand.unjoined_pairs,
        signals=tuple(records.values()),
    )


def _key(logic: ET.Element) -> tuple[str, str]:
    return logic.attrib["id"], logic.get("programID", "")


def _phases(logic: ET.Element, net_file: Path) -> list[Phase]:
    phases: list[Phase] = []
    for number, phase in enumerate(logic.iter("phase")):
        try:
            phases.append(Phase(float(phase.attrib["duration"]), phase.attrib["state"]))
        except (KeyError, ValueError):
            raise InputError(
                f"{net_file}: phase {number} of signal {logic.get('id')!r} lacks a state "
                "or a duration in seconds; mend it"
            ) from None
    return phases


def _replace_phases(logic: ET.Element, program: WalkProgram, begin_s: float) -> None:
    logic[:] = []
    logic.set("type", "static")
    # Counted from the begin, so that a signal without an offset opens with its first stage in full: a Walk
    # that is half over when the clock starts would be too short.
    logic.set("offset", f"{(begin_s + float(logic.get('offset', '0'))) % program.cycle_s:g}")
    for phase in program.phases:
        ET.SubElement(logic, "phase", {"duration": f"{phase.duration_s:g}", "state": phase.state})


def _record(site: SignalSite, program: WalkProgram) -> WalkableSignal:
    return WalkableSignal(
        signal=site.signal,
        crossings=len(site.crossings),
        yellow_s=program.yellow_s,
        all_red_s=program.all_red_s,
        stages=program.stages,
        shipped_cycle_s=program.shipped_cycle_s,
        cycle_s=program.cycle_s,
        lengthened=program.lengthened,
        permissive=program.permissive,
        walk_stage=program.walk_stage,
    )


def _prove(net_file: Path, pedestrians: Path, case: _Case, scratch: Path) -> None:
    """Let SUMO load the network and route everybody, and refuse whatever it complains of."""
    log = scratch / "proof.log"
    arguments = [
        "-n",
        str(net_file),
        "-r",
        str(pedestrians),
        "-b",
        f"{case.begin_s:g}",
        "-e",
        f"{case.begin_s + 1:g}",
    ]
    # Route steps of 0 load the whole file at once, so that one second proves every person's way.
    run_binary("sumo", [*arguments, "--route-steps", "0", "--no-step-log", "true", "--error-log", str(log)])
    complaints = [line for line in log.read_text().splitlines() if line.strip()] if log.exists() else []
    if complaints:
        raise CityError(f"{net_file.name}: SUMO complains of the people it was given: {complaints[0]}")


def _config(case: _Case, net_file: Path, routes: Sequence[Path], additional: Sequence[Path]) -> ET.Element:
    """Keep the source's options, save that files are ours and outputs nobody's."""
    values = {
        "net-file": net_file.name,
        "route-files": ",".join(path.name for path in routes),
        "additional-files": ",".join(path.name for path in additional),
    }
    files = {alias for name in values for alias in _NAMES[name]}
    root = ET.Element("configuration")
    inputs = ET.SubElement(root, "input")
    for name, value in values.items():
        if value:
            ET.SubElement(inputs, name, {"value": value})
    for section in case.config:
        if section.tag not in ("input", "output", "gui_only", *files):
            root.append(section)
    if next(root.iter("ignore-junction-blocker"), None) is None:
        processing = root.find("processing")
        if processing is None:
            processing = ET.SubElement(root, "processing")
        ET.SubElement(processing, "ignore-junction-blocker", {"value": str(_BLOCKER_S)})
    return root


def _moved(city: WalkableCity, out: Path) -> WalkableCity:
    return replace(
        city,
        sumocfg=out / city.sumocfg.name,
        net=out / city.net.name,
        routes=tuple(out / path.name for path in city.routes),
        pedestrians=out / city.pedestrians.name,
    )
