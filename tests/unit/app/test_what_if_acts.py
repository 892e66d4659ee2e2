"""Tests of what people have set, as it goes along into a what-if."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cityloop.app import RunSpec
from cityloop.app.what_if_acts import MEMORY_FILE, begun_as, of_run
from cityloop.app.what_if_now import LEARNED
from cityloop.cities.sumo.start_file import write_struct
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.signals.decide.operator import OPERATOR
from cityloop.kernel.ladder import Rung
from cityloop.kernel.tick import start
from cityloop.wire.live import Order, Steering

_LIVE_MS = 1_700_000_000_000
_BEGIN_MS = 900_000
_HOLD = Order(
    id="7", kind="hold", target=0, stages=((1, 0.0),), placed_at_ms=_LIVE_MS - 20_000, expires_at_ms=_LIVE_MS + 60_000
)
_REPLAN = Order(id="8", kind="replan", target=0, placed_at_ms=_LIVE_MS, expires_at_ms=_LIVE_MS + 60_000)
_SET = Steering(
    token=1,
    orders=(_HOLD, _REPLAN),
    rungs={"signals": {0: int(Rung.ADVISE)}, "emergency": {0: int(Rung.SHADOW)}},
    unplugged_until_ms=_LIVE_MS + 5_000,
)


def test_acts_in_force_are_told_on_the_run_s_own_clock() -> None:
    """A hold placed 20 s ago with a minute to go is so at the run's begin; a plan of rounds and a drill stay behind."""
    told = of_run(_SET, "brain", _LIVE_MS, _BEGIN_MS, rungs=True)
    (hold,) = told.orders
    assert (hold.placed_at_ms, hold.expires_at_ms) == (_BEGIN_MS - 20_000, _BEGIN_MS + 60_000)
    assert told.unplugged_until_ms == 0
    assert told.rungs == _SET.rungs


def test_a_control_that_is_asked_for_leads_everywhere_and_a_plan_nowhere() -> None:
    """The ladder goes along only where the city is led as it is now; services act by every control."""
    brain = of_run(_SET, "brain", _LIVE_MS, _BEGIN_MS, rungs=False)
    plan = of_run(_SET, "fixed", _LIVE_MS, _BEGIN_MS, rungs=False)
    assert brain.rungs == {"signals": {0: Rung.LIVE}, "emergency": {0: Rung.LIVE}}
    assert plan.rungs == {"signals": {0: Rung.SHADOW}, "emergency": {0: Rung.LIVE}}
    assert plan.orders == brain.orders


def test_people_s_acts_reach_the_street_under_a_plan_too(tmp_path: Path) -> None:
    """Then the field takes leases, the brain only watches, and the hold is asked for in each tick."""
    acts = tmp_path / "acts.json"
    write_struct(acts, of_run(_SET, "fixed", _LIVE_MS, _BEGIN_MS, rungs=False))
    spec = RunSpec(city="toy", out=tmp_path / "run", control="fixed", acts=acts)
    assert spec.leased
    brain, begun = begun_as(spec, ToyCity(ToyParams()).layout())
    assert brain.arms["signals"] == "brain"
    (request,) = begun.requests
    assert (request.sender, request.target, request.expires_at_ms) == (f"{OPERATOR}7", 0, _BEGIN_MS + 60_000)


def test_what_was_learned_goes_along_and_other_tables_begin_anew(tmp_path: Path) -> None:
    """Blocks of the same shape are taken over; a file of another network is left alone."""
    layout = ToyCity(ToyParams()).layout()
    spec = RunSpec(city="toy", out=tmp_path / "run", control="brain", start=tmp_path)
    brain, _ = begun_as(spec, layout)
    fresh = start(brain, layout, 0)
    blocks = {name: getattr(fresh.domains["traffic"], name) + 1.5 for name in LEARNED}
    np.savez(tmp_path / MEMORY_FILE, **blocks)
    learned = begun_as(spec, layout)[1].remembered(fresh)
    assert all((getattr(learned.domains["traffic"], name) == block).all() for name, block in blocks.items())
    np.savez(tmp_path / MEMORY_FILE, **{name: block[:, :1] for name, block in blocks.items()})
    assert begun_as(spec, layout)[1].remembered(fresh) is fresh
