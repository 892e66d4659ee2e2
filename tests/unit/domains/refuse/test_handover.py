"""What crews and other tools are handed: sheets to print, and containers under FIWARE's names."""

from __future__ import annotations

from typing import Any

import pytest

from cityloop.domains.refuse.routes.case_file import case_from_json
from cityloop.domains.refuse.routes.fiware import entities_of, stops_of_entities
from cityloop.domains.refuse.routes.handover import spots_of
from cityloop.domains.refuse.routes.run_sheet import run_sheets
from cityloop.domains.refuse.schema import RoundCase, RoundPlan, Route, Visit, VisitKind
from cityloop.kernel.errors import InputError

ENTITY: dict[str, Any] = {
    "id": "urn:ngsi-ld:WasteContainer:S1",
    "type": "WasteContainer",
    "location": {"type": "Point", "coordinates": [13.51, 52.4]},
    "fillingLevel": 0.5,
    "refWasteContainerModel": "big",
    "storedWasteKind": ["paper"],
}


def monday() -> tuple[RoundCase, RoundPlan]:
    raw = {
        "name": "monday <1>",
        "depots": [{"id": "D", "lat": 52.4, "lon": 13.5}],
        "stops": [{"id": "S&1", "lat": 52.4, "lon": 13.51, "volume_m3": 2, "mass_kg": 150}],
        "trucks": [{"id": "T", "volume_m3": 10}],
    }
    visits = (
        Visit(VisitKind.DEPOT, "D", 25_200, 25_200), Visit(VisitKind.STOP, "S&1", 25_380, 25_500),
        Visit(VisitKind.DEPOT, "D", 25_700, 25_700),
    )  # fmt: skip
    return case_from_json(raw, "monday.json"), RoundPlan("monday <1>", (Route("T", visits),), ("S9",), ("S9: why",))


def test_a_run_sheet_has_every_visit_and_is_safe_to_open() -> None:
    """Times, loads and totals of each truck, what is left out with its reason, and no markup from names."""
    page = run_sheets(*monday())
    assert "<td>07:03</td><td>Stop</td><td>S&amp;1</td>" in page
    assert "07:00 to 07:08, 1 stops, 2.0 m³, 150 kg" in page
    assert "<li>S9: why</li>" in page
    assert "monday <1>" not in page


@pytest.mark.parametrize("wrapped", [False, True])
def test_containers_are_read_under_fiwares_names(*, wrapped: bool) -> None:
    """Plain values and values in objects of their own give the same stop."""
    entity = ENTITY
    if wrapped:
        entity = {k: v if k in ("id", "type") else {"type": "Property", "value": v} for k, v in ENTITY.items()}
    stops = stops_of_entities([entity], {"big": 3.0}, "containers.json")
    assert stops == [{"id": "S1", "volume_m3": 1.5, "lon": 13.51, "lat": 52.4, "streams": ["paper"]}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": "Bin"}, r"containers\.json\[0\].*\.type: 'Bin', must be WasteContainer"),
        ({"refWasteContainerModel": "small"}, "'small', has no capacity_m3"),
        ({"fillingLevel": "half"}, "fillingLevel: 'half', must be a number"),
    ],
)
def test_a_wrong_entity_is_named(change: dict[str, Any], told: str) -> None:
    """The message says which entity and which of its values."""
    with pytest.raises(InputError, match=told):
        stops_of_entities([ENTITY | change], {"big": 3.0}, "containers.json")


def test_a_container_is_written_with_its_place_and_hour() -> None:
    """The place comes back as it was given, and the hour at which the truck is there."""
    case, plan = monday()
    (entity,) = entities_of(case, plan, spots_of(case))
    assert entity["id"] == "urn:ngsi-ld:WasteContainer:S&1"
    assert entity["location"]["coordinates"] == pytest.approx([13.51, 52.4])
    assert entity["actuationHours"] == "07:03"
