"""System query options (18-088, 9.3)."""

from __future__ import annotations

import pytest
from sensorthings_service import a_datastream, a_thing


@pytest.fixture
def ten_things(client):
    for number in range(10):
        client.create("Things", a_thing(f"thing {number}", properties={"n": number, "even": number % 2 == 0}))


def test_expand_shows_linked_entities_in_place(client, bin_stream, observe):
    """Several links, several levels, with options of their own at each."""
    for second in range(3):
        observe(bin_stream, f"2025-12-31T10:00:0{second}Z", second)
    inner = "$expand=Observations($top=1;$orderby=phenomenonTime desc;$select=result;$count=true),Sensor"
    shown = client.get(f"Things?$expand=Locations,Datastreams({inner})")["value"][0]
    assert shown["Locations"][0]["name"] == "corner"
    stream = shown["Datastreams"][0]
    assert stream["Sensor"]["name"] == "gauge"
    assert stream["Observations"] == [{"result": 2}]
    assert stream["Observations@iot.count"] == 3
    assert "Observations@iot.navigationLink" not in stream
    following = client.get(stream["Observations@iot.nextLink"])
    assert following["value"] == [{"result": 1}]


def test_expand_by_path_and_of_one_entity(client, bin_stream, observe):
    """$expand=Datastream/Thing expands both; it works on a single entity too."""
    identity = observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    shown = client.get(f"Observations('{identity}')?$expand=Datastream/Thing,FeatureOfInterest")
    assert shown["Datastream"]["Thing"]["name"] == "bin"
    assert shown["FeatureOfInterest"]["name"] == "corner"


def test_select_shows_only_what_is_named(client, bin_stream):
    """Properties, id, parts of objects, and links can be chosen."""
    assert client.get("Things(1)?$select=name") == {"name": "bin"}
    assert client.get("Things(1)?$select=id,name")["@iot.id"] == 1
    assert set(client.get("Things(1)?$select=Locations")) == {"Locations@iot.navigationLink"}
    part = client.get(f"Datastreams({bin_stream})?$select=unitOfMeasurement/symbol")
    assert part == {"unitOfMeasurement": {"symbol": "%"}}


def test_orderby_sorts_up_down_and_by_several(client, ten_things):
    """Ascending unless desc; later keys settle equals; paths may be sorted by."""
    assert client.names("Things?$orderby=name desc&$top=2") == ["thing 9", "thing 8"]
    by_two = client.names("Things?$orderby=properties/even desc,name asc&$top=3")
    assert by_two == ["thing 0", "thing 2", "thing 4"]
    assert client.names("Things?$orderby=properties/n mod 3,id desc&$top=2") == ["thing 9", "thing 6"]


def test_pages_hang_together(client, ten_things):
    """$top and $skip cut pages; following nextLink shows every entity once; $count tells the whole."""
    shown, path = [], "Things?$top=3&$count=true&$filter=properties/n ne 4&$orderby=name"
    while path:
        page = client.get(path)
        assert page["@iot.count"] == 9
        shown += [entity["name"] for entity in page["value"]]
        path = page.get("@iot.nextLink")
    assert shown == [f"thing {n}" for n in range(10) if n != 4]


def test_top_zero_counts_only(client, ten_things):
    """$top=0 with $count is how clients ask for the number alone."""
    page = client.get("Things?$top=0&$count=true")
    assert page["@iot.count"] == 10
    assert page["value"] == []


def test_all_observations_are_counted_once_wherever_they_lie(client, bin_stream):
    """Plain readings, those kept as rows, and those that were deleted: the number is that of the pages."""
    rows = [[f"2025-12-31T10:00:{n:02d}.000Z", n] for n in range(20)]
    block = {"Datastream": {"@iot.id": bin_stream}, "components": ["phenomenonTime", "result"], "dataArray": rows}
    client.post("CreateObservations", [block])
    more = {"phenomenonTime": "2025-12-31T11:00:00Z", "result": 7, "parameters": {"by": "hand"}}
    client.post(f"Datastreams({bin_stream})/Observations", more)
    gone = client.get("Observations?$filter=result eq 3")["value"][0]["@iot.id"]
    assert client.send("DELETE", f"Observations('{gone}')").status_code in (200, 204)
    for path in ("Observations", f"Datastreams({bin_stream})/Observations"):
        page = client.get(f"{path}?$count=true&$top=1000")
        assert page["@iot.count"] == len(page["value"]) == 20
    assert client.get("Observations?$count=true&$filter=result ge 10&$top=0")["@iot.count"] == 10
    assert client.get("Datastreams(999)/Observations?$count=true", status=404)


def test_collections_are_cut_to_a_hundred(client, bin_stream):
    """Without $top a page has at most 100 entities, and a nextLink when there are more."""
    rows = [[f"2025-12-31T10:{n // 60:02d}:{n % 60:02d}.000Z", n] for n in range(150)]
    block = {"Datastream": {"@iot.id": bin_stream}, "components": ["phenomenonTime", "result"], "dataArray": rows}
    client.post("CreateObservations", [block])
    page = client.get("Observations")
    assert len(page["value"]) == 100
    assert len(client.get(page["@iot.nextLink"])["value"]) == 50
    newest = client.get("Observations?$orderby=phenomenonTime desc&$top=2&$select=result")
    assert [entity["result"] for entity in newest["value"]] == [149, 148]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("$top=-1", "$top is '-1'"),
        ("$top=1.5", "whole number"),
        ("$skip=x", "$skip is 'x'"),
        ("$count=1", "true or false"),
        ("$filter=", "ends too early"),
        ("$filter=name eq", "ends too early"),
        ("$filter=name eq 5", "a text cannot be compared with a number"),
        ("$filter=nothing eq 5", "Thing has no 'nothing'"),
        ("$filter=Datastreams eq 5", "names entities, not a property"),
        ("$filter=name", "no condition"),
        ("$filter=foo(name)", "no function 'foo'"),
        ("$orderby=Datastreams/name", "leads to many"),
        ("$orderby=name up", "unexpected"),
        ("$expand=Nothing", "no link 'Nothing'"),
        ("$expand=Datastreams($top=x)", "$top is 'x'"),
        ("$expand=Datastreams(top=1)", "is not an option"),
        ("$select=nothing", "Thing has no 'nothing'"),
        ("$filter=name eq 'a'&$filter=name eq 'b'", "given twice"),
        ("$nothing=1", "not an option of this service"),
        ("$resultFormat=csv", "dataArray"),
    ],
)
def test_wrong_option_is_named(client, option, told):
    """An option that cannot be used answers 400 and says what is wrong with it."""
    assert told in client.error("GET", f"Things?{option}", 400)


def test_nested_collections_are_sorted_and_filtered(client):
    """$filter and $orderby inside $expand act on the inner collection."""
    streams = [a_datastream(name) for name in ("b", "a", "c")]
    client.create("Things", a_thing(Datastreams=streams))
    shown = client.get("Things?$expand=Datastreams($filter=name ne 'c';$orderby=name;$select=name)")["value"][0]
    assert shown["Datastreams"] == [{"name": "a"}, {"name": "b"}]


def test_options_are_evaluated_in_the_order_of_the_standard(client, ten_things):
    """Filtered, counted, sorted, skipped and cut, then expanded and selected, however the request lists them."""
    options = [
        "$select=name",
        "$top=2",
        "$expand=Locations($select=name)",
        "$skip=1",
        "$orderby=properties/n desc",
        "$count=true",
        "$filter=properties/even eq true",
    ]
    shown = client.get("Things?" + "&".join(options))
    assert shown == client.get("Things?" + "&".join(reversed(options))) | {"@iot.nextLink": shown["@iot.nextLink"]}
    assert shown["@iot.count"] == 5
    assert [(thing["name"], thing["Locations"]) for thing in shown["value"]] == [("thing 6", []), ("thing 4", [])]
