"""Expressions of ``$filter`` and ``$orderby`` as frozen values, and their canonical text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from cityloop.kernel.errors import InputError

__all__ = ["Binary", "Call", "Expr", "Literal", "LiteralKind", "Member", "Negate", "Not", "ODataError", "render"]


class ODataError(InputError):
    """A resource path or query option that cannot be used; the message names it and the fix."""

    def __init__(self, why: str) -> None:
        # What it quotes may hold line breaks of the client's.
        super().__init__(" ".join(why.split()))


class LiteralKind(Enum):
    """What a literal stands for."""

    NULL = "null"
    BOOL = "bool"
    NUMBER = "number"
    TEXT = "text"
    INSTANT = "instant"
    """An ISO 8601 date and time with zone, kept as written."""
    PERIOD = "period"
    """Two instants with a slash between them, kept as written."""
    DATE = "date"
    TIME = "time"
    DURATION = "duration"
    """ISO 8601, without its quotes."""
    GEOGRAPHY = "geography"
    """Well-known text, without its quotes."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    kind: LiteralKind
    value: str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Member:
    """A property path such as ``Datastream/Thing/properties/colour``."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a condition."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Negate:
    """The negative of a number."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands: ``or and eq ne gt ge lt le in add sub mul div mod``."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the standard."""

    name: str
    arguments: tuple[Expr, ...]


Expr = Literal | Member | Not | Negate | Binary | Call


PRECEDENCE = {
    "or": 1,
    "and": 2,
    "eq": 3,
    "ne": 3,
    "gt": 4,
    "ge": 4,
    "lt": 4,
    "le": 4,
    "in": 4,
    "add": 5,
    "sub": 5,
    "mul": 6,
    "div": 6,
    "mod": 6,
}
"""How tightly an operator binds; ``not`` and the minus sign bind tighter than all."""

_UNARY = 7


def render(expr: Expr) -> str:
    """Return the canonical text of an expression: parsing it gives the same value again."""
    return _render(expr, 0)


def _render(expr: Expr, outer: int) -> str:
    match expr:
        case Literal():
            return _literal(expr)
        case Member(steps):
            return "/".join(steps)
        case Not(operand):
            return f"not {_render(operand, _UNARY)}"
        case Negate(operand):
            # A minus sign directly before a digit would read as part of the number.
            inner = _render(operand, _UNARY)
            return f"-({inner})" if isinstance(operand, Literal) else f"-{inner}"
        case Binary(operator, left, right):
            if operator == "in" and isinstance(right, Call) and right.name == "":
                listed = ",".join(_render(item, 0) for item in right.arguments)
                text = f"{_render(left, PRECEDENCE['in'])} in ({listed})"
            else:
                level = PRECEDENCE[operator]
                text = f"{_render(left, level)} {operator} {_render(right, level + 1)}"
            return f"({text})" if PRECEDENCE[operator] < outer else text
        case Call(name, arguments):
            return f"{name}({','.join(_render(argument, 0) for argument in arguments)})"
        case _:
            assert_never(expr)


def _literal(literal: Literal) -> str:
    value = literal.value
    match literal.kind:
        case LiteralKind.NULL:
            return "null"
        case LiteralKind.BOOL:
            return "true" if value else "false"
        case LiteralKind.TEXT:
            return "'" + str(value).replace("'", "''") + "'"
        case LiteralKind.DURATION:
            return f"duration'{value}'"
        case LiteralKind.GEOGRAPHY:
            return f"geography'{value}'"
        case LiteralKind.NUMBER:
            return repr(value)
        case LiteralKind.INSTANT | LiteralKind.PERIOD | LiteralKind.DATE | LiteralKind.TIME:
            return str(value)
        case _:
            assert_never(literal.kind)
