"""Corridors in the twin: the unit gets its green, and a slow walker on the crossing is waited for."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from cityloop.app import brain_of
from cityloop.cities.sumo.folder import CityCase
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.cities.sumo.units import Avl, UnitSpec, with_units
from cityloop.domains.signals.schema import Reason
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.tick import Brain
from cityloop.methods.route_ahead import RouteAhead
from cityloop.storage.memory import MemoryStore
from cityloop.studies.corridor_run import dispatcher
from cityloop.studies.corridor_trips import EmergencyTrip, write_trips

pytestmark = pytest.mark.twin

_WALKERS = """<routes>
    <vType id="slow" vClass="pedestrian" maxSpeed="0.6" speedDev="0"/>
    <personFlow id="slowly" type="slow" begin="20" end="280" period="7" departPos="-12">
        <walk from="bottom0A0" to="A0top0"/>
    </personFlow>
</routes>
"""
END_S = 300.0


def test_a_corridor_waits_for_a_slow_walker(town: CityCase, tmp_path: Path) -> None:
    """Walkers at 0.6 m/s need longer than crossings clear by, 1.0 m/s: no way over them turns green meanwhile."""
    case = dataclasses.replace(town, end_s=END_S)
    walkers = tmp_path / "walkers.rou.xml"
    walkers.write_text(_WALKERS, encoding="utf-8")
    network = read_network(case.net_file)
    units = tuple(UnitSpec(f"unit.{number}") for number in range(4))
    network = with_units(network, case.net_file, units)
    edges = network.layout.names["edges"]
    way = tuple(edges.index(name) for name in ("left0A0", "A0B0", "B0right0"))
    trips = [EmergencyTrip(unit, units[unit].name, 60.0 + 55.0 * unit, way, 2) for unit in range(4)]
    write_trips(trips, network.layout, tmp_path / "trips.rou.xml")
    setup = TwinSetup(
        case=case,
        out=tmp_path / "sumo",
        units=units,
        avl=Avl(dropout=0.0),
        sublane_m=0.8,
        blue_light=True,
        junction_collisions=True,
        route_files=(walkers, tmp_path / "trips.rou.xml"),
    )
    city, store, usual = SumoCity(setup, network), MemoryStore(), brain_of("brain")
    traffic, signals = usual.domains
    brain = Brain(domains=(traffic, dispatcher(trips, RouteAhead(network.layout)), signals), arms=usual.arms)
    InlineEngine(city, brain, store, LoopParams(begin_ms=0, end_ms=round(END_S * 1000))).run()
    city.close()
    reasons = {decision.proposal.reason for decision in store.decisions}
    assert Reason.REQUEST_GRANTED in reasons
    arrived = {trip.attrib["id"] for trip in ET.parse(tmp_path / "sumo" / "tripinfo.xml").getroot().iter("tripinfo")}
    assert {unit.name for unit in units} <= arrived

    junction = network.tls_ids.index("A0")
    begin = int(network.assets.controllers.link_begin[junction])
    shown = {
        float(one.attrib["time"]): one.attrib["state"]
        for one in ET.parse(tmp_path / "sumo" / "tls_states.xml").getroot()
        if one.attrib["id"] == "A0"
    }
    foe = network.assets.matrices.foe
    first, n = int(network.assets.controllers.matrix_begin[junction]), len(next(iter(shown.values())))
    crosses = foe[first : first + n * n].reshape(n, n)
    streams = network.layout.streams
    waited = 0
    for now_ms, batch in store.readings:
        rows = np.flatnonzero(streams.kind[batch.stream] == StreamKind.CROSSING_OCCUPIED)
        on = [int(streams.asset[batch.stream[row]]) - begin for row in rows if batch.value[row] > 0]
        # The controller knew who was on the crossing at the instant at which it set the lamps.
        before, after = shown.get(now_ms / 1000 - 1), shown.get(now_ms / 1000)
        if before is None or after is None:
            continue
        for link in (link for link in on if 0 <= link < n and before[link] == "r" and after[link] == "r"):
            gained = [other for other in range(n) if crosses[link, other] and before[other] != "G" == after[other]]
            assert not gained, f"{now_ms / 1000:g} s: links {gained} turned green with somebody on crossing {link}"
            waited += 1
    assert waited >= 5
