"""A lone vehicle in the twin takes length over speed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from cityloop import app

pytestmark = pytest.mark.twin


@pytest.mark.parametrize("factor", [1.0, 0.8])
def test_free_flow_takes_length_over_speed(plain_city: Callable[..., Path], tmp_path: Path, factor: float) -> None:
    """Under a green all the way a vehicle drives its route at its own speed, to within SUMO's step of a second."""
    city = plain_city(
        {"C": (0, 0), "W": (-700, 0), "E": (900, 0), "N": (0, 300)},
        "WC CE NC",
        "WC>CE NC>CE",
        f'<vType id="steady" sigma="0" speedFactor="{factor}" speedDev="0"/>'
        '<vehicle id="lone" type="steady" depart="0" departSpeed="max"><route edges="WC CE"/></vehicle>',
        end_s=300,
        phases=(({"WC>CE": "G"}, 300), ({"WC>CE": "y"}, 3), ({"NC>CE": "G"}, 5), ({"NC>CE": "y"}, 3)),
    )
    run = app.run(app.RunSpec(city=str(city), out=tmp_path / "run", control="shipped"))
    (trip,) = ET.parse(run.run_dir / "sumo" / "tripinfo.xml").getroot().iter("tripinfo")
    length_m = float(trip.attrib["routeLength"])
    assert length_m > 1500
    assert float(trip.attrib["waitingTime"]) == 0
    assert float(trip.attrib["duration"]) == pytest.approx(length_m / (13.89 * factor), abs=1.0)
