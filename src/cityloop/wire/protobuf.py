"""A reader of protocol-buffer messages: fields by number, as they stand on the wire.

References
----------
.. [1] Google. Protocol Buffers: Encoding. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cityloop.wire.named import WireError

__all__ = ["Field", "double_of", "fields", "float_of", "signed", "varint"]

Field = tuple[int, int | memoryview]
"""Number, and an integer (varint, fixed) or the bytes (text, message)."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(message: bytes | memoryview) -> Iterator[Field]:
    """Yield the fields of a message in order; fixed-width ones as unsigned integers."""
    data = memoryview(message)
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("not a protocol-buffer message: field number 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif kind == _BYTES:
            length, at = _varint(data, at)
            if length > end - at:
                raise WireError("not a protocol-buffer message: a field runs past the end")
            yield number, data[at : at + length]
            at += length
        elif kind in (_FIXED64, _FIXED32):
            width = 8 if kind == _FIXED64 else 4
            if width > end - at:
                raise WireError("not a protocol-buffer message: a field runs past the end")
            yield number, int.from_bytes(data[at : at + width], "little")
            at += width
        else:
            raise WireError(f"not a protocol-buffer message: wire type {kind}")


def float_of(bits: int) -> float:
    """Return the value of a 32-bit float field."""
    return float(struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0])


def double_of(bits: int) -> float:
    """Return the value of a 64-bit float field."""
    return float(struct.unpack("<d", struct.pack("<Q", bits & 0xFFFFFFFFFFFFFFFF))[0])


def signed(value: int, bits: int) -> int:
    """Return a two's complement integer of so many bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def varint(value: int) -> bytes:
    """Return an unsigned integer as a varint."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 127
        encoded.append(low | (128 if value else 0))
        if not value:
            return bytes(encoded)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise WireError("not a protocol-buffer message: a varint is cut off or too long")
