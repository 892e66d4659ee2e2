"""A city of one's own, from a network and counts to a calibrated folder, by the command line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cityloop.cities.sumo.case_facts import read_net_facts
from cityloop.cities.sumo.counting import Journey, measure_demand
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.sumo_tools import run_binary, run_tool
from cityloop.kernel.errors import InputError
from cityloop.studies.calibrate import CalibrationParams, calibrate_case
from cityloop.studies.init import InitRequest, make_city

HOURS_S = (900.0, 4500.0)


def cityloop(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cityloop", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of nine signals, 48 links, with counts and journey times of a demand that is not handed on."""
    folder = tmp_path_factory.mktemp("town")
    net, routes = folder / "grid.net.xml", folder / "true.rou.xml"
    shape = ["--grid", "--grid.number", "3", "--grid.length", "150", "--grid.attach-length", "150"]
    run_binary("netgenerate", [*shape, "-j", "traffic_light", "--no-turnarounds", "-o", str(net)])
    trips = ["-n", str(net), "-o", str(folder / "trips.xml"), "-r", str(routes), "--seed", "42"]
    trips += ["-b", "0", "-e", "4500", "--insertion-rate", "1500", "--fringe-factor", "8"]
    run_tool("randomTrips.py", trips)
    made = InitRequest(name="true", net_file=net, route_files=(routes,), begin_s=0.0, end_s=4500.0, out=folder / "true")
    make_city(made)
    links = sorted(read_net_facts(net).edges)
    begin_s, end_s = HOURS_S
    asked = [
        Journey(from_edge=a, to_edge=b, begin_s=begin_s, end_s=end_s)
        for a, b in (("A0B0", "B0C0"), ("C1B1", "B1A1"), ("B0B1", "B1B2"))
    ]
    run = measure_demand(resolve_city(str(folder / "true")), [routes], [HOURS_S], asked, seed=99, work_dir=folder)
    with (folder / "counts.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["edge", "begin_s", "end_s", "count"])
        for link in links:
            writer.writerow([link, begin_s, end_s, int(run.count_veh.get((link, begin_s, end_s), 0))])
    with (folder / "times.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["from_edge", "to_edge", "begin_s", "end_s", "travel_time_s"])
        for journey, time_s in run.journey_time_s.items():
            writer.writerow([journey.from_edge, journey.to_edge, begin_s, end_s, round(time_s, 1)])
    return folder


def test_init_with_counts_makes_a_calibrated_city(town: Path, tmp_path: Path) -> None:
    """Links that the fit never saw agree in the twin, and the city says so."""
    out = tmp_path / "mine"
    done = cityloop(
        *("init", "mine", "--net", town / "grid.net.xml", "--counts", town / "counts.csv"),
        *("--journeys", town / "times.csv", "--out", out, "--json"),
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    held_out = outcome["calibration"]["held_out"]
    assert held_out["links"] == 11
    assert held_out["share_geh_below_5"] >= 0.85
    assert outcome["calibration"]["journeys"]["journeys"] == 3
    assert outcome["label"] == "CALIBRATED"
    assert (outcome["begin_s"], outcome["end_s"]) == (0.0, 4500.0)
    case = resolve_city(str(out))
    assert case.calibration is not None
    assert len(case.calibration.held_out_links) == 11
    assert case.calibration_label() == "CALIBRATED"
    assert "held out: " in done.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        "calibrated.rou.xml",
        "city.toml",
        "network.net.xml",
    ]


def test_same_seed_gives_the_same_demand(town: Path, tmp_path: Path) -> None:
    """A calibration is a function of its inputs and seed, byte for byte."""
    demands = []
    for name in ("one", "two"):
        made = InitRequest(
            name=name,
            net_file=town / "grid.net.xml",
            counts_file=town / "counts.csv",
            out=tmp_path / name,
            seed=5,
        )
        make_city(made)
        demands.append((tmp_path / name / "calibrated.rou.xml").read_bytes())
    assert demands[0] == demands[1]


def test_made_up_city_is_labelled_until_counts_come(town: Path, tmp_path: Path) -> None:
    """Without routes or counts the demand is synthetic; calibrating it replaces it and keeps city.toml."""
    out = tmp_path / "sketch"
    hours = ("--begin", "0", "--end", "01:15")
    done = cityloop("init", "sketch", "--net", town / "grid.net.xml", *hours, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC DEMAND, UNCALIBRATED" in done.stdout
    before = (out / "city.toml").read_text()
    done = cityloop("calibrate", out, "--counts", town / "counts.csv")
    assert done.returncode == 0, done.stderr
    assert (out / "city.toml").read_text().startswith(before)
    assert not resolve_city(str(out)).synthetic


def test_poor_fit_stays_uncalibrated(town: Path, tmp_path: Path) -> None:
    """Counts that no traffic could make are fitted as far as they go, and the city stays uncalibrated."""
    counts = tmp_path / "counts.csv"
    lines = (town / "counts.csv").read_text().splitlines()
    nonsense = [f"{line.rsplit(',', 1)[0]},{(number % 3) * 120}" for number, line in enumerate(lines[1:])]
    counts.write_text("\n".join([lines[0], *nonsense]) + "\n")
    made = make_city(
        InitRequest(name="odd", net_file=town / "grid.net.xml", counts_file=counts, out=tmp_path / "odd", seed=1)
    )
    assert made.calibration is not None
    assert made.calibration.held_out.share_geh_below_5 < 0.85
    assert made.label == "UNCALIBRATED"


def test_public_transport_outlives_a_calibration(town: Path, tmp_path: Path) -> None:
    """The fit replaces cars; the buses of the city's own routes stay."""
    routes = tmp_path / "mixed.rou.xml"
    routes.write_text(
        '<routes><vType id="b" vClass="bus"/><vType id="c" vClass="passenger"/>'
        '<vehicle id="bus1" type="b" depart="10"><route edges="A0B0 B0C0"/></vehicle>'
        '<vehicle id="car1" type="c" depart="20"><route edges="A0B0 B0C0"/></vehicle></routes>'
    )
    made = InitRequest(
        name="mixed",
        net_file=town / "grid.net.xml",
        route_files=(routes,),
        begin_s=0.0,
        end_s=4500.0,
        out=tmp_path / "mixed",
    )
    make_city(made)
    case = resolve_city(str(tmp_path / "mixed"))
    calibrate_case(case, town / "counts.csv", None, CalibrationParams(), lambda line: None)
    kept = resolve_city(str(tmp_path / "mixed")).route_files
    assert [path.name for path in kept] == ["calibrated.rou.xml", "other-traffic.rou.xml"]
    text = kept[1].read_text()
    assert "bus1" in text
    assert "car1" not in text


def test_unknown_link_leaves_nothing_behind(town: Path, tmp_path: Path) -> None:
    """Counts on a link that does not exist are one line with exit code 1, and no folder is made."""
    counts = tmp_path / "counts.csv"
    counts.write_text("edge,begin_s,end_s,count\nA0B0,0,900,5\nnowhere,0,900,5\n")
    net = town / "grid.net.xml"
    done = cityloop("init", "mine", "--net", net, "--counts", counts, "--out", tmp_path / "mine")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        f"{counts}, row 3: edge 'nowhere' is not a link that cars may use in {net}; correct the name or remove the row"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["counts.csv"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("A0B0,0,900,5\n", "1 counted link; give at least 4, so that one can be held out"),
        (
            "A0B0,8000,8900,5\n",
            (
                "link 'A0B0' is counted in 8000-8900 s, outside the city's hours 0-4500 s; "
                "widen begin_s and end_s or drop the row"
            ),
        ),
    ],
)
def test_counts_that_cannot_be_used_are_refused(town: Path, tmp_path: Path, rows: str, said: str) -> None:
    """Too few links and other hours are told before anything runs, and city.toml stays as it was."""
    counts = tmp_path / "counts.csv"
    counts.write_text(f"edge,begin_s,end_s,count\n{rows}")
    case = resolve_city(str(town / "true"))
    before = (town / "true" / "city.toml").read_bytes()
    with pytest.raises(InputError) as caught:
        calibrate_case(case, counts, None, CalibrationParams(), lambda line: None)
    assert str(caught.value) == f"{counts}: {said}"
    assert (town / "true" / "city.toml").read_bytes() == before


def test_wrong_usage_is_told_apart(town: Path, tmp_path: Path) -> None:
    """Calibrating without counts, or a time that is none, is wrong usage: exit code 2."""
    assert cityloop("calibrate", town / "true").returncode == 2
    done = cityloop("init", "x", "--net", town / "grid.net.xml", "--begin", "noon", "--out", tmp_path / "x")
    assert done.returncode == 2
    assert "'noon' is not a time; give seconds or HH:MM, for example 07:00" in done.stderr


def test_builtin_is_not_written_into(town: Path) -> None:
    """A built-in city and a sumocfg have no folder to write a calibration into."""
    done = cityloop("calibrate", "adlershof", "--counts", town / "counts.csv")
    assert done.returncode == 1
    assert "adlershof: not a city folder, so its calibration has no place; give --out DIR" in done.stderr
