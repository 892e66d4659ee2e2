"""Operators and functions of ``$filter`` (18-088, 9.3.3.5): examples that hold and examples that do not."""

from __future__ import annotations

import pytest
from sensorthings_service import PLACE, Client, Service, a_datastream, a_thing


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """One service for all: these tests only read."""
    service = Service(tmp_path_factory.mktemp("sensorthings"))
    speaking = Client(service)
    yield speaking
    speaking.loop.close()
    service.close()


@pytest.fixture(scope="module")
def city(client):
    """Two things: one north with two observations, one south with a text and a period."""

    def observe(stream, time, result, **more):
        client.post(f"Datastreams({stream})/Observations", {"phenomenonTime": time, "result": result, **more})

    north = {**PLACE, "name": "north", "location": {"type": "Point", "coordinates": [13.5, 52.6]}}
    for name, place, properties in (
        (
            "Mitte Über",
            north,
            {"size": 4, "tags": ["a", "b"], "owner": {"name": "BSR"}, "since": "2020-05-01T00:00:00Z"},
        ),
        ("adlershof", PLACE, {"size": 9.5, "dry": True}),
    ):
        body = a_thing(name, properties=properties, Locations=[place], Datastreams=[a_datastream(f"of {name}")])
        client.create("Things", body)
    observe(1, "2025-12-31T10:00:00.250Z", 10)
    observe(1, "2025-12-31T11:30:15Z", 20.5)
    observe(
        2, "2025-06-01T00:00:00Z/2025-06-02T00:00:00Z", "wet", validTime="2025-06-01T00:00:00Z/2025-06-03T00:00:00Z"
    )


def held(client, path: str, where: str) -> list[str]:
    key = "name" if path == "Things" else "result"
    response = client.send("GET", path, params={"$filter": where, "$orderby": "id"})
    assert response.status_code == 200, response.text
    return [entity[key] for entity in response.json()["value"]]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("name eq 'adlershof'", "a"),
        ("name ne 'adlershof'", "M"),
        ("properties/size gt 4", "a"),
        ("properties/size ge 4", "Ma"),
        ("properties/size lt 9.5", "M"),
        ("properties/size le 9.5", "Ma"),
        ("properties/dry eq true", "a"),
        ("properties/dry eq null", "M"),
        ("properties/dry ne null", "a"),
        ("properties/owner/name eq 'BSR'", "M"),
        ("properties/tags/1 eq 'b'", "M"),
        ("properties/tags[0] eq 'b'", ""),
        ("properties/size gt 'x'", ""),
        ("name eq 'adlershof' or properties/size eq 4", "Ma"),
        ("name eq 'adlershof' and properties/size eq 4", ""),
        ("not (name eq 'adlershof')", "M"),
        ("not properties/dry", "M"),
        ("not (properties/dry eq true)", "M"),
        ("properties/size add 1 eq 5", "M"),
        ("properties/size sub 1 eq 3", "M"),
        ("properties/size mul 2 eq 19", "a"),
        ("properties/size div 8 eq 0.5", "M"),
        ("properties/size mod 3 eq 1", "M"),
        ("-properties/size lt -5", "a"),
        ("properties/size div 0 eq 1", ""),
        ("(properties/size add 1) mul 2 eq 10", "M"),
        ("properties/size in (4, 5)", "M"),
        ("name in ('adlershof')", "a"),
        ("id eq 1", "M"),
        ("@iot.id gt 1", "a"),
        ("id eq '2'", "a"),
        ("substringof('lers', name)", "a"),
        ("contains(name,'lers')", "a"),
        ("startswith(name, 'Mit')", "M"),
        ("endswith(name,'hof')", "a"),
        ("endswith(name,'a very long text that no name ends with')", ""),
        ("length(name) eq 9", "a"),
        ("indexof(name,'d') eq 1", "a"),
        ("substring(name,1) eq 'dlershof'", "a"),
        ("substring(name,1,3) eq 'dle'", "a"),
        ("tolower(name) eq 'mitte über'", "M"),
        ("toupper(name) eq 'MITTE ÜBER'", "M"),
        ("trim(concat(' ', name)) eq 'adlershof'", "a"),
        ("concat(concat(name, '-'), 'x') eq 'adlershof-x'", "a"),
        ("round(properties/size) eq 10", "a"),
        ("floor(properties/size) eq 9", "a"),
        ("ceiling(properties/size) eq 10", "a"),
        ("year(properties/since) eq 2020", "M"),
        ("properties/since lt 2021-01-01T00:00:00Z", "M"),
        ("Datastreams/name eq 'of adlershof'", "a"),
        ("Datastreams/unitOfMeasurement/symbol eq '%'", "Ma"),
        ("Datastreams/ObservedProperty/name eq 'level' and Datastreams/id eq 2", "a"),
        ("Datastreams/Observations/result gt 20", "M"),
        ("Datastreams/Observations/result eq 'wet'", "a"),
        ("Datastreams/Observations/phenomenonTime gt 2025-12-31T00:00:00Z", "M"),
        ("Datastreams/Observations/result gt 15 and Datastreams/Observations/result lt 15", ""),
        ("Locations/name eq 'north' and Datastreams/id eq 1", "M"),
    ],
)
def test_filter_of_things(client, city, where, expected):
    """M is the northern thing, a the southern."""
    assert "".join(name[0] for name in held(client, "Things", where)) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("result gt 10", [20.5]),
        ("result ge 10 and result le 20.5", [10, 20.5]),
        ("result eq 'wet'", ["wet"]),
        ("result gt '15'", [20.5, "wet"]),
        ("result mul 2 eq 41", [20.5]),
        ("phenomenonTime eq 2025-12-31T10:00:00.250Z", [10]),
        ("phenomenonTime ge 2025-12-31T11:00:00Z", [20.5]),
        ("phenomenonTime lt 2025-12-31T12:00:00+01:00", [10, "wet"]),
        ("phenomenonTime gt '2025-12-31T11:00:00Z'", [20.5]),
        ("year(phenomenonTime) eq 2025 and month(phenomenonTime) eq 12", [10, 20.5]),
        ("day(phenomenonTime) eq 1", ["wet"]),
        ("hour(phenomenonTime) eq 11", [20.5]),
        ("minute(phenomenonTime) eq 30", [20.5]),
        ("second(phenomenonTime) eq 15", [20.5]),
        ("fractionalseconds(phenomenonTime) eq 0.25", [10]),
        ("date(phenomenonTime) eq 2025-12-31", [10, 20.5]),
        ("time(phenomenonTime) lt 11:00:00", [10, "wet"]),
        ("totaloffsetminutes(phenomenonTime) eq 0", [10, 20.5, "wet"]),
        ("phenomenonTime lt now()", [10, 20.5, "wet"]),
        ("phenomenonTime gt now() sub duration'P2D'", [10, 20.5]),
        ("phenomenonTime gt mindatetime() and phenomenonTime lt maxdatetime()", [10, 20.5, "wet"]),
        ("during(phenomenonTime, 2025-12-31T00:00:00Z/2026-01-01T00:00:00Z)", [10, 20.5]),
        ("before(phenomenonTime, 2025-12-01T00:00:00Z)", ["wet"]),
        ("after(phenomenonTime, 2025-12-31T11:00:00Z)", [20.5]),
        ("overlaps(phenomenonTime, 2025-06-01T12:00:00Z/2025-07-01T00:00:00Z)", ["wet"]),
        ("meets(phenomenonTime, 2025-06-02T00:00:00Z/2025-07-01T00:00:00Z)", ["wet"]),
        ("starts(phenomenonTime, validTime)", ["wet"]),
        ("finishes(phenomenonTime, 2025-05-01T00:00:00Z/2025-06-02T00:00:00Z)", ["wet"]),
        ("validTime ne null", ["wet"]),
        ("Datastream/id eq 1", [10, 20.5]),
        ("Datastream/Thing/name eq 'adlershof'", ["wet"]),
        ("Datastream/Thing/properties/size eq 4 and result lt 15", [10]),
        ("FeatureOfInterest/name eq 'north'", [10, 20.5]),
        ("FeatureOfInterest/id eq 2", ["wet"]),
        ("Datastream/Thing/Locations/name eq 'corner'", ["wet"]),
        ("geo.distance(FeatureOfInterest/feature, geography'POINT(13.5 52.6)') lt 0.01", [10, 20.5]),
    ],
)
def test_filter_of_observations(client, city, where, expected):
    """One filter spans readings and other observations, and the entities around them."""
    response = client.send("GET", "Observations", params={"$filter": where, "$count": "true"})
    assert response.status_code == 200, response.text
    assert sorted((e["result"] for e in response.json()["value"]), key=str) == sorted(expected, key=str)
    assert response.json()["@iot.count"] == len(expected)


SQUARE = "geography'POLYGON((13 52.5,14 52.5,14 53,13 53,13 52.5))'"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (f"geo.intersects(location, {SQUARE})", ["north"]),
        (f"st_intersects(location, {SQUARE})", ["north"]),
        (f"st_within(location, {SQUARE})", ["north"]),
        (f"st_disjoint(location, {SQUARE})", ["corner"]),
        (f"st_contains({SQUARE}, location)", ["north"]),
        (f"st_relate(location, {SQUARE}, 'T*F**F***')", ["north"]),
        ("st_equals(location, geography'POINT(13.5 52.4)')", ["corner"]),
        ("st_touches(location, geography'LINESTRING(13.5 52.4, 14 52.4)')", ["corner"]),
        ("st_crosses(location, geography'LINESTRING(13 52.4, 14 52.4)')", []),
        ("st_overlaps(location, geography'POINT(13.5 52.4)')", []),
        ("geo.distance(location, geography'POINT(13.5 52.3)') lt 0.11", ["corner"]),
        ("geo.length(location) eq 0", ["corner", "north"]),
        ("location/type eq 'Point' or location/geometry/type eq 'Point'", ["corner", "north"]),
        ("location/coordinates/1 gt 52.5", ["north"]),
    ],
)
def test_filter_by_place(client, city, where, expected):
    """Relations and measures of geometry, on places given as GeoJSON."""
    response = client.send("GET", "Locations", params={"$filter": where, "$orderby": "name"})
    assert response.status_code == 200, response.text
    assert [entity["name"] for entity in response.json()["value"]] == expected


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("st_within(location, geography'POLYGON((1 2))')", "positions where 3 are needed"),
        ("st_within(location, geography'CIRCLE(1 2)')", "is none of POINT"),
        ("st_within(name, geography'POINT(1 2)')", "takes a geometry"),
        ("st_relate(location, geography'POINT(1 2)', 'XX')", "nine of T F"),
        ("year(name) eq 1", "takes a time"),
        ("length(5) eq 1", "takes a text"),
        ("round(name) eq 1", "takes a number"),
        ("name add 1 eq 2", "add does not go with a text"),
        ("location/type eq 'a' and description gt 2015-01-01T00:00:00Z", "cannot be compared"),
        ("id eq 1e999", "out of range"),
        (f"id eq {'9' * 5000}", "out of range"),
        ("(" * 5000, "deeper than"),
        ("not " * 4000 + "true", "deeper than"),
        ("id eq 1 and " * 1000 + "true", "more than 200 operators"),
        ("id eq 2015-13-45T00:00:00Z", "month must be"),
    ],
)
def test_wrong_filter_is_named(client, where, told):
    """A filter that makes no sense answers 400 and says why."""
    assert told in client.error("GET", "Locations", 400, params={"$filter": where})
