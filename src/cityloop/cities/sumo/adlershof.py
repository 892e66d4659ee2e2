"""The demand of the built-in city ``adlershof``: its figures, and how its committed files are made again.

The network is the real district inside the SUMO wheel and is read where it lies. The demand is ours and
synthetic: 1,500 vehicles and 800 people on foot an hour, a busy hour that the shipped phases, run as a fixed
program, carry with queues that come and go.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from cityloop.cities.sumo.sumo_tools import sumo_home
from cityloop.cities.sumo.synthetic import SyntheticDemand, write_demand

__all__ = ["ADLERSHOF_DEMAND", "ADLERSHOF_NETWORK", "write_adlershof"]

ADLERSHOF_NETWORK = "tools/game/DRT/osm.net.xml"
"""Under SUMO's home."""

ADLERSHOF_DEMAND = SyntheticDemand(cars_per_h=1500, persons_per_h=800, tram_headway_s=600, seed=1)


def write_adlershof(folder: Path) -> None:
    """Write ``demand.rou.xml.gz`` and ``stops.add.xml``; the same bytes on every machine with this SUMO."""
    with tempfile.TemporaryDirectory(prefix="cityloop-") as scratch:
        write_demand(sumo_home() / ADLERSHOF_NETWORK, Path(scratch), ADLERSHOF_DEMAND)
        routes = (Path(scratch) / "demand.rou.xml").read_bytes()
        # mtime 0 and no name: the file's bytes depend on its content alone.
        (folder / "demand.rou.xml.gz").write_bytes(gzip.compress(routes, compresslevel=9, mtime=0))
        (folder / "stops.add.xml").write_bytes((Path(scratch) / "stops.add.xml").read_bytes())
