"""What lamps show between two stages."""

from __future__ import annotations

from cityloop.cities.sumo.transitions import gains, needed_intergreen_s, transition_steps

# Links: 0 through, 1 its left turn, 2 the side street, 3 the crossing of the side street's arm.
STATES = ("GgrG", "Ggrr", "GGrr", "rrGr")
FOES = ((0, 2), (1, 2), (2, 3), (1, 3))


def _junction(junction_of, **changed):
    return junction_of(STATES, **{"clearance_s": {3: 8.0}, "foes": FOES, "passed": (1,)} | changed)


def test_vehicles_keep_their_green_while_the_crossing_beside_them_clears(junction_of):
    """The crossing is red at once and its foe waits 8 s; vehicles lose no more than their own 3 s of yellow."""
    junction = _junction(junction_of)
    assert transition_steps(junction, 0, 0, 3) == (("Ggrr", 5.0), ("yyrr", 3.0))


def test_yellow_and_all_red_end_with_the_crossings_clearance(junction_of):
    """With 2 s of all-red and 2 s more for a hand-back, vehicles lose green in time for both."""
    junction = _junction(junction_of, all_red_s=2.0)
    assert transition_steps(junction, 0, 0, 3) == (("Ggrr", 3.0), ("yyrr", 3.0), ("rrrr", 2.0))
    steps = transition_steps(junction, 0, 0, 3, extra_all_red_s=2.0)
    assert steps == (("Ggrr", 3.0), ("yyrr", 3.0), ("rrrr", 4.0))


def test_what_is_green_in_both_stages_stays_green(junction_of):
    """The through link keeps its green while the left turn waits for the crossing to clear."""
    junction = _junction(junction_of)
    assert transition_steps(junction, 0, 0, 2) == (("Ggrr", 8.0),)


def test_right_of_way_is_given_up_only_at_the_end(junction_of):
    """A link that goes from protected to permissive keeps its protection while others clear."""
    junction = junction_of(("GGr", "Grg", "gGg"), clearance_s={}, foes=((1, 2),))
    assert transition_steps(junction, 0, 0, 1) == (("Gyr", 3.0),)
    assert transition_steps(junction, 0, 0, 2) == ()


def test_a_turn_gives_up_its_right_of_way_a_yellow_and_an_all_red_before_others_are_let_go(junction_of):
    """Link 1 turns across link 2: its arrow ends, its green goes on, and link 2 starts when it would be clear."""
    junction = junction_of(("rGr", "rgG", "GGr"), clearance_s={}, foes=((1, 2),), all_red_s=1.0)
    assert transition_steps(junction, 0, 0, 1) == (("rgr", 4.0),)
    assert transition_steps(junction, 0, 2, 1) == (("ygr", 3.0), ("rgr", 1.0))
    assert transition_steps(junction, 0, 0, 2) == ()


def test_a_change_that_only_adds_green_takes_no_time(junction_of):
    """Nothing has to clear, so nothing is shown in between, whatever all-red is asked for."""
    junction = _junction(junction_of)
    assert transition_steps(junction, 0, 1, 0) == ()
    assert transition_steps(junction, 0, 1, 0, extra_all_red_s=2.0) == ()


def test_all_red_follows_the_yellow(junction_of):
    """The shipped all-red and the extra one both come after the yellow."""
    junction = _junction(junction_of, all_red_s=1.0)
    assert transition_steps(junction, 0, 3, 2, extra_all_red_s=2.0) == (("rryr", 3.0), ("rrrr", 3.0))


def test_each_link_shows_its_own_yellow(junction_of):
    """A link with a longer yellow shows it while the other is red already."""
    junction = junction_of(("GGr", "rrG"), clearance_s={}, foes=((0, 2), (1, 2)))
    junction.assets.links.yellow_s[1] = 5.0
    steps = transition_steps(junction, 0, 0, 1)
    assert steps == (("yyr", 3.0), ("ryr", 2.0))


def test_turning_on_red_goes_on_through_a_change(junction_of):
    """A stop sign shown in both stages stays; one that was green shows yellow, then red."""
    junction = junction_of(("sGr", "srG", "Grr"), clearance_s={}, foes=((1, 2),))
    assert transition_steps(junction, 0, 0, 1) == (("syr", 3.0),)
    assert transition_steps(junction, 0, 2, 0) == (("yrr", 3.0),)


def test_a_table_that_is_too_short_is_not_believed(junction_of):
    """Yellow and clearance are kept even where the intergreen table says less."""
    junction = _junction(junction_of)
    junction.assets.intergreen_s[:] = 0.0
    assert sum(shown_s for _, shown_s in transition_steps(junction, 0, 0, 3)) == 8.0
    assert needed_intergreen_s(junction.assets, 0, "rrGr", "GGrr") == 3.0


def test_protection_is_a_gain():
    """From permissive to protected a link is given more, from protected to permissive less."""
    assert gains("g", "G")
    assert gains("r", "g")
    assert not gains("G", "g")
