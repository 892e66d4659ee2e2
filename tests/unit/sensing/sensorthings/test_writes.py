"""Create, update and delete (18-088, clause 10)."""

from __future__ import annotations

import pytest
from sensorthings_service import PLACE, PROPERTY, SENSOR, a_datastream, a_thing

FEATURE = {"name": "lake", "description": "d", "encodingType": "application/geo+json", "feature": PLACE["location"]}


def test_create_answers_201_with_location_and_entity(client):
    """The reply names the new entity's address and shows it; Prefer: return=minimal leaves it out."""
    response = client.post("Things", a_thing())
    assert response.headers["location"] == response.json()["@iot.selfLink"]
    assert client.post("Things", a_thing(), headers={"prefer": "return=minimal"}).content == b""


def test_deep_insert_makes_all_or_nothing(client):
    """Nested entities are made with the outer one; a fault in one leaves none behind."""
    observation = {"phenomenonTime": "2025-12-31T10:00:00Z", "result": 5, "FeatureOfInterest": FEATURE}
    body = a_thing(Locations=[PLACE], Datastreams=[a_datastream(Observations=[observation, {"result": "x"}])])
    thing = client.create("Things", body)
    shown = client.get(f"Things({thing})/Datastreams?$expand=Observations($expand=FeatureOfInterest)")["value"][0]
    assert [o["result"] for o in shown["Observations"]] == [5, "x"]
    assert [o["FeatureOfInterest"]["name"] for o in shown["Observations"]] == ["lake", "corner"]
    before = {name: client.get(f"{name}/$count") for name in ("Things", "Locations", "Sensors", "Observations")}
    broken = a_thing(Locations=[PLACE], Datastreams=[a_datastream(), a_datastream(Sensor=None)])
    assert "Sensor is missing" in client.error("POST", "Things", 400, json=broken)
    assert {name: client.get(f"{name}/$count") for name in before} == before


def test_link_to_existing_entities(client):
    """An object with @iot.id alone is a link to what is there."""
    sensor, observed = client.create("Sensors", SENSOR), client.create("ObservedProperties", PROPERTY)
    thing = client.create("Things", a_thing())
    links = {"Sensor": {"@iot.id": sensor}, "ObservedProperty": {"@iot.id": observed}}
    stream = client.create(f"Things({thing})/Datastreams", a_datastream(**links))
    assert client.get(f"Datastreams({stream})/Thing")["@iot.id"] == thing
    assert client.get("Sensors/$count") == "1"
    location = client.create("Locations", {**PLACE, "Things": [{"@iot.id": thing}]})
    assert client.get(f"Things({thing})/Locations")["value"][0]["@iot.id"] == location


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("Things", {"name": "a"}, "description is missing"),
        ("Things", {"name": 5, "description": "d"}, "name must be a text"),
        ("Things", {"name": "a", "description": "d", "colour": 1}, "Thing has no 'colour'"),
        ("Things", {"name": "a", "description": "d", "properties": []}, "properties must be a JSON object"),
        ("Things", {"name": "a", "description": "d", "@iot.id": 7}, "ids are given by this service"),
        ("Things", [], "must be a JSON object"),
        ("Things", {"name": "a", "description": "d", "Datastreams": {}}, "Datastreams must be a list"),
        (
            "Things",
            {"name": "a", "description": "d", "Locations": [{"@iot.id": 9}]},
            "Locations: there is no Location '9'",
        ),
        ("Things", a_thing(Datastreams=[{"name": "x"}]), "Datastreams[0].description is missing"),
        ("Locations", {**PLACE, "location": {"type": "Point"}}, "a position needs longitude"),
        ("Locations", {**PLACE, "location": {"type": "Point", "coordinates": ["a", 1]}}, "'a' is no coordinate"),
        ("Datastreams", a_datastream(), "Thing is missing"),
        ("Datastreams", a_datastream(unitOfMeasurement={"name": "x"}), "unitOfMeasurement.symbol is missing"),
        ("Datastreams", a_datastream(unitOfMeasurement="x"), "unitOfMeasurement must be an object"),
        ("Observations", {"result": 1}, "needs either a Datastream or a MultiDatastream"),
        ("Observations", {"result": 1, "Datastream": {"@iot.id": 99}}, "there is no Datastream '99'"),
        ("Observations", {"Datastream": {"@iot.id": 1}}, "result is missing"),
        ("Datastreams(1)/Observations", {"result": 1, "phenomenonTime": "yesterday"}, "phenomenonTime is 'yesterday'"),
        (
            "Datastreams(1)/Observations",
            {"result": 1, "phenomenonTime": "1970-01-01T00:00:00Z"},
            "set the device's clock",
        ),
        (
            "Datastreams(1)/Observations",
            {"result": 1, "phenomenonTime": "2262-04-11T23:47:16Z"},
            "set the device's clock",
        ),
        ("Datastreams(1)/Observations", {"result": 1, "phenomenonTime": "2026-01-03T00:00:00Z"}, "lies in the future"),
        ("HistoricalLocations", {"time": "2020-01-01T00:00:00Z", "Thing": {"@iot.id": 1}}, "Locations is missing"),
    ],
)
def test_wrong_entity_is_named(client, bin_stream, path, body, told):
    """What is missing or wrong is named by its key, and nothing is kept."""
    assert told in client.error("POST", path, 400, json=body)
    assert client.get("Observations/$count") == "0"


def test_patch_changes_only_what_it_names(client):
    """PATCH leaves everything else; null takes an optional value away."""
    thing = client.create("Things", a_thing(properties={"a": 1}))
    shown = client.send("PATCH", f"Things({thing})", json={"name": "new"}).json()
    assert (shown["name"], shown["description"], shown["properties"]) == ("new", "a bin", {"a": 1})
    assert "properties" not in client.send("PATCH", f"Things({thing})", json={"properties": None}).json()
    assert "name is missing" in client.error("PATCH", f"Things({thing})", 400, json={"name": None})


def test_put_replaces_the_whole(client):
    """PUT takes away what is not given and needs what is required."""
    thing = client.create("Things", a_thing(properties={"a": 1}))
    shown = client.get(f"Things({thing})")
    shown |= {"name": "again"}
    del shown["properties"]
    assert client.send("PUT", f"Things({thing})", json=shown).status_code == 200
    assert "properties" not in client.get(f"Things({thing})")
    assert "description is missing" in client.error("PUT", f"Things({thing})", 400, json={"name": "x"})
    assert "never changes" in client.error("PUT", f"Things({thing})", 400, json={**shown, "@iot.id": 77})


def test_json_patch_changes_by_operations(client):
    """PATCH with application/json-patch+json follows RFC 6902; a failed test changes nothing."""
    thing = client.create("Things", a_thing(properties={"a": [1, 2]}))
    kind = {"content-type": "application/json-patch+json"}
    operations = [
        {"op": "test", "path": "/name", "value": "bin"},
        {"op": "add", "path": "/properties/a/-", "value": 3},
        {"op": "move", "from": "/properties/a", "path": "/properties/b"},
        {"op": "replace", "path": "/name", "value": "patched"},
    ]
    shown = client.send("PATCH", f"Things({thing})", json=operations, headers=kind).json()
    assert (shown["name"], shown["properties"]) == ("patched", {"b": [1, 2, 3]})
    failing = [{"op": "replace", "path": "/name", "value": "x"}, {"op": "test", "path": "/name", "value": "y"}]
    assert "does not hold" in client.error("PATCH", f"Things({thing})", 400, json=failing, headers=kind)
    assert client.get(f"Things({thing})/name/$value") == "patched"


def test_update_links_to_what_is_there(client, bin_stream):
    """A link can be turned to another entity; an update makes no entities."""
    other = client.create("Things", a_thing("other"))
    client.send("PATCH", f"Datastreams({bin_stream})", json={"Thing": {"@iot.id": other}})
    assert client.get(f"Datastreams({bin_stream})/Thing/name/$value") == "other"
    assert "POST new ones" in client.error("PATCH", f"Datastreams({bin_stream})", 400, json={"Sensor": SENSOR})


def test_observation_can_be_changed_and_deleted(client, bin_stream, observe):
    """A plain reading is changed in place, keeps its id, and is gone once deleted; others stay."""
    first, second = (observe(bin_stream, f"2025-12-31T10:00:0{n}Z", n) for n in (1, 2))
    client.send("PATCH", f"Observations('{first}')", json={"result": "one", "parameters": {"by": "hand"}})
    assert client.get(f"Observations('{first}')")["result"] == "one"
    assert client.get("Observations/$count") == "2"
    assert client.send("DELETE", f"Observations('{second}')").status_code == 200
    client.error("GET", f"Observations('{second}')", 404)
    client.service.reopen()
    assert [e["result"] for e in client.get("Observations")["value"]] == ["one"]
    assert client.get(f"Datastreams({bin_stream})")["phenomenonTime"] == "2025-12-31T10:00:01.000Z"


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ("Things(1)", {"Locations": "1", "Sensors": "1", "FeaturesOfInterest": "1"}),
        (
            "Sensors(1)",
            {"Things": "1", "ObservedProperties": "1", "HistoricalLocations": "1", "FeaturesOfInterest": "1"},
        ),
        ("ObservedProperties(1)", {"Things": "1", "Sensors": "1"}),
        ("Datastreams(1)", {"Things": "1", "Sensors": "1", "ObservedProperties": "1", "FeaturesOfInterest": "1"}),
    ],
)
def test_delete_takes_along_what_cannot_be_without(client, bin_stream, observe, gone, left):
    """Table 25: Datastreams go with Thing, Sensor and ObservedProperty, Observations with Datastreams."""
    observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    observe(bin_stream, "2025-12-31T10:00:01Z", "x")
    assert client.send("DELETE", gone).status_code == 200
    client.error("GET", gone, 404)
    for name in ("Datastreams", "Observations"):
        assert client.get(f"{name}/$count") == "0", name
    for name, count in left.items():
        assert client.get(f"{name}/$count") == count, name


def test_delete_of_a_location_takes_its_history(client, bin_stream):
    """HistoricalLocations go with their Location."""
    assert client.get("HistoricalLocations/$count") == "1"
    client.send("DELETE", "Locations(1)")
    assert client.get("HistoricalLocations/$count") == "0"
    assert client.get("Things/$count") == "1"


def test_delete_of_a_feature_takes_its_observations(client, bin_stream, observe):
    """Observations go with their FeatureOfInterest, plain and other, for good; new ones can be made after."""
    observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    observe(bin_stream, "2025-12-31T10:00:01Z", "x")
    other = observe(bin_stream, "2025-12-31T10:00:02Z", 2, FeatureOfInterest=FEATURE)
    client.send("DELETE", "FeaturesOfInterest(1)")
    assert [e["@iot.id"] for e in client.get("Observations")["value"]] == [other]
    client.service.reopen()
    assert client.get("Observations/$count") == "1"
    observe(bin_stream, "2025-12-31T10:00:03Z", 3)
    assert [e["result"] for e in client.get("Observations?$orderby=phenomenonTime")["value"]] == [2, 3]


def test_stream_of_a_deleted_datastream_is_never_given_out_again(client, bin_stream):
    """A new Datastream has a new id, so that old readings cannot turn up in it."""
    client.send("DELETE", f"Datastreams({bin_stream})")
    thing = client.create("Things", a_thing(Datastreams=[a_datastream()]))
    assert client.get(f"Things({thing})/Datastreams")["value"][0]["@iot.id"] > bin_stream


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [("POST", "", 405), ("POST", "Things(1)", 405), ("PATCH", "Things", 405), ("DELETE", "Things(1)/name", 405),
     ("DELETE", "Things(99)", 404), ("PATCH", "Things(99)", 404), ("POST", "Things(99)/Datastreams", 404)],
)  # fmt: skip
def test_method_that_does_not_fit_is_refused(client, bin_stream, verb, path, status):
    """A verb that a resource does not have answers 405, an unknown one 404."""
    client.error(verb, path, status, json={"name": "x"})
