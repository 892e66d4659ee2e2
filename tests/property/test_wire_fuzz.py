"""Any bytes at all: every decoder answers with readings or one clear refusal, and takes nothing that is not finite."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import cbor2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityloop.cities.live.field import ACTIONS
from cityloop.wire import arrow, reading_csv, senml
from cityloop.wire.field import decode_leases, decode_receipts, decode_report
from cityloop.wire.gtfs_realtime import decode_vehicle_positions
from cityloop.wire.hires import decode_hires
from cityloop.wire.lorawan import decode_chirpstack, decode_ttn
from cityloop.wire.mqtt.packets import (
    Publish,
    decode_connect,
    decode_disconnect,
    decode_publish,
    decode_subscribe,
    decode_unsubscribe,
    encode_publish,
)
from cityloop.wire.mqtt.split import ALIASES, Rows, TopicTable, split
from cityloop.wire.named import NamedReadings, WireError
from cityloop.wire.nmea import decode_nmea
from cityloop.wire.scan import SURE, scan_reading
from cityloop.wire.single import decode_single
from cityloop.wire.sparkplug import decode_payload

NOW = 1_800_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")

DECODERS = {
    "senml json": lambda body: senml.decode_senml_json(body, NOW),
    "senml cbor": lambda body: senml.decode_senml_cbor(body, NOW),
    "csv": reading_csv.decode_csv,
    "ttn": decode_ttn,
    "chirpstack": decode_chirpstack,
    "gtfs-realtime": decode_vehicle_positions,
    "nmea": lambda body: decode_nmea(body, "bus"),
    "hires": lambda body: decode_hires(body, BERLIN),
    "arrow": lambda body: list(arrow.decode_arrow(body, max_bytes=1 << 22)),
    "sparkplug": decode_payload,
    "single": decode_single,
    "leases": lambda body: decode_leases(body, ACTIONS),
    "receipts": decode_receipts,
    "field state": decode_report,
    "mqtt connect": decode_connect,
    "mqtt publish": lambda body: decode_publish(0x32, body, 5),
    "mqtt subscribe": lambda body: decode_subscribe(0x82, body, 5),
    "mqtt unsubscribe": lambda body: decode_unsubscribe(0xA2, body, 5),
    "mqtt disconnect": lambda body: decode_disconnect(body, 5),
}
SEEDS = {
    "senml json": b'[{"bn":"a","bt":1.8e9,"n":"b","v":1.5,"u":"Cel"},{"n":"c","t":-1,"vb":true}]',
    "senml cbor": cbor2.dumps([{-2: "a", -3: 1.8e9, 0: "b", 2: 1.5}, {0: "c", 4: True}]),
    "csv": b"stream,observed_at_ms,value\na,1800000000000,1.5\nb,1800000000000,2\n",
    "ttn": b'{"end_device_ids":{"device_id":"x"},"uplink_message":{"decoded_payload":{"a":1,"b":[1,2]}}}',
    "chirpstack": b'{"deviceInfo":{"deviceName":"x"},"object":{"a":1},"rxInfo":[{"rssi":-1,"snr":2}]}',
    "gtfs-realtime": bytes.fromhex(
        "0a0b0a03322e301880a4a7da0612260a0265312220120f0d0000524215000054412d000008412887a4a7da0642070a056275732d37"
    ),
    "nmea": b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230326,003.1,W*62\r\n",
    "hires": b"SignalID,Timestamp,EventCode,EventParam\n7,2026-07-01 12:00:00.1,82,4\n",
    "arrow": arrow.encode_arrow(["a", "b"], np.array([NOW, NOW]), np.array([1.0, 2.0])),
    "sparkplug": bytes.fromhex("082a120c0a01742003500b6500000000"),
    "single": b'{"value":1.5,"observed_at_ms":1800000000000}',
    "leases": b'{"leases":[{"domain":"signals","target":3,"action":{"type":"ShowStage","stage":2},"epoch":1,'
    b'"sequence":17,"issued_at_ms":1800000000000,"not_after_ms":1800000004000}]}',
    "receipts": b'{"receipts":[{"domain":"signals","target":3,"sequence":17,"status":"STALE","at_ms":1800000000000}]}',
    "field state": b'{"state":"running","at_ms":1800000000000}',
    "mqtt connect": bytes.fromhex("00044d51545405c2001e00000161000161000162"),
    "mqtt publish": bytes.fromhex("0003612f62000105230001010178"),
    "mqtt subscribe": bytes.fromhex("0001000003612f2301"),
    "mqtt unsubscribe": bytes.fromhex("0001000003612f23"),
    "mqtt disconnect": bytes.fromhex("0000"),
}


@pytest.mark.parametrize("name", DECODERS)
def test_the_messages_that_are_spoilt_are_sound(name):
    """A message that is refused as it stands would keep its parser from being tried any further."""
    DECODERS[name](SEEDS[name])


@st.composite
def spoilt(draw, whole: bytes) -> bytes:
    """A sound message with some bytes changed, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if data:
                data[at] = draw(st.integers(0, 255))
            case 1:
                del data[at : at + draw(st.integers(1, 8))]
            case 2:
                data[at:at] = draw(st.binary(max_size=8))
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=80)
@given(data=st.data())
def test_spoilt_messages_are_read_or_refused(name, data):
    """Nothing but a refusal of ours is raised, and what is read keeps its shape."""
    body = data.draw(st.one_of(spoilt(SEEDS[name]), st.binary(max_size=200)))
    try:
        found = DECODERS[name](body)
    except WireError:
        return
    if isinstance(found, NamedReadings):
        assert len(found.names) == len(found.observed_at_ms) == len(found.value)
        assert found.units is None or len(found.units) == len(found.names)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["value", "result", "observed_at_ms", "phenomenonTime", "x"]), JSON_VALUES))
@example({"value": 1e308, "observed_at_ms": 2**63})
def test_the_quick_scan_never_takes_what_the_strict_decoder_refuses(message):
    """Where the compiled scanner is sure, the strict decoder reads the very same."""
    body = json.dumps(message).encode()
    sure, value, instant = scan_reading(np.frombuffer(b"#" + body, np.uint8), 1, len(body) + 1)
    if sure == SURE:
        assert decode_single(body)[:2] == (value, instant)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=30), st.booleans()), max_size=8), st.data())
def test_splitting_anywhere_finds_the_same(messages, data):
    """However the bytes are cut into reads, the same readings and packets come out in the same order."""
    topics = TopicTable()
    topics.add([b"readings/0", b"readings/1"], np.array([0, 1]))
    stream = b"".join(
        encode_publish(
            Publish(
                topic=f"readings/{topic}",
                payload=b"%d" % len(payload) if plain else payload,
                qos=1,
                packet_id=place + 1,
            ),
            4,
        )
        for place, (topic, payload, plain) in enumerate(messages)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    whole, parts = _split_all(topics, [stream]), _split_all(topics, np.split(np.frombuffer(stream, np.uint8), cuts))
    assert whole == parts
    assert len(whole[0]) + len(whole[1]) == len(messages)


def _split_all(topics, pieces):
    rows = Rows.with_room(100, 100)
    version, alias = np.array([4], np.uint8), np.full((1, ALIASES + 1), -1, np.int32)
    readings, packets, rest = [], [], b""
    for piece in pieces:
        text = np.frombuffer(rest + bytes(piece), np.uint8).copy()
        begins, ends = np.array([0]), np.array([len(text)])
        found, others = split(text, begins, ends, np.zeros(1, np.int32), version, alias, topics, rows, 1000)
        readings += list(
            zip(rows.stream[:found].tolist(), rows.value[:found].tolist(), rows.packet_id[:found].tolist(), strict=True)
        )
        packets += [bytes(text[rows.rest_begin[at] : rows.rest_end[at]]) for at in range(others)]
        rest = bytes(text[begins[0] :])
    return readings, packets, rest
