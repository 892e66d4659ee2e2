"""Tests of the names that junctions go by on the map."""

from __future__ import annotations

import pytest

from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.shapes import read_shapes


@pytest.fixture(scope="module")
def named() -> dict[str, str]:
    case = resolve_city("adlershof")
    network = read_network(case.net_file)
    labels = read_shapes(case.net_file, network).junction_labels
    return dict(zip(network.tls_ids, labels, strict=True))


def test_a_junction_is_named_after_the_streets_that_cross(named: dict[str, str]) -> None:
    """Two streets with a name, in the order in which the network joins them."""
    assert named["cluster_261705708_987195315"] == "Weerthstraße / Adlergestell"


def test_where_one_street_has_a_name_the_nearest_other_says_where(named: dict[str, str]) -> None:
    """Five signals stand on Rudower Chaussee between crossings: each is told by what lies next to it."""
    assert named["945142211"] == "Rudower Chaussee (Magnusstraße)"


def test_a_signal_on_a_nameless_way_is_told_by_the_street_beside_it(named: dict[str, str]) -> None:
    """A crossing on a service road carries no identifier of the network's file into the room."""
    assert named["GS_2391105461"] == "(Rudower Chaussee)"


def test_no_two_are_called_the_same_in_the_built_in_city(named: dict[str, str]) -> None:
    """Whoever holds a stage there knows where."""
    assert len(set(named.values())) == len(named)
