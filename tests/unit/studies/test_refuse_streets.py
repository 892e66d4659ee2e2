"""Kerbside studies: the separate walk along streets agrees with the planner and names what is not legal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cityloop.methods.arc_routing import bound, plan_cost
from cityloop.methods.vrp_search import SearchParams, improve
from cityloop.studies.refuse_kerbside import main
from cityloop.studies.refuse_street_check import Leg, rounds_of, walk
from cityloop.studies.refuse_streets import carp_case, round_case

SQUARE = """NOMBRE : square
CAPACIDAD : 2
LISTA_ARISTAS_REQ :
 ( 1, 2)  coste 10 demanda 1
 ( 2, 3)  coste 10 demanda 1
 ( 3, 4)  coste 10 demanda 1
 ( 4, 1)  coste 10 demanda 1
LISTA_ARISTAS_NOREQ :
 ( 1, 3)  coste 5
 DEPOSITO :   1
"""
CORNER = """NAME\tcorner
CAPACITY\t1\t1
DUMPING_COST\t100
MAX_DURATION\t36000
DEPOT\t1
DUMPING_SITES\t4
TURN_PENALTY\t0\t5\t9\t40
LIST_REQ_EDGES :
2\t3\t20\t10\t0.6\t0.6\t0 0,0 100
LIST_NOREQ_EDGES :
1\t2\t0\t10\t0\t0\t0 -100,0 0
5\t4\t0\t10\t0\t0\t100 100,200 100
2\t5\t0\t10\t0\t0\t0 0,100 100
LIST_REQ_ARCS :
3\t5\t20\t10\t0.6\t0.6\t0 100,100 100
LIST_NOREQ_ARCS :
"""


@pytest.fixture
def square(tmp_path: Path) -> Path:
    path = tmp_path / "square.dat"
    path.write_text(SQUARE, encoding="utf-8")
    return path


@pytest.fixture
def corner(tmp_path: Path) -> Path:
    path = tmp_path / "corner.txt"
    path.write_text(CORNER, encoding="utf-8")
    return path


def test_the_walk_costs_what_the_planner_says(square: Path) -> None:
    """Two rounds over a square with a short cut: 10 + 10 + 5 each."""
    case = carp_case(square)
    given = case.problem(2)
    plan = improve(given, (), lambda i: i / 500, np.random.default_rng(1), SearchParams(block=100))
    assert walk(case, rounds_of(given, plan.routes)) == (50.0, [])
    assert plan_cost(given, plan) == 50
    assert bound(given) <= 50


def test_the_walk_names_what_is_missing_and_what_is_too_heavy(square: Path) -> None:
    """Three streets in one round are above the capacity; the fourth is not served."""
    cost, faults = walk(carp_case(square), [[Leg(street=0), Leg(street=1), Leg(street=2)]])
    assert cost == 40.0
    assert faults == ["round 0: load [3], [2] at the most", "street 3: served 0 times"]


def test_the_walk_counts_turns_and_tips(corner: Path) -> None:
    """Two streets that do not fit one load: the walk adds up the same turns and visits to the tip as the planner."""
    case = round_case(corner)
    given = case.problem(1)
    plan = improve(given, (), lambda i: i / 500, np.random.default_rng(1), SearchParams(block=100))
    cost, faults = walk(case, rounds_of(given, plan.routes))
    assert faults == []
    assert cost == pytest.approx(plan_cost(given, plan) / case.scale, abs=0.01)
    assert cost >= bound(given) / case.scale


def test_a_street_with_one_direction_is_not_served_against_it(corner: Path) -> None:
    """A leg against the one direction of a street is named."""
    case = round_case(corner)
    case = replace(case, tasks=replace(case.tasks, both_ways=np.zeros(2, bool)))
    _, faults = walk(case, [[Leg(street=0, against=True), Leg(tip=0), Leg(street=1), Leg(tip=0)]])
    assert faults == ["round 0: street 0 is served against its direction"]


def test_the_study_prints_a_line_an_instance_and_one_a_set(square: Path, tmp_path: Path) -> None:
    """Instances of a set are found by the beginning of their names."""
    square.rename(tmp_path / "gdb1.dat")
    out = tmp_path / "lines.jsonl"
    result = CliRunner().invoke(main, [str(tmp_path), "--sets", "gdb", "--seconds", "0.05", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text(encoding="utf-8"))["legal"] is True
    assert "gdb: 1 instances" in result.output
