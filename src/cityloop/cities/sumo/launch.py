"""How SUMO is started for a twin: its options, and the additional file that makes it report and measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import quoteattr

from cityloop.cities.sumo.faults import FaultPlan
from cityloop.cities.sumo.fleet_case import VEHICLE_TYPES
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.network import Network
from cityloop.cities.sumo.outputs import measure_arguments, measure_elements
from cityloop.cities.sumo.sensors import parse_level
from cityloop.cities.sumo.start_file import StartFile
from cityloop.cities.sumo.units import USUAL_AVL, Avl, UnitSpec
from cityloop.cities.sumo.zones import Zone
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import UnitKind

__all__ = ["ADVANCE_M", "Launch", "TwinSetup", "prepare"]

ADVANCE_M = 40.0
"""Distance of an advance loop from the stop line, where the approach is that long."""

_STOP_LINE_M = 2.0
"""Distance of a stop-line loop from the stop line: the first vehicle of a queue stands on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSetup:
    """Everything that a run of the twin depends on."""

    case: CityCase
    out: Path
    """Folder that SUMO's outputs go to; made when it is not there."""

    sensing: str = "area:150"
    """``loops``, ``area:<metres>``, ``probe:<share>`` or ``truth``."""

    program: Path | Literal["shipped"] = "shipped"
    """The own plan of every junction: as shipped, or an additional file with ``<tlLogic>`` programs."""

    leased: bool = True
    """Whether a brain may send leases; without, they are refused."""

    seed: int = 1
    scale: float = 1.0
    """Share of the demand that is loaded (SUMO's ``--scale``)."""

    step_s: float = 1.0
    """Simulated time between two looks at sensors and field controllers. [s]"""

    faults: FaultPlan | None = None
    picture: bool = False
    """Whether the simulation's truth is handed out with each observation, for a map and nothing else."""

    prompt: bool = False
    """Whether a controller acknowledges a lease as it takes it, and not only when it first looks at it."""

    blackouts: tuple[tuple[float, float], ...] = ()
    """When the brain is unplugged, begin and end in seconds since the run's begin; for the engine alone."""

    units: tuple[UnitSpec, ...] = ()
    """Units of the city's services: vehicles of these names report where they are. None leaves the run as it was."""

    avl: Avl = USUAL_AVL
    """How well units are located."""

    sublane_m: float = 0.0
    """Width of SUMO's sublanes, so that vehicles move aside within a lane; 0 leaves the case's own way. [m]"""

    blue_light: bool = False
    """Whether others move aside for units of the emergency services; needs ``sublane_m``."""

    vehicle_routes: bool = False
    """Whether ``vehroutes.xml`` is written: of everybody, when each edge was left."""

    junction_collisions: bool = False
    """Whether collisions inside junctions are looked for too, and all are written to ``collisions.xml``."""

    route_files: tuple[Path, ...] = ()
    """Further vehicles and people, beside the case's."""

    start: StartFile | None = None
    """What is on the road, shown and under way when the run begins; None: nothing yet."""

    snapshot: bool = False
    """Whether what is on the road at the end is written down, for other runs to begin from."""

    def __post_init__(self) -> None:
        """Refuse what SUMO would take amiss."""
        parse_level(self.sensing)
        if not 0 < self.scale < 1000:
            raise ConfigError(f"scale: {self.scale:g} is no share of the demand; give more than 0")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed: {self.seed} is out of range; give 0 to {2**31 - 1}")
        if not 0.05 <= self.step_s <= 1 or round(self.step_s * 1000) != self.step_s * 1000:
            raise ConfigError(f"step_s: {self.step_s:g} s; give whole milliseconds from 0.05 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the child process needs to start; sent to it once."""

    arguments: tuple[str, ...]
    network: Network
    sensing: str
    leased: bool
    seed: int
    faults: FaultPlan | None
    begin_ms: int
    end_ms: int
    step_ms: int
    picture: bool = False
    prompt: bool = False
    avl: Avl = USUAL_AVL
    out: Path | None = None
    blue_lights: tuple[str, ...] = ()
    """Names of the vehicles that others make way for."""
    start: StartFile | None = None
    snapshot: bool = False


def prepare(setup: TwinSetup, network: Network) -> Launch:
    """Write the generated additional file and return how to start the child."""
    out = setup.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    generated = out / "outputs.add.xml"
    generated.write_text(_additional(network, setup, out), encoding="utf-8")
    return Launch(
        arguments=_arguments(setup, out, generated),
        network=network,
        sensing=setup.sensing,
        leased=setup.leased,
        seed=setup.seed,
        faults=setup.faults,
        begin_ms=round(setup.case.begin_s * 1000),
        end_ms=round(setup.case.end_s * 1000),
        step_ms=round(setup.step_s * 1000),
        picture=setup.picture,
        prompt=setup.prompt,
        avl=setup.avl,
        out=out,
        start=setup.start,
        snapshot=setup.snapshot,
        blue_lights=tuple(unit.name for unit in setup.units if setup.blue_light and unit.kind != UnitKind.REFUSE_TRUCK),
    )


def _arguments(setup: TwinSetup, out: Path, generated: Path) -> tuple[str, ...]:
    case = setup.case
    additional = [path.resolve() for path in case.additional_files]
    if setup.program != "shipped":
        additional.append(setup.program.resolve())
    additional.append(generated)
    arguments = ["sumo"]
    if case.sumocfg is not None:
        # Options beyond the files (lateral resolution, routing) are the case's own and stay.
        arguments += ["-c", str(case.sumocfg.resolve())]
    arguments += ["--net-file", str(case.net_file.resolve())]
    route_files = (*case.route_files, *setup.route_files)
    if route_files:
        arguments += ["--route-files", ",".join(str(path.resolve()) for path in route_files)]
    arguments += ["--additional-files", ",".join(map(str, additional))]
    options = {
        "--begin": f"{case.begin_s:.3f}",
        "--end": f"{case.end_s:.3f}",
        "--step-length": f"{setup.step_s:.3f}",
        "--seed": str(setup.seed),
        "--scale": f"{setup.scale:g}",
        "--time-to-teleport": "-1",
        "--no-step-log": "true",
        "--no-warnings": "true",
        "--duration-log.disable": "true",
        "--tripinfo-output": str(out / "tripinfo.xml"),
        "--tripinfo-output.write-unfinished": "true",
        "--tripinfo-output.write-undeparted": "true",
        "--summary-output": str(out / "summary.xml"),
    }
    if setup.sublane_m:
        options["--lateral-resolution"] = f"{setup.sublane_m:g}"
    if setup.vehicle_routes:
        options |= {
            "--vehroute-output": str(out / "vehroutes.xml"),
            "--vehroute-output.exit-times": "true",
            "--vehroute-output.write-unfinished": "true",
        }
    if setup.junction_collisions:
        options |= {
            "--collision.action": "warn",
            "--collision.check-junctions": "true",
            "--collision-output": str(out / "collisions.xml"),
        }
    return (*arguments, *(part for option in options.items() for part in option), *measure_arguments(out))


def _additional(network: Network, setup: TwinSetup, out: Path) -> str:
    """Return the additional file: every light's states at every step, and loops where they are sensors."""
    states = quoteattr(str(out / "tls_states.xml"))
    lines = [f'<timedEvent type="SaveTLSStates" source={quoteattr(tls)} dest={states}/>' for tls in network.tls_ids]
    if parse_level(setup.sensing).loops:
        length_m = dict(zip(network.layout.names["lanes"], network.layout.lanes.length_m.tolist(), strict=True))
        for approach, zone in enumerate(network.zones):
            for name, distance_m in (("stop", _STOP_LINE_M), ("advance", ADVANCE_M)):
                lane, position_m = _place(zone, distance_m, length_m)
                lines.append(
                    f'<inductionLoop id="{name}.{approach}" lane={quoteattr(lane)} pos="{position_m:.2f}"'
                    f' period="{setup.step_s:.3f}" file="NUL"/>'
                )
    if network.services is not None:
        lines.append(VEHICLE_TYPES)
    lines.append(measure_elements(out))
    return "<additional>\n" + "\n".join(lines) + "\n</additional>\n"


def _place(zone: Zone, distance_m: float, length_m: dict[str, float]) -> tuple[str, float]:
    """Return lane and position of a loop that far from the stop line, or as far as the approach reaches."""
    best = (zone.lane_id, length_m[zone.lane_id] / 2)
    for piece in zone.pieces:
        if piece.lane_id not in length_m:
            continue
        lane_m = length_m[piece.lane_id]
        position_m = piece.offset_m + lane_m - max(distance_m, piece.offset_m + 0.1)
        if position_m > 0:
            return piece.lane_id, position_m
        best = (piece.lane_id, min(0.5, lane_m / 2))
    return best
