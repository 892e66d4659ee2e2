"""People drawn for the crossings of a network written by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cityloop.cities.sumo.crossings import Crossing, SignalSite
from cityloop.cities.sumo.pedestrians import PedestrianDemand, draw_walks, write_walks

NET = """<net>
  <edge id="north"><lane id="north_0" length="100"/></edge>
  <edge id="south"><lane id="south_0" length="3"/></edge>
  <edge id="island"><lane id="island_0" length="50"/></edge>
  <edge id=":J_c0" function="crossing"><lane id=":J_c0_0" length="6"/></edge>
  <edge id=":J_c1" function="crossing"><lane id=":J_c1_0" length="6"/></edge>
  <edge id=":J_c2" function="crossing"><lane id=":J_c2_0" length="6"/></edge>
  <edge id=":J_w0" function="walkingarea"><lane id=":J_w0_0" length="2"/></edge>
  <edge id=":J_w1" function="walkingarea"><lane id=":J_w1_0" length="2"/></edge>
  <edge id=":J_w2" function="walkingarea"><lane id=":J_w2_0" length="2"/></edge>
  <edge id=":J_w3" function="walkingarea"><lane id=":J_w3_0" length="2"/></edge>
  <connection from="north" to=":J_w0" fromLane="0" toLane="0"/>
  <connection from=":J_w0" to=":J_c0" fromLane="0" toLane="0"/>
  <connection from=":J_c0" to=":J_w1" fromLane="0" toLane="0"/>
  <connection from=":J_w1" to=":J_c1" fromLane="0" toLane="0"/>
  <connection from=":J_c1" to=":J_w2" fromLane="0" toLane="0"/>
  <connection from=":J_w2" to="south" fromLane="0" toLane="0"/>
  <connection from=":J_c2" to=":J_w3" fromLane="0" toLane="0"/>
  <connection from=":J_w3" to="island" fromLane="0" toLane="0"/>
</net>"""


def draw(seed: int = 1, rate_h: float = 300.0) -> PedestrianDemand:
    """Draw people for one signal: two crossings joined by a refuge, and one that leads elsewhere."""
    none = frozenset[int]()
    crossings = tuple(
        Crossing(edge=f":J_c{k}", index=k, length_m=6, foes=none, turns_near=none, turns_far=none, yields=none)
        for k in range(3)
    )
    site = SignalSite(signal="J", links=(), crossings=crossings)
    chance = np.random.default_rng(seed)
    return draw_walks(ET.fromstring(NET), {"J": site}, (3600.0, 7200.0), rate_h, chance)


def test_people_walk_where_crossings_join_sidewalks():
    """Over the refuge from north to south and back; nobody is sent to the island."""
    assert {(walk.from_edge, walk.to_edge) for walk in draw().walks} == {
        ("north", "south"),
        ("south", "north"),
    }


def test_unjoined_corners_are_counted():
    """Of three corners, the four ordered pairs with the island have no way."""
    assert draw().unjoined_pairs == 4


def test_people_keep_to_their_hour_in_order():
    """Departures are sorted and lie in the half-open hour."""
    departures_s = [walk.depart_s for walk in draw().walks]
    assert departures_s == sorted(departures_s)
    assert all(3600 <= depart_s < 7200 for depart_s in departures_s)


def test_the_number_of_people_is_poisson_around_the_rate():
    """Over 200 seeds the mean is 300 and the variance too, within four standard errors."""
    counts = [len(draw(seed).walks) for seed in range(200)]
    assert np.mean(counts) == pytest.approx(300, abs=4 * (300 / 200) ** 0.5)
    assert np.var(counts) == pytest.approx(300, rel=4 * (2 / 200) ** 0.5)


def test_people_appear_near_the_junction_and_on_the_sidewalk():
    """Within 40 m of it on a long sidewalk, anywhere on one that is shorter than that."""
    for walk in draw().walks:
        ends = {walk.from_edge: walk.depart_m, walk.to_edge: walk.arrival_m}
        assert 60 <= ends["north"] <= 98
        assert 0 < ends["south"] < 3


def test_no_demand_is_nobody():
    """A rate of zero writes an empty, valid file."""
    demand = draw(rate_h=0.0)
    assert demand.walks == ()
    assert ET.fromstring(write_walks(demand.walks)).tag == "routes"
