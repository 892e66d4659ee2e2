"""Tests of leading a demand round a closed edge."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cityloop.cities.sumo.closed_demand import divert_demand
from cityloop.cities.sumo.detour import Roads
from cityloop.kernel.errors import InputError

_WAYS = {"in": ["short", "long1"], "short": ["out"], "long1": ["long2"], "long2": ["out"], "out": [], "spur": ["short"]}


def _roads(no_bus: str = "") -> Roads:
    """From ``in`` to ``out`` by ``short``, or by ``long1`` and ``long2``; ``spur`` leads only into ``short``."""
    return Roads(
        open_to={f"{edge}_0": (frozenset(), frozenset({"bus"} if edge == no_bus else ())) for edge in _WAYS},
        cost_s=dict.fromkeys(_WAYS, 10.0),
        lanes={edge: (f"{edge}_0",) for edge in _WAYS},
        after={edge: {to: (f"{edge}_0", f"{to}_0") for to in after} for edge, after in _WAYS.items()},
    )


def _diverted(folder: Path, body: str, roads: Roads | None = None) -> tuple[object, ET.Element]:
    path = folder / "demand.rou.xml"
    path.write_text(f'<routes><vType id="tram" vClass="tram"/><vType id="bus" vClass="bus"/>{body}</routes>')
    done = divert_demand([path], [], roads or _roads(), "short", 3600.0)
    return done, ET.parse(path).getroot()


def test_route_takes_the_other_way(tmp_path):
    """A route over the closed edge is led round it; one that never used it stays as it was."""
    done, root = _diverted(
        tmp_path,
        '<vehicle id="a" depart="1"><route edges="in short out"/></vehicle>'
        '<vehicle id="b" depart="2"><route edges="in long1 long2 out"/></vehicle>',
    )
    assert [route.get("edges") for route in root.iter("route")] == ["in long1 long2 out"] * 2
    assert (done.rerouted_veh, done.cannot_veh, done.total_veh) == (1, 0, 2)


def test_who_has_no_other_way_is_taken_out_and_counted(tmp_path):
    """Vehicles that depart, end or stop on the closed edge, or come from a dead end before it, cannot drive."""
    done, root = _diverted(
        tmp_path,
        '<vehicle id="from" depart="1"><route edges="short out"/></vehicle>'
        '<vehicle id="to" depart="1"><route edges="in short"/></vehicle>'
        '<vehicle id="spur" depart="1"><route edges="spur short out"/></vehicle>'
        '<vehicle id="stops" depart="1"><route edges="in short out"/><stop lane="short_0" duration="9"/></vehicle>'
        '<trip id="ok" depart="1" from="in" to="out"/><trip id="no" depart="1" from="spur" to="out"/>',
    )
    assert [one.get("id") for one in root if one.tag in ("vehicle", "trip")] == ["ok"]
    assert (done.cannot_veh, done.total_veh) == (5, 6)
    assert done.entries >= {"in"}


def test_flow_counts_as_many_as_it_plans(tmp_path):
    """A flow of one vehicle every half minute over an hour stands for 120, drawn or not."""
    done, _ = _diverted(
        tmp_path,
        '<flow id="f" begin="0" end="3600" period="30"><route edges="in short out"/></flow>'
        '<flow id="g" begin="0" end="3600" period="exp(0.01)"><route edges="in long1 long2 out"/></flow>',
    )
    assert (done.rerouted_veh, done.total_veh) == (120, 156)


def test_named_route_is_led_round_for_all_who_name_it(tmp_path):
    """A route that several vehicles share is rewritten once, and each of them counts."""
    done, root = _diverted(
        tmp_path,
        '<route id="r" edges="in short out"/><vehicle id="a" depart="1" route="r"/>'
        '<vehicle id="b" depart="2" route="r"/>',
    )
    assert root.find("route").get("edges") == "in long1 long2 out"
    assert done.rerouted_veh == 2


def test_class_must_be_allowed_on_the_way_round(tmp_path):
    """A bus is not led where buses may not go; a tram keeps its rails through the closure."""
    done, root = _diverted(
        tmp_path,
        '<vehicle id="b" type="bus" depart="1"><route edges="in short out"/></vehicle>'
        '<vehicle id="t" type="tram" depart="1"><route edges="in short out"/></vehicle>',
        _roads(no_bus="long2"),
    )
    assert [(one.get("id"), one.find("route").get("edges")) for one in root.iter("vehicle")] == [("t", "in short out")]
    assert done.cannot_veh == 1


def test_nobody_left_is_one_clear_message(tmp_path):
    """A closure without which nobody can drive is refused."""
    with pytest.raises(InputError, match="no vehicle of this demand can do without 'short'"):
        _diverted(tmp_path, '<vehicle id="a" depart="1"><route edges="spur short out"/></vehicle>')
