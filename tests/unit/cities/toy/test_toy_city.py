"""The toy city: queues, field controller and sensing, in hand-checked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_assets, toy_layout
from cityloop.cities.toy.city import ToyCity
from cityloop.cities.toy.queues import PointQueue
from cityloop.domains.signals.schema import Lamp, ShowStage
from cityloop.kernel.columns import validate
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command, ReceiptStatus


def command(stage, sequence, at_ms, epoch=1, lease_ms=4_000, target=0):
    return Command(
        domain="signals",
        target=target,
        action=ShowStage(stage),
        epoch=epoch,
        sequence=sequence,
        issued_at_ms=at_ms,
        not_after_ms=at_ms + lease_ms,
    )


def values(city, observed, kind, asset=0):
    """Every value of one stream in an observation, in order."""
    streams = city.layout().streams
    stream = int(np.flatnonzero((streams.kind == kind) & (streams.asset == asset))[0])
    return observed.batch.value[observed.batch.stream == stream].tolist()


def stages(city, seconds):
    """The stage shown second by second."""
    observed = city.observe((city._now_ms // 1000 + seconds) * 1000)
    return values(city, observed, StreamKind.STAGE_SHOWN)


# Queues


def test_a_free_vehicle_is_not_delayed():
    """On green, nobody ahead: it leaves when it arrives."""
    queue = PointQueue(0, 6.0, 2.0)
    assert queue.serve(0, 20_000) == 3
    assert queue.departed_ms == [6_000, 12_000, 18_000]


def test_a_queue_leaves_one_headway_apart():
    """Three that came on red leave at 20, 22 and 24 s; the fourth, of 24 s, one headway later."""
    queue = PointQueue(0, 6.0, 2.0)
    queue.serve(20_000, 40_000)
    assert queue.departed_ms[:5] == [20_000, 22_000, 24_000, 26_000, 30_000]
    assert queue.delays_s()[:5] == [14.0, 10.0, 6.0, 2.0, 0.0]


def test_nobody_leaves_when_green_ends():
    """The last instant of green is not green."""
    queue = PointQueue(0, 6.0, 2.0)
    assert queue.serve(0, 6_000) == 0
    assert queue.queued(6_000) == 1


def test_a_queue_stands_bumper_to_bumper():
    """At 18.5 s three wait at 0, 7.5 and 15 m; the fourth, 5.5 s away at 10 m/s, is at 55 m."""
    queue = PointQueue(0, 6.0, 2.0)
    assert queue.distances_m(18_500, 10.0, 100.0, 7.5) == [0.0, 7.5, 15.0, 55.0]


# Own plan


def test_the_own_plan_runs_by_the_clock():
    """Southbound 25 s, 4 s between, eastbound and crossing 20 s, 8 s between (the walk's clearance): 57 s."""
    shown = stages(ToyCity(), 114)
    cycle = [0] * 25 + [-1] * 4 + [1] * 20 + [-1] * 8
    assert shown == cycle * 2


def test_layout_is_sound():
    """The toy's tables are as declared, and the matrices say what the lamps show."""
    layout, assets = toy_layout(ToyParams()), toy_assets(ToyParams())
    for table in (layout.lanes, layout.edges, layout.streams, assets.links, assets.approaches, assets):
        validate(table)
    lamps, foe = assets.lamps.reshape(2, 3), assets.matrices.foe.reshape(3, 3)
    for lamp in lamps:
        green = np.flatnonzero(lamp != Lamp.RED)
        assert not foe[np.ix_(green, green)].any()


# Leases


def lead(city, stage, seconds, sequence=0):
    """Lease a stage anew every second; return what was shown and answered."""
    shown, answers = [], []
    for second in range(seconds):
        city.apply([command(stage, sequence + second, city._now_ms)])
        observed = city.observe(city._now_ms + 1_000)
        shown += values(city, observed, StreamKind.STAGE_SHOWN)
        answers += observed.receipts
    return shown, answers


def test_a_lease_changes_the_stage_after_its_minimum():
    """Asked at 0 s for the other stage: five seconds of green, four between, then it."""
    city = ToyCity()
    shown, answers = lead(city, 1, 12)
    assert shown == [0] * 5 + [-1] * 4 + [1] * 3
    assert [a.status for a in answers[:6]] == [ReceiptStatus.PENDING] * 5 + [ReceiptStatus.ACCEPTED]


def test_a_walk_keeps_its_minimum_and_clearance():
    """Asked away as soon as it shows, the Walk stands 7 s and is cleared for 8."""
    city = ToyCity()
    lead(city, 1, 10)
    shown, _ = lead(city, 0, 20, sequence=10)
    assert shown[:15] == [1] * 6 + [-1] * 8 + [0]


def test_a_silent_brain_means_the_own_plan():
    """Four seconds after the last lease the field hands itself back and rejoins its plan's clock."""
    city = ToyCity()
    lead(city, 0, 40)
    observed = city.observe(120_000)
    modes = values(city, observed, StreamKind.CONTROL_MODE)
    # The last lease, of 39 s, ends at 43 s: three more seconds leased, then handing back.
    assert modes[:3] == [1.0] * 3
    assert modes[3] == 2.0
    assert modes[-1] == 0.0
    assert values(city, observed, StreamKind.STAGE_SHOWN)[114 - 40 :] == [0] * 6


def test_hand_back_keeps_the_intergreen():
    """From stage 0 to the plan's stage 1 the hand-back takes the four seconds between."""
    city = ToyCity()
    lead(city, 0, 30)
    observed = city.observe(45_000)
    assert values(city, observed, StreamKind.STAGE_SHOWN)[:9] == [0] * 3 + [-1] * 4 + [1] * 2


@pytest.mark.parametrize(
    ("late", "status"),
    [
        (command(0, 6, 1_000), ReceiptStatus.ACCEPTED),
        (command(0, 5, 1_000), ReceiptStatus.STALE),
        (command(0, 9, 1_000, epoch=0), ReceiptStatus.STALE),
        (command(0, 0, 1_000, epoch=2), ReceiptStatus.ACCEPTED),
        (command(0, 6, 1_000, lease_ms=0), ReceiptStatus.EXPIRED),
        (command(2, 6, 1_000), ReceiptStatus.REFUSED),
        (command(-1, 6, 1_000), ReceiptStatus.REFUSED),
        (command(0, 6, 1_000, target=1), ReceiptStatus.REFUSED),
    ],
)
def test_commands_are_judged(late, status):
    """After command 5 of epoch 1: newer ones pass, older and expired ones and unknown stages do not."""
    city = ToyCity()
    city.observe(1_000)
    city.apply([command(0, 5, 1_000), late])
    receipt = city.observe(2_000).receipts[1]
    assert (receipt.status, receipt.sequence, receipt.at_ms) == (status, late.sequence, 1_000)


# Sensing


def test_area_readings_are_the_queue():
    """At 18 s of red three stand eastbound at 8 s headway: two at the line, the third 6 s away."""
    city = ToyCity(ToyParams(sensing="area:100", speed_mps=10.0))
    observed = [city.observe(1_000 * s) for s in range(1, 19)][-1]
    assert values(city, observed, StreamKind.OBJECT_COUNT, 1) == [3.0]
    assert values(city, observed, StreamKind.OBJECT_DISTANCE_M, 1) == [0.0, 7.5, 60.0]
    assert values(city, observed, StreamKind.OBJECT_SPEED_MPS, 1) == [0.0, 0.0, 10.0]


def test_an_empty_lane_says_so():
    """Nobody in reach is a count of zero, not silence."""
    city = ToyCity(ToyParams(sensing="area:10", speed_mps=10.0))
    observed = city.observe(1_000)
    assert values(city, observed, StreamKind.OBJECT_COUNT, 0) == [0.0]
    assert values(city, observed, StreamKind.OBJECT_DISTANCE_M, 0) == []


def test_loops_count_everybody_once():
    """Over ten cycles the stop-line loop counts who left, the advance loop who came within its reach."""
    city = ToyCity(ToyParams(sensing="loops", end_s=570, speed_mps=15.0, zone_m=150.0))
    observed = city.observe(570_000)
    assert sum(values(city, observed, StreamKind.STOP_LINE_COUNT, 0)) == len(city.queues[0].departed_ms)
    # A vehicle passes the advance loop ten seconds before the line: arrivals every 6 s up to 580 s are 96.
    # The first, at 6 s, was past it when the run began.
    assert sum(values(city, observed, StreamKind.ADVANCE_COUNT, 0)) == 580 // 6 - 10 // 6


def test_the_push_button_calls_until_the_walk():
    """Somebody who comes at 10 s calls until the Walk at 29 s."""
    city = ToyCity(ToyParams(person_headway_s=10.0, end_s=30))
    calls = values(city, city.observe(30_000), StreamKind.CROSSING_CALL, 2)
    assert calls.index(1.0) == 9
    assert calls[28] == 1.0
    assert city.people.departed_ms[0] == 29_000


# Port


def test_time_never_goes_back():
    """An instant that has passed brings nothing and changes nothing."""
    city = ToyCity()
    city.observe(10_000)
    observed = city.observe(5_000)
    assert (observed.now_ms, len(observed.batch)) == (10_000, 0)


def test_one_long_look_hears_what_many_short_ones_hear():
    """Ten seconds at once bring the same readings as second by second."""
    long, short = ToyCity().observe(10_000).batch, ToyCity()
    pieces = [short.observe(1_000 * s).batch for s in range(1, 11)]
    assert long.value.tolist() == [v for piece in pieces for v in piece.value.tolist()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"headway_s": (0.0, 1.0)},
        {"speed_mps": -1.0},
        {"end_s": 0.0},
        {"sensing": "probe:0.1"},
        {"sensing": "area:x"},
        {"green_s": (float("nan"), 1.0)},
    ],
)
def test_nonsense_is_refused(wrong):
    """A toy that cannot run says which value is wrong."""
    with pytest.raises(ConfigError, match="Toy city"):
        ToyParams(**wrong)
