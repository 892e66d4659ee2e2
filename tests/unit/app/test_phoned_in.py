"""Calls from outside reach the dispatch centre: once, when they change, and again where a new one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from cityloop.app.phoned_in import PhonedIn
from cityloop.cities.sumo.fleet_assets import Kerb
from cityloop.cities.sumo.fleet_calls import call_from_outside
from cityloop.cities.sumo.fleet_case import CallsCase
from cityloop.domains.emergency.schema import Send, TakeCall
from cityloop.kernel.messages import Command, Receipt, ReceiptStatus
from cityloop.wire.live import CallEntry

NUMBER = 1_000_000_001


@dataclass(slots=True)
class Centre:
    """A city that is nothing but its dispatch centre's list."""

    told: list[TakeCall] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def layout(self) -> Any:
        return None

    def observe(self, until_ms: int) -> Any:
        receipts = tuple(
            Receipt(domain=one.domain, target=one.target, sequence=one.sequence, status=ReceiptStatus.ACCEPTED,
                    at_ms=until_ms, detail="")
            for one in self.commands
        )  # fmt: skip
        self.told += [one.action for one in self.commands if isinstance(one.action, TakeCall)]
        self.commands = []
        return Seen(receipts)

    def apply(self, commands: Sequence[Command]) -> None:
        self.commands += commands

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Seen:
    """What an observation brings, as far as it matters here."""

    receipts: tuple[Receipt, ...]


def entry(**changed: Any) -> CallEntry:
    """Return a call near the second road."""
    values = {"number": NUMBER, "priority": 1, "determinant": 0, "x_m": 290.0, "y_m": 390.0, "received_at_ms": 0}
    return CallEntry(**(values | changed))


def test_a_call_is_told_once_and_again_when_it_changes() -> None:
    """With how long it has waited by then; its receipt is nobody's."""
    centre = Centre()
    city = PhonedIn(centre, lambda: 1)
    city.listed([entry()])
    assert city.observe(30_000).receipts == ()
    city.observe(31_000)
    assert centre.told == [TakeCall(NUMBER, 1, 0, 290.0, 390.0, 30.0)]
    city.listed([entry(priority=2)])
    city.observe(32_000)
    assert [one.priority for one in centre.told] == [1, 2]


def test_a_new_centre_hears_of_every_call() -> None:
    """A twin that begins anew has an empty list."""
    centre, lap = Centre(), SimpleNamespace(number=1)
    city = PhonedIn(centre, lambda: lap.number)
    city.listed([entry()])
    city.observe(1000)
    lap.number = 2
    city.observe(2000)
    city.observe(3000)
    assert [one.call for one in centre.told] == [NUMBER, NUMBER]


def test_what_the_brain_commands_goes_through_with_its_receipts() -> None:
    """The wrapper keeps back nothing but its own."""
    city = PhonedIn(Centre(), lambda: 1)
    city.listed([entry()])
    city.apply([Command(domain="emergency", target=0, action=Send(NUMBER), epoch=1, sequence=1, issued_at_ms=0,
                        not_after_ms=60_000)])  # fmt: skip
    assert [one.target for one in city.observe(1000).receipts] == [0]


MODEL = CallsCase(
    per_h=0.0, priority_share=(0.5, 0.5), determinants=("high", "low"), call_taking_s=0.0, on_scene_min=(15.0, 1.0),
    transport_share=0.7, handover_min=(20.0, 1.0),
)  # fmt: skip
KERBS = (Kerb("a", 0, 10.0, 0.0, 0.0, 0, 100.0), Kerb("b", 0, 50.0, 300.0, 400.0, 1, 100.0))


def test_a_call_stands_at_the_nearest_road() -> None:
    """What will happen at it is the mean of what happens at others."""
    call = call_from_outside(TakeCall(NUMBER, 1, 0, 290.0, 390.0, 30.0), MODEL, KERBS, 60_000)
    assert (call.kerb, call.received_ms, call.ready_ms) == (KERBS[1], 30_000, 60_000)
    assert (call.on_scene_ms, call.transport, call.handover_ms) == (900_000, True, 1_200_000)


@pytest.mark.parametrize("place", [(None, None), (9000.0, 9000.0)])
def test_a_call_without_a_place_or_far_from_all_roads_stands_at_none(place: tuple[float | None, float | None]) -> None:
    """So that nobody is sent to the nearest one unseen."""
    assert call_from_outside(TakeCall(NUMBER, 1, 0, *place), MODEL, KERBS, 0).kerb.row == -1
