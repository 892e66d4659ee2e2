"""Kerbside rounds of a user's own streets, from the file to the round book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cityloop.cli.refuse import command
from cityloop.kernel.errors import InputError
from cityloop.studies.refuse_street_file import read_streets


def quarter() -> dict[str, Any]:
    """Return a ring of four streets of 360 m at 36 km/h, yard and tip at its corner A; turns cost nothing."""
    spots = {"A": (0, 0), "B": (360, 0), "C": (360, 360), "D": (0, 360)}
    return {
        "speed_kmh": 36,
        "household_s": 10,
        "assisted_s": 60,
        "nodes": [{"id": name, "x_m": x, "y_m": y} for name, (x, y) in spots.items()],
        "streets": [
            {"id": a + b, "from": a, "to": b, "households": 6, "assisted": 1, "m3": 2, "kg": 300}
            for a, b in ("AB", "BC", "CD", "DA")
        ],
        "depot": "A",
        "tips": [{"id": "tip", "node": "A", "service_min": 5}],
        "trucks": {"count": 2, "volume_m3": 10, "payload_kg": 5000, "shift_begin": "06:00", "shift_end": "14:00"},
        "turns": {"right_s": 0, "left_s": 0, "back_s": 0},
    }


def run(raw: dict[str, Any], folder: Path, *more: str) -> dict[str, Any]:
    path, out = folder / "north.json", folder / "rounds.json"
    path.write_text(json.dumps(raw))
    arguments = ["kerbside", str(path), "--iterations", "200", "--out", str(out), *more]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_a_ring_is_one_round_of_its_services_and_one_tip(tmp_path: Path) -> None:
    """Four streets of 36 s of driving, 60 s of households and a minute of assistance, and five minutes at the tip."""
    found = run(quarter(), tmp_path)
    seconds = 4 * (36 + 60 + 60) + 300
    assert found["hours"] == pytest.approx(seconds / 3600, abs=1e-3)
    assert found["bound_hours"] == pytest.approx(seconds / 3600, abs=1e-3)
    (only,) = found["rounds"]
    assert only["begin_s"] == 6 * 3600
    assert only["end_s"] == pytest.approx(6 * 3600 + seconds, abs=1)
    assert [visit["kind"] for visit in only["visits"]] == ["street"] * 4 + ["tip"]
    page = (tmp_path / "rounds.html").read_text()
    assert "Round 1, 06:00 to 06:15" in page
    lines = json.loads((tmp_path / "rounds.geojson").read_text())["features"]
    assert {line["properties"]["id"] for line in lines} == {"AB", "BC", "CD", "DA"}


def test_what_cannot_be_served_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """A street that no road leads to and one that takes longer than a shift are named, the rest is planned."""
    raw = quarter()
    raw["nodes"] += [{"id": "X", "x_m": 5000, "y_m": 0}, {"id": "Y", "x_m": 5300, "y_m": 0}]
    raw["streets"] += [
        {"id": "island", "from": "X", "to": "Y", "households": 1},
        {"id": "long", "from": "A", "to": "C", "households": 5000},
    ]
    found = run(raw, tmp_path)
    assert sorted(found["left_out"]) == ["island", "long"]
    assert any("island, roads: no way leads there" in line for line in found["reasons"])
    assert any("long, shift: alone" in line and "a shift has 8.0" in line for line in found["reasons"])
    assert sum(visit["kind"] == "street" for each in found["rounds"] for visit in each["visits"]) == 4


def test_each_side_is_a_pass_of_its_own_and_days_are_kept_apart() -> None:
    """A wide street is driven once in each direction with half of its load; another day's streets are not there."""
    raw = quarter()
    raw["streets"][0] |= {"sides": "each"}
    raw["streets"][1] |= {"day": "tue"}
    book = read_streets(raw, "north.json", "mon")
    assert book.street_ids == ("AB", "AB", "CD", "DA")
    assert book.case.tasks.both_ways.tolist() == [False, False, True, True]
    assert book.case.tasks.demand[:2].tolist() == [[1000, 150], [1000, 150]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"from": "Q"}, r"streets\[0\] \(AB\)\.from: 'Q', must be the id of a node"),
        ({"sides": "both"}, r"\.sides: 'both', must be either"),
        ({"m3": 99}, r"street AB\.m3: 99, a truck holds 10; split"),
        ({"day": "monday"}, r"\.day: 'monday', must be one of mon"),
        ({"households": -1}, r"\.households: -1, must be 0 or more"),
        ({"id": "BC"}, r"needs an id of its own"),
    ],
)
def test_a_wrong_street_is_named(change: dict[str, Any], told: str) -> None:
    """A complaint names file, street and key, and what would do."""
    raw = quarter()
    raw["streets"][0] |= change
    with pytest.raises(InputError, match=told):
        read_streets(raw, "north.json", None)
