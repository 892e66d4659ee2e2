"""The scorecard of a run, on figures small enough to add up by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cityloop.kernel.errors import ConfigError, StoreError
from cityloop.studies.measures import parse_occupancy
from cityloop.studies.scorecard import read_scorecard, score_run, write_scorecard


def test_delay_is_rescos(make_run) -> None:
    """(10 + 22 + 36 + 32) / 4: unfinished vehicles count, and one that never departed counts its wait."""
    found = score_run(make_run()).vehicles
    assert found.delay_s == 25.0
    assert (found.n, found.finished, found.unfinished, found.undeparted) == (4, 2, 1, 1)


def test_means_are_of_those_that_departed(make_run) -> None:
    """Time loss, standing time and stops are of three vehicles; the departure delay is of all four."""
    found = score_run(make_run()).vehicles
    assert (found.time_loss_s, found.waiting_s, found.depart_delay_s) == (20.0, 8.0, 10.0)
    assert found.stops == pytest.approx(5 / 3)


def test_percentiles_are_values_that_occurred(make_run) -> None:
    """The nearest-rank 95th percentile of four delays is the greatest."""
    found = score_run(make_run()).vehicles
    assert (found.delay_p95_s, found.waiting_p95_s, found.longest_waiting_s) == (36.0, 12.0, 12.0)


def test_person_delay_weighs_vehicles_by_their_occupants(make_run) -> None:
    """Three cars of 1.5 and a tram of 30: (1.5 * (10 + 36 + 32) + 30 * 22) / 34.5."""
    found = score_run(make_run()).persons
    assert found.delay_s == pytest.approx((1.5 * 78 + 30 * 22) / 34.5)
    assert found.everybody_delay_s == pytest.approx((1.5 * 78 + 30 * 22 + 42) / 36.5)
    assert found.occupancy == {"passenger": 1.5, "tram": 30.0}


def test_occupancy_can_be_given(make_run) -> None:
    """A tram of 60 weighs twice as much; nonsense is refused with the fix."""
    found = score_run(make_run(), occupancy=parse_occupancy("tram=60")).persons
    assert found.persons == 64.5
    with pytest.raises(ConfigError, match="CLASS=PERSONS"):
        parse_occupancy("tram")
    with pytest.raises(ConfigError, match="above 0"):
        parse_occupancy("tram=0")


def test_people_under_way_count_with_their_waits(make_run) -> None:
    """One arrived after standing 12 s, one stands since 30 s; only the first's time loss is known."""
    found = score_run(make_run()).pedestrians
    assert found is not None
    assert (found.n, found.arrived, found.waiting_s, found.longest_waiting_s) == (2, 1, 21.0, 30.0)
    assert found.time_loss_s == 20.0


def test_time_lost_belongs_to_the_signal_ahead(make_run) -> None:
    """90 s before the signal and 50 s on the edge that leads only there are its own; 18 s beyond are not."""
    found = score_run(make_run())
    (junction,) = found.junctions
    # The vehicle that waited 2 s and the one that waited 6 s to depart did so before the same signal.
    assert junction.delay_veh_h == pytest.approx((90 + 50 + 8) / 3600)
    assert junction.vehicles == 9
    assert found.elsewhere_veh_h == pytest.approx((18 + 32) / 3600)


def test_time_bins_go_by_planned_departure(make_run) -> None:
    """Due at 0, 98, 394 and 568 s: two in each five minutes."""
    first, second = score_run(make_run()).over_time
    assert (first.vehicles, first.delay_s, first.halting_veh) == (2, 16.0, 2.0)
    assert (second.vehicles, second.delay_s, second.halting_veh) == (2, 34.0, 4.0)


def test_a_scorecard_says_what_it_is(make_run) -> None:
    """Simulated, uncalibrated, by which SUMO, from which files: all of it is in the file."""
    folder = make_run()
    write_scorecard(folder)
    card = json.loads((folder / "scorecard.json").read_text())
    assert card["simulated"] is True
    assert card["calibration"] == "SYNTHETIC DEMAND, UNCALIBRATED"
    assert card["sumo_version"] == "1.28.0"
    assert len(card["digests"]["sumo/tripinfo.xml"]) == 64
    assert card["safety"]["unsafe"] == 0
    assert read_scorecard(folder) == score_run(folder)


def test_a_sound_run_has_no_warnings(make_run) -> None:
    """Warnings mean something, because a sound run has none."""
    assert score_run(make_run()).warnings == ()


def test_teleports_are_said_loudly(make_run) -> None:
    """A run in which SUMO moved vehicles by itself has no valid delay."""
    assert "TELEPORTS" in score_run(make_run(teleports=3)).warnings[0]


def test_an_incomplete_run_is_marked(make_run) -> None:
    """Its scorecard is computed, and says that it compares with nothing."""
    found = score_run(make_run(state="incomplete"))
    assert not found.complete
    assert "INCOMPLETE" in found.warnings[0]


def test_vehicles_left_out_of_tripinfo_are_noticed(make_run) -> None:
    """A tripinfo without unfinished vehicles would make the delay too low."""
    assert "lacks 2 vehicles" in score_run(make_run(only=2)).warnings[0]


def test_a_run_without_the_twin_is_refused(make_run, tmp_path: Path) -> None:
    """The message names the folder and the fix."""
    folder = make_run()
    (folder / "sumo").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="not a run of the twin"):
        score_run(folder)
    with pytest.raises(StoreError, match="not a run folder"):
        score_run(tmp_path)


def test_a_signal_that_only_lets_vehicles_turn_round_is_a_signal(make_run, tmp_path: Path) -> None:
    """The stop line of a dead end with its own signal is scored like any other."""
    folder = make_run()
    net = tmp_path / "j.net.xml"
    back = '<connection from="E" to="W" fromLane="0" toLane="0" tl="B" linkIndex="0" dir="t"/>'
    phase = '<phase duration="9" state="G"/>'
    program = f'<tlLogic id="B" type="static" programID="0" offset="0">{phase}</tlLogic></net>'
    net.write_text(net.read_text().replace('<junction id="J"', f'{back}<junction id="J"').replace("</net>", program))
    scores = {one.junction: one for one in score_run(folder).junctions}
    assert scores["B"].delay_veh_h == pytest.approx(18 / 3600)
    assert scores["B"].vehicles == 9
