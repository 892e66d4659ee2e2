"""What holds for every expression, query and hostile text."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cityloop.kernel.errors import InputError
from cityloop.wire.json_patch import apply_patch
from cityloop.wire.multipart import boundary_of, join_parts, parse_request, split_parts
from cityloop.wire.odata import (
    Binary,
    Call,
    Expand,
    Literal,
    LiteralKind,
    Member,
    Negate,
    Not,
    ODataError,
    Order,
    Query,
    parse_expression,
    parse_path,
    parse_query_string,
    render,
)
from cityloop.wire.odata.ast import PRECEDENCE
from cityloop.wire.odata.geometry import geometry_of_geojson, geometry_of_wkt
from cityloop.wire.odata.parser import FUNCTIONS
from cityloop.wire.sensorthings.data_array import decode_plain, decode_rows
from cityloop.wire.sensorthings.entities import decode_entity
from cityloop.wire.sensorthings.model import ENTITIES
from cityloop.wire.sensorthings.rendering import options_text
from cityloop.wire.sensorthings.times import format_instant, parse_instant, parse_instants

WORDS = {*PRECEDENCE, "not", "true", "false", "null", "in"}
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in WORDS)
instants = st.integers(-62_135_596_800_000, 253_402_300_799_999).map(format_instant)
numbers = st.one_of(st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False))
literals = st.one_of(
    st.just(Literal(LiteralKind.NULL, None)),
    st.booleans().map(lambda value: Literal(LiteralKind.BOOL, value)),
    numbers.map(lambda value: Literal(LiteralKind.NUMBER, value)),
    st.text(max_size=20).map(lambda value: Literal(LiteralKind.TEXT, value)),
    instants.map(lambda value: Literal(LiteralKind.INSTANT, value)),
    st.tuples(instants, instants).map(lambda pair: Literal(LiteralKind.PERIOD, "/".join(pair))),
    st.dates().map(lambda value: Literal(LiteralKind.DATE, value.isoformat())),
    st.sampled_from(["PT1H", "P1DT2M", "-PT0.5S"]).map(lambda value: Literal(LiteralKind.DURATION, value)),
    st.sampled_from(["POINT(1 2)", "LINESTRING(0 0,1 1)"]).map(lambda value: Literal(LiteralKind.GEOGRAPHY, value)),
)
members = st.lists(names, min_size=1, max_size=3).map(lambda steps: Member(tuple(steps)))


def wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    calls = st.sampled_from(sorted(FUNCTIONS)).flatmap(
        lambda name: st.lists(inner, min_size=FUNCTIONS[name][0], max_size=FUNCTIONS[name][0]).map(
            lambda arguments: Call(name, tuple(arguments))
        )
    )
    operators = st.sampled_from(sorted(set(PRECEDENCE) - {"in"}))
    listed = st.lists(inner, min_size=1, max_size=3).map(lambda items: Call("", tuple(items)))
    return st.one_of(
        st.builds(Not, inner),
        st.builds(Negate, inner),
        st.builds(Binary, operators, inner, inner),
        st.builds(Binary, st.just("in"), inner, listed),
        calls,
    )


expressions = st.recursive(st.one_of(literals, members), wider, max_leaves=12)


def queries(depth: int) -> st.SearchStrategy[Query]:
    expands: st.SearchStrategy[tuple[Expand, ...]] = st.just(())
    if depth:
        one = st.builds(Expand, names, queries(depth - 1))
        expands = st.lists(one, max_size=2, unique_by=lambda e: e.navigation).map(tuple)
    return st.builds(
        Query,
        where=st.one_of(st.none(), expressions),
        select=st.lists(names, max_size=2).map(tuple),
        expand=expands,
        order=st.lists(st.builds(Order, expressions, st.booleans()), max_size=2).map(tuple),
        top=st.one_of(st.none(), st.integers(0, 10**6)),
        skip=st.integers(0, 10**6),
        count=st.sampled_from([None, True, False]),
    )


@settings(max_examples=150, deadline=None)
@given(expressions)
def test_every_expression_is_read_back_as_it_was_written(expr):
    """Canonical text and value are two forms of one thing."""
    assert parse_expression(render(expr)) == expr


@settings(max_examples=80, deadline=None)
@given(queries(2))
def test_every_query_is_read_back_from_its_address(query):
    """So a nextLink asks for the same collection again."""
    assert parse_query_string(options_text(query)) == query


hostile = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="()'$/,;=@ \t-.0123456789eEaornd:TZ", max_size=80),
    st.lists(st.sampled_from(["(", ")", "'", "and", "not", "eq", "1", "geo.distance", ",", "/", "-"])).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(hostile)
def test_no_text_does_worse_than_an_error(text):
    """Parsers of text answer with a value or an error of ours."""
    for parse in (parse_expression, parse_path, parse_query_string, geometry_of_wkt, parse_instant):
        try:
            parse(text)
        except (ODataError, UnicodeDecodeError):
            continue


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "result",
                    "Datastream",
                    "@iot.id",
                    "type",
                    "coordinates",
                    "op",
                    "path",
                    "value",
                    "dataArray",
                    "components",
                    "phenomenonTime",
                    "unitOfMeasurement",
                    "Locations",
                    "properties",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(ENTITIES)), json_values, st.booleans())
def test_no_json_does_worse_than_an_error(entity, value, partial):
    """Decoders of bodies answer with a value or an error of ours."""
    for decode in (
        lambda: decode_entity(ENTITIES[entity], value, partial=partial),
        lambda: geometry_of_geojson(value),
        lambda: list(decode_rows(value)),
        lambda: apply_patch({"name": "a", "properties": {"x": [1]}}, value),
    ):
        try:
            decode()
        except InputError:
            continue


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_an_error(body):
    """Nor do raw bodies."""
    for decode in (
        lambda: decode_plain(body),
        lambda: decode_plain(b'[{"components":["result"],' + body),
        lambda: split_parts(body, "b"),
        lambda: parse_request(body),
        lambda: boundary_of(body.decode("latin-1")),
    ):
        try:
            decode()
        except InputError:
            continue


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-62_135_596_800_000, 253_402_300_799_999), max_size=20))
def test_instants_by_the_thousand_are_those_one_by_one(instants_ms):
    """The fast reader and the careful one agree, and both undo the writer."""
    texts = [format_instant(ms) for ms in instants_ms]
    assert parse_instants(texts).tolist() == [parse_instant(text) for text in texts] == instants_ms


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40).filter(lambda body: b"--" not in body and b"\n" not in body), max_size=4))
def test_parts_are_split_as_they_were_joined(bodies):
    """Multipart bodies come apart where they were put together."""
    joined = join_parts((({"Content-Type": "application/http"}, body) for body in bodies), "frontier")
    assert [part.body for part in split_parts(joined, "frontier")] == bodies
