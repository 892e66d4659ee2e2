"""The twin's detectors as sensors of the operations room: where they are, how they do, and why."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from cityloop.domains.signals.schema import LinkKind
from cityloop.kernel.columns import F64, U8
from cityloop.web.board import Board
from cityloop.web.ports import CityFacts, SensorItem, TracePort
from cityloop.wire.live import Tick

__all__ = ["TwinSensors"]

_AREA, _CONTROLLER, _CALL = 1, 3, 4
_GOOD, _SILENT, _NEVER = 0, 3, 255
_SILENT_DS = 30
_MOST_POINTS = 2000


class TwinSensors:
    """Area detectors of approaches, controllers and crossing calls, in that order of rows."""

    def __init__(self, city: CityFacts, board: Board, trace: TracePort) -> None:
        self._city, self._board, self._trace = city, board, trace
        layout = city.layout
        assets = layout.tables["signals"]
        self._approaches, self._junctions = len(layout.approaches.junction), len(layout.junctions.x_m)
        self._calls = np.flatnonzero(assets.links.kind == LinkKind.CROSSING)
        edge = layout.lanes.edge[layout.approaches.lane]
        crossing_xy = np.array([self._link_place(int(link)) for link in self._calls]).reshape(-1, 2)
        self._x_m = np.concatenate([layout.edges.x1_m[edge], layout.junctions.x_m, crossing_xy[:, 0]])
        self._y_m = np.concatenate([layout.edges.y1_m[edge], layout.junctions.y_m, crossing_xy[:, 1]])
        counts = (self._approaches, self._junctions, len(self._calls))
        self._kind = np.repeat(np.array([_AREA, _CONTROLLER, _CALL], np.uint8), counts)
        self._junction = np.concatenate(
            [layout.approaches.junction, np.arange(self._junctions), assets.links.junction[self._calls]]
        )
        lanes = layout.names.get("lanes", ())
        names = [f"approach {row} ({lanes[lane]})" for row, lane in enumerate(layout.approaches.lane.tolist())]
        names += [f"controller {name}" for name in layout.names["junctions"]]
        names += [f"crossing call {int(link)}" for link in self._calls]
        self._names = names

    def _link_place(self, link: int) -> tuple[float, float]:
        points = self._city.shapes.links[link]
        row = int(self._city.layout.tables["signals"].links.junction[link])
        places = self._city.layout.junctions
        return points[0] if points else (float(places.x_m[row]), float(places.y_m[row]))

    def columns(self) -> tuple[F64, F64, U8, U8]:
        """Return place, kind and state of every sensor."""
        age = self._board.column("age_ds")
        state = np.full(len(self._x_m), _NEVER, np.uint8)
        if len(age) == self._approaches:
            state[: self._approaches] = np.where(age == 255, _NEVER, np.where(age > _SILENT_DS, _SILENT, _GOOD))
            fresh = self._board.silent_s() < 10.0
            state[self._approaches :] = _GOOD if fresh else _SILENT
            if not fresh:
                state[: self._approaches] = _SILENT
        return self._x_m, self._y_m, self._kind, state

    def item(self, row: int) -> SensorItem:
        """Return one sensor."""
        state = int(self.columns()[3][row])
        at_ms = None if self._board.tick is None else self._board.tick.at_ms
        age_ms, value, unit = 0, None, "1"
        if row < self._approaches:
            age_ms = int(self._board.column("age_ds")[row]) * 100 if self._board.tick is not None else 0
            value, unit = self._cell("seen", row), "veh"
        elif row < self._approaches + self._junctions:
            value = self._cell("stage", row - self._approaches)
        else:
            value = self._cell("calls", int(self._calls[row - self._approaches - self._junctions]))
        # Where the whole city stands still, nothing has been heard of anything for so long.
        silent_s = max(age_ms / 1000, round(min(self._board.silent_s(), 86_400.0)))
        reason = {_SILENT: f"silent for {silent_s:g} s", _NEVER: "never heard of, or not for 25 s"}.get(state, "")
        heard_ms = None if at_ms is None or state == _NEVER else at_ms - age_ms
        return SensorItem(
            row=row,
            name=self._names[row],
            kind=int(self._kind[row]),
            x_m=float(self._x_m[row]),
            y_m=float(self._y_m[row]),
            state=state,
            reason=reason,
            value=value,
            unit=unit,
            observed_at_ms=heard_ms,
            received_at_ms=heard_ms,
            junction=int(self._junction[row]),
        )

    def find(self, text: str, states: Sequence[int], begin: int, limit: int) -> list[int]:
        """Return rows by a part of the name and by state."""
        wanted = self.columns()[3]
        rows = range(begin, len(self._names))
        kept = (r for r in rows if (not states or wanted[r] in states) and text in self._names[r].casefold())
        return [row for row, _ in zip(kept, range(limit), strict=False)]

    def history(self, row: int, begin_ms: int, end_ms: int) -> list[tuple[int, float]]:
        """Return what was recorded of a sensor."""
        if row < self._approaches:
            name, at = "seen", row
        elif row < self._approaches + self._junctions:
            name, at = "stage", row - self._approaches
        else:
            name, at = "calls", int(self._calls[row - self._approaches - self._junctions])
        stride_ms = max((end_ms - begin_ms) // _MOST_POINTS, 0)
        points = []
        for payload in self._trace.between(begin_ms, end_ms, stride_ms=stride_ms, limit=_MOST_POINTS):
            tick = msgspec.msgpack.decode(payload, type=Tick)
            column = tick.arrays.get(name, b"")
            if at < len(column):
                points.append((tick.at_ms, float(column[at])))
        return points

    def _cell(self, name: str, at: int) -> float | None:
        column = self._board.column(name)
        return float(column[at]) if at < len(column) else None
