"""Columns as they are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from cityloop.kernel.columns import BOOL, F64, I32, I64, U8, Column, columns_of


@dataclass(frozen=True, slots=True)
class Bins:
    """A table of every element type, and a field that is no column."""

    fill_frac: Annotated[F64, Column("1", low=0, high=1, missing=True)]
    street: Annotated[I32, Column("1", low=0)]
    emptied_at_ms: Annotated[I64, Column("ms")]
    kind: Annotated[U8, Column("1")]
    locked: Annotated[BOOL, Column("1")]
    name: str


def test_columns_carry_name_element_type_and_declaration():
    """The element type is read from the annotation, however the installed NumPy spells it."""
    found = [(named.name, named.dtype) for named in columns_of(Bins)]
    assert found == [
        ("fill_frac", np.dtype(np.float64)),
        ("street", np.dtype(np.int32)),
        ("emptied_at_ms", np.dtype(np.int64)),
        ("kind", np.dtype(np.uint8)),
        ("locked", np.dtype(np.bool_)),
    ]
    assert next(columns_of(Bins)).column == Column("1", low=0, high=1, missing=True)
