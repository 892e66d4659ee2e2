"""MQTT packets as values: decoded strictly, encoded for version 3.1.1 (4) and 5.0 (5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from cityloop.wire.mqtt.properties import (
    PacketError,
    Properties,
    Reason,
    encode_properties,
    take_binary,
    take_properties,
    take_text,
)

__all__ = [
    "Connect",
    "Kind",
    "PacketError",
    "Publish",
    "Reason",
    "Subscribe",
    "Subscription",
    "Unsubscribe",
    "Will",
    "connack",
    "decode_connect",
    "decode_disconnect",
    "decode_publish",
    "decode_subscribe",
    "decode_unsubscribe",
    "disconnect",
    "encode_connect",
    "encode_publish",
    "encode_subscribe",
    "frame",
    "puback",
    "suback",
    "unsuback",
]


class Kind(IntEnum):
    """Type of a control packet."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What is published for a client that vanishes."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    delay_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A client's greeting."""

    version: int
    client_id: str
    clean: bool = True
    keep_alive_s: int = 0
    user: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A message."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One topic filter asked for."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_handling: int = 0
    """0 send retained messages, 1 only if the subscription is new, 2 never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Topic filters asked for."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Topic filters given up."""

    packet_id: int
    topic_filters: tuple[str, ...]


def frame(head: int, body: bytes) -> bytes:
    """Return a packet: first byte, length, body."""
    length = len(body)
    if length < 128:
        return bytes((head, length)) + body
    encoded = bytearray([head])
    while length:
        encoded.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
    return bytes(encoded) + body


def decode_connect(body: bytes) -> Connect:
    """Read the body of a CONNECT."""
    name, at = take_text(body, 0)
    if at >= len(body) or (name, body[at]) not in (("MQTT", 4), ("MQTT", 5)):
        raise PacketError(f"protocol {name!r:.20} is neither MQTT 3.1.1 nor 5.0", Reason.UNSUPPORTED_VERSION)
    version = body[at]
    if at + 4 > len(body):
        raise PacketError("CONNECT ends before its keep-alive")
    flags, keep_alive_s = body[at + 1], int.from_bytes(body[at + 2 : at + 4], "big")
    at += 4
    will_qos = flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not flags & 4 and flags & 0x38):
        raise PacketError(f"CONNECT flags 0x{flags:02x} break the rules")
    if version == 4 and flags & 0x40 and not flags & 0x80:
        raise PacketError("CONNECT gives a password without a user name")
    properties: Properties = {}
    if version == 5:
        properties, at = take_properties(body, at)
    client_id, at = take_text(body, at)
    will = None
    if flags & 4:
        will_properties: Properties = {}
        if version == 5:
            will_properties, at = take_properties(body, at)
        topic, at = take_text(body, at)
        payload, at = take_binary(body, at)
        delay = will_properties.get(0x18, 0)
        will = Will(
            topic=topic,
            payload=payload,
            qos=will_qos,
            retain=bool(flags & 0x20),
            delay_s=delay if isinstance(delay, int) else 0,
        )
    user = password = None
    if flags & 0x80:
        user, at = take_text(body, at)
    if flags & 0x40:
        password, at = take_binary(body, at)
    if at != len(body):
        raise PacketError(f"CONNECT has {len(body) - at} bytes too many")
    return Connect(
        version=version,
        client_id=client_id,
        clean=bool(flags & 2),
        keep_alive_s=keep_alive_s,
        user=user,
        password=password,
        will=will,
        properties=properties,
    )


def encode_connect(packet: Connect) -> bytes:
    """Return a CONNECT."""
    flags = 2 if packet.clean else 0
    tail = _text(packet.client_id)
    if packet.will is not None:
        flags |= 4 | packet.will.qos << 3 | (0x20 if packet.will.retain else 0)
        tail += b"\0" if packet.version == 5 else b""
        tail += _text(packet.will.topic) + len(packet.will.payload).to_bytes(2, "big") + packet.will.payload
    if packet.user is not None:
        flags |= 0x80
        tail += _text(packet.user)
    if packet.password is not None:
        flags |= 0x40
        tail += len(packet.password).to_bytes(2, "big") + packet.password
    properties = encode_properties(packet.properties) if packet.version == 5 else b""
    head = _text("MQTT") + bytes((packet.version, flags)) + packet.keep_alive_s.to_bytes(2, "big")
    return frame(0x10, head + properties + tail)


def decode_publish(head: int, body: bytes, version: int) -> Publish:
    """Read a PUBLISH of QoS 0 or 1."""
    qos = head >> 1 & 3
    if qos > 1:
        raise PacketError(f"QoS {qos}; this listener takes QoS 0 and 1", Reason.QOS_NOT_SUPPORTED)
    topic, at = take_text(body, 0)
    if "#" in topic or "+" in topic:
        raise PacketError(f"topic {topic!r:.80} holds a wildcard", Reason.TOPIC_NAME_INVALID)
    packet_id = 0
    if qos:
        packet_id = int.from_bytes(body[at : at + 2], "big")
        at += 2
        if at > len(body) or packet_id == 0:
            raise PacketError("PUBLISH of QoS 1 has no packet identifier")
    properties: Properties = {}
    if version == 5:
        properties, at = take_properties(body, at)
    if not topic and 0x23 not in properties:
        raise PacketError("PUBLISH has neither a topic nor an alias")
    return Publish(
        topic=topic,
        payload=body[at:],
        qos=qos,
        retain=bool(head & 1),
        dup=bool(head & 8),
        packet_id=packet_id,
        properties=properties,
    )


def encode_publish(packet: Publish, version: int) -> bytes:
    """Return a PUBLISH."""
    body = _text(packet.topic)
    if packet.qos:
        body += packet.packet_id.to_bytes(2, "big")
    if version == 5:
        body += encode_properties(packet.properties)
    return frame(0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain, body + packet.payload)


def decode_subscribe(head: int, body: bytes, version: int) -> Subscribe:
    """Read a SUBSCRIBE."""
    packet_id, at = _identifier(head, body, version)
    found = []
    while at < len(body):
        topic_filter, at = take_text(body, at)
        if at >= len(body):
            raise PacketError("SUBSCRIBE ends before the options of a filter")
        options = body[at]
        at += 1
        if options & 3 == 3 or options & (0xC0 if version == 5 else 0xFC) or options >> 4 & 3 == 3:
            raise PacketError(f"SUBSCRIBE options 0x{options:02x} break the rules")
        found.append(
            Subscription(
                topic_filter=topic_filter,
                qos=options & 3,
                no_local=bool(options & 4),
                retain_handling=options >> 4 & 3,
            )
        )
    if not found:
        raise PacketError("SUBSCRIBE names no filter", Reason.PROTOCOL_ERROR)
    return Subscribe(packet_id=packet_id, subscriptions=tuple(found))


def encode_subscribe(packet: Subscribe, version: int) -> bytes:
    """Return a SUBSCRIBE."""
    body = packet.packet_id.to_bytes(2, "big") + (b"\0" if version == 5 else b"")
    for wanted in packet.subscriptions:
        body += _text(wanted.topic_filter) + bytes([wanted.qos])
    return frame(0x82, body)


def decode_unsubscribe(head: int, body: bytes, version: int) -> Unsubscribe:
    """Read an UNSUBSCRIBE."""
    packet_id, at = _identifier(head, body, version)
    found = []
    while at < len(body):
        topic_filter, at = take_text(body, at)
        found.append(topic_filter)
    if not found:
        raise PacketError("UNSUBSCRIBE names no filter", Reason.PROTOCOL_ERROR)
    return Unsubscribe(packet_id=packet_id, topic_filters=tuple(found))


def decode_disconnect(body: bytes, version: int) -> int:
    """Return the reason of a DISCONNECT."""
    if version == 4 and body:
        raise PacketError("DISCONNECT of 3.1.1 has a body")
    if len(body) > 1:
        _, at = take_properties(body, 1)
        if at != len(body):
            raise PacketError("DISCONNECT has bytes too many")
    return body[0] if body else 0


def connack(version: int, reason: int, *, session_present: bool, properties: Properties | None = None) -> bytes:
    """Return a CONNACK; a reason of 5.0 is told in the terms of 3.1.1 where that is spoken."""
    if version == 5:
        return frame(0x20, bytes((session_present, reason)) + encode_properties(properties or {}))
    return frame(0x20, bytes((session_present, _CONNACK_OF_4.get(reason, 3 if reason else 0))))


def puback(version: int, packet_id: int, reason: int = 0, why: str = "") -> bytes:
    """Return a PUBACK, from 5.0 on with the reason, in a line for a person too where one is given."""
    body = packet_id.to_bytes(2, "big")
    if version != 5 or not (reason or why):
        return frame(0x40, body)
    return frame(0x40, body + bytes([reason]) + (encode_properties({0x1F: why[:200]}) if why else b""))


def suback(version: int, packet_id: int, reasons: Sequence[int]) -> bytes:
    """Return a SUBACK with a granted QoS or a refusal for each filter."""
    told = bytes(reasons) if version == 5 else bytes(min(reason, 0x80) for reason in reasons)
    return frame(0x90, packet_id.to_bytes(2, "big") + (b"\0" if version == 5 else b"") + told)


def unsuback(version: int, packet_id: int, reasons: Sequence[int]) -> bytes:
    """Return an UNSUBACK."""
    body = packet_id.to_bytes(2, "big")
    return frame(0xB0, body + b"\0" + bytes(reasons) if version == 5 else body)


def disconnect(version: int, reason: int, why: str = "") -> bytes:
    """Return what a server says before it closes: a DISCONNECT, nothing to 3.1.1."""
    if version != 5:
        return b""
    return frame(0xE0, bytes([reason]) + encode_properties({0x1F: why[:200]} if why else {}))


_CONNACK_OF_4: dict[int, int] = {
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_INVALID: 2,
    Reason.SERVER_BUSY: 3,
    Reason.BAD_CREDENTIALS: 4,
    Reason.NOT_AUTHORISED: 5,
}


def _identifier(head: int, body: bytes, version: int) -> tuple[int, int]:
    if head & 15 != 2:
        raise PacketError(f"first byte 0x{head:02x} breaks the rules")
    packet_id = int.from_bytes(body[:2], "big")
    if len(body) < 2 or packet_id == 0:
        raise PacketError("packet identifier is missing or 0")
    if version == 5:
        _, at = take_properties(body, 2)
        return packet_id, at
    return packet_id, 2


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded
