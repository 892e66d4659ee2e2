"""The log's bytes: read back whole, cut where a power cut tore them, refused where they are of another format."""

from __future__ import annotations

import numpy as np
import pytest

from cityloop.kernel.batch import Batch
from cityloop.kernel.errors import StoreError
from cityloop.storage.readings.frames import FRAME_HEAD_BYTES, file_head, frame, read_log


@pytest.fixture
def log(tmp_path, batch_of):
    """A log file of three frames with room behind them: its path, the batches, where each frame ends."""
    batches = [batch_of([n, n + 1], [n * 10, n * 10 + 5], [float(n), np.pi]) for n in range(3)]
    parts = [file_head(7), *(frame(n, batch) for n, batch in enumerate(batches))]
    path = tmp_path / "00000007.log"
    path.write_bytes(b"".join(parts) + bytes(1000))
    return path, batches, np.cumsum([len(part) for part in parts]).tolist()


def same(one: Batch, other: Batch) -> bool:
    """Equal in every column, bit by bit."""
    return all(getattr(one, n).tobytes() == getattr(other, n).tobytes() for n in Batch.__slots__)


def test_frames_come_back_bit_by_bit(log):
    """What was written is read, in order; the room behind is not counted as torn."""
    path, batches, ends = log
    held = read_log(path)
    assert all(same(*pair) for pair in zip(held.batches, batches, strict=True))
    assert (held.number, held.end_byte, held.torn_bytes, held.damaged_byte) == (7, ends[-1], 0, None)


def test_a_large_frame_is_kept_uncompressed_and_comes_back(tmp_path, batch_of):
    """Above some thousand rows the log spends room instead of CPU time."""
    large = batch_of(np.arange(9_000), np.arange(9_000), np.linspace(0, 1, 9_000))
    path = tmp_path / "1.log"
    path.write_bytes(file_head(1) + frame(0, large))
    assert same(read_log(path).batches[0], large)


def test_a_torn_last_frame_is_left_out(log):
    """Half of the last frame is there: the two before it count."""
    path, _, ends = log
    path.write_bytes(path.read_bytes()[: (ends[2] + ends[3]) // 2])
    held = read_log(path)
    assert len(held.batches) == 2
    assert held.end_byte == ends[2]
    assert held.torn_bytes > 0
    assert held.damaged_byte is None


@pytest.mark.parametrize("at", [0, FRAME_HEAD_BYTES + 3])
def test_damage_before_a_whole_frame_is_told_and_stepped_over(log, at):
    """One bit of an acknowledged frame flips: it is named, and those around it are still read."""
    path, batches, ends = log
    data = bytearray(path.read_bytes())
    data[ends[1] + at] ^= 1
    path.write_bytes(data)
    held = read_log(path)
    assert held.damaged_byte == ends[1]
    assert [same(a, b) for a, b in zip(held.batches, (batches[0], batches[2]), strict=True)] == [True, True]


def test_another_format_is_refused(log):
    """A log of a later release names both formats and what to do."""
    path, _, _ = log
    import zlib

    head = path.read_bytes()[:8] + (9).to_bytes(4, "little") + (7).to_bytes(8, "little")
    path.write_bytes(head + zlib.crc32(head).to_bytes(4, "little"))
    with pytest.raises(StoreError, match="format 9, must be 1; open it with the release that wrote it"):
        read_log(path)


def test_a_file_that_never_got_its_head_is_empty(tmp_path):
    """Room was set aside and the power went: nothing was acknowledged from it."""
    path = tmp_path / "1.log"
    path.write_bytes(bytes(4096))
    assert read_log(path).batches == ()
