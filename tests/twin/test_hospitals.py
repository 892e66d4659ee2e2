"""Hospitals in a real twin: one bay and its queue, and a door that closes with patients on the way."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from types import MappingProxyType

import pytest

from cityloop.cities.sumo.fleet_assets import with_fleet
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.domains.emergency.domain import emergency
from cityloop.domains.emergency.schema import Advise, UnitStatus
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import ReceiptStatus
from cityloop.kernel.tick import Brain, start, tick

pytestmark = pytest.mark.twin
END_S, CLOSES_S = 1500, 700
NOTICES = f"""
[[notices]]
after_s = {CLOSES_S}
hospital = "Hospital 1"
is_open = false
"""


def busy(text):
    """The city's file with a call every half minute, short scenes, everybody carried, and one bay at each hospital."""
    text = text.replace("per_h = 16.0", "per_h = 100.0").replace("turnout_s = 60.0", "turnout_s = 5.0")
    text = text.replace('kind = "hospital"', 'kind = "hospital"\nbays = 1')
    lines = []
    for line in text.splitlines():
        key = line.split(" = ")[0]
        short = {"on_scene_min": "[0.6, 0.1]", "transport_share": "1.0", "handover_min": "[4.0, 0.5]"}
        lines.append(f"{key} = {short[key]}" if key in short else line)
    return "\n".join(lines) + "\n" + NOTICES


@pytest.fixture(scope="module", params=["brain", None], ids=["led", "alone"])
def drive(request, tmp_path_factory):
    """Twenty-five minutes of the built-in city, with a brain that sends and advises, or without."""
    folder = tmp_path_factory.mktemp("hospitals")
    case = resolve_city("adlershof")
    (folder / "emergency.toml").write_text(busy(case.asset_files["emergency"].read_text(encoding="utf-8")), "utf-8")
    case = dataclasses.replace(
        case, end_s=END_S, asset_files=MappingProxyType({"emergency": folder / "emergency.toml"})
    )
    network = with_fleet(read_network(case.net_file), case)
    city = SumoCity(TwinSetup(case=case, out=folder / "sumo", leased=False, seed=2, scale=0.2), network)
    brain = Brain((emergency,), {"emergency": request.param or "brain"})
    state, now_ms, decisions, receipts, views = start(brain, network.layout, 0), 0, [], [], []
    while now_ms < END_S * 1000:
        seen = city.observe(now_ms + 1000)
        if seen.now_ms == now_ms:
            break
        now_ms = seen.now_ms
        receipts += seen.receipts
        ticked = tick(brain, state, seen.batch, (), now_ms)
        state = ticked.state
        if request.param is not None:
            decisions += ticked.decisions
            city.apply(ticked.commands)
        views.append((now_ms, state.views["emergency"]))
    city.close()
    record = json.loads((folder / "sumo" / "services.json").read_text(encoding="utf-8"))["emergency"]
    sites = network.layout.names["sites"]
    return {
        "led": request.param is not None,
        "record": record,
        "decisions": decisions,
        "receipts": receipts,
        "views": views,
        "closed": sites.index("Hospital 1"),
        "other": sites.index("Hospital 2"),
        "layout": network.layout,
    }


def test_one_bay_takes_one_patient_after_another(drive):
    """In order of arrival; who comes meanwhile waits at the door, and the view counts who is there."""
    waited = 0
    for hospital in (drive["closed"], drive["other"]):
        here = [one for one in drive["record"]["calls"] if one["hospital"] == hospital and one["at_hospital_ms"] >= 0]
        here.sort(key=lambda one: one["at_hospital_ms"])
        begun = [one for one in here if one["bay_ms"] >= 0]
        assert begun == here[: len(begun)]
        for one, following in pairwise(begun):
            assert 0 <= one["free_ms"] <= following["bay_ms"]
        waited += sum(one["bay_ms"] > one["at_hospital_ms"] for one in begun)
    assert waited >= 2
    assert max(int(view.sites.at_door.max()) for _, view in drive["views"]) >= 2
    assert {int(view.sites.bays[drive["other"]]) for _, view in drive["views"]} == {1}


def test_a_hospital_that_closes_turns_round_who_is_on_the_way(drive):
    """Recorded, told in the view, and nobody sets out for it any more; who was at its door is handed over."""
    turns, closed, other = drive["record"]["turns"], drive["closed"], drive["other"]
    assert turns
    for turn in turns:
        assert (turn["from_site"], turn["to_site"]) == (closed, other)
        assert CLOSES_S * 1000 <= turn["at_ms"] <= CLOSES_S * 1000 + 15_000
        assert turn["by_brain"] == drive["led"]
        call = next(one for one in drive["record"]["calls"] if one["number"] == turn["call"])
        assert call["hospital"] == other
    after = [one for one in drive["record"]["calls"] if one["left_scene_ms"] > CLOSES_S * 1000]
    assert after
    assert {one["hospital"] for one in after} == {other}
    view = drive["views"][-1][1]
    assert not view.sites.is_open[closed]
    told = list(zip(view.turns.unit.tolist(), view.turns.call.tolist(), view.turns.to_site.tolist(), strict=True))
    assert told == [(turn["unit"], turn["call"], other) for turn in turns]


def test_the_advice_to_turn_is_journalled_with_its_reason(drive):
    """One decision a unit, allowed by the guard and taken by the crew; a city without a brain turns all the same."""
    advice = [one for one in drive["decisions"] if isinstance(one.proposal.action, Advise)]
    turns = drive["record"]["turns"]
    if not drive["led"]:
        assert not advice
        return
    assert [(one.proposal.target, one.proposal.action.site) for one in advice] == [
        (turn["unit"], turn["to_site"]) for turn in turns
    ]
    answers = {(one.domain, one.sequence): one.status for one in drive["receipts"]}
    assert {answers["emergency", one.sequence] for one in advice} == {ReceiptStatus.ACCEPTED}


def test_only_hospitals_that_tell_have_streams(drive):
    """The built-in city, which names neither bays nor notices, hears nothing of them and has the streams it had."""
    kinds = {StreamKind.HOSPITAL_OPEN, StreamKind.HOSPITAL_DIVERTING, StreamKind.UNIT_NEEDS}
    case = resolve_city("adlershof")
    plain = with_fleet(read_network(case.net_file), case).layout
    assert not kinds & set(plain.streams.kind.tolist())
    assert "hospitals" not in plain.tables
    assert kinds <= set(drive["layout"].streams.kind.tolist())
    last = drive["views"][-1][1]
    assert (last.units.status == UnitStatus.AT_HOSPITAL).sum() == last.sites.at_door.sum()
