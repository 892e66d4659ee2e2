"""Ambulances and trucks of a live city: what a document must say of them, what the link may do, who is listened to."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from services_city import ScriptedCity, call_list, readings, services_layout

from cityloop.app import brain_of
from cityloop.app.field_agent import LinkFaults
from cityloop.app.live_loopback import BEGIN_MS, live_loopback
from cityloop.app.planner import PlannedCity
from cityloop.app.rehearsal import rehearse
from cityloop.cities.live.city import LiveParams
from cityloop.cities.live.declared import NO_SCALE, field_stream, said_by_field
from cityloop.cities.live.field import Field
from cityloop.cities.live.folder import TABLES
from cityloop.cities.live.scans import ScanFilter
from cityloop.cities.live.services import check_services
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.domains.emergency.schema import HOSPITALS, HospitalTable, Lead, Move, Send
from cityloop.domains.refuse.schema import DriveRoute
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.kernel.batch import concat
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import StreamKind, Streams
from cityloop.kernel.messages import Command, ReceiptStatus
from cityloop.kernel.readings import DataKind
from cityloop.kernel.tick import Brain
from cityloop.storage.memory import MemoryStore
from cityloop.wire.city_document import decode_city_document, encode_city_document
from cityloop.wire.field import decode_receipts, encode_leases

CALLS = ((11, 1, 1, 40), (12, 3, 3, 90))
END_S = 240


def described():
    """The square as a city document must name it."""
    layout = services_layout()
    return dataclasses.replace(layout, names={"junctions": (), "lanes": (), **layout.names})


def through_a_document(layout):
    """A layout as a city document and back."""
    return decode_city_document(encode_city_document("town", layout), TABLES, "city.json").layout


def services_of():
    """The brain of emergency and refuse alone: the square has no signals."""
    from cityloop.domains.emergency.domain import emergency
    from cityloop.domains.refuse.domain import refuse

    return Brain((emergency, refuse), {"emergency": "brain", "refuse": "brain"}, epoch=7)


def lease(target, action, sequence, *, domain="emergency", epoch=1):
    """A lease of a minute."""
    return Command(
        domain=domain,
        target=target,
        action=action,
        epoch=epoch,
        sequence=sequence,
        issued_at_ms=BEGIN_MS,
        not_after_ms=BEGIN_MS + 60_000,
    )


def test_services_come_through_the_document():
    """Tables within tables, ways between places and plain values are read back as they were written."""
    layout = described()
    back = through_a_document(layout)
    check_services(back, "city.json")
    assert back.tables["refuse"].metres.tolist() == layout.tables["refuse"].metres.tolist()
    assert back.tables["emergency"].zone == layout.tables["emergency"].zone
    assert back.tables["emergency"].units.home.tolist() == layout.tables["emergency"].units.home.tolist()
    assert back.tables["passages"].lorry.tolist() == layout.tables["passages"].lorry.tolist()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tables: tables.pop("passages"), "passages: the table is missing"),
        (lambda tables: tables["units"].kind.__setitem__(0, 2), "units.kind: must be 2 ambulances"),
        (lambda tables: tables["emergency"].sites.edge.__setitem__(1, 99), "emergency.sites.edge, row 1: 99, must be"),
        (lambda tables: tables["emergency"].units.home.__setitem__(0, 3), "emergency.units.home, row 0: 3, must be"),
    ],
)
def test_a_document_whose_services_do_not_fit_is_refused(change, told):
    """One line names the file, the table and the row."""
    layout = through_a_document(described())
    tables = dict(layout.tables)
    change(tables)
    with pytest.raises(LayoutError, match=rf"city\.json: {told}"):
        check_services(dataclasses.replace(layout, tables=tables), "city.json")


def test_hospitals_that_tell_must_be_hospitals_and_heard():
    """A table of hospitals names sites that are some, each with its two streams, and every unit with its own."""
    layout = described()

    def told(site, streams):
        hospitals = HospitalTable(np.array([site], np.int32), np.zeros(1, np.int32), np.ones(1, np.int32))
        rows = Streams(
            np.append(layout.streams.kind, [int(kind) for kind, _ in streams]).astype(np.int32),
            np.append(layout.streams.asset, [asset for _, asset in streams]).astype(np.int32),
        )
        tables = {**layout.tables, HOSPITALS: hospitals}
        check_services(dataclasses.replace(layout, tables=tables, streams=rows), "city.json")

    spoken = [(StreamKind.HOSPITAL_OPEN, 2), (StreamKind.HOSPITAL_DIVERTING, 2)]
    spoken += [(StreamKind.UNIT_NEEDS, unit) for unit in range(2)]
    told(2, spoken)
    with pytest.raises(LayoutError, match=r"city\.json: hospitals\.site, row 0: 1 is no hospital; give a row"):
        told(1, spoken)
    with pytest.raises(LayoutError, match=r"streams: none of kind 56 \(unit_needs\) and asset 1; add it"):
        told(2, spoken[:-1])


def test_ways_that_are_not_between_all_places_are_refused():
    """Rows of different length by the codec, a wrong size by the check."""
    layout = described()
    short = dataclasses.replace(layout.tables["refuse"], metres=np.zeros((3, 3)))
    with pytest.raises(LayoutError, match=r"refuse\.metres: 3 by 3, must be 8 by 8"):
        check_services(dataclasses.replace(layout, tables={**layout.tables, "refuse": short}), "city.json")
    ragged = json.loads(encode_city_document("town", layout))
    ragged["tables"]["refuse"]["metres"][1].append(1.0)
    with pytest.raises(LayoutError, match=r"refuse\.metres: its rows are of different length"):
        decode_city_document(json.dumps(ragged).encode(), TABLES, "city.json")


def test_a_service_without_its_streams_is_refused():
    """Whoever describes an ambulance must say how it is heard."""
    layout = described()
    kept = layout.streams.kind != StreamKind.UNIT_STATUS
    streams = dataclasses.replace(layout.streams, kind=layout.streams.kind[kept], asset=layout.streams.asset[kept])
    with pytest.raises(LayoutError, match=r"streams: none of kind 42 \(unit_status\) and asset 0"):
        check_services(dataclasses.replace(layout, streams=streams), "city.json")


def test_what_tells_where_somebody_is_expires_first():
    """Places of calls are kept as people's, units' reports as vehicles', crews' words as control."""
    assert field_stream(StreamKind.CALL_X_M).kind is DataKind.PERSON_POSITION
    assert field_stream(StreamKind.CALL_EDGE).kind is DataKind.PERSON_POSITION
    assert field_stream(StreamKind.UNIT_EDGE_M).kind is DataKind.VEHICLE_POSITION
    assert field_stream(StreamKind.UNIT_STATUS).kind is DataKind.CONTROL
    assert field_stream(StreamKind.FILL_FRAC).kind is DataKind.MEASUREMENT


def test_no_field_speaks_for_the_planner():
    """The planner's answers have streams, and no device writes them."""
    said = said_by_field(np.array([StreamKind.PLAN_VISIT, StreamKind.PLAN_VERSION, StreamKind.ROUND_OPEN], np.int32))
    assert said.tolist() == [False, False, True]


def test_a_list_of_calls_that_comes_twice_counts_once():
    """The link repeats packs; two calls of one place are still two, and one list is one."""
    layout = services_layout()
    told = call_list((11, 1, 1, 300.0, 4.0, 1), (12, 1, 1, 300.0, 9.0, 1))
    scan = readings(layout, told, BEGIN_MS)
    seen = ScanFilter(layout.streams).take(concat([scan, scan]))
    kinds = layout.streams.kind[seen.stream]
    assert np.count_nonzero(kinds == StreamKind.CALL_COUNT) == 1
    assert seen.value[kinds == StreamKind.CALL_NUMBER].tolist() == [11.0, 12.0]
    assert seen.value[kinds == StreamKind.CALL_EDGE].tolist() == [1.0, 1.0]


def test_a_lease_that_was_overtaken_is_stale():
    """A unit that was told anew is not sent back by an older word; another unit's older word still holds."""
    said = []
    city = ScriptedCity()
    field = Field(city, BEGIN_MS, said.append)
    field.take(encode_leases([lease(0, Move(1), 5)]), BEGIN_MS)
    field.take(encode_leases([lease(0, Move(0), 4), lease(1, Move(0), 3)]), BEGIN_MS)
    statuses = [(r.target, r.sequence, r.status) for payload in said for _, r in decode_receipts(payload)]
    assert (0, 4, ReceiptStatus.STALE) in statuses
    assert [(c.target, c.sequence) for c in city.commands] == [(0, 5), (1, 3)]


def test_a_container_emptied_without_a_scale_has_no_weight():
    """What cannot be sent as a missing number comes in as one."""
    live, loopback = live_loopback(ScriptedCity(layout=described()))
    layout = live.layout()
    found = readings(layout, [(StreamKind.COLLECTED_FRAC, 2, NO_SCALE)], BEGIN_MS + 500)
    loopback._report(loopback._body(found))
    seen = live.observe(BEGIN_MS + 1000).batch
    mine = seen.value[layout.streams.kind[seen.stream] == StreamKind.COLLECTED_FRAC]
    assert len(mine) == 1
    assert np.isnan(mine).all()


@pytest.mark.parametrize("faults", [None, LinkFaults(loss=0.05, delay_s=0.1, jitter_s=0.4, seed=3)])
def test_ambulances_and_trucks_are_led_over_the_link(faults):
    """Calls are answered and rounds driven by leases and receipts, also where the link loses and delays."""
    field = ScriptedCity(CALLS, layout=described())
    live, loopback = live_loopback(field, params=LiveParams(answer_ms=250), settle_ms=300, transit_ms=20, faults=faults)
    store = MemoryStore()
    city = PlannedCity(live, iterations=50)
    begin_ms = BEGIN_MS + 300
    params = LoopParams(begin_ms=begin_ms, end_ms=begin_ms + END_S * 1000)
    InlineEngine(city, services_of(), store, params).run()
    city.close()
    taken = [command.action for command in field.commands]
    assert {action.call for action in taken if isinstance(action, Send)} == {11, 12}
    assert any(isinstance(action, Lead) for action in taken)
    assert any(isinstance(action, DriveRoute) and action.visits for action in taken)
    answered = {(receipt.domain, receipt.status) for _, receipt in store.receipts}
    assert ("emergency", ReceiptStatus.ACCEPTED) in answered
    assert ("refuse", ReceiptStatus.ACCEPTED) in answered
    assert loopback.inbox.letters_not_kept == 0


def test_a_brain_rehearses_before_its_first_call():
    """What a call needs is compiled before the clock runs: a made-up one is answered."""
    decided = [decision.proposal.action for decision in rehearse(services_of(), described())]
    assert any(isinstance(action, Send) for action in decided)


def test_a_city_without_services_rehearses_nothing():
    """A city of signals alone is ticked without a reading."""
    city = ToyCity(ToyParams())
    assert isinstance(rehearse(brain_of("brain", city.layout()), city.layout()), tuple)
