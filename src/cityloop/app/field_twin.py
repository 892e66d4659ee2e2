"""The twin served as a stranger's city: a process of its own that knows the brain by public protocols alone."""

from __future__ import annotations

import dataclasses
import json
import queue
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cityloop.app.field_agent import FieldAgent, LinkFaults
from cityloop.app.repeating import Lap, RepeatingCity
from cityloop.cities.live.clock import PacedClock
from cityloop.cities.live.field import Field
from cityloop.cities.live.folder import LiveToml, write_live_folder
from cityloop.cities.sumo.faults import read_fault_plan
from cityloop.cities.sumo.fleet_assets import with_fleet
from cityloop.cities.sumo.folder import CityCase, builtin_cities, resolve_city
from cityloop.cities.sumo.kept_plans import find_plans
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.own_reds import with_own_reds
from cityloop.cities.sumo.plans import read_plans
from cityloop.cities.sumo.programs import fixed_plan, write_programs
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.domains.signals.schema import Plan
from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.ports import City
from cityloop.storage.run_folder import claim_folder, file_sha256
from cityloop.storage.run_toml import InputFile, RunToml, versions_here, write_run_toml
from cityloop.wire.arrow import encode_arrow
from cityloop.wire.city_document import CityDocument, stream_names
from cityloop.wire.field import FieldReport, FieldState
from cityloop.wire.senml import encode_senml_json

__all__ = ["FieldResult", "FieldTwinSpec", "OpenField", "open_field", "serve_field", "write_layout"]

_LAST_PACKS_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTwinSpec:
    """What is served to whom."""

    city: str
    out: Path
    """Folder of what the field itself records: SUMO's outputs and a run.toml to score them by."""
    url: str
    """``mqtt://HOST:PORT`` or ``http://HOST:PORT``."""
    token: str
    device: str = "field"
    pack: str = "arrow"
    sensing: str = "area:150"
    seed: int = 1
    scale: float = 1.0
    plans: Path | None = None
    faults: Path | None = None
    begin_s: float | None = None
    end_s: float | None = None
    pace: float = 1.0
    origin_ms: int = 0
    repeat: bool = False
    """Whether the field begins anew when its hours are over."""
    link: LinkFaults = dataclasses.field(default_factory=LinkFaults)
    record: Path | None = None
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldResult:
    """What the field saw of it."""

    steps: int
    packs: int
    acknowledged: int
    unacknowledged: int
    sent_again: int
    lost: int
    leases: int
    receipts: int
    connections: int
    latest_s: float
    """How late the latest step began, by the city's clock. [s]"""


def write_layout(city: str, folder: Path, *, sensing: str, live: LiveToml) -> None:
    """Write the folder by which a brain knows the twin as a live city."""
    case = resolve_city(city)
    network = read_network(case.net_file, sensing=sensing, walking_speed_mps=case.walking_speed_mps)
    # A live city's clock is the wall's, so crews live by the city's own time zone.
    network = _with_promises(with_fleet(network, case, clock=case.zone), *_own_plans(case, network))
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: already there and not empty; give another --out or remove it")
    label = live.label or f"SIMULATED FIELD · {case.calibration_label()}"
    twin = city if case.folder is None or city in builtin_cities() else str(case.folder.resolve())
    live = msgspec.structs.replace(live, label=label, zone=case.zone, simulated=True, twin=twin)
    write_live_folder(folder, CityDocument(case.name, network.layout), live)


def serve_field(spec: FieldTwinSpec, say: Callable[[str], None]) -> FieldResult:
    """Run the twin beside a brain until its hours are over."""
    opened = open_field(spec)
    case, network, run, open_twin = opened.case, opened.network, opened.run, opened.open_twin
    claim_folder(spec.out)
    with ExitStack() as closing:
        record = None
        if spec.record is not None:
            record = closing.enter_context(spec.record.open("w", encoding="utf-8"))
        agent = FieldAgent(
            spec.url,
            token=spec.token,
            device=spec.device,
            pack=spec.pack,
            faults=spec.link,
            pace=spec.pace,
            record=record,
        )
        closing.callback(agent.close)
        clock = PacedClock(spec.pace, spec.origin_ms)
        agent.start(spec.patience_s)
        if spec.repeat:
            repeating = RepeatingCity(open_twin, 0)
            begin_ms = _next_second(clock, 1000)
            repeating.set_clock(begin_ms)
            city: City = repeating
            shift_ms = 0
        else:
            write_run_toml(spec.out, run)
            city = open_twin(1).city
            begin_ms = _next_second(clock, 1000)
            shift_ms = begin_ms - round(case.begin_s * 1000)
        closing.callback(city.close)
        field = Field(city, shift_ms, lambda payload: agent.say("receipts", payload))
        say(f"{case.name} is served to {spec.url} as {spec.device!r}, from {begin_ms} ms on")
        served = _Serving(spec, agent, clock, field, stream_names(case.name, network.layout.streams), begin_ms)
        served.run()
        left = agent.flush(_LAST_PACKS_S)
        city.close()
        if not spec.repeat and not served.interrupted:
            write_run_toml(spec.out, msgspec.structs.replace(run, state="complete"))
        counts = agent.counts
        return FieldResult(
            steps=served.steps,
            packs=counts.packs,
            acknowledged=counts.acknowledged,
            unacknowledged=left,
            sent_again=counts.sent_again,
            lost=counts.lost,
            leases=field.leases,
            receipts=field.receipts,
            connections=counts.connections,
            latest_s=served.latest_s,
        )


class _Serving:
    """The field's own loop: a second of the city, then leases until the next."""

    def __init__(
        self,
        spec: FieldTwinSpec,
        agent: FieldAgent,
        clock: PacedClock,
        field: Field,
        names: tuple[str, ...],
        begin_ms: int,
    ) -> None:
        self._agent, self._clock, self._field, self._names = agent, clock, field, names
        self._now_ms = begin_ms
        self._senml = spec.pack == "senml"
        self.over = self.interrupted = False
        self.steps = 0
        self.latest_s = 0.0

    def run(self) -> None:
        """Run until the field's time is over, or somebody interrupts."""
        self._agent.tell_state(FieldReport(state=FieldState.RUNNING, at_ms=self._now_ms))
        try:
            while not self.over:
                self._second(self._now_ms + 1000)
        except KeyboardInterrupt:
            # Asked to end: what was measured is still handed over, and the brain is told.
            self.interrupted = True
        self._agent.flush(_LAST_PACKS_S)
        self._agent.tell_state(FieldReport(state=FieldState.OVER, at_ms=self._now_ms))

    def _second(self, due_ms: int) -> None:
        self._lead_until(due_ms)
        self.latest_s = max(self.latest_s, (self._clock.now_ms() - due_ms) / 1000)
        batch, self.over = self._field.step(due_ms)
        self._now_ms = due_ms
        self.steps += 1
        if len(batch):
            note = json.dumps({"observed_at_ms": due_ms, "readings": len(batch)}, separators=(",", ":"))
            self._agent.readings(self._body(batch), note)

    def _lead_until(self, due_ms: int) -> None:
        """Hand leases to the controllers as they come, until the next second is due."""
        while True:
            wait_s = self._clock.wait_s(due_ms)
            try:
                payload = self._agent.leases.get(timeout=wait_s) if wait_s > 0 else self._agent.leases.get_nowait()
            except queue.Empty:
                return
            self._field.take(payload, self._now_ms)

    def _body(self, batch: Batch) -> bytes:
        names = [self._names[row] for row in batch.stream.tolist()]
        if self._senml:
            return encode_senml_json(names, batch.observed_at_ms.tolist(), batch.value.tolist())
        return encode_arrow(names, batch.observed_at_ms, batch.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenField:
    """A field that is ready to be run."""

    case: CityCase
    network: Network
    run: RunToml
    """What its own record says that it was made of."""
    open_twin: Callable[[int], Lap]
    """``open_twin(number)``: the simulation of a lap."""


def open_field(spec: FieldTwinSpec) -> OpenField:
    """Read the city of a field, and how its twin is started."""
    whole = resolve_city(spec.city)
    case = whole.between(spec.begin_s, spec.end_s)
    network = read_network(case.net_file, sensing=spec.sensing, walking_speed_mps=case.walking_speed_mps)
    network = with_fleet(network, case, clock=case.zone)
    plans_file, plans = _own_plans(whole, network, spec.plans)
    network = _with_promises(network, plans_file, plans)
    faults = read_fault_plan(spec.faults) if spec.faults else None

    def open_twin(number: int) -> Lap:
        out = spec.out / "sumo" if number == 1 else spec.out / f"sumo-{number}"
        out.mkdir()
        program = out / "programs.add.xml"
        write_programs(network, plans, program, begin_s=case.begin_s)
        setup = TwinSetup(
            case=case,
            program=program,
            leased=True,
            sensing=spec.sensing,
            seed=spec.seed + number - 1,
            out=out,
            scale=spec.scale,
            faults=faults,
            prompt=True,
        )
        city = SumoCity(setup, network)
        return Lap(city=city, begin_ms=city.begin_ms, end_ms=city.end_ms)

    files = [("network", case.net_file)]
    files += [("routes", path) for path in case.route_files]
    files += [("additional", path) for path in case.additional_files]
    files += [(f"assets.{kind}", path) for kind, path in case.asset_files.items()]
    files += [("plans", plans_file)] if plans_file is not None else []
    files += [("faults", spec.faults)] if spec.faults else []
    run = RunToml(
        city=spec.city,
        case=case.name,
        control="live",
        sensing=spec.sensing,
        seed=spec.seed,
        scale=spec.scale,
        begin_s=case.begin_s,
        end_s=case.end_s,
        leased=True,
        own_plan="fixed" if plans_file is None else "fixed-tuned",
        case_digest=case.digest,
        layout_digest="",
        versions=versions_here(),
        faults=str(spec.faults or ""),
        calibration=case.calibration_label(),
        inputs=tuple(InputFile(role=role, path=str(path), sha256=file_sha256(path)) for role, path in files),
    )
    return OpenField(case=case, network=network, run=run, open_twin=open_twin)


def _own_plans(case: CityCase, network: Network, path: Path | None = None) -> tuple[Path | None, tuple[Plan, ...]]:
    """Return the plans that run without a lease: tuned ones and their file, else the shipped stages mended."""
    found = find_plans(case, path)
    tuned = found[1].of_arm("fixed-tuned") if found is not None else ()
    return (found[0], tuned) if found is not None and tuned else (None, fixed_plan(network))


def _with_promises(network: Network, plans_file: Path | None, plans: tuple[Plan, ...]) -> Network:
    return with_own_reds(network, plans, read_plans(plans_file).foot_waits if plans_file is not None else ())


def _next_second(clock: PacedClock, ahead_ms: int) -> int:
    return (clock.now_ms() + ahead_ms + 999) // 1000 * 1000
