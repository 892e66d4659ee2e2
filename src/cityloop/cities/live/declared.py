"""What a field's streams are, by kind: their units, their ranges, and what they tell about.

What a stream tells about decides how long it is kept and how it is judged: where a unit drives and where somebody
called from is forgotten long before what a controller showed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cityloop.kernel.columns import BOOL, I32
from cityloop.kernel.layout import StreamKind
from cityloop.kernel.readings import DataKind

__all__ = ["NO_SCALE", "FieldStream", "field_stream", "said_by_field"]

NO_SCALE = -1.0
"""What a field says of a container that was emptied by a truck without a scale: a missing number cannot be sent."""

_INF = float("inf")
_FAR_M = 1e7
_PLANNED = (
    StreamKind.PLAN_VERSION,
    StreamKind.PLAN_VISIT,
    StreamKind.PLAN_IN_S,
    StreamKind.PLAN_MOVED,
    StreamKind.PLAN_LEFT_OUT,
)
"""Said by the planner beside the brain, by no field."""


@dataclass(frozen=True, slots=True)
class FieldStream:
    """What is declared of a stream of the field."""

    unit: str = "1"
    low: float = -_INF
    high: float = _INF
    kind: DataKind = DataKind.CONTROL
    """Control is never refused for a limit, and a scan's equal readings are no duplicates."""
    interval_s: float = float("nan")
    """How often it speaks at least; silence for longer is told by health. [s]"""


def _each_second(unit: str, low: float, high: float) -> FieldStream:
    return FieldStream(unit, low, high, interval_s=1.0)


def _vehicle(unit: str, low: float, high: float) -> FieldStream:
    return FieldStream(unit, low, high, DataKind.VEHICLE_POSITION)


def _caller(unit: str, low: float, high: float) -> FieldStream:
    return FieldStream(unit, low, high, DataKind.PERSON_POSITION)


_STREAMS: dict[int, FieldStream] = {
    StreamKind.OBJECT_DISTANCE_M: _each_second("m", -1000.0, 1e6),
    StreamKind.OBJECT_SPEED_MPS: _each_second("m/s", -1.0, 150.0),
    StreamKind.OBJECT_COUNT: _each_second("1", 0.0, 1e5),
    StreamKind.STOP_LINE_COUNT: _each_second("1", 0.0, 1e5),
    StreamKind.STOP_LINE_OCCUPANCY: _each_second("1", 0.0, 1.0),
    StreamKind.ADVANCE_COUNT: _each_second("1", 0.0, 1e5),
    StreamKind.ADVANCE_OCCUPANCY: _each_second("1", 0.0, 1.0),
    StreamKind.STAGE_SHOWN: _each_second("1", -1.0, 1e4),
    StreamKind.CONTROL_MODE: _each_second("1", 0.0, 2.0),
    StreamKind.CROSSING_CALL: _each_second("1", 0.0, 1.0),
    StreamKind.CROSSING_OCCUPIED: FieldStream("1", 0.0, 1.0),
    StreamKind.FILL_FRAC: FieldStream("1", 0.0, 10.0, DataKind.MEASUREMENT),
    StreamKind.COLLECTED_FRAC: FieldStream("1", NO_SCALE, 10.0, DataKind.MEASUREMENT),
    StreamKind.UNIT_X_M: _vehicle("m", -_FAR_M, _FAR_M),
    StreamKind.UNIT_Y_M: _vehicle("m", -_FAR_M, _FAR_M),
    StreamKind.UNIT_SPEED_MPS: _vehicle("m/s", 0.0, 150.0),
    StreamKind.UNIT_HEADING_DEG: _vehicle("deg", -360.0, 360.0),
    StreamKind.UNIT_EDGE: _vehicle("1", -1.0, 1e9),
    StreamKind.UNIT_EDGE_M: _vehicle("m", 0.0, 1e6),
    StreamKind.CALL_COUNT: FieldStream("1", 0.0, 1e5),
    StreamKind.CALL_NUMBER: FieldStream("1", 0.0, 2.0**53),
    StreamKind.CALL_PRIORITY: FieldStream("1", 0.0, 100.0),
    StreamKind.CALL_DETERMINANT: FieldStream("1", -1.0, 1e6),
    StreamKind.CALL_X_M: _caller("m", -_FAR_M, _FAR_M),
    StreamKind.CALL_Y_M: _caller("m", -_FAR_M, _FAR_M),
    StreamKind.CALL_WAITED_S: FieldStream("s", 0.0, 1e7),
    StreamKind.CALL_UNIT: FieldStream("1", -1.0, 1e6),
    StreamKind.CALL_EDGE: _caller("1", -1.0, 1e9),
    StreamKind.CALL_EDGE_M: _caller("m", 0.0, 1e6),
    StreamKind.CALL_STATUS: FieldStream("1", 0.0, 100.0),
    StreamKind.UNIT_STATUS: FieldStream("1", 0.0, 100.0),
    StreamKind.UNIT_CALL: FieldStream("1", -1.0, 2.0**53),
    StreamKind.UNIT_SITE: FieldStream("1", -1.0, 1e6),
    StreamKind.HOSPITAL_OPEN: FieldStream("1", 0.0, 1.0),
    StreamKind.HOSPITAL_DIVERTING: FieldStream("1", 0.0, 1.0),
    StreamKind.UNIT_NEEDS: _caller("1", 0.0, 255.0),
    StreamKind.ROUND_OPEN: FieldStream("1", -1.0, 1e9),
    StreamKind.TRUCK_STATUS: FieldStream("1", 0.0, 100.0),
    StreamKind.TRUCK_LOAD_KG: FieldStream("kg", 0.0, 1e5),
    StreamKind.TRUCK_NEXT: FieldStream("1", -3.0, 1e9),
}


def field_stream(kind: int) -> FieldStream:
    """Return what is declared of a kind of stream; a kind of which nothing is known is taken as it is."""
    return _STREAMS.get(kind, FieldStream(interval_s=1.0))


def said_by_field(kind: I32) -> BOOL:
    """Return which kinds of streams a field says itself."""
    said: BOOL = ~np.isin(kind, [int(one) for one in _PLANNED])
    return said
