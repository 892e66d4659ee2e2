"""Text of an expression to tokens."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from cityloop.wire.odata.ast import LiteralKind, ODataError

__all__ = ["Token", "tokenise"]

MAX_TEXT = 16_384
"""Longest expression taken. [characters]"""

_DATE = r"\d{4}-\d\d-\d\d"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
_INSTANT = rf"{_DATE}T{_CLOCK}(?:Z|[+-]\d\d:?\d\d)"
_TOKENS = re.compile(
    rf"""
    (?P<space>[ \t\r\n]+)
  | (?P<quoted>(?P<prefix>geography|geometry|duration)?'(?P<body>(?:[^']|'')*)')
  | (?P<period>{_INSTANT}/{_INSTANT})
  | (?P<instant>{_INSTANT})
  | (?P<date>{_DATE}(?![\d:T]))
  | (?P<time>{_CLOCK}(?![\d:]))
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
  | (?P<name>[@$]?[^\W\d][\w.:\-]*|@iot\.[A-Za-z]+)
  | (?P<punctuation>[(),/\-\[\]])
    """,
    re.VERBOSE,
)
_KINDS = {
    "instant": LiteralKind.INSTANT,
    "period": LiteralKind.PERIOD,
    "date": LiteralKind.DATE,
    "time": LiteralKind.TIME,
}
_QUOTED = {"geography": LiteralKind.GEOGRAPHY, "geometry": LiteralKind.GEOGRAPHY, "duration": LiteralKind.DURATION}
_OPERAND_ENDS = (")", "]")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: a literal, a name or a mark."""

    kind: str
    """``literal``, ``name``, ``mark`` or ``end``."""

    text: str
    at: int
    """Where it begins in the text."""

    literal: LiteralKind | None = None
    value: str | float | int | None = None


def tokenise(text: str) -> list[Token]:
    """Return the tokens of an expression, with one of kind ``end`` after the last.

    Raises
    ------
    ODataError
        With the place of the first character that begins no token.
    """
    if len(text) > MAX_TEXT:
        raise ODataError(f"expression of {len(text)} characters; at most {MAX_TEXT} are taken, split the request")
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise ODataError(f"unexpected {text[at : at + 12]!r} at character {at + 1} of {_shown(text)}")
        if match["space"] is None:
            # Directly after an operand a minus sign can only be a misplaced operator, never a number's sign.
            if match["number"] and match["number"][0] == "-" and tokens and _ends_operand(tokens[-1]):
                raise ODataError(f"unexpected '-' at character {at + 1} of {_shown(text)}; subtraction is written sub")
            tokens.append(_token(match, at, text))
        at = match.end()
    tokens.append(Token("end", "", at))
    return tokens


def _token(match: re.Match[str], at: int, text: str) -> Token:
    if match["quoted"] is not None:
        kind = _QUOTED.get(match["prefix"] or "", LiteralKind.TEXT)
        return Token("literal", match["quoted"], at, kind, match["body"].replace("''", "'"))
    if match["number"] is not None:
        return Token("literal", match["number"], at, LiteralKind.NUMBER, _number(match["number"], text))
    if match["name"] is not None:
        return Token("name", match["name"], at)
    if match["punctuation"] is not None:
        return Token("mark", match["punctuation"], at)
    assert match.lastgroup is not None
    return Token("literal", match[0], at, _KINDS[match.lastgroup], match[0])


def _number(written: str, text: str) -> float | int:
    if len(written) <= 18 and written.lstrip("-").isdecimal():
        return int(written)
    # A number of thousands of digits is no quantity: refuse it before any arithmetic on it.
    value = float(written) if len(written) <= 400 else math.inf
    if not math.isfinite(value):
        raise ODataError(f"number {written[:12]}... of {_shown(text)} is out of range")
    return value


def _ends_operand(token: Token) -> bool:
    if token.kind == "literal":
        return True
    return token.kind == "mark" and token.text in _OPERAND_ENDS


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
