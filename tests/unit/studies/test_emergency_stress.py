"""Bad days change one thing each, and the table says who suffered."""

from dataclasses import replace

import numpy as np
import pytest

from cityloop.cities.events.calls import draw_calls
from cityloop.cities.events.conditions import Conditions, Radio
from cityloop.cities.events.grid import GridSpec, grid_case
from cityloop.cities.events.stress import STRESSES, Stress, drawn_under
from cityloop.kernel.errors import ConfigError
from cityloop.studies.emergency_run import ARMS, homes_of, run_arm
from cityloop.studies.emergency_stress import bench_stress, stress_lines, stresses_of, world_under
from cityloop.studies.emergency_world import BEGIN_MS, make_world

DAY_MS, HOUR_MS = 86_400_000, 3_600_000


@pytest.fixture(scope="module")
def world():
    """A grid of streets."""
    return make_world(grid_case(GridSpec()), kerb_posts=6)


def test_a_burst_adds_its_calls_at_noon_and_leaves_the_others_alone(world):
    """Forty more calls a day, within a quarter of an hour; all the others are where and when they were."""
    plain = draw_calls(world.case, 3, 2.0, BEGIN_MS)
    burst, _ = drawn_under(world.case, 3, 2.0, BEGIN_MS, STRESSES["burst"])
    assert len(burst) == len(plain) + 80
    assert (np.diff(burst.received_ms) >= 0).all()
    assert np.isin(plain.received_ms, burst.received_ms).all()
    for day in range(2):
        noon_ms = BEGIN_MS + day * DAY_MS + 12 * HOUR_MS
        within = (burst.received_ms >= noon_ms) & (burst.received_ms < noon_ms + HOUR_MS // 4)
        assert within.sum() >= 40
    assert (burst.ready_ms - burst.received_ms == 40_000).all()


def test_delays_at_hospitals_touch_nothing_else(world):
    """Handovers take twice as long, at the same calls."""
    plain = draw_calls(world.case, 3, 1.0, BEGIN_MS)
    slow, _ = drawn_under(world.case, 3, 1.0, BEGIN_MS, STRESSES["hospitals"])
    assert np.array_equal(slow.handover_ms, 2 * plain.handover_ms)
    assert np.array_equal(slow.x_m, plain.x_m)


def test_another_mix_has_a_mode_for_every_priority(world):
    """Four priorities in a city that ships two: the last is driven to as the last shipped one is."""
    here = world_under(world, STRESSES["mix"])
    assert here.times.response_mode.tolist() == [0, 1, 1, 1]
    calls, _ = drawn_under(here.case, 3, 2.0, BEGIN_MS, STRESSES["mix"])
    assert sorted(set(calls.priority.tolist())) == [1, 2, 3, 4]
    city = run_arm(here, ARMS["as-is"], calls, 2.0)
    assert (city.ledger.arrived_ms >= 0).all()


@pytest.mark.parametrize("arm", ["as-is", "naive", "status-plan", "brain"])
def test_nobody_is_at_home_at_a_closed_station_or_sent_there(world, arm):
    """Its units belong to the nearest open one, the plan goes without it, and no unit ever stands there."""
    here = world_under(world, STRESSES["station"])
    closed = np.flatnonzero(~here.sites.is_open)
    assert len(closed) == 1
    assert not np.isin(closed, homes_of(here, ARMS[arm])).any()
    assert not np.isin(closed, here.coverage.plan_day).any()
    calls, _ = drawn_under(here.case, 3, 1.0, BEGIN_MS, STRESSES["station"])
    city = run_arm(here, ARMS[arm], calls, 1.0)
    assert (city.ledger.arrived_ms >= 0).all()
    assert not np.isin(city.units.site, closed).any()
    assert world.sites.is_open.all()


def test_late_positions_are_seen_where_the_unit_was(world):
    """With every position a minute old a driving unit is seen at a node that it passed, and drives on unharmed."""
    calls = draw_calls(world.case, 3, 1.0, BEGIN_MS)
    city = run_arm(world, ARMS["brain"], calls, 1.0, Conditions(radio=Radio(1.0)), record=True)
    assert (city.ledger.arrived_ms >= 0).all()
    assert (city.now_ms - city.units.seen_at_ms == 60_000).all()
    tracks = city.recorder.tracks()
    for u in range(len(city.units.status)):
        mine = tracks.unit == u
        moved_m = np.hypot(np.diff(tracks.x_m[mine]), np.diff(tracks.y_m[mine]))
        took_s = np.diff(tracks.at_ms[mine]) / 1000.0
        assert (moved_m <= 12.5 * (took_s + 0.002) + 0.01).all()


def test_a_fifth_of_positions_is_late_and_not_always_the_same_ones(world):
    """Drawn anew each minute."""
    _, conditions = drawn_under(world.case, 4, 1.0, BEGIN_MS, STRESSES["stale"])
    assert conditions.radio == Radio(0.2, seed=4)
    radio = Radio(0.2, seed=1)
    drawn = np.array([radio.late(k * 60_000, 50) for k in range(200)])
    assert drawn.mean() == pytest.approx(0.2, abs=0.02)
    assert drawn.any(axis=0).all()
    with pytest.raises(ConfigError, match="must be 0 to 1"):
        Radio(1.5)


def test_stresses_are_named_and_the_plain_case_is_always_there():
    """All of them, some of them, or a line that names those there are."""
    assert [stress.name for stress in stresses_of("burst, stale")] == ["plain", "burst", "stale"]
    assert len(stresses_of("all")) == len(STRESSES)
    with pytest.raises(ConfigError, match="no such stress; there are all, plain, mix"):
        stresses_of("flood")


def test_the_table_names_what_got_worse(world):
    """Each policy beside itself in the plain case and beside the closest free unit."""
    stresses = (STRESSES["plain"], replace(STRESSES["demand"], demand=3.0), Stress("late", "late", late_share=1.0))
    rows = bench_stress(world, ("as-is", "brain"), stresses, (1, 2), 1.0, lambda text: None)
    by = {(row.stress, row.arm): row for row in rows}
    assert by["plain", "brain"].high_ratio == 1.0
    assert by["demand", "as-is"].high_ratio > 1.0
    assert by["plain", "as-is"].against_as_is is None
    ours, theirs = by["demand", "brain"], by["demand", "as-is"]
    assert ours.against_as_is == pytest.approx(1.0 - ours.high_mean_min / theirs.high_mean_min)
    assert any("worse than as-is under" in line for line in stress_lines(rows))
