"""Queues and classes, from the assets of a junction."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.transitions import transition_steps
from cityloop.domains.signals.tables import WALK_M, build_tables


def test_a_lane_has_a_class_for_each_pattern_of_lamps(crossroads):
    """Straight and right of the first lane always go together, its left does not; the second lane is one class."""
    tables = build_tables(crossroads(("GGrr", "rrGG"), ((0, 1, 2), (3,))).layout)
    assert tables.class_of_movement.tolist() == [0, 0, 1, 2]
    assert tables.class_queue.tolist() == [0, 0, 1]
    assert tables.class_lamp.tolist() == [[2, 0], [0, 2], [0, 2]]
    assert (tables.class_begin.tolist(), tables.class_end.tolist()) == ([0, 2], [2, 3])


def test_a_crossing_is_a_queue_after_the_approaches(crossroads):
    """Its class is its own; a crossing that no stage serves is none."""
    made = crossroads(("Grr", "rGr"), ((0,),), clearance_s={1: 6.0, 2: 6.0})
    tables = build_tables(made.layout)
    assert tables.queue_approach.tolist() == [0, -1]
    assert tables.queue_link.tolist() == [-1, 1]


@pytest.mark.parametrize(("apart_m", "near"), [(WALK_M, [0, 1, 0, 1]), (WALK_M + 1, [0, 1])])
def test_junctions_within_a_walk_are_told_from_others(town, apart_m, near):
    """Each is near itself; two are near each other up to the length of a walk."""
    layout = read_network(town.net_file).layout
    placed = replace(layout, junctions=replace(layout.junctions, x_m=np.array([0.0, apart_m]), y_m=np.zeros(2)))
    tables = build_tables(placed)
    assert tables.near.tolist() == near
    assert tables.near_begin.tolist() == [0, len(near) // 2, len(near)]


def test_foes_are_the_classes_to_give_way_to(crossroads):
    """The left turn yields to the oncoming lane; that one yields to nobody, and nobody to its own lane."""
    made = crossroads(("Ggr", "rrG"), ((1,), (0,), (2,)), yields=((1, 0),))
    tables = build_tables(made.layout)
    foes = [
        tables.foe_class[begin:end].tolist()
        for begin, end in zip(tables.foe_begin.tolist(), tables.foe_end.tolist(), strict=True)
    ]
    assert foes == [[1], [], []]


def test_a_lane_never_yields_to_itself(crossroads):
    """Two turns out of one lane leave one after the other whatever the network says."""
    tables = build_tables(crossroads(("Gg", "rG"), ((0, 1),), yields=((1, 0),)).layout)
    assert tables.foe_class.tolist() == []


def test_conflicts_are_protected_foes_that_are_not_shipped_together(crossroads):
    """Two protected greens across one another make a stage unfit; protected beside permissive does not."""
    tables = build_tables(crossroads(("GG", "Gg", "Gr", "rG"), ((0,), (1,)), foes=((0, 1),)).layout)
    assert tables.conflict.tolist() == [[True, False, False, False]]


def test_a_lanes_traffic_may_be_seen_in_anothers_zone(crossroads):
    """A turning pocket is owned upstream by its neighbour, whose queue list names the pocket's queue."""
    tables = build_tables(crossroads(("GGG",), ((0,), (1,), (2,)), owners=(0, 0, 2), groups=(0, 0, 1)).layout)
    assert tables.sharing_begin.tolist() == [0, 1, 1, 1]
    assert tables.sharing_queue.tolist() == [1]
    assert tables.group_size.tolist() == [2, 1]


def test_a_lane_is_seen_as_far_as_both_zone_and_sensing_reach(crossroads):
    """A zone of 150 m under 80 m detectors is seen for 80 m; under 300 m ones and without a bound, whole."""
    seen_m = [
        build_tables(crossroads(("G",), ((0,),), sensing=level).layout).reach_m.tolist()
        for level in ("area:80", "area:300", "truth")
    ]
    assert seen_m == [[80.0], [150.0], [150.0]]


def test_a_lane_is_rail_when_only_trams_use_it(crossroads):
    """A lane shared with cars is no tram's queue."""
    tables = build_tables(crossroads(("GGG",), ((0,), (1, 2)), rail=(0, 1)).layout)
    assert tables.queue_rail.tolist() == [True, False]


def test_the_search_knows_how_long_vehicles_keep_their_green_in_every_change_of_a_real_district():
    """What the tables say of each change between service stages is what the field controller shows in it."""
    network = read_network(resolve_city("adlershof").net_file)
    tables = build_tables(network.layout)
    held = 0
    for row, states in enumerate(network.stage_states):
        for a, b in itertools.permutations(np.flatnonzero(tables.service[row]).tolist(), 2):
            steps = transition_steps(network, row, a, b)
            yellow_at_s = 0.0
            for lamps, shown_s in steps:
                if "y" in lamps:
                    break
                yellow_at_s += shown_s
            loses = any("y" in lamps for lamps, _ in steps)
            expected_s = yellow_at_s if loses else 0.0
            assert tables.held_s[row, a, b] == expected_s, (network.tls_ids[row], states[a], states[b])
            held += tables.held_s[row, a, b] > 0
    assert held > 0
