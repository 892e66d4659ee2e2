"""Who may do what; and bodies that are meant to break the service."""

from __future__ import annotations

import base64

import pytest
from sensorthings_service import ADMIN, a_datastream, a_thing

from cityloop.kernel.errors import InputError


@pytest.fixture
def owned(client):
    """Datastream 1 belongs to device a, Datastream 2 to device b."""
    for device in "ab":
        stream = a_datastream(device, properties={"cityloop": {"device": device, "low": 0, "high": 100}})
        client.create("Things", a_thing(device, Datastreams=[stream]))
    return {device: client.service.devices.issue(device) for device in "ab"}


def test_without_a_token_nothing_is_told(client):
    """401 with the schemes that are understood."""
    response = client.send("GET", "Things", token=None)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")
    for wrong in ("cld_0123456789abcdef_" + "A" * 43, "x", "Ω"):
        assert (
            client.send("GET", "Things", token=None, headers={"authorization": f"Bearer {wrong}".encode()}).status_code
            == 401
        )


def test_basic_credentials_are_understood(client):
    """User token and the token as password."""
    given = base64.b64encode(f"token:{ADMIN}".encode()).decode()
    assert client.send("GET", "", token=None, headers={"authorization": f"Basic {given}"}).status_code == 200


def test_device_writes_its_own_streams_and_nothing_else(client, owned):
    """A device's token lets it observe its own Datastreams, read, and no more."""
    token = owned["a"]
    client.post("Datastreams(1)/Observations", {"result": 5}, token=token)
    client.post("Datastreams(1)/Observations", {"result": "text"}, token=token)
    client.get("Things", token=token)
    rows = [{"Datastream": {"@iot.id": s}, "components": ["result"], "dataArray": [[s]]} for s in (1, 2)]
    client.post("CreateObservations", rows[:1], token=token)
    for verb, path, body in (
        ("POST", "Datastreams(2)/Observations", {"result": 5}),
        ("POST", "Observations", {"result": "x", "Datastream": {"@iot.id": 2}}),
        ("POST", "CreateObservations", rows),
        ("POST", "Things", a_thing()),
        ("PATCH", "Datastreams(1)", {"name": "x"}),
        ("DELETE", "Datastreams(1)", None),
        ("POST", "Datastreams(1)/Observations", {"result": 1, "FeatureOfInterest": {"name": "new"}}),
        ("POST", "Datastreams", a_datastream(Observations=[{"result": 1}])),
    ):
        client.error(verb, path, 403, json=body, token=token)
    assert client.get("Datastreams(2)/Observations/$count") == "0"
    batch = {"requests": [{"id": "1", "method": "post", "url": "Datastreams(2)/Observations", "body": {"result": 1}}]}
    assert client.post("$batch", batch, 200, token=token).json()["responses"][0]["status"] == 403


def test_device_that_names_no_datastream_is_told_so(client, owned):
    """Not that it belongs to somebody else."""
    for path, body in (
        ("Datastreams(99)/Observations", {"result": 5}),
        ("Observations", {"result": 5, "Datastream": {"@iot.id": 99}}),
    ):
        assert "no Datastream 99" in client.error("POST", path, 404, json=body, token=owned["a"])


def test_result_out_of_the_declared_range_is_set_aside(client, owned):
    """What the Datastream declares impossible is refused with the reason, alone and in arrays."""
    assert "outside of the range" in client.error("POST", "Datastreams(1)/Observations", 400, json={"result": 101})
    rows = [[50], [500]]
    block = {"Datastream": {"@iot.id": 1}, "components": ["result"], "dataArray": rows}
    assert [link == "error" for link in client.post("CreateObservations", [block]).json()] == [False, True]


def test_tokens_are_kept_as_digests_and_can_be_revoked(client, owned):
    """Neither file nor listing holds a token; a revoked one is worth nothing; tokens outlive a restart."""
    service = client.service
    secret = owned["a"].split("_", 2)[-1]  # a secret may hold underscores of its own
    service.reopen()
    assert client.send("GET", "", token=owned["a"]).status_code == 200
    kept = b"".join(path.read_bytes() for path in service.folder.glob("metadata.sqlite*"))
    assert secret.encode() not in kept
    assert service.devices.revoke("a") == 1
    assert client.send("GET", "", token=owned["a"]).status_code == 401
    assert client.send("GET", "", token=owned["b"]).status_code == 200
    service.devices.trust_subject("CN=b,O=city", "b")
    assert service.devices.device_of_subject("CN=b,O=city") == "b"
    with pytest.raises(InputError):
        service.devices.issue("a\nb")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"5", b"[NaN]", b'{"result":1e999}', b'{"result":NaN}', b'{"result":Infinity}',
        b'{"result":' + b"9" * 5000 + b"}", b"[" * 200_000, b'{"result":' + b"[" * 200_000, b'{"a":' * 200_000,
        b'{"result":"\xff"}', b'{"result":"\\ud800"}', b'{"result":"a\\u0000b"}', b"\x00" * 100,
        b'{"result":' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["Datastreams(1)/Observations", "CreateObservations", "$batch", "Things"])
def test_hostile_body_is_refused_with_a_reason(client_with_stream, path, body):
    """Infinite numbers, bottomless nesting, endless digits, broken text: 400, and nothing is kept."""
    message = client_with_stream.error("POST", path, 400, content=body)
    assert message
    assert client_with_stream.get("Observations/$count") == "0"


def test_body_larger_than_is_taken_is_refused(client_with_stream):
    """413 names the bound."""
    message = client_with_stream.error("POST", "Things", 413, content=b" " * (33 << 20))
    assert "at most 33554432" in message


def test_stream_names_that_clash_are_told(client_with_stream):
    """External names that differ only by case or Unicode form are refused, and so are names that read as ids."""
    streams = client_with_stream.service.entities.streams
    row = streams.register("Lärm/1", "dB")
    assert streams.row_of("Lärm/1") == row
    assert streams.register("Lärm/1", "dB") == row
    for clash in ("lärm/1", "La\u0308rm/1", "L\u00c4RM/1"):
        with pytest.raises(InputError, match="only by case or Unicode form"):
            streams.register(clash, "dB")
    with pytest.raises(InputError, match="digits alone"):
        streams.register("17", "dB")
    assert client_with_stream.get(f"Datastreams({row})")["name"] == "Lärm/1"
    assert streams.row_of("1") == 1
    assert streams.row_of("01") is None


@pytest.fixture(scope="module")
def client_with_stream(tmp_path_factory):
    from sensorthings_service import Client, Service

    service = Service(tmp_path_factory.mktemp("sensorthings"))
    speaking = Client(service)
    speaking.create("Things", a_thing(Datastreams=[a_datastream()]))
    yield speaking
    speaking.loop.close()
    service.close()


def test_request_sequence_of_qgis(client, bin_stream, observe):
    """What the SensorThings provider of QGIS asks for, in its order and words, has the members it reads."""
    observe(bin_stream, "2025-12-31T10:00:00Z", 1)
    root = client.get("")
    assert any(one.endswith("/req/multi-datastream") for one in root["serverSettings"]["conformance"])
    locations = next(entry["url"] for entry in root["value"] if entry["name"] == "Locations")
    counts = {
        kind: client.get(
            f"{locations}?$top=0&$count=true&$filter=location/type eq '{kind}' or location/geometry/type eq '{kind}'"
        )["@iot.count"]
        for kind in ("Point", "LineString", "Polygon")
    }
    assert counts == {"Point": 1, "LineString": 0, "Polygon": 0}
    inside = "geo.intersects(location, geography'Polygon ((13 52, 14 52, 14 53, 13 53, 13 52))')"
    kind = "(location/type eq 'Point' or location/geometry/type eq 'Point')"
    expand = "$expand=Things($expand=Datastreams($top=10;$expand=Observations($orderby=phenomenonTime desc;$top=2)))"
    page = client.get(f"{locations}?$top=200&$count=false&{expand}&$filter={inside} and {kind}")
    place = page["value"][0]
    assert place["location"]["coordinates"] == [13.5, 52.4]
    assert place["@iot.selfLink"].endswith("Locations(1)")
    stream = place["Things"][0]["Datastreams"][0]
    assert stream["unitOfMeasurement"]["symbol"] == "%"
    assert stream["Observations"][0]["result"] == 1
    # Its reader of texts cannot take null, so what has no value is left out.
    assert all(value is not None for value in place.values())
    empty = client.get(f"{locations}?$top=200&$skip=200&$count=false")
    assert empty["value"] == []
    areas = client.get("MultiDatastreams?$top=0&$count=true&$filter=observedArea/type eq 'Polygon'")
    assert areas["@iot.count"] == 0
