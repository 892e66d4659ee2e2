"""The data array of SensorThings: many observations of many Datastreams in one body (18-088, clause 13).

Plain rows (an instant and a number) are decoded to columns without a step of Python a row but for the taking apart;
any other body is decoded row by row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.wire.odata import ODataError
from cityloop.wire.sensorthings.times import check_observed, parse_instants

__all__ = ["ArrayRow", "PlainRows", "decode_plain", "decode_rows"]

_COMPONENTS: Final = re.compile(rb'"components"\s*:\s*(\[[^\]]{0,400}\])')
_PLAIN_TYPES: Final[dict[str, Any]] = {"phenomenonTime": str, "result": float, "resultTime": str | None}
_MOST_ROWS: Final = 1_000_000


class _Reference(msgspec.Struct, gc=False):
    id: int | str = msgspec.field(name="@iot.id")


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Observations as columns."""

    stream: I64
    observed_ms: I64
    """Empty when the rows name no instant: they were observed as they arrive."""

    value: F64
    has_result_time: bool
    """Whether each row names its instant as result time too."""


@dataclass(frozen=True, slots=True)
class ArrayRow:
    """One row as the body of an Observation, or what is wrong with it."""

    entity: dict[str, Any] | None
    fault: str = ""


def decode_plain(body: bytes) -> PlainRows | None:
    """Return the columns of a body of plain rows alone; None for any other body, faulty ones included.

    Raises
    ------
    ODataError
        When an instant cannot be read or lies where only a broken clock puts it: then all rows are looked at singly.
    """
    named = _COMPONENTS.search(body)
    if named is None:
        return None
    try:
        components = tuple(msgspec.json.decode(named[1], type=list[str]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if (
        not _PLAIN_TYPES.keys() >= set(components)
        or "result" not in components
        or len(set(components)) < len(components)
    ):
        return None
    try:
        blocks = _decoder(components).decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    first = named[1]
    if any(bytes(block.components) != first for block in blocks):
        return None
    counts = [len(block.dataArray) for block in blocks]
    columns = list(zip(*itertools.chain.from_iterable(map(attrgetter("dataArray"), blocks)), strict=True))
    if not columns:
        return None
    try:
        ids = np.array([_row(block.Datastream.id) for block in blocks], np.int64)
    except (ValueError, OverflowError):
        return None
    by_name = dict(zip(components, columns, strict=True))
    observed = parse_instants(by_name["phenomenonTime"]) if "phenomenonTime" in by_name else np.empty(0, np.int64)
    if len(observed):
        check_observed(int(observed.min()), int(observed.max()))
    has_result_time = False
    if "resultTime" in by_name:
        result_times = by_name["resultTime"]
        if "phenomenonTime" not in by_name:
            return None
        has_result_time = result_times == by_name["phenomenonTime"]
        if not has_result_time and any(text is not None for text in result_times):
            return None
    stream = ids if counts == [1] * len(counts) else np.repeat(ids, counts)
    value = np.array(by_name["result"], np.float64)
    # Beyond this a float stands for several whole numbers; row by row such a one is kept as it is.
    if (np.abs(value) > 2.0**53).any():
        return None
    return PlainRows(stream, observed, value, has_result_time)


def _row(identity: int | str) -> int:
    """Return an id as a number; Python also takes ``1_000`` and digits of other scripts, which name nothing here."""
    if isinstance(identity, str) and not (identity.isascii() and identity.isdecimal()):
        raise ValueError(identity)
    return int(identity)


def decode_rows(blocks: Any) -> Iterator[ArrayRow]:
    """Yield the rows of a decoded body one by one.

    Raises
    ------
    ODataError
        When the body or a block is not of the form; a fault of one row is told in the row.
    """
    if not isinstance(blocks, list):
        raise ODataError("CreateObservations takes a list of objects of Datastream, components and dataArray")
    rows = 0
    for number, block in enumerate(blocks):
        owner, components, array = _parts(block, number)
        rows += len(array)
        if rows > _MOST_ROWS:
            raise ODataError(f"more than {_MOST_ROWS} rows; send them in parts")
        for row in array:
            if not isinstance(row, list) or len(row) != len(components):
                yield ArrayRow(None, f"a row must list {len(components)} values: {', '.join(components)}")
                continue
            yield ArrayRow(_entity(owner, components, row))


def _parts(block: Any, number: int) -> tuple[dict[str, Any], list[str], list[Any]]:
    if not isinstance(block, dict):
        raise ODataError(f"[{number}] must be an object of Datastream, components and dataArray")
    owner = {name: block[name] for name in ("Datastream", "MultiDatastream") if block.get(name) is not None}
    if len(owner) != 1:
        raise ODataError(f"[{number}] needs either Datastream or MultiDatastream, with its @iot.id")
    components, array = block.get("components"), block.get("dataArray")
    if not isinstance(components, list) or not all(isinstance(name, str) for name in components):
        raise ODataError(f"[{number}].components must list the names of the values in a row")
    if not isinstance(array, list):
        raise ODataError(f"[{number}].dataArray must be a list of rows")
    count = block.get("dataArray@iot.count")
    if count is not None and count != len(array):
        raise ODataError(f"[{number}].dataArray@iot.count is {str(count)[:20]}, there are {len(array)} rows")
    return owner, components, array


def _entity(owner: dict[str, Any], components: list[str], row: list[Any]) -> dict[str, Any]:
    entity = dict(owner)
    for name, value in zip(components, row, strict=True):
        if name in ("FeatureOfInterest/id", "FeatureOfInterest/@iot.id"):
            if value is not None:
                entity["FeatureOfInterest"] = {"@iot.id": value}
        elif value is not None or name == "result":
            entity[name] = value
    return entity


@lru_cache(maxsize=32)
def _decoder(components: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    kinds: Any = tuple
    lists: Any = list
    row = kinds[tuple(_PLAIN_TYPES[name] for name in components)]
    fields: list[Any] = [("Datastream", _Reference), ("components", msgspec.Raw), ("dataArray", lists[row])]
    block: Any = msgspec.defstruct("Block", fields, gc=False)
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(lists[block])
    return decoder
