"""Units of the city's services: their table, their ways, and streams that move nobody else's."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.units import AVL_KINDS, Avl, UnitSpec, with_units
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import StreamKind, UnitKind

UNITS = (UnitSpec("amb-1"), UnitSpec("truck-1", UnitKind.REFUSE_TRUCK))


def test_units_are_rows_with_six_streams_each_after_all_others(town: CityCase) -> None:
    """Who was there before keeps its row."""
    bare = read_network(town.net_file).layout
    layout = with_units(read_network(town.net_file), town.net_file, UNITS).layout
    assert layout.names["units"] == ("amb-1", "truck-1")
    assert layout.tables["units"].kind.tolist() == [UnitKind.AMBULANCE, UnitKind.REFUSE_TRUCK]
    n = len(bare.streams.kind)
    assert np.array_equal(layout.streams.kind[:n], bare.streams.kind)
    assert layout.streams.kind[n : n + 12].tolist() == [*map(int, AVL_KINDS)] * 2
    crossings = int((bare.streams.kind == StreamKind.CROSSING_CALL).sum())
    assert layout.streams.kind[n + 12 :].tolist() == [int(StreamKind.CROSSING_OCCUPIED)] * crossings


def test_passages_are_the_ways_of_vehicles_with_the_link_that_holds_them(town: CityCase) -> None:
    """Straight on from the west there is a way over a signal of the first junction; over no footway is there any."""
    network = with_units(read_network(town.net_file), town.net_file, UNITS)
    layout, passages = network.layout, network.layout.tables["passages"]
    edges = layout.names["edges"]
    (row,) = np.flatnonzero((passages.from_edge == edges.index("left0A0")) & (passages.to_edge == edges.index("A0B0")))
    junction = network.assets.links.junction[passages.link[row]]
    assert layout.names["junctions"][junction] == "A0"
    assert passages.lorry[row]
    assert (passages.length_m > 0).all()


def test_without_units_the_network_stays_as_it_is(town: CityCase) -> None:
    """The very same object, so that nothing can differ."""
    network = read_network(town.net_file)
    assert with_units(network, town.net_file, ()) is network


def test_two_units_of_one_name_are_refused(town: CityCase) -> None:
    """A name is all that tells units apart in the simulation."""
    with pytest.raises(ConfigError, match="'amb-1' is empty or there twice"):
        with_units(read_network(town.net_file), town.net_file, (UNITS[0], UNITS[0]))


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"noise_m": -1.0}, {"period_s": 0.0}, {"delay_s": float("nan")}])
def test_radios_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    """With the key, the value and what to give instead."""
    with pytest.raises(ConfigError, match=f"avl.{next(iter(wrong))}: .*give"):
        Avl(**wrong)
