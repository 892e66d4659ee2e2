"""The entities of SensorThings as one store: metadata in SQLite, plain observations in the readings store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import apsw
import numpy as np

from cityloop.kernel.batch import Batch
from cityloop.kernel.readings import Readings
from cityloop.storage.entity_reads import EntityReads
from cityloop.storage.entity_writes import Change, EntityWrites, Work
from cityloop.storage.metadata import Metadata, Transaction
from cityloop.storage.observation_writes import Observed, Spans
from cityloop.storage.observed_spans import FollowedReadings, ObservedSpans
from cityloop.storage.readings_table import ALL_TIME, ReadingsTable, Withdrawn
from cityloop.storage.sql_functions import register_functions
from cityloop.storage.streams import StreamRegister
from cityloop.wire.odata import Query
from cityloop.wire.sensorthings.entities import EntityInput
from cityloop.wire.sensorthings.model import EntityType
from cityloop.wire.sensorthings.records import Page, Parent

__all__ = ["Entities", "EntityReader", "EntityWork"]

T = TypeVar("T")
_FEATURES_AT_ONCE: Final = 1000
"""Streams given a feature in one piece of work, so that others get their turn."""


class EntityReader:
    """One state of the database."""

    def __init__(self, reads: EntityReads, connection: apsw.Connection, now_ms: int) -> None:
        self._reads = reads
        self._connection = connection
        self._now_ms = now_ms

    def page(
        self,
        entity: EntityType,
        query: Query,
        *,
        parent: Parent | None = None,
        keys: Sequence[int | str] | None = None,
    ) -> Page:
        """Return a page of a collection, or of some of its entities."""
        return self._reads.page(self._connection, entity, query, self._now_ms, parent=parent, keys=keys)


class EntityWork:
    """What one transaction does. Whoever runs it logs the plain readings before it returns."""

    def __init__(self, writes: EntityWrites, reads: EntityReads, work: Work) -> None:
        self._writes = writes
        self._work = work
        self._reads = reads

    @property
    def changes(self) -> list[Change]:
        """What was done so far, readings left out: they are told of as they become durable."""
        return self._work.changes

    @property
    def observed(self) -> list[tuple[int, int, float]]:
        """Plain readings that wait to be logged: stream, observed_at_ms, value."""
        return [(o.stream, o.observed_ms, o.value) for o in self._work.observed]

    def create(
        self, new: EntityInput, parent: tuple[str, str, int | str] | None = None
    ) -> tuple[int | str | None, int | None]:
        """Create an entity; return its id, or None and the place of the reading that it is in ``observed``."""
        made = self._writes.create(self._work, new, parent)
        if isinstance(made, Observed):
            return None, len(self._work.observed) - 1
        return made, None

    def update(self, entity: EntityType, identity: int | str, new: EntityInput, *, replace: bool) -> None:
        """Change an entity."""
        self._writes.update(self._work, entity, identity, new, replace=replace)

    def delete(self, entity: EntityType, identity: int | str) -> None:
        """Delete an entity and what cannot be without it."""
        self._writes.delete(self._work, entity, identity)

    def page(
        self,
        entity: EntityType,
        query: Query,
        *,
        parent: Parent | None = None,
        keys: Sequence[int | str] | None = None,
    ) -> Page:
        """Read what the transaction sees."""
        connection = self._work.transaction.connection
        return self._reads.page(connection, entity, query, self._work.now_ms, parent=parent, keys=keys)

    def open_spans(self, streams: Sequence[int], *, same_time: bool) -> list[bool]:
        """Tell which streams' next readings, without a feature of their own, may be plain."""
        transaction, spans = self._work.transaction, Spans(self._writes.streams)
        return spans.fit_all(transaction, streams, same_time=same_time, now_ms=self._work.now_ms)


class Entities:
    """Owns the entities. Reads may be made by any thread, several at a time; writes are queued."""

    def __init__(
        self,
        metadata: Metadata,
        readings: Readings,
        *,
        now_ms: Callable[[], int],
        streams: StreamRegister | None = None,
    ) -> None:
        self._metadata = metadata
        self.readings = FollowedReadings(readings)
        """The readings store as the inbox is to use it: what becomes durable there is seen here."""

        self._now_ms = now_ms
        self._withdrawn = Withdrawn()
        metadata.on_connect(register_functions)
        self.streams = streams or StreamRegister(metadata)
        """The table of streams."""

        table = ReadingsTable(self.readings, self._withdrawn, self.streams.living)
        self._spans = ObservedSpans(table)
        self.readings.follow(self._spans.note)
        self.readings.follow(self._give_features)
        self._featured: set[int] = set()
        """Streams that wait for their feature."""

        metadata.on_connect(table.register)
        metadata.on_connect(self._register_spans)
        self._reads = EntityReads(self._newest_ms, table.count)
        self._writes = EntityWrites(self.streams, self._withdrawn, self._spans.forget)
        with metadata.read() as connection:
            for stream, observed_ms, received_ms in connection.execute("SELECT * FROM withdrawn"):
                self._withdrawn.add(stream, observed_ms, received_ms)
            for stream, since_ms, until_ms in connection.execute(
                "SELECT stream, since_ms, until_ms FROM spans WHERE hidden"
            ):
                self._withdrawn.add_span(stream, since_ms, until_ms)

    @contextmanager
    def read(self) -> Iterator[EntityReader]:
        """Lend one state of the database."""
        with self._metadata.read() as connection:
            yield EntityReader(self._reads, connection, self._now_ms())

    def write(self, run: Callable[[EntityWork], T]) -> Future[T]:
        """Queue work; what it does is durable when the future is done, or was not done at all."""

        def inside(transaction: Transaction) -> T:
            work = Work(transaction, self._now_ms())
            result = run(EntityWork(self._writes, self._reads, work))
            if work.forgotten:
                transaction.after_commit.append(lambda: self._erase(work.forgotten))
            return result

        return self._metadata.write(inside)

    def close(self) -> None:
        """Close the metadata database; the readings store is its owner's to close."""
        self._metadata.close()

    def _erase(self, streams: list[int]) -> None:
        """Erase readings of streams that are gone. They are out of sight already, so nobody waits for it."""
        rows = np.array(streams, np.int32)
        for stream in streams:
            self._spans.forget(stream)

        def erase() -> None:
            try:
                self.readings.forget(rows, *ALL_TIME)
            except Exception:
                logging.getLogger(__name__).exception("readings of deleted Datastreams could not be erased: %s", rows)

        threading.Thread(target=erase, name="cityloop-erase", daemon=True).start()

    def _give_features(self, batch: Batch) -> None:
        """See to it that readings that came by another way than SensorThings have their feature too."""
        if self.streams.spans_are_known(batch.stream):
            return
        rows = np.unique(batch.stream).astype(np.int64)
        rows = rows[self.streams.all_exist(rows)]
        known, _feature, _same = self.streams.plain(rows)
        new = [row for row in rows[~known].tolist() if row not in self._featured]
        for begin in range(0, len(new), _FEATURES_AT_ONCE):
            some = new[begin : begin + _FEATURES_AT_ONCE]
            self._featured.update(some)
            self._metadata.write(lambda transaction, some=some: self._ensure(transaction, some))  # type: ignore[misc]  # a default binds the loop's value

    def _ensure(self, transaction: Transaction, streams: list[int]) -> None:
        try:
            spans = Spans(self.streams)
            fresh = self.streams.open_first_spans(transaction, streams, same_time=False)
            for stream in streams:
                if stream not in fresh:
                    spans.ensure(transaction, stream, self._now_ms())
        finally:
            self._featured.difference_update(streams)

    def _newest_ms(self) -> int:
        latest = self.readings.latest()
        return int(latest.observed_at_ms.max()) if len(latest) else self._now_ms()

    def _register_spans(self, connection: apsw.Connection) -> None:
        def begin(*stream: Any) -> int | None:
            span = self._spans.of(stream[0])
            return None if span is None else span[0]

        def end(*stream: Any) -> int | None:
            span = self._spans.of(stream[0])
            return None if span is None else span[1]

        connection.create_scalar_function("span_begin", begin, 1)
        connection.create_scalar_function("span_end", end, 1)
