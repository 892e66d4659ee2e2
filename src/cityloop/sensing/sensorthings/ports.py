"""What the SensorThings service needs of a store, and of whoever takes readings in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import BOOL, I64
from cityloop.kernel.readings import StreamTable
from cityloop.wire.odata import Query
from cityloop.wire.sensorthings.entities import EntityInput
from cityloop.wire.sensorthings.model import EntityType
from cityloop.wire.sensorthings.records import Page, Parent

__all__ = ["Change", "EntityReader", "EntityStore", "EntityWork", "FollowedReadings", "Streams"]

T = TypeVar("T")


class Change(Protocol):
    """One entity that was created, changed or deleted."""

    @property
    def verb(self) -> str:
        """``created``, ``updated`` or ``deleted``."""

    @property
    def entity(self) -> str:
        """Name of the type."""

    @property
    def id(self) -> int | str:
        """Its id."""

    @property
    def properties(self) -> tuple[str, ...]:
        """What an update named."""


class Streams(StreamTable, Protocol):
    """The table of streams, whose rows are the ids of Datastreams."""

    def exists(self, row: int) -> bool:
        """Tell whether a row is a stream's."""

    def all_exist(self, rows: I64) -> BOOL:
        """Return which rows are a stream's."""

    def plain(self, rows: I64) -> tuple[BOOL, I64, BOOL]:
        """Return which streams' spans are known, their features (0: none), and whether result time is the time."""

    def devices(self, rows: Iterable[int]) -> set[str]:
        """Return the devices that are named for some rows."""


class FollowedReadings(Protocol):
    """The readings store, which tells of what became durable."""

    def follow(self, follower: Callable[[Batch], None]) -> None:
        """Tell a follower from now on, on the log's thread."""

    def history(
        self, streams: Any, begin_ms: int, end_ms: int, *, limit: int | None = None, newest_first: bool = False
    ) -> Batch:
        """Return stored rows."""


class EntityReader(Protocol):
    """One state of the store."""

    def page(
        self,
        entity: EntityType,
        query: Query,
        *,
        parent: Parent | None = None,
        keys: Sequence[int | str] | None = None,
    ) -> Page:
        """Return a page of a collection, or of some of its entities."""


class EntityWork(EntityReader, Protocol):
    """One transaction."""

    @property
    def changes(self) -> Sequence[Change]:
        """What was done so far, readings left out."""

    @property
    def observed(self) -> list[tuple[int, int, float]]:
        """Plain readings that wait to be logged: stream, observed_at_ms, value."""

    def create(
        self, new: EntityInput, parent: tuple[str, str, int | str] | None = None
    ) -> tuple[int | str | None, int | None]:
        """Create an entity; return its id, or None and the place of the reading that it is in ``observed``."""

    def update(self, entity: EntityType, identity: int | str, new: EntityInput, *, replace: bool) -> None:
        """Change an entity."""

    def delete(self, entity: EntityType, identity: int | str) -> None:
        """Delete an entity and what cannot be without it."""

    def open_spans(self, streams: Sequence[int], *, same_time: bool) -> list[bool]:
        """Tell which streams' next readings, without a feature of their own, may be plain."""


class EntityStore(Protocol):
    """The entities of SensorThings."""

    @property
    def streams(self) -> Streams:
        """The table of streams."""

    @property
    def readings(self) -> FollowedReadings:
        """The readings store."""

    def read(self) -> AbstractContextManager[EntityReader]:
        """Lend one state of the store."""

    def write(self, run: Callable[[EntityWork], T]) -> Future[T]:
        """Queue work; what it does is durable when the future is done, or was not done at all."""
