"""Creating, changing and deleting the entities of SensorThings, inside a transaction (18-088, clause 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from cityloop.kernel.errors import InputError
from cityloop.storage.declared import declared
from cityloop.storage.entity_tables import PLAIN_COLUMNS
from cityloop.storage.metadata import Transaction
from cityloop.storage.observation_writes import Observed, Spans, create_observation, update_observation
from cityloop.storage.readings_table import Withdrawn
from cityloop.storage.sql_functions import parsed_geometry
from cityloop.storage.streams import StreamRegister
from cityloop.wire.odata import ODataError
from cityloop.wire.sensorthings.entities import EntityInput, Reference
from cityloop.wire.sensorthings.model import ENTITIES, EntityType, Kind

__all__ = ["Change", "EntityWrites", "Missing", "Work"]

_TABLES: Final = {
    "Thing": "things",
    "Location": "locations",
    "HistoricalLocation": "historical_locations",
    "Datastream": "datastreams",
    "MultiDatastream": "multi_datastreams",
    "Sensor": "sensors",
    "ObservedProperty": "observed_properties",
    "FeatureOfInterest": "features",
}
_KEYS: Final = {"Thing": "thing", "Sensor": "sensor", "ObservedProperty": "observed_property"}
_COMPLEX: Final = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"


class Missing(InputError):  # noqa: N818 - reads as what it tells
    """There is no entity of that id."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entity that was created, changed or deleted."""

    verb: str
    """``created``, ``updated`` or ``deleted``."""

    entity: str
    id: int | str
    properties: tuple[str, ...] = ()
    """What an update named."""


@dataclass(slots=True)
class Work:
    """What one transaction does."""

    transaction: Transaction
    now_ms: int
    changes: list[Change] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    """Plain readings to be logged before the transaction is committed."""

    forgotten: list[int] = field(default_factory=list)
    """Streams whose readings are to be erased once the transaction is committed."""


class EntityWrites:
    """The writing half of the entity store."""

    def __init__(self, streams: StreamRegister, withdrawn: Withdrawn, look_anew: Callable[[int], None]) -> None:
        self.streams = streams
        self._withdrawn = withdrawn
        self._look_anew = look_anew
        """Told of streams of which a reading was withdrawn."""

    def create(
        self, work: Work, new: EntityInput, parent: tuple[str, str, int | str] | None = None
    ) -> int | str | Observed:
        """Create an entity with all that is nested in it; return its id, or the reading that it is.

        Parameters
        ----------
        parent
            Type, link and id of the entity under whose link it is created.
        """
        entity = new.entity.name
        if parent is not None:
            _adopt(new, *parent)
        if entity == "Observation":
            feature = self._one(work, new, "FeatureOfInterest")
            stream = self._one(work, new, "Datastream")
            multi = self._one(work, new, "MultiDatastream")
            made = create_observation(
                work.transaction, Spans(self.streams), new.values, stream, multi, feature, work.now_ms
            )
            if isinstance(made, Observed):
                work.observed.append(made)
            else:
                work.changes.append(Change("created", entity, made))
            return made
        values = self._row(work, new, {})
        for link in new.entity.navigation:
            if link.many:
                continue
            one = self._one(work, new, link.name)
            if one is None and link.required:
                raise ODataError(f"{link.name} is missing; {entity} needs one: an @iot.id or a new {link.target}")
            values[_KEYS[link.name]] = one
        if entity == "MultiDatastream":
            values.setdefault("observation_type", _COMPLEX)
        made_id = work.transaction.insert(_TABLES[entity], values)
        work.changes.append(Change("created", entity, made_id))
        if entity == "Datastream":
            self.streams.refresh(work.transaction, [made_id])
        self._hang(work, new, made_id, fresh=True)
        return made_id

    def update(self, work: Work, entity: EntityType, identity: int | str, new: EntityInput, *, replace: bool) -> None:
        """Change what is named; with ``replace`` take all else away."""
        if entity.name == "Observation":
            feature = self._one(work, new, "FeatureOfInterest")
            stream = self._one(work, new, "Datastream")
            multi = self._one(work, new, "MultiDatastream")
            update_observation(
                work.transaction,
                self._withdrawn,
                str(identity),
                new.values,
                {"stream": stream, "multi": multi, "feature": feature},
                replace=replace,
            )
            self._recount(work, str(identity))
            work.changes.append(Change("updated", entity.name, identity, tuple(new.values)))
            return
        row = self._require(work, entity.name, identity)
        kept: dict[str, Any] = {}
        if replace:
            free = (p.name for p in entity.properties if not p.required and not p.read_only)
            kept = {PLAIN_COLUMNS.get(name, name): None for name in free}
            kept.pop("observation_type", None)
        values = self._row(work, new, kept)
        for name, column in _KEYS.items():
            one = self._one(work, new, name) if entity.link(name) is not None else None
            if one is not None:
                values[column] = one
        if values:
            changes = ", ".join(f"{column} = ?" for column in values)
            work.transaction.execute(
                f"UPDATE {_TABLES[entity.name]} SET {changes} WHERE id = ?", (*values.values(), row)
            )
        work.changes.append(Change("updated", entity.name, row, (*new.values, *new.links)))
        self._after_update(work, entity.name, row, values)
        self._hang(work, new, row, fresh=False)

    def delete(self, work: Work, entity: EntityType, identity: int | str) -> None:
        """Delete an entity and all that cannot be without it (18-088, table 25)."""
        execute = work.transaction.execute
        if entity.name == "Observation":
            update_observation(work.transaction, self._withdrawn, str(identity), None, {}, replace=False)
            self._recount(work, str(identity))
            work.changes.append(Change("deleted", entity.name, identity))
            return
        row = self._require(work, entity.name, identity)
        streams: list[int] = []
        match entity.name:
            case "Thing" | "Sensor" | "ObservedProperty":
                column = _KEYS[entity.name]
                streams = [r for (r,) in execute(f"SELECT id FROM datastreams WHERE {column} = ?", (row,))]
                if entity.name == "ObservedProperty":
                    execute(
                        "DELETE FROM multi_datastreams WHERE id IN"
                        " (SELECT multi FROM multi_properties WHERE observed_property = ?)",
                        (row,),
                    )
            case "Datastream":
                streams = [row]
            case "Location":
                execute(
                    "DELETE FROM historical_locations WHERE id IN"
                    " (SELECT historical_location FROM historical_places WHERE location = ?)",
                    (row,),
                )
                self._make_stale(work, "thing IN (SELECT thing FROM thing_locations WHERE location = ?)", row)
            case "FeatureOfInterest":
                self._hide_spans(work, row)
            case _:
                pass
        execute(f"DELETE FROM {_TABLES[entity.name]} WHERE id = ?", (row,))
        self.streams.refresh(work.transaction, streams)
        work.forgotten += streams
        work.transaction.after_commit += [lambda s=stream: self._withdrawn.drop(s) for stream in streams]  # type: ignore[misc]  # a default binds the loop's value
        work.changes.append(Change("deleted", entity.name, row))

    def _recount(self, work: Work, identity: str) -> None:
        """Look for the first and last instant of an observation's stream anew."""
        stream = identity.partition("-")[0]
        if stream.isdecimal():
            work.transaction.after_commit.append(lambda: self._look_anew(int(stream)))

    def _require(self, work: Work, entity: str, identity: int | str) -> int:
        row = _as_row(identity)
        found = None
        if row is not None:
            found = work.transaction.execute(f"SELECT 1 FROM {_TABLES[entity]} WHERE id = ?", (row,)).fetchone()
        if found is None or row is None:
            raise Missing(f"there is no {entity} {str(identity)[:40]!r}")
        return row

    def _one(self, work: Work, new: EntityInput, link: str) -> int | None:
        items = new.links.get(link)
        if not items:
            return None
        item = items[0]
        if isinstance(item, Reference):
            try:
                return self._require(work, ENTITIES[link].name, item.id)
            except Missing as error:
                raise ODataError(f"{link}: {error}") from None
        made = self.create(work, item)
        assert isinstance(made, int)
        return made

    def _many(self, work: Work, new: EntityInput, link: str) -> list[int]:
        target = next(n.target for n in new.entity.navigation if n.name == link)
        found = []
        for item in new.links.get(link, ()):
            if isinstance(item, Reference):
                try:
                    found.append(self._require(work, target, item.id))
                except Missing as error:
                    raise ODataError(f"{link}: {error}") from None
            else:
                made = self.create(work, item)
                assert isinstance(made, int)
                found.append(made)
        return found

    def _hang(self, work: Work, new: EntityInput, row: int, *, fresh: bool) -> None:
        """Make and link what stands in lists."""
        execute, entity = work.transaction.execute, new.entity.name
        # Where a Thing is has to be known before its observations get a feature.
        for link in sorted(new.links, key=lambda name: name != "Locations"):
            if not next(n.many for n in new.entity.navigation if n.name == link):
                continue
            if (entity, link) == ("Thing", "Locations"):
                self._move(work, row, self._many(work, new, link))
            elif (entity, link) == ("Location", "Things"):
                for thing in self._many(work, new, link):
                    self._move(work, thing, [row])
            elif (entity, link) == ("HistoricalLocation", "Locations"):
                execute("DELETE FROM historical_places WHERE historical_location = ?", (row,))
                for location in dict.fromkeys(self._many(work, new, link)):
                    execute("INSERT INTO historical_places VALUES (?, ?)", (row, location))
                self._follow_history(work, row)
            elif (entity, link) == ("Location", "HistoricalLocations"):
                for history in self._many(work, new, link):
                    execute("INSERT OR IGNORE INTO historical_places VALUES (?, ?)", (history, row))
            elif (entity, link) == ("MultiDatastream", "ObservedProperties"):
                execute("DELETE FROM multi_properties WHERE multi = ?", (row,))
                for rank, observed in enumerate(self._many(work, new, link)):
                    execute("INSERT INTO multi_properties VALUES (?, ?, ?)", (row, rank, observed))
            else:
                self._hang_children(work, new, link, row)
        if fresh and entity == "HistoricalLocation" and not new.links.get("Locations"):
            raise ODataError("Locations is missing; HistoricalLocation needs at least one")

    def _hang_children(self, work: Work, new: EntityInput, link: str, row: int) -> None:
        """Make entities that point back here; of entities that are there, turn the pointer."""
        child_type = next(ENTITIES[n.target] for n in new.entity.navigation if n.name == link)
        back = new.entity.name
        for item in new.links[link]:
            if isinstance(item, Reference):
                if back == "ObservedProperty" and child_type.name == "MultiDatastream":
                    raise ODataError(f"{link}: change the ObservedProperties of the MultiDatastream instead")
                if child_type.name == "Observation":
                    raise ODataError(f"{link}: change the Observation itself instead")
                pointer = EntityInput(child_type, {}, {back: [Reference(row)]})
                self.update(work, child_type, item.id, pointer, replace=False)
            else:
                self.create(work, item, (back, link, row))

    def _move(self, work: Work, thing: int, locations: list[int]) -> None:
        """Put a Thing at its new Locations, and note so in its history (18-088, req 33)."""
        execute = work.transaction.execute
        execute("DELETE FROM thing_locations WHERE thing = ?", (thing,))
        if not locations:
            return
        for location in dict.fromkeys(locations):
            execute("INSERT INTO thing_locations VALUES (?, ?)", (thing, location))
        history = work.transaction.insert("historical_locations", {"time_ms": work.now_ms, "thing": thing})
        for location in dict.fromkeys(locations):
            execute("INSERT INTO historical_places VALUES (?, ?)", (history, location))
        work.changes.append(Change("created", "HistoricalLocation", history))
        self._make_stale(work, "thing = ?", thing)

    def _follow_history(self, work: Work, history: int) -> None:
        """Put a Thing where a HistoricalLocation newer than all others says."""
        execute = work.transaction.execute
        found = execute(
            "SELECT h.thing FROM historical_locations h WHERE h.id = ? AND NOT EXISTS"
            " (SELECT 1 FROM historical_locations o WHERE o.thing = h.thing AND o.id <> h.id"
            " AND o.time_ms >= h.time_ms)",
            (history,),
        ).fetchone()
        if found is None:
            return
        execute("DELETE FROM thing_locations WHERE thing = ?", (found[0],))
        execute(
            "INSERT INTO thing_locations SELECT ?, location FROM historical_places WHERE historical_location = ?",
            (found[0], history),
        )
        self._make_stale(work, "thing = ?", found[0])

    def _after_update(self, work: Work, entity: str, row: int, values: dict[str, Any]) -> None:
        if entity == "Datastream":
            if "thing" in values:
                self._make_stale(work, "id = ?", row)
            self.streams.refresh(work.transaction, [row])
        elif entity == "Location" and "location" in values:
            # The feature made from the old place stays with its observations; new ones get a new feature.
            work.transaction.execute("UPDATE features SET made_from = NULL WHERE made_from = ?", (row,))
            self._make_stale(work, "thing IN (SELECT thing FROM thing_locations WHERE location = ?)", row)
        elif entity == "FeatureOfInterest" and "feature" in values:
            Spans(self.streams).widen_all(work.transaction, row)

    def _make_stale(self, work: Work, which: str, key: int) -> None:
        """Look for the feature of Datastreams anew, and put streams on the map where their Thing is now."""
        execute = work.transaction.execute
        streams = [r for (r,) in execute(f"SELECT id FROM datastreams WHERE {which}", (key,))]
        for stream in streams:
            place = execute(
                "SELECT l.location FROM datastreams d JOIN thing_locations x ON x.thing = d.thing"
                " JOIN locations l ON l.id = x.location WHERE d.id = ? ORDER BY l.id",
                (stream,),
            ).fetchone()
            geometry = parsed_geometry(place[0]) if place is not None else None
            lon, lat = geometry.points[0] if geometry is not None and len(geometry.points) == 1 else (None, None)
            execute(
                "UPDATE datastreams SET feature_stale = 1, lon_deg = coalesce(?, lon_deg),"
                " lat_deg = coalesce(?, lat_deg) WHERE id = ?",
                (lon, lat, stream),
            )
        self.streams.refresh(work.transaction, streams)

    def _hide_spans(self, work: Work, feature: int) -> None:
        """Observations go with their feature: single ones by the database, readings by their spans."""
        execute = work.transaction.execute
        spans = list(execute("SELECT stream, since_ms, until_ms FROM spans WHERE feature = ?", (feature,)))
        execute(
            "UPDATE spans SET hidden = 1, feature = NULL, until_ms = min(until_ms, ?) WHERE feature = ?",
            (work.now_ms + 1, feature),
        )
        for stream, since_ms, until_ms in spans:
            end_ms = min(until_ms, work.now_ms + 1)
            work.transaction.after_commit.append(
                lambda s=stream, b=since_ms, e=end_ms: self._withdrawn.add_span(s, b, e)  # type: ignore[misc]  # as above
            )
        self.streams.refresh(work.transaction, sorted({stream for stream, _since, _until in spans}))

    def _row(self, work: Work, new: EntityInput, row: dict[str, Any]) -> dict[str, Any]:
        for name, value in new.values.items():
            prop = new.entity.property(name)
            assert prop is not None
            if prop.kind is Kind.UNIT:
                unit = value or {}
                row |= {f"unit_{part}": unit.get(part) for part in ("name", "symbol", "definition")}
            elif prop.kind in (Kind.TEXT, Kind.INSTANT):
                row[PLAIN_COLUMNS.get(name, name)] = value
            else:
                row[PLAIN_COLUMNS.get(name, name)] = None if value is None else orjson.dumps(value).decode()
        if new.entity.name in ("Datastream", "MultiDatastream") and "properties" in new.values:
            row |= declared(new)
        return row


def _adopt(new: EntityInput, parent: str, link: str, identity: int | str) -> None:
    """Link a new entity to the one under which it is created."""
    back = next(
        (n for n in new.entity.navigation if n.target == parent and n.name in (parent, ENTITIES[parent].set_name)), None
    )
    if back is None or link == "":
        raise ODataError(f"a {new.entity.name} cannot be created under {link} of a {parent}")
    if back.many:
        new.links.setdefault(back.name, []).append(Reference(identity))
    else:
        new.links[back.name] = [Reference(identity)]


def _as_row(identity: int | str) -> int | None:
    if isinstance(identity, str):
        if not identity.isascii() or not identity.isdecimal() or len(identity) > 18:
            return None
        identity = int(identity)
    return identity if -(2**63) <= identity < 2**63 else None
