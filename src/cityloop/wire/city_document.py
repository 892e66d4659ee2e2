"""A city as a document that anyone can write: one JSON object, columns as plain lists.

A field that is run by others hands over its assets in this form, by file. ``wire.layout`` is the same in compact
bytes, for recordings. The names and units of the columns are those of ``docs/nomenclature.md``:

- ``format``: ``cityloop.city/1``;
- ``name``, ``version``: the city's name, and a text that changes whenever a row does;
- ``tables``: ``junctions``, ``edges``, ``lanes``, ``approaches``, ``movements``, ``streams``, and the asset tables of
  domains (``signals``); each column a list, one entry a row, ``null`` for an unknown number;
- ``names``: external names by table; those of ``streams`` are the names under which readings are sent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast, get_type_hints

import msgspec
import numpy as np

from cityloop.kernel.columns import columns_of, row_count, validate
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Layout, Movements, StreamKind, Streams

__all__ = ["FORMAT", "CityDocument", "decode_city_document", "encode_city_document", "stream_names"]

FORMAT = "cityloop.city/1"

_CORE: Mapping[str, type] = {
    "junctions": Junctions,
    "edges": Edges,
    "lanes": Lanes,
    "approaches": Approaches,
    "movements": Movements,
    "streams": Streams,
}


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
    tables = {table: _encode_table(getattr(layout, table), table) for table in _CORE}
    tables |= {domain: _encode_table(layout.tables[domain], domain) for domain in sorted(layout.tables)}
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
    core = {name: _decode_table(document.tables.get(name), kind, f"{where}: {name}") for name, kind in _CORE.items()}
    own = {
        domain: _decode_table(document.tables[domain], kind, f"{where}: {domain}")
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


def _encode_table(table: Any, path: str) -> dict[str, Any]:
    columns = {named.name for named in columns_of(type(table))}
    encoded: dict[str, Any] = {}
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if field.name in columns:
            encoded[field.name] = _encode_column(value, f"{path}.{field.name}")
        elif dataclasses.is_dataclass(value):
            encoded[field.name] = _encode_table(value, f"{path}.{field.name}")
        else:
            encoded[field.name] = value
    return encoded


def _encode_column(values: np.ndarray[Any, Any], path: str) -> list[Any]:
    if values.dtype.kind != "f":
        return cast("list[Any]", values.tolist())
    if np.isinf(values).any():
        raise LayoutError(f"{path} holds an infinite number, which a document cannot say")
    return [None if math.isnan(value) else value for value in values.tolist()]


def _decode_table(encoded: Any, kind: type, path: str) -> Any:
    if not isinstance(encoded, dict):
        raise LayoutError(f"{path}: the table is missing; add it")
    columns = {named.name: named.dtype for named in columns_of(kind)}
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        inside = f"{path}.{field.name}"
        if field.name not in encoded:
            raise LayoutError(f"{inside}: the column is missing; add it")
        value = encoded[field.name]
        if field.name in columns:
            values[field.name] = _decode_column(value, columns[field.name], inside)
        elif dataclasses.is_dataclass(hints[field.name]):
            values[field.name] = _decode_table(value, cast(type, hints[field.name]), inside)
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


def _decode_column(value: Any, dtype: np.dtype[Any], path: str) -> Any:
    try:
        if dtype.kind == "f":
            numbers = msgspec.convert(value, list[float | None])
            return np.array([math.nan if number is None else number for number in numbers], dtype)
        if dtype.kind == "b":
            return np.array(msgspec.convert(value, list[bool]), dtype)
        return np.array(msgspec.convert(value, list[int]), dtype)
    except (msgspec.ValidationError, OverflowError) as error:
        raise LayoutError(f"{path}: {error}; give a list of {dtype}") from error
