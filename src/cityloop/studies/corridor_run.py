"""One run of a city with emergency trips: blue light alone, with corridors, or alone on a free road."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cityloop.app import brain_of
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.programs import fixed_plan, write_programs
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.cities.sumo.units import UnitSpec, with_units
from cityloop.domains.signals.schema import Reason, Rule
from cityloop.domains.signals.unit_places import UnitPlaces, no_places, read_places
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.kernel.batch import Batch
from cityloop.kernel.domain import Domain, Views
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Decision, Receipt, Request
from cityloop.kernel.tick import REQUESTS, Brain
from cityloop.methods.route_ahead import RouteAhead
from cityloop.studies.corridor_measure import RunMeasures, measure
from cityloop.studies.corridor_trips import EmergencyTrip, draw_trips, write_trips
from cityloop.studies.lamps import check_lamps

__all__ = ["ARMS", "CorridorRun", "run_arm"]

ARMS = ("blue-light", "corridors", "lone")
"""Blue light alone, blue light with corridors, and a lone run with signals off."""

_SUBLANE_M = 0.8
_SENSING = "area:150"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorridorRun:
    """What one run gave."""

    city: str
    arm: str
    rate_per_h: float
    seed: int
    measures: RunMeasures
    unsafe_lamps: int
    longest_red_s: float
    decisions: dict[str, int]
    """Decisions of corridors and about requests, by reason and rule."""
    cpu_s: float


class _Counting:
    """A store that counts what corridors decided and keeps nothing."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def append_decisions(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            reason = decision.proposal.reason
            if decision.policy != REQUESTS and not Reason.CORRIDOR_CLEAR <= reason <= Reason.CORRIDOR_RELEASE:
                continue
            rule = getattr(decision.verdict, "rule", 0)
            self.counts[Reason(reason).name + (f" {Rule(rule).name}" if rule else "")] += 1

    def append_readings(self, now_ms: int, batch: Batch) -> None:
        """Keep nothing."""

    def append_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class _Dispatched:
    layout: Layout
    places: UnitPlaces
    now_ms: int


def dispatcher(trips: Sequence[EmergencyTrip], looking: RouteAhead) -> Domain[Any, Any]:
    """Return a domain that sends units on given trips and asks for their corridors; it stands for `emergency`."""

    def start(layout: Layout, now_ms: int) -> _Dispatched:
        places = no_places(layout)
        assert places is not None
        return _Dispatched(layout, places, now_ms)

    def update(state: _Dispatched, batch: Batch, views: Views, now_ms: int) -> _Dispatched:
        return _Dispatched(state.layout, read_places(state.places, state.layout, batch), now_ms)

    def requests(state: _Dispatched, now_ms: int) -> list[Request]:
        asked: list[Request] = []
        for trip in trips:
            seen_ms = int(state.places.seen_ms[trip.unit])
            if now_ms - seen_ms > 5000 or now_ms < trip.depart_s * 1000:
                continue
            asked += looking.requests(
                unit=trip.unit,
                incident=trip.unit,
                route=trip.route,
                edge=int(state.places.edge[trip.unit]),
                edge_m=float(state.places.edge_m[trip.unit]),
                now_ms=now_ms,
                seen_at_ms=seen_ms,
                sender="emergency",
            )
        return asked

    return Domain(
        name="emergency",
        start=start,
        update=update,
        predict=lambda state, views, now_ms: None,
        policies={},
        check=lambda proposal, state, now_ms: (_ for _ in ()).throw(AssertionError("it proposes nothing")),
        accept=lambda state, verdicts, now_ms: state,
        view=lambda state: None,
        requests=requests,
    )


def run_arm(case: CityCase, arm: str, rate_per_h: float, seed: int, out: Path) -> CorridorRun:
    """Run one arm and return what it gave; its files are taken away."""
    network = read_network(case.net_file, sensing=_SENSING, walking_speed_mps=case.walking_speed_mps)
    named = with_units(network, case.net_file, (UnitSpec("any"),))
    trips = draw_trips(named.layout, rate_per_h, case.begin_s, case.end_s, seed)
    units = tuple(UnitSpec(trip.name) for trip in trips)
    network = with_units(network, case.net_file, units)
    out.mkdir(parents=True, exist_ok=True)
    routes, program = out / "trips.rou.xml", out / "programs.add.xml"
    write_trips(trips, network.layout, routes)
    lone = arm == "lone"
    if lone:
        _all_green(network, program)
        case = dataclasses.replace(case, route_files=())
    else:
        write_programs(network, fixed_plan(network), program, begin_s=case.begin_s)
    setup = TwinSetup(
        case=case,
        out=out / "sumo",
        sensing=_SENSING,
        program=program,
        leased=not lone,
        seed=seed,
        units=units,
        sublane_m=_SUBLANE_M,
        blue_light=not lone,
        junction_collisions=True,
        vehicle_routes=True,
        route_files=(routes,),
    )
    brain = brain_of("shipped" if lone else "brain")
    if arm == "corridors":
        traffic, signals = brain.domains
        brain = Brain(domains=(traffic, dispatcher(trips, RouteAhead(network.layout)), signals), arms=brain.arms)
    store, city = _Counting(), SumoCity(setup, network)
    try:
        params = LoopParams(begin_ms=city.begin_ms, end_ms=city.end_ms)
        report = InlineEngine(city, brain, store, params).run()
    finally:
        city.close()
    lamps = None if lone else check_lamps(case.net_file, out / "sumo" / "tls_states.xml", program_files=())
    reds = [] if lamps is None else [red.red_s for red in lamps.longest_red.values()]
    found = CorridorRun(
        city=case.name,
        arm=arm,
        rate_per_h=rate_per_h,
        seed=seed,
        measures=measure(out / "sumo", network.layout, trips, report.ended_ms / 1000),
        unsafe_lamps=0 if lamps is None else lamps.unsafe,
        longest_red_s=max(reds, default=0.0),
        decisions=dict(sorted(store.counts.items())),
        cpu_s=city.cpu_s + report.cost.total_s,
    )
    shutil.rmtree(out)
    return found


def _all_green(network: Network, path: Path) -> None:
    """Write programs that hold nobody: with nobody else on the road a light that is off is one that is green."""
    controllers = network.assets.controllers
    sizes = np.asarray(controllers.link_end) - np.asarray(controllers.link_begin)
    lines = ["<additional>"]
    for tls, links in zip(network.tls_ids, sizes.tolist(), strict=True):
        lines.append(
            f'<tlLogic id="{tls}" type="static" programID="lone" offset="0">'
            f'<phase duration="3600" state="{"G" * links}"/></tlLogic>'
        )
    path.write_text("\n".join([*lines, "</additional>", ""]), encoding="utf-8")
