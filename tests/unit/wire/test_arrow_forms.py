"""Bodies that were seen before but for their numbers are read as the decoder would read them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.wire.arrow import decode_arrow, encode_arrow
from cityloop.wire.arrow_forms import ArrowForms
from cityloop.wire.named import WireError

NOW = 1_800_000_000_000
NAMES = ["a", "bb", "a", "ccc", "bb"]
ROWS = np.array([4, 9, 4, 2, 9], np.int32)


def body(value, observed=None, names=NAMES) -> bytes:
    at = np.full(len(value), NOW) if observed is None else np.array(observed, np.int64)
    return encode_arrow(names[: len(value)], at, np.array(value, np.float64))


def learnt(raw: bytes, rows=ROWS, **bounds) -> ArrowForms:
    forms = ArrowForms(**bounds)
    (pack,) = decode_arrow(raw, max_bytes=1 << 20)
    assert forms.learn(raw, pack, rows)
    return forms


def whole(columns: dict[str, pa.Array], compression: str | None = None) -> bytes:
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def test_numbers_of_a_known_form_are_read():
    """Other instants and values than those it was learnt with."""
    forms = learnt(body([1, 2, 3, 4, 5]))
    stream, observed, value = forms.read(body([9.5, np.nan, -1, np.inf, 0], [1, 2, 3, 4, 2**62]))
    assert stream.tolist() == ROWS.tolist()
    assert observed.tolist() == [1, 2, 3, 4, 2**62]
    np.testing.assert_array_equal(value, [9.5, np.nan, -1, np.inf, 0])


@pytest.mark.parametrize(
    "other",
    [
        body([1, 2, 3, 4, 5], names=["a", "bb", "a", "ccd", "bb"]),
        body([1, 2, 3, 4, 5], names=["a", "bb", "a", "ccc", "a"]),
        body([1, 2, 3, 4]),
        body([1, 2, 3, 4, 5]) + b"\0",
        b"",
    ],
)
def test_another_name_order_or_length_is_another_form(other):
    assert learnt(body([1, 2, 3, 4, 5])).read(other) is None


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_means_what_the_decoder_says(place, byte):
    """Wherever it stands: the same numbers, or no form, never other streams than the decoder names."""
    raw = bytearray(body([1, 2, 3, 4, 5]))
    forms = learnt(bytes(raw))
    raw[place % len(raw)] = byte
    found = forms.read(bytes(raw))
    try:
        packs = list(decode_arrow(bytes(raw), max_bytes=1 << 20))
    except WireError:
        packs = []
    if found is None:
        return
    (pack,) = packs
    assert [pack.names[code].as_py() for code in pack.codes] == NAMES
    assert found[1].tolist() == pack.observed_at_ms.tolist()
    assert found[2].tobytes() == pack.value.tobytes()


@pytest.mark.parametrize(
    ("columns", "compression"),
    [
        ({"value": pa.array([1.0, 2.0], pa.float32())}, None),
        ({"observed_at_ms": pa.array([1, 2], pa.timestamp("ns"))}, None),
        ({"unit": pa.array(["Cel", "Cel"])}, None),
        ({}, "zstd"),
    ],
)
def test_what_has_to_be_converted_or_unpacked_is_no_form(columns, compression):
    plain = {"stream": pa.array([0, 1], pa.int32()), "observed_at_ms": pa.array([1, 2]), "value": pa.array([1.0, 2.0])}
    raw = whole({**plain, **columns}, compression)
    (pack,) = decode_arrow(raw, max_bytes=1 << 20)
    assert not ArrowForms().learn(raw, pack, np.array([0, 1], np.int32))


def test_rows_may_be_given_and_columns_may_stand_in_any_order():
    def made(first: float) -> bytes:
        value, observed = pa.array([first, 2.0]), pa.array([7, 8])
        return whole({"value": value, "stream": pa.array([3, 1], pa.int32()), "observed_at_ms": observed})

    raw = made(1.0)
    (pack,) = decode_arrow(raw, max_bytes=1 << 20)
    forms = ArrowForms()
    assert forms.learn(raw, pack, pack.stream)
    stream, observed, value = forms.read(made(5.0))
    assert (stream.tolist(), observed.tolist(), value.tolist()) == ([3, 1], [7, 8], [5.0, 2.0])


def test_memory_is_bounded():
    """When there is no more room all forms are forgotten, and learnt again as they come."""
    forms = ArrowForms(most_bytes=5_000)
    for number in range(50):
        names = [f"{number:03d}-{row}" for row in range(5)]
        raw = body([1, 2, 3, 4, 5], names=names)
        (pack,) = decode_arrow(raw, max_bytes=1 << 20)
        forms.learn(raw, pack, ROWS)
        assert forms.read(raw) is not None
    assert 0 < len(forms) < 10
