"""A layout as bytes, so that a recording can be read where the city is not at hand.

The codec knows no table by name: whatever a table declares as a column (``kernel.columns``) or as a table
within the table is written, and read back with the declared types. Equal layouts give equal bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast, get_type_hints

import msgspec
import numpy as np

from cityloop.kernel.columns import columns_of, validate
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Layout, Movements, Streams

__all__ = ["FORMAT", "decode_layout", "encode_layout"]

FORMAT = 1
"""Version of the encoding; another one is refused."""

_CORE: Mapping[str, type] = {
    "junctions": Junctions,
    "edges": Edges,
    "lanes": Lanes,
    "approaches": Approaches,
    "movements": Movements,
    "streams": Streams,
}


class _Array(msgspec.Struct, frozen=True, array_like=True):
    """A column's values: little-endian, row-major."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    version: str
    core: dict[str, dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    names: dict[str, tuple[str, ...]]


def encode_layout(layout: Layout) -> bytes:
    """Return the bytes of a layout, its domains' tables and names included."""
    return msgspec.msgpack.encode(
        _Document(
            format=FORMAT,
            version=layout.version,
            core={name: _encode_table(getattr(layout, name)) for name in _CORE},
            tables={name: _encode_table(layout.tables[name]) for name in sorted(layout.tables)},
            names={name: tuple(layout.names[name]) for name in sorted(layout.names)},
        )
    )


def decode_layout(data: bytes, tables: Mapping[str, type]) -> Layout:
    """Return the layout that the bytes hold.

    Parameters
    ----------
    data
        What ``encode_layout`` gave.
    tables
        Type of each domain's own table, by domain name; a table whose domain is not named is left out.
    """
    try:
        document = msgspec.msgpack.decode(data, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LayoutError(f"The recorded layout cannot be decoded ({error}); it is damaged.") from error
    if document.format != FORMAT:
        raise LayoutError(
            f"The recorded layout has format {document.format}, must be {FORMAT}; use the release it is of."
        )
    core = {name: _decode_table(document.core.get(name), kind, name) for name, kind in _CORE.items()}
    return Layout(
        version=document.version,
        tables={
            name: _decode_table(table, tables[name], name) for name, table in document.tables.items() if name in tables
        },
        names=document.names,
        **core,
    )


def _encode_table(table: Any) -> dict[str, Any]:
    columns = {named.name: named.dtype for named in columns_of(type(table))}
    encoded: dict[str, Any] = {}
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if field.name in columns:
            dtype = columns[field.name].newbyteorder("<")
            encoded[field.name] = _Array(dtype.str, value.shape, value.astype(dtype, order="C").tobytes())
        elif dataclasses.is_dataclass(value):
            encoded[field.name] = _encode_table(value)
        else:
            encoded[field.name] = value
    return encoded


def _decode_table(encoded: dict[str, Any] | None, kind: type, where: str) -> Any:
    if encoded is None:
        raise LayoutError(f"The recorded layout has no table {where!r}; it is damaged.")
    columns = {named.name: named.dtype for named in columns_of(kind)}
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        path = f"{where}.{field.name}"
        if field.name not in encoded:
            raise LayoutError(f"The recorded layout has no {path}; it was written by another release.")
        value = encoded[field.name]
        if field.name in columns:
            values[field.name] = _decode_array(value, columns[field.name], path)
        elif dataclasses.is_dataclass(hints[field.name]):
            values[field.name] = _decode_table(value, cast(type, hints[field.name]), path)
        else:
            values[field.name] = msgspec.convert(value, hints[field.name])
    table = kind(**values)
    validate(table)
    return table


def _decode_array(value: Any, dtype: np.dtype[Any], path: str) -> Any:
    try:
        array = msgspec.convert(value, _Array)
        # A copy, because compiled functions tell read-only arrays apart and would be compiled a second time.
        return np.frombuffer(array.data, np.dtype(array.dtype)).reshape(array.shape).astype(dtype)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise LayoutError(f"The recorded layout's {path} cannot be decoded ({error}); it is damaged.") from error
