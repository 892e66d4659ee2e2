"""SensorThings over MQTT: observations are published to sets, and subscribers are told of changes (18-088, clause 14).

A topic is a resource path behind ``v1.1/``: a set, an entity, or a property of one; ``?$select=`` may follow a set.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import CityloopError, InputError
from cityloop.kernel.readings import Done
from cityloop.sensing.access import Principal
from cityloop.sensing.live import Latest
from cityloop.sensing.sensorthings.ports import Change, EntityReader, EntityWork
from cityloop.sensing.sensorthings.reading import one_record, resolve
from cityloop.sensing.sensorthings.service import Request, SensorThings
from cityloop.sensing.sensorthings.writing import decode_json
from cityloop.wire.odata import Query, Step, parse_path, parse_query_string
from cityloop.wire.sensorthings.model import ENTITIES
from cityloop.wire.sensorthings.records import Record
from cityloop.wire.sensorthings.rendering import plain_json, render_record
from cityloop.wire.sensorthings.times import format_instant

__all__ = ["SensorThingsTopics"]

PREFIX: Final = "v1.1/"
_OBSERVATION: Final = ENTITIES["Observation"]
_EXACT: Final = 2.0**53

Send = Callable[[str, bytes], int]
"""Sends a message to the subscribers of a topic; returns how many there are."""
CallSoon = Callable[[Callable[[], None]], object]
"""Has something called on the listener's loop, from any thread."""


@dataclass(frozen=True, slots=True)
class _Topic:
    """A topic that somebody subscribed to."""

    text: str
    steps: tuple[Step, ...]
    query: Query

    @property
    def observed(self) -> tuple[str, int] | None:
        """Whose observations it asks for: a set and a key, ``("", 0)`` for all; None for other topics."""
        if self.steps[-1] != Step("Observations"):
            return None
        if len(self.steps) == 1:
            return "", 0
        owner = self.steps[-2]
        return (owner.name, int(owner.key)) if owner.key is not None and owner.key.isdecimal() else None


class SensorThingsTopics:
    """The family of topics of SensorThings, for the listener's broker."""

    def __init__(self, service: SensorThings, *, base: str) -> None:
        self._service = service
        self._base = base
        """Address of the service root, for links in messages."""

        self._lock = threading.Lock()
        self._topics: dict[str, _Topic] = {}
        self._send: Send | None = None
        self._call_soon: CallSoon | None = None
        service.on_change(self._entities_changed)
        service.store.readings.follow(self._readings_durable)

    def attach(self, send: Send, call_soon: CallSoon) -> None:
        """Set where messages go."""
        self._send, self._call_soon = send, call_soon

    def handles(self, topic: str) -> bool:
        """Return whether messages to a topic are ours."""
        return topic.startswith(PREFIX)

    def matches(self, topic: str) -> bool:
        """Return whether messages to a topic are ours."""
        return self.handles(topic)

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield the topics that take plain single readings of streams: they go by the batch, past this class."""
        streams = self._service.store.streams
        for row in rows:
            if streams.exists(row):
                yield f"{PREFIX}Datastreams({row})/Observations".encode(), row

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> None:
        """Create the Observation that a message holds (18-088, 14.1)."""
        service = self._service
        steps = parse_path(topic[len(PREFIX) :], escaped=False)
        if not steps or steps[-1] != Step("Observations"):
            raise InputError(
                f"topic {topic[:80]!r}: only Observations are created by MQTT; write v1.1/Datastreams(1)/Observations"
            )
        body = decode_json(payload)
        principal = Principal(name=device or "administrator", device=device, may_write=not device)
        request = Request(verb="POST", path="/".join(map(_written, steps)), base=self._base, principal=principal)

        def run(work: EntityWork) -> Sequence[Change]:
            service.run_write(work, request, steps, body)
            service.settle(work, device)
            return work.changes

        def finished(future: Future[Sequence[Change]]) -> None:
            error = future.exception()
            if error is None:
                service.tell(future.result())
                done(None)
            else:
                done(error if isinstance(error, Exception) else CityloopError(str(error)))

        service.store.write(run).add_done_callback(finished)

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield nothing: every observation is told of as it becomes durable, not the newest of a stream alone."""
        return ()

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Take note of a subscription; the standard retains nothing."""
        if topic_filter.startswith(PREFIX):
            topic = _parse(topic_filter)
            if topic is not None:
                with self._lock:
                    self._topics[topic_filter] = topic
        return ()

    def _readings_durable(self, batch: Batch) -> None:
        if not self._topics or self._call_soon is None:
            return
        with self._lock:
            wanted = [(topic, topic.observed) for topic in self._topics.values()]
        messages: list[tuple[str, bytes]] = []
        for topic, owner in wanted:
            if owner is None:
                continue
            rows = self._rows_of(batch, owner)
            messages += [(topic.text, self._observation(batch, row, topic.query)) for row in rows]
        self._send_soon(messages)

    def _rows_of(self, batch: Batch, owner: tuple[str, int]) -> list[int]:
        name, key = owner
        if not name:
            return list(range(len(batch)))
        found: list[int] = []
        if name == "Datastreams":
            found = np.flatnonzero(batch.stream == key).tolist()
        elif name == "FeaturesOfInterest":
            _known, feature, _same = self._service.store.streams.plain(batch.stream.astype(np.int64))
            found = np.flatnonzero(feature == key).tolist()
        return found

    def _observation(self, batch: Batch, row: int, query: Query) -> bytes:
        stream, observed = int(batch.stream[row]), int(batch.observed_at_ms[row])
        value = float(batch.value[row])
        _known, _feature, same_time = self._service.store.streams.plain(np.array([stream], np.int64))
        instant = format_instant(observed)
        values: dict[str, Any] = {
            "phenomenonTime": instant,
            "result": int(value) if value.is_integer() and abs(value) <= _EXACT else value,
            "resultTime": instant if same_time[0] else None,
        }
        chosen = {name for name in query.select if "/" not in name} - {"*"}
        if chosen:
            values = {name: values[name] for name in values if name in chosen}
        record = Record(_OBSERVATION, f"{stream}-{observed}-{int(batch.received_at_ms[row])}", values)
        return orjson.dumps(render_record(record, self._base, query))

    def _entities_changed(self, changes: Sequence[Change]) -> None:
        if self._topics and self._call_soon is not None:
            self._service.submit(lambda: self._tell_entities(changes))

    def _tell_entities(self, changes: Sequence[Change]) -> None:
        with self._lock:
            topics = list(self._topics.values())
        messages: list[tuple[str, bytes]] = []
        with self._service.store.read() as reader:
            for change in changes:
                if change.verb == "deleted":
                    continue
                for topic in topics:
                    payload = self._payload(reader, topic, change)
                    if payload is not None:
                        messages.append((topic.text, payload))
        self._send_soon(messages)

    def _payload(self, reader: EntityReader, topic: _Topic, change: Change) -> bytes | None:
        """Return what a topic's subscribers are told of a change, None when it does not concern them."""
        try:
            target = resolve(reader, topic.steps)
            if target.entity.name != change.entity:
                return None
            if target.many:
                page = reader.page(target.entity, topic.query, parent=target.parent, keys=[change.id])
                return orjson.dumps(render_record(page.records[0], self._base, topic.query)) if page.records else None
            record = one_record(reader, target, topic.query if not target.rest else Query())
            if record.id != change.id:
                return None
            if not target.rest:
                return orjson.dumps(render_record(record, self._base, topic.query))
            name = target.rest[0]
            if change.verb == "updated" and name not in change.properties:
                return None
            return orjson.dumps({name: plain_json(record.values.get(name))})
        except InputError:
            # What the topic names is not there, or no more.
            return None

    def _send_soon(self, messages: list[tuple[str, bytes]]) -> None:
        if messages and self._call_soon is not None:
            self._call_soon(lambda: self._send_all(messages))

    def _send_all(self, messages: list[tuple[str, bytes]]) -> None:
        assert self._send is not None
        nobody = {text for text, payload in messages if not self._send(text, payload)}
        if nobody:
            with self._lock:
                for text in nobody:
                    self._topics.pop(text, None)


def _written(step: Step) -> str:
    if step.key is None:
        return step.name
    return f"{step.name}({step.key})" if step.key.isdecimal() else f"{step.name}('{step.key}')"


def _parse(topic_filter: str) -> _Topic | None:
    path, _, options = topic_filter[len(PREFIX) :].partition("?")
    try:
        steps = parse_path(path, escaped=False)
        query = parse_query_string(options)
    except InputError as error:
        logging.getLogger(__name__).info("subscription to %r is no SensorThings topic: %s", topic_filter[:80], error)
        return None
    return _Topic(topic_filter, steps, Query(select=query.select)) if steps else None
