"""What a published message means by its topic, and who may publish and subscribe where.

- ``readings/<stream>``: one reading, as ``wire.single`` tells; its newest reading is retained there;
- ``packs/<kind>``: many readings in one message, by a codec (``arrow``, ``senml+json``, ``senml+cbor``, ``csv``);
- ``devices/<device>/...``: what a device says of itself and what is said to it: commands, receipts, states.

SensorThings and others join as further handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np

from cityloop.kernel.errors import InputError
from cityloop.kernel.readings import Done
from cityloop.sensing.inbox import Inbox, Taken
from cityloop.sensing.live import Latest
from cityloop.wire.mqtt.topics import matches
from cityloop.wire.named import NamedReadings
from cityloop.wire.single import decode_single

__all__ = ["PackTopics", "ReadingTopics", "TopicHandler", "latest_text"]

PREFIX = "readings/"

Decode = Callable[[bytes, str, Inbox, Done], "Taken | None"]
"""Reads a message of a device and submits it."""


class TopicHandler(Protocol):
    """A family of topics."""

    def handles(self, topic: str) -> bool:
        """Return whether messages to a topic are this handler's."""

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> Taken | None:
        """Take a message; ``done`` is told, from any thread, once its readings are durable.

        Raises
        ------
        InputError
            When it cannot be read.
        Overloaded
            When it is more than is taken.
        """

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield the topics that take plain single readings of streams, and their rows."""

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield what subscribers are told of new readings."""

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Yield what a new subscriber is told at once."""


class ReadingTopics:
    """``readings/<stream>``."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def handles(self, topic: str) -> bool:
        """Return whether a topic is that of a stream."""
        return topic.startswith(PREFIX)

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> Taken | None:
        """Take one reading."""
        value, observed_at_ms, unit = decode_single(payload)
        named = NamedReadings(
            [topic[len(PREFIX) :]],
            np.array([observed_at_ms], np.int64),
            np.array([value], np.float64),
            [unit] if unit else None,
        )
        return self._inbox.submit_named(named, device=device, done=done)

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield each stream's own topic."""
        name_of = self._inbox.known.streams.name_of
        for row in rows:
            try:
                name = name_of(row)
            except InputError:
                # A row that is no stream's.
                continue
            yield (PREFIX + name).encode(), row

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield the newest readings."""
        name_of = self._inbox.known.streams.name_of
        columns = (latest.stream, latest.value, latest.observed_at_ms, latest.quality)
        for row, value, observed, quality in zip(*(column.tolist() for column in columns), strict=True):
            yield PREFIX + name_of(row), latest_text(value, observed, quality)

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Yield the newest readings of the streams that a filter asks for."""
        live, streams = self._inbox.live, self._inbox.known.streams
        if not topic_filter.startswith((PREFIX, "+/", "#")):
            return
        if "+" not in topic_filter and "#" not in topic_filter:
            row = streams.row_of(topic_filter[len(PREFIX) :])
            rows = np.array([] if row is None else [row], np.int32)
        else:
            topics = self.reading_topics(range(len(streams)))
            rows = np.array([row for topic, row in topics if matches(topic_filter, topic.decode())], np.int32)
        live.grow(len(streams))
        latest = live.latest(rows)
        heard = np.isfinite(latest.value)
        yield from self.changed(live.latest(rows[heard]))


class PackTopics:
    """``packs/<kind>`` and other topics whose whole message one codec reads."""

    def __init__(self, inbox: Inbox, codecs: Mapping[str, Decode]) -> None:
        self._inbox = inbox
        self._codecs = codecs
        """By topic filter."""

    def handles(self, topic: str) -> bool:
        """Return whether there is a codec for a topic."""
        return any(matches(wanted, topic) for wanted in self._codecs)

    def publish(self, topic: str, payload: bytes, device: str, done: Done) -> Taken | None:
        """Take the readings of a message."""
        decode = next(decode for wanted, decode in self._codecs.items() if matches(wanted, topic))
        return decode(payload, device, self._inbox, done)

    def reading_topics(self, rows: Iterable[int]) -> Iterable[tuple[bytes, int]]:
        """Yield nothing: these carry many readings a message."""
        return ()

    def changed(self, latest: Latest) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()

    def retained(self, topic_filter: str) -> Iterable[tuple[str, bytes]]:
        """Yield nothing."""
        return ()


def latest_text(value: float, observed_at_ms: int, quality: int) -> bytes:
    """Return the newest reading as subscribers are told it."""
    return b'{"value":%s,"observed_at_ms":%d,"quality":%d}' % (repr(value).encode(), observed_at_ms, quality)
