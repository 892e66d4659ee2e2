"""The twin's delay at a lone fixed-time signal against Webster's formula.

Two one-way roads cross. Webster (1958) needs the effective green and the saturation flow; both come from
the same street run full, by a detector at the stop line: the headways from each queue's fourth vehicle on, and
the vehicles that a cycle lets through. SUMO's drivers are made alike and steady here, so that a vehicle on its
own loses no time and all of `timeLoss` is the signal's; what braking and speeding up cost beyond the stop
itself, a second or two, is in it and not in the formula.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cityloop import app
from cityloop.studies.webster import webster_delay_s

pytestmark = pytest.mark.twin

CYCLE_S, GREEN_S = 60.0, 27
DRIVERS = '<vType id="alike" sigma="0" speedDev="0" tau="1"/>'
STOP_LINE = '<instantInductionLoop id="line" lane="WC_0" pos="-1" file="{folder}/line.xml"/>'


def crossing(plain_city: Callable[..., Path], period: str, hours: float = 1.0) -> Path:
    """Two roads of 400 m each way that cross at a signal; vehicles come as said, on either road."""
    end_s = int(3600 * hours)
    flow = '<flow id="{0}" type="alike" begin="0" end="{1}" period="{2}" from="{3}" to="{4}" departSpeed="max"/>'
    roads = (("west", "WC", "CE"), ("north", "NC", "CS"))
    flows = "".join(flow.format(name, end_s, period, *way) for name, *way in roads)
    return plain_city(
        {"C": (0, 0), "W": (-400, 0), "E": (400, 0), "N": (0, 400), "S": (0, -400)},
        "WC CE NC CS",
        "WC>CE NC>CS",
        DRIVERS + flows,
        end_s=end_s,
        phases=(
            ({"WC>CE": "G"}, GREEN_S),
            ({"WC>CE": "y"}, 3),
            ({"NC>CS": "G"}, GREEN_S),
            ({"NC>CS": "y"}, 3),
        ),
        detectors=STOP_LINE,
    )


def delays_s(city: Path, out: Path, seed: int = 1) -> list[float]:
    """Time that the signal cost each vehicle that arrived. [s]."""
    run = app.run(app.RunSpec(city=str(city), out=out, control="shipped", seed=seed))
    trips = ET.parse(run.run_dir / "sumo" / "tripinfo.xml").getroot().iter("tripinfo")
    return [float(trip.attrib["timeLoss"]) for trip in trips if float(trip.attrib["arrival"]) >= 0]


@pytest.fixture(scope="module")
def saturated(plain_city: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    """Saturation headway and effective green of the street, by SUMO's own detector. [s]."""
    city = crossing(plain_city, "1.5", hours=0.5)
    delays_s(city, tmp_path_factory.mktemp("full") / "run")
    passed_s = [
        float(event.attrib["time"])
        for event in ET.parse(city.parent / "line.xml").getroot()
        if event.attrib["state"] == "leave"
    ]
    cycles: dict[int, list[float]] = {}
    for at_s in passed_s:
        # The west road's green begins with the cycle.
        cycles.setdefault(int(at_s // CYCLE_S), []).append(at_s)
    full = [cycles[k] for k in sorted(cycles) if 3 <= k < 29]
    headway_s = float(np.mean(np.concatenate([np.diff(passed)[3:] for passed in full])))
    return headway_s, headway_s * float(np.mean([len(passed) for passed in full]))


def test_saturation_is_a_lanes(saturated: tuple[float, float]) -> None:
    """A headway of 1.5 to 2.2 s, and a green that loses a second or two at its begin and gains some yellow."""
    headway_s, green_s = saturated
    assert 1.5 <= headway_s <= 2.2
    assert GREEN_S - 3 <= green_s <= GREEN_S + 3


@pytest.mark.parametrize("every_s", [10, 6])
def test_even_arrivals_wait_the_uniform_term(
    plain_city: Callable[..., Path], tmp_path: Path, saturated: tuple[float, float], every_s: int
) -> None:
    """Evenly spaced vehicles lose C (1 - g/C)^2 / (2 (1 - q/s)) each, within 10 %.

    The tolerance holds what braking and speeding up cost beyond the stop, which timeLoss counts and the fluid queue
    does not, and the rounding to whole vehicles.
    """
    headway_s, green_s = saturated
    red_s = CYCLE_S - green_s
    fluid_s = red_s**2 / (2 * CYCLE_S * (1 - headway_s / every_s))
    # 6 and 10 divide 60: in step with the cycle, arrivals would sample it at the same instants over and over.
    lost_s = float(np.mean(delays_s(crossing(plain_city, str(every_s + 0.13)), tmp_path / "run")))
    assert lost_s == pytest.approx(fluid_s, rel=0.1), f"twin {lost_s:.2f} s, fluid {fluid_s:.2f} s"


def test_random_arrivals_wait_as_webster_says(
    plain_city: Callable[..., Path], tmp_path: Path, saturated: tuple[float, float]
) -> None:
    """Poisson arrivals at a degree of saturation of about 0.6 lose Webster's delay within 10 %, over three seeds."""
    headway_s, green_s = saturated
    flow_veh_s = 0.15
    expected_s = webster_delay_s(CYCLE_S, green_s, flow_veh_s, 1 / headway_s)
    city = crossing(plain_city, f"exp({flow_veh_s})")
    lost_s = float(np.mean([np.mean(delays_s(city, tmp_path / f"{seed}", seed)) for seed in (1, 2, 3)]))
    assert lost_s == pytest.approx(expected_s, rel=0.1), f"twin {lost_s:.2f} s, Webster {expected_s:.2f} s"
