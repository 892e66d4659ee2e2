"""Right of way at a crossing, read from a network written by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from cityloop.cities.sumo.crossings import Crossing, read_sites
from cityloop.kernel.errors import LayoutError

NET = """<net{lefthand}>
  <edge id="a"><lane id="a_0" index="0" speed="13.89" length="90"/></edge>
  <edge id="b"><lane id="b_0" index="0" speed="8.33" length="90"/></edge>
  <edge id=":J_0" function="internal"><lane id=":J_0_0" index="0" speed="9" length="7"/></edge>
  <edge id=":J_1" function="internal"><lane id=":J_1_0" index="0" speed="9" length="6"/></edge>
  <edge id=":J_3" function="internal"><lane id=":J_3_0" index="0" speed="5" length="8"/></edge>
  <edge id=":J_c0" function="crossing" crossingEdges="{across}">
    <lane id=":J_c0_0" index="0" speed="2.78" length="6.4"/>
  </edge>
  <edge id=":J_w0" function="walkingarea"><lane id=":J_w0_0" index="0" speed="2.78" length="3"/></edge>
  <tlLogic id="J" type="static" programID="0" offset="0"><phase duration="9" state="GGr"/></tlLogic>
  <junction id="J" type="traffic_light" intLanes=":J_0_0 :J_3_0 :J_c0_0">
    <request index="0" response="{response0}" foes="{foes}"/>
    <request index="1" response="100" foes="{foes}"/>
    <request index="2" response="000" foes="011"/>
  </junction>
  <connection from="a" to="out" fromLane="0" toLane="0" via=":J_0_0" tl="J" linkIndex="0" dir="{turn0}"/>
  <connection from="b" to="out" fromLane="0" toLane="0" via=":J_1_0" tl="J" linkIndex="1" dir="l"/>
  <connection from=":J_1" to="out" fromLane="0" toLane="0" via=":J_3_0" dir="l"/>
  <connection from=":J_w0" to=":J_c0" fromLane="0" toLane="0" tl="J" linkIndex="2" dir="s"/>
</net>"""


def read(
    *, across: str = "out", turn0: str = "r", response0: str = "100", foes: str = "100", lefthand: str = ""
) -> Crossing:
    """Read the one crossing of the one signal."""
    text = NET.format(across=across, turn0=turn0, response0=response0, foes=foes, lefthand=lefthand)
    return read_sites(ET.fromstring(text))["J"].crossings[0]


def test_turns_that_leave_over_a_crossing_are_told_near_from_far():
    """Driving on the right, a right turn is near and a left turn far."""
    crossing = read()
    assert (crossing.turns_near, crossing.turns_far) == ({0}, {1})
    assert (crossing.index, crossing.length_m) == (2, 6.4)


def test_driving_on_the_left_swaps_near_and_far():
    """There a left turn hugs the kerb."""
    crossing = read(lefthand=' lefthand="true"')
    assert (crossing.turns_near, crossing.turns_far) == ({1}, {0})


def test_straight_traffic_over_a_crossing_is_no_turn():
    """It is a foe that may never have green with the Walk."""
    crossing = read(turn0="s")
    assert crossing.foes == {0, 1}
    assert crossing.turns_near == frozenset()


def test_a_turn_off_a_crossing_of_its_own_arm_does_not_count_as_yielding():
    """It would start over the crossing, at speed from its stop line."""
    assert read(across="a out").turns_near == frozenset()


def test_a_turn_that_the_right_of_way_does_not_hold_back_is_no_yielding_turn():
    """Without the response bit SUMO would let it drive into people."""
    crossing = read(response0="000")
    assert crossing.turns_near == frozenset()
    assert crossing.yields == {1}


def test_one_side_s_word_makes_a_foe():
    """A conflict that only one of the two rows names is one."""
    assert read(foes="000").foes == {0, 1}


def test_a_way_that_waits_inside_the_junction_is_measured_to_its_end():
    """Its length is the sum of both parts, its speed the lower."""
    text = NET.format(across="out", turn0="r", response0="100", foes="100", lefthand="")
    link = read_sites(ET.fromstring(text))["J"].links[1]
    assert (link.path_m, link.path_mps, link.approach_mps) == (14.0, 5.0, 8.33)


def test_a_crossing_without_right_of_way_is_refused():
    """The message names the crossing and the fix."""
    text = NET.format(across="out", turn0="r", response0="100", foes="100", lefthand="")
    with pytest.raises(LayoutError, match=r"':J_c0' has no right of way"):
        read_sites(ET.fromstring(text.replace(" :J_c0_0", "")))
