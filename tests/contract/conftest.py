"""Cities that need no simulator, for the suite that every City passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cityloop.app.live_loopback import live_loopback
from cityloop.cities.replay.city import ReplayCity
from cityloop.cities.toy.assets import ToyParams
from cityloop.cities.toy.city import ToyCity
from cityloop.engine.inline import InlineEngine, LoopParams
from cityloop.kernel.ports import City
from cityloop.kernel.tick import Brain
from cityloop.storage.memory import MemoryStore

CITY_S = 60
"""How long these cities last, from 0 s. [s]"""


@pytest.fixture
def toy_city() -> Callable[[], City]:
    """Open a toy city of a minute, sensed by area."""
    return lambda: ToyCity(ToyParams(end_s=CITY_S))


@pytest.fixture
def replay_city(clockwork: Brain) -> Callable[[], City]:
    """Open the recording of a minute of the toy, made under a brain that leases."""
    store = MemoryStore()
    city = ToyCity(ToyParams(end_s=CITY_S))
    InlineEngine(city, clockwork, store, LoopParams(begin_ms=0, end_ms=CITY_S * 1000)).run()
    return lambda: ReplayCity(city.layout(), store.readings, store.receipts, 0)


@pytest.fixture
def live_city(toy_city: Callable[[], City]) -> Callable[[], City]:
    """Open a live city whose field is the toy, behind the documents, packs, leases and receipts of the protocols."""
    return lambda: live_loopback(toy_city())[0]
