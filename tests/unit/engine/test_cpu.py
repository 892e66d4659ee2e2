"""Cost accounting, with a clock of our own."""

from __future__ import annotations

import math

import pytest

from cityloop.engine.cpu import Meter


class Clock:
    """Nanoseconds by hand."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


def spend(meter, clock, part, own_us, inner=()):
    """Spend time in a part, and in parts inside it."""

    def work():
        clock.now_ns += own_us * 1000
        for name, us in inner:
            spend(meter, clock, name, us)

    meter.counted(part, work)()


def test_inner_parts_are_taken_out_of_the_outer():
    """A tick of 10 us with 3 us of update and 4 us of guard inside counts 10, 3 and 4."""
    clock = Clock()
    meter = Meter(0, clock)
    meter.begin()
    spend(meter, clock, "tick", 10, [("update", 3), ("guard", 4)])
    meter.ticked(1)
    parts = meter.cost().parts_us_per_decision
    assert (parts["tick"], parts["update"], parts["guard"]) == pytest.approx((10, 3, 4))
    assert meter.cost().us_per_decision == pytest.approx(17)


def test_cost_is_shared_by_the_decisions():
    """Forty microseconds over twenty junctions are two each."""
    clock = Clock()
    meter = Meter(0, clock)
    meter.begin()
    spend(meter, clock, "journal", 40)
    meter.ticked(20)
    assert meter.cost().parts_us_per_decision["journal"] == pytest.approx(2)


def test_warm_up_is_told_apart():
    """A slow first tick is reported as warm-up and not averaged in."""
    clock = Clock()
    meter = Meter(1, clock)
    for own_us in (1_000_000, 5):
        meter.begin()
        spend(meter, clock, "update", own_us)
        meter.ticked(1)
    cost = meter.cost()
    assert cost.us_per_decision == pytest.approx(5)
    assert cost.warm_up_s == pytest.approx(1)


def test_no_decisions_no_figure():
    """A run that decided nothing has no cost a decision."""
    assert math.isnan(Meter(0).cost().us_per_decision)


def test_a_run_within_its_warm_up_has_no_figure():
    """A run too short to be measured says so rather than average the compilation in."""
    clock = Clock()
    meter = Meter(5, clock)
    meter.begin()
    spend(meter, clock, "update", 7)
    meter.ticked(1)
    assert math.isnan(meter.cost().us_per_decision)
    assert meter.cost().warm_up_s == pytest.approx(7e-6)


def test_a_step_without_a_tick_belongs_to_no_decision():
    """What a blackout's steps cost is not shared out over the decisions around it."""
    clock = Clock()
    meter = Meter(0, clock)
    meter.begin()
    spend(meter, clock, "readings", 1_000)
    meter.begin()
    spend(meter, clock, "readings", 2)
    meter.ticked(1)
    assert meter.cost().us_per_decision == pytest.approx(2)


def test_parts_are_told_apart_in_some_steps_only():
    """Every third step reads the clock around its parts, 15 us of 20 in the update; the whole of all is shared so."""
    clock, reads = Clock(), []
    meter = Meter(0, lambda: reads.append(clock.now_ns) or clock.now_ns, apart_every_ticks=3)
    for tick_us, update_us in ((5, 15), (20, 10), (15, 25)):
        meter.begin()
        spend(meter, clock, "tick", tick_us, [("update", update_us)])
        meter.ticked(1)
    cost = meter.cost()
    assert cost.us_per_decision == pytest.approx(30)
    assert cost.parts_us_per_decision["update"] == pytest.approx(30 * 15 / 20)
    assert len(reads) == (2 + 2 * 2) + 2 + 2
