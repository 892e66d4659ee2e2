"""What the room shows: city, layout, junctions, decisions, sensors, frames, cases."""

from __future__ import annotations

import gzip
import struct
from typing import Any

import pytest

from cityloop.web.bodies import BODIES
from cityloop.web.pages import openapi
from cityloop.web.policy import POLICY
from cityloop.wire.frame import Kind, frame_sections

NOW_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def viewer(shared_room: Any) -> Any:
    return shared_room.client("viewer")


def test_the_city_says_what_it_is(viewer: Any) -> None:
    """Mode, label, districts and counts are there before anything else."""
    city = viewer.get("/api/v1/city").json()
    assert city["mode"] == "load-test"
    assert city["counts"]["sensors"] == 120_000
    assert sorted(j for d in city["districts"] for j in d["junctions"]) == list(range(760))


def test_layout_and_geometry_are_sent_once(viewer: Any) -> None:
    """Whoever has the tag is answered 304."""
    for name in ("layout", "geometry"):
        first = viewer.get(f"/api/v1/{name}")
        assert first.status_code == 200
        again = viewer.get(f"/api/v1/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304


def test_lines_are_told_from_the_first_point_on(viewer: Any) -> None:
    """The first point is absolute in decimetres from the box's corner, the rest are differences."""
    geometry = viewer.get("/api/v1/geometry").json()
    row, kind, width_dm, line = geometry["edges"][0]
    assert (row, kind, width_dm) == (0, 0, 70)
    assert line == [1600, 3200, 1600, 0]


def test_sensors_come_as_columns(viewer: Any) -> None:
    """Eight bytes of head, then x, y, kind and state of 120,000."""
    data = viewer.get("/api/v1/sensors.bin").content
    (count,) = struct.unpack_from("<I", data)
    assert count == 120_000
    assert len(data) == 8 + count * 6


def test_sensors_are_found_by_state(viewer: Any) -> None:
    """Only the states asked for come, with a reason, page by page."""
    first = viewer.get("/api/v1/sensors", params={"state": "silent", "limit": 5}).json()
    assert {item["state"] for item in first["items"]} == {"silent"}
    assert all(item["reason"] for item in first["items"])
    more = viewer.get("/api/v1/sensors", params={"state": "silent", "limit": 5, "cursor": first["next"]}).json()
    assert more["items"][0]["row"] > first["items"][-1]["row"]
    assert viewer.get("/api/v1/sensors", params={"state": "broken"}).status_code == 422


def test_recorded_frames_can_be_played_again(viewer: Any) -> None:
    """Each frame is whole, in order of time, without vehicles."""
    span = viewer.get("/api/v1/frames/span").json()
    assert (span["begin_ms"], span["end_ms"]) == (NOW_MS, NOW_MS + 59_000)
    data = viewer.get("/api/v1/frames", params={"begin_ms": NOW_MS, "end_ms": NOW_MS + 9000}).content
    frames, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    assert len(frames) == 10
    kinds = {section.kind for section in frame_sections(frames[0])}
    assert kinds == {Kind.LAMPS, Kind.JUNCTIONS, Kind.QUEUES, Kind.EDGES}


def test_a_span_too_long_is_refused(viewer: Any) -> None:
    """History is read by the hour, so that nobody reads a week into memory."""
    params = {"begin_ms": 0, "end_ms": NOW_MS}
    assert viewer.get("/api/v1/decisions", params=params).status_code == 422
    assert viewer.get("/api/v1/signals/3/history", params=params).status_code == 422
    backwards = {"begin_ms": NOW_MS, "end_ms": NOW_MS - 1}
    assert viewer.get("/api/v1/frames", params=backwards).status_code == 422


def test_a_case_without_records_says_so(viewer: Any) -> None:
    """An empty file is told in words and released without names."""
    case = viewer.get("/api/v1/case-file", params={"junction": 3, "at_ms": 1_000_000}).json()
    assert case["recorded_steps"] == 0
    assert "Nothing is recorded" in case["plain"][0]
    assert case["redacted"]


def test_an_instant_beyond_any_calendar_is_refused(viewer: Any) -> None:
    """Numbers that no clock shows are told with the bound, wherever an instant may be named."""
    for at_ms in (str(2**53), "9223372036854775807", "-1", "9" * 5000, "1e999"):
        answer = viewer.get("/api/v1/case-file", params={"junction": 3, "at_ms": at_ms})
        assert answer.status_code == 422, at_ms[:20]
    assert viewer.get("/api/v1/case-file", params={"junction": 3, "at_ms": 253_402_214_400_000}).status_code == 200


def test_a_case_page_runs_no_script(viewer: Any) -> None:
    """Names of streets are text on the page, whatever they hold."""
    page = viewer.get("/api/v1/case-file", params={"x_m": 100, "y_m": 100, "at_ms": NOW_MS, "format": "html"})
    assert "<script" not in page.text
    # Whoever reads it knows the city's clock, not milliseconds, and counts stages from one.
    assert "2026-01-01" in page.text
    assert str(NOW_MS)[:7] not in page.text
    assert "showed stage 1" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")


def test_search_finds_junctions_streets_and_sensors(viewer: Any) -> None:
    """A part of a name is enough; strange text finds nothing and breaks nothing."""
    kinds = {item["kind"] for item in viewer.get("/api/v1/search", params={"q": "street 1"}).json()["items"]}
    assert {"junction", "street"} <= kinds
    assert viewer.get("/api/v1/search", params={"q": "<script>"}).json()["items"] == []


def test_metrics_are_in_the_form_that_prometheus_reads(viewer: Any) -> None:
    """Each figure has its help and type."""
    text = viewer.get("/metrics").text
    assert "# TYPE cityloop_sensors gauge\ncityloop_sensors 120000\n" in text


def test_the_description_holds_every_route_and_body() -> None:
    """OpenAPI is made from the table: as many operations as rules that speak JSON."""
    described = openapi()
    operations = {op["operationId"] for path in described["paths"].values() for op in path.values()}
    hidden = {"page.index", "page.asset", "live.feed"}
    assert operations == {rule.name for rule in POLICY} - hidden
    assert all(
        "requestBody" in op
        for path in described["paths"].values()
        for op in path.values()
        if op["operationId"] in BODIES
    )


def test_big_answers_are_packed_once(shared_room: Any) -> None:
    """The layout is kept compressed and sent so."""
    packed, _ = shared_room.app.state.prepared["layout"]
    assert len(packed) < len(gzip.decompress(packed)) / 5
