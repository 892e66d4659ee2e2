"""Fields of MQTT packets: texts, binaries, and the properties and reasons of version 5.0."""

from __future__ import annotations

from enum import IntEnum

from cityloop.wire.named import WireError

__all__ = [
    "PacketError",
    "Properties",
    "Reason",
    "encode_properties",
    "take_binary",
    "take_properties",
    "take_text",
]

Properties = dict[int, "int | str | bytes | list[tuple[str, str]] | list[int]"]
"""Properties of a packet by identifier; user properties and subscription identifiers are lists."""


class Reason(IntEnum):
    """Reason codes of MQTT 5.0 that are used here."""

    SUCCESS = 0x00
    DISCONNECT_WITH_WILL = 0x04
    NO_SUBSCRIPTION = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_INVALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORISED = 0x87
    SERVER_BUSY = 0x89
    SHUTTING_DOWN = 0x8B
    KEEP_ALIVE_TIMEOUT = 0x8D
    TAKEN_OVER = 0x8E
    FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    PAYLOAD_INVALID = 0x99
    QOS_NOT_SUPPORTED = 0x9B


class PacketError(WireError):
    """A packet that breaks the protocol; the connection is closed with its reason."""

    def __init__(self, message: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(message)
        self.reason = reason


_BYTE, _TWO, _FOUR, _LENGTH, _TEXT, _BINARY, _PAIR = range(7)
_TYPES = {
    0x01: _BYTE, 0x02: _FOUR, 0x03: _TEXT, 0x08: _TEXT, 0x09: _BINARY, 0x0B: _LENGTH, 0x11: _FOUR, 0x12: _TEXT,
    0x13: _TWO, 0x15: _TEXT, 0x16: _BINARY, 0x17: _BYTE, 0x18: _FOUR, 0x19: _BYTE, 0x1A: _TEXT, 0x1C: _TEXT,
    0x1F: _TEXT, 0x21: _TWO, 0x22: _TWO, 0x23: _TWO, 0x24: _BYTE, 0x25: _BYTE, 0x26: _PAIR, 0x27: _FOUR,
    0x28: _BYTE, 0x29: _BYTE, 0x2A: _BYTE,
}  # fmt: skip
_WIDTH = {_BYTE: 1, _TWO: 2, _FOUR: 4}


def take_binary(body: bytes, at: int) -> tuple[bytes, int]:
    """Read a length of two bytes and as many bytes; return them and where to go on."""
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if at + 2 > len(body) or end > len(body):
        raise PacketError("a field runs past the end of its packet")
    return body[at + 2 : end], end


def take_text(body: bytes, at: int) -> tuple[str, int]:
    """Read a text in UTF-8 without the null character."""
    encoded, at = take_binary(body, at)
    try:
        text = encoded.decode()
    except UnicodeDecodeError as error:
        raise PacketError(f"text {encoded[:40]!r} is not UTF-8") from error
    if "\0" in text:
        raise PacketError(f"text {text[:40]!r} holds the null character")
    return text, at


def take_properties(body: bytes, at: int) -> tuple[Properties, int]:
    """Read a property section; return it and where to go on."""
    length, at = _take_length(body, at)
    end = at + length
    if end > len(body):
        raise PacketError("properties run past the end of their packet")
    found: Properties = {}
    while at < end:
        identifier = body[at]
        kind = _TYPES.get(identifier)
        at += 1
        if kind is None:
            raise PacketError(f"property 0x{identifier:02x} is not known")
        value: int | str | bytes
        if kind == _PAIR:
            key, at = take_text(body, at)
            text, at = take_text(body, at)
            pairs = found.setdefault(identifier, [])
            assert isinstance(pairs, list)
            pairs.append((key, text))  # type: ignore[arg-type] # a list of pairs under this identifier
            continue
        if kind == _TEXT:
            value, at = take_text(body, at)
        elif kind == _BINARY:
            value, at = take_binary(body, at)
        elif kind == _LENGTH:
            value, at = _take_length(body, at)
        else:
            value = int.from_bytes(body[at : at + _WIDTH[kind]], "big")
            at += _WIDTH[kind]
        if identifier in found:
            raise PacketError(f"property 0x{identifier:02x} is given twice", Reason.PROTOCOL_ERROR)
        found[identifier] = value
    if at != end:
        raise PacketError("a property runs past the end of its section")
    return found, at


def encode_properties(properties: Properties) -> bytes:
    """Return a property section."""
    body = bytearray()
    for identifier, value in properties.items():
        kind = _TYPES[identifier]
        if isinstance(value, list):
            for item in value:
                assert isinstance(item, tuple)
                body.append(identifier)
                body += _sized(item[0].encode()) + _sized(item[1].encode())
            continue
        body.append(identifier)
        if isinstance(value, int):
            body += _length(value) if kind == _LENGTH else value.to_bytes(_WIDTH[kind], "big")
        else:
            body += _sized(value.encode() if isinstance(value, str) else value)
    return _length(len(body)) + bytes(body)


def _take_length(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(body):
            break
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise PacketError("a length is cut off or longer than four bytes")


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 127
        encoded.append(low | (128 if value else 0))
        if not value:
            return bytes(encoded)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
