"""Asset tables as nested dictionaries, whatever form a column takes on the wire.

No table is known by name: what a table declares as a column (``kernel.columns``) or as a table within the table is
written, and read back with the declared types.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast, get_type_hints

import msgspec
import numpy as np

from cityloop.kernel.columns import columns_of, validate
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Movements, Streams

__all__ = ["CORE", "TableForm"]

CORE: Mapping[str, type] = {
    "junctions": Junctions,
    "edges": Edges,
    "lanes": Lanes,
    "approaches": Approaches,
    "movements": Movements,
    "streams": Streams,
}
"""The tables of every layout, by name."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TableForm:
    """How one wire form writes and reads a column, and what it says of a part that is not there."""

    write_column: Callable[[np.ndarray[Any, Any], str], Any]
    read_column: Callable[[Any, np.dtype[Any], str], Any]
    no_table: Callable[[str], str]
    no_column: Callable[[str], str]

    def encode(self, table: Any, path: str) -> dict[str, Any]:
        """Return a table's columns, values and inner tables by field name."""
        columns = {named.name for named in columns_of(type(table))}
        encoded: dict[str, Any] = {}
        for field in dataclasses.fields(table):
            value, inside = getattr(table, field.name), f"{path}.{field.name}"
            if field.name in columns:
                encoded[field.name] = self.write_column(value, inside)
            elif dataclasses.is_dataclass(value):
                encoded[field.name] = self.encode(value, inside)
            else:
                encoded[field.name] = value
        return encoded

    def decode(self, encoded: Any, kind: type, path: str) -> Any:
        """Return the table that was encoded.

        Raises
        ------
        LayoutError
            Naming the table or column and what is wrong with it.
        """
        if not isinstance(encoded, dict):
            raise LayoutError(self.no_table(path))
        columns = {named.name: named.dtype for named in columns_of(kind)}
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for field in dataclasses.fields(kind):
            inside = f"{path}.{field.name}"
            if field.name not in encoded:
                raise LayoutError(self.no_column(inside))
            value = encoded[field.name]
            if field.name in columns:
                values[field.name] = self.read_column(value, columns[field.name], inside)
            elif dataclasses.is_dataclass(hints[field.name]):
                values[field.name] = self.decode(value, cast(type, hints[field.name]), inside)
            else:
                try:
                    values[field.name] = msgspec.convert(value, hints[field.name])
                except msgspec.ValidationError as error:
                    raise LayoutError(f"{inside}: {error}") from error
        table = kind(**values)
        try:
            validate(table)
        except LayoutError as error:
            raise LayoutError(f"{path}: {error}") from error
        return table
