"""Wiring: which city, which domains, which store, which engine. Read it top to bottom."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cityloop.app.planner import planned
from cityloop.app.run_spec import ARMS, LEASED_ARMS, RunSpec
from cityloop.cities.replay.city import ReplayCity
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.emergency.schema import DOMAIN as EMERGENCY
from cityloop.domains.refuse.schema import DOMAIN as REFUSE
from cityloop.engine.compiled import keep_compiled_apart
from cityloop.engine.cpu import CpuCost
from cityloop.engine.inline import Begun, Blackout, InlineEngine, LoopParams, LoopReport, Progress
from cityloop.kernel.clock import ms_from_s
from cityloop.kernel.domain import Domain
from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.kernel.layout import Layout
from cityloop.kernel.ports import City
from cityloop.kernel.tick import Brain
from cityloop.storage.comparing import ComparingStore
from cityloop.storage.run_folder import RunFolder, RunReader, claim_folder, file_sha256
from cityloop.storage.run_toml import InputFile, RunToml, Span, versions_here

if TYPE_CHECKING:
    from cityloop.cities.sumo.folder import CityCase
    from cityloop.cities.sumo.network import Network
    from cityloop.domains.signals.schema import Plan

__all__ = [
    "ARMS",
    "LEASED_ARMS",
    "OpenRun",
    "ReplayResult",
    "RunResult",
    "RunSpec",
    "brain_of",
    "open_run",
    "replay",
    "run",
]

TOY = "toy"
_CPU_FILE = "cpu.json"
_START, _ACTS = "start", "acts"
"""Roles of files that a run in the middle of things begins from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that is wired and ready to start."""

    spec: RunSpec
    city: City
    brain: Brain
    store: RunFolder
    params: LoopParams
    begun: Begun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run left."""

    run_dir: Path
    decisions_digest: str
    decisions: int
    steps: int
    ended_s: float
    cost: CpuCost


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay confirmed."""

    run_dir: Path
    decisions_digest: str
    decisions: int
    steps: int
    other_versions: tuple[str, ...]
    """Packages that are of another version than when the run was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wired:
    """A city that can be opened, and what its run is made of."""

    layout: Layout
    run: RunToml
    start: Callable[[], City]
    """Called once the run folder stands."""


def run(spec: RunSpec, progress: Progress | None = None) -> RunResult:
    """Run a city to its end and seal the run folder."""
    with open_run(spec) as opened:
        engine = InlineEngine(opened.city, opened.brain, opened.store, opened.params, begun=opened.begun)
        report = engine.run(progress)
        # Closed before it is sealed: a twin writes its last files when it closes.
        opened.city.close()
        (spec.out / _CPU_FILE).write_bytes(msgspec.json.encode(report.cost) + b"\n")
        sealed = opened.store.complete()
    assert sealed.result is not None
    return RunResult(
        run_dir=spec.out,
        decisions_digest=sealed.result.decisions_digest,
        decisions=report.decisions,
        steps=report.steps,
        ended_s=report.ended_ms / 1000,
        cost=report.cost,
    )


@contextmanager
def open_run(spec: RunSpec) -> Iterator[OpenRun]:
    """Wire a run; on leaving, city and store are closed. The folder stays incomplete until it is sealed."""
    wired = _toy(spec) if spec.city == TOY else _twin(spec)
    claim_folder(spec.out)
    with ExitStack() as closing:
        store = RunFolder(spec.out, wired.run, wired.layout, durable=spec.durable)
        closing.callback(store.close)
        city = planned(wired.start())
        closing.callback(city.close)
        brain, begun = _begun(spec, wired.layout)
        yield OpenRun(spec=spec, city=city, brain=brain, store=store, params=_loop_params(wired.run), begun=begun)


def _begun(spec: RunSpec, layout: Layout) -> tuple[Brain, Begun]:
    if spec.start is None and spec.acts is None:
        return brain_of(spec.control, layout), Begun(layout=layout)
    # Only a what-if begins in the middle of things.
    from cityloop.app.what_if_acts import begun_as

    return begun_as(spec, layout)


def replay(run_dir: Path, progress: Progress | None = None) -> ReplayResult:
    """Make every decision again from the recorded readings; raise ``StoreError`` where one differs."""
    reader = RunReader(run_dir)
    reader.require_complete()
    if any(one.role in (_START, _ACTS) for one in reader.run.inputs):
        raise StoreError(f"{run_dir}: began from a city as it stood, which its readings do not hold; run it again")
    recorded, layout = reader.run, reader.layout()
    assert recorded.result is not None
    params = _loop_params(recorded)
    city = ReplayCity(layout, reader.readings(), reader.receipts(), params.begin_ms)
    store = ComparingStore(reader.decision_records(), layout.names["junctions"])
    report: LoopReport = InlineEngine(city, brain_of(recorded.control, layout), store, params).run(progress)
    store.check_end()
    if store.digest.hexdigest() != recorded.result.decisions_digest:
        raise StoreError(f"{run_dir}: the journal's digest is not the one that run.toml was sealed with")
    here = versions_here()
    return ReplayResult(
        run_dir=run_dir,
        decisions_digest=store.digest.hexdigest(),
        decisions=report.decisions,
        steps=report.steps,
        other_versions=tuple(name for name, of in recorded.versions.items() if here.get(name) != of),
    )


def brain_of(control: str, layout: Layout | None = None) -> Brain:
    """Return the brain of a control: domains in order of dependence, and the policies they follow.

    Ambulances and refuse take part where the layout has tables of them. Under a control that leases no signals they are
    run as cities run them today: the closest free ambulance, and rounds on fixed days.
    """
    # Importing a domain settles where its compiled code is looked for.
    keep_compiled_apart()
    from cityloop.domains.signals.domain import signals
    from cityloop.domains.traffic.domain import traffic

    leased = control in LEASED_ARMS
    domains: list[Domain[Any, Any]] = [traffic, signals]
    arms = {signals.name: control} if leased else {}
    tables = {} if layout is None else layout.tables
    if EMERGENCY in tables:
        from cityloop.domains.emergency.domain import emergency

        # Before signals, which hear in the same tick what it asks of them.
        domains.insert(1, emergency)
        arms[emergency.name] = "brain" if control == "brain" else "as-is"
    if REFUSE in tables:
        from cityloop.domains.refuse.domain import refuse

        domains.append(refuse)
        arms[refuse.name] = "brain" if control == "brain" else "fixed"
    return Brain(domains=tuple(domains), arms=arms)


def _toy(spec: RunSpec) -> _Wired:
    if spec.control not in ("shipped", "fixed", *LEASED_ARMS):
        raise ConfigError(f"The toy city has no {spec.control} plan; give shipped, max-pressure or brain")
    if spec.faults:
        raise ConfigError("The toy city has no sensor faults; leave --faults out")
    usual = ToyParams()
    params = dataclasses.replace(
        usual,
        sensing=spec.sensing,
        headway_s=(usual.headway_s[0] / spec.scale, usual.headway_s[1] / spec.scale),
        begin_s=usual.begin_s if spec.begin_s is None else spec.begin_s,
        end_s=usual.end_s if spec.end_s is None else spec.end_s,
    )
    city = ToyCity(params)
    layout = city.layout()
    run_toml = _run_toml(
        spec,
        case=TOY,
        span=Span(begin_s=params.begin_s, end_s=params.end_s),
        own_plan="shipped",
        case_digest=hashlib.sha256(repr(params).encode()).hexdigest(),
        inputs=(),
        calibration="SYNTHETIC DEMAND, UNCALIBRATED",
    )
    return _Wired(layout=layout, run=run_toml, start=lambda: city)


def _twin(spec: RunSpec) -> _Wired:
    # The twin brings SUMO's files along; a toy, a replay and --help do without.
    from cityloop.cities.sumo.audit import conflicting_greens
    from cityloop.cities.sumo.faults import read_fault_plan
    from cityloop.cities.sumo.fleet_assets import with_fleet
    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.cities.sumo.network import read_network
    from cityloop.cities.sumo.own_reds import with_own_reds
    from cityloop.cities.sumo.plans import read_plans
    from cityloop.cities.sumo.programs import write_programs
    from cityloop.cities.sumo.start_file import START_FILE, StartFile, read_struct
    from cityloop.cities.sumo.twin import SumoCity, TwinSetup

    whole = resolve_city(spec.city)
    case = whole.between(spec.begin_s, spec.end_s)
    network = read_network(case.net_file, sensing=spec.sensing, walking_speed_mps=case.walking_speed_mps)
    network = with_fleet(network, case)
    _warn_once(conflicting_greens(case.net_file, network))
    if spec.leased and spec.sensing == "loops":
        _warn_once(
            f"{spec.control} learns nothing from loops yet and leaves every junction to its own plan; "
            "give --sensing area:<metres> or probe:<share>"
        )
    faults = read_fault_plan(Path(spec.faults)) if spec.faults else None
    own_plan, plans, plans_file = _own_plan(spec, whole, network)
    if spec.leased:
        network = with_own_reds(network, plans, read_plans(plans_file).foot_waits if plans_file is not None else ())
    sumo_folder = spec.out / "sumo"

    def start() -> City:
        sumo_folder.mkdir()
        program: Path | Literal["shipped"] = "shipped"
        if plans:
            program = sumo_folder / "programs.add.xml"
            write_programs(network, plans, program, begin_s=case.begin_s)
        setup = TwinSetup(
            case=case,
            program=program,
            leased=spec.leased,
            sensing=spec.sensing,
            seed=spec.seed,
            out=sumo_folder,
            scale=spec.scale,
            faults=faults,
            picture=spec.picture,
            start=None if spec.start is None else read_struct(spec.start / START_FILE, StartFile),
            snapshot=spec.snapshot,
        )
        return SumoCity(setup, network)

    files = [("network", case.net_file)]
    files += [("routes", path) for path in case.route_files]
    files += [("additional", path) for path in case.additional_files]
    files += [(f"assets.{kind}", path) for kind, path in case.asset_files.items()]
    files += [("plans", plans_file)] if plans_file is not None else []
    files += [("faults", Path(spec.faults))] if spec.faults else []
    files += [(_START, spec.start / START_FILE)] if spec.start is not None else []
    files += [(_ACTS, spec.acts)] if spec.acts is not None else []
    run_toml = _run_toml(
        spec,
        case=case.name,
        span=Span(begin_s=case.begin_s, end_s=case.end_s),
        own_plan=own_plan,
        case_digest=case.digest,
        inputs=tuple(InputFile(role=role, path=str(path), sha256=file_sha256(path)) for role, path in files),
        calibration=case.calibration_label(),
    )
    return _Wired(layout=network.layout, run=run_toml, start=start)


@cache
def _warn_once(line: str) -> None:
    """Say on standard error what a run goes on in spite of; a bench of many runs says it once a process."""
    if line:
        logging.getLogger(__name__).warning("cityloop: warning: %s", line)


def _own_plan(spec: RunSpec, case: CityCase, network: Network) -> tuple[str, tuple[Plan, ...], Path | None]:
    """Return the program that runs without a lease: its name, its plans (none: as shipped) and their file."""
    from cityloop.cities.sumo.kept_plans import find_plans
    from cityloop.cities.sumo.programs import actuated_plan, fixed_plan

    if spec.control == "shipped":
        return "shipped", (), None
    if spec.control == "fixed":
        return "fixed", fixed_plan(network), None
    if spec.control == "actuated":
        return "actuated", actuated_plan(network), None
    # The leased arms fall back on the best plan at hand.
    arm = "fixed-tuned" if spec.leased else spec.control
    found = find_plans(case, spec.plans)
    plans = found[1].of_arm(arm) if found is not None else ()
    if found is not None and plans:
        return arm, plans, found[0]
    if spec.leased:
        return "fixed", fixed_plan(network), None
    raise ConfigError(
        f"{spec.city}: no {arm} plans at hand; make them with cityloop tune {spec.city}, or give --plans FILE"
    )


def _run_toml(
    spec: RunSpec,
    *,
    case: str,
    span: Span,
    own_plan: str,
    case_digest: str,
    inputs: tuple[InputFile, ...],
    calibration: str,
) -> RunToml:
    return RunToml(
        city=spec.city,
        case=case,
        control=spec.control,
        sensing=spec.sensing,
        seed=spec.seed,
        scale=spec.scale,
        begin_s=span.begin_s,
        end_s=span.end_s,
        leased=spec.leased,
        own_plan=own_plan,
        case_digest=case_digest,
        layout_digest="",
        versions=versions_here(),
        faults=spec.faults,
        calibration=calibration,
        blackouts=tuple(Span(begin_s=b.begin_s, end_s=b.end_s) for b in spec.blackouts),
        inputs=inputs,
    )


def _loop_params(recorded: RunToml) -> LoopParams:
    return LoopParams(
        begin_ms=ms_from_s(recorded.begin_s),
        end_ms=ms_from_s(recorded.end_s),
        blackouts=tuple(Blackout(b.begin_s, b.end_s) for b in recorded.blackouts),
    )
