"""A simulated fleet against a server: register its streams, then send its readings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

import msgspec

from cityloop.kernel.errors import CityError, ConfigError, InputError
from cityloop.studies.sensor_fleet import Fleet, FleetParams
from cityloop.studies.sensor_http import HttpSender, send_over_http, stream_rows
from cityloop.studies.sensor_load import LoadParams, LoadReport
from cityloop.studies.sensor_messages import send_messages
from cityloop.studies.sensor_mqtt import send_over_mqtt
from cityloop.studies.sensor_ways import SINGLE, WAYS, facts_of, parts_of

__all__ = ["register_streams", "simulate"]

_AT_ONCE = 5000

T = TypeVar("T")


def simulate(
    fleet: FleetParams, load: LoadParams, *, register: bool = False, begun: Callable[[], None] = lambda: None
) -> LoadReport:
    """Send a fleet's readings for the load's duration; ``begun`` is called once MQTT's connections stand."""
    way = WAYS.get(load.protocol)
    if way is None:
        raise ConfigError(f"protocol is {load.protocol!r}, must be one of {', '.join(WAYS)}")
    if (way.topic if load.over_mqtt else way.path) is None:
        spoken = "mqtt" if way.path is None else "http"
        raise ConfigError(f"url is {load.url!r}, must be {spoken}://HOST:PORT for {load.protocol}")
    if (register or way.by_row) and not load.asked_url:
        raise ConfigError("streams are registered and looked up over HTTP; give --http http://HOST:PORT")
    made = Fleet(fleet)
    try:
        if register:
            _run(register_streams(made, load), load)
        if not load.over_mqtt:
            return _run(send_over_http(made, load), load)
        if load.protocol == SINGLE and load.tls(load.url) is None:
            return send_over_mqtt(made, load, begun)
        return send_messages(made, load, _run(stream_rows(made, load), load) if way.by_row else [])
    except OSError as error:
        raise CityError(f"{load.url}: {error.strerror or error}; is the server running?") from error


def _run(sending: Coroutine[None, None, T], load: LoadParams) -> T:
    try:
        import uvloop
    except ImportError:
        # Not made for every system; the loop of the language does the same at a higher price.
        return asyncio.run(sending)
    if any(url.startswith("https") for url in (load.url, load.http_url)):
        # Its loop cannot be closed while a connection with TLS still says goodbye.
        return asyncio.run(sending)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(sending)


async def register_streams(fleet: Fleet, load: LoadParams) -> None:
    """Register a fleet's streams at the server."""
    url, way = load.asked_url, WAYS[load.protocol]
    parts = parts_of(way, fleet, load.pack, over_mqtt=load.over_mqtt)
    facts = [
        {**fact, "interval_s": 1 / load.rate_hz}
        for place, part in enumerate(parts)
        for fact in facts_of(way, fleet, place, fleet.names[part.start : part.stop])
    ]
    sender = HttpSender(url, load.token, tls=load.tls(url))
    try:
        for begin in range(0, len(facts), _AT_ONCE):
            body = msgspec.json.encode(facts[begin : begin + _AT_ONCE])
            status, answer = await sender.request("POST", "/ingest/streams", "application/json", body)
            if status != 200:
                raise InputError(f"{url}/ingest/streams answers {status}: {answer[:200].decode('utf-8', 'replace')}")
    finally:
        sender.close()
