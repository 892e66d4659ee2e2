"""Inventory routing: stocks never run dry, the bound never exceeds a plan, the replay finds what is not legal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cityloop.kernel.errors import InputError
from cityloop.studies.refuse_inventory import (
    FILES,
    bound_case,
    bound_case_by_rounds,
    deliveries,
    main,
    read_case,
    replay,
    solve_case,
)

SMALL = """5 3 40 2
0 0.0 0.0 100 60 0.30
1 10.0 0.0 10 30 0 10 0.20
2 12.0 0.0 20 30 0 10 0.40
3 0.0 10.0 10 20 0 10 0.10
4 0.0 12.0 20 30 0 10 0.50
"""


def case_file(folder: Path, text: str = SMALL) -> Path:
    path = folder / FILES[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_legal_and_no_cheaper_than_the_bound(tmp_path: Path) -> None:
    """With branching to the end the bound is within a hundredth of what the search finds."""
    case = read_case(case_file(tmp_path))
    solve_case(case, 0.001, 1)
    rounds, _ = solve_case(case, 1.0, 1)
    cost, faults = replay(case, rounds)
    assert faults == []
    assert bound_case(case, 0) <= bound_case(case, 1000) + 1e-6 <= cost + 2e-6
    assert cost <= 1.01 * bound_case(case, 1000)


def test_two_proofs_agree_on_the_least_cost(tmp_path: Path) -> None:
    """The bound by rounds lies between the one by edges less a hundredth and the plan, which both prove the best."""
    case = read_case(case_file(tmp_path))
    solve_case(case, 0.001, 1)
    rounds, _ = solve_case(case, 1.0, 1)
    cost, _ = replay(case, rounds)
    low = bound_case_by_rounds(case, 5.0, rounds, cost)
    assert 0.99 * bound_case(case, 1000) <= low <= cost + 1e-6


def test_halves_of_a_day_are_more_ways_to_deliver(tmp_path: Path) -> None:
    """Every series in whole days' consumption is one in halves too, and there are more of these."""
    case = read_case(case_file(tmp_path))
    whole, halves = deliveries(case, 0), deliveries(case, 0, 2)
    assert {amounts for amounts, _ in whole} < {amounts for amounts, _ in halves}


def test_the_replay_names_what_is_broken(tmp_path: Path) -> None:
    """Without deliveries two customers run dry on the second day; too much at once is named too."""
    case = read_case(case_file(tmp_path))
    _, faults = replay(case, [[], [], []])
    assert "day 1: customer 1 runs dry" in faults
    assert "day 2: customer 2 runs dry" in faults
    _, faults = replay(case, [[[(0, 30), (2, 20)]], [], []])
    told = " ".join(faults)
    assert "a load above 40" in told
    assert "customer 1 holds more than 30" in told


def test_holding_is_counted_from_the_beginning(tmp_path: Path) -> None:
    """Nothing delivered: the supplier holds 100, 160, 220, 280, the customers their stocks."""
    case = read_case(case_file(tmp_path))
    cost, _ = replay(case, [[], [], []])
    customers = 0.2 * (10 + 0 - 10 - 20) + 0.4 * (20 + 10 + 0 - 10) + 0.1 * (10 + 0 - 10 - 20) + 0.5 * 20
    assert cost == pytest.approx(0.3 * (100 + 160 + 220 + 280) + customers)


def test_a_stock_between_days_is_refused(tmp_path: Path) -> None:
    """The options are multiples of a day's consumption, so the stocks have to be."""
    with pytest.raises(InputError, match="multiples of a day's consumption"):
        read_case(case_file(tmp_path, SMALL.replace("1 10.0 0.0 10 30", "1 10.0 0.0 15 30")))


def test_the_list_has_forty_files_of_every_size(tmp_path: Path) -> None:
    """Every size four times, no file twice; the study prints the gap of those asked for."""
    assert len(set(FILES)) == 40
    case_file(tmp_path)
    result = CliRunner().invoke(
        main, [str(tmp_path), "--first", "1", "--seconds", "0.2", "--bound-nodes", "50", "--bound-seconds", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "1 instances, 1 legal, mean gap to the bound" in result.output
