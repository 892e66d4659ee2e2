"""What of each step is recorded, and what is only shown: small integers by row, from readings and published views."""

from __future__ import annotations

from typing import Any

import numpy as np

from cityloop.app.delay_forecast import expected_delay
from cityloop.app.live_record import service_record
from cityloop.app.live_views import service_sections
from cityloop.cities.sumo.shapes import bounding_box
from cityloop.kernel.columns import I64, U8
from cityloop.kernel.ladder import Rung
from cityloop.kernel.layout import Layout, StreamKind
from cityloop.kernel.ports import Observation
from cityloop.kernel.tick import BrainState
from cityloop.wire.live import Steering

__all__ = ["LivePicture", "marks_of"]

_STANDING_MPS = 0.1
_UNKNOWN = 255
_RELEASE = "release"


class LivePicture:
    """Keeps what controllers reported last, so that the picture goes on while the brain is unplugged."""

    def __init__(self, layout: Layout, now_ms: int) -> None:
        self._layout = layout
        n, links = len(layout.junctions.x_m), len(layout.tables["signals"].links.junction)
        self._stage = np.full(n, -1, np.int64)
        self._mode = np.zeros(n, np.int64)
        self._since_ms = np.full(n, now_ms, np.int64)
        self._calls = np.zeros(links, np.uint8)
        self._marks = np.zeros(n, np.uint8)
        self._edge_of = layout.lanes.edge[layout.approaches.lane]
        self._box = bounding_box(layout)

    def steer(self, steering: Steering, now_ms: int) -> None:
        """Note which junctions are held or released, and on which rung they are."""
        self._marks = marks_of(steering, len(self._stage), now_ms)

    def step(self, observed: Observation, state: BrainState | None) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return the columns that are recorded, and those that are only shown."""
        now_ms = observed.now_ms
        self._hear(observed, now_ms)
        arrays = self._traffic(now_ms, state)
        dead, red_s = self._signals(state)
        flags = self._marks | (self._mode.astype(np.uint8) & 3) | np.where(dead, 16, 0).astype(np.uint8)
        if state is not None and "signals" in state.domains:
            expected = expected_delay(state.domains["signals"], state.views, now_ms)
            arrays["forecast_f32"] = expected.astype(np.float32).tobytes()
        arrays |= {
            "stage": np.where(self._stage < 0, _UNKNOWN, self._stage).astype(np.uint8).tobytes(),
            "state": flags.astype(np.uint8).tobytes(),
            "stage_s": _small((now_ms - self._since_ms) / 1000),
            "red_s": _small(red_s),
            "calls": self._calls.tobytes(),
        }
        arrays |= service_record(self._layout, observed.batch, state)
        picture = {**getattr(observed, "picture", {}), **service_sections(state, self._box)}
        lamps = picture.pop("lamps", None)
        if lamps is not None:
            arrays["lamps_packed"] = lamps
        return arrays, picture

    def _hear(self, observed: Observation, now_ms: int) -> None:
        """Take in what controllers and push buttons reported."""
        batch, streams = observed.batch, self._layout.streams
        kind = streams.kind[batch.stream]
        for which, column in ((StreamKind.STAGE_SHOWN, self._stage), (StreamKind.CONTROL_MODE, self._mode)):
            rows = np.flatnonzero((kind == which) & np.isfinite(batch.value))
            assets = streams.asset[batch.stream[rows]]
            values = batch.value[rows].astype(np.int64)
            if which is StreamKind.STAGE_SHOWN:
                changed = column[assets] != values
                self._since_ms[assets[changed]] = now_ms
            column[assets] = values
        rows = np.flatnonzero(kind == StreamKind.CROSSING_CALL)
        self._calls[streams.asset[batch.stream[rows]]] = (batch.value[rows] > 0).astype(np.uint8)

    def _signals(self, state: BrainState | None) -> tuple[Any, Any]:
        view = None if state is None else state.views.get("signals")
        if view is None:
            return np.zeros(len(self._stage), np.bool_), np.zeros(len(self._stage))
        return view.sensing_dead, view.longest_red_s

    def _traffic(self, now_ms: int, state: BrainState | None) -> dict[str, bytes]:
        view = None if state is None else state.views.get("traffic")
        approaches, n = self._layout.approaches, len(self._layout.approaches.lane)
        if view is None:
            nothing = np.zeros(n, np.uint8).tobytes()
            unknown = np.full(n, _UNKNOWN, np.uint8).tobytes()
            delay = np.zeros(len(self._stage), np.float32).tobytes()
            edges = np.full(len(self._layout.edges.length_m), _UNKNOWN, np.uint8).tobytes()
            return {"standing": nothing, "seen": nothing, "age_ds": unknown, "left": nothing,
                    "delay_f32": delay, "edges": edges}  # fmt: skip
        limit = np.maximum(approaches.speed_limit_mps, 0.1)[:, None]
        share = np.minimum(view.speed_mps / limit, 1.0)
        # NaN stands where a lane has fewer objects than columns.
        delay_veh = np.bincount(approaches.junction, weights=np.nansum(1.0 - share, axis=1), minlength=len(self._stage))
        age_ds = (now_ms - view.seen_at_ms) / 100
        return {
            "standing": _small((view.speed_mps < _STANDING_MPS).sum(axis=1)),
            "seen": _small(view.count_veh),
            "age_ds": _small(age_ds),
            "left": _small(view.released),
            "delay_f32": delay_veh.astype(np.float32).tobytes(),
            "edges": self._edges(share, age_ds),
        }

    def _edges(self, share: Any, age_ds: I64) -> bytes:
        """Return each edge's speed as its detectors see it: free where nobody is, unknown where nothing looks."""
        n = len(self._layout.edges.length_m)
        seen = np.isfinite(share).sum(axis=1)
        alive = age_ds < 100
        total = np.bincount(self._edge_of[alive], weights=np.nansum(share, axis=1)[alive], minlength=n)
        count = np.bincount(self._edge_of[alive], weights=seen[alive], minlength=n)
        heard = np.bincount(self._edge_of[alive], minlength=n) > 0
        mean = np.where(count > 0, total / np.maximum(count, 1), 1.0)
        values: U8 = np.where(heard, np.clip(np.rint(mean * 200), 0, 200), _UNKNOWN).astype(np.uint8)
        return values.tobytes()


def _small(values: Any) -> bytes:
    """Return values as bytes, cut at 255."""
    small: U8 = np.clip(values, 0, 255).astype(np.uint8)
    return small.tobytes()


def marks_of(steering: Steering, n_junctions: int, now_ms: int) -> U8:
    """Return each junction's rung, and whether it is held or released, as the feed's bits."""
    marks: U8 = np.zeros(n_junctions, np.uint8)
    for target, rung in steering.rungs.get("signals", {}).items():
        if 0 <= target < len(marks):
            marks[target] |= int(Rung(rung)) << 5
    for order in steering.orders:
        mine = order.domain == "signals" and 0 <= order.target < len(marks)
        if mine and now_ms < order.expires_at_ms:
            marks[order.target] |= 8 if order.kind == _RELEASE else 4
    return marks
