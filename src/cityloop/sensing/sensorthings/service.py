"""The SensorThings service behind HTTP, batches and MQTT alike: requests in, replies out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cityloop.sensing.access import Principal
from cityloop.sensing.inbox import Inbox
from cityloop.sensing.sensorthings.conformance import service_document
from cityloop.sensing.sensorthings.errors import (
    Forbidden,
    Reply,
    error_reply,
    json_reply,
)
from cityloop.sensing.sensorthings.gate import Gate, Outcome, refused
from cityloop.sensing.sensorthings.ports import Change, EntityReader, EntityStore, EntityWork
from cityloop.sensing.sensorthings.reading import read, resolve
from cityloop.sensing.sensorthings.writing import Written, decode_json, write
from cityloop.wire.odata import ODataError, Query, Step, parse_path, parse_query_string
from cityloop.wire.sensorthings.entities import EntityInput, decode_entity
from cityloop.wire.sensorthings.model import ENTITIES
from cityloop.wire.sensorthings.rendering import render_record, self_link

__all__ = ["Request", "SensorThings"]

_READERS: Final = 4
_OBSERVATION = ENTITIES["Observation"]
_FAST_KEYS = frozenset({"result", "phenomenonTime", "resultTime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request below the service root."""

    verb: str
    path: str
    """As it stands in the address, escaped."""

    query: str = ""
    body: bytes = b""
    content_type: str = ""
    base: str = ""
    """Address of the service root."""

    principal: Principal
    minimal: bool = False
    """Whether the client asked not to be sent back what it created."""


class SensorThings:
    """Owns the threads that read, and tells of changes."""

    def __init__(
        self, store: EntityStore, inbox: Inbox, *, now_ms: Callable[[], int], mqtt_endpoints: Sequence[str] = ()
    ) -> None:
        self.store = store
        self.gate = Gate(inbox, store.streams, store.readings)
        self.now_ms = now_ms
        self.mqtt_endpoints = tuple(mqtt_endpoints)
        self._threads = ThreadPoolExecutor(_READERS, "cityloop-sensorthings")
        self._listeners: list[Callable[[Sequence[Change]], None]] = []

    def on_change(self, listener: Callable[[Sequence[Change]], None]) -> None:
        """Tell a listener of changes of entities once they are durable; plain readings are told of by the store."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def handle(self, request: Request) -> Reply:
        """Answer a request; errors become replies."""
        try:
            if request.verb in ("GET", "HEAD"):
                return await self._get(request)
            return await self._write(request)
        except Exception as error:
            return error_reply(error)

    def submit(self, run: Callable[[], None]) -> None:
        """Have blocking work done beside everything else."""
        self._threads.submit(run)

    async def in_thread(self, run: Callable[..., Reply], *arguments: Any) -> Reply:
        """Run blocking work beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, run, *arguments)

    def read_now(self, reader: EntityReader, request: Request) -> Reply:
        """Answer a GET from one state of the store."""
        steps = parse_path(request.path)
        if not steps:
            return json_reply(service_document(request.base, self.mqtt_endpoints))
        query = _query(request.query)
        address = f"{request.base}/{request.path.strip('/')}"
        return read(reader, resolve(reader, steps), query, request.base, address)

    def settle(self, work: EntityWork, device: str) -> Outcome | None:
        """Log the readings of a transaction and wait until they are durable; a refused one undoes all."""
        rows = work.observed
        if not rows:
            return None
        outcome = self.gate.submit_and_wait(rows, device)
        error = refused(outcome)
        if error is not None:
            raise error
        return outcome

    def reply_of(self, written: Written, outcome: Outcome | None, request: Request, work: EntityReader) -> Reply:
        """Return the reply to a write."""
        if written.verb == "DELETE":
            return Reply(200)
        identity = written.identity(outcome)
        link = self_link(request.base, written.entity, identity)
        headers = {"location": link} if written.verb == "POST" else {}
        status = 201 if written.verb == "POST" else 200
        if request.minimal or written.id is None:
            return Reply(
                status, b"", {**headers, "preference-applied": "return=minimal"} if request.minimal else headers
            )
        page = work.page(written.entity, Query(), keys=[identity])
        return json_reply(render_record(page.records[0], request.base, Query()), status, headers)

    def check(self, principal: Principal, request_verb: str, new: EntityInput | None, streams: Sequence[int]) -> None:
        """Refuse what a principal may not do: a device creates observations of its own streams and nothing else."""
        if principal.may_write:
            return
        if not principal.device:
            raise Forbidden(f"{principal.name} may read only")
        if request_verb != "POST" or new is None or new.entity is not _OBSERVATION:
            raise Forbidden("a device may create Observations of its own Datastreams, and change nothing else")
        if not streams:
            raise Forbidden("name the Datastream of the Observation; a device has Datastreams of its own alone")
        self.gate.check_owner(streams, principal.device)

    def tell(self, changes: Sequence[Change]) -> None:
        """Tell listeners of changes."""
        if changes:
            self.gate.streams_changed([int(c.id) for c in changes if c.entity == "Datastream" and c.verb != "deleted"])
            for listener in self._listeners:
                listener(changes)

    def run_write(self, work: EntityWork, request: Request, steps: tuple[Step, ...], body: Any) -> Written:
        """Do one write inside a transaction, after asking whether its principal may."""
        if not request.principal.may_write:
            self._check_device(request, steps, body)
        return write(work, request.verb, steps, body, request.content_type)

    async def _get(self, request: Request) -> Reply:
        if not request.principal.may_read:
            raise Forbidden(f"{request.principal.name} may not read")

        def run() -> Reply:
            with self.store.read() as reader:
                return self.read_now(reader, request)

        return await self.in_thread(run)

    async def _write(self, request: Request) -> Reply:
        steps = parse_path(request.path)
        body = decode_json(request.body) if request.verb != "DELETE" else None
        fast = await self._fast(request, steps, body)
        if fast is not None:
            return fast

        def run(work: EntityWork) -> tuple[Reply, Sequence[Change]]:
            written = self.run_write(work, request, steps, body)
            outcome = self.settle(work, request.principal.device)
            return self.reply_of(written, outcome, request, work), work.changes

        reply, changes = await asyncio.wrap_future(self.store.write(run))
        self.tell(changes)
        return reply

    async def _fast(self, request: Request, steps: tuple[Step, ...], body: Any) -> Reply | None:
        """Take a plain observation of a known Datastream past the metadata database."""
        if request.verb != "POST" or not isinstance(body, dict):
            return None
        row = _stream_of(steps, body)
        streams = self.store.streams
        if row is None or not streams.exists(row) or not body.keys() <= {*_FAST_KEYS, "Datastream"}:
            return None
        result = body.get("result")
        if isinstance(result, bool) or not isinstance(result, int | float) or abs(result) > 2**53:
            return None
        new = decode_entity(_OBSERVATION, {key: body[key] for key in body if key != "Datastream"})
        self.check(request.principal, request.verb, new, [row])
        now_ms = self.now_ms()
        begin_ms, end_ms = new.values.get("phenomenonTime") or (now_ms, now_ms)
        result_ms = new.values.get("resultTime")
        known, _feature, same_time = streams.plain(np.array([row], np.int64))
        if begin_ms != end_ms or result_ms not in (None, begin_ms) or not known[0]:
            return None
        if bool(same_time[0]) != (result_ms is not None):
            return None
        outcome = await self.gate.submit(
            np.array([row], np.int32), np.array([begin_ms], np.int64), np.array([result], np.float64),
            request.principal.device,
        )  # fmt: skip
        error = refused(outcome)
        if error is not None:
            raise error
        return Reply(201, b"", {"location": self_link(request.base, _OBSERVATION, outcome.ids[0])})

    def _check_device(self, request: Request, steps: tuple[Step, ...], body: Any) -> None:
        is_observation = bool(steps) and steps[-1].name == "Observations" and steps[-1].key is None
        new = EntityInput(_OBSERVATION) if is_observation else None
        row = _stream_of(steps, body) if isinstance(body, dict) else None
        feature = body.get("FeatureOfInterest") if isinstance(body, dict) else None
        # A device may point at a feature that is there; making one changes the city's entities.
        if isinstance(feature, dict) and feature.keys() != {"@iot.id"}:
            raise Forbidden("a device may name a FeatureOfInterest by its @iot.id, and make none")
        self.check(request.principal, request.verb, new, [] if row is None else [row])


def _stream_of(steps: tuple[Step, ...], body: dict[str, Any]) -> int | None:
    """Return the Datastream whose observation a body is, None where that takes more than a look."""
    named = body.get("Datastream")
    if len(steps) == 2 and steps[0].name == "Datastreams" and steps[1] == Step("Observations") and named is None:
        key = steps[0].key
        return int(key) if key is not None and key.isascii() and key.isdecimal() and len(key) < 10 else None
    if steps == (Step("Observations"),) and isinstance(named, dict) and named.keys() == {"@iot.id"}:
        key = str(named["@iot.id"])
        return int(key) if key.isascii() and key.isdecimal() and len(key) < 10 else None
    return None


def _query(text: str) -> Query:
    try:
        return parse_query_string(text)
    except UnicodeDecodeError:
        raise ODataError("the query is not UTF-8; escape it") from None
