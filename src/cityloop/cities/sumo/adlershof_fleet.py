"""The built-in city's services: their figures, and how ``emergency.toml`` and ``refuse.toml`` are made again.

All of it is made up, places and rates alike, and drawn from a seed: no station, hospital, depot or container of the
real district stands where these do, and a district of this size has far fewer calls. They are as many as a
demonstration of half an hour needs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cityloop.cities.sumo.adlershof import ADLERSHOF_NETWORK
from cityloop.cities.sumo.fleet_assets import reachable_edges
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.sumo_tools import sumo_home
from cityloop.cities.sumo.units import UnitSpec, with_units
from cityloop.kernel.columns import F64, I64

__all__ = ["AdlershofFleet", "write_adlershof_fleet"]

_HEAD = """# Made up and drawn from a seed; nothing here is a real place, rate or service of Berlin-Adlershof.
# cityloop.cities.sumo.adlershof_fleet.write_adlershof_fleet makes this file again, byte for byte.
synthetic = true
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AdlershofFleet:
    """How much of what."""

    stations: int = 3
    hospitals: int = 2
    posts: int = 5
    units: int = 7
    calls_per_h: float = 16.0
    trucks: int = 3
    containers: int = 44
    unsensed: int = 6
    """Containers without a level sensor."""
    breaks_after_s: float = 600.0
    seed: int = 7


def write_adlershof_fleet(folder: Path, fleet: AdlershofFleet | None = None) -> None:
    """Write both files; the same bytes on every machine with this SUMO."""
    fleet = fleet or AdlershofFleet()
    net_file = sumo_home() / ADLERSHOF_NETWORK
    network = with_units(read_network(net_file), net_file, [UnitSpec("any")])
    both = reachable_edges(network.layout, lorry=True) & reachable_edges(network.layout, lorry=False)
    long_enough = network.layout.edges.length_m >= 40.0
    rows = np.array(sorted(row for row in both if long_enough[row]), np.int64)
    rng = np.random.default_rng(fleet.seed)
    (folder / "emergency.toml").write_text(_emergency(network, rows, fleet), encoding="utf-8")
    (folder / "refuse.toml").write_text(_refuse(network, rows, fleet, rng), encoding="utf-8")


def _middles(network: Network, rows: I64) -> F64:
    edges = network.layout.edges
    return np.column_stack([edges.x0_m[rows] + edges.x1_m[rows], edges.y0_m[rows] + edges.y1_m[rows]]) / 2.0


def _rim(places: F64, count: int) -> list[int]:
    """Return places far from the middle and from one another, each the farthest from those before it."""
    chosen: list[int] = []
    far_m = np.hypot(*(places - places.mean(axis=0)).T)
    while len(chosen) < count:
        chosen.append(int(far_m.argmax()))
        far_m = np.minimum(far_m, np.hypot(*(places - places[chosen[-1]]).T))
    return chosen


def _median(places: F64, weight: F64, count: int) -> list[int]:
    """Return the places that lessen the mean distance to all most, one after the other."""
    least_m = np.full(len(places), 1e9)
    chosen: list[int] = []
    for _ in range(count):
        costs = [float((weight * np.minimum(least_m, np.hypot(*(places - place).T))).sum()) for place in places]
        chosen.append(int(np.argmin(costs)))
        least_m = np.minimum(least_m, np.hypot(*(places - places[chosen[-1]]).T))
    return chosen


def _emergency(network: Network, rows: I64, fleet: AdlershofFleet) -> str:
    places, edges = _middles(network, rows), network.layout.edges
    posts = _median(places, edges.length_m[rows], fleet.stations + fleet.posts)
    hospitals = _rim(places, fleet.hospitals + 2)[: fleet.hospitals]
    lines = [
        _HEAD,
        "begins_at_h = 7",
        "turnout_s = 60.0",
        "",
    ]
    names = [f"Station {chr(65 + k)}" for k in range(fleet.stations)]
    # Stations take what the greedy median leaves: as on the street, they were there before anybody reckoned.
    for name, at in zip(names, posts[: fleet.stations], strict=True):
        lines += _site(network, name, "station", int(rows[at]))
    for k, at in enumerate(hospitals):
        lines += _site(network, f"Hospital {k + 1}", "hospital", int(rows[at]))
    for k, at in enumerate(posts[fleet.stations :]):
        lines += _site(network, f"Post {k + 1}", "kerb", int(rows[at]))
    for k in range(fleet.units):
        lines += ["[[units]]", f'name = "Ambulance {k + 1}"', f'station = "{names[k % fleet.stations]}"', ""]
    lines += [
        "[calls]",
        f"per_h = {fleet.calls_per_h}",
        "priority_share = [0.4, 0.4, 0.2]",
        'determinants = ["made-up determinant 1", "made-up determinant 2", "made-up determinant 3"]',
        "call_taking_s = 30.0",
        "on_scene_min = [5.0, 1.5]",
        "transport_share = 0.6",
        "handover_min = [5.0, 1.5]",
        "upgraded_share = 0.1",
        "cancelled_share = 0.05",
        "",
    ]
    return "\n".join(lines)


def _site(network: Network, name: str, kind: str, row: int) -> list[str]:
    edge, length_m = network.layout.names["edges"][row], network.layout.edges.length_m[row]
    return ["[[sites]]", f'name = "{name}"', f'kind = "{kind}"', f'place = ["{edge}", {length_m / 2:.1f}]', ""]


def _refuse(network: Network, rows: I64, fleet: AdlershofFleet, rng: np.random.Generator) -> str:
    places, edges, names = _middles(network, rows), network.layout.edges, network.layout.names["edges"]
    depot, tip = _rim(places, fleet.hospitals + 2)[fleet.hospitals :]
    share = edges.length_m[rows] / edges.length_m[rows].sum()
    at = rng.choice(len(rows), fleet.containers, replace=False, p=share)
    at = at[np.argsort(rows[at])]
    along_m = edges.length_m[rows[at]] * rng.uniform(0.3, 0.7, fleet.containers)
    unsensed = set(rng.choice(fleet.containers, fleet.unsensed, replace=False).tolist())
    rate = rng.gamma(6.0, 0.28 / 6.0, fleet.containers)

    def column(name: str, values: Sequence[str]) -> str:
        body = "".join(f"    {', '.join(values[k : k + 6])},\n" for k in range(0, len(values), 6))
        return f"{name} = [\n{body}]"

    lines = [
        _HEAD.rstrip(),
        f'depot = ["{names[rows[depot]]}", {edges.length_m[rows[depot]] / 2:.1f}]',
        f'tip = ["{names[rows[tip]]}", {edges.length_m[rows[tip]] / 2:.1f}]',
        "stop_s = 40.0",
        "tip_s = 180.0",
        column("container", [f'"C{k + 1:02d}"' for k in range(fleet.containers)]),
        column("edge", [f'"{names[rows[k]]}"' for k in at]),
        column("at_m", [f"{value:.1f}" for value in along_m]),
        column("capacity_kg", ["400.0"] * fleet.containers),
        column("rate_per_day", [f"{value:.3f}" for value in rate]),
        column("sensed", ["false" if k in unsensed else "true" for k in range(fleet.containers)]),
        "",
        "[breakdown]",
        'truck = "Truck 2"',
        f"after_s = {fleet.breaks_after_s}",
        "",
    ]
    for k in range(fleet.trucks):
        lines += ["[[trucks]]", f'name = "Truck {k + 1}"', "payload_kg = 6000.0", ""]
    return "\n".join(lines)
