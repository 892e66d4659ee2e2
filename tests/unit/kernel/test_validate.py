"""Tables are checked against their declarations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.schema import SignalAssets
from cityloop.kernel.columns import columns_of, row_count, validate
from cityloop.kernel.errors import LayoutError

LANES = toy_layout(ToyParams()).lanes


def test_a_sound_table_passes():
    """The toy's tables are as declared."""
    validate(LANES)
    assert row_count(LANES) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length_m": np.array([1.0, -2.0, 3.0, 4.0])}, r"Lanes\.length_m, row 1: -2, must be 0 to inf m"),
        ({"length_m": np.array([1.0, np.nan, 3.0, 4.0])}, r"length_m, row 1: nan"),
        ({"length_m": np.ones(3)}, r"Lanes\.length_m: 3 rows, must be 4"),
        ({"length_m": np.ones(4, np.float32)}, r"type float32, must be float64"),
        ({"edge": np.array([0, 1, -1, 0], np.int32)}, r"Lanes\.edge, row 2: -1"),
    ],
)
def test_the_first_wrong_value_is_named(changes, message):
    """Table, column, row, value and bound are in the message."""
    with pytest.raises(LayoutError, match=message):
        validate(dataclasses.replace(LANES, **changes))


def test_ragged_columns_have_their_own_length():
    """A column that is not one a row may be longer or shorter than the table."""
    names = {named.name: named.column.per for named in columns_of(SignalAssets)}
    assert names["lamps"] == "lamp"
    validate(toy_layout(ToyParams()).tables["signals"])
