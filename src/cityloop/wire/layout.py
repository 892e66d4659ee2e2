"""A layout as bytes, so that a recording can be read where the city is not at hand.

Equal layouts give equal bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout
from cityloop.wire.asset_tables import CORE, TableForm

__all__ = ["FORMAT", "decode_layout", "encode_layout"]

FORMAT = 1
"""Version of the encoding; another one is refused."""


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
            core={name: _FORM.encode(getattr(layout, name), name) for name in CORE},
            tables={name: _FORM.encode(layout.tables[name], name) for name in sorted(layout.tables)},
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
    core = {name: _FORM.decode(document.core.get(name), kind, name) for name, kind in CORE.items()}
    return Layout(
        version=document.version,
        tables={
            name: _FORM.decode(table, tables[name], name) for name, table in document.tables.items() if name in tables
        },
        names=document.names,
        **core,
    )


def _encode_array(values: np.ndarray[Any, Any], _path: str) -> _Array:
    dtype = values.dtype.newbyteorder("<")
    return _Array(dtype.str, values.shape, values.astype(dtype, order="C").tobytes())


def _decode_array(value: Any, dtype: np.dtype[Any], path: str) -> Any:
    try:
        array = msgspec.convert(value, _Array)
        if not _NUMBERS.match(array.dtype):
            raise ValueError(f"numbers of kind {array.dtype!r:.20}")
        # A copy, because compiled functions tell read-only arrays apart and would be compiled a second time.
        return np.frombuffer(array.data, np.dtype(array.dtype)).reshape(array.shape).astype(dtype)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise LayoutError(f"The recorded layout's {path} cannot be decoded ({error}); it is damaged.") from error


_NUMBERS = re.compile(r"[<|][biuf][1248]\Z")
"""What an array may hold: other kinds that NumPy knows by a text are no columns of ours."""

_FORM = TableForm(
    write_column=_encode_array,
    read_column=_decode_array,
    no_table=lambda path: f"The recorded layout has no table {path!r}; it is damaged.",
    no_column=lambda path: f"The recorded layout has no {path}; it was written by another release.",
)
