"""Comparisons of OData as SQL: by kind, with null as a value and periods as OData for SensorThings reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cityloop.wire.odata import Literal, LiteralKind, ODataError
from cityloop.wire.sensorthings.times import parse_duration, parse_instant, parse_period

__all__ = ["KINDS", "Bind", "Sql", "compare", "literal_sql"]

Bind = Callable[[str | float | int | None], str]

KINDS = {
    "null": "null",
    "bool": "a truth value",
    "number": "a number",
    "key": "an id",
    "text": "a text",
    "any": "a value",
    "result": "a result",
    "instant": "an instant",
    "period": "a period",
    "date": "a date",
    "clock": "a time of day",
    "duration": "a duration",
    "place": "a geometry",
    "json": "an object",
}
"""Kinds of values, and what messages call them."""

_SIGNS = {"eq": "=", "ne": "IS NOT", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_MIDNIGHT = "T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the kind of its value."""

    text: str
    kind: str
    end: str | None = None
    """SQL of a period's end."""

    literal: str | float | int | bool | None = None
    """What a client wrote, of a literal."""


def literal_sql(literal: Literal, bind: Bind) -> Sql:
    """Return the SQL of a literal, as a bound parameter."""
    value = literal.value
    match literal.kind:
        case LiteralKind.NULL:
            return Sql("NULL", "null")
        case LiteralKind.BOOL:
            return Sql("1" if value else "0", "bool", literal=bool(value))
        case LiteralKind.NUMBER:
            assert isinstance(value, int | float)
            return Sql(bind(value), "number", literal=value)
        case LiteralKind.INSTANT:
            return Sql(bind(parse_instant(value)), "instant")
        case LiteralKind.PERIOD:
            begin_ms, end_ms = parse_period(value)
            return Sql(bind(begin_ms), "period", bind(end_ms))
        case LiteralKind.DURATION:
            return Sql(bind(parse_duration(str(value))), "duration")
        case _:
            kind = {LiteralKind.DATE: "date", LiteralKind.TIME: "clock", LiteralKind.GEOGRAPHY: "place"}
            text = str(value)
            if literal.kind is LiteralKind.TIME and len(text) == 5:
                text += ":00"
            return Sql(bind(text), kind.get(literal.kind, "text"), literal=text)


def compare(operator: str, left: Sql, right: Sql, bind: Bind) -> str:
    """Return the SQL of a comparison.

    Raises
    ------
    ODataError
        Where the two kinds cannot be compared.
    """
    if "null" in (left.kind, right.kind):
        return _with_null(operator, left, right)
    left, right = _fitted(left, right, bind), _fitted(right, left, bind)
    if left.end is not None or right.end is not None:
        if {left.kind, right.kind} <= {"period", "instant"}:
            return _periods(operator, left, right)
    elif left.kind == right.kind and left.kind not in ("any", "result", "place", "json"):
        return f"({left.text} {_SIGNS[operator]} {right.text})"
    elif "result" in (left.kind, right.kind) or "any" in (left.kind, right.kind):
        return _dynamic(operator, left, right)
    elif {left.kind, right.kind} <= {"bool", "number"}:
        return f"({left.text} {_SIGNS[operator]} {right.text})"
    raise ODataError(f"$filter: {KINDS[left.kind]} cannot be compared with {KINDS[right.kind]} by {operator}")


def _with_null(operator: str, left: Sql, right: Sql) -> str:
    if operator not in ("eq", "ne"):
        return "0"
    word = "IS" if operator == "eq" else "IS NOT"
    return f"({left.text} {word} {right.text})"


def _fitted(side: Sql, other: Sql, bind: Bind) -> Sql:
    """Read a literal the way the other side needs it: clients quote instants and numbers."""
    if side.kind == "text" and isinstance(side.literal, str):
        if other.kind in ("instant", "period"):
            begin_ms, end_ms = parse_period(side.literal)
            if begin_ms == end_ms:
                return Sql(bind(begin_ms), "instant")
            return Sql(bind(begin_ms), "period", bind(end_ms))
        if other.kind == "number":
            return _quoted_number(side.literal, bind)
        if other.kind == "key":
            return Sql(side.text, "key", literal=side.literal)
    if side.kind == "date" and other.kind in ("instant", "period"):
        return Sql(bind(parse_instant(f"{side.literal}{_MIDNIGHT}")), "instant")
    if side.kind == "number" and other.kind == "key":
        return Sql(bind(str(side.literal)), "key", literal=str(side.literal))
    return side


def _quoted_number(text: str, bind: Bind) -> Sql:
    try:
        value = float(text) if len(text) < 40 else None
    except ValueError:
        value = None
    if value is None or value != value or value in (float("inf"), float("-inf")):
        raise ODataError(f"$filter: {text[:40]!r} is compared with a number; leave the quotes out and give a number")
    return Sql(bind(value), "number", literal=value)


def _periods(operator: str, left: Sql, right: Sql) -> str:
    begin, end = left.text, left.end or left.text
    other_begin, other_end = right.text, right.end or right.text
    match operator:
        case "lt":
            return f"({end} < {other_begin})"
        case "gt":
            return f"({begin} > {other_end})"
        case "le":
            return f"({end} <= {other_end})" if right.end else f"({end} <= {other_begin})"
        case "ge":
            return f"({begin} >= {other_begin})"
        case "eq":
            return f"({begin} = {other_begin} AND {end} = {other_end})"
        case _:
            return f"({begin} IS NOT {other_begin} OR {end} IS NOT {other_end})"


def _dynamic(operator: str, left: Sql, right: Sql) -> str:
    """Compare values whose kind is known row by row: only likes are compared, as SQLite would rank kinds."""
    if left.kind not in ("any", "result"):
        return _dynamic(_MIRRORED[operator], right, left)
    sign = _SIGNS[operator]
    plain = f"({left.text} {sign} {right.text})"
    if operator in ("eq", "ne") and right.kind != "text":
        return plain
    if right.kind in ("number", "bool"):
        return f"(typeof({left.text}) IN ('integer', 'real') AND {left.text} {sign} {right.text})"
    if right.kind == "text":
        texts = f"(typeof({left.text}) = 'text' AND {left.text} {sign} {right.text})"
        if left.kind == "result" and isinstance(right.literal, str) and _is_number(right.literal):
            number = f"CAST({right.text} AS REAL)"
            numbers = f"(typeof({left.text}) IN ('integer', 'real') AND {left.text} {sign} {number})"
            return f"({texts} OR {numbers})"
        return plain if operator in ("eq", "ne") else texts
    if right.kind in ("any", "result"):
        return f"(typeof({left.text}) = typeof({right.text}) AND {left.text} {sign} {right.text})"
    if right.kind in ("instant", "date"):
        return (
            f"(as_instant({left.text}) {sign} {right.text if right.kind == 'instant' else f'as_instant({right.text})'})"
        )
    raise ODataError(f"$filter: {KINDS[left.kind]} cannot be compared with {KINDS[right.kind]} by {operator}")


_MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
