"""Real clients against a real server of sensing: httpx, a bridge to another broker, and limits over both protocols."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import count

import httpx
import numpy as np
import paho.mqtt.client as mqtt
from sensing_server import ADMIN, Client, Server, until

from cityloop.sensing.inbox import Limits
from cityloop.sensing.mqtt.bridge import Bridge, BridgeParams
from cityloop.sensing.mqtt.topics import ReadingTopics
from cityloop.wire import arrow


def test_http_takes_every_media_type_and_tells_what_became_of_it(server):
    """SenML, CSV and Arrow; a letter for what was set aside; clear refusals for what is wrong."""
    with server.http() as http:
        senml = [{"n": "s0", "v": 20.5, "u": "Cel"}, {"n": "s1", "v": 99}, {"n": "nobody", "v": 1}]
        answer = http.post("/ingest", json=senml, headers={"Content-Type": "application/senml+json"})
        why = ["nobody: no stream is named 'nobody'", "s1: 99 is outside -50 to 60"]
        assert answer.json() == {"stored": 1, "suspect": 0, "late": 0, "duplicate": 0, "quarantined": 2, "why": why}
        csv = "stream,observed_at,value\ns2,2026-01-01T00:00:00Z,7.5\n"
        assert http.post("/ingest", content=csv, headers={"Content-Type": "text/csv"}).json()["stored"] == 1
        assert http.post("/ingest", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
        assert http.post("/ingest", content=b"x", headers={"Content-Type": "text/csv"}).status_code == 400
        large = b"x" * (5 << 20)
        assert http.post("/ingest", content=large, headers={"Content-Type": "text/csv"}).status_code == 413
        assert http.get("/ingest/letters").status_code == 403
        assert http.post("/ingest/streams", json=[]).status_code == 403
        assert httpx.get(f"{server.url}/ingest/live").status_code == 401
        live = http.get("/ingest/live?streams=s0").json()
        assert (live[0]["stream"], live[0]["value"], live[0]["reasons"]) == ("s0", 20.5, [])
        assert http.get("/ingest/live?streams=nobody").status_code == 400
        assert http.get("/ingest/health").json()["streams"] == 7


def test_changes_are_told_as_server_sent_events(server):
    """A listener hears of a reading that came after it began to listen."""
    with server.http() as http, http.stream("GET", "/ingest/changes?streams=s0&interval_ms=50") as events:
        lines = events.iter_lines()
        assert next(lines) == ": open"
        body = f"stream,observed_at_ms,value\ns0,{time.time_ns() // 1_000_000},33.25\n"
        with server.http() as sender:
            sender.post("/ingest", content=body, headers={"Content-Type": "text/csv"})
        data = next(line for line in lines if line.startswith("data: "))
        assert json.loads(data[6:])[0]["value"] == 33.25


def test_a_bridge_brings_in_what_another_broker_has(server, tmp_path):
    """Readings published at one broker are stored by a server that is bridged to it, and acknowledged there after."""
    with Server(tmp_path) as behind:
        params = BridgeParams(
            host="127.0.0.1", port=server.mqtt_port, topics=("readings/s3",), user="box", password=server.token
        )
        bridge = Bridge(params, behind.opened.inbox, [ReadingTopics(behind.opened.inbox)])

        async def run() -> None:
            await bridge.start()
            with Client(server) as client:
                client.publish("readings/s3", "44.5")
                await asyncio.to_thread(until, lambda: behind.history("s3")[-1:] == [44.5])
            await bridge.close()

        asyncio.run(run())
        assert bridge.taken >= 1


def test_a_pack_of_which_some_was_set_aside_says_what_and_why(server):
    """By each way over HTTP: the codecs' own, and the short one of packs."""
    rows = np.array([server.opened.streams.row_of("s2"), 4_000_000, server.opened.streams.row_of("s2")], np.int32)
    pack = arrow.encode_arrow(rows, np.full(3, 1_700_000_123_000), np.array([1.0, 1.0, np.nan]))
    csv = b"stream,observed_at_ms,value,unit\ns2,1700000124000,1,Cel\nS2,1700000124000,1,Cel\ns2,1700000125000,1,lux\n"
    with server.http() as http:
        told = http.post("/ingest", content=pack, headers={"Content-Type": arrow.MEDIA_TYPE}).json()
        assert (told["stored"], told["quarantined"]) == (1, 2)
        assert told["why"] == ["a row: row 4000000 is no stream", "s2: nan is no finite number"]
        told = http.post("/ingest", content=csv, headers={"Content-Type": "text/csv"}).json()
        assert (told["stored"], told["quarantined"]) == (1, 2)
        assert told["why"] == [
            "S2: no stream is named 'S2'; there is 's2', and names are compared to the letter",
            "s2: unit 'lux' is none that 'Cel', the stream's own, can be made from",
        ]


def test_a_pack_without_a_time_is_set_aside_however_often_it_comes(server):
    """A missing date is no reading of now, the first time a form of pack is seen and every time after."""
    row = np.array([server.opened.streams.row_of("s4")], np.int32)
    with server.http() as http:
        for value in (1.0, 2.0, 3.0):
            pack = arrow.encode_arrow(row, np.array([-(2**63)]), np.array([value]))
            told = http.post("/ingest", content=pack, headers={"Content-Type": arrow.MEDIA_TYPE}).json()
            assert (told["stored"], told["quarantined"]) == (0, 1)


def test_a_device_that_looks_like_a_known_one_is_given_no_token(server):
    """Two names that nobody can tell apart would be two devices, and readings of the one refused to the other."""
    with server.http(ADMIN) as http:
        for name in ("BOX", "\uff42ox"):
            refused = http.post("/ingest/devices", json={"device": name})
            assert refused.status_code == 400
            assert "differs from the known 'box' only by case or Unicode form" in refused.json()["error"]
        assert http.post("/ingest/devices", json={"device": "box-2"}).status_code == 200
        assert http.post("/ingest/devices/revoke", json={"device": "box-2"}).json() == {"revoked": 1}
        assert http.post("/ingest/devices", json={"device": "Box-2"}).status_code == 200


def test_over_its_limit_a_server_refuses_and_recovers(tmp_path):
    """With 50 readings a second a flood is refused or made to wait, control passes, and all ends well."""
    with Server(tmp_path, Limits(readings_per_s=50.0)) as limited, limited.http() as http:
        csv = {"Content-Type": "text/csv"}

        def post(stream: str, at: int) -> httpx.Response:
            rows = "".join(f"{stream},{1_700_000_000_000 + at * 100 + row},1\n" for row in range(100))
            return http.post("/ingest", content=f"stream,observed_at_ms,value\n{rows}", headers=csv)

        def flooded() -> httpx.Response:
            """Flood until that is refused: right after it the share is used up, however slow the machine."""
            return next(answer for at in count() if (answer := post("s0", at)).status_code == 429)

        assert int(flooded().headers["retry-after"]) >= 1
        assert post("stage", 0).status_code == 200
        # A scan that carries others along: it is kept, and its sender told to send those alone again.
        rows = "".join(f"{name},{1_700_000_000_500 + at},1\n" for at in range(50) for name in ("s1", "stage"))
        with Client(limited, mqtt.MQTTv5) as client:
            until(lambda: flooded() and client.publish("readings/s1", "1") == 0x97)
            until(lambda: flooded() and client.publish("packs/csv", f"stream,observed_at_ms,value\n{rows}") == 0x97)
            assert "its 50 control readings were kept, the other 50 were not" in client.whys[-1]
        with Client(limited, mqtt.MQTTv311) as client:
            # Cannot be told, so it is made to wait, and acknowledged when its share has grown.
            assert client.publish("readings/s1", "2") == 0
        until(lambda: post("s0", 9).status_code == 200)
