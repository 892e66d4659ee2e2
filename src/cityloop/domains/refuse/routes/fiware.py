"""Containers under FIWARE's names: the smart data model ``WasteContainer``, read and written.

Entities come with plain values or with every value in an object of its own (``{"type": ..., "value": ...}``), as NGSI
brokers hand them out; plain ones are written.

References
----------
.. [1] Smart Data Models, dataModel.WasteManagement, WasteContainer: https://github.com/smart-data-models
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cityloop.domains.refuse.routes.case_rows import Row
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, VisitKind
from cityloop.kernel.errors import InputError

__all__ = ["entities_of", "stops_of_entities"]

_TYPE = "WasteContainer"
_PREFIX = f"urn:ngsi-ld:{_TYPE}:"


def stops_of_entities(entities: object, capacity_m3: object, source: str) -> list[dict[str, Any]]:
    """Return rows of ``stops`` for containers under FIWARE's names.

    Parameters
    ----------
    capacity_m3
        Of a container: a number for all, or by ``refWasteContainerModel``.
    """
    if not isinstance(entities, list):
        raise InputError(f"{source}: must be a list of {_TYPE} entities.")
    return [_stop(Row(raw, f"{source}[{number}]"), capacity_m3) for number, raw in enumerate(entities)]


def _stop(row: Row, capacity_m3: object) -> dict[str, Any]:
    plain = {key: _value(value) for key, value in row.raw.items()}
    if plain.get("type") != _TYPE:
        raise InputError(f"{row.where}.type: {plain.get('type')!r}, must be {_TYPE}.")
    model = plain.get("refWasteContainerModel")
    held = capacity_m3.get(str(model)) if isinstance(capacity_m3, Mapping) else capacity_m3
    if held is None:
        raise InputError(f"{row.where}.refWasteContainerModel: {model!r}, has no capacity_m3; name it there.")
    whole = Row({"capacity_m3": held}, row.where).number("capacity_m3")
    fill = Row({"fillingLevel": plain.get("fillingLevel", 1.0)}, row.where).number("fillingLevel")
    stop: dict[str, Any] = {"id": str(plain.get("id", "")).removeprefix(_PREFIX), "volume_m3": fill * whole}
    if not stop["id"]:
        raise InputError(f"{row.where}.id: is missing.")
    spot = plain.get("location")
    corners = spot.get("coordinates") if isinstance(spot, Mapping) and spot.get("type") == "Point" else None
    if isinstance(corners, list) and len(corners) >= 2:
        stop |= {"lon": corners[0], "lat": corners[1]}
    if "cargoWeight" in plain:
        stop["mass_kg"] = plain["cargoWeight"]
    kinds = plain.get("storedWasteKind")
    if kinds:
        stop["streams"] = kinds
    return stop


def _value(value: object) -> Any:
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


def entities_of(case: RoundCase, plan: RoundPlan, spots: Sequence[tuple[float, float] | None]) -> list[dict[str, Any]]:
    """Return a case's containers as entities: where they are, and when in the planned day they are emptied.

    Parameters
    ----------
    spots
        Longitude and latitude of every stop; None where the case knows none.
    """
    due = {visit.id: visit.arrive_s for r in plan.routes for visit in r.visits if visit.kind is VisitKind.STOP}
    found = []
    for row, name in enumerate(case.stop_ids):
        entity: dict[str, Any] = {
            "id": f"{_PREFIX}{name}",
            "type": _TYPE,
            "cargoWeight": float(case.stops.mass_kg[row]),
        }
        spot = spots[row]
        if spot is not None:
            entity["location"] = {"type": "Point", "coordinates": list(spot)}
        if name in due:
            # A case names no date: its clock is told as the hours that the model has for when a container is emptied.
            minutes = round(due[name] / 60)
            entity["actuationHours"] = f"{minutes // 60:02d}:{minutes % 60:02d}"
        found.append(entity)
    return found
