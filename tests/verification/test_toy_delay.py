"""The toy's delay against the closed form of a deterministic queue."""

from __future__ import annotations

import pytest

from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity


@pytest.mark.parametrize(
    ("headways_s", "greens_s"),
    [((6.0, 8.0), (25.0, 20.0)), ((5.0, 7.0), (40.0, 25.0)), ((7.0, 7.0), (30.0, 30.0))],
)
def test_uniform_delay(headways_s, greens_s):
    """Mean delay is r^2 / (2 C (1 - y)), the uniform term of Webster (1958).

    A queue of whole vehicles differs from the fluid one by less than a saturation headway and a half.
    """
    params = ToyParams(headway_s=headways_s, green_s=greens_s, end_s=2 * 3600.0)
    city = ToyCity(params)
    city.observe(2 * 3600 * 1000)
    cycle_s = sum(greens_s) + 4 + 8
    for queue, headway_s, green_s in zip(city.queues, headways_s, greens_s, strict=True):
        red_s = cycle_s - green_s
        flow_ratio = params.saturation_headway_s / headway_s
        fluid_s = red_s**2 / (2 * cycle_s * (1 - flow_ratio))
        delays_s = queue.delays_s()
        assert sum(delays_s) / len(delays_s) == pytest.approx(fluid_s, abs=1.5 * params.saturation_headway_s)


def test_one_cycle_by_hand():
    """Twelve-second arrivals, a sixty-second cycle of which thirty are red.

    Southbound green 0-30 s, then 4 s, eastbound 18 s, 8 s. Arrivals at 12, 24, 36, 48, 60 s: those of 36 and
    48 s wait for 60 s and leave at 60 and 62 s; the one of 60 s leaves at 64 s.
    """
    city = ToyCity(ToyParams(headway_s=(12.0, 100.0), green_s=(30.0, 18.0), end_s=66))
    city.observe(66_000)
    assert city.queues[0].departed_ms == [12_000, 24_000, 60_000, 62_000, 64_000]
    assert city.queues[0].delays_s() == [0.0, 0.0, 24.0, 14.0, 4.0]


def test_more_than_the_capacity_grows_without_bound():
    """An approach that gets a third of the time for half the saturation flow is left with the rest."""
    params = ToyParams(headway_s=(4.0, 100.0), green_s=(20.0, 28.0), end_s=3_600)
    city = ToyCity(params)
    city.observe(3_600_000)
    arrived, served_a_cycle = 3_600 // 4, 20 // 2
    assert city.queues[0].queued(3_600_000) == pytest.approx(arrived - 60 * served_a_cycle, abs=10)
