"""Entities and their control information (18-088, clause 8)."""

from __future__ import annotations

import pytest
from sensorthings_service import MEASUREMENT, PLACE, PROPERTY, SENSOR, UNIT, a_datastream, a_thing

ROOT = "http://city/sta/v1.1"


def test_root_lists_every_set_with_its_address(client):
    """Req resource-path: the root lists name and URL of each set, and the requirement classes that are met."""
    root = client.get("")
    sets = {entry["name"]: entry["url"] for entry in root["value"]}
    assert sets["FeaturesOfInterest"] == f"{ROOT}/FeaturesOfInterest"
    assert len(sets) == 9
    conformance = root["serverSettings"]["conformance"]
    assert "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel" in conformance
    mqtt = "http://www.opengis.net/spec/iot_sensing/1.1/req/receive-updates-via-mqtt/receive-updates"
    assert mqtt in conformance
    assert root["serverSettings"][mqtt]["endpoints"] == ["mqtt://city:1883"]


def test_entity_carries_id_self_link_and_navigation_links(client):
    """Req common-control-information: @iot.id, @iot.selfLink and a navigationLink for each relation."""
    thing = client.create("Things", a_thing(properties={"colour": "green"}))
    shown = client.get(f"Things({thing})")
    assert shown == {
        "@iot.id": thing,
        "@iot.selfLink": f"{ROOT}/Things({thing})",
        "name": "bin",
        "description": "a bin",
        "properties": {"colour": "green"},
        "Datastreams@iot.navigationLink": f"{ROOT}/Things({thing})/Datastreams",
        "MultiDatastreams@iot.navigationLink": f"{ROOT}/Things({thing})/MultiDatastreams",
        "HistoricalLocations@iot.navigationLink": f"{ROOT}/Things({thing})/HistoricalLocations",
        "Locations@iot.navigationLink": f"{ROOT}/Things({thing})/Locations",
    }


@pytest.mark.parametrize(
    ("path", "body", "links"),
    [
        ("Locations", PLACE, {"Things", "HistoricalLocations"}),
        ("Sensors", SENSOR, {"Datastreams", "MultiDatastreams"}),
        ("ObservedProperties", PROPERTY, {"Datastreams", "MultiDatastreams"}),
        (
            "FeaturesOfInterest",
            {"name": "f", "description": "d", "encodingType": "application/geo+json", "feature": PLACE["location"]},
            {"Observations"},
        ),
    ],
)
def test_properties_come_back_as_they_were_given(client, path, body, links):
    """Each entity keeps its mandatory and optional properties, and has the relations of its table."""
    given = {**body, "properties": {"a": [1, {"b": None}]}}
    shown = client.get(f"{path}({client.create(path, given)})")
    assert given.items() <= shown.items()
    assert {key.split("@")[0] for key in shown if key.endswith("navigationLink")} == links


def test_datastream_keeps_unit_and_type(client):
    """A Datastream has unitOfMeasurement, observationType, and one Thing, Sensor and ObservedProperty."""
    thing = client.create("Things", a_thing(Datastreams=[a_datastream()]))
    shown = client.get(f"Things({thing})/Datastreams")["value"][0]
    assert shown["unitOfMeasurement"] == UNIT
    assert shown["observationType"] == MEASUREMENT
    for link, name in (("Thing", "bin"), ("Sensor", "gauge"), ("ObservedProperty", "level")):
        assert client.get(shown[f"{link}@iot.navigationLink"])["name"] == name


def test_observation_of_a_number_comes_back(client, bin_stream, observe):
    """A plain observation has its time, result and links to Datastream and FeatureOfInterest; resultTime is null."""
    shown = client.get(f"Observations('{observe(bin_stream, '2025-12-31T10:00:00+02:00', 12.5)}')")
    assert shown["phenomenonTime"] == "2025-12-31T08:00:00.000Z"
    assert shown["result"] == 12.5
    assert shown["resultTime"] is None
    assert client.get(shown["Datastream@iot.navigationLink"])["@iot.id"] == bin_stream
    assert client.get(shown["FeatureOfInterest@iot.navigationLink"])["feature"] == PLACE["location"]
    assert "MultiDatastream@iot.navigationLink" not in shown


@pytest.mark.parametrize(
    "result",
    [20, 20.25, -0.5, 0, 2**53 + 1, "broken", "", True, False, None, {"a": [1, 2]}, [1, "x", None], 1e300],
)
def test_result_of_any_kind_comes_back(client, bin_stream, observe, result):
    """``result`` is Any: numbers, texts, truths, null, objects and lists come back equal and of their kind."""
    shown = client.get(f"Observations('{observe(bin_stream, '2025-12-31T10:00:00Z', result)}')")
    assert shown["result"] == result
    assert type(shown["result"]) is type(result)


def test_observation_with_all_properties_comes_back(client, bin_stream, observe):
    """validTime, resultTime, resultQuality and parameters are kept, and a period as phenomenonTime."""
    more = {
        "resultTime": "2025-12-31T11:00:01.500Z",
        "validTime": "2025-12-31T11:00:00.000Z/2025-12-31T12:00:00.000Z",
        "resultQuality": {"code": "ok"},
        "parameters": {"depth_m": 2},
    }
    period = "2025-12-31T10:00:00.000Z/2025-12-31T11:00:00.000Z"
    shown = client.get(f"Observations('{observe(bin_stream, period, 1, **more)}')")
    assert {**more, "phenomenonTime": period, "result": 1}.items() <= shown.items()


def test_result_time_equal_to_phenomenon_time_is_kept(client, bin_stream, observe):
    """A device that always sends both times alike gets both back, before and after a restart."""
    at = "2025-12-31T10:00:00.000Z"
    identity = observe(bin_stream, at, 5, resultTime=at)
    assert client.get(f"Observations('{identity}')")["resultTime"] == at
    client.service.reopen()
    assert client.get(f"Observations('{identity}')")["resultTime"] == at


def test_observation_without_time_is_observed_now(client, bin_stream):
    """Without phenomenonTime the service gives its own time."""
    shown = client.get(client.post(f"Datastreams({bin_stream})/Observations", {"result": 1}).headers["location"])
    assert shown["phenomenonTime"].startswith("2026-01-01T00:00:0")


def test_aggregates_of_a_datastream_are_kept(client, bin_stream, observe):
    """phenomenonTime spans all observations, plain and other; observedArea holds their features."""
    for at in ("12:00:00", "10:00:00"):
        observe(bin_stream, f"2025-12-31T{at}Z", 1)
    observe(bin_stream, "2025-12-31T09:00:00Z", "text", resultTime="2025-12-31T09:30:00Z")
    shown = client.get(f"Datastreams({bin_stream})")
    assert shown["phenomenonTime"] == "2025-12-31T09:00:00.000Z/2025-12-31T12:00:00.000Z"
    assert shown["resultTime"] == "2025-12-31T09:30:00.000Z"
    assert shown["observedArea"] == {"type": "Point", "coordinates": [13.5, 52.4]}


def test_observations_outlive_a_restart(client, bin_stream, observe):
    """What was acknowledged is there after the service was closed and opened."""
    ids = [observe(bin_stream, f"2025-12-31T10:00:0{n}Z", n if n % 2 else str(n)) for n in range(6)]
    client.service.reopen()
    shown = client.get(f"Datastreams({bin_stream})/Observations")["value"]
    assert [entity["@iot.id"] for entity in shown] == ids
    assert [entity["result"] for entity in shown] == ["0", 1, "2", 3, "4", 5]
