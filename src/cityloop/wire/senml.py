"""Sensor Measurement Lists, in JSON and CBOR.

Numbers and booleans (as 1 and 0) are readings. Strings, data and sums are not: such records are refused one by one, the
rest is taken.

References
----------
.. [1] Jennings, C. et al. (2018). Sensor Measurement Lists (SenML). RFC 8428.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import cbor2
import msgspec

from cityloop.wire.named import MAX_NAME_BYTES, Gathering, NamedReadings, WireError

__all__ = [
    "MEDIA_TYPE_CBOR",
    "MEDIA_TYPE_JSON",
    "decode_senml_cbor",
    "decode_senml_json",
    "encode_senml_cbor",
    "encode_senml_json",
]

MEDIA_TYPE_JSON = "application/senml+json"
MEDIA_TYPE_CBOR = "application/senml+cbor"

_VERSION = 10
_RELATIVE = 2**28
"""Times below this are seconds from now (section 4.5.3)."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*\Z")
_NESTING = 8


class _Record(msgspec.Struct):
    bn: str = ""
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str = ""
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: Any = None
    s: float | None = None
    t: float = 0.0
    ut: float | None = None


_JSON = msgspec.json.Decoder(list[_Record])
_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_FIELDS = frozenset(_LABELS.values())
_NUMBERS = {label: number for number, label in _LABELS.items()}


def decode_senml_json(body: bytes, now_ms: int) -> NamedReadings:
    """Return the readings of a pack in JSON.

    Parameters
    ----------
    now_ms
        What relative times count from.
    """
    try:
        records = _JSON.decode(body)
        if b'_"' in body:
            _check_understood(msgspec.json.decode(body))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"not a SenML pack: {error}") from error
    return _readings(records, now_ms)


def decode_senml_cbor(body: bytes, now_ms: int) -> NamedReadings:
    """Return the readings of a pack in CBOR."""
    _check_nesting(body)
    stream = io.BytesIO(body)
    try:
        pack = cbor2.CBORDecoder(stream, tag_hook=_refuse_tag).decode()
    except WireError:
        raise
    except Exception as error:
        # A decoder of any CBOR fails in many ways on what is none; all of them mean the same here.
        raise WireError(f"not a SenML pack in CBOR: {' '.join(str(error).split())[:160]}") from error
    if stream.tell() != len(body):
        raise WireError(f"{len(body) - stream.tell()} bytes follow the SenML pack")
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        raise WireError("not a SenML pack: must be an array of maps")
    records = [{_LABELS.get(key, key) if _is_label(key) else key: record[key] for key in record} for record in pack]
    _check_understood(records)
    known = [{key: value for key, value in record.items() if key in _FIELDS} for record in records]
    try:
        return _readings(msgspec.convert(known, list[_Record]), now_ms)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise WireError(f"not a SenML pack: {error}") from error


def encode_senml_json(names: Sequence[str], observed_at_ms: Sequence[int], values: Sequence[float]) -> bytes:
    """Return a pack in JSON with the first instant as base time."""
    return msgspec.json.encode(_records(names, observed_at_ms, values))


def encode_senml_cbor(names: Sequence[str], observed_at_ms: Sequence[int], values: Sequence[float]) -> bytes:
    """Return a pack in CBOR, its labels the standard's numbers."""
    records = _records(names, observed_at_ms, values)
    return cbor2.dumps([{_NUMBERS[key]: value for key, value in record.items()} for record in records])


def _records(names: Sequence[str], observed_at_ms: Sequence[int], values: Sequence[float]) -> list[dict[str, Any]]:
    base_ms = observed_at_ms[0] if observed_at_ms else 0
    records: list[dict[str, Any]] = [
        {"n": name, "t": (at - base_ms) / 1000, "v": value}
        for name, at, value in zip(names, observed_at_ms, values, strict=True)
    ]
    if records:
        records[0]["bt"] = base_ms / 1000
    return records


def _readings(records: list[_Record], now_ms: int) -> NamedReadings:
    gathering = Gathering()
    base_name, base_unit, base_time, base_value = "", "", 0.0, 0.0
    for record in records:
        if record.bver is not None and record.bver > _VERSION:
            raise WireError(f"SenML version {record.bver}, at most {_VERSION} is understood")
        base_name = record.bn or base_name
        base_unit = base_unit if record.bu is None else record.bu
        base_time = base_time if record.bt is None else record.bt
        base_value = base_value if record.bv is None else record.bv
        name = base_name + record.n
        if record.v is not None:
            value = base_value + record.v
        elif record.vb is not None:
            value = float(record.vb)
        elif record.vs is not None or record.vd is not None or record.s is not None:
            gathering.refuse(name, "holds a string, data or a sum; numbers and booleans are readings")
            continue
        elif record.n or record.u is not None or record.ut is not None:
            gathering.refuse(name, "holds no value")
            continue
        else:
            # A record of base values alone.
            continue
        if not _NAME.match(name) or len(name) > MAX_NAME_BYTES:
            gathering.refuse(name, f"name {name[:60]!r} is not one of SenML (section 4.5.1)")
            continue
        at_s = base_time + record.t
        if not math.isfinite(at_s) or not math.isfinite(value):
            gathering.refuse(name, "value or time is not finite")
            continue
        at_ms = round(at_s * 1000) + (now_ms if at_s < _RELATIVE else 0)
        gathering.take(name, at_ms, value, record.u if record.u is not None else base_unit)
    return gathering.done()


def _check_understood(records: Any) -> None:
    for record in records:
        for key in record:
            if isinstance(key, str) and key.endswith("_") and key not in _FIELDS:
                raise WireError(f"field {key[:40]!r} must be understood (section 4.4) and is not")


def _is_label(key: object) -> bool:
    return isinstance(key, int) and not isinstance(key, bool)


def _refuse_tag(_decoder: object, tag: Any, *_more: object) -> Any:
    raise WireError(f"CBOR tag {tag.tag} has no place in a SenML pack")


def _check_nesting(body: bytes) -> None:
    """Walk the heads of all items, so that no depth, length or tag of a message can cost more than its bytes."""
    at, left = 0, [1]
    while at < len(body):
        head = body[at]
        kind, short = head >> 5, head & 31
        at += 1
        size = 1 << short - 24 if 24 <= short <= 27 else 0
        count = short if short < 24 else int.from_bytes(body[at : at + size], "big")
        at += size
        while left and left[-1] == 0:
            left.pop()
        if not left:
            raise WireError("bytes follow the SenML pack")
        if short > 27:
            if short < 31 or kind in (0, 1, 6):
                raise WireError("not CBOR: a head that means nothing")
            if kind == 7:
                # The break that ends an item of open length.
                if left[-1] >= 0:
                    raise WireError("not CBOR: a break outside an item of open length")
                left.pop()
                continue
        if left[-1] > 0:
            left[-1] -= 1
        if kind == 6:
            raise WireError(f"CBOR tag {count} has no place in a SenML pack")
        if kind in (2, 3) and short <= 27:
            at += count
        elif kind in (4, 5) or (kind in (2, 3) and short == 31):
            if count > len(body) and short != 31:
                raise WireError("not CBOR: an array is longer than its message")
            left.append(-1 if short == 31 else count * (2 if kind == 5 else 1))
            if len(left) > _NESTING:
                raise WireError(f"nested deeper than {_NESTING - 1}")
