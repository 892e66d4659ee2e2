"""A simulated fleet against a server: register its streams, then send its readings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

import msgspec

from cityloop.kernel.errors import CityError, ConfigError, InputError
from cityloop.studies.sensor_fleet import Fleet, FleetParams
from cityloop.studies.sensor_http import HttpSender, send_over_http
from cityloop.studies.sensor_load import LoadParams, LoadReport
from cityloop.studies.sensor_mqtt import send_over_mqtt

__all__ = ["register_streams", "simulate"]

_AT_ONCE = 5000

T = TypeVar("T")


def simulate(
    fleet: FleetParams, load: LoadParams, *, register: bool = False, begun: Callable[[], None] = lambda: None
) -> LoadReport:
    """Send a fleet's readings for the load's duration; ``begun`` is called once MQTT's connections stand."""
    over_mqtt = load.protocol == "mqtt"
    if not load.url.startswith("mqtt://" if over_mqtt else "http://"):
        raise ConfigError(
            f"url is {load.url!r}, must be {'mqtt' if over_mqtt else 'http'}://HOST:PORT for {load.protocol}"
        )
    if register and over_mqtt:
        raise ConfigError("streams are registered over HTTP; run once with --protocol arrow --register")
    made = Fleet(fleet)
    try:
        if register:
            _run(register_streams(made.names, load))
        return send_over_mqtt(made, load, begun) if over_mqtt else _run(send_over_http(made, load))
    except OSError as error:
        raise CityError(f"{load.url}: {error.strerror or error}; is the server running?") from error


def _run(sending: Coroutine[None, None, T]) -> T:
    try:
        import uvloop
    except ImportError:
        # Not made for every system; the loop of the language does the same at a higher price.
        return asyncio.run(sending)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(sending)


async def register_streams(names: list[str], load: LoadParams) -> None:
    """Register streams at the server."""
    sender = HttpSender(load.url, load.token)
    try:
        for begin in range(0, len(names), _AT_ONCE):
            facts = [
                {"name": name, "unit": "Cel", "low": -50.0, "high": 60.0, "interval_s": 1 / load.rate_hz}
                for name in names[begin : begin + _AT_ONCE]
            ]
            body = msgspec.json.encode(facts)
            status, answer = await sender.request("POST", "/ingest/streams", "application/json", body)
            if status != 200:
                raise InputError(
                    f"{load.url}/ingest/streams answers {status}: {answer[:200].decode('utf-8', 'replace')}"
                )
    finally:
        sender.close()
