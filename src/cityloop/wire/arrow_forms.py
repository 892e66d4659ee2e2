"""Arrow bodies that differ from an earlier one in their instants and values alone, read without being decoded again.

A sender repeats itself: schema, names and layout are the same in every pack, byte for byte. What was read and checked
once stands for every body that equals it outside of its two columns of plain numbers, in which any bits are valid.
"""

from __future__ import annotations

import numpy as np

from cityloop.kernel.columns import F64, I32, I64
from cityloop.wire.arrow import ArrowPack

__all__ = ["ArrowForms"]

_STRIDE = 127
"""One byte in so many of a body's begin makes the key that its form is looked for by."""


class _Form:
    """One body's bytes but for its instants and values, and what they stand for."""

    __slots__ = ("begin", "end", "middle", "stream")

    def __init__(self, begin: bytes, middle: bytes, end: bytes, stream: I32) -> None:
        self.begin, self.middle, self.end, self.stream = begin, middle, end, stream


class _Shape:
    """Where the two columns lie in bodies of one length."""

    __slots__ = ("first", "instants_first", "rows", "second")

    def __init__(self, instants_at: int, values_at: int, rows: int) -> None:
        self.rows = rows
        self.instants_first = instants_at < values_at
        self.first, self.second = min(instants_at, values_at), max(instants_at, values_at)


class ArrowForms:
    """The forms of bodies seen so far, within a bound of memory."""

    def __init__(self, most_bytes: int = 64 << 20) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._shapes: dict[int, _Shape] = {}
        self._forms: dict[tuple[int, bytes], _Form] = {}

    def __len__(self) -> int:
        """Return how many forms are remembered."""
        return len(self._forms)

    def read(self, body: bytes) -> tuple[I32, I64, F64] | None:
        """Return rows of streams, instants and values of a body of a form seen before; None when it has none.

        The arrays are read-only and may be unaligned.
        """
        shape = self._shapes.get(len(body))
        if shape is None:
            return None
        first, second, size = shape.first, shape.second, 8 * shape.rows
        begin = body[:first]
        form = self._forms.get((len(body), begin[::_STRIDE]))
        # A form of another shape of this length was made of other places: its begin has another length.
        if (
            form is None
            or begin != form.begin
            or body[first + size : second] != form.middle
            or body[second + size :] != form.end
        ):
            return None
        instants, values = (first, second) if shape.instants_first else (second, first)
        return (
            form.stream,
            np.frombuffer(body, np.int64, shape.rows, instants),
            np.frombuffer(body, np.float64, shape.rows, values),
        )

    def learn(self, body: bytes, pack: ArrowPack, stream: I32) -> bool:
        """Remember the form of a body that was read; return whether it can be.

        Parameters
        ----------
        pack
            The only record batch of the body, as it was read from this very object.
        stream
            The row of each of its readings.
        """
        if not len(pack) or pack.units is not None:
            return False
        base, size = _address(np.frombuffer(body, np.uint8)), 8 * len(pack)
        instants, values = _address(pack.observed_at_ms) - base, _address(pack.value) - base
        # Columns that had to be converted or unpacked lie elsewhere.
        inside = all(0 <= at <= len(body) - size for at in (instants, values))
        plain = pack.observed_at_ms.strides == pack.value.strides == (8,)
        if not inside or not plain or abs(instants - values) < size:
            return False
        shape = _Shape(instants, values, len(pack))
        first, second = shape.first, shape.second
        form = _Form(body[:first], body[first + size : second], body[second + size :], stream)
        cost = len(body) - 2 * size + stream.nbytes + 500
        if self._bytes + cost > self._most_bytes:
            self.clear()
        self._bytes += cost
        self._shapes[len(body)] = shape
        self._forms[len(body), form.begin[::_STRIDE]] = form
        return True

    def clear(self) -> None:
        """Forget all: rows may stand for other streams than before."""
        self._shapes.clear()
        self._forms.clear()
        self._bytes = 0


def _address(column: I64 | F64 | np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    return int(column.__array_interface__["data"][0])
