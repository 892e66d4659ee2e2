"""SUMO's own outputs mean what the scorecard takes them to mean, on a small network that SUMO makes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cityloop.cities.sumo.outputs import (
    measure_arguments,
    measure_elements,
    read_edge_loss,
    read_statistic,
    read_summary,
    read_trips,
    written_by,
)
from cityloop.cities.sumo.sumo_tools import run_binary, sumo_version
from cityloop.studies.lamp_network import read_signal_links
from cityloop.studies.lamps import check_lamps

END_S = 300


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two by two grid with crossings, more cars than fit, and people who cross."""
    folder = tmp_path_factory.mktemp("grid")
    net = folder / "net.net.xml"
    shape = "--grid --grid.number 2 --grid.length 150 --grid.attach-length 60 -j traffic_light"
    kerbs = "--sidewalks.guess --crossings.guess --default.sidewalk-width 2"
    run_binary("netgenerate", [*shape.split(), *kerbs.split(), "-o", str(net)])
    (folder / "demand.rou.xml").write_text(
        '<routes><flow id="v" begin="0" end="300" vehsPerHour="2400" from="left0A0" to="B0right0" '
        'departLane="best"/>'
        '<personFlow id="p" begin="0" end="240" perHour="360"><walk from="bottom0A0" '
        'to="A1top0"/></personFlow></routes>'
    )
    signals = "".join(
        f'<timedEvent type="SaveTLSStates" source="{tls}" dest="{folder}/tls_states.xml"/>'
        for tls in read_signal_links(net)
    )
    (folder / "a.add.xml").write_text(f"<additional>{signals}{measure_elements(folder)}</additional>")
    options = {
        "-n": net,
        "-r": folder / "demand.rou.xml",
        "-a": folder / "a.add.xml",
        "--end": END_S,
        "--seed": 1,
        "--time-to-teleport": -1,
        "--tripinfo-output": folder / "tripinfo.xml",
        "--tripinfo-output.write-unfinished": "true",
        "--tripinfo-output.write-undeparted": "true",
        "--summary-output": folder / "summary.xml",
        "--fcd-output": folder / "fcd.xml",
        "--no-step-log": "true",
    }
    given = [str(part) for option in options.items() for part in option]
    run_binary("sumo", [*given, *measure_arguments(folder)])
    return folder


def test_every_due_vehicle_is_counted(grid: Path) -> None:
    """Vehicles under way or without room at the end are in the trips, as many as the summary says."""
    trips, _ = read_trips(grid / "tripinfo.xml")
    summary = read_summary(grid / "summary.xml")
    under_way = sum(1 for d, a in zip(trips.depart_s, trips.arrival_s, strict=True) if d == d and a != a)
    undeparted = sum(1 for d in trips.depart_s if d != d)
    assert under_way == summary.running_veh[-1]
    assert undeparted >= summary.waiting_veh[-1] > 0


def test_undeparted_vehicles_wait_from_their_planned_departure(grid: Path) -> None:
    """The n-th vehicle is due at 1.5 n seconds; one that never departed has waited from then to the end."""
    seen = 0
    for trip in ET.parse(grid / "tripinfo.xml").getroot().iter("tripinfo"):
        if float(trip.get("depart", "0")) < 0:
            due_s = 1.5 * int(trip.get("id", "").split(".")[1])
            assert float(trip.get("departDelay", "nan")) == pytest.approx(END_S - due_s, abs=1.0)
            seen += 1
    assert seen > 0


def test_waits_on_foot_are_whole_for_everybody(grid: Path) -> None:
    """A person's waiting time is every step spent standing, also of those who have not arrived."""
    stood: dict[str, int] = {}
    for person in ET.parse(grid / "fcd.xml").getroot().iter("person"):
        name = person.get("id", "")
        stood[name] = stood.get(name, 0) + (float(person.get("speed", "1")) < 0.1)
    _, walks = read_trips(grid / "tripinfo.xml")
    names = [p.get("id", "") for p in ET.parse(grid / "tripinfo.xml").getroot().iter("personinfo")]
    assert len(names) == len(walks.waiting_s) > 10
    assert not walks.arrived.all()
    assert walks.waiting_s.max() > 10
    for name, waiting_s in zip(names, walks.waiting_s, strict=True):
        # The step in which somebody appears has no speed yet, and is not a wait.
        assert waiting_s == pytest.approx(stood[name], abs=2)


def test_edges_lose_what_vehicles_lose(grid: Path) -> None:
    """Time lost by edge adds up to the vehicles' time loss within a tenth."""
    trips, _ = read_trips(grid / "tripinfo.xml")
    loss = read_edge_loss(grid / "edges.xml")
    assert loss is not None
    assert sum(row.sum() for row in loss.loss_s.values()) == pytest.approx(trips.time_loss_s.sum(), rel=0.1)


def test_the_simulator_says_what_it_did(grid: Path) -> None:
    """The statistics and the version are those of the SUMO that ran."""
    found = read_statistic(grid / "statistic.xml")
    assert found is not None
    assert (found.teleports, found.collisions, found.sumo_version) == (0, 0, sumo_version())
    assert written_by(grid / "tripinfo.xml") == sumo_version()


def test_the_lamp_checker_finds_the_crossings_that_netgenerate_cuts_short(grid: Path) -> None:
    """netgenerate clears a crossing for 8 s whatever its length; due is its length over 1 m/s."""
    net = grid / "net.net.xml"
    longest_m = max(c.length_m for links in read_signal_links(net).values() for c in links.crossings.values())
    found = check_lamps(net, grid / "tls_states.xml")
    cut = found.kinds["cut crossing clearance"]
    assert cut.opportunities > 0
    assert (cut.violations > 0) == (longest_m > 8)
    assert sum(kind.violations for name, kind in found.kinds.items() if name != "cut crossing clearance") == 0
