"""Reds on the street under the brain, with and without a minute in which it is unplugged."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from cityloop import app
from cityloop.domains.signals.bounds import MAX_RED_S
from cityloop.domains.signals.waits import BELIEVED_EMPTY_S
from cityloop.engine.inline import Blackout

pytestmark = pytest.mark.twin

PROBES = "probe:0.9"

SOON_S = 70.0
"""The 30 s that a wait taken for 90 s leaves of the bound, and a round of least greens. [s]"""


@dataclass(frozen=True)
class Red:
    """A red of one link, begun and ended within the run."""

    begin_s: float
    end_s: float


def reds(run_dir: Path) -> list[Red]:
    """Every red of every link that is ever green."""
    since: dict[tuple[str, int], float] = {}
    found = []
    for light in ET.parse(run_dir / "sumo" / "tls_states.xml").getroot():
        at_s = float(light.attrib["time"])
        for link, lamp in enumerate(light.attrib["state"]):
            key = light.attrib["id"], link
            if lamp not in "gG":
                since.setdefault(key, at_s)
            elif key in since:
                found.append(Red(since.pop(key), at_s))
    return found


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_no_red_is_longer_than_the_bound_where_some_are_not_seen(grid_city: Path, tmp_path: Path, scale: float) -> None:
    """Probes tell of nobody's absence: at the full demand and with hardly anybody each link is green within 120 s."""
    spec = app.RunSpec(
        city=str(grid_city), out=tmp_path / "run", control="brain", sensing=PROBES, scale=scale, end_s=500.0
    )
    lengths_s = [red.end_s - red.begin_s for red in reds(app.run(spec).run_dir)]
    assert len(lengths_s) > 40
    assert max(lengths_s) <= MAX_RED_S


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_a_lane_seen_empty_stays_red_longer_and_nobody_waits_for_it(
    grid_city: Path, tmp_path: Path, scale: float
) -> None:
    """With every lane in sight reds may last 180 s more, and no vehicle stands past the bound at any one light."""
    run = app.run(app.RunSpec(city=str(grid_city), out=tmp_path / "run", control="brain", scale=scale, end_s=500.0))
    assert max(red.end_s - red.begin_s for red in reds(run.run_dir)) <= MAX_RED_S + BELIEVED_EMPTY_S
    trips = [trip.attrib for trip in ET.parse(run.run_dir / "sumo" / "tripinfo.xml").getroot().iter("tripinfo")]
    assert all(float(trip["waitingTime"]) <= MAX_RED_S * max(int(trip["waitingCount"]), 1) for trip in trips)


def test_after_a_blackout_who_already_waits_is_served_soon(grid_city: Path, tmp_path: Path) -> None:
    """Plugged in again with nothing remembered, the brain grants no wait a whole bound anew.

    Hardly anybody drives, so that nothing but the bound ends a red.
    """
    back_s = 260.0
    spec = app.RunSpec(
        city=str(grid_city),
        out=tmp_path / "run",
        control="brain",
        sensing=PROBES,
        scale=0.05,
        end_s=400.0,
        blackouts=(Blackout(200, back_s),),
    )
    waiting = [red for red in reds(app.run(spec).run_dir) if red.begin_s < back_s < red.end_s]
    assert len(waiting) > 4
    assert max(red.end_s for red in waiting) <= back_s + SOON_S
