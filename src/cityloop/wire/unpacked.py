"""How large an Arrow IPC stream becomes when it is unpacked, read from its own headers before anything is unpacked.

A few kilobytes of zstd can stand for gigabytes of zeros. The headers are flatbuffers [1]_; only the few fields that
tell sizes are read.

References
----------
.. [1] Apache Arrow, columnar format 1.5: Message.fbs, "Encapsulated message format" and "Compression".
"""

from __future__ import annotations

import struct

from cityloop.wire.named import WireError

__all__ = ["unpacked_bytes"]

_CONTINUES = b"\xff\xff\xff\xff"
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_MAX_MESSAGES = 10_000


def unpacked_bytes(body: bytes | memoryview, *, most: int) -> int:
    """Return the bytes that all buffers of a stream take once unpacked; refuse a stream that takes more.

    Raises
    ------
    WireError
        When a header cannot be read, or more than ``most`` bytes would come out.
    """
    data = memoryview(body)
    at = total = 0
    try:
        for _ in range(_MAX_MESSAGES):
            if at == len(data):
                return total
            if data[at : at + 4] == _CONTINUES:
                at += 4
            (size,) = struct.unpack_from("<i", data, at)
            at += 4
            if size == 0:
                return total
            if size < 0 or at + size > len(data):
                raise WireError("not an Arrow IPC stream: a header runs past the end")
            message = _Table(data[at : at + size], struct.unpack_from("<I", data, at)[0])
            at += size
            length = message.int64(3)
            if length < 0 or at + length > len(data):
                raise WireError("not a whole Arrow IPC stream: a body runs past the end")
            total += _message_bytes(message, data[at : at + length])
            if total > most:
                raise WireError(f"unpacks to more than {most} bytes; send smaller bodies")
            at += length
    except struct.error as error:
        raise WireError("not an Arrow IPC stream: a header is cut off") from error
    raise WireError(f"more than {_MAX_MESSAGES} messages in one Arrow IPC stream; send several bodies")


def _message_bytes(message: _Table, body: memoryview) -> int:
    kind = message.uint8(1)
    if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return len(body)
    batch = message.table(2)
    if batch is not None and kind == _DICTIONARY_BATCH:
        batch = batch.table(1)
    if batch is None or batch.field(3) is None:
        return len(body)
    # Compressed: each buffer begins with the length that it unpacks to, -1 for a buffer left as it is.
    total = 0
    for offset, length in batch.pairs(2):
        if length < 0 or offset < 0 or offset + length > len(body):
            raise WireError("not an Arrow IPC stream: a buffer runs past its body")
        if length:
            (unpacked,) = struct.unpack_from("<q", body, offset)
            if unpacked < -1:
                raise WireError("not an Arrow IPC stream: a buffer of negative length")
            total += length if unpacked == -1 else unpacked
    return total


class _Table:
    """A flatbuffer table, read by field number."""

    __slots__ = ("_at", "_data", "_fields")

    def __init__(self, data: memoryview, at: int) -> None:
        self._data = data
        self._at = at
        (back,) = struct.unpack_from("<i", data, at)
        vtable = at - back
        if vtable < 0:
            raise struct.error("vtable")
        (size,) = struct.unpack_from("<H", data, vtable)
        self._fields = struct.unpack_from(f"<{max(0, size - 4) // 2}H", data, vtable + 4)

    def field(self, number: int) -> int | None:
        """Return where a field lies, None when it is not set."""
        if number >= len(self._fields) or not self._fields[number]:
            return None
        return self._at + int(self._fields[number])

    def int64(self, number: int) -> int:
        """Return an integer field, 0 when it is not set."""
        place = self.field(number)
        return 0 if place is None else int(struct.unpack_from("<q", self._data, place)[0])

    def uint8(self, number: int) -> int:
        """Return a byte field, 0 when it is not set."""
        place = self.field(number)
        return 0 if place is None else int(struct.unpack_from("<B", self._data, place)[0])

    def table(self, number: int) -> _Table | None:
        """Return a table that a field refers to."""
        place = self.field(number)
        if place is None:
            return None
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])

    def pairs(self, number: int) -> list[tuple[int, int]]:
        """Return a vector of pairs of int64."""
        place = self.field(number)
        if place is None:
            return []
        place += struct.unpack_from("<I", self._data, place)[0]
        (count,) = struct.unpack_from("<I", self._data, place)
        flat = struct.unpack_from(f"<{2 * min(count, len(self._data))}q", self._data, place + 4)
        return list(zip(flat[::2], flat[1::2], strict=True))
