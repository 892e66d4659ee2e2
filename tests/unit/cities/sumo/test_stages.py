"""Stages, yellows and intergreens out of shipped programs written down here."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.cities.sumo.netfile import Phase, Program
from cityloop.cities.sumo.stages import DEFAULT_YELLOW_S, intergreens, stage_table

NO_CROSSING = np.zeros(2, np.bool_)


def program(*phases: tuple[str, float]) -> Program:
    """A static program of states and durations."""
    return Program("C", "0", "static", 0.0, tuple(Phase(state, d, d, d) for state, d in phases))


def test_a_stage_is_a_distinct_green_image_in_shipped_order():
    """Yellow and all-red phases are no stages; an image shown twice is one stage with its longest green."""
    table = stage_table(program(("Gr", 20), ("yr", 3), ("rr", 2), ("rG", 15), ("ry", 3), ("Gr", 30)), NO_CROSSING)
    assert table.states == ("Gr", "rG")
    assert table.green_s == (30, 15)
    assert table.service == (True, True)


def test_the_longest_green_of_an_actuated_phase_is_its_most():
    """Where a phase may last from 5 to 40 s the green is 40 s."""
    actuated = Program(
        "C", "0", "actuated", 0.0, (Phase("Gr", 10, 5, 40), Phase("yr", 3, 3, 3), Phase("rG", 10, 5, 25))
    )
    assert stage_table(actuated, NO_CROSSING).green_s == (40, 25)


def test_a_short_image_that_adds_nothing_is_passed_through():
    """Five seconds of one link's green that the longer stage shows too clear the others; nobody is served by it."""
    table = stage_table(program(("GG", 30), ("Gr", 5), ("yr", 3), ("rG", 9)), NO_CROSSING)
    assert table.states == ("GG", "Gr", "rG")
    assert table.service == (True, False, True)


def test_a_short_image_that_serves_somebody_alone_is_a_stage():
    """A protected turn of 5 s is better than its permissive green elsewhere, so it serves."""
    table = stage_table(program(("Gg", 30), ("rG", 5)), NO_CROSSING)
    assert table.service == (True, True)


def test_every_link_that_is_ever_green_is_so_in_a_stage_that_serves():
    """Two equal short images do not cover one another away."""
    table = stage_table(program(("Gr", 5), ("rr", 2), ("rG", 5)), NO_CROSSING)
    assert table.service == (True, True)


def test_yellows_and_all_red_are_as_shipped():
    """The longest yellow of each link, whole seconds, and the red phase after it."""
    table = stage_table(program(("Gr", 20), ("yr", 3.5), ("rr", 2), ("rG", 15), ("ry", 4), ("rr", 1)), NO_CROSSING)
    assert table.yellow_s.tolist() == [4.0, 4.0]
    assert table.all_red_s == 2.0


def test_a_green_taken_without_yellow_gets_the_default():
    """A link without a shipped yellow is given 3 s; a crossing has none at all."""
    crossing = np.array([False, True])
    table = stage_table(program(("GG", 20), ("rr", 2)), crossing)
    assert table.yellow_s.tolist() == [DEFAULT_YELLOW_S, 0.0]
    assert table.all_red_s == 0.0


def test_a_program_of_greens_beside_yellows_alone_still_has_stages():
    """Where no phase is plain green its greens are taken without the yellow."""
    table = stage_table(program(("Gy", 20), ("yG", 20)), NO_CROSSING)
    assert table.states == ("Gr", "rG")


@pytest.mark.parametrize(
    ("states", "expected_s"),
    [
        # Vehicle green lost: its own yellow (3 or 4 s) and the all-red.
        (("Grr", "rGr"), 5.0),
        (("rGr", "Grr"), 6.0),
        # Nothing lost, nothing to wait for.
        (("Grr", "GGr"), 0.0),
        # A Walk lost to its foe: the time to clear the crossing.
        (("rrG", "Grr"), 12.0),
        # A Walk lost to somebody who does not cross it.
        (("rrG", "rGr"), 0.0),
        # A foe that was green beside the Walk already, and stays so, need not wait.
        (("grG", "grr"), 0.0),
        # One that gains the right of way over the crossing must.
        (("grG", "Grr"), 12.0),
        # Link 1 stays green, and from now on yields to link 0, which is let go: a yellow of 4 s and the all-red.
        (("rGr", "Ggr"), 6.0),
        # It yields to nobody new.
        (("GGr", "Ggr"), 0.0),
    ],
)
def test_intergreens(states, expected_s):
    """From leaving a stage to the first new green, by who loses what to whom; 0 drives over crossing 2."""
    foe = np.zeros((3, 3), np.bool_)
    foe[0, 2] = foe[2, 0] = True
    yields = np.zeros((3, 3), np.bool_)
    yields[1, 0] = True
    table = intergreens(
        states, np.array([3.0, 4.0, 0.0]), 2.0, np.array([0.0, 0.0, 11.3]), np.array([False, False, True]), foe, yields
    )
    assert table[0, 1] == expected_s
    assert table[0, 0] == table[1, 1] == 0.0
