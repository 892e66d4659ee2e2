"""``$batch``: several requests in one, as JSON or as multipart (18-088, clause 11; OData JSON 4.01, clause 19).

Requests of one atomicity group, or one change set, are one transaction: all are done or none. All others stand alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from cityloop.sensing.sensorthings.errors import Forbidden, Reply, error_reply, json_reply
from cityloop.sensing.sensorthings.gate import Outcome
from cityloop.sensing.sensorthings.ports import Change, EntityWork
from cityloop.sensing.sensorthings.service import Request, SensorThings
from cityloop.sensing.sensorthings.writing import Written, decode_json
from cityloop.wire.multipart import boundary_of, join_parts, parse_request, response_bytes, split_parts
from cityloop.wire.odata import ODataError, parse_path
from cityloop.wire.sensorthings.rendering import self_link

__all__ = ["handle_batch"]

_MOST: Final = 1000
_REFERENCE: Final = re.compile(r"\A/?\$([\w.\-]{1,60})(?=/|\Z)")
_VERBS: Final = ("GET", "POST", "PATCH", "PUT", "DELETE")
_boundaries = itertools.count(1)


@dataclasses.dataclass(slots=True)
class _Item:
    """One request of a batch."""

    id: str
    request: Request
    group: str = ""
    depends: tuple[str, ...] = ()
    reply: Reply | None = None


async def handle_batch(service: SensorThings, request: Request) -> Reply:
    """Answer a batch."""
    try:
        if request.content_type.startswith("multipart/mixed"):
            items = _multipart_items(request)
            await _run(service, items)
            return _multipart_reply(items)
        items = _json_items(request)
        await _run(service, items)
        return _json_reply(items)
    except Exception as error:
        return error_reply(error)


async def _run(service: SensorThings, items: list[_Item]) -> None:
    links: dict[str, str] = {}
    """Paths of entities that the batch created, by the id of the request."""

    for group, members in itertools.groupby(items, key=lambda item: item.group or f"\0{item.id}"):
        some = list(members)
        failed = _failed(items, some)
        if failed:
            for item in some:
                item.reply = error_reply(ODataError(f"not done: request {failed} failed"))
                item.reply.status = 424
        elif group.startswith("\0"):
            await _run_alone(service, some[0], links)
        else:
            await _run_group(service, some, links)


def _failed(items: list[_Item], some: list[_Item]) -> str:
    wanted = {name for item in some for name in item.depends}
    for item in items:
        is_wanted = item.id in wanted or (item.group and item.group in wanted)
        if is_wanted and item.reply is not None and item.reply.status >= 400:
            return item.id
    return ""


async def _run_alone(service: SensorThings, item: _Item, links: dict[str, str]) -> None:
    item.request = _resolved(item.request, links)
    item.reply = await service.handle(item.request)
    location = item.reply.headers.get("location")
    if location is not None:
        links[item.id] = location.removeprefix(item.request.base)


async def _run_group(service: SensorThings, items: list[_Item], links: dict[str, str]) -> None:
    inner = dict(links)
    begun: list[_Item] = []

    def run(work: EntityWork) -> tuple[list[Reply], Sequence[Change]]:
        done: list[tuple[Written | None, Reply | None]] = []
        for item in items:
            begun.append(item)
            item.request = _resolved(item.request, inner)
            if item.request.verb == "GET":
                done.append((None, service.read_now(work, item.request)))
                continue
            body = decode_json(item.request.body) if item.request.verb != "DELETE" else None
            written = service.run_write(work, item.request, parse_path(item.request.path), body)
            if written.id is not None and written.verb == "POST":
                inner[item.id] = self_link("", written.entity, written.id)
            done.append((written, None))
        outcome: Outcome | None = service.settle(work, items[0].request.principal.device)
        replies = []
        for item, (made, reply) in zip(items, done, strict=True):
            if reply is None:
                assert made is not None
                reply = service.reply_of(made, outcome, item.request, work)
            replies.append(reply)
        return replies, work.changes

    try:
        replies, changes = await asyncio.wrap_future(service.store.write(run))
    except Exception as error:
        culprit = begun[-1] if begun else items[0]
        for item in items:
            item.reply = error_reply(error)
            if item is not culprit:
                item.reply = error_reply(ODataError(f"not done: request {culprit.id} of the same group failed"))
                item.reply.status = 424
        return
    links.update(inner)
    for item, reply in zip(items, replies, strict=True):
        item.reply = reply
    service.tell(changes)


def _resolved(request: Request, links: dict[str, str]) -> Request:
    """Put the entities that earlier requests created where ``$id`` stands, in the path and in links of the body."""
    path, body = request.path, request.body
    match = _REFERENCE.match(path)
    if match is not None and match[1] != "batch":
        link = links.get(match[1])
        if link is None:
            raise ODataError(f"${match[1]} stands for no entity that an earlier request created")
        path = link + path[match.end() :]
    if b'"$' in body:
        decoded = decode_json(body)
        _replace_references(decoded, links)
        body = orjson.dumps(decoded)
    return dataclasses.replace(request, path=path, body=body)


def _replace_references(value: Any, links: dict[str, str]) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            identity = item.get("@iot.id")
            if isinstance(identity, str) and identity.startswith("$") and identity[1:] in links:
                key = parse_path(links[identity[1:]])[-1].key or ""
                item["@iot.id"] = int(key) if key.isdecimal() else key
            waiting += item.values()


def _json_items(request: Request) -> list[_Item]:
    body = decode_json(request.body)
    listed = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        raise ODataError("a batch is an object with a list of requests")
    if len(listed) > _MOST:
        raise ODataError(f"{len(listed)} requests; at most {_MOST} are taken at once")
    items: list[_Item] = []
    seen: set[str] = set()
    for number, entry in enumerate(listed):
        item = _json_item(request, entry, number)
        if item.id in seen:
            raise ODataError(f"requests[{number}].id {item.id[:40]!r} is given twice")
        seen.add(item.id)
        items.append(item)
    return items


def _json_item(request: Request, entry: Any, number: int) -> _Item:
    where = f"requests[{number}]"
    if not isinstance(entry, dict):
        raise ODataError(f"{where} must be an object of id, method and url")
    identity, verb, url = entry.get("id"), entry.get("method"), entry.get("url")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or not identity:
        raise ODataError(f"{where}.id is missing; give each request an id of its own")
    if not isinstance(verb, str) or verb.upper() not in _VERBS:
        raise ODataError(f"{where}.method is {str(verb)[:20]!r}; give one of {', '.join(_VERBS)}")
    if not isinstance(url, str):
        raise ODataError(f"{where}.url is missing")
    group, depends = entry.get("atomicityGroup", ""), entry.get("dependsOn", [])
    if not isinstance(group, str) or not isinstance(depends, list):
        raise ODataError(f"{where}: atomicityGroup is a text and dependsOn a list of ids")
    given = entry.get("headers")
    headers = given if isinstance(given, dict) else {}
    content_type = next((str(v) for k, v in headers.items() if k.lower() == "content-type"), "application/json")
    body = entry.get("body")
    return _Item(
        identity,
        _inner(request, verb.upper(), url, b"" if body is None else orjson.dumps(body), content_type),
        group,
        tuple(map(str, depends)),
    )


def _inner(request: Request, verb: str, url: str, body: bytes, content_type: str) -> Request:
    split = urlsplit(url)
    path = split.path
    root = urlsplit(request.base).path
    # Addresses may be relative to the service root, to the host, or whole.
    if path.startswith(f"{root}/"):
        path = path[len(root) :]
    if path.strip("/") in ("$batch", "CreateObservations"):
        raise Forbidden(f"{path.strip('/')} cannot stand inside a batch")
    return dataclasses.replace(request, verb=verb, path=path, query=split.query, body=body, content_type=content_type)


def _json_reply(items: list[_Item]) -> Reply:
    shown = []
    for item in items:
        reply = item.reply
        assert reply is not None
        entry: dict[str, Any] = {"id": item.id, "status": reply.status}
        if "location" in reply.headers:
            entry["location"] = reply.headers["location"]
        if item.group:
            entry["atomicityGroup"] = item.group
        if reply.body:
            is_json = reply.headers.get("content-type", "").startswith("application/json")
            entry["body"] = orjson.Fragment(reply.body) if is_json else reply.body.decode("utf-8", "replace")
        shown.append(entry)
    return json_reply({"responses": shown})


def _multipart_items(request: Request) -> list[_Item]:
    items: list[_Item] = []
    for number, part in enumerate(split_parts(request.body, boundary_of(request.content_type))):
        kind = part.headers.get("content-type", "")
        if kind.startswith("multipart/mixed"):
            for inner in split_parts(part.body, boundary_of(kind)):
                item = _part_item(request, inner.headers, inner.body, f"part-{number}-{len(items)}")
                if item.request.verb == "GET":
                    raise ODataError("a change set holds changes; put GET beside it")
                item.group = f"changes-{number}"
                items.append(item)
        else:
            items.append(_part_item(request, part.headers, part.body, f"part-{number}"))
    if len(items) > _MOST:
        raise ODataError(f"{len(items)} requests; at most {_MOST} are taken at once")
    return items


def _part_item(request: Request, headers: dict[str, str], body: bytes, name: str) -> _Item:
    if not headers.get("content-type", "application/http").startswith("application/http"):
        raise ODataError(f"a part is {headers['content-type'][:40]!r}; it must be application/http")
    inner = parse_request(body)
    if inner.verb not in _VERBS:
        raise ODataError(f"a part's method is {inner.verb}; give one of {', '.join(_VERBS)}")
    identity = headers.get("content-id") or inner.headers.get("content-id") or name
    content_type = inner.headers.get("content-type", "application/json")
    return _Item(identity, _inner(request, inner.verb, inner.address, inner.body, content_type))


def _multipart_reply(items: list[_Item]) -> Reply:
    boundary = f"batch-{next(_boundaries)}"
    parts: list[tuple[dict[str, str], bytes]] = []
    for group, members in itertools.groupby(items, key=lambda item: item.group or f"\0{item.id}"):
        some = list(members)
        if group.startswith("\0"):
            parts.append(_response_part(some[0]))
            continue
        inner = f"changes-{next(_boundaries)}"
        failed = [
            item for item in some if item.reply is not None and item.reply.status >= 400 and item.reply.status != 424
        ]
        if failed:
            # A change set that failed is answered by one response (OData 4.0, part 1, 11.7.4).
            parts.append(_response_part(failed[0]))
        else:
            body = join_parts((_response_part(item) for item in some), inner)
            parts.append(({"Content-Type": f"multipart/mixed; boundary={inner}"}, body))
    return Reply(200, join_parts(parts, boundary), {"content-type": f"multipart/mixed; boundary={boundary}"})


def _response_part(item: _Item) -> tuple[dict[str, str], bytes]:
    assert item.reply is not None
    headers = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if not item.id.startswith("part-"):
        headers["Content-ID"] = item.id
    return headers, response_bytes(item.reply.status, item.reply.headers, item.reply.body)
