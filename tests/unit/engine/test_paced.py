"""The paced loop over the toy city and a real pipe: heeds people between ticks, journals first, survives the drill."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from cityloop.app.live_picture import LivePicture
from cityloop.app.repeating import Lap, RepeatingCity
from cityloop.app.twin_child import Steers, stricter
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.engine.paced import PacedEngine, PaceParams, Stopped
from cityloop.engine.pipe import Pipe, PipeClosedError
from cityloop.kernel.ladder import Rung
from cityloop.wire.live import Order, Steering, Stop, Tick, decode_up, encode

BEGIN_MS = 1_767_225_600_000
LIVE = {"signals": {0: int(Rung.LIVE)}}
PACE = 50.0


def toy_lap(number: int, *, end_s: float = 3600.0) -> Lap:
    params = dataclasses.replace(ToyParams(), end_s=end_s)
    city = ToyCity(params)
    return Lap(city=city, begin_ms=round(params.begin_s * 1000), end_ms=round(params.end_s * 1000))


class Running:
    """A loop in a thread, and the server's end of its pipe."""

    def __init__(self, *, end_s: float = 3600.0) -> None:
        here, there = socket.socketpair()
        self.pipe, inner = Pipe(here), Pipe(there)
        self.journal: list[tuple[int, bytes]] = []
        city = RepeatingCity(lambda number: toy_lap(number, end_s=end_s), BEGIN_MS)
        picture = LivePicture(city.layout(), BEGIN_MS)
        engine = PacedEngine(
            city,
            Steers("brain", city.layout()),
            lambda at_ms, payload: self.journal.append((at_ms, payload)),
            picture,
            inner,
            PaceParams(begin_ms=BEGIN_MS, pace=PACE),
            sim_s=city.sim_s,
        )

        def work() -> None:
            try:
                engine.run(Steering(token=1, rungs=LIVE))
            except (Stopped, PipeClosedError):
                inner.close()
                city.close()

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def ticks(self, count: int) -> list[Tick]:
        """Return the next steps."""
        told = [decode_up(self.pipe.receive()) for _ in range(count)]
        assert all(isinstance(one, Tick) for one in told)
        return told  # type: ignore[return-value]

    def steer(self, steering: Steering) -> Tick:
        """Steer, and return the step between two that answers it."""
        self.pipe.send(encode(steering))
        while True:
            (tick,) = self.ticks(1)
            if tick.steered == steering.token:
                return tick


@pytest.fixture
def running() -> Iterator[Running]:
    loop = Running()
    yield loop
    loop.pipe.send(encode(Stop()))
    loop.thread.join()
    loop.pipe.close()


def order(stage: int, *, expires_at_ms: int = BEGIN_MS + 3_600_000, kind: str = "hold") -> Order:
    return Order(
        id="a", kind=kind, target=0, stages=((stage, 0.0),), placed_at_ms=BEGIN_MS, expires_at_ms=expires_at_ms
    )


def decisions(tick: Tick) -> list[Any]:
    import msgspec

    return [msgspec.msgpack.decode(record) for record in tick.decisions]


def test_the_clock_goes_a_second_a_step(running: Running) -> None:
    """Steps follow one another by a second of the city's."""
    ticks = running.ticks(10)
    assert [b.at_ms - a.at_ms for a, b in pairwise(ticks)] == [1000] * 9


def test_a_hold_is_answered_between_two_steps(running: Running) -> None:
    """The decision carries the operator's reason and passed the guard, without time having passed."""
    last = running.ticks(20)[-1]
    tick = running.steer(Steering(token=2, rungs=LIVE, orders=(order(1),)))
    assert tick.at_once
    (decision,) = decisions(tick)
    assert decision["policy"] == "operator"
    assert decision["proposal"]["action"][1] == 1
    assert tick.at_ms >= last.at_ms


def test_a_hold_ends_by_itself(running: Running) -> None:
    """Past its expiry the policy decides again, though nobody lifted it."""
    last = running.ticks(20)[-1]
    running.steer(Steering(token=2, rungs=LIVE, orders=(order(1, expires_at_ms=last.at_ms + 10_000),)))
    later = running.ticks(15)[-1]
    assert later.at_ms > last.at_ms + 10_000
    assert {one["proposal"]["reason"] for one in decisions(later)}.isdisjoint(range(100, 110))


def test_the_maximum_red_bounds_a_hold(running: Running) -> None:
    """However long a stage is held, nobody waits past the bound: the guard trims the hold and names the rule."""
    running.ticks(10)
    running.steer(Steering(token=2, rungs=LIVE, orders=(order(0),)))
    rules = [one["verdict"].get("rule") for tick in running.ticks(150) for one in decisions(tick)]
    assert 6 in rules


def test_shadow_decides_and_sends_nothing(running: Running) -> None:
    """Decisions go on, none has a command."""
    running.steer(Steering(token=2, rungs={"signals": {0: int(Rung.SHADOW)}}))
    made = [one for tick in running.ticks(10) for one in decisions(tick)]
    assert made
    assert {one["sequence"] for one in made} == {-1}
    assert {one["verdict"]["type"] for one in made} == {"Refused"}


def test_everything_is_journalled_before_it_is_told(running: Running) -> None:
    """Whatever the server hears of is in the journal already."""
    for tick in running.ticks(20):
        assert tick.at_ms in {at_ms for at_ms, _ in running.journal}


def test_the_drill_stops_decisions_and_comes_back_with_a_greater_epoch(running: Running) -> None:
    """Unplugged nothing is decided; afterwards the epoch has grown."""
    last = running.ticks(10)[-1]
    # The loop runs ahead of whoever reads it: the span is long enough to be met.
    running.steer(Steering(token=2, rungs=LIVE, unplugged_until_ms=last.at_ms + 120_000))
    ticks = running.ticks(150)
    assert all(not tick.decisions for tick in ticks if tick.unplugged)
    assert any(tick.unplugged for tick in ticks)
    assert ticks[-1].epoch > last.epoch
    assert ticks[-1].decisions


def test_the_city_goes_on_when_its_hours_are_over() -> None:
    """A new lap begins, and the clock does not go back."""
    loop = Running(end_s=20.0)
    ticks = loop.ticks(50)
    loop.pipe.close()
    loop.thread.join()
    assert ticks[-1].lap == 3
    assert [b.at_ms - a.at_ms for a, b in pairwise(ticks)] == [1000] * 49


def test_a_loop_without_a_server_ends() -> None:
    """The pipe's end is the loop's."""
    loop = Running()
    loop.ticks(3)
    loop.pipe.close()
    loop.thread.join(20)
    assert not loop.thread.is_alive()


def test_tables_are_made_stricter_and_never_looser() -> None:
    """A longer minimum counts, a shorter one does not; a further conflict is symmetric."""
    layout = ToyCity(ToyParams()).layout()
    assets = layout.tables["signals"]
    usual_s = float(assets.stages.min_green_s[0])
    changed = stricter(layout, [(0, 0, usual_s + 5), (0, 1, 1.0)], [(0, 0, 1)]).tables["signals"]
    assert changed.stages.min_green_s[0] == usual_s + 5
    assert changed.stages.min_green_s[1] == assets.stages.min_green_s[1]
    n = int(assets.controllers.link_end[0] - assets.controllers.link_begin[0])
    foe = changed.matrices.foe[: n * n].reshape(n, n)
    assert foe[0, 1]
    assert foe[1, 0]
    assert not changed.matrices.shipped_together[: n * n].reshape(n, n)[0, 1]
