"""The running city's process: ``python -m cityloop.app.twin_child FD``.

Holds the loop, the brain and the journal; the simulation runs in a child of its own. It ends when the server is gone.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from cityloop.app import LEASED_ARMS, brain_of
from cityloop.app.child import ChildSpec, serve_child
from cityloop.app.live_forecasts import forecasts_of
from cityloop.app.live_picture import LivePicture
from cityloop.app.live_views import packed_views
from cityloop.app.phoned_in import PhonedIn
from cityloop.app.planner import planned
from cityloop.app.repeating import Lap, RepeatingCity
from cityloop.domains.emergency.schema import Send
from cityloop.domains.refuse.schema import PlanRound
from cityloop.domains.signals.decide.operator import OPERATOR, operator_proposals, with_operators
from cityloop.domains.signals.schema import DOMAIN, FollowPlan, ShowStage
from cityloop.engine.paced import PacedEngine, PaceParams, Steered
from cityloop.engine.pipe import Pipe
from cityloop.kernel.batch import empty_batch
from cityloop.kernel.ladder import Rung, gated
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Action, Proposal, Request
from cityloop.kernel.tick import Brain, BrainState, start, tick
from cityloop.storage.trace_log import TraceReader, TraceWriter
from cityloop.wire.live import Began, Order, Steering, Stop, decode_down, encode

__all__ = ["Steers", "laps_of", "stricter"]

_SYNC_EVERY_S = 1.0
_OPERATOR_PRIORITY = 1000
_DAY_MS = 86_400_000
_SERVICE_TARGETS = 4096
"""More rows than a service has units, trucks or containers."""


class Steers:
    """Makes the loop's brain of what people have set; keeps the stricter tables it was given last."""

    def __init__(self, control: str, layout: Layout, brain: Brain | None = None) -> None:
        self._brain = brain or brain_of(control, layout)
        self._plain = layout
        self._strict: tuple[object, Layout] = ((), layout)

    def __call__(self, steering: Steering, epoch: int) -> Steered:
        """Return the brain, requests and acts of a steering."""
        agreed = (steering.minimums, steering.conflicts)
        if agreed != self._strict[0] and any(agreed):
            self._strict = (agreed, stricter(self._plain, *agreed))
        layout = self._strict[1] if any(agreed) else self._plain
        released = {
            order.target: order.expires_at_ms
            for order in steering.orders
            if order.kind == "release" and order.domain == DOMAIN
        }
        domains = []
        for domain in self._brain.domains:
            if domain.name == DOMAIN:
                policies = {arm: with_operators(policy) for arm, policy in domain.policies.items()}
                domain = dataclasses.replace(domain, policies=policies)
            if domain.name in self._brain.arms:
                rungs = {target: Rung(rung) for target, rung in steering.rungs.get(domain.name, {}).items()}
                if domain.name != DOMAIN:
                    # A unit or a truck belongs to no district: a service is trusted as far as in the least trusted one.
                    rungs = dict.fromkeys(range(_SERVICE_TARGETS), min(rungs.values(), default=Rung.SHADOW))
                domain = gated(domain, rungs, released if domain.name == DOMAIN else {})
            domains.append(domain)
        requests = tuple(
            _request(order)
            for order in steering.orders
            if order.kind != "release" and (order.kind != "replan" or order.action)
        )

        def at_once(state: BrainState, now_ms: int) -> Sequence[Proposal]:
            return operator_proposals(state.domains[DOMAIN], requests, now_ms)

        return Steered(
            brain=Brain(domains=tuple(domains), arms=self._brain.arms, epoch=epoch),
            layout=layout,
            requests=requests,
            at_once=at_once,
            domain=DOMAIN,
            unplugged_until_ms=steering.unplugged_until_ms,
            token=steering.token,
        )


def _request(order: Order) -> Request:
    return Request(
        domain=order.domain,
        sender=OPERATOR + order.id,
        target=order.target,
        action=_action(order),
        priority=_OPERATOR_PRIORITY,
        not_before_ms=order.placed_at_ms,
        expires_at_ms=order.expires_at_ms,
    )


def _action(order: Order) -> Action:
    match order.kind:
        case "plan":
            return FollowPlan(order.stages)
        case "send":
            return Send(order.stages[0][0])
        case "replan":
            return msgspec.msgpack.decode(order.action, type=PlanRound)
        case _:
            return ShowStage(order.stages[0][0])


def stricter(
    layout: Layout, minimums: Sequence[tuple[int, int, float]], conflicts: Sequence[tuple[int, int, int]]
) -> Layout:
    """Return the layout with longer least greens and further conflicts; nothing is ever loosened."""
    assets = layout.tables[DOMAIN]
    c = assets.controllers
    least_s, foe = assets.stages.min_green_s.copy(), assets.matrices.foe.copy()
    together = assets.matrices.shipped_together.copy()
    for junction, stage, green_s in minimums:
        row = int(c.stage_begin[junction]) + stage
        least_s[row] = max(least_s[row], green_s)
    for junction, one, other in conflicts:
        n = int(c.link_end[junction] - c.link_begin[junction])
        at = int(c.matrix_begin[junction])
        for a, b in ((one, other), (other, one)):
            foe[at + a * n + b], together[at + a * n + b] = np.True_, np.False_
    changed = dataclasses.replace(
        assets,
        stages=dataclasses.replace(assets.stages, min_green_s=least_s),
        matrices=dataclasses.replace(assets.matrices, foe=foe, shipped_together=together),
    )
    return dataclasses.replace(layout, tables={**layout.tables, DOMAIN: changed})


def main() -> int:
    """Run the city until the server says stop or is gone."""
    return serve_child(_run)


def _run(spec: ChildSpec, pipe: Pipe) -> None:
    data = Path(spec.data)
    span = TraceReader(data / "trace").span()
    # The city's clock never goes back, also where it had run ahead of the wall before a restart.
    least_ms = 0 if span is None else span[1] + 1000
    begin_ms = max(time.time_ns() // 1_000_000, least_ms)
    laps = RepeatingCity(laps_of(spec, data / "twin"), begin_ms)
    city = PhonedIn(planned(laps, live=True), lambda: laps.lap)
    journal = TraceWriter(data / "trace", keep_ms=round(spec.keep_days * _DAY_MS))
    synced_s = 0.0

    def keep(at_ms: int, payload: bytes) -> None:
        nonlocal synced_s
        journal.append(at_ms, payload)
        if time.monotonic() - synced_s >= _SYNC_EVERY_S:
            journal.sync()
            synced_s = time.monotonic()

    try:
        layout = city.layout()
        steers = Steers(spec.control, layout)
        # Compiled before the clock runs: the first tick must not be the one that compiles.
        warm = steers(Steering(token=0), 0)
        tick(warm.brain, start(warm.brain, layout, begin_ms), empty_batch(), (), begin_ms + 1000)
        begin_ms = max(time.time_ns() // 1_000_000, least_ms)
        laps.set_clock(begin_ms)
        picture = LivePicture(layout, begin_ms)

        def steered(steering: Steering, epoch: int) -> Steered:
            picture.steer(steering, begin_ms)
            city.listed(steering.calls)
            return steers(steering, epoch)

        params = PaceParams(begin_ms=begin_ms, pace=spec.pace, epoch=begin_ms // 1000)
        engine = PacedEngine(
            city,
            steered,
            keep,
            picture,
            pipe,
            params,
            sim_s=laps.sim_s,
            views=packed_views,
            forecasts=forecasts_of,
        )
        pipe.send(encode(Began(at_ms=begin_ms, lap=1)))
        first = decode_down(pipe.receive())
        if isinstance(first, Stop):
            return
        engine.run(first)
    finally:
        journal.close()
        city.close()


def laps_of(spec: ChildSpec, folder: Path) -> Callable[[int], Lap]:
    """Return ``open_lap(number)``: the simulation of a lap, whose links say what the own plans owe people on foot."""
    from cityloop.cities.sumo.fleet_assets import with_fleet
    from cityloop.cities.sumo.folder import resolve_city
    from cityloop.cities.sumo.kept_plans import find_plans
    from cityloop.cities.sumo.network import read_network
    from cityloop.cities.sumo.own_reds import with_own_reds
    from cityloop.cities.sumo.programs import fixed_plan, write_programs
    from cityloop.cities.sumo.twin import SumoCity, TwinSetup

    case = resolve_city(spec.city)
    network = read_network(case.net_file, sensing=spec.sensing, walking_speed_mps=case.walking_speed_mps)
    # The served city's clock is the wall's, so crews live by the city's own time zone.
    network = with_fleet(network, case, clock=case.zone)
    found = find_plans(case, None)
    plans = (found[1].of_arm("fixed-tuned") if found is not None else ()) or fixed_plan(network)
    network = with_own_reds(network, plans, found[1].foot_waits if found is not None else ())
    shutil.rmtree(folder, ignore_errors=True)

    def open_lap(number: int) -> Lap:
        out = folder / f"{number}"
        shutil.rmtree(folder / f"{number - 2}", ignore_errors=True)
        out.mkdir(parents=True)
        program = out / "programs.add.xml"
        write_programs(network, plans, program, begin_s=case.begin_s)
        setup = TwinSetup(
            case=case,
            program=program,
            leased=spec.control in LEASED_ARMS,
            sensing=spec.sensing,
            seed=spec.seed + number - 1,
            out=out,
            scale=spec.scale,
            picture=True,
            prompt=True,
        )
        city = SumoCity(setup, network)
        return Lap(city=city, begin_ms=city.begin_ms, end_ms=city.end_ms)

    return open_lap


if __name__ == "__main__":
    sys.exit(main())
