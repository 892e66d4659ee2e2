"""The trace: kept by time, read while it is written, whole up to a torn end."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityloop.kernel.errors import StoreError
from cityloop.storage.trace_log import HOUR_MS, TraceReader, TraceWriter


def write(folder: Path, instants: list[int], *, keep_ms: int = 10**12, segment_ms: int = HOUR_MS) -> TraceWriter:
    writer = TraceWriter(folder, keep_ms=keep_ms, segment_ms=segment_ms)
    for at_ms in instants:
        writer.append(at_ms, str(at_ms).encode())
    return writer


def read(folder: Path, begin_ms: int, end_ms: int, **more: int) -> list[int]:
    return [int(payload) for payload in TraceReader(folder).between(begin_ms, end_ms, **more)]


def test_a_span_is_read_with_both_ends(tmp_path: Path) -> None:
    """Across segments, in order of time."""
    write(tmp_path, list(range(0, 10_000, 1000)), segment_ms=3000).close()
    assert len(list(tmp_path.glob("*.trace"))) == 4
    assert read(tmp_path, 2000, 7000) == [2000, 3000, 4000, 5000, 6000, 7000]
    assert TraceReader(tmp_path).span() == (0, 9000)


def test_strides_and_limits_thin_out(tmp_path: Path) -> None:
    """At most one step a stride, at most so many."""
    write(tmp_path, list(range(0, 10_000, 1000))).close()
    assert read(tmp_path, 0, 9000, stride_ms=3000) == [0, 3000, 6000, 9000]
    assert read(tmp_path, 0, 9000, limit=2) == [0, 1000]


def test_a_reader_sees_what_is_written_meanwhile(tmp_path: Path) -> None:
    """The same reader finds steps that came after its first look."""
    writer, reader = write(tmp_path, [1000]), TraceReader(tmp_path)
    assert reader.span() == (1000, 1000)
    writer.append(2000, b"2000")
    assert [int(p) for p in reader.between(0, 5000)] == [1000, 2000]
    writer.close()


def test_a_killed_writer_loses_nothing_it_wrote(tmp_path: Path) -> None:
    """What was appended is read without the file ever being closed; the next start begins another segment."""
    write(tmp_path, [1000, 2000])
    write(tmp_path, [3000]).close()
    assert read(tmp_path, 0, 9000) == [1000, 2000, 3000]


def test_a_torn_end_is_left_unread(tmp_path: Path) -> None:
    """A frame that is not whole ends its segment, and no other."""
    write(tmp_path, [1000, 2000]).close()
    path = next(tmp_path.glob("*.trace"))
    path.write_bytes(path.read_bytes()[:-3])
    write(tmp_path, [5000]).close()
    assert read(tmp_path, 0, 9000) == [1000, 5000]


def test_a_damaged_frame_is_told(tmp_path: Path) -> None:
    """A changed byte is found by its checksum."""
    write(tmp_path, [1000]).close()
    path = next(tmp_path.glob("*.trace"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="checksum"):
        read(tmp_path, 0, 9000)


def test_traces_go_by_age_and_never_by_number(tmp_path: Path) -> None:
    """Whole segments past their time are taken away when another begins; younger ones stay however many there are."""
    write(tmp_path, list(range(0, 10_000, 1000)), keep_ms=4000, segment_ms=1000).close()
    assert read(tmp_path, 0, 9000) == [4000, 5000, 6000, 7000, 8000, 9000]
