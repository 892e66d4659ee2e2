"""Typed columns, declared once with unit, range and meaning.

A table is a dataclass whose fields are NumPy arrays annotated with a ``Column``. Validation, documentation,
storage and default panels are derived from that declaration and from nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from cityloop.kernel.errors import LayoutError

__all__ = ["BOOL", "F64", "I8", "I32", "I64", "U8", "Column", "columns_of", "row_count", "validate"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int8]
U8 = npt.NDArray[np.uint8]
BOOL = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """The declaration of one column."""

    unit: str
    """Unit of every value, ``"1"`` for counts, shares and codes."""

    low: float = -math.inf
    """Least value allowed (inclusive)."""

    high: float = math.inf
    """Greatest value allowed (inclusive)."""

    per: str = "row"
    """What one entry stands for: ``row`` (one a row), or the name of a ragged axis."""

    missing: bool = False
    """Whether NaN is a legal entry, meaning unknown."""


@dataclasses.dataclass(frozen=True, slots=True)
class NamedColumn:
    """A column with its field name and element type."""

    name: str
    dtype: np.dtype[Any]
    column: Column


def columns_of(table: type) -> Iterator[NamedColumn]:
    """Yield the declared columns of a table type, in declaration order."""
    for name, hint in get_type_hints(table, include_extras=True).items():
        if get_origin(hint) is Annotated:
            array, *extras = get_args(hint)
            for extra in extras:
                if isinstance(extra, Column):
                    yield NamedColumn(name, _element_type(array), extra)


def _element_type(array: Any) -> np.dtype[Any]:
    # NumPy spells NDArray[T] as ndarray[shape, dtype[T]], and from 2.5 on as an alias that holds T alone.
    last = get_args(array)[-1]
    element: np.dtype[Any] = np.dtype(get_args(last)[0] if get_args(last) else last)
    return element


def row_count(table: Any) -> int:
    """Return the number of rows: the common length of the columns declared one a row."""
    for named in columns_of(type(table)):
        if named.column.per == "row":
            return len(getattr(table, named.name))
    return 0


def validate(table: Any) -> None:
    """Check every declared column's type, length and range.

    Raises
    ------
    LayoutError
        Naming the table, the column, the row, the value and the bound.
    """
    rows = row_count(table)
    kind = type(table).__name__
    for named in columns_of(type(table)):
        values, column = getattr(table, named.name), named.column
        if values.dtype != named.dtype:
            raise LayoutError(f"{kind}.{named.name}: type {values.dtype}, must be {named.dtype}.")
        if column.per == "row" and len(values) != rows:
            raise LayoutError(f"{kind}.{named.name}: {len(values)} rows, must be {rows}.")
        if values.dtype.kind in "biu" and column.low == -math.inf and column.high == math.inf:
            continue
        wrong = ~((values >= column.low) & (values <= column.high))
        if column.missing:
            wrong &= ~np.isnan(values)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            bound = f"{column.low:g} to {column.high:g} {column.unit}"
            raise LayoutError(f"{kind}.{named.name}, row {row}: {values.flat[row]:g}, must be {bound}.")
