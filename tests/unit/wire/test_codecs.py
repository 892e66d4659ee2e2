"""What devices speak, read into named readings; each with hand-checked numbers."""

from __future__ import annotations

import json
import struct
from zoneinfo import ZoneInfo

import cbor2
import numpy as np
import pyarrow as pa
import pytest

from cityloop.wire import arrow, reading_csv, senml
from cityloop.wire.gtfs_realtime import decode_vehicle_positions
from cityloop.wire.hires import decode_hires
from cityloop.wire.lorawan import decode_chirpstack, decode_ttn
from cityloop.wire.named import NO_INSTANT, WireError
from cityloop.wire.nmea import decode_nmea
from cityloop.wire.protobuf import varint
from cityloop.wire.single import decode_single
from cityloop.wire.sparkplug import decode_payload, decode_topic
from cityloop.wire.units import conversion, same_unit

NOW = 1_800_000_000_000
MOST = 1 << 24


def told(named):
    return dict(zip(named.names, zip(named.observed_at_ms.tolist(), named.value.tolist(), strict=True), strict=True))


# Arrow


@pytest.mark.parametrize("streams", [np.array([4, 2], np.int32), ["b", "a"]])
def test_arrow_packs_come_back_as_they_went(streams):
    """Rows and names, instants and values survive; the common columns are not copied."""
    body = arrow.encode_arrow(streams, np.array([5, 6]), np.array([1.5, 2.5]))
    (pack,) = arrow.decode_arrow(body, max_bytes=MOST)
    assert pack.observed_at_ms.tolist() == [5, 6]
    assert pack.value.tolist() == [1.5, 2.5]
    assert not pack.value.flags.owndata
    if isinstance(streams, list):
        assert [pack.names.to_pylist()[code] for code in pack.codes] == streams
    else:
        assert pack.stream.tolist() == [4, 2]


def test_arrow_takes_no_missing_time_for_now():
    """The least int64 is what a missing date becomes in many a sender's hands; it is an instant like any other."""
    body = arrow.encode_arrow(np.array([4], np.int32), np.array([NO_INSTANT]), np.array([1.5]))
    (pack,) = arrow.decode_arrow(body, max_bytes=MOST)
    assert pack.observed_at_ms.tolist() == [NO_INSTANT + 1]


def body_of(**columns):
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def test_arrow_takes_timestamps_of_any_unit():
    """Seconds and nanoseconds become milliseconds."""
    for unit, count in (("s", 7), ("ms", 7000), ("us", 7_000_000), ("ns", 7_000_000_000)):
        body = body_of(
            stream=pa.array(["a"]),
            observed_at_ms=pa.array([count], pa.timestamp(unit, "UTC")),
            value=pa.array([1], pa.int16()),
        )
        (pack,) = arrow.decode_arrow(body, max_bytes=MOST)
        assert pack.observed_at_ms.tolist() == [7000]


@pytest.mark.parametrize(
    "columns",
    [
        {"stream": pa.array(["a"]), "value": pa.array([1.0])},
        {"stream": pa.array(["a"]), "observed_at_ms": pa.array([1]), "value": pa.array(["1"])},
        {"stream": pa.array(["a"]), "observed_at_ms": pa.array([1.5]), "value": pa.array([1.0])},
        {"stream": pa.array([1], pa.int64()), "observed_at_ms": pa.array([1]), "value": pa.array([1.0])},
        {"stream": pa.array(["a"]), "observed_at_ms": pa.array([1]), "value": pa.array([None], pa.float64())},
        {"stream": pa.array(["a"]), "observed_at_ms": pa.array([1]), "value": pa.array([1.0]), "extra": pa.array([1])},
    ],
)
def test_arrow_refuses_other_columns(columns):
    """Missing and surplus columns, wrong types and nulls are told by name."""
    with pytest.raises(WireError, match="column"):
        list(arrow.decode_arrow(body_of(**columns), max_bytes=MOST))


def test_arrow_counts_what_a_body_unpacks_to_before_it_unpacks():
    """A few kilobytes that stand for a hundred megabytes are refused."""
    zeros = np.zeros(5_000_000)
    batch = pa.record_batch(
        [pa.array(zeros.astype(np.int32)), pa.array(zeros.astype(np.int64)), pa.array(zeros)],
        names=["stream", "observed_at_ms", "value"],
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    body = sink.getvalue().to_pybytes()
    assert len(body) < 10_000
    with pytest.raises(WireError, match="unpacks to more than"):
        list(arrow.decode_arrow(body, max_bytes=MOST))


# SenML


def test_senml_resolves_base_values():
    """The example of RFC 8428, section 5.1.3: base name, base time, base unit."""
    body = b"""[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
      "n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]"""
    named = senml.decode_senml_json(body, NOW)
    assert named.names[0] == "urn:dev:ow:10e2073a0108006:voltage"
    assert named.units == ["V", "A", "A"]
    assert named.value.tolist() == [120.1, 1.2, 1.3]
    assert named.observed_at_ms.tolist() == [1276020076001, 1276020071001, 1276020072001]


def test_senml_relative_times_count_from_now():
    """Times below 2**28 are seconds from now, and no time is now."""
    named = senml.decode_senml_json(b'[{"n":"a","v":1,"t":-2},{"n":"b","v":1}]', NOW)
    assert named.observed_at_ms.tolist() == [NOW - 2000, NOW]


def test_senml_cbor_says_the_same_as_json():
    """Both encodings of a pack are the same readings."""
    pack = [{-2: "dev/", -3: 1.8e9, 0: "t", 2: 21.5, 1: "Cel"}, {0: "on", 4: True}, {0: "s", 3: "text"}]
    named = senml.decode_senml_cbor(cbor2.dumps(pack), NOW)
    assert told(named) == {"dev/t": (NOW, 21.5), "dev/on": (NOW, 1.0)}
    assert named.refused[0].name == "dev/s"


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"[", b"[" * 200_000, b'[{"n":"a","v":1e999}]', b'[{"n":"a","v":NaN}]', b'[{"n":"a","v":"1"}]',
        b'[{"n":"a","v":' + b"9" * 5000 + b"}]", b'[{"n":"a","v":1,"must_":2}]', b'[{"bver":11}]',
    ],
)  # fmt: skip
def test_senml_refuses_what_is_none(body):
    """No number out of range, nothing that had to be understood, no depth is taken for a pack."""
    with pytest.raises(WireError):
        senml.decode_senml_json(body, NOW)


def test_senml_names_are_held_to_the_standard():
    """Names with spaces, look-alike letters or none are refused one by one."""
    named = senml.decode_senml_json(
        json.dumps([{"n": n, "v": 1} for n in ("ok", "no way", "\u0430bc", "caf\u00e9", "_x")]).encode(), NOW
    )
    assert list(named.names) == ["ok"]
    assert len(named.refused) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"\x81" * 200_000, b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc4\x82\x1a\x7f\xff\xff\xff\x01",
        b"\x81\xa2\x00\x61a\x02\xc2\x59\x08\x00" + b"\xff" * 2048, b"\x80\x80", b"\xff", b"\x9f",
    ],
)  # fmt: skip
def test_senml_cbor_costs_no_more_than_its_bytes(body):
    """Depth, promised lengths, tags and rubbish behind the pack are refused by their heads."""
    with pytest.raises(WireError):
        senml.decode_senml_cbor(body, NOW)


# CSV


def test_csv_takes_columns_in_any_order():
    """A header names the columns; instants come as numbers or as dates."""
    body = reading_csv.encode_csv(["a", 'b,"c"'], [1, 2], [1.5, -2.0])
    assert told(reading_csv.decode_csv(body)) == {"a": (1, 1.5), 'b,"c"': (2, -2.0)}
    named = reading_csv.decode_csv(b"value,unit,stream,observed_at\n3,Cel,x,2026-01-01T00:00:00.250Z\n")
    assert told(named) == {"x": (1767225600250, 3.0)}
    assert named.units == ["Cel"]


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"", "line 1"),
        (b"stream,value\na,1\n", "line 1"),
        (b"stream,observed_at_ms,value,x\n", "not known"),
        (b"stream,observed_at_ms,value\na,1,2\nb,x,3\n", "line 3, observed_at_ms 'x'"),
        (b"stream,observed_at_ms,value\na,1,2\nb,2\n", "line 3 has 2 fields"),
        (b"stream,observed_at_ms,value\na," + b"9" * 5000 + b",2\n", "line 2"),
        (b"stream,observed_at_ms,value\n,1,2\n", "line 2: name"),
    ],
)
def test_csv_refuses_a_file_whole_and_names_the_line(body, match):
    """One wrong line is one clear refusal."""
    with pytest.raises(WireError, match=match):
        reading_csv.decode_csv(body)


# Single readings


def test_single_readings_say_what_they_hold():
    """A bare number, an object with a time, and the standard's own names."""
    assert decode_single(b"21.5") == (21.5, NO_INSTANT, "")
    assert decode_single(b'{"value":1,"observed_at_ms":5,"unit":"K"}') == (1.0, 5, "K")
    assert decode_single(b'{"result":2,"phenomenonTime":"1970-01-01T00:00:01Z"}') == (2.0, 1000, "")


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"1e999", b"NaN", b"true", b'"1"', b"[1]", b"[" * 200_000, b"9" * 5000, b"{}", b'{"value":null}',
        b'{"value":1,"result":1}', b'{"value":1,"more":2}', b'{"value":1,"phenomenonTime":"2026-01-01T00:00:00"}',
        b'{"value":1,"phenomenonTime":"yesterday"}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_single_readings_are_never_guessed_at(payload):
    """What is no finite number with at most one instant is refused."""
    with pytest.raises(WireError):
        decode_single(payload)


# Protocol buffers: Sparkplug and GTFS-Realtime


def field(number: int, value) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def test_sparkplug_metrics_keep_sign_and_kind():
    """Signed integers come as two's complement, booleans as 1, null and text as no value."""
    metrics = [
        field(1, b"t") + field(4, 3) + field(10, 2**32 - 5),
        field(1, b"f") + field(4, 9) + field(12, 1.5),
        field(1, b"b") + field(4, 11) + field(14, 1),
        field(2, 7) + field(3, 99) + field(4, 4) + field(11, 2**64 - 1),
        field(1, b"n") + field(7, 1) + field(10, 3),
        field(1, b"s") + field(15, b"text"),
    ]
    payload = decode_payload(field(1, 42) + b"".join(field(2, metric) for metric in metrics) + field(3, 1))
    assert [metric.value for metric in payload.metrics] == [-5.0, 1.5, 1.0, -1.0, None, None]
    assert [metric.observed_at_ms for metric in payload.metrics][:4] == [42, 42, 42, 99]
    assert payload.metrics[3].alias == 7
    assert decode_topic("spBv1.0/g/DDATA/e/d").source == "g/e/d"
    with pytest.raises(WireError):
        decode_topic("spBv1.0/g/WRONG/e")


def test_gtfs_realtime_gives_positions_and_passes_the_rest_over():
    """A vehicle's own name and time go before the feed's; positions off the Earth are refused."""
    header = field(1, field(1, b"2.0") + field(3, 1_800_000_000))
    good = (
        field(2, field(1, 52.5) + field(2, 13.25) + field(5, 8.5))
        + field(5, 1_800_000_007)
        + field(8, field(1, b"bus-7"))
    )
    bad = field(2, field(1, 95.0) + field(2, 0.0))
    feed = header + field(2, field(1, b"e1") + field(4, good)) + field(2, field(1, b"e2") + field(4, bad))
    feed += field(2, field(1, b"e3") + field(2, 1) + field(4, good)) + field(2, field(1, b"e4") + field(3, b""))
    named = decode_vehicle_positions(feed)
    assert told(named) == {
        "bus-7/lat_deg": (1_800_000_007_000, 52.5),
        "bus-7/lon_deg": (1_800_000_007_000, 13.25),
        "bus-7/speed_mps": (1_800_000_007_000, 8.5),
    }
    assert [refused.name for refused in named.refused] == ["e2"]
    with pytest.raises(WireError, match="no header"):
        decode_vehicle_positions(b"")


# NMEA


def sentence(text: str) -> bytes:
    total = 0
    for byte in text.encode():
        total ^= byte
    return f"${text}*{total:02X}\r\n".encode()


def test_nmea_positions_are_degrees():
    """4807.038 N is 48 degrees and 7.038 minutes; the date is the RMC's; an unsigned line is refused."""
    body = sentence("GPRMC,123519,A,4807.038,N,01131.000,W,022.4,084.4,230326,003.1,W") + b"$GPRMC,x\r\n"
    named = decode_nmea(body, "bus")
    readings = told(named)
    assert readings["bus/lat_deg"] == (1774269319000, pytest.approx(48.1173))
    assert readings["bus/lon_deg"][1] == pytest.approx(-11.516667)
    assert readings["bus/speed_mps"][1] == pytest.approx(22.4 * 1852 / 3600)
    assert len(named.refused) == 1


def test_nmea_without_a_fix_gives_nothing():
    """A receiver that does not know where it is says so."""
    named = decode_nmea(sentence("GPRMC,123519,V,,,,,,,230326,,"), "bus")
    assert len(named) == 0
    assert "no fix" in named.refused[0].why


# LoRaWAN


def test_ttn_and_chirpstack_uplinks_give_every_number():
    """Nested numbers and booleans are readings named by their path; texts are refused; the signal comes along."""
    ttn = {
        "end_device_ids": {"device_id": "bin-17"},
        "uplink_message": {
            "received_at": "2026-01-01T00:00:00.123456789Z",
            "decoded_payload": {"fill_frac": 0.5, "lid": {"open": True}, "text": "x", "none": None},
            "rx_metadata": [{"rssi": -110, "snr": -2.5}, {"rssi": -90, "snr": 7}],
        },
    }
    named = decode_ttn(json.dumps(ttn).encode())
    at = 1767225600123
    assert told(named) == {
        "bin-17/fill_frac": (at, 0.5),
        "bin-17/lid/open": (at, 1.0),
        "bin-17/rssi_dbm": (at, -90.0),
        "bin-17/snr_db": (at, 7.0),
    }
    v4 = {"deviceInfo": {"deviceName": "soil-3"}, "time": "2026-01-01T00:00:00Z", "object": {"depth": [1, 2]}}
    assert told(decode_chirpstack(json.dumps(v4).encode())) == {
        "soil-3/depth/0": (1767225600000, 1.0),
        "soil-3/depth/1": (1767225600000, 2.0),
    }
    v3 = {"devEUI": "00aa", "objectJSON": '{"t": 3.5}', "rxInfo": [{"rssi": -80, "loRaSNR": 9}]}
    assert told(decode_chirpstack(json.dumps(v3).encode()))["00aa/t"] == (NO_INSTANT, 3.5)


def test_an_uplink_without_a_decoder_is_refused():
    """Raw bytes alone are no reading, and the message says what to set up."""
    with pytest.raises(WireError, match="decoder"):
        decode_ttn(b'{"end_device_ids":{"device_id":"x"},"uplink_message":{"frm_payload":"AQ=="}}')


# Signal controllers


def test_controller_events_become_states_in_the_controllers_zone():
    """Detectors, phases and walks are states; other events keep their code; summer time is the zone's."""
    body = b"SignalID,Timestamp,EventCode,EventParam\n7,2026-07-01 12:00:00.1,82,4\n7,2026-07-01T12:00:00.5,8,2\n"
    body += (
        b"7,2026-07-01 12:00:01,131,9\n7,2026-07-01 12:00:01,43,1\n7,never,1,1\n7,2026-07-01 12:00:01,"
        + b"9" * 5000
        + b",1\n"
    )
    named = decode_hires(body, ZoneInfo("Europe/Berlin"))
    noon = 1782900000000
    assert told(named) == {
        "7/detector/4": (noon + 100, 1.0),
        "7/phase/2": (noon + 500, 2.0),
        "7/pattern": (noon + 1000, 9.0),
        "7/event/43": (noon + 1000, 1.0),
    }
    assert len(named.refused) == 2


# Units


def test_units_are_converted_where_that_is_right():
    """Spellings are one unit, scales and offsets are applied, and other quantities are not converted."""
    assert same_unit("°C", "Cel")
    scale, offset = conversion("degF", "Cel")
    assert 212 * scale + offset == pytest.approx(100)
    assert conversion("km/h", "m/s")[0] * 36 == pytest.approx(10)
    assert conversion("Cel", "m/s") is None
    assert conversion("furlong", "m") is None
