"""Tests of what came of a service's decision, read from recorded steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cityloop.app.city_source import load_facts
from cityloop.domains.emergency import schema as emergency
from cityloop.domains.refuse import schema as refuse
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.ladder import GateRule
from cityloop.kernel.messages import Allowed, Alternative, Decision, Proposal, Refused
from cityloop.web.calibration import told_share
from cityloop.web.why import Filter, Window, decisions_between
from cityloop.wire.live import Tick

_AT_MS = 1_767_225_600_000
STANDING, MOVING, EN_ROUTE, ON_SCENE, ON_BREAK = 0, 1, 3, 4, 7
DRIVING, BROKEN_DOWN, HOME = 1, 4, 5


def _decision(domain, action, target, *, cost=0.0, acted=True, reason=1):
    proposal = Proposal(
        target=target, action=action, reason=reason, cost=cost, gain=0.0, alternatives=(Alternative(1, 240.0),)
    )
    verdict = Allowed(action) if acted else Refused(int(GateRule.SHADOW))
    return decision_bytes(
        Decision(
            decided_at_ms=_AT_MS, domain=domain, policy="brain", proposal=proposal, verdict=verdict,
            sequence=7 if acted else -1, not_after_ms=_AT_MS + 60_000,
        )
    )  # fmt: skip


def _window(decision, *, value, horizon_s=600.0, seconds=700, lap_at=None, receipts=(), **columns):
    """A recording with one decision at its begin; columns are functions of the second."""
    kinds = {"unit_status": np.uint8, "truck_status": np.uint8, "found_f32": np.float32}
    ticks = []
    for second in range(seconds):
        arrays = {"round_i32": np.array([1], np.int32).tobytes()}
        for name, of in columns.items():
            cells = of(second)
            if cells is not None:
                arrays[name] = np.array(cells, kinds.get(name, np.int32)).tobytes()
        ticks.append(
            Tick(
                at_ms=_AT_MS + second * 1000, wall_ms=0, sim_s=float(second), number=second,
                lap=2 if lap_at is not None and second >= lap_at else 1,
                decisions=[decision] if second == 0 else [], receipts=list(receipts) if second == 1 else [],
                forecasts=[(0, value, horizon_s, 3.0)] if second == 0 else [], arrays=arrays,
            )
        )  # fmt: skip
    return Window(ticks)


def _told(window):
    city, _ = load_facts()
    (one,) = decisions_between(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS), 10)
    return one


def test_an_arrival_is_held_against_the_one_expected():
    """Sent at 0 s, on scene at 250 s; expected 200 s: both in seconds, with the age of the position it rested on."""
    send = _decision("emergency", emergency.Send(12), 0, cost=200.0)
    one = _told(
        _window(
            send,
            value=200.0,
            unit_status=lambda s: [EN_ROUTE if s < 250 else ON_SCENE, STANDING],
            unit_call_i32=lambda s: [12, -1],
            unit_site_i32=lambda s: [-1, 0],
        )
    )
    assert (one["forecast"]["value"], one["forecast"]["unit"]) == (200.0, "s")
    assert (one["observed"]["status"], one["observed"]["value"], one["observed"]["note"]) == ("complete", 250.0, "")
    assert one["forecast"]["what"] == one["observed"]["what"]
    assert one["saw"] == [{"sensor": "Ambulance 1", "seen_veh": None, "standing_veh": None, "age_s": 3.0}]
    assert one["alternatives"][0]["name"] == "Ambulance 2"


def test_who_came_instead_answers_the_forecast_in_shadow():
    """Nobody was told, another unit was at the call at 90 s: that is what was observed, and it is said."""
    send = _decision("emergency", emergency.Send(12), 0, cost=60.0, acted=False)
    one = _told(
        _window(
            send,
            value=60.0,
            unit_status=lambda s: [STANDING, ON_SCENE if s >= 90 else EN_ROUTE],
            unit_call_i32=lambda s: [-1, 12],
            unit_site_i32=lambda s: [0, -1],
        )
    )
    assert (one["observed"]["status"], one["observed"]["value"]) == ("complete", 90.0)
    assert one["observed"]["note"] == "OTHER_UNIT"


@pytest.mark.parametrize(("seconds", "status"), [(700, "beyond"), (300, "pending")])
def test_nobody_within_the_horizon_is_a_bound_and_before_its_end_nothing(seconds, status):
    """Beyond 600 s is told as beyond; at 300 s nothing is known yet."""
    send = _decision("emergency", emergency.Send(12), 0, cost=200.0)
    one = _told(
        _window(
            send,
            value=200.0,
            seconds=seconds,
            unit_status=lambda s: [EN_ROUTE],
            unit_call_i32=lambda s: [12],
            unit_site_i32=lambda s: [-1],
        )
    )
    assert one["observed"]["status"] == status


def test_a_move_ends_where_a_call_comes_first():
    """On its way to site 2 the unit is sent to a call at 40 s: not there until then, and no arrival is made up."""
    move = _decision("emergency", emergency.Move(2), 0)
    one = _told(
        _window(
            move,
            value=120.0,
            unit_status=lambda s: [MOVING if s < 40 else EN_ROUTE],
            unit_call_i32=lambda s: [-1 if s < 40 else 3],
            unit_site_i32=lambda s: [2 if s < 40 else -1],
        )
    )
    assert (one["observed"]["status"], one["observed"]["note"]) == ("overtaken", "SENT_TO_CALL")
    assert one["observed"]["value"] == 40.0
    assert one["action"]["place"] == "Station 3"


def test_a_move_that_nobody_was_told_of_is_not_held_to_its_forecast():
    """In shadow the unit stays: the log says that it was not acted on."""
    one = _told(_window(_decision("emergency", emergency.Move(2), 0, acted=False), value=120.0))
    assert (one["observed"]["status"], one["observed"]["note"]) == ("overtaken", "NOT_ACTED")


def test_a_meal_is_over_when_the_unit_is_free_again():
    """From 30 to 1,830 s at table, expected 1,800 s."""
    one = _told(
        _window(
            _decision("emergency", emergency.TakeBreak(), 0),
            value=1800.0,
            horizon_s=3900.0,
            seconds=2000,
            unit_status=lambda s: [ON_BREAK if 30 <= s < 1830 else STANDING],
            unit_call_i32=lambda s: [-1],
            unit_site_i32=lambda s: [0],
        )
    )
    assert (one["observed"]["status"], one["observed"]["value"]) == ("complete", 1830.0)


def test_a_lease_over_dispatch_is_taken_or_not():
    """The receipt answers it."""
    lead = _decision("emergency", emergency.Lead(), 40)
    receipt = ("emergency", 40, 7, 0, _AT_MS + 1000, "")
    one = _told(_window(lead, value=1.0, horizon_s=5.0, receipts=[receipt]))
    assert (one["observed"]["status"], one["observed"]["value"]) == ("complete", 1.0)
    assert one["junction"] == "dispatch centre"


def test_what_a_truck_found_is_held_against_the_fill_expected():
    """Expected 0.8 full, 0.7 found at 120 s; the place is the container's name, no truck's."""
    one = _told(
        _window(
            _decision("refuse", refuse.EmptyToday(20_000), 1),
            value=0.8,
            truck_status=lambda s: [DRIVING],
            found_f32=lambda s: [np.nan, 0.7, np.nan] if s == 120 else None,
        )
    )
    assert one["observed"]["status"] == "complete"
    assert one["observed"]["value"] == pytest.approx(0.7)
    assert one["junction"] == "C2"
    assert one["reason"]["code"] == "RISK"


def test_containers_emptied_in_a_round_are_counted_at_its_end():
    """Three asked for, two emptied when the last truck is home at 400 s."""
    asked = refuse.PlanRound(1, 1, 1, (0, 1, 2), (1.0, 1.0, 1.0), (-2,), (0.0,), (False,), ((),))
    one = _told(
        _window(
            _decision("refuse", asked, 0, reason=4),
            value=3.0,
            truck_status=lambda s: [0 if s < 50 else DRIVING if s < 400 else HOME],
            found_f32=lambda s: {100: [0.5, np.nan, np.nan], 200: [np.nan, 0.5, np.nan]}.get(s),
        )
    )
    assert (one["observed"]["status"], one["observed"]["value"]) == ("complete", 2.0)
    assert one["action"]["stops"] == 3


@pytest.mark.parametrize(
    ("broken_at", "told"), [(None, ("complete", 500.0, "REPLANNED")), (200, ("overtaken", 200.0, "BROKEN_DOWN"))]
)
def test_a_truck_comes_home_or_breaks_down(broken_at, told):
    """Home at 500 s, by another plan from 300 s on; or no longer able to."""

    def status(second):
        if broken_at is not None and second >= broken_at:
            return [BROKEN_DOWN]
        return [DRIVING if second < 500 else HOME]

    one = _told(
        _window(
            _decision("refuse", refuse.DriveRoute(1, 1, (0, 1)), 0, reason=6),
            value=450.0,
            truck_status=status,
            truck_told_i32=lambda s: [1 if s < 300 else 2],
        )
    )
    assert (one["observed"]["status"], one["observed"]["value"], one["observed"]["note"]) == told


def test_a_new_lap_of_the_simulation_answers_nothing():
    """The call of the last lap is not that of the next, even under the same number."""
    send = _decision("emergency", emergency.Send(1), 0, cost=200.0)
    one = _told(
        _window(
            send,
            value=200.0,
            lap_at=100,
            unit_status=lambda s: [EN_ROUTE if s < 200 else ON_SCENE],
            unit_call_i32=lambda s: [1],
            unit_site_i32=lambda s: [-1],
        )
    )
    assert (one["observed"]["status"], one["observed"]["note"]) == ("overtaken", "NEXT_LAP")


def test_the_share_of_decisions_with_an_outcome_is_counted_by_domain():
    """One dispatch, its horizon over: reason, forecast and observation each count once, with the error made."""
    send = _decision("emergency", emergency.Send(12), 0, cost=200.0)
    window = _window(
        send,
        value=200.0,
        unit_status=lambda s: [EN_ROUTE if s < 250 else ON_SCENE],
        unit_call_i32=lambda s: [12],
        unit_site_i32=lambda s: [-1],
    )
    city, _ = load_facts()
    found = told_share(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS))
    assert found["by_domain"]["emergency"] == {
        "decisions": 1, "reason": 1, "forecast": 1, "due": 1, "value": 1, "overtaken": 0, "cut": 0,
    }  # fmt: skip
    (sends,) = found["services"]
    assert (sends["kind"], sends["bias"], sends["n"]) == ("Send", 50.0, 1)
    assert not math.isnan(sends["mae"])


def test_a_forecast_that_was_overtaken_counts_with_what_was_seen_until_then():
    """The unit was sent to a call after 40 s: closed at that moment with a bound, and no part of the errors."""
    move = _decision("emergency", emergency.Move(2), 0)
    window = _window(
        move,
        value=120.0,
        unit_status=lambda s: [MOVING if s < 40 else EN_ROUTE],
        unit_call_i32=lambda s: [-1 if s < 40 else 3],
        unit_site_i32=lambda s: [2 if s < 40 else -1],
    )
    city, _ = load_facts()
    found = told_share(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS))
    assert found["by_domain"]["emergency"] == {
        "decisions": 1, "reason": 1, "forecast": 1, "due": 1, "value": 1, "overtaken": 1, "cut": 0,
    }  # fmt: skip
    (moves,) = found["services"]
    assert (moves["n"], moves["overtaken"], moves["mae"]) == (0, 1, None)


def test_what_nobody_was_told_of_has_no_figure():
    """A move that shadow kept back counts as overtaken alone: nothing was observed that would answer it."""
    window = _window(_decision("emergency", emergency.Move(2), 0, acted=False), value=120.0)
    city, _ = load_facts()
    found = told_share(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS))["by_domain"]["emergency"]
    assert (found["due"], found["value"], found["overtaken"]) == (1, 0, 1)


def test_what_the_end_of_a_simulation_cut_off_is_never_due():
    """The lap ends before anybody is there: counted by itself, neither as observed nor as missing."""
    move = _decision("emergency", emergency.Move(2), 0)
    window = _window(
        move,
        value=120.0,
        lap_at=100,
        unit_status=lambda s: [MOVING],
        unit_call_i32=lambda s: [-1],
        unit_site_i32=lambda s: [2],
    )
    city, _ = load_facts()
    found = told_share(city, window, Filter(begin_ms=_AT_MS, end_ms=_AT_MS))["by_domain"]["emergency"]
    assert (found["due"], found["value"], found["overtaken"], found["cut"]) == (0, 0, 0, 1)
