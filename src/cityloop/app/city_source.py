"""Whatever runs the city beside the server: the twin in a process of its own, or the load test in a thread."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cityloop.app.load_test import LoadSensors, LoadSource, load_city
from cityloop.kernel.errors import InputError
from cityloop.kernel.layout import Layout
from cityloop.kernel.shapes import MapShapes
from cityloop.web.board import Board
from cityloop.web.events import Events
from cityloop.web.ports import CityFacts, District, JobsPort, SensorsPort, TracePort
from cityloop.wire.live import Began, Died, Steering, Tick

__all__ = ["CitySource", "Hear", "NoJobs", "city_facts", "districts_of", "load_facts", "told_apart"]

Hear = Callable[[Tick | Began | Died], None]
_FEW = 8
"""A city of fewer signals is one district."""


class CitySource(Protocol):
    """Runs a city and tells what happens."""

    def start(self, hear: Hear) -> None:
        """Begin; ``hear`` may be called from any thread."""

    def steer(self, steering: Steering) -> None:
        """Hand over what people have set."""

    def sensors(self, facts: CityFacts, board: Board, trace: TracePort) -> SensorsPort:
        """Return the city's sensors."""

    def jobs(self, facts: CityFacts, events: Events, sim_s: Callable[[], float | None]) -> JobsPort:
        """Return who runs what-ifs."""

    def close(self) -> None:
        """End everything. Safe to call twice."""


class NoJobs:
    """A city without a twin has no what-ifs."""

    def __init__(self, remedy: str = "") -> None:
        self._remedy = remedy

    def choices(self) -> dict[str, Any]:
        """Return that nothing can be changed."""
        return {"arms": [], "stations": [], "plans": {}}

    def start(self, spec: Mapping[str, Any], by: str) -> dict[str, Any]:
        """Refuse."""
        raise InputError("what-if: this city has no twin to run it in" + (self._remedy and f"; {self._remedy}"))

    def listed(self) -> list[dict[str, Any]]:
        """Return none."""
        return []

    def get(self, job_id: str) -> dict[str, Any] | None:
        """Return none."""
        return None

    def cancel(self, job_id: str) -> bool:
        """Return that there was none."""
        return False


class _LoadTest:
    def __init__(self, layout: Layout, shapes: MapShapes) -> None:
        self._layout, self._shapes = layout, shapes
        self._sensors = LoadSensors(shapes.box)
        self._source: LoadSource | None = None

    def start(self, hear: Hear) -> None:
        self._source = LoadSource(self._layout, self._shapes, self._sensors, hear)
        self._source.start()
        hear(Began(at_ms=time.time_ns() // 1_000_000, lap=1))

    def steer(self, steering: Steering) -> None:
        if self._source is not None:
            self._source.steer(steering)

    def sensors(self, facts: CityFacts, board: Board, trace: TracePort) -> SensorsPort:
        return self._sensors

    def jobs(self, facts: CityFacts, events: Events, sim_s: Callable[[], float | None]) -> JobsPort:
        return NoJobs()

    def close(self) -> None:
        if self._source is not None:
            self._source.stop()


def load_facts() -> tuple[CityFacts, CitySource]:
    """Return the load test's facts and source."""
    layout, shapes = load_city()
    facts = CityFacts(
        name="load test",
        case="load-test",
        mode="load-test",
        label="LOAD TEST · MADE-UP CITY, NOTHING IS CONTROLLED",
        zone="UTC",
        pace=1.0,
        layout=layout,
        shapes=shapes,
        districts=districts_of(layout),
        domains=("signals", "emergency", "refuse"),
        acting=("signals",),
    )
    return facts, _LoadTest(layout, shapes)


def told_apart(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels of which no two are the same: those that several junctions share are numbered in their order."""
    shared = {label for label, n in Counter(labels).items() if n > 1}
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(f"{label} ({seen[label]})" if label in shared else label)
    return tuple(found)


def districts_of(layout: Layout) -> tuple[District, ...]:
    """Return the quarters of a city about its signals' middle; a small city is one district."""
    n = len(layout.junctions.x_m)
    if n < _FEW:
        return (District(id="all", name="Whole city", junctions=tuple(range(n))),)
    north = layout.junctions.y_m >= np.median(layout.junctions.y_m)
    east = np.zeros(n, np.bool_)
    for half in (north, ~north):
        east[half] = layout.junctions.x_m[half] >= np.median(layout.junctions.x_m[half])
    parts = (
        ("north-west", "North-west", north & ~east),
        ("north-east", "North-east", north & east),
        ("south-west", "South-west", ~north & ~east),
        ("south-east", "South-east", ~north & east),
    )
    return tuple(
        District(id=name, name=title, junctions=tuple(np.flatnonzero(rows).tolist())) for name, title, rows in parts
    )


def city_facts(
    city: str,
    *,
    data: Path,
    pace: float,
    control: str,
    sensing: str,
    seed: int,
    scale: float,
    keep_days: float,
) -> tuple[CityFacts, CitySource]:
    """Return a twin's facts and source, or a live city's."""
    from cityloop.app.twin_source import twin_source
    from cityloop.cities.live.folder import is_live_folder

    if is_live_folder(city):
        from cityloop.app.live_source import live_source

        return live_source(
            city, data=data, pace=pace, control=control, sensing=sensing, seed=seed, scale=scale, keep_days=keep_days
        )
    return twin_source(
        city, data=data, pace=pace, control=control, sensing=sensing, seed=seed, scale=scale, keep_days=keep_days
    )
