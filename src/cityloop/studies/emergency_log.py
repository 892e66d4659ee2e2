"""From a finished run to ``calls``, ``assignments`` and ``tracks``, for others to check."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cityloop.cities.events.city import EventCity
from cityloop.domains.emergency.schema import Reason, UnitStatus
from cityloop.storage.call_logs import write_log
from cityloop.studies.emergency_world import World

__all__ = ["write_run"]


def write_run(folder: Path, world: World, city: EventCity) -> int:
    """Write the three tables of a run and return their bytes."""
    calls, ledger, names = city.calls, city.ledger, world.case.unit_name
    clocks = ("dispatched_ms", "mobile_ms", "arrived_ms", "left_scene_ms", "at_hospital_ms", "free_ms")
    size = write_log(
        folder / "calls.parquet",
        {
            "call_id": np.arange(len(calls), dtype=np.int64),
            "priority": calls.priority,
            "x_m": calls.x_m.round(2),
            "y_m": calls.y_m.round(2),
            "received_ms": calls.received_ms,
            **{name: getattr(ledger, name) for name in clocks},
            "unit_id": (ledger.unit, names),
        },
        nullable=clocks,
    )
    sent = city.recorder.assignments()
    size += write_log(
        folder / "assignments.parquet",
        {
            "call_id": sent.call,
            "unit_id": (sent.unit, names),
            "priority": sent.priority,
            "sent_ms": sent.sent_ms,
            "mobile_ms": sent.mobile_ms,
            "ended_ms": sent.ended_ms,
            "arrived": sent.arrived.astype(np.bool_),
            "reason": (np.maximum(sent.reason, 0), ["", *(reason.name.lower() for reason in Reason)]),
        },
    )
    tracks = city.recorder.tracks()
    return size + write_log(
        folder / "tracks.parquet",
        {
            "unit_id": (tracks.unit, names),
            "at_ms": tracks.at_ms,
            "x_m": tracks.x_m.round(2),
            "y_m": tracks.y_m.round(2),
            "edge_id": tracks.arc,
            "status": (tracks.status, [status.name.lower() for status in UnitStatus]),
        },
    )
