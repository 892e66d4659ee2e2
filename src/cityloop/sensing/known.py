"""What the stream table tells, kept at hand: rows by name, owners by row, declared ranges, conversions of units."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from cityloop.kernel.columns import F64, I32
from cityloop.kernel.errors import InputError
from cityloop.kernel.readings import StreamTable
from cityloop.sensing.judging import GONE
from cityloop.sensing.quality import Watch
from cityloop.wire.arrow import ArrowPack, name_bytes
from cityloop.wire.named import folded
from cityloop.wire.units import conversion

__all__ = ["ANY_DEVICE", "Known"]

ANY_DEVICE = -1
"""Number of the writer that may write every stream."""

_PACKS_REMEMBERED = 4096


class Known:
    """The stream table as the hot path needs it. Refreshed when streams were added, and when it is told of a change."""

    def __init__(self, streams: StreamTable, watch: Watch) -> None:
        self.streams = streams
        self._watch = watch
        self._lock = threading.RLock()
        self._devices: dict[str, int] = {}
        self._names: list[str] = []
        self._packs: dict[bytes, I32] = {}
        self._conversions: dict[tuple[int, str], tuple[float, float] | None] = {}
        self._folded: dict[str, str] = {}
        self._folded_turn = -1
        self._owners_known = 0
        self.turn = 0
        """Goes up when rows may stand for other streams than before: what was remembered by name is then worthless."""
        self.refresh()

    def refresh(self, changed: Sequence[int] = ()) -> None:
        """Take over rows added since the last call, and rows that were declared anew."""
        with self._lock:
            count = len(self.streams)
            columns = self.streams.columns()
            count = min(count, len(columns.low))
            self._watch.declare(
                columns.low[:count], columns.high[:count], columns.kind[:count], columns.interval_s[:count]
            )
            for row in (*changed, *range(self._owners_known, count)):
                self._watch.owner[row] = self._owner(row)
            if changed:
                self._conversions.clear()
            self._packs.clear()
            self.turn += 1
            self._owners_known = count

    def _owner(self, row: int) -> int:
        try:
            self.streams.name_of(row)
        except InputError:
            # Given to no stream, or its stream was deleted: whoever writes it writes an unknown one.
            return GONE
        owner = self.streams.device_of(row)
        return self.device(owner) if owner else ANY_DEVICE

    def refresh_if_grown(self) -> None:
        """Take over rows added since the last call."""
        if len(self.streams) != self._owners_known:
            self.refresh()

    def device(self, name: str) -> int:
        """Return the number of a device; the empty name may write every stream."""
        if not name:
            return ANY_DEVICE
        number = self._devices.get(name)
        if number is None:
            with self._lock:
                number = self._devices.setdefault(name, len(self._devices))
                if number == len(self._names):
                    self._names.append(name)
        return number

    def device_name(self, number: int) -> str:
        """Return the name of a device by its number."""
        return self._names[number] if number >= 0 else ""

    def unit_of(self, name: str) -> str:
        """Return the unit that a stream's values are in."""
        return self.streams.unit_of(int(self.streams.rows_of([name])[0]))

    def alike(self, name: str) -> str:
        """Return the known name that differs from this one by case or Unicode form alone; empty when there is none."""
        with self._lock:
            if self._folded_turn != self.turn:
                self._folded_turn, self._folded = self.turn, {}
                for row in range(self._owners_known):
                    with suppress(InputError):
                        known = self.streams.name_of(row)
                        self._folded[folded(known)] = known
            return self._folded.get(folded(name), "")

    def rows_of(self, names: Sequence[str]) -> I32:
        """Return the rows of names, -1 where there is no such stream."""
        self.refresh_if_grown()
        return self.streams.rows_of(names)

    def rows_of_pack(self, pack: ArrowPack) -> I32:
        """Return the row of each reading of a pack; a list of names that came before costs one look."""
        self.refresh_if_grown()
        if pack.stream is not None:
            return pack.stream
        assert pack.names is not None
        key = name_bytes(pack.names)
        rows = self._packs.get(key)
        if rows is None:
            turn = self.turn
            rows = self.streams.rows_of(pack.names.to_pylist())
            # A name that is unknown today may be registered tomorrow.
            if turn == self.turn and not (rows < 0).any():
                if len(self._packs) >= _PACKS_REMEMBERED:
                    self._packs.clear()
                self._packs[key] = rows
        return rows if pack.codes is None else rows[pack.codes]

    def convert(self, rows: I32, value: F64, units: Sequence[str]) -> tuple[F64, list[int]]:
        """Return values in their streams' units, and the places whose unit cannot be converted."""
        value = value.copy()
        wrong = []
        for place, (row, unit) in enumerate(zip(rows.tolist(), units, strict=True)):
            if not unit or not 0 <= row < self._owners_known:
                continue
            if (row, unit) not in self._conversions:
                if len(self._conversions) > 1_000_000:
                    self._conversions.clear()
                self._conversions[row, unit] = conversion(unit, self.streams.unit_of(row))
            found = self._conversions[row, unit]
            if found is None:
                wrong.append(place)
            elif found != (1.0, 0.0):
                value[place] = value[place] * found[0] + found[1]
        return value, wrong
