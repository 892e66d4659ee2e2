"""The framed log: whole frames come back, a torn or damaged tail is told and never read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cityloop.kernel.errors import StoreError
from cityloop.storage.journal_log import LogReader, LogWriter

FRAMES = [b"one", b"", b"three" * 100]


@pytest.fixture
def log(tmp_path):
    """A folder with a log of three frames."""
    writer = LogWriter(tmp_path, "log")
    for frame in FRAMES:
        writer.append(frame)
    writer.close()
    return tmp_path


def segment(folder):
    return folder / "log-000000.mp"


def test_frames_come_back_in_order(log):
    """What was appended is read, empty frames included."""
    reader = LogReader(log, "log")
    assert list(reader) == FRAMES
    assert reader.torn is None


@pytest.mark.parametrize("size", [0, 1, 255, 256, 511, 512, 70_000])
def test_what_is_stored_is_a_zstd_frame(tmp_path, size):
    """Any zstd reader unpacks a frame, whether it was worth compressing or is kept as it came."""
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    writer = LogWriter(tmp_path, "log")
    writer.append(payload)
    writer.close()
    stored = segment(tmp_path).read_bytes()[len(b"cityloop log 1\n") + 12 :]
    assert zstandard(stored) == payload


def zstandard(stored):
    """Unpack a stream of zstd without being told how long it is."""
    return pa.input_stream(pa.BufferReader(stored), compression="zstd").read()


@pytest.mark.parametrize("cut_bytes", [1, 5, 20])
def test_torn_tail_is_told(log, cut_bytes):
    """A frame cut short is not read, and the reader says where."""
    path = segment(log)
    path.write_bytes(path.read_bytes()[:-cut_bytes])
    reader = LogReader(log, "log")
    assert list(reader) == FRAMES[:2]
    assert reader.torn is not None
    assert "torn frame" in str(reader.torn)
    assert reader.torn.at_byte + reader.torn.left_bytes == path.stat().st_size


def test_one_flipped_bit_is_told(log):
    """A damaged frame is not read, nor anything after it."""
    path = segment(log)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    reader = LogReader(log, "log")
    assert list(reader) == FRAMES[:2]
    assert "damaged frame" in str(reader.torn)


def test_damage_in_the_middle_hides_the_rest(log):
    """Frames after a damaged one are not trusted: their place in the order is unknown."""
    path = segment(log)
    data = bytearray(path.read_bytes())
    data[16] ^= 1
    path.write_bytes(bytes(data))
    reader = LogReader(log, "log")
    assert list(reader) == []
    assert reader.torn is not None


def test_a_log_goes_on_in_the_next_segment(tmp_path):
    """A full segment is followed by the next, and both are read as one."""
    writer = LogWriter(tmp_path, "log", segment_bytes=64)
    for number in range(20):
        writer.append(b"%d" % number)
    writer.close()
    assert len(list(tmp_path.glob("log-*.mp"))) > 2
    assert list(LogReader(tmp_path, "log")) == [b"%d" % number for number in range(20)]


def test_damage_in_one_segment_hides_the_next(tmp_path):
    """A hole in the middle of a log is not skipped."""
    writer = LogWriter(tmp_path, "log", segment_bytes=20)
    for frame in FRAMES:
        writer.append(frame)
    writer.close()
    middle = tmp_path / "log-000001.mp"
    middle.write_bytes(middle.read_bytes()[:-1])
    assert list(LogReader(tmp_path, "log")) == FRAMES[:1]


def test_another_file_is_not_a_log(tmp_path):
    """A file of another format is refused, not read as a torn log."""
    segment(tmp_path).write_bytes(b"PAR1 something else entirely")
    with pytest.raises(StoreError, match="not a cityloop log"):
        list(LogReader(tmp_path, "log"))


def test_a_log_is_never_written_over(log):
    """A second writer of the same log is refused by the file system."""
    with pytest.raises(FileExistsError):
        LogWriter(log, "log")
