"""Resource paths (18-088, 9.2)."""

from __future__ import annotations

import pytest
from sensorthings_service import UNIT


def test_path_follows_links_to_one_and_to_many(client, bin_stream, observe):
    """Things(1)/Datastreams(1)/Observations('x')/Datastream/Thing/Locations leads all the way."""
    identity = observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    path = f"Things(1)/Datastreams({bin_stream})/Observations('{identity}')/Datastream/Thing/Locations"
    assert client.names(path) == ["corner"]


def test_entity_under_a_parent_that_is_not_its_own_is_not_found(client, bin_stream):
    """An id is looked for among the entities that the link leads to."""
    other = client.create("Things", {"name": "other", "description": "d"})
    assert "there is no Datastream" in client.error("GET", f"Things({other})/Datastreams({bin_stream})", 404)


def test_property_and_its_value(client, bin_stream):
    """/name gives an object of one member, /name/$value the bare text; parts of objects can be asked for."""
    assert client.get(f"Datastreams({bin_stream})/name") == {"name": "fill"}
    assert client.get(f"Datastreams({bin_stream})/name/$value") == "fill"
    assert client.get(f"Datastreams({bin_stream})/unitOfMeasurement") == {"unitOfMeasurement": UNIT}
    assert client.get(f"Datastreams({bin_stream})/unitOfMeasurement/symbol") == {"symbol": "%"}
    assert client.get(f"Datastreams({bin_stream})/unitOfMeasurement/symbol/$value") == "%"
    assert client.get(f"Datastreams({bin_stream})/id") == {"id": bin_stream}


def test_property_without_a_value_is_no_content(client, bin_stream):
    """A null property answers 204."""
    assert client.send("GET", f"Datastreams({bin_stream})/properties").status_code == 204


def test_ref_gives_addresses_alone(client, bin_stream):
    """/$ref of a collection lists self links; of an entity it is its own."""
    link = f"http://city/sta/v1.1/Datastreams({bin_stream})"
    assert client.get("Things(1)/Datastreams/$ref") == {"value": [{"@iot.selfLink": link}]}
    assert client.get(f"Datastreams({bin_stream})/$ref") == {"@iot.selfLink": link}


def test_count_segment_gives_a_bare_number(client, bin_stream):
    """/$count of a collection."""
    assert client.get("Datastreams/$count") == "1"


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("Nothings", 404, "no set 'Nothings'"),
        ("Things(99)", 404, "no Thing '99'"),
        ("Things('abc')", 404, "no Thing 'abc'"),
        ("Things(99999999999999999999999)", 404, "no Thing"),
        ("Things(1)/Foo", 404, "Thing has no 'Foo'"),
        ("Things(1)/name/first", 404, "name has no 'first'"),
        ("Things/name", 404, "a collection has no 'name'"),
        ("Things(1)/Datastreams(99)/Observations", 404, "no Datastream '99'"),
        ("Observations('1-2')", 404, "no Observation '1-2'"),
        ("Observations(7)", 404, "no Observation '7'"),
        ("Things(1", 400, "cannot be read"),
        ("Things(%FF)", 400, "not UTF-8"),
        ("/".join(["Things(1)"] * 60), 400, "at most 40"),
    ],
)
def test_wrong_path_is_named(client, bin_stream, path, status, told):
    """What leads nowhere says which step it was."""
    assert told in client.error("GET", path, status)
