"""Requests to signals and their answers as vehicles speak them: SRM and SSM of SAE J2735, SREM and SSEM of ETSI.

Fields, ranges and status words are those of SAE J2735 and ISO/TS 19091 as far as public documents give them, in the
shape of ASN.1's JSON encoding rules (ITU-T X.697). The packed encoding (UPER) and the security envelope (IEEE 1609.2,
ETSI TS 103 097) belong to the road-side unit that hands these messages over, and are not here: whoever delivers one is
authenticated by its own credentials, and what it says still has to agree with what the dispatcher asked for.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cityloop.kernel.errors import InputError
from cityloop.kernel.messages import Priority, RequestStatus

__all__ = [
    "PROTOCOL_VERSION",
    "STATUS_WORDS",
    "Ask",
    "Requestor",
    "SignalRequest",
    "SignalStatus",
    "StatusOf",
    "decode_request",
    "encode_status",
    "priority_of",
]

PROTOCOL_VERSION = 2
_SREM, _SSEM = 9, 10
"""``messageID`` in the header of ETSI TS 102 894-2."""

STATUS_WORDS = {
    RequestStatus.UNKNOWN: "unknown",
    RequestStatus.REQUESTED: "requested",
    RequestStatus.PROCESSING: "processing",
    RequestStatus.WATCH_OTHER_TRAFFIC: "watchOtherTraffic",
    RequestStatus.GRANTED: "granted",
    RequestStatus.REJECTED: "rejected",
    RequestStatus.MAX_PRESENCE: "maxPresence",
    RequestStatus.RESERVICE_LOCKED: "reserviceLocked",
}
"""PrioritizationResponseStatus."""

_PRIORITIES = {
    "ambulance": Priority.EMERGENCY_HIGH,
    "fire": Priority.EMERGENCY_HIGH,
    "emergency": Priority.EMERGENCY_HIGH,
    "police": Priority.EMERGENCY,
    "roadRescue": Priority.EMERGENCY,
    "publicTransport": Priority.TRANSIT,
    "transit": Priority.TRANSIT,
}
"""The most that a role may ask for; any other may ask for nothing. Rail asks through its own detection alone."""

_Minute = Annotated[int, Meta(ge=0, le=527_040)]
_Second = Annotated[int, Meta(ge=0, le=65_535)]
_Byte = Annotated[int, Meta(ge=0, le=255)]
_Sequence = Annotated[int, Meta(ge=0, le=127)]
_Station = Annotated[int, Meta(ge=0, le=4_294_967_295)]


class _Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Written in the standard's own spelling."""


class Intersection(_Camel, frozen=True, kw_only=True):
    """IntersectionReferenceID."""

    id: Annotated[int, Meta(ge=0, le=65_535)]
    region: Annotated[int, Meta(ge=0, le=65_535)] | None = None


class AccessPoint(_Camel, frozen=True, kw_only=True):
    """IntersectionAccessPoint: one of lane, approach and connection."""

    lane: _Byte | None = None
    approach: Annotated[int, Meta(ge=0, le=15)] | None = None
    connection: _Byte | None = None


class Ask(_Camel, frozen=True, kw_only=True):
    """SignalRequest within a package."""

    id: Intersection
    request_id: _Byte = msgspec.field(name="requestID")
    request_type: Literal["priorityRequest", "priorityRequestUpdate", "priorityCancellation"]
    in_bound_lane: AccessPoint
    out_bound_lane: AccessPoint | None = None


class Package(_Camel, frozen=True, kw_only=True):
    """SignalRequestPackage: what is asked, and when the vehicle is there."""

    request: Ask
    minute: _Minute | None = None
    second: _Second | None = None
    duration: _Second | None = None
    """How long it is expected to take to pass. [ms]"""


class Station(_Camel, frozen=True, kw_only=True):
    """VehicleID."""

    station_id: _Station = msgspec.field(name="stationID")


class Role(_Camel, frozen=True, kw_only=True):
    """RequestorType."""

    role: str


class Place(_Camel, frozen=True, kw_only=True):
    """Position3D, in tenths of a microdegree."""

    lat: Annotated[int, Meta(ge=-900_000_000, le=900_000_001)]
    long: Annotated[int, Meta(ge=-1_799_999_999, le=1_800_000_001)]


class Position(_Camel, frozen=True, kw_only=True):
    """RequestorPositionVector."""

    position: Place
    heading: Annotated[int, Meta(ge=0, le=28_800)] | None = None
    """In steps of 0.0125 degrees."""


class Requestor(_Camel, frozen=True, kw_only=True):
    """RequestorDescription."""

    id: Station
    type: Role
    position: Position | None = None
    name: Annotated[str, Meta(max_length=63)] | None = None


class SignalRequest(_Camel, frozen=True, kw_only=True):
    """SignalRequestMessage (SRM)."""

    second: _Second
    requests: Annotated[tuple[Package, ...], Meta(min_length=1, max_length=32)]
    requestor: Requestor
    time_stamp: _Minute | None = None
    sequence_number: _Sequence | None = None


class StatusOf(_Camel, frozen=True, kw_only=True):
    """SignalStatusPackage: one requestor's answer."""

    station_id: int
    request_id: int
    sequence_number: int
    intersection: Intersection
    inbound_on: AccessPoint
    status: RequestStatus
    outbound_on: AccessPoint | None = None
    role: str = "emergency"


class SignalStatus(_Camel, frozen=True, kw_only=True):
    """SignalStatusMessage (SSM): the answers of one moment."""

    minute: int
    second_ms: int
    sequence_number: int
    answers: tuple[StatusOf, ...]


class _Pdu(_Camel, frozen=True, kw_only=True):
    srm: SignalRequest
    header: dict[str, int] | None = None


_DECODER = msgspec.json.Decoder(_Pdu)


def decode_request(payload: bytes, source: str) -> SignalRequest:
    """Read an SRM or SREM.

    Parameters
    ----------
    payload
        JSON: an object with ``srm``, and ETSI's ``header`` where it is an SREM.
    source
        Who delivered it, for the refusal's line.
    """
    try:
        pdu = _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: not a signal request message ({error}); nothing was asked") from error
    header = pdu.header
    if header is not None and (header.get("protocolVersion"), header.get("messageID")) != (PROTOCOL_VERSION, _SREM):
        raise InputError(
            f"{source}: header {header} is not that of an SREM (protocolVersion {PROTOCOL_VERSION}, messageID {_SREM})"
        )
    for package in pdu.srm.requests:
        points = package.request.in_bound_lane
        if sum(one is not None for one in (points.lane, points.approach, points.connection)) != 1:
            raise InputError(f"{source}: inBoundLane names {points}; give one of lane, approach and connection")
    return pdu.srm


def priority_of(request: SignalRequest) -> Priority | None:
    """Return the most that the requestor's role may ask for, None where it may ask for nothing."""
    return _PRIORITIES.get(request.requestor.type.role)


def encode_status(status: SignalStatus, station_id: int | None = None) -> bytes:
    """Write an SSM, or an SSEM where the station that sends it is named."""
    by_place: dict[Intersection, list[StatusOf]] = {}
    for answer in status.answers:
        by_place.setdefault(answer.intersection, []).append(answer)
    message: dict[str, object] = {
        "ssm": {
            "timeStamp": status.minute,
            "second": status.second_ms,
            "sequenceNumber": status.sequence_number,
            "status": [
                {
                    "sequenceNumber": status.sequence_number,
                    "id": place,
                    "sigStatus": [_package(answer) for answer in answers],
                }
                for place, answers in by_place.items()
            ],
        }
    }
    if station_id is not None:
        header = {"protocolVersion": PROTOCOL_VERSION, "messageID": _SSEM, "stationID": station_id}
        message = {"header": header, **message}
    return msgspec.json.encode(message)


def _package(answer: StatusOf) -> dict[str, object]:
    package: dict[str, object] = {
        "requester": {
            "id": {"stationID": answer.station_id},
            "request": answer.request_id,
            "sequenceNumber": answer.sequence_number,
            "role": answer.role,
        },
        "inboundOn": answer.inbound_on,
        "status": STATUS_WORDS[answer.status],
    }
    if answer.outbound_on is not None:
        package["outboundOn"] = answer.outbound_on
    return package
