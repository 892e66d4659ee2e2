"""Entities as the JSON that clients see: links, pages, data arrays."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from cityloop.wire.odata import Expand, Query, render_query
from cityloop.wire.sensorthings.model import SET_NAMES, EntityType
from cityloop.wire.sensorthings.records import Page, Record

__all__ = ["dumps", "options_text", "plain_json", "render_data_array", "render_page", "render_record", "self_link"]

_ALWAYS = {("Observation", "resultTime"), ("Observation", "result"), ("Datastream", "unitOfMeasurement")}
"""Shown though they are null: the standard has them mandatory."""

_ARRAY_COMPONENTS = ("id", "phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters")


def dumps(value: Any) -> bytes:
    """Return JSON bytes."""
    return orjson.dumps(value)


def plain_json(value: Any) -> Any:
    """Return a value with everything decoded that is kept as JSON text."""
    return orjson.loads(orjson.dumps(value))


def self_link(base: str, entity: EntityType, identity: int | str) -> str:
    """Return the address of an entity."""
    if isinstance(identity, int):
        return f"{base}/{entity.set_name}({identity})"
    return f"{base}/{entity.set_name}('{quote(identity.replace(chr(39), chr(39) * 2), safe='')}')"


def render_record(record: Record, base: str, query: Query) -> dict[str, Any]:
    """Return the JSON object of an entity."""
    link = self_link(base, record.entity, record.id)
    chosen = {name.split("/")[0] for name in query.select} - {"*"}
    every = not chosen or "*" in query.select
    expands = {expand.navigation: expand for expand in query.expand}
    shown: dict[str, Any] = {}
    if every or chosen & {"id", "@iot.id"}:
        shown["@iot.id"] = record.id
        shown["@iot.selfLink"] = link
    for name, value in record.values.items():
        if value is not None or name in chosen or (record.entity.name, name) in _ALWAYS:
            shown[name] = _part(value, name, query.select) if name in chosen else value
    for navigation in record.entity.navigation:
        name = navigation.name
        if name in expands:
            _render_expanded(shown, record, name, base, link, expands[name])
        elif (every or name in chosen) and not _leads_nowhere(record, name):
            shown[f"{name}@iot.navigationLink"] = f"{link}/{name}"
    return shown


def render_page(page: Page, base: str, address: str, query: Query) -> dict[str, Any]:
    """Return the JSON object of a page; ``address`` is where the collection is."""
    shown: dict[str, Any] = {}
    if page.count is not None:
        shown["@iot.count"] = page.count
    if page.more:
        shown["@iot.nextLink"] = _next_link(address, query, len(page.records))
    if query.result_format == "dataArray":
        shown["value"] = render_data_array(page.records, base, query)
    else:
        shown["value"] = [render_record(record, base, query) for record in page.records]
    return shown


def render_data_array(records: list[Record], base: str, query: Query) -> list[dict[str, Any]]:
    """Return observations by Datastream, as rows of values (18-088, clause 13.1)."""
    components = [name for name in query.select if "/" not in name] or list(_ARRAY_COMPONENTS)
    groups: dict[str, list[list[Any]]] = {}
    for record in records:
        values = record.values
        row = [record.id if name in ("id", "@iot.id") else values.get(name) for name in components]
        groups.setdefault(str(record.id).partition("-")[0], []).append(row)
    named = ["id" if name == "@iot.id" else name for name in components]
    blocks = []
    for owner, rows in groups.items():
        kind, number = ("MultiDatastream", owner[1:]) if owner.startswith("m") else ("Datastream", owner)
        blocks.append(
            {
                f"{kind}@iot.navigationLink": f"{base}/{SET_NAMES[kind]}({number})",
                "components": named,
                "dataArray@iot.count": len(rows),
                "dataArray": rows,
            }
        )
    return blocks


def options_text(query: Query) -> str:
    """Return options as they stand in an address."""
    # Brackets and commas may stand as they are; everything else that has a meaning of its own is escaped.
    return "&".join(
        f"{name}={quote(value, safe=chr(39) + '(),/:$@*=')}"
        for name, _, value in (part.partition("=") for part in _options(query))
    )


def _options(query: Query) -> list[str]:
    parts = []
    for name in ("where", "select", "expand", "order", "top", "skip", "count", "result_format"):
        one = Query(**{name: getattr(query, name)})
        text = render_query(one)
        if text:
            parts.append(text)
    return parts


def _next_link(address: str, query: Query, shown: int) -> str:
    following = Query(
        where=query.where,
        select=query.select,
        expand=query.expand,
        order=query.order,
        top=query.top,
        skip=query.skip + shown,
        count=query.count,
        result_format=query.result_format,
    )
    return f"{address}?{options_text(following)}"


def _render_expanded(shown: dict[str, Any], record: Record, name: str, base: str, link: str, expand: Expand) -> None:
    inner = record.expanded.get(name)
    if isinstance(inner, Page):
        if inner.count is not None:
            shown[f"{name}@iot.count"] = inner.count
        shown[name] = [render_record(one, base, expand.query) for one in inner.records]
        if inner.more:
            shown[f"{name}@iot.nextLink"] = _next_link(f"{link}/{name}", expand.query, len(inner.records))
    elif inner is not None:
        shown[name] = render_record(inner, base, expand.query)


def _leads_nowhere(record: Record, name: str) -> bool:
    """Tell whether a link of an Observation belongs to the other kind of Datastream."""
    if record.entity.name != "Observation" or name == "FeatureOfInterest":
        return False
    is_multi = str(record.id).startswith("m")
    return (name == "MultiDatastream") != is_multi


def _part(value: Any, name: str, select: tuple[str, ...]) -> Any:
    """Return of an object only the parts that were selected by path."""
    paths = [path.split("/")[1:] for path in select if path.split("/")[0] == name]
    if not all(paths):
        return value
    whole = plain_json(value)
    kept: dict[str, Any] = {}
    for path in paths:
        item = whole
        for step in path:
            item = item.get(step) if isinstance(item, dict) else None
        at: dict[str, Any] = kept
        for step in path[:-1]:
            at = at.setdefault(step, {})
        at[path[-1]] = item
    return kept
