"""SRM and SSM in JSON: the standard's spelling, its ranges, its status words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cityloop.kernel.errors import InputError
from cityloop.kernel.messages import Priority, RequestStatus
from cityloop.wire.signal_request import (
    STATUS_WORDS,
    AccessPoint,
    Intersection,
    SignalStatus,
    StatusOf,
    decode_request,
    encode_status,
    priority_of,
)


def message(role: str = "ambulance", **ask: Any) -> dict[str, Any]:
    """Return an SREM of one request."""
    request = {
        "id": {"region": 49, "id": 1201},
        "requestID": 5,
        "requestType": "priorityRequest",
        "inBoundLane": {"approach": 3},
        "outBoundLane": {"approach": 1},
    } | ask
    return {
        "header": {"protocolVersion": 2, "messageID": 9, "stationID": 77},
        "srm": {
            "timeStamp": 470_000,
            "second": 12_000,
            "sequenceNumber": 4,
            "requests": [{"request": request, "minute": 470_000, "second": 31_000, "duration": 4_000}],
            "requestor": {
                "id": {"stationID": 77},
                "type": {"role": role},
                "position": {"position": {"lat": 524_300_000, "long": 135_300_000}, "heading": 7_200},
            },
        },
    }


def test_a_request_is_read_in_the_standards_spelling() -> None:
    """Who, which signal, which way in, and when it is there."""
    read = decode_request(json.dumps(message()).encode(), "gate")
    (package,) = read.requests
    assert (package.request.id.id, package.request.request_id, package.request.in_bound_lane.approach) == (1201, 5, 3)
    assert (read.requestor.id.station_id, package.second) == (77, 31_000)


@pytest.mark.parametrize(
    ("role", "priority"),
    [("ambulance", Priority.EMERGENCY_HIGH), ("transit", Priority.TRANSIT), ("basicVehicle", None)],
)
def test_a_role_bounds_what_may_be_asked(role: str, priority: Priority | None) -> None:
    """A private car may ask for nothing, and nobody on the road for rail's priority."""
    assert priority_of(decode_request(json.dumps(message(role)).encode(), "gate")) is priority


@pytest.mark.parametrize(
    "changed",
    [{"requestID": 256}, {"requestType": "please"}, {"inBoundLane": {}}, {"inBoundLane": {"lane": 1, "approach": 2}}],
)
def test_what_the_standard_does_not_allow_is_one_clear_line(changed: dict[str, Any]) -> None:
    """Out of range, an unknown word, no way in or two: refused with the source's name."""
    with pytest.raises(InputError, match=r"^gate: [^\n]+$"):
        decode_request(json.dumps(message(**changed)).encode(), "gate")


def test_another_message_in_the_header_is_refused() -> None:
    """An SSEM is no SREM."""
    other = message()
    other["header"]["messageID"] = 10
    with pytest.raises(InputError, match="messageID 9"):
        decode_request(json.dumps(other).encode(), "gate")


def test_every_status_has_the_standards_word_and_number() -> None:
    """PrioritizationResponseStatus counts from unknown, 0, to reserviceLocked, 7."""
    assert [STATUS_WORDS[RequestStatus(code)] for code in range(8)] == [
        "unknown",
        "requested",
        "processing",
        "watchOtherTraffic",
        "granted",
        "rejected",
        "maxPresence",
        "reserviceLocked",
    ]


def test_answers_are_grouped_by_signal() -> None:
    """An SSEM lists each signal once, with all who asked there."""
    place = Intersection(id=1201, region=49)
    answers = tuple(
        StatusOf(
            station_id=station,
            request_id=5,
            sequence_number=4,
            intersection=place,
            inbound_on=AccessPoint(approach=3),
            status=status,
        )
        for station, status in ((77, RequestStatus.GRANTED), (78, RequestStatus.PROCESSING))
    )
    sent = json.loads(encode_status(SignalStatus(minute=1, second_ms=2, sequence_number=3, answers=answers), 9))
    assert sent["header"]["messageID"] == 10
    (signal,) = sent["ssm"]["status"]
    assert signal["id"] == {"id": 1201, "region": 49}
    assert [one["status"] for one in signal["sigStatus"]] == ["granted", "processing"]
    assert signal["sigStatus"][0]["requester"]["id"] == {"stationID": 77}
