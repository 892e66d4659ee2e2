"""JSON of an entity to checked values: what a client may write, key by key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from cityloop.wire.odata import ODataError
from cityloop.wire.odata.geometry import geometry_of_geojson
from cityloop.wire.sensorthings.model import ENTITIES, EntityType, Kind, Navigation, Property
from cityloop.wire.sensorthings.times import check_observed, parse_instant, parse_period

__all__ = ["GEOJSON_TYPES", "EntityInput", "Reference", "decode_entity", "decode_reference"]

GEOJSON_TYPES = frozenset({"application/geo+json", "application/vnd.geo+json"})
"""Encoding types whose location or feature is GeoJSON."""

_MAX_TEXT: Final = 65_536
_MAX_NESTING: Final = 100
_DEEPEST_INSERT: Final = 8
_CONTROL: Final = ("@iot.", "@odata.")

Id = int | str


@dataclass(frozen=True, slots=True)
class Reference:
    """An entity that is there already."""

    id: Id


@dataclass(slots=True)
class EntityInput:
    """A new entity, or changes of one. Only what the client named is there; None takes a value away."""

    entity: EntityType
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, list[Reference | EntityInput]] = field(default_factory=dict)


def decode_entity(
    entity: EntityType, value: Any, *, partial: bool = False, path: str = "", depth: int = 0
) -> EntityInput:
    """Return the checked values of an entity.

    Parameters
    ----------
    partial
        Whether required properties may be missing, as in an update.
    path
        What messages put before a key, such as ``Datastreams[0].``.

    Raises
    ------
    ODataError
        Naming the key, the value and what is wanted.
    """
    if not isinstance(value, dict):
        raise ODataError(f"{path.rstrip('.') or entity.name} must be a JSON object, not {_shown(value)}")
    if depth > _DEEPEST_INSERT:
        raise ODataError(f"{path.rstrip('.')}: entities are nested deeper than {_DEEPEST_INSERT}; send them one by one")
    found = EntityInput(entity)
    for key, item in value.items():
        if _is_control(key):
            if key == "@iot.id" and item is not None and depth == 0 and not partial:
                raise ODataError(f"{path}@iot.id is {_shown(item)}: ids are given by this service; leave it out")
            continue
        prop, link = entity.property(key), entity.link(key)
        if prop is not None:
            if not prop.read_only:
                found.values[key] = None if item is None else _checked(prop, item, path + key)
        elif link is not None:
            found.links[key] = _links(link, item, path + key, depth)
        elif ENTITIES["Observation"] is entity and key == "Datastreams":
            raise ODataError(f"{path}Datastreams: an Observation has one Datastream; write Datastream")
        else:
            known = ", ".join([*(p.name for p in entity.properties), *(n.name for n in entity.navigation)])
            raise ODataError(f"{entity.name} has no {path}{key[:60]!r}; it has {known}")
    _check_whole(found, path, partial=partial)
    return found


def decode_reference(value: Any, path: str) -> Reference:
    """Return the reference that ``{"@iot.id": 5}`` stands for."""
    identity = value.get("@iot.id") if isinstance(value, Mapping) else None
    if isinstance(identity, bool) or not isinstance(identity, int | str):
        raise ODataError(f"{path}.@iot.id is {_shown(identity)}; give the id of an entity that is there")
    return Reference(identity)


def _is_control(key: str) -> bool:
    """Tell whether a key is an annotation that services add and clients send back."""
    return key.startswith(_CONTROL) or "@iot." in key or "@odata." in key or key == "id"


def _links(link: Navigation, value: Any, path: str, depth: int) -> list[Reference | EntityInput]:
    if value is None:
        return []
    if link.many != isinstance(value, list):
        wanted = "a list" if link.many else "one object"
        raise ODataError(f"{path} must be {wanted}, not {_shown(value)}")
    items = value if link.many else [value]
    found: list[Reference | EntityInput] = []
    for at, item in enumerate(items):
        here = f"{path}[{at}]" if link.many else path
        if isinstance(item, dict) and item.get("@iot.id") is not None:
            found.append(decode_reference(item, here))
        else:
            found.append(decode_entity(ENTITIES[link.target], item, path=f"{here}.", depth=depth + 1))
    return found


def _check_whole(found: EntityInput, path: str, *, partial: bool) -> None:
    entity, values = found.entity, found.values
    for prop in entity.properties:
        if prop.required and (values.get(prop.name) is None) and (not partial or prop.name in values):
            null_result = prop.kind is Kind.RESULT and prop.name in values
            if not null_result:
                raise ODataError(f"{path}{prop.name} is missing; {entity.name} needs it")
    encoding = values.get("encodingType")
    place = "location" if entity.name == "Location" else "feature" if entity.name == "FeatureOfInterest" else ""
    if place and encoding in GEOJSON_TYPES and values.get(place) is not None:
        try:
            geometry_of_geojson(values[place])
        except ODataError as error:
            raise ODataError(f"{path}{place}: {error}") from None
    if entity.name == "MultiDatastream" and not partial:
        units, types = len(values["unitOfMeasurements"]), len(values["multiObservationDataTypes"])
        if units != types:
            raise ODataError(f"{path}unitOfMeasurements has {units} members, multiObservationDataTypes {types}")
        properties = found.links.get("ObservedProperties", [])
        if len(properties) != units:
            raise ODataError(f"{path}ObservedProperties has {len(properties)} members, unitOfMeasurements {units}")


def _checked(prop: Property, value: Any, key: str) -> Any:
    match prop.kind:
        case Kind.TEXT:
            return _text(value, key)
        case Kind.INSTANT:
            return parse_instant(value, key)
        case Kind.PERIOD:
            period = parse_period(value, key)
            if prop.name == "phenomenonTime":
                check_observed(*period, key)
            return period
        case Kind.OBJECT:
            if not isinstance(value, dict):
                raise ODataError(f"{key} must be a JSON object, not {_shown(value)}")
            return _nested(value, key)
        case Kind.UNIT:
            return _unit(value, key)
        case Kind.UNITS:
            return [_unit(item, f"{key}[{at}]") for at, item in enumerate(_listed(value, key))]
        case Kind.TEXTS:
            return [_text(item, f"{key}[{at}]") for at, item in enumerate(_listed(value, key))]
        case Kind.JSON | Kind.PLACE | Kind.RESULT:
            return _nested(value, key)
        case _:
            assert_never(prop.kind)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ODataError(f"{key} must be a text, not {_shown(value)}")
    if len(value) > _MAX_TEXT:
        raise ODataError(f"{key} has {len(value)} characters; at most {_MAX_TEXT} are taken")
    if "\x00" in value:
        raise ODataError(f"{key} holds a NUL character; leave it out")
    return value


def _unit(value: Any, key: str) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ODataError(f"{key} must be an object of name, symbol and definition, not {_shown(value)}")
    unknown = sorted(value.keys() - {"name", "symbol", "definition"})
    if unknown:
        raise ODataError(f"{key} has no {unknown[0][:60]!r}; it has name, symbol and definition")
    # A category or a truth has no unit: the standard has all three null then.
    missing = [part for part in ("name", "symbol", "definition") if part not in value]
    if missing and value:
        raise ODataError(f"{key}.{missing[0]} is missing; give it, or null")
    return {
        part: None if value.get(part) is None else _text(value[part], f"{key}.{part}")
        for part in ("name", "symbol", "definition")
    }


def _listed(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ODataError(f"{key} must be a list with at least one member, not {_shown(value)}")
    return value


def _nested(value: Any, key: str) -> Any:
    """Check that a JSON value can be kept and given back as it is."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _MAX_NESTING:
            raise ODataError(f"{key} nests deeper than {_MAX_NESTING}")
        if isinstance(item, dict):
            waiting += [(inner, depth + 1) for inner in item.values()]
        elif isinstance(item, list):
            waiting += [(inner, depth + 1) for inner in item]
        elif isinstance(item, float) and not math.isfinite(item):
            raise ODataError(f"{key} holds {item}, which is no JSON number")
        elif isinstance(item, str) and "\x00" in item:
            raise ODataError(f"{key} holds a NUL character; leave it out")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
