"""Published tables of services on their way to the page: whole tables packed, and the few columns that a map moves by.

None of it is recorded: places of calls, and tracks of units, are health data. What was decided is in the journal.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np

from cityloop.app.what_if_now import packed_memory, packed_vehicles
from cityloop.kernel.columns import F64, U8, columns_of
from cityloop.kernel.tick import BrainState
from cityloop.wire.frame import Box, quantised

__all__ = ["SERVICES", "packed_views", "service_sections"]

SERVICES = ("emergency", "refuse")
_ENCODER = msgspec.msgpack.Encoder()
_UNKNOWN = 255


def packed_views(state: BrainState | None) -> dict[str, bytes]:
    """Return each service's published tables: columns with their units, and the vehicles that are seen."""
    if state is None:
        return {}
    services = {name: _ENCODER.encode(_tables(state.views[name])) for name in SERVICES if name in state.views}
    return {**services, **packed_vehicles(state), **packed_memory(state)}


def service_sections(state: BrainState | None, box: Box) -> dict[str, bytes]:
    """Return where units and trucks are, and how full containers are, as the map is told."""
    found: dict[str, bytes] = {}
    if state is None:
        return found
    emergency, refuse = state.views.get("emergency"), state.views.get("refuse")
    if emergency is not None:
        found["units"] = _moving(emergency.units, box)
    if refuse is not None and hasattr(refuse, "trucks"):
        found["trucks"] = _moving(refuse.trucks, box)
        share = refuse.containers.fill_frac
        fill = np.where(np.isfinite(share), np.clip(np.rint(share * 200), 0, 254), _UNKNOWN)
        found["containers"] = fill.astype(np.uint8).tobytes()
    return found


def _moving(table: Any, box: Box) -> bytes:
    heading: F64 = np.nan_to_num(table.heading_deg)
    turned = (np.rint(heading % 360.0 * (256.0 / 360.0)).astype(np.int64) & 0xFF).astype(np.uint8)
    status: U8 = table.status.astype(np.uint8)
    return quantised(table.x_m, table.y_m, box) + turned.tobytes() + status.tobytes()


def _tables(view: Any) -> dict[str, dict[str, Any]]:
    return {
        field.name: {
            named.name: {"unit": named.column.unit, "values": _values(getattr(getattr(view, field.name), named.name))}
            for named in columns_of(type(getattr(view, field.name)))
        }
        for field in dataclasses.fields(view)
        if dataclasses.is_dataclass(getattr(view, field.name))
    }


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.tolist()
    return [None if value != value else value for value in values] if column.dtype.kind == "f" else values
