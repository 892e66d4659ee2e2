"""Batches and journals come back whole; a cut or damaged log never gives a wrong frame."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cityloop.domains.signals.schema import ShowStage
from cityloop.kernel.batch import Batch, concat
from cityloop.kernel.journal import decision_bytes
from cityloop.kernel.messages import Allowed, Alternative, Decision, Proposal, Refused, Trimmed
from cityloop.storage.journal_log import LogReader, LogWriter
from cityloop.storage.readings_log import ReadingsReader, ReadingsWriter
from cityloop.storage.records import Frames, decision_from, frame_of

instants = st.integers(-(2**63), 2**63 - 1)
readings = st.tuples(st.integers(0, 2**31 - 1), instants, instants, st.floats(width=64), st.integers(0, 2))
stages = st.integers(0, 200).map(ShowStage)
verdicts = st.one_of(stages.map(Allowed), st.builds(Trimmed, stages, st.integers(1, 7)), st.integers(1, 7).map(Refused))
numbers = st.floats(allow_nan=False)
decisions = st.builds(
    Decision,
    decided_at_ms=instants,
    domain=st.just("signals"),
    policy=st.text(max_size=10),
    proposal=st.builds(
        Proposal,
        target=st.integers(0, 2**31),
        action=stages,
        reason=st.integers(0, 20),
        cost=numbers,
        gain=numbers,
        alternatives=st.lists(st.builds(Alternative, st.integers(0, 20), numbers), max_size=3).map(tuple),
    ),
    verdict=verdicts,
    sequence=st.integers(-1, 2**40),
    not_after_ms=instants,
)


def batch_of(rows):
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    kinds = (np.int32, np.int64, np.int64, np.float64, np.uint8)
    return Batch(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def same(one, other):
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in Batch.__slots__)


@given(st.lists(st.lists(readings, max_size=5), max_size=6), st.sampled_from([0.0, 2.0, 100.0]))
def test_readings_come_back_bit_for_bit(steps, chunk_s):
    """Any values, NaN payloads and infinities included, in any grouping, come back as they were."""
    batches = [batch_of(rows) for rows in steps]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "r.arrows"
        writer = ReadingsWriter(path, chunk_s=chunk_s)
        for number, batch in enumerate(batches):
            writer.append(number * 1_000, batch)
        writer.close()
        read = list(ReadingsReader(path))
    assert [now_ms for now_ms, _ in read] == [number * 1_000 for number in range(len(batches))]
    assert all(same(got, put) for (_, got), put in zip(read, batches, strict=True))


@given(st.lists(st.lists(readings, max_size=4), max_size=5))
def test_joining_batches_is_joining_their_rows(steps):
    """Rows of the whole are the rows of the parts, in order."""
    joined = concat([batch_of(rows) for rows in steps])
    assert same(joined, batch_of([row for rows in steps for row in rows]))


@given(decisions)
def test_decisions_come_back_equal(decision):
    """Canonical bytes are a full account of a decision."""
    assert decision_from(decision_bytes(decision)) == decision


@given(decisions, decisions)
def test_bytes_tell_decisions_apart(one, other):
    """Equal bytes mean equal decisions, and equal decisions equal bytes unless zeros differ in sign."""
    if decision_bytes(one) == decision_bytes(other):
        assert one == other
    elif one == other:
        zeros = [one.proposal.cost, one.proposal.gain, *(a.cost for a in one.proposal.alternatives)]
        assert any(math.isclose(zero, 0.0, abs_tol=0.0) for zero in zeros)


def write(folder, frames, segment_bytes):
    writer = LogWriter(Path(folder), "log", segment_bytes=segment_bytes)
    for frame in frames:
        writer.append(frame)
    writer.close()


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=6),
    st.integers(0, 10_000),
    st.sampled_from([20, 10_000]),
)
def test_a_cut_log_gives_a_beginning(frames, cut, segment_bytes):
    """Cut the last segment anywhere: what is read is a beginning of what was written, the rest is told."""
    with TemporaryDirectory() as folder:
        write(folder, frames, segment_bytes)
        last = max(Path(folder).glob("log-*.mp"))
        data = last.read_bytes()
        kept = cut % (len(data) + 1)
        last.write_bytes(data[:kept])
        reader = LogReader(Path(folder), "log")
        read = list(reader)
    assert read == frames[: len(read)]
    assert kept == len(data) or reader.torn is not None or len(read) < len(frames)


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=6),
    st.integers(0, 10_000),
    st.integers(0, 7),
)
def test_a_flipped_bit_never_gives_a_wrong_frame(frames, at, bit):
    """Flip any bit after the head: frames read are a true beginning, and the damage is told."""
    with TemporaryDirectory() as folder:
        write(folder, frames, 10_000)
        (path,) = Path(folder).glob("log-*.mp")
        data = bytearray(path.read_bytes())
        head = len(b"cityloop log 1\n")
        data[head + at % (len(data) - head)] ^= 1 << bit
        path.write_bytes(bytes(data))
        reader = LogReader(Path(folder), "log")
        read = list(reader)
    assert read == frames[: len(read)]
    assert len(read) < len(frames)
    assert reader.torn is not None


@given(st.lists(decisions, max_size=4))
def test_a_frame_holds_the_canonical_bytes(made):
    """What a frame holds is byte for byte what the digest is taken over."""
    records = [decision_bytes(decision) for decision in made]
    frame, joined = frame_of(5, made)
    assert joined == b"".join(records)
    with TemporaryDirectory() as folder:
        write(folder, [frame], 10_000)
        assert list(Frames(Path(folder), "log")) == [(5, records)]
    assert all(msgspec.msgpack.decode(record) for record in records)
