"""Where each property and link of SensorThings lies in the metadata database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["BRANCHES", "LINKS", "PLAIN_COLUMNS", "Link", "Source", "foreign_key", "property_sql", "table_of"]


@dataclass(frozen=True, slots=True)
class Source:
    """A table under an alias in a statement."""

    entity: str
    alias: str
    branch: str = ""
    """``readings`` or ``side`` for Observations, which lie in two places; empty for all else."""


BRANCHES = {"Observation": ("readings", "side")}
"""Entities that lie in more than one table."""

_TABLES = {
    ("Thing", ""): "things",
    ("Location", ""): "locations",
    ("HistoricalLocation", ""): "historical_locations",
    ("Datastream", ""): "datastreams",
    ("MultiDatastream", ""): "multi_datastreams",
    ("Sensor", ""): "sensors",
    ("ObservedProperty", ""): "observed_properties",
    ("Observation", "readings"): "readings",
    ("Observation", "side"): "observations",
    ("FeatureOfInterest", ""): "features",
}

PLAIN_COLUMNS = {
    "encodingType": "encoding_type",
    "observationType": "observation_type",
    "multiObservationDataTypes": "data_types",
    "unitOfMeasurements": "units",
    "time": "time_ms",
}
_SPAN = (
    "(SELECT s.{column} FROM spans s WHERE s.stream = {a}.stream AND s.since_ms <= {a}.received_at_ms "
    "ORDER BY s.since_ms DESC LIMIT 1)"
)
_READINGS = {
    "id": ("{a}.id",),
    "phenomenonTime": ("{a}.observed_at_ms", "{a}.observed_at_ms"),
    "result": ("{a}.value",),
    "resultTime": (f"CASE WHEN {_SPAN.replace('{column}', 'same_time')} THEN {{a}}.observed_at_ms END",),
    "resultQuality": ("quality_json({a}.quality)",),
    "validTime": ("NULL", "NULL"),
    "parameters": ("NULL",),
}
_SIDE = {
    "phenomenonTime": ("{a}.begin_ms", "{a}.end_ms"),
    "resultTime": ("{a}.result_time_ms",),
    "resultQuality": ("{a}.result_quality",),
    "validTime": ("{a}.valid_begin_ms", "{a}.valid_end_ms"),
}
_SAME_TIME = "EXISTS (SELECT 1 FROM spans s WHERE s.stream = {a}.id AND s.same_time)"
_OF_MULTI = "(SELECT {} FROM observations m WHERE m.multi = {{a}}.id)"


def _either(choose: str, column: str, of_readings: str) -> str:
    """Return the least or greatest of what the readings say and what single observations say."""
    single = f"(SELECT {choose}(m.{column}) FROM observations m WHERE m.stream = {{a}}.id)"
    readings = of_readings.replace("{same}", _SAME_TIME)
    return f"coalesce({choose}({readings}, {single}), {readings}, {single})"


_STREAM = {
    "observedArea": ("area_json({a}.west, {a}.south, {a}.east, {a}.north)",),
    "phenomenonTime": (_either("min", "begin_ms", "span_begin({a}.id)"), _either("max", "end_ms", "span_end({a}.id)")),
    "resultTime": (
        _either("min", "result_time_ms", "iif({same}, span_begin({a}.id), NULL)"),
        _either("max", "result_time_ms", "iif({same}, span_end({a}.id), NULL)"),
    ),
}
_MULTI = {
    "observedArea": _STREAM["observedArea"],
    "phenomenonTime": (_OF_MULTI.format("min(m.begin_ms)"), _OF_MULTI.format("max(m.end_ms)")),
    "resultTime": (_OF_MULTI.format("min(m.result_time_ms)"), _OF_MULTI.format("max(m.result_time_ms)")),
}
_UNIT = ("name", "symbol", "definition")


def table_of(source: Source) -> str:
    """Return the table of a source."""
    return _TABLES[source.entity, source.branch]


def property_sql(source: Source, name: str) -> tuple[str, ...]:
    """Return the columns of a property: two for a period, three for a unit, else one."""
    if source.branch == "readings":
        found: tuple[str, ...] = _READINGS[name]
    elif source.branch == "side" and name in _SIDE:
        found = _SIDE[name]
    elif source.entity == "Datastream" and name in _STREAM:
        found = _STREAM[name]
    elif source.entity == "MultiDatastream" and name in _MULTI:
        found = _MULTI[name]
    elif name == "unitOfMeasurement":
        found = tuple(f"{{a}}.unit_{part}" for part in _UNIT)
    else:
        found = ("{a}." + PLAIN_COLUMNS.get(name, name),)
    return tuple(text.replace("{a}", source.alias) for text in found)


def foreign_key(source: Source, link: str) -> str:
    """Return the column that holds the id of the one entity that a link leads to."""
    if source.entity == "Observation":
        if link == "FeatureOfInterest":
            if source.branch == "side":
                return f"{source.alias}.feature"
            return _SPAN.replace("{column}", "feature").replace("{a}", source.alias)
        if link == "MultiDatastream":
            return f"{source.alias}.multi" if source.branch == "side" else "NULL"
        return f"{source.alias}.stream"
    return f"{source.alias}." + {"Thing": "thing", "Sensor": "sensor", "ObservedProperty": "observed_property"}[link]


@dataclass(frozen=True, slots=True)
class Link:
    """How the rows of many entities hang on one parent."""

    joins: str
    condition: str


def _plain(column: str) -> Callable[[str, str], Link]:
    return lambda child, parent: Link("", f"{child}.{column} = {parent}")


def _through(table: str, child_column: str, parent_column: str) -> Callable[[str, str], Link]:
    def link(child: str, parent: str) -> Link:
        return Link(
            f" JOIN {table} {child}x ON {child}x.{child_column} = {child}.id", f"{child}x.{parent_column} = {parent}"
        )

    return link


def _by_span(child: str, parent: str) -> Link:
    x = f"{child}x"
    return Link(
        f" JOIN spans {x} ON {x}.stream = {child}.stream AND {child}.received_at_ms >= {x}.since_ms"
        f" AND {child}.received_at_ms < {x}.until_ms",
        f"{x}.feature = {parent}",
    )


def _nothing(child: str, parent: str) -> Link:
    return Link("", "0")


LINKS: dict[tuple[str, str, str], Callable[[str, str], Link]] = {
    ("Thing", "Datastreams", ""): _plain("thing"),
    ("Thing", "MultiDatastreams", ""): _plain("thing"),
    ("Thing", "HistoricalLocations", ""): _plain("thing"),
    ("Thing", "Locations", ""): _through("thing_locations", "location", "thing"),
    ("Location", "Things", ""): _through("thing_locations", "thing", "location"),
    ("Location", "HistoricalLocations", ""): _through("historical_places", "historical_location", "location"),
    ("HistoricalLocation", "Locations", ""): _through("historical_places", "location", "historical_location"),
    ("Datastream", "Observations", "readings"): _plain("stream"),
    ("Datastream", "Observations", "side"): _plain("stream"),
    ("MultiDatastream", "Observations", "readings"): _nothing,
    ("MultiDatastream", "Observations", "side"): _plain("multi"),
    ("MultiDatastream", "ObservedProperties", ""): _through("multi_properties", "observed_property", "multi"),
    ("Sensor", "Datastreams", ""): _plain("sensor"),
    ("Sensor", "MultiDatastreams", ""): _plain("sensor"),
    ("ObservedProperty", "Datastreams", ""): _plain("observed_property"),
    ("ObservedProperty", "MultiDatastreams", ""): _through("multi_properties", "multi", "observed_property"),
    ("FeatureOfInterest", "Observations", "readings"): _by_span,
    ("FeatureOfInterest", "Observations", "side"): _plain("feature"),
}
"""Parent, link and branch of the child to how its rows are found, given its alias and the parent's id."""
