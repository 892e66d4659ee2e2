"""Tests of the Python API over a served room: the same nouns, over a real connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from cityloop.kernel.errors import CityloopError
from cityloop.studies.notebook import Room, WhatIfRun


@pytest.fixture(scope="module")
def served(shared_room: Any) -> Iterator[Room]:
    """The made-up city on a loopback port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(shared_room.app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Room(f"http://127.0.0.1:{listener.getsockname()[1]}", "a-token-of-the-administrator")
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("noun", ["signals", "junctions", "holds", "ladder", "sensors", "alerts", "audit", "decisions"])
def test_every_noun_of_rest_is_one_here_and_becomes_a_table(served: Room, noun: str) -> None:
    """Rows, shown as a table in a notebook; text from the city stays text."""
    rows = getattr(served, noun)()
    assert rows._repr_html_().startswith("<table>")
    if noun in ("signals", "junctions", "sensors", "ladder"):
        assert rows


def test_places_go_along_for_a_map(served: Room) -> None:
    """Junctions and sensors have the columns that a GeoDataFrame is made of."""
    for rows in (served.junctions(), served.sensors(limit=5)):
        assert {"x_m", "y_m"} <= set(rows[0])


def test_a_city_without_a_twin_says_so_and_a_wrong_token_too(served: Room) -> None:
    """One line that names what is wrong."""
    with pytest.raises(CityloopError, match="no twin"):
        served.what_if(demand=1.2)
    with pytest.raises(CityloopError, match="401"):
        Room(served.url, "not-the-token-of-this-room").signals()


def test_a_what_if_that_is_over_is_shown_as_its_measures() -> None:
    """With interval and verdict, and where both worlds began."""
    paired = {"delay_s": {"mean": 1.5, "low": 0.5, "high": 2.5, "n": 3, "verdict": "worse"}}
    run = WhatIfRun({"result": {"paired": paired, "start": {"placed_veh": 12}}})
    assert run.measures() == [{"measure": "delay_s", **paired["delay_s"]}]
    assert run.start == {"placed_veh": 12}
    assert "worse" in run._repr_html_()
