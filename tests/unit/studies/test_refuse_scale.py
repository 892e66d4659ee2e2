"""Size and speed: a breakdown moves few stops, a large day is planned in parts and can be stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cityloop.domains.refuse.checker import check_plan
from cityloop.studies import refuse_large
from cityloop.studies.refuse_bench import Budget, solve_case
from cityloop.studies.refuse_large import solve_large
from cityloop.studies.refuse_scale import bench_row, breakdowns, drawn_day


def test_a_breakdown_leaves_most_stops_where_they_are() -> None:
    """The new plan is legal, and few of the other trucks' stops change trucks."""
    case = drawn_day(400, 1)
    solved = solve_case(case, Budget(0, 1), progress=lambda: lambda iteration: iteration / 1000)
    found = breakdowns(case, solved.plan, 2, lambda: lambda iteration: iteration / 100, 1, open_stops=300)
    assert all(one.legal for one in found)
    assert all(one.open_stops <= 300 for one in found)
    assert max(one.moved_frac for one in found) <= 0.05


def test_a_day_in_parts_is_legal_and_tells_its_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Districts are planned side by side, groups of rounds anew; stopped early, the best so far is handed out."""
    monkeypatch.setattr(refuse_large, "PART_MOST", 150)
    case = drawn_day(400, 2)
    lines: list[str] = []
    solved = solve_large(case, Budget(60.0, 1), lines.append, lambda: len(lines) > 3)
    assert check_plan(case, solved.plan).legal
    assert solved.report.stops + len(solved.plan.left_out) == 400
    assert "districts planned" in lines[0]
    assert " km, " in lines[-1]
    assert solved.wall_s < 600


def test_the_row_writes_its_figures(tmp_path: Path) -> None:
    """Every truck breaks down once; the figures are the worst of them."""
    out = tmp_path / "row.json"
    figures = bench_row("breakdown", 330, Budget(1.0, 1), out, None, lambda text: None)
    assert json.loads(out.read_text(encoding="utf-8")) == figures
    assert figures["breakdowns"] == 2
    assert figures["legal"] is True


def test_the_same_seed_draws_the_same_day() -> None:
    """Days are drawn from their seed alone."""
    np.testing.assert_array_equal(drawn_day(50, 4).stops.x_m, drawn_day(50, 4).stops.x_m)
    assert not np.array_equal(drawn_day(50, 4).stops.x_m, drawn_day(50, 5).stops.x_m)
