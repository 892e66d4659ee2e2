"""The system query options of a request, nested ``$expand`` included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from cityloop.wire.odata.ast import Expr, ODataError, render
from cityloop.wire.odata.parser import parse_expression

__all__ = ["Expand", "Order", "Query", "parse_query", "parse_query_string", "render_query"]

MAX_EXPAND_DEPTH = 8
MAX_EXPANDS = 100
_NAME = re.compile(r"@?[^\W\d][\w.]*(?:/[\w.@:\-]+)*\Z")


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ``$orderby``."""

    by: Expr
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Expand:
    """One navigation property to show in place, with options of its own."""

    navigation: str
    query: Query


@dataclass(frozen=True, slots=True)
class Query:
    """The options of one collection or entity."""

    where: Expr | None = None
    select: tuple[str, ...] = ()
    """Empty for all."""

    expand: tuple[Expand, ...] = ()
    order: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool | None = None
    result_format: str = ""


def parse_query_string(text: str) -> Query:
    """Return the options of a raw query string."""
    pairs: list[tuple[str, str]] = []
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        try:
            pairs.append((unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")))
        except UnicodeDecodeError:
            raise ODataError(f"query option {part[:60]!r} is not UTF-8 where it is escaped") from None
    return parse_query(pairs)


def parse_query(pairs: list[tuple[str, str]], depth: int = 0) -> Query:
    """Return the options that decoded pairs of name and value stand for.

    Raises
    ------
    ODataError
        For an option that is unknown, doubled or cannot be read.
    """
    query = Query()
    seen: set[str] = set()
    for name, value in pairs:
        if not name.startswith("$"):
            # Options without the sign are free for servers and proxies to use (OData 4.0, part 2, 5.2).
            continue
        if name in seen:
            raise ODataError(f"{name} is given twice; give it once")
        seen.add(name)
        query = _with_option(query, name, value, depth)
    return query


def _with_option(query: Query, name: str, value: str, depth: int) -> Query:
    match name:
        case "$filter":
            return replace(query, where=parse_expression(value))
        case "$select":
            return replace(query, select=tuple(_select(value)))
        case "$expand":
            return replace(query, expand=_expands(value, depth))
        case "$orderby":
            return replace(query, order=tuple(_order(part) for part in _split(value, ",", name)))
        case "$top":
            return replace(query, top=_whole(name, value))
        case "$skip":
            return replace(query, skip=_whole(name, value))
        case "$count":
            if value not in ("true", "false"):
                raise ODataError(f"$count is {value[:40]!r}; give true or false")
            return replace(query, count=value == "true")
        case "$resultFormat":
            if value not in ("dataArray", "default", ""):
                raise ODataError(f"$resultFormat is {value[:40]!r}; give dataArray or leave it out")
            return replace(query, result_format="dataArray" if value == "dataArray" else "")
        case _:
            raise ODataError(
                f"{name[:40]} is not an option of this service; known are $filter, $select, $expand, $orderby, "
                "$top, $skip, $count and $resultFormat"
            )


def _whole(name: str, value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > 15:
        raise ODataError(f"{name} is {value[:40]!r}; give a whole number of 0 or more")
    return int(value)


def _select(value: str) -> Iterator[str]:
    for part in _split(value, ",", "$select"):
        if part != "*" and not _NAME.match(part):
            raise ODataError(f"$select: {part[:40]!r} is not a property")
        yield part


def _order(part: str) -> Order:
    words = part.rsplit(None, 1)
    if len(words) == 2 and words[1] in ("asc", "desc"):
        return Order(parse_expression(words[0], "$orderby"), words[1] == "desc")
    return Order(parse_expression(part, "$orderby"))


def _expands(value: str, depth: int) -> tuple[Expand, ...]:
    if depth >= MAX_EXPAND_DEPTH:
        raise ODataError(f"$expand nests deeper than {MAX_EXPAND_DEPTH}; ask for less")
    expands: dict[str, Expand] = {}
    for part in _split(value, ",", "$expand"):
        added = _one_expand(part, depth)
        known = expands.get(added.navigation)
        expands[added.navigation] = added if known is None else _merged(known, added)
        if len(expands) > MAX_EXPANDS:
            raise ODataError(f"$expand names more than {MAX_EXPANDS} navigation properties; ask for less")
    return tuple(expands.values())


def _one_expand(part: str, depth: int) -> Expand:
    path, bracket, rest = part.partition("(")
    options = ""
    if bracket:
        if not rest.endswith(")"):
            raise ODataError(f"$expand: a bracket of {part[:60]!r} is not closed, or something follows it")
        options = rest[:-1]
    steps = path.strip().split("/")
    if len(steps) + depth > MAX_EXPAND_DEPTH:
        raise ODataError(f"$expand nests deeper than {MAX_EXPAND_DEPTH}; ask for less")
    if not all(_NAME.match(step) for step in steps):
        raise ODataError(f"$expand: {path[:40]!r} is not a navigation property")
    pairs = []
    for option in _split(options, ";", "$expand") if options else ():
        name, equals, value = option.partition("=")
        if not equals or not name.strip().startswith("$"):
            raise ODataError(f"$expand: {option[:40]!r} is not an option; write $top=1, with ; between options")
        pairs.append((name.strip(), value))
    expand = Expand(steps[-1], parse_query(pairs, depth + len(steps)))
    for step in reversed(steps[:-1]):
        expand = Expand(step, Query(expand=(expand,)))
    return expand


def _merged(known: Expand, added: Expand) -> Expand:
    """Join ``A/B`` and ``A/C`` to ``A($expand=B,C)``; otherwise what was said later holds."""
    expands = {e.navigation: e for e in known.query.expand}
    for e in added.query.expand:
        expands[e.navigation] = _merged(expands[e.navigation], e) if e.navigation in expands else e
    kept = known.query if added.query == Query(expand=added.query.expand) else added.query
    return Expand(known.navigation, replace(kept, expand=tuple(expands.values())))


def _split(text: str, mark: str, what: str) -> list[str]:
    """Split at marks that stand outside of brackets and quotes."""
    parts, depth, quoted, begin = [], 0, False, 0
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == mark and depth == 0:
            parts.append(text[begin:at])
            begin = at + 1
    parts.append(text[begin:])
    stripped = [part.strip() for part in parts]
    if not all(stripped):
        raise ODataError(f"{what} has an empty entry in {text[:60]!r}")
    return stripped


def render_query(query: Query, *, nested: bool = False) -> str:
    """Return the canonical text of options, unescaped: parsing it gives the same value again."""
    parts = []
    if query.where is not None:
        parts.append(f"$filter={render(query.where)}")
    if query.select:
        parts.append(f"$select={','.join(query.select)}")
    if query.expand:
        parts.append(f"$expand={','.join(map(_render_expand, query.expand))}")
    if query.order:
        keys = (render(key.by) + (" desc" if key.descending else " asc") for key in query.order)
        parts.append(f"$orderby={','.join(keys)}")
    if query.top is not None:
        parts.append(f"$top={query.top}")
    if query.skip:
        parts.append(f"$skip={query.skip}")
    if query.count is not None:
        parts.append(f"$count={'true' if query.count else 'false'}")
    if query.result_format:
        parts.append(f"$resultFormat={query.result_format}")
    return (";" if nested else "&").join(parts)


def _render_expand(expand: Expand) -> str:
    options = render_query(expand.query, nested=True)
    return f"{expand.navigation}({options})" if options else expand.navigation
