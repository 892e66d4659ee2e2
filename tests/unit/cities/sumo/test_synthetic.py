"""The demand made up for a network: drawn from a seed, whole, and said to be synthetic."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections import Counter
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from cityloop.cities.sumo.adlershof import ADLERSHOF_DEMAND, write_adlershof
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.kept_plans import find_plans
from cityloop.cities.sumo.sumo_tools import run_binary, sumo_home
from cityloop.cities.sumo.synthetic import SyntheticDemand, write_demand
from cityloop.cities.sumo.synthetic_capacity import LOAD_FRAC, thinned
from cityloop.kernel.errors import LayoutError


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A three by three grid with sidewalks, crossings and signals, and roads that lead out of it."""
    path = tmp_path_factory.mktemp("grid") / "grid.net.xml"
    run_binary(
        "netgenerate",
        ["--grid", "--grid.number", "3", "--grid.attach-length", "150", "--default.lanenumber", "2", "-o",
         str(path), "--sidewalks.guess", "--crossings.guess", "--tls.guess", "--no-turnarounds"],
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def adlershof():
    return resolve_city("adlershof")


@pytest.fixture(scope="module")
def committed(adlershof):
    return ET.fromstring(gzip.decompress(adlershof.route_files[0].read_bytes()))


def rate_hz(flow):
    return float(re.fullmatch(r"exp\((.+)\)", flow.attrib["period"])[1])


def test_committed_files_are_what_the_seed_gives(adlershof, tmp_path):
    """The demand that ships can be made again from the figures in the source, byte for byte."""
    write_adlershof(tmp_path)
    for made in sorted(tmp_path.iterdir()):
        assert made.read_bytes() == (adlershof.folder / made.name).read_bytes(), made.name


def test_committed_demand_is_small_and_says_that_it_is_synthetic(adlershof):
    """Nobody takes the built-in city's demand for an observed one."""
    assert sum(path.stat().st_size for path in adlershof.folder.iterdir()) < 300_000
    assert adlershof.synthetic
    assert adlershof.calibration_label() == "SYNTHETIC DEMAND, UNCALIBRATED"


def test_tuned_plans_that_ship_fit_the_demand_that_ships(adlershof, tmp_path, monkeypatch):
    """A changed demand needs the plans tuned again; until then neither demo nor rival would find any."""
    monkeypatch.setenv("CITYLOOP_CACHE", str(tmp_path))
    found = find_plans(adlershof)
    assert found is not None
    assert found[0].parent.parent == adlershof.folder
    assert found[1].of_arm("fixed-tuned")


def test_rates_add_up_to_the_hour_asked_for(committed):
    """The flows of cars together carry 1,500 an hour, those of people 800."""
    cars = [flow for flow in committed.iter("flow") if flow.attrib["type"] == "road"]
    assert sum(map(rate_hz, cars)) * 3600 == pytest.approx(ADLERSHOF_DEMAND.cars_per_h, rel=1e-3)
    walks = list(committed.iter("personFlow"))
    assert sum(map(rate_hz, walks)) * 3600 == pytest.approx(ADLERSHOF_DEMAND.persons_per_h, rel=1e-3)


def test_trams_run_every_ten_minutes_with_stops_and_people(committed):
    """Both branches of the tracks have a line, each from end to end."""
    trams = [flow for flow in committed.iter("flow") if flow.attrib["type"] == "tram"]
    assert [flow.attrib["period"] for flow in trams] == ["600", "600"]
    for tram in trams:
        edges = tram.find("route").attrib["edges"].split()
        assert (edges[0], edges[-1]) == ("179699935", "386046454#1")
        assert len(tram.findall("stop")) >= 2
        assert int(tram.attrib["personNumber"]) > 0


def test_another_seed_draws_other_routes_and_the_same_seed_the_same(grid, tmp_path):
    """The generator's seed is all that its draw depends on."""
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        write_demand(grid, tmp_path / name, SyntheticDemand(routes=40, cars_per_h=300, seed=seed))
        made.append((tmp_path / name / "demand.rou.xml").read_bytes())
    assert made[0] == made[1] != made[2]


def test_arrivals_depend_on_the_seed_and_not_on_the_control(grid, tmp_path):
    """Two programs under one SUMO seed meet the same arrivals; another seed brings others."""
    demand = SyntheticDemand(routes=40, cars_per_h=400, persons_per_h=200, end_s=200, seed=3)
    write_demand(grid, tmp_path, demand)

    def arrivals(seed, *options):
        out = tmp_path / "tripinfo.xml"
        subprocess.run(
            [sumo_home() / "bin" / "sumo", "-n", grid, "-r", tmp_path / "demand.rou.xml", "-e", "300",
             "--seed", str(seed), "--tripinfo-output", out, "--no-step-log", "--xml-validation", "never",
             "--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted", *options],
            check=True, capture_output=True,
        )  # fmt: skip
        trips = ET.parse(out).getroot().iter("tripinfo")
        return sorted(
            (
                trip.attrib["id"],
                trip.attrib["vType"],
                round(float(trip.attrib["depart"]) - float(trip.attrib["departDelay"])),
            )
            for trip in trips
            if float(trip.attrib["depart"]) >= 0
        )

    shipped = arrivals(1)
    assert len(shipped) > 10
    assert shipped == arrivals(1, "--tls.all-off", "true")
    assert shipped != arrivals(2)


def test_walks_begin_and_end_on_different_sides_of_the_road(grid, tmp_path):
    """Every walk joins two streets, and somebody walks at every signal that has crossings."""
    write_demand(grid, tmp_path, SyntheticDemand(routes=10, cars_per_h=10, persons_per_h=100))
    walks = [flow.find("walk") for flow in ET.parse(tmp_path / "demand.rou.xml").iter("personFlow")]
    assert len(walks) > 9
    assert all(walk.attrib["from"] != walk.attrib["to"] for walk in walks)


def test_a_network_without_roads_is_refused(tmp_path):
    """A demand for cars needs a road that cars may use."""
    path = tmp_path / "path.net.xml"
    (tmp_path / "n.nod.xml").write_text('<nodes><node id="a" x="0" y="0"/><node id="b" x="100" y="0"/></nodes>')
    (tmp_path / "e.edg.xml").write_text('<edges><edge id="ab" from="a" to="b" allow="tram"/></edges>')
    run_binary("netconvert", ["-n", str(tmp_path / "n.nod.xml"), "-e", str(tmp_path / "e.edg.xml"), "-o", str(path)])
    with pytest.raises(LayoutError, match="no roads that cars can enter"):
        write_demand(path, tmp_path, SyntheticDemand())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"end_s": 0.0}, "not after begin_s"),
        ({"cars_per_h": -1.0}, "0 or more"),
        ({"through_frac": 0.8, "local_frac": 0.3}, "0 to 1 together"),
    ],
)
def test_figures_that_make_no_demand_are_refused(wrong, words):
    """Nonsense is refused where it is written down."""
    with pytest.raises(ValueError, match=words):
        SyntheticDemand(**wrong)


def test_thinning_brings_every_movement_under_its_share():
    """Ten routes through a movement with room for four leave four of the total, spread over what remains."""
    routes = Counter({"a b": 10, "c d": 10})
    left = thinned(routes, {("a", "b"): 40 / LOAD_FRAC}, 100.0, np.random.default_rng(1))
    assert left["c d"] == 10
    assert left["a b"] / left.total() * 100.0 <= 40.0
    assert left["a b"] == 6


def test_more_cars_than_the_signals_carry_are_refused():
    """A demand that would only gridlock is refused, naming the tightest way."""
    with pytest.raises(LayoutError, match="a to b is the tightest way"):
        thinned(Counter({"a b": 90, "c d": 10}), {("a", "b"): 5.0}, 100.0, np.random.default_rng(1))
