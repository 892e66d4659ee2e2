"""A city as a document that anyone can write: one JSON object, columns as plain lists.

A field that is run by others hands over its assets in this form, by file. ``wire.layout`` is the same in compact
bytes, for recordings. The names and units of the columns are those of ``docs/nomenclature.md``:

- ``format``: ``cityloop.city/1``;
- ``name``, ``version``: the city's name, and a text that changes whenever a row does;
- ``tables``: ``junctions``, ``edges``, ``lanes``, ``approaches``, ``movements``, ``streams``, and the asset tables of
  domains (``signals``, and where there are such services ``emergency``, ``refuse``, ``units`` and ``passages``); each
  column a list, one entry a row, ``null`` for an unknown number; a column per pair of places is a list of lists;
- ``names``: external names by table; those of ``streams`` are the names under which readings are sent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import numpy as np

from cityloop.kernel.columns import row_count
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout, StreamKind, Streams
from cityloop.wire.asset_tables import CORE, TableForm

__all__ = ["FORMAT", "CityDocument", "decode_city_document", "encode_city_document", "stream_names"]

FORMAT = "cityloop.city/1"


@dataclasses.dataclass(frozen=True, slots=True)
class CityDocument:
    """A city that others describe."""

    name: str
    layout: Layout

    @property
    def streams(self) -> tuple[str, ...]:
        """Names under which readings are sent, in the order of ``layout.streams``."""
        return self.layout.names["streams"]


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    name: str
    version: str
    tables: dict[str, dict[str, Any]]
    names: dict[str, tuple[str, ...]]


def stream_names(name: str, streams: Streams) -> tuple[str, ...]:
    """Return a name for every stream of a city, such as ``adlershof/object_count/17``."""
    pairs = zip(streams.kind.tolist(), streams.asset.tolist(), strict=True)
    return tuple(f"{name}/{StreamKind(kind).name.lower()}/{asset}" for kind, asset in pairs)


def encode_city_document(name: str, layout: Layout) -> bytes:
    """Return the document of a city; streams that have no names yet are given some."""
    names = dict(layout.names)
    names.setdefault("streams", stream_names(name, layout.streams))
    tables = {table: _FORM.encode(getattr(layout, table), table) for table in CORE}
    tables |= {domain: _FORM.encode(layout.tables[domain], domain) for domain in sorted(layout.tables)}
    document = _Document(format=FORMAT, name=name, version=layout.version, tables=tables, names=names)
    return msgspec.json.format(msgspec.json.encode(document), indent=0) + b"\n"


def decode_city_document(data: bytes, tables: Mapping[str, type], where: str) -> CityDocument:
    """Return the city that a document describes.

    Parameters
    ----------
    tables
        Type of each domain's own table, by domain name; a table whose domain is not named is left out.
    where
        The file's name, for messages.

    Raises
    ------
    LayoutError
        Naming the file, the table, the column and what is wrong with it.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise LayoutError(f"{where}: not a city document ({error}); correct it") from error
    if document.format != FORMAT:
        raise LayoutError(f"{where}: format is {document.format!r:.40}, must be {FORMAT!r}")
    core = {name: _FORM.decode(document.tables.get(name), kind, f"{where}: {name}") for name, kind in CORE.items()}
    own = {
        domain: _FORM.decode(document.tables[domain], kind, f"{where}: {domain}")
        for domain, kind in tables.items()
        if domain in document.tables
    }
    layout = Layout(version=document.version, tables=own, names=document.names, **core)
    _check_names(layout, where)
    return CityDocument(document.name, layout)


def _check_names(layout: Layout, where: str) -> None:
    """Refuse streams that could not be told apart, and kinds that nothing here knows."""
    for table in ("junctions", "edges", "lanes", "streams"):
        names, rows = layout.names.get(table, ()), row_count(getattr(layout, table))
        if len(names) != rows:
            raise LayoutError(f"{where}: names.{table} has {len(names)} entries, must have {rows}, one a row")
    names = layout.names["streams"]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LayoutError(f"{where}: names.streams: {twice!r} stands twice; give each stream its own name")
    known = [int(kind) for kind in StreamKind]
    for row, kind in enumerate(layout.streams.kind.tolist()):
        if kind not in known:
            raise LayoutError(f"{where}: streams.kind, row {row}: {kind}, must be a stream kind from 1 to {max(known)}")


def _encode_column(values: np.ndarray[Any, Any], path: str) -> list[Any]:
    if values.dtype.kind != "f":
        return cast("list[Any]", values.tolist())
    if np.isinf(values).any():
        raise LayoutError(f"{path} holds an infinite number, which a document cannot say")
    if values.ndim == 2:
        return [_encode_column(row, path) for row in values]
    return [None if math.isnan(value) else value for value in values.tolist()]


def _decode_column(value: Any, dtype: np.dtype[Any], path: str) -> Any:
    try:
        if dtype.kind == "f" and isinstance(value, list) and value and isinstance(value[0], list):
            rows = [_decode_column(row, dtype, f"{path}, row {number}") for number, row in enumerate(value)]
            if len({len(row) for row in rows}) > 1:
                raise LayoutError(f"{path}: its rows are of different length; give a list of equally long lists")
            return np.array(rows, dtype)
        if dtype.kind == "f":
            numbers = msgspec.convert(value, list[float | None])
            return np.array([math.nan if number is None else number for number in numbers], dtype)
        if dtype.kind == "b":
            return np.array(msgspec.convert(value, list[bool]), dtype)
        return np.array(msgspec.convert(value, list[int]), dtype)
    except (msgspec.ValidationError, OverflowError) as error:
        raise LayoutError(f"{path}: {error}; give a list of {dtype}") from error


_FORM = TableForm(
    write_column=_encode_column,
    read_column=_decode_column,
    no_table=lambda path: f"{path}: the table is missing; add it",
    no_column=lambda path: f"{path}: the column is missing; add it",
)
