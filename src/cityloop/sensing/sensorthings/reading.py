"""GET: from the steps of a path to an entity, a collection, a property or its value (18-088, clause 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from cityloop.sensing.sensorthings.errors import NotAllowed, NotFound, Reply, json_reply
from cityloop.sensing.sensorthings.ports import EntityReader
from cityloop.wire.odata import Query, Step
from cityloop.wire.sensorthings.model import ENTITIES, SETS, EntityType
from cityloop.wire.sensorthings.records import Parent, Record
from cityloop.wire.sensorthings.rendering import plain_json, render_page, render_record, self_link

__all__ = ["Target", "read", "resolve"]

_ID_ONLY = Query(select=("id",), top=1)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to."""

    entity: EntityType
    parent: Parent | None = None
    key: int | str | None = None
    """Of one entity; None for a collection, or for the one that a link to one leads to."""

    many: bool = True
    rest: tuple[str, ...] = ()
    """Property path, ``$value``, ``$ref`` or ``$count`` behind the entity."""


def resolve(reader: EntityReader, steps: tuple[Step, ...]) -> Target:
    """Follow a path; every entity on the way must be there.

    Raises
    ------
    NotFound
        Naming the step that leads nowhere.
    """
    first = SETS.get(steps[0].name)
    if first is None:
        raise NotFound(f"there is no set {steps[0].name[:60]!r}; the service root lists all")
    target = Target(first)
    at = 0
    while True:
        key = steps[at].key
        if key is not None:
            if not target.many:
                raise NotFound(f"{steps[at].name} is one entity and takes no key")
            target = Target(target.entity, target.parent, _key(target.entity, key), many=False)
        at += 1
        if at == len(steps):
            return target
        step = steps[at]
        link = None if target.many else target.entity.link(step.name)
        if link is None:
            return Target(target.entity, target.parent, target.key, target.many, _rest(target, steps[at:]))
        identity = _identity(reader, target)
        parent = Parent(target.entity.name, identity, link.name)
        target = Target(ENTITIES[link.target], parent, None, link.many)


def read(reader: EntityReader, target: Target, query: Query, base: str, address: str) -> Reply:
    """Answer a GET."""
    if target.many:
        return _read_many(reader, target, query, base, address)
    record = _one(reader, target, query if not target.rest else Query())
    if not target.rest:
        return json_reply(render_record(record, base, query))
    if target.rest == ("$ref",):
        return json_reply({"@iot.selfLink": self_link(base, record.entity, record.id)})
    return _read_property(record, target.rest)


def _read_many(reader: EntityReader, target: Target, query: Query, base: str, address: str) -> Reply:
    if target.rest == ("$count",):
        page = reader.page(target.entity, Query(where=query.where, top=0, count=True), parent=target.parent)
        return Reply(200, str(page.count).encode(), {"content-type": "text/plain;charset=utf-8"})
    if query.result_format and target.entity.name != "Observation":
        raise NotAllowed("$resultFormat=dataArray is for Observations")
    page = reader.page(target.entity, query, parent=target.parent)
    if target.rest == ("$ref",):
        links = [{"@iot.selfLink": self_link(base, record.entity, record.id)} for record in page.records]
        shown = render_page(page, base, f"{address}", Query(top=query.top, skip=query.skip, select=("id",)))
        return json_reply({**{key: shown[key] for key in shown if key != "value"}, "value": links})
    return json_reply(render_page(page, base, address, query))


def one_record(reader: EntityReader, target: Target, query: Query) -> Record:
    """Return the one entity that a target is."""
    return _one(reader, target, query)


def _one(reader: EntityReader, target: Target, query: Query) -> Record:
    one = Query(select=query.select, expand=query.expand, top=1)
    keys = None if target.key is None else [target.key]
    page = reader.page(target.entity, one, parent=target.parent, keys=keys)
    if not page.records:
        what = f"{target.entity.name} {str(target.key)[:60]!r}" if target.key is not None else target.entity.name
        where = f" under {target.parent.entity} {target.parent.id}" if target.parent is not None else ""
        raise NotFound(f"there is no {what}{where}")
    return page.records[0]


def _identity(reader: EntityReader, target: Target) -> int | str:
    return _one(reader, target, _ID_ONLY).id


def _key(entity: EntityType, text: str) -> int | str:
    if entity.name == "Observation":
        return text
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise NotFound(f"there is no {entity.name} {text[:60]!r}")
    return int(text)


def _rest(target: Target, steps: tuple[Step, ...]) -> tuple[str, ...]:
    names = tuple(step.name for step in steps)
    if any(step.key is not None for step in steps):
        raise NotFound(f"{names[0][:60]!r} is no link of {target.entity.name}")
    if target.many:
        if names not in (("$ref",), ("$count",)):
            raise NotFound(f"a collection has no {names[0][:60]!r}; name one of its entities first, as in Things(1)")
        return names
    if names != ("$ref",) and names[0] not in ("id", "@iot.id") and target.entity.property(names[0]) is None:
        known = ", ".join([p.name for p in target.entity.properties] + [n.name for n in target.entity.navigation])
        raise NotFound(f"{target.entity.name} has no {names[0][:60]!r}; it has {known}")
    return names


def _read_property(record: Record, path: tuple[str, ...]) -> Reply:
    raw = path[-1] == "$value"
    steps = path[:-1] if raw else path
    value: Any = record.id if steps[0] in ("id", "@iot.id") else record.values.get(steps[0])
    value = plain_json(value)
    for step in steps[1:]:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise NotFound(f"{steps[0]} has no {step[:60]!r}")
    if value is None:
        return Reply(204)
    if not raw:
        return json_reply({steps[-1]: value})
    text = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return Reply(200, text, {"content-type": "text/plain;charset=utf-8"})
