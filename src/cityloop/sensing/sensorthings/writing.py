"""POST, PATCH, PUT and DELETE of entities inside a transaction (18-088, clause 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from cityloop.sensing.sensorthings.errors import NotAllowed
from cityloop.sensing.sensorthings.gate import Outcome
from cityloop.sensing.sensorthings.ports import EntityWork
from cityloop.sensing.sensorthings.reading import Target, one_record, resolve
from cityloop.wire.json_patch import apply_patch
from cityloop.wire.odata import ODataError, Query, Step
from cityloop.wire.sensorthings.entities import EntityInput, Reference, decode_entity
from cityloop.wire.sensorthings.model import EntityType
from cityloop.wire.sensorthings.rendering import plain_json

__all__ = ["JSON_PATCH", "Written", "decode_json", "owner_streams", "write"]

JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Written:
    """What one request did."""

    verb: str
    entity: EntityType
    id: int | str | None = None
    place: int | None = None
    """Of an observation that is a plain reading: where it stands among those to be logged."""

    def identity(self, outcome: Outcome | None) -> int | str:
        """Return the id, once readings are logged."""
        if self.id is not None:
            return self.id
        assert outcome is not None
        assert self.place is not None
        return outcome.ids[self.place]


def decode_json(body: bytes) -> Any:
    """Return decoded JSON.

    Raises
    ------
    ODataError
        With the place of the fault; infinite numbers and bottomless nesting are refused by the decoder.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ODataError(f"the body is not JSON: {error}") from None


def write(work: EntityWork, verb: str, steps: tuple[Step, ...], body: Any, content_type: str = "") -> Written:
    """Do what a request asks for."""
    if not steps:
        raise NotAllowed(f"{verb} is not for the service root; name a set, such as Things")
    target = resolve(work, steps)
    if target.rest:
        raise NotAllowed(f"{verb} is for entities; {'/'.join(target.rest)[:60]} is part of one: PATCH the entity")
    if verb == "POST":
        return _create(work, target, body)
    if target.many:
        raise NotAllowed(f"{verb} is for one entity; name its id, as in {target.entity.set_name}(1)")
    record = one_record(work, target, Query(select=("id",)))
    match verb:
        case "DELETE":
            work.delete(target.entity, record.id)
        case "PUT":
            new = decode_entity(target.entity, _without_id(body, record.id), partial=False)
            _check_links(target.entity, new)
            work.update(target.entity, record.id, new, replace=True)
        case "PATCH" if content_type.startswith(JSON_PATCH) or isinstance(body, list):
            work.update(target.entity, record.id, _patched(work, target, record.id, body), replace=False)
        case "PATCH":
            new = decode_entity(target.entity, body, partial=True)
            _check_links(target.entity, new)
            work.update(target.entity, record.id, new, replace=False)
        case _:
            raise NotAllowed(f"{verb[:20]} is not a method of this service")
    return Written(verb, target.entity, record.id)


def owner_streams(new: EntityInput, target: Target) -> list[int | str]:
    """Return the Datastreams that a new Observation names."""
    found: list[int | str] = [item.id for item in new.links.get("Datastream", []) if isinstance(item, Reference)]
    if target.parent is not None and target.parent.entity == "Datastream":
        found.append(target.parent.id)
    return found


def _create(work: EntityWork, target: Target, body: Any) -> Written:
    if not target.many:
        raise NotAllowed(f"POST is for a set of entities; to change {target.entity.name} use PATCH")
    parent = target.parent
    new = decode_entity(target.entity, body)
    at = None if parent is None else (parent.entity, parent.link, parent.id)
    identity, place = work.create(new, at)
    return Written("POST", target.entity, identity, place)


def _check_links(entity: EntityType, new: EntityInput) -> None:
    """Refuse new entities in an update: it links those that are there (18-088, 10.3)."""
    for name, items in new.links.items():
        if any(not isinstance(item, Reference) for item in items):
            raise ODataError(
                f"{name}: an update takes links to entities that are there, as {{'@iot.id': 5}}; POST new ones"
            )


def _without_id(body: Any, identity: int | str) -> Any:
    """Take out of a replacement the id that clients send along, if it is the right one."""
    if not isinstance(body, dict) or body.get("@iot.id") is None:
        return body
    if str(body["@iot.id"]) != str(identity):
        raise ODataError(f"@iot.id is {str(body['@iot.id'])[:40]!r}, the address says {identity}; an id never changes")
    return {key: value for key, value in body.items() if key != "@iot.id"}


def _patched(work: EntityWork, target: Target, identity: int | str, operations: Any) -> EntityInput:
    record = one_record(work, Target(target.entity, key=identity, many=False), Query())
    before = {name: plain_json(value) for name, value in record.values.items() if value is not None}
    after = apply_patch(before, operations)
    if not isinstance(after, dict):
        raise ODataError("the JSON Patch leaves no object")
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    changed |= {key: None for key in before if key not in after}
    read_only = [p.name for p in target.entity.properties if p.read_only and p.name in changed]
    if read_only:
        raise ODataError(f"{read_only[0]} is kept by the service and cannot be changed")
    return decode_entity(target.entity, changed, partial=True)
