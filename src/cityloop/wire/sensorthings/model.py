"""The entity types of SensorThings 1.1: their properties and how they are linked (18-088, clause 8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["ENTITIES", "SETS", "EntityType", "Kind", "Navigation", "Property", "entity_of_set", "step_type"]


class Kind(Enum):
    """What a property holds."""

    TEXT = "text"
    JSON = "json"
    """Any JSON value."""
    OBJECT = "object"
    PLACE = "place"
    """A GeoJSON geometry or feature."""
    INSTANT = "instant"
    PERIOD = "period"
    """A period, or an instant."""
    UNIT = "unit"
    """An object of name, symbol and definition."""
    UNITS = "units"
    TEXTS = "texts"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an entity type."""

    name: str
    kind: Kind
    required: bool = False
    read_only: bool = False
    """Kept by the service; a client's value is not taken."""


@dataclass(frozen=True, slots=True)
class Navigation:
    """One link to other entities."""

    name: str
    target: str
    many: bool
    required: bool = False


@dataclass(frozen=True, slots=True)
class EntityType:
    """One entity type."""

    name: str
    set_name: str
    properties: tuple[Property, ...]
    navigation: tuple[Navigation, ...]

    def property(self, name: str) -> Property | None:
        """Return a property by name."""
        return next((p for p in self.properties if p.name == name), None)

    def link(self, name: str) -> Navigation | None:
        """Return a navigation property by name."""
        return next((n for n in self.navigation if n.name == name), None)


_NAMED = (Property("name", Kind.TEXT, required=True), Property("description", Kind.TEXT, required=True))
_PROPERTIES = Property("properties", Kind.OBJECT)
_AGGREGATES = (
    Property("observedArea", Kind.PLACE, read_only=True),
    Property("phenomenonTime", Kind.PERIOD, read_only=True),
    Property("resultTime", Kind.PERIOD, read_only=True),
)


def _to_many(*names: str) -> tuple[Navigation, ...]:
    return tuple(Navigation(SET_NAMES[name], name, many=True) for name in names)


def _to_one(*names: str, required: bool = True) -> tuple[Navigation, ...]:
    return tuple(Navigation(name, name, many=False, required=required) for name in names)


SET_NAMES = {
    "Thing": "Things",
    "Location": "Locations",
    "HistoricalLocation": "HistoricalLocations",
    "Datastream": "Datastreams",
    "MultiDatastream": "MultiDatastreams",
    "Sensor": "Sensors",
    "ObservedProperty": "ObservedProperties",
    "Observation": "Observations",
    "FeatureOfInterest": "FeaturesOfInterest",
}

_TYPES = (
    EntityType(
        "Thing",
        "Things",
        (*_NAMED, _PROPERTIES),
        _to_many("Datastream", "MultiDatastream", "HistoricalLocation", "Location"),
    ),
    EntityType(
        "Location",
        "Locations",
        (
            *_NAMED,
            Property("encodingType", Kind.TEXT, required=True),
            Property("location", Kind.PLACE, required=True),
            _PROPERTIES,
        ),
        _to_many("Thing", "HistoricalLocation"),
    ),
    EntityType(
        "HistoricalLocation",
        "HistoricalLocations",
        (Property("time", Kind.INSTANT, required=True),),
        (*_to_one("Thing"), Navigation("Locations", "Location", many=True, required=True)),
    ),
    EntityType(
        "Datastream",
        "Datastreams",
        (
            *_NAMED,
            Property("observationType", Kind.TEXT, required=True),
            Property("unitOfMeasurement", Kind.UNIT, required=True),
            *_AGGREGATES,
            _PROPERTIES,
        ),
        (*_to_one("Thing", "Sensor", "ObservedProperty"), *_to_many("Observation")),
    ),
    EntityType(
        "MultiDatastream",
        "MultiDatastreams",
        (
            *_NAMED,
            Property("observationType", Kind.TEXT),
            Property("multiObservationDataTypes", Kind.TEXTS, required=True),
            Property("unitOfMeasurements", Kind.UNITS, required=True),
            *_AGGREGATES,
            _PROPERTIES,
        ),
        (
            *_to_one("Thing", "Sensor"),
            Navigation("ObservedProperties", "ObservedProperty", many=True, required=True),
            *_to_many("Observation"),
        ),
    ),
    EntityType(
        "Sensor",
        "Sensors",
        (
            *_NAMED,
            Property("encodingType", Kind.TEXT, required=True),
            Property("metadata", Kind.JSON, required=True),
            _PROPERTIES,
        ),
        _to_many("Datastream", "MultiDatastream"),
    ),
    EntityType(
        "ObservedProperty",
        "ObservedProperties",
        (
            Property("name", Kind.TEXT, required=True),
            Property("definition", Kind.TEXT, required=True),
            Property("description", Kind.TEXT, required=True),
            _PROPERTIES,
        ),
        _to_many("Datastream", "MultiDatastream"),
    ),
    EntityType(
        "Observation",
        "Observations",
        (
            Property("phenomenonTime", Kind.PERIOD),
            Property("result", Kind.RESULT, required=True),
            Property("resultTime", Kind.INSTANT),
            Property("resultQuality", Kind.JSON),
            Property("validTime", Kind.PERIOD),
            Property("parameters", Kind.OBJECT),
        ),
        _to_one("Datastream", "MultiDatastream", "FeatureOfInterest", required=False),
    ),
    EntityType(
        "FeatureOfInterest",
        "FeaturesOfInterest",
        (
            *_NAMED,
            Property("encodingType", Kind.TEXT, required=True),
            Property("feature", Kind.PLACE, required=True),
            _PROPERTIES,
        ),
        _to_many("Observation"),
    ),
)

ENTITIES: dict[str, EntityType] = {entity.name: entity for entity in _TYPES}
"""Entity types by their singular name."""

SETS: dict[str, EntityType] = {entity.set_name: entity for entity in _TYPES}
"""Entity types by the name of their set."""


def entity_of_set(name: str) -> EntityType | None:
    """Return the type whose set has a name."""
    return SETS.get(name)


def step_type(entity: EntityType, name: str) -> tuple[Navigation, EntityType] | None:
    """Return the link that a path step follows, and the type it leads to."""
    link = entity.link(name)
    return None if link is None else (link, ENTITIES[link.target])
