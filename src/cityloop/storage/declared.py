"""What a Datastream's ``properties.cityloop`` declares of its stream."""

from __future__ import annotations

import math
from typing import Any, Final

from cityloop.kernel.readings import DataKind
from cityloop.wire.odata import ODataError
from cityloop.wire.sensorthings.entities import EntityInput

__all__ = ["declared"]

_KINDS: Final = {kind.name.lower(): int(kind) for kind in DataKind}


def declared(new: EntityInput) -> dict[str, Any]:
    """Return what ``properties.cityloop`` declares: range, interval, kind, and the device that alone may write."""
    properties = new.values.get("properties") or {}
    facts = properties.get("cityloop", {})
    key = "properties.cityloop"
    if not isinstance(facts, dict):
        raise ODataError(f"{key} must be an object of low, high, interval_s, kind and device")
    device = facts.get("device", "")
    if not isinstance(device, str):
        raise ODataError(f"{key}.device must be a text")
    if new.entity.name == "MultiDatastream":
        return {"device": device}
    unknown = sorted(facts.keys() - {"low", "high", "interval_s", "kind", "device"})
    if unknown:
        raise ODataError(f"{key} has no {unknown[0][:60]!r}; it has low, high, interval_s, kind and device")
    numbers = {"low": -math.inf, "high": math.inf, "interval_s": None}
    for name in numbers:
        value = facts.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ODataError(f"{key}.{name} must be a number")
        numbers[name] = value
    low, high = numbers["low"], numbers["high"]
    if low is not None and high is not None and low > high:
        raise ODataError(f"{key}.low {low:g} is above {key}.high {high:g}")
    if numbers["interval_s"] is not None and numbers["interval_s"] <= 0:
        raise ODataError(f"{key}.interval_s must be above 0")
    kind = facts.get("kind", "measurement")
    if kind not in _KINDS:
        raise ODataError(f"{key}.kind is {str(kind)[:40]!r}; give {', '.join(_KINDS)}")
    return {**numbers, "kind": _KINDS[kind], "device": device}
