"""Peers on published instances: the same instance, the same mending, the same checker."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cityloop.studies.refuse_peers import available, main, solve_arm

DAY = """280.0 // capacity
400.0 // a day
500 // stops
3600 // lunch
40 // mph
Stop_ID X Y Early Late Service Load Type
0 0 0 0400 1500 0 9999 0
1 50000 0 0000 2400 600 9999 2
2 10000 5000 0000 2400 120 150 1
3 20000 9000 0700 2400 120 150 1
4 30000 -8000 0000 0700 120 90 1
5 -20000 4000 0000 2400 120 120 1
"""


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    path = tmp_path / "102_stop.txt"
    path.write_text(DAY, encoding="utf-8")
    return path


def test_pyvrp_plans_are_mended_and_legal(instance: Path) -> None:
    """What PyVRP does not model is put right, and the separate checker finds no fault."""
    line = solve_arm("pyvrp", instance, 0.2, 1)
    assert line["legal"] is True
    assert line["left_out"] == 0


def test_an_arm_that_is_not_there_is_named(instance: Path) -> None:
    """A name that is no arm is refused with the names that are."""
    result = CliRunner().invoke(main, [str(instance), "--arms", "greedy"])
    assert result.exit_code == 2
    assert "cityloop, pyvrp, ortools, vroom" in result.output


def test_the_projects_own_arms_are_always_there() -> None:
    """PyVRP comes with the project; the others take part where they are installed."""
    assert available("cityloop")
    assert available("pyvrp")
