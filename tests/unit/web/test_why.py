"""Tests of decisions told with their forecast and what was observed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from cityloop.app.city_source import load_facts
from cityloop.domains.signals.schema import Reason, ShowStage
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.messages import Allowed, Decision, Proposal
from cityloop.web.calibration import calibration
from cityloop.web.why import Filter, Window, decisions_between
from cityloop.wire.live import Tick

_AT_MS = 1_767_225_600_000


def _tick(second: int, *, standing_veh: float, expected_veh_s: float, at_once: bool = False) -> Tick:
    at_ms = _AT_MS + second * 1000
    action = ShowStage(1)
    proposal = Proposal(target=3, action=action, reason=Reason.OPERATOR_HOLD, cost=0.0, gain=0.0)
    decision = Decision(
        decided_at_ms=at_ms, domain="signals", policy="operator" if at_once else "brain", proposal=proposal,
        verdict=Allowed(action), sequence=second, not_after_ms=at_ms + 4000,
    )  # fmt: skip
    arrays = {
        "stage": bytes(760),
        "delay_f32": np.full(760, standing_veh, np.float32).tobytes(),
        "forecast_f32": np.full(760, expected_veh_s, np.float32).tobytes(),
    }
    return Tick(
        at_ms=at_ms, wall_ms=at_ms, sim_s=float(second), number=second, at_once=at_once,
        arrays={} if at_once else arrays, decisions=[decision_bytes(decision)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def window() -> Window:
    """A minute in which two vehicles stand all the time and 90 veh·s were foreseen, and one act between two steps."""
    ticks = [_tick(second, standing_veh=2.0, expected_veh_s=90.0) for second in range(61)]
    ticks.insert(11, _tick(10, standing_veh=0.0, expected_veh_s=0.0, at_once=True))
    return Window([msgspec.msgpack.decode(msgspec.msgpack.encode(tick), type=Tick) for tick in ticks])


def test_forecast_and_observation_are_one_quantity(window):
    """Both name the same delay over the same horizon in the same unit; two vehicles standing 40 s are 80 veh·s."""
    city, _ = load_facts()
    wanted = Filter(begin_ms=_AT_MS, end_ms=_AT_MS + 15_000, target=3)
    told = decisions_between(city, window, wanted, 100)
    assert len(told) == 17
    for one in told:
        assert one["forecast"]["what"] == one["observed"]["what"]
        assert one["forecast"]["unit"] == one["observed"]["unit"] == "veh·s"
        assert one["forecast"]["value"] == pytest.approx(90.0)
        assert one["observed"]["status"] == "complete"
        assert one["observed"]["value"] == pytest.approx(80.0)
        assert one["reason"]["text"]


def test_what_a_person_did_between_two_steps_has_a_forecast_too(window):
    """It is that of the step it was done after; what was seen then is told as well."""
    city, _ = load_facts()
    by_hand = [
        one
        for one in decisions_between(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS + 60_000, target=3), 100)
        if one["id"].endswith(".op")
    ]
    assert [one["forecast"]["value"] for one in by_hand] == [pytest.approx(90.0)]
    assert by_hand[0]["stage_shown"] == 0


def test_calibration_compares_the_two(window):
    """The mean difference is what was observed less what was foreseen."""
    city, _ = load_facts()
    found = calibration(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS + 15_000))
    assert (found["bias"], found["mae"]) == (pytest.approx(-10.0), pytest.approx(10.0))
    assert found["ratio"] == pytest.approx(80 / 90)
