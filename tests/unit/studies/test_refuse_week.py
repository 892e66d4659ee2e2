"""A week's plans beside today's practice, from files to a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cityloop.cli.refuse import command


def day(stops: list[str]) -> dict[str, Any]:
    place = {"S0": 1000, "S1": 2000}
    return {
        "travel": {"speed_kmh": 36},
        "depots": [{"id": "D", "x_m": 0, "y_m": 0}],
        "stops": [
            {
                "id": name, "x_m": place[name], "y_m": 0, "volume_m3": 0.5, "service_min": 1, "container_m3": 1.0,
                "fill_m3_per_day": 0.4,
            }
            for name in stops
        ],
        "trucks": [{"id": "T", "volume_m3": 10, "shift_begin": "08:00"}],
    }  # fmt: skip


def drive(stops: list[str]) -> dict[str, Any]:
    """Return a plan that goes out to the farthest stop and back, a minute at each."""
    visits, at, here = [{"kind": "depot", "id": "D", "arrive_s": 28800, "leave_s": 28800}], 28800, 0
    for name in stops:
        there = 1000 if name == "S0" else 2000
        at += abs(there - here) // 10
        visits.append({"kind": "stop", "id": name, "arrive_s": at, "leave_s": at + 60})
        at, here = at + 60, there
    at += here // 10
    visits.append({"kind": "depot", "id": "D", "arrive_s": at, "leave_s": at})
    return {"unit": "km", "distance": 0, "routes": [{"vehicle": "T", "visits": visits}], "left_out": []}


@pytest.fixture
def week(tmp_path: Path) -> Path:
    """Two days: today's practice comes to both containers on both, the plan to each once."""
    days = []
    for number, planned in enumerate((["S1"], ["S0"])):
        case = day(["S0", "S1"])
        plan = drive(planned) | {"left_out": [name for name in ("S0", "S1") if name not in planned]}
        (tmp_path / f"{number}.json").write_text(json.dumps(case))
        (tmp_path / f"{number}.plan.json").write_text(json.dumps(plan))
        (tmp_path / f"{number}.csv").write_text("truck,stop\nT,S0\nT,S1\n")
        days.append({"case": f"{number}.json", "plan": f"{number}.plan.json", "today": f"{number}.csv"})
    path = tmp_path / "week.json"
    path.write_text(json.dumps({"days": days}))
    return path


def test_a_week_is_compared_in_what_a_city_pays_for(week: Path, tmp_path: Path) -> None:
    """Six kilometres against eight, two stops against four, and fuller containers at each of them."""
    out = tmp_path / "figures.json"
    result = CliRunner().invoke(command, ["compare", str(week), "--json", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(out.read_text())
    assert figures["planned"]["km"] == pytest.approx(6.0)
    assert figures["today"]["km"] == pytest.approx(8.0)
    assert (figures["planned"]["stops"], figures["today"]["stops"]) == (2, 4)
    # S1 holds a half on the first day, S0 nine tenths on the second; today's second calls find two fifths.
    assert figures["planned"]["fill_at_stop"] == pytest.approx(0.7)
    assert figures["today"]["fill_at_stop"] == pytest.approx(0.45)
    assert figures["planned"]["fuel_l"] == pytest.approx(6 * 0.45 + 2 * 0.25)
    assert "fill at collection" in result.output


def test_a_practice_that_names_no_stop_of_the_day_is_refused(week: Path, tmp_path: Path) -> None:
    """The message says which line of which file."""
    (tmp_path / "1.csv").write_text("truck,stop\nT,S7\n")
    result = CliRunner().invoke(command, ["compare", str(week)])
    assert result.exit_code != 0
    assert "1.csv, line 2, stop: 'S7', is not one of the case" in str(result.exception)


def test_a_calendar_is_written_and_held_against_what_was_told(tmp_path: Path) -> None:
    """A holiday that comes in after residents were told is listed with what it moves, or refused if it is too near."""
    rounds = tmp_path / "rounds.toml"
    plain = 'notice_days = 14\n[[rounds]]\nname = "A"\nweekday = "thu"\nfirst = "2027-03-04"\n'
    rounds.write_text(plain)
    first = ["calendar", str(rounds), "--from", "2027-03-01", "--to", "2027-03-31"]
    made = CliRunner().invoke(command, [*first, "--out", str(tmp_path / "old")], catch_exceptions=False)
    assert "4 collection days of 1 rounds, 0 moved" in made.output
    rounds.write_text(plain + '[holidays]\ndays = ["2027-03-25"]\n')
    told = ["--told", str(tmp_path / "old" / "calendar.json"), "--out", str(tmp_path / "new"), "--today"]
    again = CliRunner().invoke(command, [*first, *told, "2027-03-01"], catch_exceptions=False)
    assert "A: 2027-03-25 moves to 2027-03-26" in again.output
    late = CliRunner().invoke(command, [*first, *told, "2027-03-20"])
    assert "residents have to be told 14 days ahead" in str(late.exception)
    assert "DTSTART;VALUE=DATE:20270326" in (tmp_path / "new" / "round-1.ics").read_text()
