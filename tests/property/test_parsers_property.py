"""What the other fuzz tests leave: each parser of ``wire`` reads what comes, or says in one line what is wrong."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityloop import wire
from cityloop.cities.toy.assets import ToyParams, toy_layout
from cityloop.domains.signals.schema import DOMAIN, SignalAssets
from cityloop.kernel.errors import CityloopError
from cityloop.wire.city_document import decode_city_document, encode_city_document
from cityloop.wire.field import decode_leases, decode_receipts, decode_report
from cityloop.wire.layout import decode_layout, encode_layout
from cityloop.wire.live import decode_down, decode_up
from cityloop.wire.mqtt.properties import encode_properties, take_binary, take_properties, take_text
from cityloop.wire.mqtt.topics import is_filter, matches
from cityloop.wire.nmea import decode_nmea
from cityloop.wire.odata import parse_expression, parse_path, parse_query_string
from cityloop.wire.reading_csv import decode_csv
from cityloop.wire.scan import SURE, scan_instant, scan_number
from cityloop.wire.sensorthings.data_array import decode_plain
from cityloop.wire.sensorthings.entities import decode_reference
from cityloop.wire.sensorthings.times import parse_duration, parse_period
from cityloop.wire.signal_request import decode_request
from cityloop.wire.single import decode_single, instant_ms
from cityloop.wire.sparkplug import decode_topic
from cityloop.wire.units import conversion, same_unit
from cityloop.wire.unpacked import unpacked_bytes

TABLES = {DOMAIN: SignalAssets}
LAYOUT = toy_layout(ToyParams())

SIGNAL_REQUEST = (
    b'{"srm":{"timeStamp":1,"second":2,"sequenceNumber":4,"requests":[{"request":{"id":{"region":49,"id":12},'
    b'"requestID":5,"requestType":"priorityRequest","inBoundLane":{"approach":3},"outBoundLane":{"approach":1}},'
    b'"minute":1,"second":3,"duration":4}],"requestor":{"id":{"stationID":77},"type":{"role":"ambulance"},'
    b'"position":{"position":{"lat":524300000,"long":135300000},"heading":7200}}}}'
)
BYTE_PARSERS = {
    "decode_city_document": (lambda b: decode_city_document(b, TABLES, "city"), encode_city_document("toy", LAYOUT)),
    "decode_layout": (lambda b: decode_layout(b, TABLES), encode_layout(LAYOUT)),
    "decode_leases": (
        lambda b: decode_leases(b, {}),
        (
            b'{"leases":[{"domain":"signals","target":1,"action":{"type":"Hold"},"epoch":1,"sequence":2,'
            b'"issued_at_ms":3,"not_after_ms":4}]}'
        ),
    ),
    "decode_receipts": (
        decode_receipts,
        b'{"receipts":[{"domain":"signals","target":1,"sequence":2,"status":"ACCEPTED","at_ms":3}]}',
    ),
    "decode_report": (decode_report, b'{"state":"running","at_ms":3}'),
    "decode_request": (lambda b: decode_request(b, "gate"), SIGNAL_REQUEST),
    "take_properties": (lambda b: take_properties(b, 0), encode_properties({0x11: 5, 0x26: [("a", "b")], 0x03: "x"})),
    "take_text": (lambda b: take_text(b, 0), b"\0\3abc"),
    "take_binary": (lambda b: take_binary(b, 0), b"\0\3abc"),
    "unpacked_bytes": (lambda b: unpacked_bytes(b, most=1 << 20), b"\xff\xff\xff\xff\x10\0\0\0" + bytes(16)),
    "decode_plain": (
        decode_plain,
        (
            b'[{"Datastream":{"@iot.id":5},"components":["phenomenonTime","result"],'
            b'"dataArray":[["2026-01-01T00:00:00Z",1.5]]}]'
        ),
    ),
}
TEXT_PARSERS = {
    "decode_topic": (decode_topic, "spBv1.0/plant/DDATA/edge/device"),
    "parse_path": (parse_path, "Things(5)/Datastreams('a')/Observations/$ref"),
    "parse_query_string": (parse_query_string, "$filter=result%20gt%205&$expand=Thing($select=name)&$top=3"),
    "parse_expression": (parse_expression, "year(resultTime) eq 2026 and not st_within(l, geography'POINT(1 2)')"),
    "parse_period": (parse_period, "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"),
    "parse_duration": (parse_duration, "P1DT2H3M4.5S"),
    "instant_ms": (instant_ms, "2026-01-01T00:00:00.123Z"),
    "is_filter": (is_filter, "a/+/b/#"),
    "matches": (lambda text: matches(text, "a/b/c"), "a/+/c"),
    "conversion": (lambda text: conversion(text, "Cel"), "degF"),
    "same_unit": (lambda text: same_unit(text, "Cel"), "°C"),
}
ELSEWHERE = ("test_wire_fuzz.py", "test_odata_property.py", "test_blocks_property.py", "test_call_codecs_property.py")
"""Other modules of this folder that put parsers to the same test."""

REFUSALS = (CityloopError, msgspec.MsgspecError)


def said(parse, given):
    """Return what a parser has against what it was given; empty when it took it."""
    try:
        parse(given)
    except CityloopError as error:
        return str(error)
    return ""


@st.composite
def spoilt(draw, whole):
    """A sound text or message with pieces changed, cut out, doubled or put in."""
    data = whole
    empty = whole[:0]
    pieces = st.text(max_size=6) if isinstance(whole, str) else st.binary(max_size=6)
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.integers(0, 12))
        middle = draw(st.one_of(pieces, st.just(data[at : at + size] * 2), st.just(empty)))
        data = data[:at] + middle + data[at + size :]
    return data


@pytest.mark.parametrize("name", BYTE_PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_do_worse_than_a_refusal(name, data):
    """A spoilt message is read or refused with an error of ours."""
    parse, sound = BYTE_PARSERS[name]
    body = data.draw(st.one_of(spoilt(sound), st.binary(max_size=60)))
    assert "\n" not in said(parse, body)


@pytest.mark.parametrize("name", TEXT_PARSERS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_text_does_worse_than_a_refusal(name, data):
    """A spoilt text is read or refused with an error of ours."""
    parse, sound = TEXT_PARSERS[name]
    text = data.draw(st.one_of(spoilt(sound), st.text(max_size=40)))
    assert "\n" not in said(parse, text)


STRICT = ("decode_topic", "parse_expression", "parse_period", "parse_duration", "instant_ms")


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize("text", ["9" * 5000, "(" * 200_000, "[" * 200_000, "not " * 100_000, "a/" * 100_000, ""])
def test_deep_and_long_texts_are_refused(name, text):
    """Neither 200,000 levels nor 5,000 digits end a parser otherwise than with one line."""
    if (name, text[:2]) != ("parse_expression", "99"):
        assert said(TEXT_PARSERS[name][0], text)
    else:
        said(TEXT_PARSERS[name][0], text)


@pytest.mark.parametrize(
    "text", ["$filter=" + "(" * 200_000, "$filter=%80", "$top=" + "9" * 5000, "$expand=" + "Things(" * 9_999]
)
def test_deep_and_long_addresses_are_refused(text):
    """Options too deep, too long or not in UTF-8."""
    assert said(parse_query_string, text)


@pytest.mark.parametrize("identity", ['"1_000"', '"\u0661"', '" 5"', '"-5"', "9" * 5000, "1e999", "true"])
def test_an_id_is_a_row_number_and_nothing_like_one(identity):
    """A data array whose ids only Python would take for numbers is left to the row-by-row reader."""
    sound = BYTE_PARSERS["decode_plain"][1]
    assert decode_plain(sound) is not None
    assert decode_plain(sound.replace(b'"@iot.id":5', b'"@iot.id":' + identity.encode())) is None
    assert decode_plain(sound.replace(b"phenomenonTime", b"\x80")) is None


@given(st.one_of(st.none(), st.integers(), st.text(max_size=5), st.dictionaries(st.text(max_size=8), st.integers())))
def test_a_reference_is_an_id_or_refused(value):
    """Only an object with an ``@iot.id`` that is a whole number or a text refers to anything."""
    try:
        assert decode_reference(value, "Thing").id == value["@iot.id"]
    except CityloopError:
        assert not isinstance(value, dict) or "@iot.id" not in value


@given(spoilt(msgspec.msgpack.encode({"type": "Tick"})))
def test_what_the_twin_child_says_is_typed_or_refused(body):
    """Bytes between our own processes are decoded to a message or refused by msgspec, never half read."""
    for decode in (decode_up, decode_down):
        try:
            decode(body)
        except (*REFUSALS, UnicodeDecodeError):
            continue


@given(st.text(alphabet="0123456789+-.eE_ ١", max_size=24))
@example("1e999")
@example("1_000")
def test_scanned_numbers_are_those_of_python(text):
    """Where the compiled scan is sure of a number it is the number, and it is finite."""
    data = text.encode()
    sure, value, end = scan_number(np.frombuffer(b"#" + data + b",", np.uint8), 1, len(data) + 2)
    if sure == SURE:
        assert value == float(data[: end - 1])
        assert np.isfinite(value)


@given(st.text(alphabet="0123456789-T:.Z+", max_size=30))
@example("2262-04-11T23:47:16.854Z")
@example("1970-01-01T00:00:00Z")
def test_scanned_instants_are_those_of_the_strict_parser(text):
    """Where the compiled scan is sure of an instant the strict parser reads the same."""
    data = text.encode()
    sure, value, end = scan_instant(np.frombuffer(b"#" + data + b'"', np.uint8), 1, len(data) + 2)
    if sure == SURE and end == len(data) + 1:
        assert value == instant_ms(text)


@given(st.lists(st.text(alphabet="$GPRMCA,0123456789.NEW*\r\n", max_size=60), max_size=5))
def test_sentences_of_receivers_never_end_the_parser(lines):
    """Anything that looks like NMEA is read or left out with its reason."""
    try:
        found = decode_nmea("".join(lines).encode(), "bus-7")
    except CityloopError:
        return
    assert np.isfinite(found.value).all()


def test_every_parser_of_wire_is_put_to_such_a_test():
    """A parser that is added to ``wire`` and fuzzed nowhere fails here, by its name."""
    here = Path(__file__).parent
    texts = Path(__file__).read_text() + "".join((here / name).read_text() for name in ELSEWHERE)
    missing = []
    for module in pkgutil.walk_packages(wire.__path__, "cityloop.wire."):
        for name, item in inspect.getmembers(import_module(module.name), callable):
            begins = name.startswith(("decode_", "parse_", "take_", "scan_", "split", "unpack", "geometry_of"))
            if begins and getattr(item, "__module__", "") == module.name and f"{name}" not in texts:
                missing.append(f"{module.name}.{name}")
    assert missing == []


@pytest.mark.parametrize("header", [b"stream\r,observed_at_ms,value", b"stream,value," + b"x" * 200_000])
def test_a_first_line_that_is_no_csv_is_refused(header):
    """A carriage return within a field, a field without end."""
    assert said(decode_csv, header + b"\na,1,1\n").startswith("line 1 is not CSV")


def test_a_refusal_is_one_line_whatever_it_quotes():
    """Names of options and of keys are the sender's and may hold line breaks."""
    for parse, message in (
        (decode_single, b'{"value":1.5,"a\\u000ab":1}'),
        (parse_query_string, "$fil%0Ater=1"),
        (parse_query_string, "$fil\nter=1"),
    ):
        told = said(parse, message)
        assert told
        assert "\n" not in told


@pytest.mark.parametrize("kind", [b"<f,", b"O", b"<f8,<f8", b"V8"])
def test_a_layout_holds_numbers_and_nothing_else_that_numpy_knows(kind):
    """The kind of an array's elements is text of the sender's, and NumPy reads more into it than numbers."""
    sound = encode_layout(LAYOUT)
    other = sound.replace(b"\xa3<f8", bytes([0xA0 + len(kind)]) + kind, 1)
    assert other != sound
    assert "is damaged" in said(lambda body: decode_layout(body, TABLES), other)
