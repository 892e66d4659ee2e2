"""The layout codec: generic over declared columns, strict about what it reads."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.schema import DOMAIN, SignalAssets
from cityloop.kernel.errors import LayoutError
from cityloop.wire.layout import decode_layout, encode_layout

TABLES = {DOMAIN: SignalAssets}


def same(one, other):
    """Compare values by type, arrays by element and type, tables field by field."""
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one)
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def test_a_layout_comes_back():
    """Every table, column, type and name survives, the signals' nested tables too."""
    layout = toy_layout(ToyParams())
    assert same(decode_layout(encode_layout(layout), TABLES), layout)


def test_equal_layouts_have_equal_bytes():
    """The bytes can be digested: they depend on the layout alone."""
    assert encode_layout(toy_layout(ToyParams())) == encode_layout(toy_layout(ToyParams()))


def test_columns_may_be_written_to():
    """Arrays come back writable and whole, as an adapter makes them."""
    assets = decode_layout(encode_layout(toy_layout(ToyParams())), TABLES).tables[DOMAIN]
    assert assets.lamps.flags.writeable
    assert assets.links.junction.flags.c_contiguous


def test_tables_of_unknown_domains_are_left_out():
    """A reader that does not know a domain still reads the rest."""
    layout = decode_layout(encode_layout(toy_layout(ToyParams())), {})
    assert layout.tables == {}
    assert len(layout.lanes.edge) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=2), "format 2, must be 1"),
        (lambda d: d["core"].pop("lanes"), "no table 'lanes'"),
        (lambda d: d["core"]["lanes"].pop("edge"), "no lanes.edge"),
        (lambda d: d["core"]["lanes"].update(edge="x"), "lanes.edge cannot be decoded"),
        (lambda d: d["core"]["lanes"]["edge"].__setitem__(2, b"123"), "lanes.edge cannot be decoded"),
    ],
)
def test_damage_is_told(change, message):
    """What was left out, cut or written by another release is named."""
    document = msgspec.msgpack.decode(encode_layout(toy_layout(ToyParams())))
    change(document)
    with pytest.raises(LayoutError, match=message):
        decode_layout(msgspec.msgpack.encode(document), TABLES)


def test_values_are_checked_again():
    """A recorded value outside its declared range is refused like one from a file."""
    layout = toy_layout(ToyParams())
    layout.lanes.length_m[1] = -1
    with pytest.raises(LayoutError, match="length_m, row 1"):
        decode_layout(encode_layout(layout), TABLES)


def test_bytes_that_are_no_layout_are_refused():
    """Noise is told as damage, not as a crash."""
    with pytest.raises(LayoutError, match="damaged"):
        decode_layout(b"\x00\x01", TABLES)
