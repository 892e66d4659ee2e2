"""What services did, step by step, so that forecasts can be held against it: words of crews, and what was lifted.

No places: where calls are and where units drive is never recorded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.layout import Layout, StreamKind
from cityloop.kernel.tick import BrainState

__all__ = ["service_record"]


def service_record(layout: Layout, batch: Batch, state: BrainState | None) -> dict[str, bytes]:
    """Return the recorded columns of units, trucks and containers; nothing of a city without them."""
    found: dict[str, bytes] = {}
    if state is None:
        return found
    emergency, refuse = state.views.get("emergency"), state.views.get("refuse")
    if emergency is not None:
        units = emergency.units
        found["unit_status"] = units.status.astype(np.uint8).tobytes()
        found["unit_call_i32"] = units.call.astype(np.int32).tobytes()
        found["unit_site_i32"] = units.site.astype(np.int32).tobytes()
    if refuse is not None and hasattr(refuse, "trucks"):
        progress = state.domains["refuse"].progress
        found["truck_status"] = refuse.trucks.status.astype(np.uint8).tobytes()
        found["truck_told_i32"] = progress.told.astype(np.int32).tobytes()
        found["round_i32"] = np.array([progress.round], np.int32).tobytes()
        lifted = _lifted(layout, batch, len(refuse.containers.fill_frac))
        if lifted is not None:
            found["found_f32"] = lifted.tobytes()
    return found


def _lifted(layout: Layout, batch: Batch, n: int) -> npt.NDArray[np.float32] | None:
    """Return what was found in containers emptied in this step, NaN for the others; None where none was."""
    kind = layout.streams.kind[batch.stream]
    rows = np.flatnonzero(
        (kind == int(StreamKind.COLLECTED_FRAC)) & np.isfinite(batch.value) & (batch.quality != int(Quality.BAD))
    )
    if not len(rows):
        return None
    found: npt.NDArray[np.float32] = np.full(n, np.nan, np.float32)
    found[layout.streams.asset[batch.stream[rows]]] = batch.value[rows]
    return found
