"""The ports of sensing: the durable readings store, and the table of streams that it keeps rows of.

A stream is one series of one device. Its row in the stream table is an int32 that never changes and is never given
out again; external names stop at the edges. An instant is int64 UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Protocol, runtime_checkable

from cityloop.kernel.batch import Batch
from cityloop.kernel.columns import F64, I32, I64, U8, Column
from cityloop.kernel.errors import CityloopError, StoreError

__all__ = [
    "ROLLUP_MS",
    "DataKind",
    "Done",
    "Overloaded",
    "Readings",
    "RollUps",
    "StoreFull",
    "StreamColumns",
    "StreamTable",
]

ROLLUP_MS = 300_000
"""Width of a roll-up's bin: 5 minutes, counted from the epoch. [ms]"""

Done = Callable[[Exception | None], None]
"""Told once: None when the rows survive a power cut, else why they were refused. Must return at once."""


# A refusal is an outcome that senders are told of, and reads as one.
class Overloaded(CityloopError):  # noqa: N818 - see above
    """More is offered than can be taken now; nothing of what was offered was kept, save ``kept`` readings."""

    def __init__(self, message: str, retry_after_s: float = 1.0, *, kept: int = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When it is worth trying again. [s]"""
        self.kept = kept
        """Readings that were kept all the same: control traffic. Only the others are to be sent again."""


class StoreFull(StoreError):  # noqa: N818 - as above
    """The disk is full: nothing of what was offered was kept, and the store takes rows again once there is room."""


class DataKind(IntEnum):
    """What a stream tells about, which decides how long its readings may be kept."""

    MEASUREMENT = 0
    """Air, water, noise, counts, occupancies, fill levels: nothing that follows a person."""
    VEHICLE_POSITION = 1
    """Where a vehicle of the city or of its contractors is."""
    PERSON_POSITION = 2
    """Where a person, or a device that a person carries, is."""
    CONTROL = 3
    """What field controllers and units report of themselves: stages, modes, states."""


@dataclass(frozen=True, slots=True)
class RollUps:
    """Five-minute bins that hold at least one reading not known to be bad, sorted by stream and time."""

    stream: Annotated[I32, Column("1", low=0)]
    """Row of the stream table."""

    begin_ms: Annotated[I64, Column("ms")]
    """Begin of the bin, a multiple of 300,000 ms; its end is not part of it."""

    count: Annotated[I64, Column("1", low=1)]
    """Readings in the bin."""

    mean: Annotated[F64, Column("stream's own")]
    """Their mean."""

    low: Annotated[F64, Column("stream's own")]
    """The least of them."""

    high: Annotated[F64, Column("stream's own")]
    """The greatest of them."""

    last: Annotated[F64, Column("stream's own")]
    """The one observed last; of those of one instant the one received last."""

    def __len__(self) -> int:
        """Return the number of bins."""
        return len(self.stream)


@runtime_checkable
class Readings(Protocol):
    """The durable readings store. Any thread may call it."""

    def append(self, batch: Batch, done: Done) -> None:
        """Queue rows; ``done`` is called from the log's thread once they are synced to disk, or refused.

        A batch is kept whole or not at all. Never waits.

        Raises
        ------
        Overloaded
            At once when the bounded queue is full; ``done`` is then not called.
        """

    def history(
        self, streams: I32, begin_ms: int, end_ms: int, *, limit: int | None = None, newest_first: bool = False
    ) -> Batch:
        """Return stored rows observed from ``begin_ms`` up to but not including ``end_ms``.

        They are sorted by (stream, observed_at_ms, received_at_ms) and include rows acknowledged a moment ago.

        Parameters
        ----------
        limit
            At most so many rows, the first in the order asked for.
        newest_first
            Within a stream the last observed comes first; streams still ascend.
        """

    def rollups(self, streams: I32, begin_ms: int, end_ms: int) -> RollUps:
        """Return the 5-minute bins that begin from ``begin_ms`` up to but not including ``end_ms``."""

    def latest(self) -> Batch:
        """Return the row observed last of every stream, sorted by stream."""

    def forget(self, streams: I32, begin_ms: int, end_ms: int) -> int:
        """Delete rows, roll-ups included, for good; return how many rows."""

    def close(self) -> None:
        """Sync what waits and release the directory. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class StreamColumns:
    """What is declared of streams, one row a stream."""

    low: Annotated[F64, Column("stream's own")]
    """Least value that is possible; minus infinity when not declared."""

    high: Annotated[F64, Column("stream's own")]
    """Greatest value that is possible; infinity when not declared."""

    lon_deg: Annotated[F64, Column("deg", low=-180, high=180, missing=True)]
    """WGS 84 longitude, NaN when unknown or moving."""

    lat_deg: Annotated[F64, Column("deg", low=-90, high=90, missing=True)]
    """WGS 84 latitude, NaN when unknown or moving."""

    interval_s: Annotated[F64, Column("s", low=0, missing=True)]
    """Time between readings that the device promised, NaN when it promised none."""

    unit_code: Annotated[I32, Column("1", low=0)]
    """Number of the stream's unit; streams with equal units have equal numbers."""

    kind: Annotated[U8, Column("1", low=0, high=3)]
    """A ``DataKind``."""


@runtime_checkable
class StreamTable(Protocol):
    """The growing table of streams, durable in the metadata database. Any thread may call it."""

    def row_of(self, name: str) -> int | None:
        """Return the row of a stream by its external name, None when there is no such stream."""

    def rows_of(self, names: Sequence[str]) -> I32:
        """Return the rows of many streams at once, -1 where there is no such stream."""

    def name_of(self, row: int) -> str:
        """Return the external name of a row."""

    def register(
        self,
        name: str,
        unit: str,
        low: float = ...,
        high: float = ...,
        device: str = ...,
        *,
        kind: DataKind = ...,
        lon_deg: float = ...,
        lat_deg: float = ...,
        interval_s: float = ...,
    ) -> int:
        """Return the row of a new stream, durable when this returns; of a known name, its row with the new facts."""

    def device_of(self, row: int) -> str:
        """Return the device that alone may write a stream; empty when none is named."""

    def unit_of(self, row: int) -> str:
        """Return the unit that a stream's values are in."""

    def columns(self) -> StreamColumns:
        """Return what is declared of every stream now, in row order."""

    def __len__(self) -> int:
        """Return the number of rows given out."""
