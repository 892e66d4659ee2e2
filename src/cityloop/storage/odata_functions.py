"""The functions of OData and of SensorThings as SQL."""

from __future__ import annotations

from typing import Protocol

from cityloop.storage.odata_compare import KINDS, Sql
from cityloop.wire.odata import ODataError
from cityloop.wire.odata.geometry import geometry_of_wkt
from cityloop.wire.sensorthings.times import parse_period

__all__ = ["call_sql"]

_DATE_PARTS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}
_FIRST_MS = -62_135_596_800_000
_LAST_MS = 253_402_300_799_999
_TEXT_FUNCTIONS = {
    "substringof": "(instr({1}, {0}) > 0)",
    "contains": "(instr({0}, {1}) > 0)",
    "endswith": "(length({0}) >= length({1}) AND substr({0}, length({0}) - length({1}) + 1) = {1})",
    "startswith": "(substr({0}, 1, length({1})) = {1})",
    "length": "length({0})",
    "indexof": "(instr({0}, {1}) - 1)",
    "tolower": "odata_lower({0})",
    "toupper": "odata_upper({0})",
    "trim": "trim({0}, char(9, 10, 13, 32))",
    "concat": "({0} || {1})",
}
_TEXT_KINDS = {
    "substringof": "bool",
    "contains": "bool",
    "endswith": "bool",
    "startswith": "bool",
    "length": "number",
    "indexof": "number",
}
_RELATIONS = {
    "before": "{a1} < {b0}",
    "after": "{a0} > {b1}",
    "meets": "({a1} = {b0} OR {a0} = {b1})",
    "during": "({a0} >= {b0} AND {a1} <= {b1} AND ({a0} > {b0} OR {a1} < {b1}))",
    "overlaps": "({a0} < {b1} AND {b0} < {a1})",
    "starts": "({a0} = {b0} AND {a1} < {b1})",
    "finishes": "({a1} = {b1} AND {a0} > {b0})",
}


class _Binds(Protocol):
    now_ms: int

    def bind(self, value: str | float | int | None) -> str: ...


def call_sql(name: str, arguments: list[Sql], to: _Binds) -> Sql:
    """Return the SQL of a call; the parser has checked name and number of arguments.

    Raises
    ------
    ODataError
        For an argument of a kind that the function does not take.
    """
    if name in _TEXT_FUNCTIONS:
        texts = [_text(name, argument) for argument in arguments]
        return Sql(_TEXT_FUNCTIONS[name].format(*texts), _TEXT_KINDS.get(name, "text"))
    if name == "substring":
        begin, *length = [_number(name, argument) for argument in arguments[1:]]
        shown = f"substr({_text(name, arguments[0])}, max({begin}, 0) + 1"
        return Sql(f"{shown}, max({length[0]}, 0))" if length else f"{shown})", "text")
    if name in ("round", "floor", "ceiling"):
        return Sql(f"odata_{name}({_number(name, arguments[0])})", "number")
    if name in _RELATIONS:
        (a0, a1), (b0, b1) = (_period(name, argument, to) for argument in arguments)
        return Sql(f"({_RELATIONS[name].format(a0=a0, a1=a1, b0=b0, b1=b1)})", "bool")
    if name.startswith(("geo.", "st_")):
        return _place_call(name, arguments)
    return _time_call(name, arguments, to)


def _time_call(name: str, arguments: list[Sql], to: _Binds) -> Sql:
    if not arguments:
        instant_ms = {"now": to.now_ms, "mindatetime": _FIRST_MS, "maxdatetime": _LAST_MS}[name]
        return Sql(to.bind(instant_ms), "instant")
    begin, _end = _period(name, arguments[0], to)
    # Whole seconds, downwards: SQLite would round the milliseconds.
    clock = f"odata_floor({begin} / 1000.0), 'unixepoch'"
    if name in _DATE_PARTS:
        return Sql(f"CAST(strftime('{_DATE_PARTS[name]}', {clock}) AS INTEGER)", "number")
    if name == "fractionalseconds":
        return Sql(f"(odata_mod(odata_mod({begin}, 1000) + 1000, 1000) / 1000.0)", "number")
    if name == "date":
        return Sql(f"date({clock})", "date")
    if name == "time":
        return Sql(f"time({clock})", "clock")
    # Instants are kept in UTC, whatever zone they were sent in.
    return Sql(f"iif({begin} IS NULL, NULL, 0)", "number")


def _place_call(name: str, arguments: list[Sql]) -> Sql:
    places = [_place(name, argument) for argument in arguments[:2]]
    if name == "geo.length":
        return Sql(f"geo_length({places[0]})", "number")
    if name == "geo.distance":
        return Sql(f"geo_distance({places[0]}, {places[1]})", "number")
    if name == "st_relate":
        pattern = arguments[2]
        if not isinstance(pattern.literal, str) or len(pattern.literal) != 9 or set(pattern.literal) - set("TF*012"):
            raise ODataError("st_relate: the third argument must be nine of T F * 0 1 2, such as 'T*T***T**'")
        return Sql(f"geo_relate({places[0]}, {places[1]}, {pattern.text})", "bool")
    relation = "intersects" if name == "geo.intersects" else name.removeprefix("st_")
    return Sql(f"geo_relation({places[0]}, {places[1]}, '{relation}')", "bool")


def _text(name: str, argument: Sql) -> str:
    if argument.kind in ("text", "any", "result", "key", "null"):
        return argument.text if argument.kind == "text" else f"CAST({argument.text} AS TEXT)"
    raise _misfit(name, argument, "a text")


def _number(name: str, argument: Sql) -> str:
    if argument.kind == "number":
        return argument.text
    if argument.kind in ("any", "result", "null"):
        return f"as_number({argument.text})"
    raise _misfit(name, argument, "a number")


def _period(name: str, argument: Sql, to: _Binds) -> tuple[str, str]:
    if argument.kind == "period":
        assert argument.end is not None
        return argument.text, argument.end
    if argument.kind == "instant":
        return argument.text, argument.text
    if argument.kind == "text" and isinstance(argument.literal, str):
        begin_ms, end_ms = parse_period(argument.literal, name)
        return to.bind(begin_ms), to.bind(end_ms)
    if argument.kind == "any":
        return f"as_instant({argument.text})", f"as_instant({argument.text})"
    raise _misfit(name, argument, "a time")


def _place(name: str, argument: Sql) -> str:
    if argument.kind in ("place", "json", "any"):
        if isinstance(argument.literal, str):
            geometry_of_wkt(argument.literal)
        return argument.text
    raise _misfit(name, argument, "a geometry, such as geography'POINT(13.4 52.5)' or location")


def _misfit(name: str, argument: Sql, wanted: str) -> ODataError:
    return ODataError(f"$filter: {name} takes {wanted}, not {KINDS[argument.kind]}")
