"""The live feed's frames: what changed on the map, as small integers.

A frame is a header and sections; a section is its columns one after another, padded to 8 bytes, so that a browser lays
typed arrays over it without copying. Positions are int16 over the network's bounding box: 6 bytes a vehicle.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cityloop.kernel.columns import F64, U8

__all__ = [
    "EMPTY",
    "FRAME_VERSION",
    "Box",
    "Kind",
    "Section",
    "encode_frame",
    "frame_number",
    "frame_sections",
    "pack_nibbles",
    "places",
    "quantised",
    "vehicle_rows",
]

FRAME_VERSION = 1
EMPTY = -32768
"""As x: nobody is in the slot."""

_HEADER = struct.Struct("<2sBBIdfHH")
_SECTION = struct.Struct("<BBHI")
_SPAN = 65534.0

Box = tuple[float, float, float, float]
"""Bounding box x0, y0, x1, y1. [m]"""


class Kind(IntEnum):
    """What a section holds."""

    VEHICLES = 1
    LAMPS = 2
    JUNCTIONS = 3
    QUEUES = 4
    EDGES = 5
    UNITS = 6
    TRUCKS = 7
    CONTAINERS = 8
    SENSORS = 9


@dataclass(frozen=True, slots=True)
class Section:
    """One section, its columns already laid one after another."""

    kind: Kind
    row_bytes: int
    rows: int
    payload: bytes
    flags: int = 0
    """Bit 0: the simulation's truth, not a sensor's word."""


def encode_frame(
    number: int, at_ms: int, pace: float, sections: Sequence[Section], *, full: bool = False, unplugged: bool = False
) -> bytes:
    """Return a frame's bytes."""
    flags = (1 if full else 0) | (2 if unplugged else 0)
    parts = [_HEADER.pack(b"CL", FRAME_VERSION, flags, number & 0xFFFFFFFF, float(at_ms), pace, len(sections), 0)]
    for section in sections:
        parts.append(_SECTION.pack(section.kind, section.flags, section.row_bytes, section.rows))
        parts.append(section.payload)
        parts.append(b"\0" * (-len(section.payload) % 8))
    return b"".join(parts)


def frame_number(frame: bytes) -> int:
    """Return a frame's number."""
    number: int = _HEADER.unpack_from(frame)[3]
    return number


def frame_sections(frame: bytes) -> list[Section]:
    """Take a frame apart again."""
    *_, count, _ = _HEADER.unpack_from(frame)
    at, found = _HEADER.size, []
    for _ in range(count):
        kind, flags, row_bytes, rows = _SECTION.unpack_from(frame, at)
        size = (rows + 1) // 2 if kind == Kind.LAMPS else rows * row_bytes
        at += _SECTION.size
        found.append(Section(Kind(kind), row_bytes, rows, frame[at : at + size], flags))
        at += size + (-size % 8)
    return found


def quantised(x_m: F64, y_m: F64, box: Box) -> bytes:
    """Return x and y as int16 columns over the box; a place outside it lies on its rim, NaN is an empty slot."""
    columns = []
    for values, low, high in ((x_m, box[0], box[2]), (y_m, box[1], box[3])):
        share = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
        column = np.where(np.isnan(share), EMPTY, np.rint(share * _SPAN) - 32767)
        columns.append(column.astype("<i2").tobytes())
    return b"".join(columns)


def places(payload: bytes, rows: int, box: Box) -> tuple[F64, F64]:
    """Return the places [m] of a section that begins with x and y columns; NaN for an empty slot."""
    both = np.frombuffer(payload, "<i2", 2 * rows).astype(np.float64)
    x, y = both[:rows], both[rows:]
    empty = x == EMPTY
    x_m = box[0] + (x + 32767) / _SPAN * (box[2] - box[0])
    y_m = box[1] + (y + 32767) / _SPAN * (box[3] - box[1])
    return np.where(empty, np.nan, x_m), np.where(empty, np.nan, y_m)


def vehicle_rows(x_m: F64, y_m: F64, heading_deg: F64, kind: U8, speed_mps: F64, box: Box) -> bytes:
    """Return the columns of vehicles: place, heading clockwise from north, kind and speed."""
    heading = np.rint(np.nan_to_num(heading_deg) % 360.0 * (256.0 / 360.0)).astype(np.uint16) & 0xFF
    speed = np.clip(np.rint(np.nan_to_num(speed_mps) / 2.0), 0, 15).astype(np.uint8)
    packed = (kind & 0x0F) | (speed << 4)
    return quantised(x_m, y_m, box) + heading.astype(np.uint8).tobytes() + packed.astype(np.uint8).tobytes()


def pack_nibbles(values: U8) -> bytes:
    """Return values below 16, two a byte, the even row in the low half."""
    even = values[0::2].copy()
    even[: len(values[1::2])] |= values[1::2] << 4
    return even.tobytes()
