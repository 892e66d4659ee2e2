"""One simulation of SUMO in this process: steps, field controllers, detectors.

Runs in the twin's child process and nowhere else: libsumo holds one simulation a process. Values are read by
libsumo's getters: in one process a getter is a function call, and on a city of 16 signals they cost half of what
subscriptions do (which TraCI over a socket would need).
"""

from __future__ import annotations

from collections.abc import Iterable

import libsumo
import numpy as np

from cityloop.cities.sumo.avl import CrossingReader, UnitReader, joined
from cityloop.cities.sumo.blue_light import BlueLights
from cityloop.cities.sumo.controller import LONGEST_LEASE_MS, FieldController, Join, Mode, Show
from cityloop.cities.sumo.faults import FaultInjector, Readings
from cityloop.cities.sumo.fleet import ServiceFleet
from cityloop.cities.sumo.lamps import LampRecord
from cityloop.cities.sumo.launch import Launch
from cityloop.cities.sumo.monitoring import FLASHING, MONITOR_FILE, Monitors
from cityloop.cities.sumo.own_program import OwnPhase, OwnProgram
from cityloop.cities.sumo.picture import PictureReader
from cityloop.cities.sumo.put_in import Departures, put_in, snapshot
from cityloop.cities.sumo.sensors import AreaScanner, LoopReader, StatusReader, StreamRows, parse_level
from cityloop.cities.sumo.start_file import SNAPSHOT_FILE, STARTED_FILE, StartFile, write_struct
from cityloop.domains.signals.schema import DOMAIN
from cityloop.kernel.columns import F64, I32
from cityloop.kernel.errors import CityError
from cityloop.kernel.messages import Command, Receipt, ReceiptStatus

__all__ = ["Simulation"]

_STANDING_MPS = 0.1
_STATIC = 0


class Simulation:
    """A running SUMO with its field controllers and detectors; owns the process's one simulation."""

    def __init__(self, launch: Launch) -> None:
        libsumo.start(list(launch.arguments))
        self._launch = launch
        self.now_ms = launch.begin_ms
        network = launch.network
        self._tls_ids = network.tls_ids
        self._programs = [_own_program(tls, self.now_ms) for tls in self._tls_ids]
        self._controllers = [
            FieldController(
                network,
                row,
                program,
                LampRecord(libsumo.trafficlight.getRedYellowGreenState(tls), self.now_ms),
                launch.step_ms,
            )
            for row, (tls, program) in enumerate(zip(self._tls_ids, self._programs, strict=True))
        ]
        self._shown = [libsumo.trafficlight.getRedYellowGreenState(tls) for tls in self._tls_ids]
        self._busy: set[int] = set()
        """Junctions that have a lease, or have not yet handed back."""
        self._stage = np.array(
            [c.stage_of(lamps) for c, lamps in zip(self._controllers, self._shown, strict=True)], np.float64
        )
        self._mode = np.zeros(len(self._controllers))
        self._monitors = Monitors(network.assets) if launch.leased else None
        self._sense = _Senses(launch)
        self._picture = PictureReader(network) if launch.picture else None
        span_ms = launch.begin_ms, launch.end_ms
        services = network.services
        now = None if launch.start is None else launch.start.services
        self._fleet = None if services is None else ServiceFleet(services, network.layout, launch.seed, span_ms, now)
        with_units = "units" in network.layout.tables
        self.units = UnitReader(network, launch.avl, launch.seed, launch.step_ms) if with_units else None
        self._crossings = CrossingReader(network) if with_units else None
        self._blue_lights = BlueLights(launch.blue_lights) if launch.blue_lights else None
        self._departures = Departures() if launch.snapshot else None
        if launch.start is not None:
            self._begin_from(launch.start)

    def _begin_from(self, start: StartFile) -> None:
        """Begin with what is on the road and shown, before the first step."""
        row_of = {tls: row for row, tls in enumerate(self._tls_ids)}
        stages = 0
        for one in start.stages:
            row = row_of.get(one.junction, -1)
            if row < 0 or not self._controllers[row].serves(one.stage):
                continue
            stages += 1
            if self._stage[row] == one.stage:
                continue
            # Shown as if it were led still: without a lease it goes home from there at the next legal moment.
            until_ms = self.now_ms + LONGEST_LEASE_MS
            since_ms = self.now_ms - round(one.since_s * 1000)
            self._shown[row] = self._controllers[row].found(one.stage, since_ms, until_ms)
            libsumo.trafficlight.setRedYellowGreenState(self._tls_ids[row], self._shown[row])
            self._stage[row], self._mode[row] = one.stage, Mode.LEASED
            self._busy.add(row)
        told = put_in(start, self._launch.network.zones, stages)
        if self._launch.out is not None:
            write_struct(self._launch.out / STARTED_FILE, told)

    @property
    def ended(self) -> bool:
        """Whether no whole step is left before the run's end."""
        return self.next_ms > self._launch.end_ms

    @property
    def next_ms(self) -> int:
        """The instant that the next step ends at."""
        return self.now_ms + self._launch.step_ms

    def take(self, commands: Iterable[Command]) -> list[Receipt]:
        """Hand commands to the field controllers and return what they answer at once."""
        receipts: list[Receipt] = []
        for command in commands:
            if self._fleet is not None and self._fleet.leads(command):
                detail = self._fleet.take(command, self.now_ms)
                if not detail:
                    receipts.append(self._answer(command, ReceiptStatus.ACCEPTED, ""))
                    continue
            elif command.domain != DOMAIN or not 0 <= command.target < len(self._controllers):
                detail = f"no target {command.target} of domain {command.domain}"
            elif not self._launch.leased:
                detail = "this run takes no leases"
            else:
                answers = self._controllers[command.target].offer(command, self.now_ms)
                receipts += answers
                if self._launch.prompt and all(one.sequence != command.sequence for one in answers):
                    receipts.append(self._answer(command, ReceiptStatus.PENDING, "taken"))
                self._busy.add(command.target)
                continue
            receipts.append(self._answer(command, ReceiptStatus.REFUSED, detail))
        return receipts

    def _answer(self, command: Command, status: ReceiptStatus, detail: str) -> Receipt:
        return Receipt(
            domain=command.domain,
            target=command.target,
            sequence=command.sequence,
            status=status,
            at_ms=self.now_ms,
            detail=detail,
        )

    def step(self) -> tuple[Readings, list[Receipt]]:
        """Let one step pass; return what was sensed and answered."""
        receipts: list[Receipt] = []
        for row in sorted(self._busy):
            receipts += self._control(row)
        if self._blue_lights is not None:
            self._blue_lights.step(libsumo.vehicle.getIDList())
        libsumo.simulationStep()
        self.now_ms += self._launch.step_ms
        if self._departures is not None:
            self._departures.step()
        lamps_of = libsumo.trafficlight.getRedYellowGreenState
        for row, tls in enumerate(self._tls_ids):
            shown = lamps_of(tls)
            if row in self._busy:
                self._shown[row] = shown
                self._report(row)
            elif shown != self._shown[row]:
                self._shown[row] = shown
                self._controllers[row].watch(shown, self.now_ms - self._launch.step_ms)
                self._stage[row] = self._controllers[row].stage_of(shown)
        self._monitor()
        told: Readings | None = None
        if self._fleet is not None:
            told = self._fleet.step(self.now_ms, frozenset(libsumo.vehicle.getIDList()))
            self._sense.off_road = self._fleet.off_road()
        stream, value = self._sense.sensed(self._stage, self._mode)
        if self._crossings is not None:
            on_streams, on, occupied = self._crossings.read()
            stream, value = np.concatenate([stream, on_streams]), np.concatenate([value, on])
            for row, controller in enumerate(self._controllers):
                controller.occupied = occupied.get(row, frozenset())
        readings = self._sense.received(stream, value, self.now_ms)
        if self.units is not None:
            readings = joined(readings, self.units.read(self.now_ms, libsumo.vehicle.getIDList()))
        if told is not None and len(told[0]):
            readings = joined(readings, told)
        return readings, receipts

    def _monitor(self) -> None:
        """Show the monitors what was shown, and flash the junctions that they latch."""
        if self._monitors is None:
            return
        for row, fault in self._monitors.see(self.now_ms - self._launch.step_ms, self._shown):
            self._controllers[row].latch(str(fault))
            libsumo.trafficlight.setRedYellowGreenState(self._tls_ids[row], FLASHING * len(self._shown[row]))
            self._mode[row] = Mode.OWN

    def _control(self, row: int) -> list[Receipt]:
        """Let a field controller that has something to do act on its lamps."""
        controller = self._controllers[row]
        act, receipts = controller.step(self.now_ms, self._shown[row])
        match act:
            case Show(state=state):
                libsumo.trafficlight.setRedYellowGreenState(self._tls_ids[row], state)
            case Join(phase=phase, remaining_ms=remaining_ms):
                self._join(row, phase, remaining_ms)
            case None:
                pass
        return receipts

    def _report(self, row: int) -> None:
        controller = self._controllers[row]
        self._mode[row] = controller.mode
        if controller.mode is Mode.OWN:
            self._stage[row] = controller.stage_of(self._shown[row])
            if controller.idle:
                self._busy.discard(row)
                controller.watch(self._shown[row], self.now_ms - self._launch.step_ms)
        else:
            self._stage[row] = controller.stage

    def picture(self) -> dict[str, bytes]:
        """Return what a map may show of the truth; nothing where it was not asked for."""
        return {} if self._picture is None else self._picture.read(self._shown)

    def close(self) -> None:
        """End the simulation; SUMO finishes its outputs."""
        if self._fleet is not None and self._launch.out is not None:
            self._fleet.write(self._launch.out, self.now_ms)
        if self._monitors is not None and self._launch.out is not None:
            self._monitors.write(self._launch.out / MONITOR_FILE, self._tls_ids)
        if self._departures is not None and self._launch.out is not None:
            services = frozenset() if self._fleet is None else self._fleet.names()
            write_struct(
                self._launch.out / SNAPSHOT_FILE, snapshot(self._departures, self._launch.network.zones, services)
            )
        libsumo.close()

    def _join(self, row: int, phase: int, remaining_ms: int) -> None:
        """Give the lamps back to the own program, in step with its clock."""
        tls, program = self._tls_ids[row], self._programs[row]
        libsumo.trafficlight.setProgram(tls, program.program_id)
        libsumo.trafficlight.setPhase(tls, phase)
        if program.begins_ms is not None:
            libsumo.trafficlight.setPhaseDuration(tls, remaining_ms / 1000)


class _Senses:
    """The detectors of the sensing level, and the field controllers' reports."""

    def __init__(self, launch: Launch) -> None:
        network = launch.network
        rows = StreamRows(network.layout.streams)
        level = parse_level(launch.sensing)
        self._share = level.share
        self._rng = np.random.default_rng(np.random.SeedSequence([launch.seed, 0x70726F6265]))
        self._probes: set[str] = set()
        self.off_road: frozenset[str] = frozenset()
        """Service vehicles that stand in a yard or a bay: no detector of a lane sees them."""
        crossing_rows = sorted(network.crossing_edges)
        self._status = StatusReader(rows, len(network.tls_ids), crossing_rows)
        self._crossing_edges = [network.crossing_edges[row] for row in crossing_rows]
        self._loops: LoopReader | None = None
        self._area: AreaScanner | None = None
        if level.loops:
            self._loops = LoopReader(rows, len(network.zones))
            self._loop_ids = [
                [f"{name}.{approach}" for approach in range(len(network.zones))] for name in ("stop", "advance")
            ]
            head = self._loops.streams
        else:
            pieces = {piece.lane_id for zone in network.zones for piece in zone.pieces}
            lane_length_m = {lane: libsumo.lane.getLength(lane) for lane in sorted(pieces)}
            self._area = AreaScanner(rows, network.zones, lane_length_m, level.reach_m)
            head = self._area.count_streams
        self._head = np.concatenate([head, self._status.streams])
        self._faults = (
            FaultInjector(launch.faults, network.layout, network.assets, launch.seed, launch.begin_ms)
            if launch.faults is not None and launch.faults.faults
            else None
        )

    def sensed(self, stage: F64, mode: F64) -> tuple[I32, F64]:
        """Return what was measured in the step just past: streams and values."""
        streams, values = [self._head], [stage, mode]
        if self._loops is not None:
            values.insert(0, self._read_loops())
        if self._area is not None:
            counts, object_streams, object_values = self._scan(self._area)
            values.insert(0, counts)
            streams.append(object_streams)
            values.append(object_values)
        if self._crossing_edges:
            call_streams, calls = self._status.calls(self._waiting())
            streams.append(call_streams)
            values.append(calls)
        return np.concatenate(streams), np.concatenate(values)

    def received(self, stream: I32, value: F64, now_ms: int) -> Readings:
        """Return what is received of it now, late readings of before included."""
        if self._faults is not None:
            return self._faults.apply(stream, value, now_ms)
        instants = np.full(len(stream), now_ms, np.int64)
        return stream, instants, instants, value

    def _scan(self, area: AreaScanner) -> tuple[F64, I32, F64]:
        lane_of, numbers = libsumo.vehicle.getLaneID, area.lane_number
        lanes: list[int] = []
        names: list[str] = []
        for vehicle in self._visible():
            number = numbers.get(lane_of(vehicle))
            if number is not None:
                lanes.append(number)
                names.append(vehicle)
        positions_m = list(map(libsumo.vehicle.getLanePosition, names))
        return area.scan(lanes, positions_m, list(map(libsumo.vehicle.getSpeed, names)))

    def _visible(self) -> Iterable[str]:
        """Return the vehicles that detectors can see: all, or the probes drawn when they departed."""
        running: tuple[str, ...] = libsumo.vehicle.getIDList()
        if self.off_road:
            running = tuple(vehicle for vehicle in running if vehicle not in self.off_road)
        if self._share >= 1:
            return running
        departed = libsumo.simulation.getDepartedIDList()
        drawn = self._rng.random(len(departed)) < self._share
        self._probes.update(vehicle for vehicle, seen in zip(departed, drawn, strict=True) if seen)
        return [vehicle for vehicle in running if vehicle in self._probes]

    def _read_loops(self) -> F64:
        left = libsumo.inductionloop.getLastIntervalVehicleNumber
        covered = libsumo.inductionloop.getLastIntervalOccupancy
        stop_line, advance = ([(left(loop), covered(loop)) for loop in ids] for ids in self._loop_ids)
        return LoopReader.values(stop_line, advance)

    def _waiting(self) -> list[bool]:
        """Say of each crossing whether somebody stands before it."""
        speed_of, next_edge_of = libsumo.person.getSpeed, libsumo.person.getNextEdge
        standing = [person for person in libsumo.person.getIDList() if speed_of(person) < _STANDING_MPS]
        before = set(map(next_edge_of, standing))
        return [edge in before for edge in self._crossing_edges]


def _own_program(tls: str, now_ms: int) -> OwnProgram:
    """Read the program that a light runs, and where its clock stands."""
    active = libsumo.trafficlight.getProgram(tls)
    logic = next((p for p in libsumo.trafficlight.getAllProgramLogics(tls) if p.programID == active), None)
    if logic is None or not logic.phases:
        raise CityError(f"signal {tls!r} runs no program {active!r} of its own")
    fixed = logic.type == _STATIC
    count = len(logic.phases)
    phases = tuple(
        OwnPhase(
            phase.state,
            round((phase.duration if fixed else max(phase.minDur, 0.0)) * 1000),
            phase.next[0] if phase.next and phase.next[0] >= 0 else (index + 1) % count,
        )
        for index, phase in enumerate(logic.phases)
    )
    program = OwnProgram(active, phases, None)
    if not fixed or not program.runs_in_order() or program.cycle_ms <= 0:
        return program
    index = libsumo.trafficlight.getPhase(tls)
    gone_ms = sum(phase.duration_ms for phase in phases[: index + 1])
    to_go_ms = round(libsumo.trafficlight.getNextSwitch(tls) * 1000) - now_ms
    return OwnProgram(active, phases, now_ms + to_go_ms - gone_ms)
