"""Programs for SUMO made of plans: the shipped one kept where it is sound, mended where it is not."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from cityloop.cities.sumo.netfile import Program
from cityloop.cities.sumo.network import Network, read_network
from cityloop.cities.sumo.programs import (
    Phase,
    actuated_plan,
    cycle_s,
    fixed_plan,
    program_phases,
    with_cycle,
    write_programs,
)
from cityloop.cities.sumo.shipped import faults, is_sound
from cityloop.cities.sumo.sumo_tools import run_binary
from cityloop.domains.signals.schema import LinkKind, Plan, PlanStage
from cityloop.kernel.errors import ConfigError

TOWN = [
    "--grid",
    "--grid.x-number",
    "2",
    "--grid.y-number",
    "1",
    "--grid.length",
    "120",
    "--grid.attach-length",
    "120",
]
SIGNALS = [
    "--default.lanenumber",
    "2",
    "--default-junction-type",
    "traffic_light",
    "--no-turnarounds",
    "true",
]


@pytest.fixture(scope="module")
def town_file(tmp_path_factory) -> Path:
    """Two signals without crossings, whose shipped programs are sound."""
    path = tmp_path_factory.mktemp("town") / "town.net.xml"
    run_binary("netgenerate", [*TOWN, *SIGNALS, "-o", str(path)])
    return path


@pytest.fixture(scope="module")
def town(town_file) -> Network:
    """The town, read."""
    return read_network(town_file)


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> Network:
    """The same with crossings, which the shipped programs give too little time to clear."""
    path = tmp_path_factory.mktemp("walked") / "walked.net.xml"
    foot = ["--sidewalks.guess", "true", "--crossings.guess", "true"]
    run_binary("netgenerate", [*TOWN, *SIGNALS, *foot, "-o", str(path)])
    return read_network(path)


def shown_each_second(phases: tuple[Phase, ...], cycles: int = 3) -> list[str]:
    """Return the lamps of every second of some cycles."""
    return [p.state for _ in range(cycles) for p in phases for _ in range(round(p.duration_s))]


def lamp_faults(network: Network, row: int, phases: tuple[Phase, ...]) -> list[str]:
    """Watch the lamps alone: yellow, least greens, and crossings cleared before their foes go."""
    assets, seconds = network.assets, shown_each_second(phases)
    begin, end = int(assets.controllers.link_begin[row]), int(assets.controllers.link_end[row])
    size, first = end - begin, int(assets.controllers.matrix_begin[row])
    found = []
    for link in range(size):
        lamps = "".join(state[link] for state in seconds).replace("G", "g").replace("s", "r")
        crossing = assets.links.kind[begin + link] == LinkKind.CROSSING
        if not crossing and "gr" in lamps:
            found.append(f"{link} loses green without yellow")
        runs = lamps.replace("r", " ").replace("y", " ").split()[1:-1]
        if any(len(run) < 5 for run in runs):
            found.append(f"{link} has a short green")
        yellows = lamps.replace("r", " ").replace("g", " ").split()[1:-1]
        if any(len(run) < 3 for run in yellows):
            found.append(f"{link} has a short yellow")
        foes = [k for k in range(size) if assets.matrices.foe[first + link * size + k]]
        for t in range(1, len(seconds)):
            if not crossing or not (lamps[t - 1] == "g" and lamps[t] != "g"):
                continue
            waits = seconds[t : t + int(assets.links.clearance_s[begin + link])]
            if any(state[k] == "G" for state in waits for k in foes):
                found.append(f"{link} is cut off at {t} s")
    return found


def test_a_sound_shipped_program_is_kept_phase_for_phase(town):
    """Fixed shows what the shipped program shows, where nothing needs mending."""
    for row, plan in enumerate(fixed_plan(town)):
        assert is_sound(town, row)
        shipped = [(p.state, p.duration_s) for p in town.programs[row].phases]
        assert [(p.state, p.duration_s) for p in program_phases(town, row, plan)] == shipped


def test_a_crossing_cut_short_is_mended_within_the_shipped_cycle(walked):
    """Clearances that the shipped program lacks are given, and the cycle stays what neighbours count on."""
    for row, plan in enumerate(fixed_plan(walked)):
        assert any("crossing" in fault for fault in faults(walked, row))
        assert lamp_faults(walked, row, program_phases(walked, row, plan)) == []
        assert cycle_s(walked, row, plan) == sum(p.duration_s for p in walked.programs[row].phases)


def test_any_order_of_stages_is_shown_safely(walked):
    """Stages backwards, each at its least green, still give yellows, greens and clearances."""
    for row, plan in enumerate(fixed_plan(walked)):
        backwards = tuple(PlanStage(s.stage, s.min_green_s, s.min_green_s) for s in reversed(plan.stages))
        phases = program_phases(walked, row, msgspec.structs.replace(plan, stages=backwards))
        assert lamp_faults(walked, row, phases) == []


@pytest.mark.parametrize("actuated", [True, False])
def test_a_crossing_that_ended_before_the_last_stage_is_clear_before_the_next(junction_of, actuated):
    """Crossing 3 needs 20 s; whoever drives over it starts two changes of 3 s later, so the 5 s between become 14."""
    made = junction_of(("GrrG", "rGrr", "rrGr"), clearance_s={3: 20.0}, foes=((0, 1), (0, 2), (1, 2), (2, 3)))
    network = SimpleNamespace(
        assets=made.assets,
        stage_states=made.stage_states,
        tls_ids=("J",),
        programs=(Program("J", "0", "static", 0, ()),),
    )
    stages = tuple(PlanStage(stage, 5.0, 5.0, 3.0) for stage in range(3))
    phases = program_phases(network, 0, Plan("J", stages, 0.0, actuated=actuated))
    assert [(phase.state, phase.min_s) for phase in phases if phase.green] == [("GrrG", 5), ("rGrr", 14), ("rrGr", 5)]
    assert all(phase.max_s >= phase.min_s for phase in phases)


def test_actuated_greens_keep_shipped_bounds_or_5_to_50_s(town):
    """A static shipped program names no bounds, so greens last 5 to 50 s with a gap of 3 s."""
    for plan in actuated_plan(town):
        assert plan.actuated
        assert {(s.min_green_s, s.green_s, s.gap_s) for s in plan.stages} == {(5.0, 50.0, 3.0)}


@pytest.mark.parametrize("wanted_s", [60.0, 90.0, 121.0])
def test_a_plan_takes_the_cycle_asked_for(walked, wanted_s):
    """Greens and what lies between them add up to the cycle, each green at or above its least."""
    for row, plan in enumerate(fixed_plan(walked)):
        changed = with_cycle(walked, row, plan, wanted_s)
        assert cycle_s(walked, row, changed) == pytest.approx(wanted_s)
        assert all(s.green_s >= s.min_green_s for s in changed.stages)


def test_the_file_holds_a_program_for_every_plan(town, tmp_path):
    """A fixed plan becomes a static program, an actuated one carries its bounds and its gap."""
    path = tmp_path / "programs.add.xml"
    first, second = fixed_plan(town)[0], actuated_plan(town)[1]
    write_programs(town, [msgspec.structs.replace(first, offset_s=7.0), second], path)
    static, actuated = ET.parse(path).getroot().findall("tlLogic")
    assert (static.get("type"), static.get("offset"), static.find("param")) == ("static", "7", None)
    assert actuated.get("type") == "actuated"
    assert actuated.find("param").attrib == {"key": "max-gap", "value": "3"}
    assert {(p.get("minDur"), p.get("maxDur")) for p in actuated.iter("phase")} == {("5", "50"), (None, None)}


def broken(plan: Plan, **stage: float) -> Plan:
    """Return a plan whose first stage is changed."""
    first = msgspec.structs.replace(plan.stages[0], **stage)
    return msgspec.structs.replace(plan, stages=(first, *plan.stages[1:]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda plan: msgspec.structs.replace(plan, junction="Z9"), "'Z9'.*no such signal"),
        (lambda plan: msgspec.structs.replace(plan, stages=()), "no stages"),
        (lambda plan: broken(plan, stage=40), "stage 40, must be 0 to"),
        (lambda plan: broken(plan, green_s=4.0), "green 4 s, must be 5 s or more"),
        (lambda plan: msgspec.structs.replace(plan, stages=plan.stages[:1]), "never green"),
        (lambda plan: msgspec.structs.replace(plan, actuated=True), "one gap above 0"),
    ],
)
def test_a_plan_that_cannot_be_shown_is_refused_in_one_line(town, tmp_path, make, words):
    """The message names the junction, the value and the bound, and nothing is written."""
    path = tmp_path / "programs.add.xml"
    with pytest.raises(ConfigError, match=words) as caught:
        write_programs(town, [make(fixed_plan(town)[0])], path)
    assert "\n" not in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("begin_s", [0.0, 37.0, 25_211.0])
@pytest.mark.parametrize("offset_s", [0.0, 19.0, 44.0])
def test_no_run_begins_within_a_change(walked, tmp_path, begin_s, offset_s):
    """Whatever begin and offset, the first instant lies in a green that lasts its least from there."""
    path = tmp_path / "programs.add.xml"
    plans = [msgspec.structs.replace(plan, offset_s=offset_s) for plan in fixed_plan(walked)]
    write_programs(walked, plans, path, begin_s=begin_s)
    for row, logic in enumerate(ET.parse(path).getroot()):
        durations = [float(p.get("duration")) for p in logic.iter("phase")]
        at_s = (begin_s - float(logic.get("offset"))) % sum(durations)
        states = [p.get("state") for p in logic.iter("phase")]
        ends = [sum(durations[: k + 1]) for k in range(len(durations))]
        k = next(k for k, end_s in enumerate(ends) if at_s < end_s)
        stage = walked.stage_states[row].index(states[k])
        assert ends[k] - at_s >= next(s.min_green_s for s in plans[row].stages if s.stage == stage)
