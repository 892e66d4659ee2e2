"""``$batch`` as JSON and as multipart (18-088, clause 11)."""

from __future__ import annotations

import orjson
from sensorthings_service import a_datastream, a_thing


def run(client, *requests) -> list[dict]:
    return client.post("$batch", {"requests": list(requests)}, 200).json()["responses"]


def ask(name: str, method: str, url: str, body=None, **more) -> dict:
    return {"id": name, "method": method, "url": url, **({} if body is None else {"body": body}), **more}


def test_requests_are_answered_in_order(client, bin_stream):
    """Reads and writes stand side by side; a failed one does not stop the others."""
    told = run(
        client,
        ask("a", "get", "Things(1)?$select=name"),
        ask("b", "get", "Things(99)"),
        ask("c", "post", "/sta/v1.1/Things", a_thing("new")),
        ask("d", "get", "http://city/sta/v1.1/Things/$count"),
    )
    assert [(one["id"], one["status"]) for one in told] == [("a", 200), ("b", 404), ("c", 201), ("d", 200)]
    assert told[0]["body"] == {"name": "bin"}
    assert told[2]["location"].endswith("/Things(2)")
    assert told[3]["body"] == "2"


def test_later_requests_refer_to_what_earlier_ones_made(client):
    """$id stands for the new entity in paths and in links."""
    told = run(
        client,
        ask("t", "post", "Things", a_thing("ref")),
        ask("s", "post", "$t/Datastreams", a_datastream()),
        ask("o", "post", "Observations", {"result": 5, "Datastream": {"@iot.id": "$s"}}),
        ask("g", "get", "$t/Datastreams?$expand=Observations"),
    )
    assert [one["status"] for one in told] == [201, 201, 201, 200]
    assert told[3]["body"]["value"][0]["Observations"][0]["result"] == 5


def test_atomicity_group_is_done_whole_or_not_at_all(client, bin_stream):
    """One fault undoes the group, its readings included; what depends on it is not done."""
    before = client.get("Things/$count")
    told = run(
        client,
        ask("1", "post", "Things", a_thing("x"), atomicityGroup="g"),
        ask("2", "post", f"Datastreams({bin_stream})/Observations", {"result": 1}, atomicityGroup="g"),
        ask("3", "post", "Things", {"name": "no description"}, atomicityGroup="g"),
        ask("4", "post", "Things", a_thing("y"), dependsOn=["g"]),
        ask("5", "get", "Things/$count"),
    )
    assert [one["status"] for one in told] == [424, 424, 400, 424, 200]
    assert told[4]["body"] == before
    assert client.get("Observations/$count") == "0"


def test_group_that_holds_is_one_transaction(client, bin_stream):
    """Entities and readings of a group are all there."""
    told = run(
        client,
        ask("1", "patch", "Things(1)", {"name": "renamed"}, atomicityGroup="g"),
        ask("2", "post", f"Datastreams({bin_stream})/Observations", {"result": 1}, atomicityGroup="g"),
    )
    assert [one["status"] for one in told] == [200, 201]
    assert client.get(told[1]["location"])["result"] == 1
    assert client.names("Things") == ["renamed"]


def test_faulty_batches_are_named(client):
    """A batch that cannot be read says where."""
    for body, told in (
        ([], "object with a list of requests"),
        ({"requests": [1]}, "requests[0] must be an object"),
        ({"requests": [ask("a", "brew", "x")]}, "method is 'brew'"),
        ({"requests": [ask("a", "get", "Things"), ask("a", "get", "Things")]}, "given twice"),
        ({"requests": [ask("a", "post", "$batch", {})]}, "cannot stand inside a batch"),
    ):
        response = client.send("POST", "$batch", json=body)
        assert response.status_code in (400, 403)
        assert told in response.json()["message"]


def multipart(client, body: str):
    headers = {"content-type": "multipart/mixed; boundary=outer"}
    return client.send("POST", "$batch", content=body.replace("\n", "\r\n").encode(), headers=headers)


def test_multipart_batch_with_a_change_set(client, bin_stream):
    """Parts are application/http; a change set is one transaction and may refer to its own entities."""
    thing, stream = orjson.dumps(a_thing("multi")).decode(), orjson.dumps(a_datastream("ms")).decode()
    response = multipart(
        client,
        f"""--outer
Content-Type: application/http

GET Things(1)?$select=name HTTP/1.1
Host: city

--outer
Content-Type: multipart/mixed; boundary=inner

--inner
Content-Type: application/http
Content-ID: 1

POST Things HTTP/1.1
Content-Type: application/json

{thing}
--inner
Content-Type: application/http
Content-ID: 2

POST $1/Datastreams HTTP/1.1
Content-Type: application/json

{stream}
--inner--
--outer--
""",
    )
    assert response.status_code == 200, response.text
    assert response.text.count("HTTP/1.1 201 Created") == 2
    assert '{"name":"bin"}' in response.text
    assert client.names("Things(2)/Datastreams") == ["ms"]


def test_change_set_that_fails_is_answered_once(client):
    """One response tells of the whole change set, and nothing of it is done."""
    thing = orjson.dumps(a_thing("multi")).decode()
    response = multipart(
        client,
        f"""--outer
Content-Type: multipart/mixed;boundary=inner

--inner
Content-Type: application/http

POST Things HTTP/1.1

{thing}
--inner
Content-Type: application/http

POST Things HTTP/1.1

{{}}
--inner--
--outer--""",
    )
    assert response.text.count("HTTP/1.1 400 Bad Request") == 1
    assert response.text.count("HTTP/1.1") == 1
    assert client.get("Things/$count") == "0"
    assert "does not end" in multipart(client, "nothing").json()["message"]
