"""HistoricalLocations and features that the service makes (18-088, 8.2.3, 10.2)."""

from __future__ import annotations

from sensorthings_service import PLACE, a_thing


def moved(lon: float, name: str = "elsewhere") -> dict:
    return {**PLACE, "name": name, "location": {"type": "Point", "coordinates": [lon, 52.0]}}


def test_new_location_of_a_thing_is_noted_in_its_history(client):
    """Creating, posting and patching Locations each make a HistoricalLocation of the time it happened."""
    thing = client.create("Things", a_thing(Locations=[PLACE]))
    client.create(f"Things({thing})/Locations", moved(14, "second"))
    third = client.create("Locations", moved(15, "third"))
    client.send("PATCH", f"Things({thing})", json={"Locations": [{"@iot.id": third}]})
    assert client.names(f"Things({thing})/Locations") == ["third"]
    history = client.get(f"Things({thing})/HistoricalLocations?$expand=Locations&$orderby=time")["value"]
    assert [entry["Locations"][0]["name"] for entry in history] == ["corner", "second", "third"]
    assert history[0]["time"].startswith("2026-01-01T00:00:0")


def test_history_that_is_newer_moves_the_thing(client):
    """A HistoricalLocation made by a client moves the Thing when it is the latest, and only then."""
    thing = client.create("Things", a_thing(Locations=[PLACE]))
    there = client.create("Locations", moved(14, "there"))
    entry = {"Thing": {"@iot.id": thing}, "Locations": [{"@iot.id": there}]}
    client.create("HistoricalLocations", {"time": "2020-01-01T00:00:00Z", **entry})
    assert client.names(f"Things({thing})/Locations") == ["corner"]
    client.create("HistoricalLocations", {"time": "2026-06-01T00:00:00Z", **entry})
    assert client.names(f"Things({thing})/Locations") == ["there"]


def test_feature_is_made_once_of_the_location(client, bin_stream, observe):
    """Observations without a feature share the one that is made of the Thing's Location."""
    for second in range(3):
        observe(bin_stream, f"2025-12-31T10:00:0{second}Z", second)
    features = client.get("FeaturesOfInterest?$expand=Observations($count=true;$top=0)")["value"]
    assert [(f["name"], f["feature"]) for f in features] == [("corner", PLACE["location"])]
    assert features[0]["Observations@iot.count"] == 3


def test_observations_stay_with_the_place_they_were_made_at(client, bin_stream, observe):
    """After the Thing moved new observations get a new feature; earlier ones keep theirs."""
    before = observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    client.create("Things(1)/Locations", moved(14))
    after = observe(bin_stream, "2025-12-31T11:00:00Z", 2)
    names = [client.get(f"Observations('{one}')/FeatureOfInterest/name/$value") for one in (before, after)]
    assert names == ["corner", "elsewhere"]
    area = client.get(f"Datastreams({bin_stream})")["observedArea"]
    assert area["type"] == "Polygon"
    assert client.get("Observations?$filter=FeatureOfInterest/name eq 'elsewhere'")["value"][0]["@iot.id"] == after


def test_location_that_is_changed_gives_a_new_feature(client, bin_stream, observe):
    """A patched Location is another place: the old feature stays as it was."""
    observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    client.send("PATCH", "Locations(1)", json={"location": {"type": "Point", "coordinates": [1, 2]}})
    observe(bin_stream, "2025-12-31T11:00:00Z", 2)
    shown = client.get("Observations?$expand=FeatureOfInterest&$orderby=phenomenonTime")["value"]
    assert [o["FeatureOfInterest"]["feature"]["coordinates"] for o in shown] == [[13.5, 52.4], [1, 2]]


def test_thing_without_a_place_gives_no_feature(client):
    """Nowhere to make a feature of: the observation is kept and has none."""
    from sensorthings_service import a_datastream

    client.create("Things", a_thing(Datastreams=[a_datastream()]))
    location = client.post("Datastreams(1)/Observations", {"result": 1}).headers["location"]
    assert "no FeatureOfInterest" in client.error("GET", f"{location}/FeatureOfInterest", 404)
