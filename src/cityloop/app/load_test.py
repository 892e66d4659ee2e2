"""A made-up city to measure the dashboard by: 120,000 sensors, 2,000 vehicles, 3,000 edges, 760 signals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cityloop.app.live_picture import marks_of
from cityloop.app.load_services import SERVICE_NAMES, LoadServices
from cityloop.domains.signals.schema import Controllers, Links, Matrices, SignalAssets, Stages
from cityloop.kernel.columns import F64, I32, U8, columns_of
from cityloop.kernel.layout import Approaches, Edges, Junctions, Lanes, Layout, Movements, Streams
from cityloop.kernel.shapes import MapLine, MapShapes, Ways
from cityloop.web.ports import SensorItem
from cityloop.wire.frame import Box, vehicle_rows
from cityloop.wire.live import Steering, Tick

__all__ = ["LoadSensors", "LoadSource", "load_city"]

_ROWS, _COLUMNS = 20, 38
_BLOCK_M = 160.0
_EDGES, _VEHICLES, _SENSORS = 3000, 2000, 120_000
_LINKS, _STAGES, _APPROACHES = 8, 4, 2
_HZ = 10.0
_GREEN_S = 15.0
_SENSOR_KINDS = ((2, 40_000), (1, 8_000), (5, 12_000), (6, 10_000), (7, 20_000), (8, 20_000), (9, 4_000), (10, 6_000))
_UNITS = {1: "veh", 2: "veh", 5: "ug/m3", 6: "dB", 7: "1", 8: "1", 9: "degC", 10: "m"}


def load_city() -> tuple[Layout, MapShapes]:
    """Return layout and lines of a grid of 20 x 38 signals."""
    n = _ROWS * _COLUMNS
    row, column = np.divmod(np.arange(n), _COLUMNS)
    x_m, y_m = (column + 1.0) * _BLOCK_M, (row + 1.0) * _BLOCK_M
    begin, end = _grid_edges(n)
    ends = np.stack([x_m[begin], y_m[begin], x_m[end], y_m[end]])
    # The rest leave the grid at its rim.
    rest = _EDGES - len(begin)
    rim = np.arange(rest) % _COLUMNS
    out = np.stack([x_m[rim], y_m[rim], x_m[rim], y_m[rim] - _BLOCK_M])
    ends = np.concatenate([ends, out], axis=1)
    lengths = np.hypot(ends[2] - ends[0], ends[3] - ends[1])
    limits = np.full(_EDGES, 13.9)
    junction = np.repeat(np.arange(n, dtype=np.int32), _APPROACHES)
    lane = np.arange(n * _APPROACHES, dtype=np.int32) % _EDGES
    many = len(junction)
    approaches = Approaches(
        junction, lane, np.arange(many, dtype=np.int32), np.full(many, 13.9), np.full(many, 150.0),
        np.zeros(many), np.full(many, 150.0), np.arange(many, dtype=np.int32), np.ones(many, np.int32),
        np.zeros(many, np.int32), np.zeros(many, np.int32),
    )  # fmt: skip
    nothing_i, nothing_f = np.zeros(0, np.int32), np.zeros(0)
    movements = Movements(nothing_i, nothing_i, nothing_i, nothing_i, nothing_f, nothing_f)
    edge_names = tuple(f"edge {i}" for i in range(_EDGES))
    layout = Layout(
        version="load-test-1",
        junctions=Junctions(x_m, y_m),
        edges=Edges(lengths, limits, ends[0], ends[1], ends[2], ends[3]),
        lanes=Lanes(np.arange(_EDGES, dtype=np.int32), lengths, limits),
        approaches=approaches,
        movements=movements,
        streams=Streams(nothing_i, nothing_i),
        tables={"signals": _assets(n, approaches, movements)},
        names={
            "junctions": tuple(f"signal {i}" for i in range(n)),
            "edges": edge_names,
            "lanes": tuple(f"{name}_0" for name in edge_names),
            **SERVICE_NAMES,
        },
    )
    return layout, _shapes(layout, ends)


def _grid_edges(n: int) -> tuple[I32, I32]:
    at = np.arange(n)
    right = at[(at % _COLUMNS) < _COLUMNS - 1]
    up = at[at + _COLUMNS < n]
    begin = np.concatenate([right, right + 1, up, up + _COLUMNS])
    end = np.concatenate([right + 1, right, up + _COLUMNS, up])
    return begin.astype(np.int32), end.astype(np.int32)


def _links(at: I32, count: int) -> Links:
    """Return links that know nothing of themselves but their kind: whatever else a link tells is 0."""
    columns: dict[str, Any] = {column.name: np.zeros(count, column.dtype) for column in columns_of(Links)}
    nobody = np.full(count, -1, np.int32)
    columns |= {
        "junction": np.repeat(at, _LINKS),
        "kind": np.tile(np.array([0, 0, 0, 1], np.int32), count // 4),
        "approach": nobody,
        "yellow_s": np.full(count, 3.0),
        "length_m": np.full(count, 15.0),
        "next_group": nobody,
    }
    return Links(**columns)


def _assets(n: int, approaches: Approaches, movements: Movements) -> SignalAssets:
    at = np.arange(n, dtype=np.int32)
    links = n * _LINKS
    lamps = np.zeros((n, _STAGES, _LINKS), np.uint8)
    for stage in range(_STAGES):
        lamps[:, stage, 2 * stage : 2 * stage + 2] = 2
    return SignalAssets(
        controllers=Controllers(
            at * _LINKS, (at + 1) * _LINKS, at * _STAGES, (at + 1) * _STAGES, at * _APPROACHES,
            (at + 1) * _APPROACHES, at * _LINKS * _LINKS, at * _STAGES * _LINKS, at * _STAGES * _STAGES,
            np.full(n, 1.0),
        ),
        links=_links(at, links),
        stages=Stages(np.repeat(at, _STAGES), np.ones(n * _STAGES, np.bool_), np.full(n * _STAGES, 5.0)),
        approaches=approaches,
        movements=movements,
        matrices=Matrices(*(np.zeros(n * _LINKS * _LINKS, np.bool_) for _ in range(3))),
        lamps=lamps.ravel(),
        intergreen_s=np.full(n * _STAGES * _STAGES, 5.0),
        sensing="area:150",
    )  # fmt: skip


def _shapes(layout: Layout, ends: F64) -> MapShapes:
    lines = tuple(
        MapLine(row=i, way=Ways.ROAD, width_m=7.0, points=((float(e[0]), float(e[1])), (float(e[2]), float(e[3]))))
        for i, e in enumerate(ends.T)
    )
    box = (0.0, -_BLOCK_M, (_COLUMNS + 1) * _BLOCK_M, (_ROWS + 1) * _BLOCK_M)
    x_m, y_m = layout.junctions.x_m.tolist(), layout.junctions.y_m.tolist()
    outlines = tuple(
        ((x - 8, y - 8), (x + 8, y - 8), (x + 8, y + 8), (x - 8, y + 8)) for x, y in zip(x_m, y_m, strict=True)
    )
    ways = []
    for x, y in zip(x_m, y_m, strict=True):
        for link in range(_LINKS):
            angle = link * np.pi / 4
            dx, dy = 8 * float(np.cos(angle)), 8 * float(np.sin(angle))
            ways.append(((x + dx, y + dy), (x + dx / 2, y + dy / 2)))
    return MapShapes(
        box=box,
        lines=lines,
        outlines=outlines,
        links=tuple(ways),
        streets=tuple(f"Street {i // 40}" for i in range(_EDGES)),
        junction_labels=tuple(f"Avenue {i % _COLUMNS + 1} / Street {i // _COLUMNS + 1}" for i in range(len(x_m))),
    )


class LoadSensors:
    """120,000 sensors of which a few per thousand are out of order, others from time to time."""

    def __init__(self, box: Box) -> None:
        rng = np.random.default_rng(7)
        self._x_m = rng.uniform(box[0], box[2], _SENSORS)
        self._y_m = rng.uniform(box[1], box[3], _SENSORS)
        self._kind = np.concatenate([np.full(count, kind, np.uint8) for kind, count in _SENSOR_KINDS])
        self._state = rng.choice(
            np.array([0, 1, 2, 3, 4, 5], np.uint8), _SENSORS, p=[0.994, 0.002, 0.001, 0.001, 0.001, 0.001]
        )
        self._value = rng.uniform(0, 100, _SENSORS)
        self._rng = rng

    def step(self) -> None:
        """Let a few sensors change their state."""
        rows = self._rng.integers(0, _SENSORS, 20)
        self._state[rows] = self._rng.choice(np.array([0, 0, 0, 3, 4], np.uint8), len(rows))

    def columns(self) -> tuple[F64, F64, U8, U8]:
        """Return place, kind and state of every sensor."""
        return self._x_m, self._y_m, self._kind, self._state

    def item(self, row: int) -> SensorItem:
        """Return one sensor."""
        kind, state = int(self._kind[row]), int(self._state[row])
        reasons = ("", "disagrees with its neighbours", "out of range", "silent for 10 min", "flat for 2 h", "jumps")
        now_ms = time.time_ns() // 1_000_000
        return SensorItem(
            row=row,
            name=f"sensor {row}",
            kind=kind,
            x_m=float(self._x_m[row]),
            y_m=float(self._y_m[row]),
            state=state,
            reason=reasons[state],
            value=float(self._value[row]),
            unit=_UNITS.get(kind, "1"),
            observed_at_ms=now_ms,
            received_at_ms=now_ms,
        )

    def find(self, text: str, states: object, begin: int, limit: int) -> list[int]:
        """Return rows by a part of the name and by state."""
        wanted = np.isin(self._state, np.array(states, np.uint8)) if states else np.ones(_SENSORS, np.bool_)
        rows = np.flatnonzero(wanted[begin:]) + begin
        if not text:
            return rows[:limit].tolist()  # type: ignore[no-any-return]  # NumPy types no list
        return [int(row) for row in rows if text in f"sensor {row}"][:limit]

    def history(self, row: int, begin_ms: int, end_ms: int) -> list[tuple[int, float]]:
        """Return a made-up series, a point a minute."""
        at_ms = np.arange(begin_ms, end_ms, 60_000)[:1440]
        values = self._value[row] + 5 * np.sin(at_ms / 600_000 + row)
        return list(zip(at_ms.tolist(), np.round(values, 2).tolist(), strict=True))


@dataclass(slots=True)
class _Cars:
    edge: I32
    at_m: F64
    speed_mps: F64
    kind: U8


class LoadSource:
    """Moves the made-up city ten times a second in a thread of its own."""

    def __init__(self, layout: Layout, shapes: MapShapes, sensors: LoadSensors, hear: Callable[[Tick], None]) -> None:
        self._layout, self._box, self._sensors, self._hear = layout, shapes.box, sensors, hear
        self._stop = threading.Event()
        self._rng = np.random.default_rng(11)
        edges = layout.edges
        begin, end = _grid_edges(len(layout.junctions.x_m))
        self._end = np.concatenate([end, np.full(_EDGES - len(end), -1, np.int32)])
        order = np.argsort(begin, kind="stable")
        self._leaving = [order[begin[order] == node] for node in range(len(layout.junctions.x_m))]
        self._angle = np.degrees(np.arctan2(edges.x1_m - edges.x0_m, edges.y1_m - edges.y0_m))
        self._cars = _Cars(
            self._rng.integers(0, len(begin), _VEHICLES).astype(np.int32),
            self._rng.uniform(0, _BLOCK_M, _VEHICLES),
            self._rng.uniform(4, 14, _VEHICLES),
            self._rng.choice(np.array([0, 0, 0, 0, 1, 3, 4], np.uint8), _VEHICLES),
        )
        self._marks: U8 = np.zeros(len(layout.junctions.x_m), np.uint8)
        self._steered = 0
        self._services = LoadServices(shapes.box, np.random.default_rng(13))
        self._thread = threading.Thread(target=self._run, name="load-test", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def steer(self, steering: Steering) -> None:
        """Show what people have set; nothing acts on it."""
        self._marks = marks_of(steering, len(self._layout.junctions.x_m), time.time_ns() // 1_000_000)
        self._steered = steering.token

    def stop(self) -> None:
        """End. Safe to call twice."""
        self._stop.set()

    def _run(self) -> None:
        number, due_s = 0, time.monotonic()
        arrays, services = self._arrays(0), self._services.shown()
        while not self._stop.is_set():
            number += 1
            began_s = time.monotonic()
            # One kind of section a frame, so that no frame grows past its bound.
            fresh = self._arrays(number)
            arrays = {**arrays, **{name: fresh[name] for name in _TURNS.get(number % 10, ())}}
            if number % 10 == 9:
                self._sensors.step()
            shown = {"vehicles": self._move(1.0 / _HZ)}
            if number % 10 == 8:
                self._services.move()
                services = self._services.shown()
            now_ms = time.time_ns() // 1_000_000
            late_ms = max(0.0, (began_s - due_s) * 1000)
            took_ms = (time.monotonic() - began_s) * 1000
            self._hear(
                Tick(
                    at_ms=now_ms, wall_ms=now_ms, sim_s=number / _HZ, number=number, late_ms=late_ms, took_ms=took_ms,
                    arrays=arrays, shown={**shown, **services}, steered=self._steered,
                    views=self._services.views(now_ms) if number % 10 == 2 else {},
                )
            )  # fmt: skip
            due_s += 1.0 / _HZ
            self._stop.wait(max(0.0, due_s - time.monotonic()))

    def _move(self, step_s: float) -> bytes:
        cars, edges = self._cars, self._layout.edges
        cars.at_m += cars.speed_mps * step_s
        for car in np.flatnonzero(cars.at_m >= edges.length_m[cars.edge]).tolist():
            node = int(self._end[cars.edge[car]])
            choices = self._leaving[node] if node >= 0 else self._leaving[0]
            cars.edge[car] = choices[self._rng.integers(0, len(choices))]
            cars.at_m[car] = 0.0
        share = cars.at_m / edges.length_m[cars.edge]
        side = np.radians(self._angle[cars.edge] + 90)
        x_m = edges.x0_m[cars.edge] + share * (edges.x1_m - edges.x0_m)[cars.edge] + 2.5 * np.sin(side)
        y_m = edges.y0_m[cars.edge] + share * (edges.y1_m - edges.y0_m)[cars.edge] + 2.5 * np.cos(side)
        return vehicle_rows(x_m, y_m, self._angle[cars.edge], cars.kind, cars.speed_mps, self._box)

    def _arrays(self, number: int) -> dict[str, bytes]:
        n = len(self._layout.junctions.x_m)
        clock_s = number / _HZ + np.arange(n) * 3.7
        within = clock_s % _GREEN_S
        stage = (clock_s // _GREEN_S % _STAGES).astype(np.uint8)
        between = within > _GREEN_S - 4
        lamps = np.zeros((n, _LINKS), np.uint8)
        for link in range(_LINKS):
            lamps[:, link] = np.where(stage == link // 2, np.where(between, 4, 2), 0)
        many = len(self._layout.approaches.junction)
        wave = np.sin(clock_s[self._layout.approaches.junction] / 20) + 1
        share = 100 + 80 * np.sin(number / 200 + np.arange(_EDGES) / 50)
        return {
            "stage": np.where(between, 255, stage).astype(np.uint8).tobytes(),
            "state": self._marks.tobytes(),
            "stage_s": within.astype(np.uint8).tobytes(),
            "red_s": np.full(n, 45, np.uint8).tobytes(),
            "lamps": lamps.tobytes(),
            "standing": (wave * 6).astype(np.uint8).tobytes(),
            "seen": (wave * 9).astype(np.uint8).tobytes(),
            "age_ds": np.full(many, 8, np.uint8).tobytes(),
            "left": (wave * 0.6).astype(np.uint8).tobytes(),
            "edges": share.astype(np.uint8).tobytes(),
        }


_TURNS: dict[int, tuple[str, ...]] = {
    1: ("lamps",),
    3: ("stage", "state", "stage_s", "red_s"),
    5: ("standing", "seen", "age_ds", "left"),
    7: ("edges",),
}
