"""Leases, receipts and states as documents, and a city as one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cityloop.cities.live.field import ACTIONS
from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.schema import FollowPlan, ShowStage, SignalAssets
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout
from cityloop.kernel.messages import Action, Command, Receipt, ReceiptStatus
from cityloop.wire.city_document import decode_city_document, encode_city_document
from cityloop.wire.field import (
    FieldReport,
    FieldState,
    decode_leases,
    decode_receipts,
    decode_report,
    encode_leases,
    encode_receipts,
    encode_report,
)
from cityloop.wire.layout import encode_layout
from cityloop.wire.named import WireError

TABLES = {"signals": SignalAssets}


def command(action: Action) -> Command:
    return Command(
        domain="signals", target=3, action=action, epoch=7, sequence=11, issued_at_ms=1_000, not_after_ms=5_000
    )


def test_leases_come_through_as_they_were_sent() -> None:
    """Whatever the action carries is told by name."""
    sent = [command(ShowStage(2)), command(FollowPlan(stages=((0, 12.5), (1, 8.0))))]
    data = encode_leases(sent)
    assert decode_leases(data, ACTIONS) == sent
    assert json.loads(data)["leases"][0]["action"] == {"type": "ShowStage", "stage": 2}


def test_an_unknown_action_is_left_for_the_field_to_refuse() -> None:
    """It is no ground to drop the pack's other leases."""
    data = encode_leases([command(ShowStage(2))]).replace(b"ShowStage", b"Juggle")
    assert type(decode_leases(data, ACTIONS)[0].action) is Action


def test_receipts_and_states_come_through() -> None:
    """With the epoch that they answer."""
    receipt = Receipt(domain="signals", target=3, sequence=11, status=ReceiptStatus.PENDING, at_ms=5, detail="taken")
    assert decode_receipts(encode_receipts([(7, receipt), (-1, receipt)])) == [(7, receipt), (-1, receipt)]
    report = FieldReport(state=FieldState.OVER, at_ms=9)
    assert decode_report(encode_report(report)) == report


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a message"),
        (b"[" * 200_000, "not a message"),
        (b'{"leases": [{"domain": "signals"}]}', "missing required field"),
        (b'{"leases": 5}', "Expected `array`"),
        (encode_leases([command(ShowStage(2))]).replace(b'"stage":2', b'"stage":"two"'), "Expected `int`"),
        (encode_leases([command(ShowStage(2))]).replace(b'"stage":2', b'"phase":2'), "keys are"),
        (encode_leases([command(ShowStage(2))]).replace(b'"stage":2', b'"stage":' + b"9" * 18), "within 32 bits"),
        (encode_leases([command(ShowStage(2))]).replace(b'"target":3', b'"target":3000000000'), "2147483647"),
        (b'{"leases": [' + b"1" * 5_000 + b"]}", "not a message"),
    ],
)
def test_leases_that_cannot_be_read_are_refused_in_a_line(data: bytes, said: str) -> None:
    """No crash, and nothing half taken."""
    with pytest.raises(WireError, match=said):
        decode_leases(data, ACTIONS)


def test_a_status_that_nobody_knows_is_refused() -> None:
    """The line names what may stand there."""
    receipt = Receipt(domain="signals", target=0, sequence=0, status=ReceiptStatus.STALE, at_ms=0)
    with pytest.raises(WireError, match="PENDING"):
        decode_receipts(encode_receipts([(0, receipt)]).replace(b"STALE", b"MAYBE"))
    with pytest.raises(WireError):
        decode_report(b'{"state": "asleep"}')


def _whole(data: bytes) -> Layout:
    return decode_city_document(data, TABLES, "city.json").layout


def test_a_city_document_holds_the_whole_layout(crossroads: Callable[..., Any]) -> None:
    """Every column, name and table comes back to the bit; streams get names where they have none."""
    for layout in (toy_layout(ToyParams()), crossroads(("Gr", "rG"), ((0,), (1,))).layout):
        if {"edges", "lanes"} - set(layout.names):
            continue
        found = _whole(encode_city_document("town", layout))
        names = {**layout.names, "streams": found.names["streams"]}
        assert encode_layout(found) == encode_layout(dataclasses.replace(layout, names=names))
        assert found.names["streams"][0].startswith("town/")
        assert len(set(found.names["streams"])) == len(layout.streams.kind)


def _changed(change: Callable[[dict], None]) -> bytes:
    document = json.loads(encode_city_document("town", toy_layout(ToyParams())))
    change(document)
    return msgspec.json.encode(document)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format="other/9"), "format is 'other/9'"),
        (lambda d: d["tables"].pop("lanes"), "lanes: the table is missing"),
        (lambda d: d["tables"]["lanes"].pop("length_m"), r"lanes\.length_m: the column is missing"),
        (lambda d: d["tables"]["lanes"].update(length_m="long"), r"lanes\.length_m: Expected `array`"),
        (lambda d: d["tables"]["lanes"].update(length_m=[-1.0] * 3), "must be"),
        (lambda d: d["tables"]["streams"]["kind"].__setitem__(0, 999), "must be a stream kind"),
        (lambda d: d["names"].update(streams=["one"]), r"names\.streams has 1 entries"),
        (lambda d: d["names"]["streams"].__setitem__(0, d["names"]["streams"][1]), "stands twice"),
        (lambda d: d["tables"]["signals"].pop("lamps"), r"signals\.lamps: the column is missing"),
    ],
)
def test_a_document_that_is_wrong_says_where(change: Callable[[dict], None], said: str) -> None:
    """File, table, column and what should stand there."""
    with pytest.raises(LayoutError, match=said) as caught:
        _whole(_changed(change))
    assert str(caught.value).startswith("city.json")


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 200_000, b'{"format": 1e999}', b"\xff\xfe"])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    """Whatever the bytes are."""
    with pytest.raises(LayoutError, match=r"^city\.json"):
        _whole(data)
