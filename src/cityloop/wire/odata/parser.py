"""Tokens to an expression, by precedence climbing."""

from __future__ import annotations

from cityloop.wire.odata.ast import (
    PRECEDENCE,
    Binary,
    Call,
    Expr,
    Literal,
    LiteralKind,
    Member,
    Negate,
    Not,
    ODataError,
)
from cityloop.wire.odata.lexer import Token, tokenise

__all__ = ["FUNCTIONS", "parse_expression"]

MAX_DEPTH = 60
"""Deepest nesting taken. Far above any hand-written filter, far below what exhausts a stack."""
MAX_CHAIN = 200
"""Longest run of operators without a bracket."""

_ONE, _TWO = (1,), (2,)
FUNCTIONS: dict[str, tuple[int, ...]] = {
    # text
    "substringof": _TWO,
    "contains": _TWO,
    "endswith": _TWO,
    "startswith": _TWO,
    "length": _ONE,
    "indexof": _TWO,
    "substring": (2, 3),
    "tolower": _ONE,
    "toupper": _ONE,
    "trim": _ONE,
    "concat": _TWO,
    # time
    "year": _ONE,
    "month": _ONE,
    "day": _ONE,
    "hour": _ONE,
    "minute": _ONE,
    "second": _ONE,
    "fractionalseconds": _ONE,
    "date": _ONE,
    "time": _ONE,
    "totaloffsetminutes": _ONE,
    "now": (0,),
    "mindatetime": (0,),
    "maxdatetime": (0,),
    "before": _TWO,
    "after": _TWO,
    "meets": _TWO,
    "during": _TWO,
    "overlaps": _TWO,
    "starts": _TWO,
    "finishes": _TWO,
    # arithmetic
    "round": _ONE,
    "floor": _ONE,
    "ceiling": _ONE,
    # place
    "geo.distance": _TWO,
    "geo.length": _ONE,
    "geo.intersects": _TWO,
    "st_equals": _TWO,
    "st_disjoint": _TWO,
    "st_touches": _TWO,
    "st_within": _TWO,
    "st_overlaps": _TWO,
    "st_crosses": _TWO,
    "st_intersects": _TWO,
    "st_contains": _TWO,
    "st_relate": (3,),
}
"""Functions of the standard (18-088, 9.3.3.5.2; relations of periods as ISO 19108), with their counts of arguments."""


def parse_expression(text: str, what: str = "$filter") -> Expr:
    """Return the expression that a text stands for.

    Raises
    ------
    ODataError
        Naming the option and the place.
    """
    parser = _Parser(tokenise(text), what)
    expr = parser.expression(0, 0)
    parser.finish()
    return expr


class _Parser:
    def __init__(self, tokens: list[Token], what: str) -> None:
        self._tokens = tokens
        self._what = what
        self._at = 0

    def expression(self, least: int, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise ODataError(f"{self._what} nests deeper than {MAX_DEPTH}; simplify it")
        left = self._unary(depth)
        chain = 0
        while True:
            token = self._peek()
            level = PRECEDENCE.get(token.text, -1) if token.kind == "name" else -1
            if level < max(least, 1):
                return left
            chain += 1
            if chain > MAX_CHAIN:
                raise ODataError(f"{self._what} chains more than {MAX_CHAIN} operators; split the request")
            self._at += 1
            if token.text == "in":
                left = Binary("in", left, Call("", tuple(self._arguments(depth))))
            else:
                left = Binary(token.text, left, self.expression(level + 1, depth + 1))

    def finish(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise self._unexpected(token)

    def _unary(self, depth: int) -> Expr:
        token = self._next()
        if token.kind == "literal":
            assert token.literal is not None
            return Literal(token.literal, token.value)
        if token.text == "(":
            inner = self.expression(0, depth + 1)
            self._expect(")")
            return inner
        if token.text == "-":
            return Negate(self._deeper(depth))
        if token.kind == "name":
            if token.text == "not":
                return Not(self._deeper(depth))
            if token.text in ("true", "false"):
                return Literal(LiteralKind.BOOL, token.text == "true")
            if token.text == "null":
                return Literal(LiteralKind.NULL, None)
            if self._peek().text == "(" and self._peek().kind == "mark":
                return self._call(token, depth)
            return self._member(token)
        raise self._unexpected(token)

    def _deeper(self, depth: int) -> Expr:
        if depth >= MAX_DEPTH:
            raise ODataError(f"{self._what} nests deeper than {MAX_DEPTH}; simplify it")
        return self._unary(depth + 1)

    def _call(self, name: Token, depth: int) -> Expr:
        counts = FUNCTIONS.get(name.text)
        if counts is None:
            raise ODataError(f"{self._what}: there is no function {name.text!r}; known are {', '.join(FUNCTIONS)}")
        arguments = self._arguments(depth)
        if len(arguments) not in counts:
            wanted = " or ".join(map(str, counts))
            raise ODataError(f"{self._what}: {name.text} takes {wanted} arguments, {len(arguments)} are given")
        return Call(name.text, tuple(arguments))

    def _arguments(self, depth: int) -> list[Expr]:
        self._expect("(")
        arguments: list[Expr] = []
        if self._peek().text == ")" and self._peek().kind == "mark":
            self._at += 1
            return arguments
        while True:
            arguments.append(self.expression(0, depth + 1))
            if len(arguments) > 1_000:
                raise ODataError(f"{self._what} lists more than 1,000 values; split the request")
            token = self._next()
            if token.kind == "mark" and token.text == ")":
                return arguments
            if token.kind != "mark" or token.text != ",":
                raise self._unexpected(token)

    def _member(self, first: Token) -> Member:
        steps = [first.text]
        while self._peek().kind == "mark" and self._peek().text in "/[":
            mark = self._next()
            token = self._next()
            is_index = isinstance(token.value, int) and token.value >= 0
            if token.kind != "name" and not is_index:
                raise self._unexpected(token)
            steps.append(token.text)
            if mark.text == "[":
                self._expect("]")
        return Member(tuple(steps))

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token.kind != "mark" or token.text != mark:
            raise self._unexpected(token, f"; {mark!r} is missing")

    def _unexpected(self, token: Token, hint: str = "") -> ODataError:
        if token.kind == "end":
            return ODataError(f"{self._what} ends too early{hint}")
        return ODataError(f"{self._what}: unexpected {token.text[:40]!r} at character {token.at + 1}{hint}")
