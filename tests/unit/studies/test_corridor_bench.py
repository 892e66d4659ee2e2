"""Figures of corridors, in hand-checked numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.kernel.errors import ConfigError
from cityloop.studies.corridor_bench import CorridorSpec, summarise, summary_lines
from cityloop.studies.corridor_measure import RunMeasures, measure
from cityloop.studies.corridor_run import ARMS, CorridorRun
from cityloop.studies.corridor_trips import EmergencyTrip

WEST, EAST = 1, 3


def run(arm: str, seed: int, trip_s: float, others_s: float) -> CorridorRun:
    """Return a run of one trip over four signals, and two vehicles near it."""
    measures = RunMeasures(
        trip_s={"blue.0": trip_s},
        arrived=1,
        signals={"blue.0": 4},
        delay_s={"a": others_s - 1.0, "b": others_s + 1.0},
        person_delay_s={},
        gridlock_s=0.0,
        unfinished=0,
        unit_collisions=0,
        other_collisions=1,
    )
    return CorridorRun(
        city="c",
        arm=arm,
        rate_per_h=4.0,
        seed=seed,
        measures=measures,
        unsafe_lamps=0,
        longest_red_s=90.0,
        decisions={"CORRIDOR_HOLD": 3} if arm == "corridors" else {},
        cpu_s=1.0,
    )


def arms(seed: int, times: tuple[float, float, float], others: tuple[float, float]) -> dict[str, CorridorRun]:
    """Return a seed's three runs."""
    return {
        arm: run(arm, seed, trip_s, others_s) for arm, trip_s, others_s in zip(ARMS, times, (*others, 0.0), strict=True)
    }


def test_shares_and_savings_are_paired_over_seeds() -> None:
    """100 and 120 s become 80 and 80 s where 60 s are the least: 0.6 of the time between, 7.5 s a signal."""
    made = summarise([arms(1, (100.0, 80.0, 60.0), (20.0, 21.0)), arms(2, (120.0, 80.0, 60.0), (20.0, 21.0))])
    assert made.removed_frac == pytest.approx(60 / 100)
    assert made.saved_per_signal_s == pytest.approx(60 / 8)
    assert made.saved_low is not None
    assert made.others_change_frac == pytest.approx(0.05)
    assert made.others_most_s == (21.0, 22.0)
    assert made.other_collisions == (2, 2)
    assert made.decisions == {"CORRIDOR_HOLD": 6}
    assert "removed 0.60" in "\n".join(summary_lines(made))


def test_one_seed_has_no_interval() -> None:
    """One run says nothing of the spread."""
    made = summarise([arms(1, (100.0, 80.0, 60.0), (20.0, 21.0))])
    assert (made.removed_low, made.saved_low, made.others_change_low) == (None, None, None)


def test_no_trips_an_hour_are_refused(tmp_path: Path) -> None:
    """Nothing could be measured."""
    with pytest.raises(ConfigError, match="rate: 0 trips"):
        CorridorSpec(cities=("toy",), rates_per_h=(0.0,), out=tmp_path)


def test_others_delay_is_counted_near_a_trip_and_while_it_counts(tmp_path: Path) -> None:
    """500 m at 10 m/s take 50 s: who takes 80 s from second 100 on has lost 30 s; who drives hours later, nothing."""
    layout = toy_layout(ToyParams(speed_mps=10.0))
    assert layout.edges.length_m[WEST] == 500.0
    (tmp_path / "tripinfo.xml").write_text(
        '<tripinfos><tripinfo id="blue.0" departDelay="0" arrival="190" depart="100"/>'
        '<tripinfo id="near" departDelay="0" arrival="180" depart="100"/>'
        '<tripinfo id="late" departDelay="0" arrival="9080" depart="9000"/></tripinfos>',
        encoding="utf-8",
    )
    (tmp_path / "vehroutes.xml").write_text(
        '<routes><vehicle id="near" depart="100" arrival="180"><route edges="from_west" exitTimes="180"/></vehicle>'
        '<vehicle id="late" depart="9000" arrival="9080"><route edges="from_west" exitTimes="9080"/></vehicle>'
        "</routes>",
        encoding="utf-8",
    )
    speeds = {at: 0.1 if at < 400 else 5.0 for at in range(0, 600, 50)}
    steps = "".join(f'<step time="{at}" running="30" meanSpeed="{speed}"/>' for at, speed in speeds.items())
    (tmp_path / "summary.xml").write_text(f"<summary>{steps}</summary>", encoding="utf-8")
    (tmp_path / "collisions.xml").write_text(
        '<collisions><collision collider="near" victim="blue.0"/><collision collider="blue.0" victim="near"/>'
        '<collision collider="near" victim="late"/></collisions>',
        encoding="utf-8",
    )
    found = measure(tmp_path, layout, [EmergencyTrip(0, "blue.0", 95.0, (WEST, EAST), 1)], 9999.0)
    assert found.trip_s == {"blue.0": 95.0}
    assert found.delay_s == {"near": 30.0}
    assert (found.gridlock_s, found.gridlocked) == (350.0, True)
    assert (found.unit_collisions, found.other_collisions) == (1, 1)
    assert np.isfinite(found.gridlock_s)
