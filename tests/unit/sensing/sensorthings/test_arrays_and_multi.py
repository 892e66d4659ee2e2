"""Data arrays, CreateObservations and MultiDatastreams (18-088, clauses 8.4 and 13)."""

from __future__ import annotations

import pytest
from sensorthings_service import MEASUREMENT, PROPERTY, SENSOR, UNIT, a_datastream, a_thing

COLUMNS = ["phenomenonTime", "result"]


def block(stream: int, rows: list, components: list[str] = COLUMNS, **more) -> dict:
    return {"Datastream": {"@iot.id": stream}, "components": components, "dataArray": rows, **more}


@pytest.fixture
def streams(client):
    client.create("Things", a_thing(Datastreams=[a_datastream(n) for n in "abc"]))
    return [1, 2, 3]


def test_rows_of_many_datastreams_in_one_body(client, streams):
    """Each row becomes an Observation; the reply lists their addresses in order."""
    body = [block(s, [[f"2025-12-31T10:00:0{s}.000Z", s * 1.5]], **{"dataArray@iot.count": 1}) for s in streams]
    links = client.post("CreateObservations", body).json()
    assert [client.get(link)["result"] for link in links] == [1.5, 3, 4.5]


@pytest.mark.parametrize(
    ("components", "row"),
    [
        (["result", "phenomenonTime"], [7, "2025-12-31T10:00:00.000Z"]),
        (["phenomenonTime", "resultTime", "result"], ["2025-12-31T10:00:00.000Z", "2025-12-31T10:00:00.000Z", 7]),
        (["phenomenonTime", "resultTime", "result"], ["2025-12-31T10:00:00.000Z", None, 7]),
        (["phenomenonTime", "result", "parameters"], ["2025-12-31T10:00:00+00:00", 7, {"a": 1}]),
        (["phenomenonTime", "result", "FeatureOfInterest/id"], ["2025-12-31T10:00:00Z", 7, None]),
        (["result"], [7]),
    ],
)
def test_components_in_any_order(client, streams, components, row):
    """Plain rows and others come to the same."""
    link = client.post("CreateObservations", [block(1, [row], components)]).json()[0]
    shown = client.get(link)
    assert shown["result"] == 7
    for name, value in zip(components, row, strict=True):
        if name != "phenomenonTime" and "/" not in name:
            assert shown.get(name) == value


def test_row_that_fails_says_error_and_spares_the_others(client, streams):
    """A row of an unknown Datastream, of a broken clock, or without a number of values is ``error``."""
    body = [
        block(1, [["2025-12-31T10:00:00.000Z", 1], ["1970-01-01T00:00:00.000Z", 2], ["2025-12-31T10:00:02.000Z"]]),
        block(99, [["2025-12-31T10:00:00.000Z", 4]]),
        block(2, [["2025-12-31T10:00:00.000Z", "text"]]),
    ]
    told = client.post("CreateObservations", body).json()
    assert [link == "error" for link in told] == [False, True, True, True, False]
    assert client.get("Observations/$count") == "2"


def test_unknown_datastream_among_plain_rows(client, streams):
    """Plain rows are told apart by the column too."""
    body = [block(s, [["2025-12-31T10:00:00.000Z", s]]) for s in (1, 99, 3)]
    told = client.post("CreateObservations", body).json()
    assert [link == "error" for link in told] == [False, True, False]


def test_reading_sent_twice_is_one_observation(client, streams):
    """The second answer names the first's address."""
    body = [block(1, [["2025-12-31T10:00:00.000Z", 1]])]
    first = client.post("CreateObservations", body).json()
    assert client.post("CreateObservations", body).json() == first
    assert client.get("Observations/$count") == "1"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "takes a list"),
        ([1], "[0] must be an object"),
        ([{"components": [], "dataArray": []}], "needs either Datastream or MultiDatastream"),
        ([block(1, [["x"]], components="result")], "components must list"),
        ([block(1, [], **{"dataArray@iot.count": 5})], "is 5, there are 0 rows"),
    ],
)
def test_body_of_another_form_is_refused(client, streams, body, told):
    """A body that is no data array answers 400."""
    assert told in client.error("POST", "CreateObservations", 400, json=body)


def test_result_format_data_array_is_grouped_by_datastream(client, streams):
    """$resultFormat=dataArray lists rows by Datastream, with the components that were selected."""
    client.post("CreateObservations", [block(s, [["2025-12-31T10:00:00.000Z", s]]) for s in streams])
    shown = client.get("Observations?$resultFormat=dataArray&$select=phenomenonTime,result&$orderby=result")["value"]
    assert [b["dataArray"] for b in shown] == [[["2025-12-31T10:00:00.000Z", s]] for s in streams]
    assert shown[0]["components"] == ["phenomenonTime", "result"]
    assert shown[0]["Datastream@iot.navigationLink"] == "http://city/sta/v1.1/Datastreams(1)"
    assert shown[0]["dataArray@iot.count"] == 1


MULTI = {
    "name": "wind",
    "description": "speed and direction",
    "multiObservationDataTypes": [MEASUREMENT, MEASUREMENT],
    "unitOfMeasurements": [UNIT, {"name": "degree", "symbol": "deg", "definition": "ucum:deg"}],
    "Sensor": SENSOR,
    "ObservedProperties": [{**PROPERTY, "name": "speed"}, {**PROPERTY, "name": "direction"}],
}


def test_multi_datastream_keeps_results_in_order(client):
    """One result for each ObservedProperty, in their order; aggregates are kept."""
    thing = client.create("Things", a_thing(MultiDatastreams=[MULTI]))
    multi = client.get(f"Things({thing})/MultiDatastreams?$expand=ObservedProperties")["value"][0]
    assert [p["name"] for p in multi["ObservedProperties"]] == ["speed", "direction"]
    assert multi["unitOfMeasurements"] == MULTI["unitOfMeasurements"]
    path = f"MultiDatastreams({multi['@iot.id']})"
    at = "2025-12-31T10:00:00.000Z"
    link = client.post(f"{path}/Observations", {"result": [3.5, 270], "phenomenonTime": at}).headers["location"]
    shown = client.get(f"{link}?$expand=MultiDatastream")
    assert shown["result"] == [3.5, 270]
    assert shown["MultiDatastream"]["phenomenonTime"] == at
    assert "Datastream@iot.navigationLink" not in shown
    assert client.get(f"{path}/Observations?$filter=result/1 gt 200&$count=true")["@iot.count"] == 1


def test_multi_datastream_takes_rows_of_a_data_array(client):
    """CreateObservations takes MultiDatastream too, and the data array names it."""
    client.create("Things", a_thing(MultiDatastreams=[MULTI]))
    rows = [["2025-12-31T10:00:00Z", [1, 2]], ["2025-12-31T10:00:01Z", [1, 2, 3]]]
    body = [{"MultiDatastream": {"@iot.id": 1}, "components": COLUMNS, "dataArray": rows}]
    told = client.post("CreateObservations", body).json()
    assert told[1] == "error"
    assert client.get(told[0])["result"] == [1, 2]
    grouped = client.get("Observations?$resultFormat=dataArray")["value"][0]
    assert grouped["MultiDatastream@iot.navigationLink"].endswith("MultiDatastreams(1)")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"unitOfMeasurements": [UNIT]}, "unitOfMeasurements has 1 members, multiObservationDataTypes 2"),
        ({"ObservedProperties": [PROPERTY]}, "ObservedProperties has 1 members"),
    ],
)
def test_multi_datastream_that_does_not_add_up_is_refused(client, change, told):
    """Types, units and properties must be equally many, and so must results."""
    client.create("Things", a_thing(MultiDatastreams=[MULTI]))
    assert told in client.error("POST", "Things(1)/MultiDatastreams", 400, json={**MULTI, **change})
    wrong = {"result": [1], "MultiDatastream": {"@iot.id": 1}}
    assert "list of 2 values" in client.error("POST", "Observations", 400, json=wrong)


def test_delete_of_an_observed_property_takes_multi_datastreams(client):
    """Table 25 holds for MultiDatastreams."""
    client.create("Things", a_thing(MultiDatastreams=[MULTI]))
    client.send("DELETE", "ObservedProperties(2)")
    assert client.get("MultiDatastreams/$count") == "0"
