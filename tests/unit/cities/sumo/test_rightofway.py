"""Who crosses whom and who yields, out of the network's own data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.netfile import NetFile, read_netfile
from cityloop.cities.sumo.rightofway import Ways, link_matrices


@pytest.fixture(scope="module")
def crossroads_net(plain_city: Callable[..., Path]) -> NetFile:
    """Straight on and left from the west, straight on from the east and from the north."""
    config = plain_city(
        {"C": (0, 0), "W": (-300, 0), "E": (300, 0), "N": (0, 300), "S": (0, -300)},
        "WC CW EC CE CN NC CS",
        "WC>CE WC>CN EC>CW NC>CS",
        "",
        end_s=10,
    )
    return read_netfile(config.parent / "plain.net.xml")


def links(net: NetFile) -> dict[str, int]:
    """Signal index by way."""
    return {f"{c.from_edge}>{c.to_edge}": c.link_index for c in net.connections if c.tls}


def matrices(net: NetFile) -> tuple[np.ndarray, np.ndarray]:
    by_index = defaultdict(list)
    for c in net.connections:
        if c.tls:
            by_index[c.link_index].append(c)
    return link_matrices(Ways(net), by_index, len(by_index))


def test_crossing_paths_are_foes(crossroads_net: NetFile) -> None:
    """North to south crosses both straight ways; the western left turn crosses the oncoming one."""
    at, (foe, _) = links(crossroads_net), matrices(crossroads_net)
    assert foe[at["NC>CS"], at["WC>CE"]]
    assert foe[at["NC>CS"], at["EC>CW"]]
    assert foe[at["WC>CN"], at["EC>CW"]]
    assert (foe == foe.T).all()


def test_ways_that_do_not_meet_are_no_foes(crossroads_net: NetFile) -> None:
    """Opposite straight ways pass, and two ways out of one lane leave one after the other."""
    at, (foe, _) = links(crossroads_net), matrices(crossroads_net)
    assert not foe[at["WC>CE"], at["EC>CW"]]
    assert not foe[at["WC>CE"], at["WC>CN"]]
    assert not foe.diagonal().any()


def test_a_left_turn_yields_to_oncoming_traffic_and_not_the_other_way(crossroads_net: NetFile) -> None:
    """Yielding has a direction."""
    at, (_, yields) = links(crossroads_net), matrices(crossroads_net)
    assert yields[at["WC>CN"], at["EC>CW"]]
    assert not yields[at["EC>CW"], at["WC>CN"]]


def test_a_path_that_waits_inside_the_junction_is_measured_whole(crossroads_net: NetFile) -> None:
    """The left turn's two internal lanes are one path, longer than the first of them and about an arc's length."""
    ways = Ways(crossroads_net)
    (left,) = [c for c in crossroads_net.connections if c.tls and c.to_edge == "CN"]
    assert ways.path_m(left) > crossroads_net.lanes[left.via].length_m
    assert 8 < ways.path_m(left) < 30


def test_every_way_finds_its_right_of_way_data(crossroads_net: NetFile) -> None:
    """Each link has a request index of its own at the node."""
    ways = Ways(crossroads_net)
    found = [ways.request_of(c) for c in crossroads_net.connections if c.tls]
    assert None not in found
    assert len(set(found)) == len(found) == 4
    assert {node for node, _ in found if node} == {"C"}


def test_turning_cars_yield_at_crossings(town: CityCase) -> None:
    """A crossing is a foe of every way over it, and those that turn over it give way to it."""
    net = read_netfile(town.net_file)
    by_index = defaultdict(list)
    for c in net.connections:
        if c.tls == "A0":
            by_index[c.link_index].append(c)
    foe, yields = link_matrices(Ways(net), by_index, max(by_index) + 1)
    crossing = [i for i, (c, *_) in by_index.items() if net.edges[c.to_edge].function == "crossing"]
    cars = [i for i in by_index if i not in crossing]
    assert crossing
    for i in crossing:
        assert foe[i, cars].any()
        assert not foe[i, crossing].any()
    turning = [i for i in cars if by_index[i][0].direction in "lr"]
    assert yields[np.ix_(turning, crossing)].any()
