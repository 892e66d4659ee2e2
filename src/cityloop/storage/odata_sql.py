"""Conditions and sort keys of OData as SQL. What a client wrote enters a statement only as a bound parameter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from cityloop.storage.entity_tables import BRANCHES, LINKS, Source, foreign_key, property_sql, table_of
from cityloop.storage.odata_compare import KINDS, Sql, compare, literal_sql
from cityloop.storage.odata_functions import call_sql
from cityloop.wire.odata import Binary, Call, Expr, Literal, Member, Negate, Not, ODataError
from cityloop.wire.sensorthings.model import ENTITIES, EntityType, Kind

__all__ = ["Compiler", "Scope"]

_CONDITIONS = ("eq", "ne", "gt", "ge", "lt", "le", "in")
_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*"}


@dataclass(slots=True)
class Scope:
    """One SELECT: which paths are bound to which tables, and what must be joined."""

    bound: dict[tuple[str, ...], Source]
    joins: list[str] = field(default_factory=list)

    @property
    def root(self) -> Source:
        """The table that paths begin at."""
        return self.bound[()]


class Compiler:
    """Compiles the expressions of one statement; ``parameters`` are to be bound with it."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.parameters: dict[str, str | int | float | None] = {}
        self._numbers = itertools.count()

    def bind(self, value: str | float | int | None) -> str:
        """Return the mark of a new parameter."""
        name = f"p{next(self._numbers)}"
        self.parameters[name] = value
        return f":{name}"

    def condition(self, expr: Expr, scope: Scope) -> str:
        """Return SQL that is true where an expression is."""
        match expr:
            case Binary("and", _, _):
                return self._all_of(list(_conjuncts(expr)), scope)
            case Binary("or", left, right):
                return f"({self.condition(left, scope)} OR {self.condition(right, scope)})"
            case Not(operand):
                return f"NOT coalesce({self.condition(operand, scope)}, 0)"
            case _:
                prefix = next(self._collections(expr, scope), None)
                if prefix is not None:
                    return self._exists(prefix, expr, scope)
                return self._atom(expr, scope)

    def value(self, expr: Expr, scope: Scope) -> Sql:
        """Return SQL of a value, with its kind."""
        match expr:
            case Literal():
                return literal_sql(expr, self.bind)
            case Member(steps):
                return self._member(steps, scope)
            case Negate(operand):
                inner = self._number(operand, scope, "-")
                return Sql(f"(-{inner})", "number")
            case Binary(operator, left, right) if operator in _ARITHMETIC or operator in ("div", "mod"):
                return self._arithmetic(operator, left, right, scope)
            case Call(name, arguments):
                return call_sql(name, [self.value(argument, scope) for argument in arguments], self)
            case Binary() | Not():
                return Sql(self.condition(expr, scope), "bool")
            case _:
                assert_never(expr)

    def sort_keys(self, expr: Expr, scope: Scope) -> list[str]:
        """Return SQL to sort by; begin and end of a period."""
        prefix = next(self._collections(expr, scope), None)
        if prefix is not None:
            raise ODataError(f"$orderby: {'/'.join(prefix)} leads to many entities; sort by a property of one")
        found = self.value(expr, scope)
        return [found.text] if found.end is None else [found.text, found.end]

    def _all_of(self, conjuncts: list[Expr], scope: Scope) -> str:
        """Conditions on one collection hold for one and the same of its entities."""
        groups: dict[tuple[str, ...] | None, list[Expr]] = {}
        for conjunct in conjuncts:
            groups.setdefault(next(self._collections(conjunct, scope), None), []).append(conjunct)
        parts = []
        for prefix, members in groups.items():
            if prefix is None:
                parts += [self.condition(member, scope) for member in members]
            else:
                joined = members[0]
                for member in members[1:]:
                    joined = Binary("and", joined, member)
                parts.append(self._exists(prefix, joined, scope))
        return "(" + " AND ".join(parts) + ")"

    def _exists(self, prefix: tuple[str, ...], expr: Expr, scope: Scope) -> str:
        parent = self._source(prefix[:-1], scope)
        entity = ENTITIES[parent.entity]
        link = entity.link(prefix[-1])
        assert link is not None
        parts = []
        for branch in BRANCHES.get(link.target, ("",)):
            child = Source(link.target, self._alias(), branch)
            inner = Scope({**scope.bound, prefix: child})
            found = LINKS[parent.entity, link.name, branch](child.alias, f"{parent.alias}.id")
            condition = self.condition(expr, inner)
            parts.append(
                f"EXISTS (SELECT 1 FROM {table_of(child)} {child.alias}{found.joins}{''.join(inner.joins)}"
                f" WHERE {found.condition} AND {condition})"
            )
        return "(" + " OR ".join(parts) + ")"

    def _atom(self, expr: Expr, scope: Scope) -> str:
        if isinstance(expr, Binary) and expr.operator in _CONDITIONS:
            left = self.value(expr.left, scope)
            if expr.operator == "in":
                assert isinstance(expr.right, Call)
                items = [compare("eq", left, self.value(item, scope), self.bind) for item in expr.right.arguments]
                return "(" + " OR ".join(items) + ")" if items else "0"
            return compare(expr.operator, left, self.value(expr.right, scope), self.bind)
        found = self.value(expr, scope)
        if found.kind not in ("bool", "any"):
            raise ODataError(f"$filter: {KINDS[found.kind]} is no condition; compare it with eq, gt or the like")
        return f"({found.text})"

    def _arithmetic(self, operator: str, left: Expr, right: Expr, scope: Scope) -> Sql:
        a, b = self.value(left, scope), self.value(right, scope)
        if operator in ("add", "sub"):
            sign = _ARITHMETIC[operator]
            if b.kind == "duration" and a.kind in ("instant", "period", "duration"):
                end = None if a.end is None else f"({a.end} {sign} {b.text})"
                return Sql(f"({a.text} {sign} {b.text})", a.kind, end)
            if a.kind == b.kind == "instant" and operator == "sub":
                return Sql(f"({a.text} - {b.text})", "duration")
        for side in (a, b):
            if side.kind not in ("number", "any", "result"):
                raise ODataError(f"$filter: {operator} does not go with {KINDS[side.kind]}")
        x, y = f"as_number({a.text})", f"as_number({b.text})"
        x, y = (a.text if a.kind == "number" else x), (b.text if b.kind == "number" else y)
        if operator in _ARITHMETIC:
            return Sql(f"({x} {_ARITHMETIC[operator]} {y})", "number")
        if operator == "div":
            return Sql(f"(CAST({x} AS REAL) / {y})", "number")
        return Sql(f"odata_mod({x}, {y})", "number")

    def _number(self, expr: Expr, scope: Scope, what: str) -> str:
        found = self.value(expr, scope)
        if found.kind == "number":
            return found.text
        if found.kind in ("any", "result"):
            return f"as_number({found.text})"
        raise ODataError(f"$filter: {what} does not go with {KINDS[found.kind]}")

    def _collections(self, expr: Expr, scope: Scope) -> Iterator[tuple[str, ...]]:
        """Yield the unbound links to many that the paths of an expression go through, first link of each."""
        match expr:
            case Member(steps):
                prefix = self._first_collection(steps, scope)
                if prefix is not None:
                    yield prefix
            case Not(operand) | Negate(operand):
                yield from self._collections(operand, scope)
            case Binary(_, left, right):
                yield from self._collections(left, scope)
                yield from self._collections(right, scope)
            case Call(_, arguments):
                for argument in arguments:
                    yield from self._collections(argument, scope)
            case Literal():
                return
            case _:
                assert_never(expr)

    def _first_collection(self, steps: tuple[str, ...], scope: Scope) -> tuple[str, ...] | None:
        length = _bound_length(steps, scope)
        entity = ENTITIES[scope.bound[steps[:length]].entity]
        for at in range(length, len(steps)):
            link = entity.link(steps[at])
            if link is None:
                return None
            if link.many:
                return steps[: at + 1]
            entity = ENTITIES[link.target]
        return None

    def _member(self, steps: tuple[str, ...], scope: Scope) -> Sql:
        length = _bound_length(steps, scope)
        entity = ENTITIES[scope.bound[steps[:length]].entity]
        at = length
        while at < len(steps) and (link := entity.link(steps[at])) is not None:
            entity = ENTITIES[link.target]
            at += 1
        if at == len(steps):
            raise ODataError(f"{'/'.join(steps)} names entities, not a property; add one, such as /id")
        if steps[at] in ("id", "@iot.id") and at + 1 == len(steps):
            return self._identity(steps[:at], entity, scope)
        named = entity.property(steps[at])
        if named is None:
            known = ", ".join(["id", *(p.name for p in entity.properties), *(n.name for n in entity.navigation)])
            raise ODataError(f"{entity.name} has no {steps[at][:60]!r}; it has {known}")
        source = self._source(steps[:at], scope)
        return self._property(source, named.kind, named.name, steps[at + 1 :])

    def _identity(self, steps: tuple[str, ...], entity: EntityType, scope: Scope) -> Sql:
        kind = "key" if entity.name == "Observation" else "number"
        # The id of the one entity that a link leads to stands in the row itself.
        if steps and steps not in scope.bound:
            return Sql(foreign_key(self._source(steps[:-1], scope), steps[-1]), kind)
        return Sql(f"{self._source(steps, scope).alias}.id", kind)

    def _property(self, source: Source, kind: Kind, name: str, rest: tuple[str, ...]) -> Sql:
        columns = property_sql(source, name)
        if kind is Kind.UNIT:
            if len(rest) == 1 and rest[0] in ("name", "symbol", "definition"):
                return Sql(columns[("name", "symbol", "definition").index(rest[0])], "text")
            raise ODataError("unitOfMeasurement has name, symbol and definition; write unitOfMeasurement/name")
        if kind in (Kind.TEXT, Kind.INSTANT, Kind.PERIOD):
            if rest:
                raise ODataError(f"{name} has no {rest[0][:60]!r}: it is one value")
            if kind is Kind.PERIOD:
                return Sql(columns[0], "period", columns[1])
            return Sql(columns[0], "text" if kind is Kind.TEXT else "instant")
        if kind is Kind.RESULT:
            if not rest:
                return Sql(columns[0], "result")
            if source.branch == "readings":
                return Sql("NULL", "any")
        if not rest:
            return Sql(columns[0], "place" if kind is Kind.PLACE else "json")
        path = self.bind("$" + "".join(map(_json_step, rest)))
        # What is no JSON has no parts.
        return Sql(f"json_extract(iif(json_valid({columns[0]}), {columns[0]}, 'null'), {path})", "any")

    def _source(self, steps: tuple[str, ...], scope: Scope) -> Source:
        """Return the table that a path of links to one leads to, joined to the scope if it is not yet."""
        if steps in scope.bound:
            return scope.bound[steps]
        parent = self._source(steps[:-1], scope)
        link = ENTITIES[parent.entity].link(steps[-1])
        assert link is not None
        source = Source(link.target, self._alias())
        # An inner join where there always is one lets SQLite begin at the other end.
        kind = " JOIN" if link.required or (parent.branch == "readings" and link.name == "Datastream") else " LEFT JOIN"
        scope.joins.append(
            f"{kind} {table_of(source)} {source.alias} ON {source.alias}.id = {foreign_key(parent, link.name)}"
        )
        scope.bound[steps] = source
        return source

    def _alias(self) -> str:
        return f"t{next(self._numbers)}"


def _conjuncts(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, Binary) and expr.operator == "and":
        yield from _conjuncts(expr.left)
        yield from _conjuncts(expr.right)
    else:
        yield expr


def _bound_length(steps: tuple[str, ...], scope: Scope) -> int:
    return max(n for n in range(len(steps) + 1) if steps[:n] in scope.bound)


def _json_step(step: str) -> str:
    if step.isdecimal():
        return f"[{step}]"
    return '."' + step.replace('"', "") + '"'
