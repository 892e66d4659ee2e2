"""Ambulances and trucks in a real twin: commands are carried out with receipts, and what is refused says why."""

from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType

import numpy as np
import pytest

from cityloop.cities.sumo.fleet_assets import with_fleet
from cityloop.cities.sumo.folder import resolve_city
from cityloop.cities.sumo.network import read_network
from cityloop.cities.sumo.twin import SumoCity, TwinSetup
from cityloop.domains.emergency.schema import Lead, Send, TakeCall, UnitStatus
from cityloop.domains.refuse.schema import DriveRoute
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.messages import Command, ReceiptStatus

pytestmark = pytest.mark.twin
END_S = 420
PHONED, NOWHERE = 1_000_000_001, 1_000_000_002
"""Calls that were taken down elsewhere: at a road, and nobody knows where."""


def command(domain, target, action, sequence, *, not_after_ms=3_600_000):
    """A lease."""
    return Command(
        domain=domain,
        target=target,
        action=action,
        epoch=1,
        sequence=sequence,
        issued_at_ms=0,
        not_after_ms=not_after_ms,
    )


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Seven minutes of the built-in city with a call a minute: one unit and one truck are told what to do."""
    folder = tmp_path_factory.mktemp("fleet")
    case = resolve_city("adlershof")
    busy = case.asset_files["emergency"].read_text(encoding="utf-8").replace("per_h = 16.0", "per_h = 120.0")
    (folder / "emergency.toml").write_text(busy.replace("turnout_s = 60.0", "turnout_s = 5.0"), encoding="utf-8")
    assets = {**case.asset_files, "emergency": folder / "emergency.toml"}
    case = dataclasses.replace(case, end_s=END_S, asset_files=MappingProxyType(assets))
    network = with_fleet(read_network(case.net_file), case)
    city = SumoCity(TwinSetup(case=case, out=folder / "sumo", leased=False, seed=1), network)
    kind, asset = network.layout.streams.kind, network.layout.streams.asset
    heard, receipts, sent, now_ms, nearest = [], [], 0, 0, -1
    round_ = -1
    while now_ms < END_S * 1000:
        city.apply([command("emergency", 7, Lead(), 900_000 + now_ms // 1000)])
        seen = city.observe(now_ms + 1000)
        if seen.now_ms == now_ms:
            break
        now_ms = seen.now_ms
        receipts += seen.receipts
        if now_ms == 10_000:
            kerb = network.services.call_kerbs[7]
            told = (TakeCall(PHONED, 1, 0, kerb.x_m + 3.0, kerb.y_m), TakeCall(NOWHERE, 2, 1, None, None))
            city.apply([command("emergency", -1, one, 20 + row) for row, one in enumerate(told)])
        if now_ms == 90_000:
            city.apply([command("emergency", -1, TakeCall(PHONED, 1, 0, None, None, 0.0, True), 22)])
        batch = seen.batch
        rows = [
            (int(k), int(a), float(v))
            for k, a, v in zip(kind[batch.stream], asset[batch.stream], batch.value, strict=True)
            if k >= StreamKind.FILL_FRAC
        ]
        heard += [(now_ms, *row) for row in rows]
        if round_ < 0:
            opened = [v for k, _, v in rows if k == StreamKind.ROUND_OPEN]
            if opened:
                round_ = int(opened[0])
                metres = network.layout.tables["refuse"].metres[0, 2:]
                nearest = int(np.argmin(np.where(metres > 100.0, metres, np.inf)))
                city.apply(
                    [
                        command("refuse", 0, DriveRoute(round_, 1, (nearest, -1, -2)), 1),
                        command("refuse", 1, DriveRoute(round_ + 1, 1, (nearest,)), 2),
                        command("refuse", 99, DriveRoute(round_, 1, ()), 3),
                    ]
                )
        numbers = [v for k, _, v in rows if k == StreamKind.CALL_NUMBER and v < PHONED]
        if numbers and not sent:
            sent = int(numbers[0])
            city.apply(
                [
                    command("emergency", 0, Send(sent), 11),
                    command("emergency", 1, Send(424242), 12),
                    command("emergency", 50, Send(sent), 13),
                    command("emergency", 2, Send(sent), 14, not_after_ms=now_ms - 1),
                ]
            )
    city.close()
    record = json.loads((folder / "sumo" / "services.json").read_text(encoding="utf-8"))
    return {"heard": heard, "receipts": receipts, "sent": sent, "record": record, "container": nearest}


def answer(drive, domain, sequence):
    """The receipt of a command."""
    return next(r for r in drive["receipts"] if r.domain == domain and r.sequence == sequence)


def test_a_unit_drives_to_its_call_through_traffic(drive):
    """Sent, it turns out, drives and is on scene; its crew's words say each, and the record agrees."""
    assert answer(drive, "emergency", 11).status is ReceiptStatus.ACCEPTED
    words = [value for _, kind, unit, value in drive["heard"] if kind == StreamKind.UNIT_STATUS and unit == 0]
    order = list(dict.fromkeys(words))
    assert order[:4] == [UnitStatus.STANDING, UnitStatus.TURNING_OUT, UnitStatus.EN_ROUTE, UnitStatus.ON_SCENE]
    call = next(one for one in drive["record"]["emergency"]["calls"] if one["number"] == drive["sent"])
    assert call["unit"] == 0
    assert call["by_brain"]
    assert call["received_ms"] < call["dispatched_ms"] < call["mobile_ms"] < call["arrived_ms"]


def test_what_cannot_be_done_is_refused_with_its_reason(drive):
    """No such call, no such unit, no such truck, another round, a lease that is over."""
    said = {
        ("emergency", 12): "no open call",
        ("emergency", 13): "no unit",
        ("emergency", 14): "after its end",
        ("refuse", 2): "is not open",
        ("refuse", 3): "no truck",
    }
    for (domain, sequence), words in said.items():
        receipt = answer(drive, domain, sequence)
        assert receipt.status is ReceiptStatus.REFUSED
        assert words in receipt.detail


def test_while_the_brain_leads_the_centre_sends_nobody(drive):
    """Calls come in all the time; only the one that was commanded gets a unit."""
    served = [one["number"] for one in drive["record"]["emergency"]["calls"] if one["dispatched_ms"] >= 0]
    assert served == [drive["sent"]]


def test_a_truck_empties_what_it_is_told(drive):
    """The container is weighed, and its sensor says afterwards that little is left."""
    lifts = [(at, value) for at, kind, row, value in drive["heard"] if kind == StreamKind.COLLECTED_FRAC]
    assert len(lifts) == 1
    assert drive["record"]["refuse"]["lifts"][0]["container"] == drive["container"]
    assert drive["record"]["refuse"]["stops"][0] == 1


def test_positions_come_from_radios_and_not_from_the_simulation(drive):
    """The truck's reported load and the unit's site are told; nothing names a route or a destination."""
    kinds = {kind for _, kind, *_ in drive["heard"]}
    assert {StreamKind.UNIT_X_M, StreamKind.TRUCK_LOAD_KG, StreamKind.UNIT_SITE} <= kinds


def test_a_call_from_outside_is_on_the_centres_list_until_it_is_called_off(drive):
    """At the nearest road; one that nobody can place is listed on no road, and both are in the record."""
    assert answer(drive, "emergency", 20).status is ReceiptStatus.ACCEPTED
    lists = {}
    for at_ms, kind, _, value in drive["heard"]:
        if kind in (StreamKind.CALL_NUMBER, StreamKind.CALL_EDGE):
            lists.setdefault(at_ms, {}).setdefault(kind, []).append(value)
    edge = {
        (at_ms, number): edge
        for at_ms, told in lists.items()
        for number, edge in zip(told[StreamKind.CALL_NUMBER], told[StreamKind.CALL_EDGE], strict=True)
    }
    listed = [at_ms for at_ms, number in edge if number == PHONED]
    assert 10_000 <= min(listed) <= 12_000
    assert max(listed) <= 92_000
    assert all(edge[at_ms, PHONED] >= 0 for at_ms in listed)
    assert {value for (_, number), value in edge.items() if number == NOWHERE} == {-1.0}
    assert {PHONED, NOWHERE} <= {call["number"] for call in drive["record"]["emergency"]["calls"]}
