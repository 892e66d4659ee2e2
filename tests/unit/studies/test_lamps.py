"""The separate checker of lamps, on a junction small enough to check by hand.

Links 0 and 1 are vehicle streams that cross; link 2 is a crossing of 8 m over the road of link 1. The
shipped program shows link 0, then link 1, then the Walk, with 3 s of yellow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cityloop.kernel.errors import LayoutError, StoreError
from cityloop.studies.lamps import LampReport, check_lamps

NET = """<net>
<edge id=":J_c0" function="crossing"><lane id=":J_c0_0" length="8.00"/></edge>
<connection from="W" to="E" fromLane="0" toLane="0" via=":J_0_0" tl="J" linkIndex="0" dir="s"/>
<connection from="S" to="N" fromLane="0" toLane="0" via=":J_1_0" tl="J" linkIndex="1" dir="l"/>
<connection from=":J_1" to="N" fromLane="0" toLane="0" via=":J_3_0" dir="l"/>
<connection from=":J_w0" to=":J_c0" fromLane="0" toLane="0" tl="J" linkIndex="2" dir="s"/>
<junction id="J" intLanes=":J_0_0 :J_3_0 :J_c0_0">
<request index="0" foes="010"/><request index="1" foes="101"/><request index="2" foes="010"/>
</junction>
<tlLogic id="J" type="static" programID="0" offset="0">
<phase duration="20" state="Grr"/><phase duration="3" state="yrr"/><phase duration="20" state="rGr"/>
<phase duration="3" state="ryr"/><phase duration="10" state="rrG"/><phase duration="8" state="rrr"/>
</tlLogic></net>"""


@pytest.fixture
def check(tmp_path: Path):
    """Check a sequence of (state, seconds) after a first state that began at an unknown time."""
    net = tmp_path / "j.net.xml"
    net.write_text(NET)

    def run(*spans: tuple[str, int]) -> LampReport:
        lines, at_s = [], 0
        for state, held_s in spans:
            for _ in range(held_s):
                lines.append(f'<tlsState time="{at_s}.00" id="J" state="{state}"/>')
                at_s += 1
        states = tmp_path / "tls_states.xml"
        states.write_text(f"<tlsStates>{''.join(lines)}</tlsStates>")
        return check_lamps(net, states)

    return run


GOOD = [("Grr", 9), ("yrr", 3), ("rGr", 12), ("ryr", 3), ("rrG", 6), ("rrr", 8)]


def test_the_shipped_program_is_safe(check) -> None:
    """Two rounds as shipped break nothing, and every kind had its opportunities."""
    found = check(*GOOD, *GOOD, ("Grr", 1))
    assert found.unsafe == 0
    assert {kind: one.opportunities for kind, one in found.kinds.items()} == {
        "conflicting greens": 6,
        "green to red without yellow": 4,
        "short yellow": 4,
        "short green": 3,
        "cut crossing clearance": 1,
        "short walk": 2,
    }


def test_conflicting_greens_are_seen_and_timed(check) -> None:
    """Two protected greens on crossing streams are one conflict, however long it lasts."""
    found = check(*GOOD, ("GGr", 6), ("yyr", 3), ("rrr", 2))
    assert found.kinds["conflicting greens"].violations == 1
    assert found.conflict_s == 6


def test_a_walk_beside_its_foe_is_a_conflict(check) -> None:
    """A crossing's green beside protected green over it is a conflict; beside a yielding green it is none."""
    assert check(("rrr", 2), ("rGG", 9), ("rrr", 9)).kinds["conflicting greens"].violations == 1
    assert check(("rrr", 2), ("rgG", 9), ("rrr", 9)).kinds["conflicting greens"].violations == 0


def test_a_pair_that_the_shipped_program_shows_is_not_counted(tmp_path: Path) -> None:
    """Foes that a shipped phase itself shows protected together are the city's own choice."""
    net, states = tmp_path / "j.net.xml", tmp_path / "s.xml"
    net.write_text(NET.replace('state="Grr"', 'state="GGr"'))
    states.write_text('<t><tlsState time="0" id="J" state="rrr"/><tlsState time="1" id="J" state="GGr"/></t>')
    assert check_lamps(net, states).kinds["conflicting greens"].violations == 0


@pytest.mark.parametrize(
    ("spans", "kind"),
    [
        ([("rrr", 2), ("Grr", 4), ("yrr", 3), ("rrr", 2)], "short green"),
        ([("rrr", 2), ("Grr", 9), ("yrr", 2), ("rrr", 2)], "short yellow"),
        ([("rrr", 2), ("Grr", 9), ("rrr", 2)], "green to red without yellow"),
        ([("rrr", 2), ("rrG", 4), ("rrr", 9)], "short walk"),
        ([("rrr", 2), ("rrG", 6), ("rrr", 7), ("rGr", 9)], "cut crossing clearance"),
    ],
)
def test_each_kind_is_found_alone(check, spans: list[tuple[str, int]], kind: str) -> None:
    """A sequence with one fault is charged with that fault and nothing else."""
    found = check(*spans)
    assert {name for name, one in found.kinds.items() if one.violations} == {kind}
    assert found.kinds[kind].examples


def test_a_turn_that_waits_inside_the_junction_is_a_foe_of_the_crossing(check) -> None:
    """Link 1 reaches the crossing by a second internal lane, and still owes it its clearance."""
    assert check(("rrG", 6), ("rrr", 8), ("rGr", 6)).kinds["cut crossing clearance"].opportunities == 1


def test_green_without_priority_continues_the_same_green(check) -> None:
    """From G to g and back is one green: its length is the sum."""
    found = check(("rrr", 2), ("grr", 3), ("Grr", 3), ("yrr", 3), ("rrr", 1))
    assert found.kinds["short green"].violations == 0


def test_a_span_that_began_before_the_recording_is_not_judged(check) -> None:
    """Two seconds seen of a green that was under way say nothing of its length."""
    found = check(("Grr", 2), ("yrr", 3), ("rrr", 1))
    assert found.kinds["short green"].opportunities == 0


def test_longest_reds_of_vehicles_and_crossings_are_apart(check) -> None:
    """Link 0 is red from 12 s to 41 s; the crossing from 0 s to 27 s, and again to the end."""
    found = check(*GOOD, ("Grr", 5))
    assert (found.longest_red["J"].link, found.longest_red["J"].red_s, found.longest_red["J"].ended) == (
        0,
        29,
        True,
    )
    assert found.longest_crossing_red["J"].red_s == 27


def test_the_wait_of_a_random_arrival_has_a_closed_form(check) -> None:
    """Red for 30 s of every 40 s: a random arrival waits 30 * 30 / (2 * 40) seconds."""
    found = check(*[("rrr", 30), ("rrG", 10)] * 5, ("rrr", 1))
    assert found.crossing_wait_s == pytest.approx(30 * 30 / (2 * 40))


def test_a_file_that_ends_in_the_middle_is_refused(tmp_path: Path) -> None:
    """Half a record is no record."""
    net, states = tmp_path / "j.net.xml", tmp_path / "s.xml"
    net.write_text(NET)
    states.write_text('<t><tlsState time="0" id="J" sta')
    with pytest.raises(StoreError, match="ends early or is damaged"):
        check_lamps(net, states)
    with pytest.raises(LayoutError, match="cannot be read"):
        check_lamps(tmp_path / "none.net.xml", states)
