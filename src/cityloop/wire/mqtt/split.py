"""Split what many connections sent since the last look into readings, by the batch.

One compiled pass goes over the bytes of all connections. A PUBLISH of a single reading whose topic stands in the topic
table, and whose payload is a plain number or a small flat object, becomes a row of arrays at once; every other packet
is handed on by its place, to be decoded with care. Order within a connection is kept among rows and among the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from cityloop.kernel.columns import F64, I32, I64, U8
from cityloop.wire.scan import SURE, scan_reading

__all__ = ["ALIASES", "MALFORMED", "PACKET", "TOO_LARGE", "Rows", "TopicTable", "split"]

U64 = npt.NDArray[np.uint64]

ALIASES = 16
"""Topic aliases that a client may use on a connection."""

PACKET = 0
MALFORMED = 1
TOO_LARGE = 2

_PUBLISH = 3
_EMPTY = np.int32(-1)


class TopicTable:
    """Topics of single readings, by their bytes, to rows of the stream table."""

    def __init__(self) -> None:
        self.slots = np.full(1024, _EMPTY, np.int32)
        self.hashes = np.empty(512, np.uint64)
        self.begins = np.zeros(513, np.int64)
        self.rows = np.empty(512, np.int32)
        self.text = np.empty(16384, np.uint8)
        self._count = 0

    def __len__(self) -> int:
        """Return the number of topics."""
        return self._count

    def add(self, topics: Sequence[bytes], rows: I32) -> None:
        """Enter topics, or give known ones other rows."""
        lengths = np.array([len(topic) for topic in topics], np.int64)
        needed = int(self.begins[self._count]) + int(lengths.sum())
        if needed > len(self.text):
            self.text = np.concatenate([self.text, np.empty(max(needed, len(self.text)), np.uint8)])
        while self._count + len(topics) > len(self.rows):
            self._grow_entries()
        ends = np.cumsum(lengths)
        joined = np.frombuffer(b"".join(topics), np.uint8)
        self._count = int(
            _enter_all(
                self.slots,
                self.hashes,
                self.begins,
                self.text,
                self.rows,
                self._count,
                joined,
                ends,
                np.array(rows, np.int32),
            )
        )

    def row_of(self, topic: bytes) -> int:
        """Return the row of a topic, -1 when it is not in the table."""
        key = np.frombuffer(topic, np.uint8)
        entry = _find(self.slots, self.hashes, self.begins, self.text, key, 0, len(key))
        return int(self.rows[entry]) if entry >= 0 else -1

    def _grow_entries(self) -> None:
        self.hashes = np.concatenate([self.hashes, np.empty_like(self.hashes)])
        self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
        self.begins = np.concatenate([self.begins, np.zeros(len(self.begins) - 1, np.int64)])
        self.slots = np.full(len(self.slots) * 2, _EMPTY, np.int32)
        _enter_again(self.slots, self.hashes, self._count)


@dataclass(slots=True)
class Rows:
    """Room for what one pass finds."""

    stream: I32
    observed_at_ms: I64
    value: F64
    piece: I32
    """Index of the piece of bytes, one a connection, that a reading came in."""

    packet_id: I32
    """0 when the reading asks for no acknowledgement."""

    rest_piece: I32
    rest_begin: I64
    rest_end: I64
    rest_kind: U8
    """``PACKET``, ``MALFORMED`` or ``TOO_LARGE``; after the last two nothing more is read of the piece."""

    @classmethod
    def with_room(cls, rows: int, rest: int) -> Rows:
        """Return arrays for so many readings and other packets."""
        return cls(
            np.empty(rows, np.int32),
            np.empty(rows, np.int64),
            np.empty(rows, np.float64),
            np.empty(rows, np.int32),
            np.empty(rows, np.int32),
            np.empty(rest, np.int32),
            np.empty(rest, np.int64),
            np.empty(rest, np.int64),
            np.empty(rest, np.uint8),
        )


def split(
    text: U8,
    begins: I64,
    ends: I64,
    session: I32,
    versions: U8,
    aliases: I32,
    topics: TopicTable,
    rows: Rows,
    max_packet: int,
) -> tuple[int, int]:
    """Find the whole packets in each piece, and move ``begins`` past them.

    Parameters
    ----------
    text
        The bytes of all connections.
    begins, ends
        Where the bytes of each connection lie, shape (n_pieces,). ``begins`` is moved.
    session
        Row of each connection in the next two.
    versions
        Protocol of a session: 4 or 5 when its readings may be taken here, 0 when all its packets are handed on.
    aliases
        Row of the stream that each topic alias of a session stands for, -1 for none; shape (n_sessions, ALIASES + 1).
        Aliases that a packet sets are entered.

    Returns
    -------
    tuple[int, int]
        How many readings and how many other packets were found. When either fills its room the pass ends early;
        call again.
    """
    return _split(
        text,
        begins,
        ends,
        session,
        versions,
        aliases,
        topics.slots,
        topics.hashes,
        topics.begins,
        topics.text,
        topics.rows,
        max_packet,
        rows.stream,
        rows.observed_at_ms,
        rows.value,
        rows.piece,
        rows.packet_id,
        rows.rest_piece,
        rows.rest_begin,
        rows.rest_end,
        rows.rest_kind,
    )


@njit(cache=True, nogil=True)
def _hash(text: U8, begin: int, end: int) -> np.uint64:
    # FNV-1a, finished so that the low bits which pick the slot depend on all of it.
    value = np.uint64(14695981039346656037)
    for at in range(begin, end):
        value = (value ^ np.uint64(text[at])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29))


@njit(cache=True, nogil=True)
def _enter(slots: I32, hashes: U64, entry: int) -> None:
    mask = len(slots) - 1
    slot = np.int64(hashes[entry] & np.uint64(mask))
    while slots[slot] >= 0:
        slot = (slot + 1) & mask
    slots[slot] = entry


@njit(cache=True, nogil=True)
def _find(slots: I32, hashes: U64, begins: I64, known: U8, text: U8, begin: int, end: int) -> int:
    mask = len(slots) - 1
    key = _hash(text, begin, end)
    slot = np.int64(key & np.uint64(mask))
    while slots[slot] >= 0:
        entry = slots[slot]
        if hashes[entry] == key and begins[entry + 1] - begins[entry] == end - begin:
            base = begins[entry]
            same = True
            for place in range(end - begin):
                if known[base + place] != text[begin + place]:
                    same = False
                    break
            if same:
                return int(entry)
        slot = (slot + 1) & mask
    return -1


@njit(cache=True, nogil=True)
def _enter_all(
    slots: I32, hashes: U64, begins: I64, known: U8, rows: I32, count: int, text: U8, ends: I64, new_rows: I32
) -> int:
    begin = 0
    for topic in range(len(ends)):
        end = ends[topic]
        entry = _find(slots, hashes, begins, known, text, begin, end)
        if entry < 0:
            entry = count
            base = begins[count]
            for place in range(end - begin):
                known[base + place] = text[begin + place]
            begins[count + 1] = base + end - begin
            hashes[count] = _hash(text, begin, end)
            _enter(slots, hashes, count)
            count += 1
        rows[entry] = new_rows[topic]
        begin = end
    return count


@njit(cache=True, nogil=True)
def _enter_again(slots: I32, hashes: U64, count: int) -> None:
    for entry in range(count):
        _enter(slots, hashes, entry)


@njit(cache=True, nogil=True)
def _length(text: U8, at: int, end: int) -> tuple[int, int]:
    """Read a length of up to four bytes; return (length, byte after): -1 when bytes are missing, -2 when malformed."""
    value = 0
    shift = 0
    while at < end:
        byte = int(text[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 21:
            return -2, at
    return -1, at


@njit(cache=True, nogil=True)
def _alias(text: U8, at: int, end: int) -> tuple[int, int]:
    """Read the properties of a publish; return (alias or 0, byte after), the byte -1 when there are others."""
    length, at = _length(text, at, end)
    if length < 0 or at + length > end:
        return 0, -1
    after = at + length
    alias = 0
    while at < after:
        kind = text[at]
        if kind == 0x23 and alias == 0 and at + 3 <= after:
            alias = int(text[at + 1]) * 256 + int(text[at + 2])
            if alias == 0:
                return 0, -1
            at += 3
        elif kind == 0x01 and at + 2 <= after and text[at + 1] <= 1:
            at += 2
        else:
            return 0, -1
    return alias, after


@njit(cache=True, nogil=True)
def _split(
    text: U8,
    begins: I64,
    ends: I64,
    session: I32,
    versions: U8,
    aliases: I32,
    slots: I32,
    hashes: U64,
    topic_begins: I64,
    topic_text: U8,
    topic_rows: I32,
    max_packet: int,
    out_stream: I32,
    out_observed: I64,
    out_value: F64,
    out_piece: I32,
    out_packet_id: I32,
    rest_piece: I32,
    rest_begin: I64,
    rest_end: I64,
    rest_kind: U8,
) -> tuple[int, int]:
    found = 0
    rest = 0
    for piece in range(len(begins)):
        at, end = begins[piece], ends[piece]
        speaker = session[piece]
        while end - at >= 2:
            if found == len(out_stream) or rest == len(rest_piece):
                begins[piece] = at
                return found, rest
            length, body = _length(text, at + 1, end)
            if length == -1:
                break
            if length == -2 or length > max_packet:
                rest_piece[rest], rest_begin[rest], rest_end[rest] = piece, at, end
                rest_kind[rest] = MALFORMED if length == -2 else TOO_LARGE
                rest += 1
                at = end
                break
            after = body + length
            if after > end:
                break
            head = text[at]
            qos = (head >> 1) & 3
            taken = False
            # A publish that is no retained one, of at most QoS 1, from a connection that was let in.
            if head >> 4 == _PUBLISH and qos < 2 and head & 1 == 0 and versions[speaker] != 0 and length >= 3:
                name_end = body + 2 + int(text[body]) * 256 + int(text[body + 1])
                packet_id = 0
                start = name_end
                if qos == 1 and start + 2 <= after:
                    packet_id = int(text[start]) * 256 + int(text[start + 1])
                    start += 2
                alias = 0
                if start <= after and (qos == 0 or packet_id > 0):
                    if versions[speaker] == 5:
                        alias, start = _alias(text, start, after)
                    row = -1
                    if start >= 0 and alias <= ALIASES:
                        if name_end > body + 2:
                            entry = _find(slots, hashes, topic_begins, topic_text, text, body + 2, name_end)
                            row = topic_rows[entry] if entry >= 0 else -1
                        elif alias > 0:
                            row = aliases[speaker, alias]
                    if row >= 0:
                        sure, value, instant = scan_reading(text, start, after)
                        if sure == SURE:
                            if alias > 0:
                                aliases[speaker, alias] = row
                            out_stream[found] = row
                            out_observed[found] = instant
                            out_value[found] = value
                            out_piece[found] = piece
                            out_packet_id[found] = packet_id
                            found += 1
                            taken = True
            if not taken:
                rest_piece[rest], rest_begin[rest], rest_end[rest] = piece, at, after
                rest_kind[rest] = PACKET
                rest += 1
            at = after
        begins[piece] = at
    return found, rest
