"""Calls in every form they come in: what is written is read again, and nothing that is sent breaks the reader."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloop.wire.calls import CallReport, CallState, Place, decode_call, encode_call, text_of
from cityloop.wire.cap_alert import CapAlert, CapCircle, call_of_cap, decode_cap, encode_cap
from cityloop.wire.eido import Assigned, decode_eido, encode_eido
from cityloop.wire.named import WireError

NOW_MS = 1_767_225_600_000

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=40).map(
    lambda text: " ".join(text_of(text).split())
)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789:.-", min_size=1, max_size=60)
degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@st.composite
def reports(draw: Any, *, metres: bool = False) -> CallReport:
    """Return any call."""
    place = Place(words=draw(words))
    if draw(st.booleans()):
        lat_deg, lon_deg = draw(degrees)
        place = Place(lat_deg=lat_deg, lon_deg=lon_deg, words=place.words)
    elif metres:
        place = Place(x_m=draw(st.floats(-1e6, 1e6)), y_m=draw(st.floats(-1e6, 1e6)), words=place.words)
    state = draw(st.sampled_from(CallState))
    return CallReport(
        incident=draw(names),
        sender=draw(names),
        state=state,
        priority=draw(st.none() | st.integers(0, 99)),
        common_priority=draw(st.none() | st.integers(0, 10)),
        determinant=draw(words.filter(bool)),
        place=place,
        received_at_ms=draw(st.none() | st.integers(0, 4_000_000_000_000)),
        duplicate_of=draw(names) if state is CallState.DUPLICATE else "",
        note=draw(words),
    )


@given(report=reports(metres=True))
def test_a_call_in_our_own_json_is_read_as_it_was_written(report: CallReport) -> None:
    """Every key."""
    assert decode_call(encode_call(report)) == report


@given(report=reports())
def test_a_call_in_eido_is_read_as_it_was_written(report: CallReport) -> None:
    """Place to the last digit, priority, type, status, and the one that it is a duplicate of."""
    assigned = (Assigned(unit="A 1", status="Assigned", dispatched_at_ms=NOW_MS, on_scene_at_ms=NOW_MS + 1),)
    assert decode_eido(encode_eido(report, issuer="cityloop", now_ms=NOW_MS, assigned=assigned)) == report


@given(
    name=names,
    event=words.filter(bool),
    area=words.filter(bool),
    place=degrees,
    radius_km=st.floats(0, 100),
    references=st.lists(names, max_size=3),
    parameters=st.lists(st.tuples(words.filter(bool), words.filter(bool)), max_size=3),
)
def test_an_alert_is_read_as_it_was_written(
    name: str,
    event: str,
    area: str,
    place: tuple[float, float],
    radius_km: float,
    references: list[str],
    parameters: list[tuple[str, str]],
) -> None:
    """With what it refers to, its parameters and its circle."""
    alert = CapAlert(
        identifier=name, sender=name, sent_at_ms=NOW_MS, status="Actual", kind="Alert", scope="Private",
        references=tuple(references), categories=("Health",), event=event, urgency="Immediate", severity="Severe",
        certainty="Observed", headline=event, parameters=tuple(parameters), area=area,
        circle=CapCircle(lat_deg=place[0], lon_deg=place[1], radius_km=radius_km),
    )  # fmt: skip
    assert decode_cap(encode_cap(alert, "2026-01-01T01:00:00+01:00").encode()) == alert


def refusal(decode: Any, data: bytes) -> str | None:
    """Return the line that refuses a message, None where it is taken."""
    try:
        decode(data)
    except WireError as error:
        return str(error)
    return None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
eido_keys = st.sampled_from(
    ["$id", "incidentComponent", "locationComponent", "callComponent", "mergeComponent", "notesComponent", "x"]
)


@pytest.mark.parametrize("decode", [decode_call, decode_eido, decode_cap])
@given(data=st.binary(max_size=300))
def test_whatever_bytes_come_are_a_call_or_one_line(decode: Any, data: bytes) -> None:
    """Nothing but a wire error with a single line leaves a codec."""
    assert "\n" not in (refusal(decode, data) or "")


@given(value=st.dictionaries(eido_keys, json_values, max_size=5))
def test_whatever_eido_comes_is_a_call_or_one_line(value: Any) -> None:
    """Known keys with other contents are named."""
    why = refusal(decode_eido, msgspec.json.encode(value))
    assert why is None or (why.startswith("EIDO") and "\n" not in why)


@given(text=st.text(max_size=200))
def test_whatever_location_comes_is_a_place_or_one_line(text: str) -> None:
    """A location that is no PIDF-LO is refused by its key."""
    value = {"$id": "a", "locationComponent": [{"$id": "b", "locationByValue": text_of(text)}]}
    why = refusal(decode_eido, msgspec.json.encode(value))
    assert why is None or "locationByValue" in why


@given(status=st.sampled_from(["Exercise", "System", "Test", "Draft"]))
def test_an_exercise_is_never_a_call(status: Any) -> None:
    """Nobody is sent to a drill that was announced."""
    alert = CapAlert(identifier="a", sender="b", sent_at_ms=0, status=status, kind="Alert", scope="Public")
    assert call_of_cap(alert) is None
