"""Sparkplug B: topics and payloads as metrics. Aliases are resolved by whoever remembers the births.

References
----------
.. [1] Eclipse Foundation (2022). Sparkplug 3.0.0 Specification, chapters 4 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

from cityloop.wire.named import NO_INSTANT, WireError
from cityloop.wire.protobuf import double_of, fields, float_of, signed, varint

__all__ = ["REBIRTH", "Metric", "Payload", "SparkplugTopic", "decode_payload", "decode_topic", "encode_rebirth"]

REBIRTH = "Node Control/Rebirth"
"""The metric by which an edge node is asked for its births (6.4.6)."""

_MESSAGES = ("NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "DDATA", "NCMD", "DCMD", "STATE")
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = (5, 6, 7, 8, 13)
_MAX_METRICS = 100_000


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """spBv1.0/group/message/edge node[/device]."""

    group: str
    message: str
    edge: str
    device: str

    @property
    def source(self) -> str:
        """What the names of its metrics stand below."""
        return "/".join(part for part in (self.group, self.edge, self.device) if part)

    @property
    def commands(self) -> str:
        """Topic of commands to its edge node."""
        return f"spBv1.0/{self.group}/NCMD/{self.edge}"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; its value is None when it is null or no number."""

    name: str
    alias: int | None
    observed_at_ms: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Payload:
    """A message's metrics."""

    observed_at_ms: int
    seq: int
    metrics: tuple[Metric, ...]


def decode_topic(topic: str) -> SparkplugTopic:
    """Read a topic of namespace spBv1.0."""
    parts = topic.split("/")
    if parts[0] != "spBv1.0" or not 4 <= len(parts) <= 5 or parts[2] not in _MESSAGES:
        raise WireError(f"topic {topic!r:.80} is not spBv1.0/group/message/edge[/device]")
    return SparkplugTopic(parts[1], parts[2], parts[3], parts[4] if len(parts) == 5 else "")


def decode_payload(body: bytes) -> Payload:
    """Read a payload."""
    at_ms, seq = NO_INSTANT, -1
    metrics: list[Metric] = []
    for number, value in fields(body):
        if number == 1 and isinstance(value, int):
            at_ms = _instant(value)
        elif number == 2 and isinstance(value, memoryview):
            metrics.append(_metric(value, at_ms))
            if len(metrics) > _MAX_METRICS:
                raise WireError(f"more than {_MAX_METRICS} metrics in one payload")
        elif number == 3 and isinstance(value, int):
            seq = value
    return Payload(at_ms, seq, tuple(metrics))


def encode_rebirth(now_ms: int) -> bytes:
    """Return the command that asks an edge node to tell its births anew."""
    name = REBIRTH.encode()
    stamp = varint(now_ms)
    metric = b"\x0a" + varint(len(name)) + name + b"\x18" + stamp + b"\x20\x0b\x70\x01"
    return b"\x08" + stamp + b"\x12" + varint(len(metric)) + metric


def _metric(body: memoryview, at_ms: int) -> Metric:
    name, alias, kind, null = "", None, 0, False
    value: float | None = None
    raw: int | None = None
    for number, field in fields(body):
        if isinstance(field, memoryview):
            if number == 1:
                name = _text(field)
            continue
        if number == 2:
            alias = field
        elif number == 3:
            at_ms = _instant(field)
        elif number == 4:
            kind = field
        elif number == 7:
            null = bool(field)
        elif number in (10, 11):
            raw = field
        elif number == 12:
            value = float_of(field)
        elif number == 13:
            value = double_of(field)
        elif number == 14:
            value = float(bool(field))
    if raw is not None:
        if kind in _SIGNED_BITS:
            value = float(signed(raw, _SIGNED_BITS[kind]))
        elif kind in _UNSIGNED or kind == 0:
            value = float(raw)
        elif kind == 11:
            value = float(bool(raw))
    return Metric(name, alias, at_ms, None if null else value)


def _instant(at_ms: int) -> int:
    # Beyond any date: left to the judge of quality as far in the future.
    return min(at_ms, 2**62)


def _text(data: memoryview) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise WireError("a metric's name is not UTF-8") from error
