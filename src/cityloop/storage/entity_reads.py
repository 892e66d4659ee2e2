"""Reading entities: one statement a collection, whatever it is filtered, sorted or reached by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import apsw
import orjson

from cityloop.storage.entity_tables import BRANCHES, LINKS, Source, foreign_key, property_sql, table_of
from cityloop.storage.odata_sql import Compiler, Scope
from cityloop.wire.odata import Binary, Expand, Expr, Member, ODataError, Order, Query
from cityloop.wire.sensorthings.model import ENTITIES, EntityType, Kind, Navigation
from cityloop.wire.sensorthings.records import Page, Parent, Record
from cityloop.wire.sensorthings.times import format_instant, format_period

__all__ = ["DEFAULT_TOP", "MOST_TOP", "EntityReads"]

DEFAULT_TOP: Final = 100
MOST_TOP: Final = 10_000
_FIRST_WINDOW_MS: Final = 60_000
_WINDOWS: Final = 9
_EXACT: Final = 2.0**53


@dataclass(slots=True)
class _Wanted:
    """What one SELECT brings: properties, the ids behind expanded links, sort keys."""

    properties: tuple[str, ...]
    ones: tuple[str, ...]
    where: list[str] = field(default_factory=list)
    """Conditions beside those of the query, by branch the same."""


class EntityReads:
    """The reading half of the entity store."""

    def __init__(self, newest_ms: Callable[[], int], count_readings: Callable[[int | None], int]) -> None:
        self._newest_ms = newest_ms
        """Instant of the newest reading of all."""
        self._count_readings = count_readings
        """How many plain readings there are to be seen, of a stream or of all."""

    def page(
        self,
        connection: apsw.Connection,
        entity: EntityType,
        query: Query,
        now_ms: int,
        *,
        parent: Parent | None = None,
        keys: Sequence[int | str] | None = None,
    ) -> Page:
        """Return a page of a collection, expanded as asked for."""
        _check_names(entity, query)
        top = min(DEFAULT_TOP if query.top is None else query.top, MOST_TOP)
        count = None
        if query.count:
            count = self._count(connection, entity, query, now_ms, parent, keys)
        records: list[Record] = []
        if top:
            records = self._rows(connection, entity, query, now_ms, parent, keys, top + 1)
        more = len(records) > top
        page = Page(records[:top], more or (top == 0 and bool(count)), count)
        self._expand(connection, page.records, query.expand, now_ms)
        return page

    def _count(
        self,
        connection: apsw.Connection,
        entity: EntityType,
        query: Query,
        now_ms: int,
        parent: Parent | None,
        keys: Sequence[int | str] | None,
    ) -> int:
        """Return how many there are; plain readings of one stream or of all are not fetched one by one for it."""
        branches: tuple[str, ...] = BRANCHES.get(entity.name, ("",))
        plain = 0
        whole = parent is None or (parent.entity == "Datastream" and isinstance(parent.id, int))
        if entity.name == "Observation" and query.where is None and keys is None and whole:
            plain = self._count_readings(None if parent is None else int(parent.id))
            branches = tuple(branch for branch in branches if branch != "readings")
        statement, parameters = self._statement(entity, query, now_ms, parent, keys, count=True, branches=branches)
        return plain + int(sum(row[0] for row in connection.execute(statement, parameters)))

    def _rows(
        self,
        connection: apsw.Connection,
        entity: EntityType,
        query: Query,
        now_ms: int,
        parent: Parent | None,
        keys: Sequence[int | str] | None,
        limit: int,
    ) -> list[Record]:
        for since_ms in self._windows(entity, query, parent, keys):
            statement, parameters = self._statement(entity, query, now_ms, parent, keys, since_ms=since_ms, limit=limit)
            wanted = _wanted(entity, query)
            rows = connection.execute(statement, parameters)
            records = [_record(entity, wanted, row) for row in rows]
            if len(records) == limit or since_ms is None:
                return records
        return []

    def _windows(
        self, entity: EntityType, query: Query, parent: Parent | None, keys: Sequence[int | str] | None
    ) -> Sequence[int | None]:
        """Look for the newest observations of all streams backwards in time, a longer piece each time."""
        newest_first = (
            bool(query.order) and query.order[0].descending and query.order[0].by == Member(("phenomenonTime",))
        )
        if entity.name != "Observation" or not newest_first or parent is not None or keys is not None:
            return (None,)
        newest_ms = self._newest_ms()
        return (*(newest_ms - _FIRST_WINDOW_MS * 8**n for n in range(_WINDOWS)), None)

    def _statement(
        self,
        entity: EntityType,
        query: Query,
        now_ms: int,
        parent: Parent | None,
        keys: Sequence[int | str] | None,
        *,
        count: bool = False,
        branches: Sequence[str] | None = None,
        since_ms: int | None = None,
        limit: int = 0,
    ) -> tuple[str, dict[str, Any]]:
        compiler = Compiler(now_ms)
        wanted = _wanted(entity, query)
        selects: list[str] = []
        directions: list[bool] = []
        for branch in BRANCHES.get(entity.name, ("",)) if branches is None else branches:
            source = Source(entity.name, "t", branch)
            scope = Scope({(): source})
            joins, conditions = self._hanging(compiler, source, parent)
            if keys is not None:
                conditions.append(_keyed(compiler, source, keys))
            if query.where is not None:
                conditions += _bounds(compiler, query.where, scope)
                conditions.append(compiler.condition(query.where, scope))
            if since_ms is not None:
                conditions.append(f"{property_sql(source, 'phenomenonTime')[0]} >= {compiler.bind(since_ms)}")
            sort, directions = _sort(compiler, query.order, scope)
            columns = ["count(*)"] if count else [*_columns(source, wanted), *sort]
            named = ", ".join(f"{column} AS c{at}" for at, column in enumerate(columns))
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            selects.append(f"SELECT {named} FROM {table_of(source)} t{joins}{''.join(scope.joins)}{where}")
        statement = " UNION ALL ".join(selects)
        if not count:
            first = _width(entity, wanted)
            keys_sql = ", ".join(f"c{first + at}{' DESC' if down else ''}" for at, down in enumerate(directions))
            skip = compiler.bind(query.skip)
            statement += f" ORDER BY {keys_sql} LIMIT {compiler.bind(limit)} OFFSET {skip}"
        return statement, compiler.parameters

    def _hanging(self, compiler: Compiler, source: Source, parent: Parent | None) -> tuple[str, list[str]]:
        if parent is None:
            return "", []
        link = ENTITIES[parent.entity].link(parent.link)
        assert link is not None
        if link.many:
            # The parent is known to be there; its id is what was looked up.
            found = LINKS[parent.entity, link.name, source.branch](source.alias, compiler.bind(parent.id))
            return found.joins, [found.condition]
        owners = []
        for branch in BRANCHES.get(parent.entity, ("",)):
            owner = Source(parent.entity, "o", branch)
            owners.append(
                f"SELECT {foreign_key(owner, link.name)} FROM {table_of(owner)} o"
                f" WHERE {_keyed(compiler, owner, [parent.id])}"
            )
        return "", [f"{source.alias}.id IN ({' UNION ALL '.join(owners)})"]

    def _expand(
        self, connection: apsw.Connection, records: list[Record], expands: tuple[Expand, ...], now_ms: int
    ) -> None:
        for expand in expands:
            link = records[0].entity.link(expand.navigation) if records else None
            if link is None:
                continue
            if link.many:
                for record in records:
                    parent = Parent(record.entity.name, record.id, link.name)
                    record.expanded[link.name] = self.page(
                        connection, ENTITIES[link.target], expand.query, now_ms, parent=parent
                    )
            else:
                self._expand_one(connection, records, link, expand.query, now_ms)

    def _expand_one(
        self, connection: apsw.Connection, records: list[Record], link: Navigation, query: Query, now_ms: int
    ) -> None:
        owners = [record.values.pop(f"@{link.name}") for record in records]
        keys = {owner for owner in owners if owner is not None}
        found: dict[int | str, Record] = {}
        if keys:
            listed = sorted(keys)
            some = Query(select=query.select, expand=query.expand, top=MOST_TOP)
            page = self.page(connection, ENTITIES[link.target], some, now_ms, keys=listed)
            found = {record.id: record for record in page.records}
        for record, owner in zip(records, owners, strict=True):
            record.expanded[link.name] = found.get(owner)


def _wanted(entity: EntityType, query: Query) -> _Wanted:
    chosen = {name.split("/")[0] for name in query.select}
    every = not chosen or "*" in chosen
    properties = tuple(p.name for p in entity.properties if every or p.name in chosen)
    ones = tuple(
        e.navigation for e in query.expand if (link := entity.link(e.navigation)) is not None and not link.many
    )
    return _Wanted(properties, ones)


def _check_names(entity: EntityType, query: Query) -> None:
    for name in query.select:
        first = name.split("/")[0]
        if first not in ("*", "id", "@iot.id") and entity.property(first) is None and entity.link(first) is None:
            known = ", ".join(["id", *(p.name for p in entity.properties), *(n.name for n in entity.navigation)])
            raise ODataError(f"$select: {entity.name} has no {first[:60]!r}; it has {known}")
    for expand in query.expand:
        if entity.link(expand.navigation) is None:
            raise _no_link(entity, expand.navigation)


def _no_link(entity: EntityType, name: str) -> ODataError:
    known = ", ".join(n.name for n in entity.navigation)
    return ODataError(f"$expand: {entity.name} has no link {name[:60]!r}; it has {known}")


def _columns(source: Source, wanted: _Wanted) -> list[str]:
    columns = [f"{source.alias}.id"]
    for name in wanted.properties:
        columns += property_sql(source, name)
        if name == "result":
            columns.append(f"{source.alias}.result_kind" if source.branch == "side" else "NULL")
    columns += [foreign_key(source, name) for name in wanted.ones]
    return columns


def _width(entity: EntityType, wanted: _Wanted) -> int:
    branch = BRANCHES.get(entity.name, ("",))[0]
    return len(_columns(Source(entity.name, "t", branch), wanted))


def _sort(compiler: Compiler, order: tuple[Order, ...], scope: Scope) -> tuple[list[str], list[bool]]:
    keys: list[str] = []
    directions: list[bool] = []
    for one in order:
        found = compiler.sort_keys(one.by, scope)
        # An instant needs one key, though it is a period to the model.
        found = list(dict.fromkeys(found))
        if scope.root.branch == "side" and len(found) == 2:
            found = found[:1]
        keys += found
        directions += [one.descending] * len(found)
    last = directions[-1] if directions else False
    for key in _ties(scope.root):
        keys.append(key)
        directions.append(last)
    return keys, directions


def _ties(source: Source) -> list[str]:
    """Return what settles the order of equals, and of a collection that no order was asked for."""
    if source.branch == "readings":
        return ["t.stream", "t.observed_at_ms", "t.received_at_ms"]
    if source.branch == "side":
        return ["t.stream", "t.begin_ms", "t.received_ms"]
    return ["t.id"]


def _keyed(compiler: Compiler, source: Source, keys: Sequence[int | str]) -> str:
    if source.branch == "readings":
        parts = []
        for key in keys:
            numbers = str(key).rsplit("-", 2)
            if len(numbers) == 3 and all(n.isascii() and n.isdecimal() and len(n) < 18 for n in numbers):
                stream, observed, received = (compiler.bind(int(n)) for n in numbers)
                a = source.alias
                parts.append(
                    f"({a}.stream = {stream} AND {a}.observed_at_ms = {observed} AND {a}.received_at_ms = {received})"
                )
        return "(" + " OR ".join(parts) + ")" if parts else "0"
    bound = [compiler.bind(key if source.branch == "side" or isinstance(key, int) else _row(key)) for key in keys]
    return f"{source.alias}.id IN ({', '.join(bound)})" if len(bound) > 1 else f"{source.alias}.id = {bound[0]}"


def _row(key: str) -> int:
    return int(key) if key.isascii() and key.isdecimal() and len(key) <= 18 else -1


def _bounds(compiler: Compiler, where: Expr, scope: Scope) -> list[str]:
    """Say again of readings what an id says of stream and instant, so that only that instant is looked up."""
    if scope.root.branch != "readings":
        return []
    found = []
    for conjunct in _conjuncts(where):
        if isinstance(conjunct, Binary) and conjunct.operator == "eq":
            for a, b in ((conjunct.left, conjunct.right), (conjunct.right, conjunct.left)):
                if isinstance(a, Member) and a.steps in (("id",), ("@iot.id",)) and hasattr(b, "value"):
                    found.append(_keyed(compiler, scope.root, [str(b.value)]))
    return found


def _conjuncts(expr: Expr) -> list[Expr]:
    if isinstance(expr, Binary) and expr.operator == "and":
        return [*_conjuncts(expr.left), *_conjuncts(expr.right)]
    return [expr]


def _record(entity: EntityType, wanted: _Wanted, row: tuple[Any, ...]) -> Record:
    record = Record(entity, row[0])
    values, at = record.values, 1
    for name in wanted.properties:
        prop = entity.property(name)
        assert prop is not None
        match prop.kind:
            case Kind.PERIOD:
                begin_ms, end_ms = row[at], row[at + 1]
                values[name] = None if begin_ms is None else format_period(begin_ms, end_ms)
                at += 2
            case Kind.INSTANT:
                values[name] = None if row[at] is None else format_instant(row[at])
                at += 1
            case Kind.UNIT:
                values[name] = dict(zip(("name", "symbol", "definition"), row[at : at + 3], strict=True))
                at += 3
            case Kind.RESULT:
                values[name] = _result(row[at], row[at + 1])
                at += 2
            case Kind.TEXT:
                values[name] = row[at]
                at += 1
            case _:
                values[name] = None if row[at] is None else orjson.Fragment(row[at])
                at += 1
    for name in wanted.ones:
        values[f"@{name}"] = row[at]
        at += 1
    return record


def _result(value: Any, kind: int | None) -> Any:
    if kind is None or kind == 0:
        # A whole number is written as one: what came as 20 is not given back as 20.0.
        return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value
    if kind == 2:
        return bool(value)
    return orjson.Fragment(value) if kind == 3 else value
