"""Calibrate against counts whose true demand is known, with the fit of our own and with routeSampler.

Counts come from one SUMO run of a demand that the calibration never sees: drawn by SUMO's randomTrips on a
generated grid, or, where `CITYLOOP_EVAL_DATA` names the evaluation data, that of real districts. Each seed
holds out other links. Journey times of the true run are compared too; none is fitted.

    python benchmarks/calibration.py grid --seeds 5
    python benchmarks/calibration.py cologne8 ingolstadt7 --seeds 5
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.case_facts import read_net_facts
from cityloop.cities.sumo.counting import Journey, measure_demand
from cityloop.cities.sumo.folder import CityCase, resolve_city
from cityloop.cities.sumo.sumo_tools import run_binary, run_tool
from cityloop.studies.calibrate import CalibrationParams, calibrate_case
from cityloop.studies.init import InitRequest, make_city


def main() -> None:
    """Print one line a city and method, pooled over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cities", nargs="+", help="grid, or a district of the evaluation data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--interval-s", type=float, default=3600.0)
    asked = parser.parse_args()
    for name in asked.cities:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            true = grid(folder) if name == "grid" else district(name)
            observe(true, asked.interval_s, folder)
            for method in ("flow-fit", "route-sampler"):
                print(line(name, method, true, asked.seeds, folder), flush=True)


def grid(folder: Path) -> CityCase:
    """Make a grid of signals with a demand that favours through traffic."""
    net = folder / "grid.net.xml"
    arguments = ["--grid", "--grid.number", "4", "--grid.length", "150", "--grid.attach-length", "150"]
    run_binary("netgenerate", [*arguments, "-j", "traffic_light", "--no-turnarounds", "-o", str(net)])
    routes = folder / "true.rou.xml"
    trips = ["-n", str(net), "-o", str(folder / "trips.xml"), "-r", str(routes), "--seed", "42"]
    trips += ["-b", "24300", "-e", "28800", "--insertion-rate", "2200", "--fringe-factor", "8"]
    run_tool("randomTrips.py", trips)
    hours = {"begin_s": 24300.0, "end_s": 28800.0}
    make_city(InitRequest(name="true", net_file=net, route_files=(routes,), out=folder / "true", **hours))
    return resolve_city(str(folder / "true"))


def district(name: str) -> CityCase:
    """Find a district of the evaluation data."""
    return resolve_city(str(Path(os.environ["CITYLOOP_EVAL_DATA"]) / "signals" / name / f"{name}.sumocfg"))


def observe(true: CityCase, interval_s: float, folder: Path) -> None:
    """Write the counts of every link and the journey times of the true demand."""
    net = read_net_facts(true.net_file)
    links = [name for name, edge in net.edges.items() if edge.lanes]
    begin_s = true.end_s - 3600.0
    begins_s = np.arange(begin_s, true.end_s, interval_s)
    intervals = [(float(at), float(min(at + interval_s, true.end_s))) for at in begins_s]
    rng = np.random.default_rng(0)
    drawn = [tuple(links[index] for index in rng.choice(len(links), 2, replace=False)) for _ in range(3000)]
    journeys = [Journey(from_edge=a, to_edge=b, begin_s=begin_s, end_s=true.end_s) for a, b in drawn]
    run = measure_demand(true, true.route_files, intervals, journeys, 1001, folder)
    with (folder / "counts.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["edge", "begin_s", "end_s", "count"])
        for link in links:
            for begin, end in intervals:
                writer.writerow([link, begin, end, int(run.count_veh.get((link, begin, end), 0))])
    with (folder / "journeys.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["from_edge", "to_edge", "begin_s", "end_s", "travel_time_s"])
        for journey, time_s in run.journey_time_s.items():
            writer.writerow([journey.from_edge, journey.to_edge, journey.begin_s, journey.end_s, time_s])


def line(name: str, method: str, true: CityCase, seeds: int, folder: Path) -> str:
    """Calibrate from the counts alone under each seed, and pool the outcomes."""
    shares, fitted, medians, journeys, worst = [], [], [], [], []
    hours = []
    for seed in range(1, seeds + 1):
        out = folder / f"{method}-{seed}"
        out.mkdir()
        (out / "network.net.xml").write_bytes(true.net_file.read_bytes())
        (out / "city.toml").write_text(
            f'name = "{name}"\nnetwork = "network.net.xml"\nbegin_s = {true.begin_s}\nend_s = {true.end_s}\n'
        )
        params = CalibrationParams(seed=seed, method=method)
        done = calibrate_case(
            resolve_city(str(out)), folder / "counts.csv", folder / "journeys.csv", params, lambda text: None
        )
        shares.append(done.held_out.share_geh_below_5)
        hours.append(done.held_out.link_hours)
        fitted.append(done.fitted.share_geh_below_5)
        medians.append(done.held_out.median_geh)
        worst.append(done.held_out.worst_geh)
        made = 1 - done.journeys.not_made / done.journeys.journeys
        journeys.append((done.journeys.share_within, done.journeys.share_within / made))
    each = " ".join(f"{share:.2f}" for share in shares)
    return (
        f"{name:12s} {method:13s} held-out GEH<5 {np.average(shares, weights=hours):.3f} ({each}), "
        f"{sum(hours)} link hours, median GEH {np.mean(medians):.2f}, worst {max(worst):.1f}; "
        f"fitted {np.mean(fitted):.3f}; "
        "journeys within {:.3f}, of those made {:.3f}".format(*np.mean(journeys, axis=0))
    )


if __name__ == "__main__":
    main()
