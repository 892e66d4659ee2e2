"""What the demo shows comes from the run itself: SUMO's summary and the field controllers' readings."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind
from cityloop.storage.memory import MemoryStore
from cityloop.studies.demo import DemoSpec, hand_back_lines
from cityloop.studies.demo_run import SummaryTail, Watch

STEP = (
    '    <step time="{time}.00" loaded="{due}" inserted="{due}" running="{running}" '
    'waiting="{waiting}" ended="0" arrived="0" collisions="0" teleports="0" halting="{halting}" stopped="0" '
    'meanWaitingTime="0.00" meanTravelTime="0.00" meanSpeed="5.00" '
    'meanSpeedRelative="{relative}" duration="1"/>\n'
)


def step(time, running, relative, waiting=0):
    return STEP.format(time=time, due=10, running=running, waiting=waiting, halting=1, relative=f"{relative:.2f}")


def test_delay_so_far_is_the_share_of_speed_lost(tmp_path):
    """Four vehicles at half speed and one waiting to depart lose 3 s a second, over ten vehicles due."""
    path = tmp_path / "summary.xml"
    path.write_text(step(0, 4, 0.5, waiting=1))
    tail = SummaryTail(path)
    tail.read()
    assert (tail.vehicles, tail.standing) == (4, 1)
    assert tail.delay_s == pytest.approx(0.3)


def test_a_step_written_in_part_is_read_when_it_is_whole(tmp_path):
    """SUMO writes in blocks, so a block may end in the middle of a step."""
    path = tmp_path / "summary.xml"
    whole = step(0, 4, 0.5) + step(1, 6, 0.5)
    path.write_text(whole[:-40])
    tail = SummaryTail(path)
    tail.read()
    assert tail.delay_s == pytest.approx(0.2)
    path.write_text(whole)
    tail.read()
    assert tail.vehicles == 6
    assert tail.delay_s == pytest.approx(0.5)


def test_no_summary_yet_is_no_vehicle(tmp_path):
    """A run that has just begun has written nothing."""
    tail = SummaryTail(tmp_path / "summary.xml")
    tail.read()
    assert (tail.vehicles, tail.delay_s) == (0, 0.0)


def test_hand_back_is_timed_from_the_pull_and_from_the_return():
    """A junction that is on its own plan 7 s after the pull and leased 2 s after the return is noted so."""
    layout = ToyCity(ToyParams()).layout()
    stream = int(np.flatnonzero(layout.streams.kind == StreamKind.CONTROL_MODE)[0])
    watch = Watch(MemoryStore(), layout, (100.0, 160.0), 0.0)
    for now_s, mode in ((99, 1), (102, 1), (105, 2), (107, 0), (150, 0), (160, 0), (162, 1), (163, 1)):
        watch.append_readings(now_s * 1000, reading(stream, now_s * 1000, mode))
    found = watch.hand_back()
    name = layout.names["junctions"][0]
    assert found.own_plan_after_s == {name: 7.0}
    assert found.leased_again_after_s == {name: 2.0}
    assert watch.counts() == (0, 1, 0)
    first, second = hand_back_lines({1: found})
    assert "1 of 1 junctions returned to their own plan, the last after 7 s" in first
    assert "the last after 2 s" in second


def reading(stream, at_ms, value):
    at = np.array([at_ms], np.int64)
    return Batch(np.array([stream], np.int32), at, at, np.array([float(value)]), np.zeros(1, np.uint8))


def test_a_demo_too_short_for_the_pull_is_refused(tmp_path):
    """A minute unplugged needs four minutes to be seen in."""
    with pytest.raises(ConfigError, match="--minutes 3: too short"):
        DemoSpec(out=tmp_path, minutes=3)
