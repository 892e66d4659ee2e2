"""Made-up ambulances, calls, trucks and containers of the load test: the same tables as the domains publish."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from cityloop.wire.frame import Box

__all__ = ["SERVICE_NAMES", "LoadServices"]

_UNITS, _SITES, _CALLS, _ZONES = 40, 12, 8, 60
_TRUCKS, _CONTAINERS, _STOPS = 30, 1200, 20
_HOSTILE = "<img src=x onerror=alert(1)>"
SERVICE_NAMES: dict[str, tuple[str, ...]] = {
    "units": (*(f"Ambulance {n + 1}" for n in range(_UNITS - 1)), _HOSTILE),
    "sites": tuple(f"Station {n + 1}" for n in range(_SITES)),
    "determinants": ("chest pain", "fall", "traffic accident", _HOSTILE),
    "trucks": tuple(f"Truck {n + 1}" for n in range(_TRUCKS)),
    "containers": (*(f"C{n + 1}" for n in range(_CONTAINERS - 1)), _HOSTILE),
}


class LoadServices:
    """Moves units and trucks about, and tells of them as their domains would."""

    def __init__(self, box: Box, rng: np.random.Generator) -> None:
        self._box, self._rng = box, rng
        low, high = np.array(box[:2]), np.array(box[2:])

        def places(n: int) -> Any:
            return rng.uniform(low + 0.05 * (high - low), high - 0.05 * (high - low), (n, 2))

        self._units, self._trucks = places(_UNITS), places(_TRUCKS)
        self._sites, self._calls, self._zones = places(_SITES), places(_CALLS), places(_ZONES)
        self._containers = places(_CONTAINERS)
        self._fill = rng.beta(2.0, 2.5, _CONTAINERS)
        self._began_ms = 0

    def move(self) -> None:
        """Let a second pass."""
        for moving in (self._units, self._trucks):
            moving += self._rng.normal(0.0, 6.0, moving.shape)
        self._fill = np.minimum(self._fill + 1e-6, 1.1)

    def shown(self) -> dict[str, bytes]:
        """Return the feed's sections."""
        return {
            "units": self._rows(self._units, np.arange(_UNITS) % 9),
            "trucks": self._rows(self._trucks, np.ones(_TRUCKS)),
            "containers": np.clip(np.rint(self._fill * 200), 0, 200).astype(np.uint8).tobytes(),
        }

    def views(self, now_ms: int) -> dict[str, bytes]:
        """Return the published tables, packed."""
        self._began_ms = self._began_ms or now_ms
        packed = {"emergency": self._emergency(now_ms), "refuse": self._refuse(now_ms)}
        return {name: msgspec.msgpack.encode(tables) for name, tables in packed.items()}

    def _rows(self, places: Any, status: Any) -> bytes:
        low, high = np.array(self._box[:2]), np.array(self._box[2:])
        share = (places - low) / (high - low)
        xy = np.rint(np.clip(share, 0, 1) * 65534 - 32767).astype(np.int16)
        tail = np.zeros(len(places), np.uint8).tobytes() + np.asarray(status).astype(np.uint8).tobytes()
        rows: bytes = xy[:, 0].tobytes() + xy[:, 1].tobytes() + tail
        return rows

    def _emergency(self, now_ms: int) -> dict[str, Any]:
        calls, ranked = np.arange(_CALLS), np.arange(_CALLS * 5)
        eta = 120.0 + 40.0 * (ranked % 5) + 7.0 * (ranked // 5)
        return {
            "units": _table(
                self._units, status=np.arange(_UNITS) % 9, site=np.arange(_UNITS) % _SITES,
                call=np.where(np.arange(_UNITS) < _CALLS, np.arange(_UNITS), -1),
                since_ms=np.full(_UNITS, self._began_ms), seen_at_ms=np.full(_UNITS, now_ms),
            ),
            "calls": _table(
                self._calls, number=calls, priority=calls % 3 + 1, determinant=calls % 4,
                received_ms=self._began_ms - 10_000 * calls, status=calls % 3 + 1,
                unit=np.where(calls % 3 > 0, calls, -1), eta_ms=np.where(calls % 3 == 1, now_ms + 90_000, -1),
                fault=np.where(calls == _CALLS - 1, 1, 0),
            ),
            "ranked": _table(
                None, call=ranked // 5, unit=ranked % _UNITS, eta_s=eta, low_s=eta * 0.8, high_s=eta * 1.4,
                uncovered_s=20.0 - 4.0 * (ranked % 5),
            ),
            "sites": _table(
                self._sites, kind=np.arange(_SITES) % 2, is_open=np.ones(_SITES), diverting=np.zeros(_SITES),
                bays=np.zeros(_SITES), at_door=np.arange(_SITES) % 2, free_units=np.arange(_SITES) % 4,
            ),
            "turns": _table(None, at_ms=[], unit=[], call=[], from_site=[], to_site=[]),
            "zones": _table(
                self._zones, weight=np.full(_ZONES, 1 / _ZONES), reach_s=200.0 + 15.0 * np.arange(_ZONES)
            ),
            "city": _table(
                None, free_units=[12], open_calls=[3], expected_response_s=[420.0], uncovered_frac=[0.18],
                calls_closed=[51], calls_set_aside=[1],
            ),
        }  # fmt: skip

    def _refuse(self, now_ms: int) -> dict[str, Any]:
        n, trucks, visits = np.arange(_CONTAINERS), np.arange(_TRUCKS), np.arange(_TRUCKS * _STOPS)
        planned = n < _TRUCKS * _STOPS
        return {
            "containers": _table(
                self._containers, fill_frac=self._fill, full_tomorrow_prob=np.clip(self._fill * 1.2 - 0.2, 0, 1),
                sensor_faulty_prob=np.where(n % 97 == 0, 0.8, 0.02),
                state=np.where(n % 211 == 0, 3, planned), truck=np.where(planned, n // _STOPS, -1),
                served_at_ms=np.full(_CONTAINERS, -1), moved=np.where(n % 150 == 7, 1 + n % 2, 0),
                seen_at_ms=np.full(_CONTAINERS, now_ms),
            ),
            "trucks": _table(
                self._trucks, status=np.where(trucks == 7, 4, 1), load_kg=1800.0 + 50 * trucks,
                payload_kg=np.full(_TRUCKS, 9000.0), stops_done=np.full(_TRUCKS, 6),
                stops_left=np.full(_TRUCKS, _STOPS - 6), next=trucks * _STOPS + 6, seen_at_ms=np.full(_TRUCKS, now_ms),
            ),
            "visits": _table(
                None, truck=visits // _STOPS, kind=np.zeros(len(visits)), container=visits,
                planned_ms=self._began_ms + 240_000 * (visits % _STOPS), done=visits % _STOPS < 6,
            ),
            "plans": _table(
                None, version=[1, 2], made_at_ms=[self._began_ms - 3_600_000, self._began_ms], reason=[1, 2],
                stops=[600, 600], moved_stops=[0, 8], taken_over_stops=[0, 5], left_out_stops=[0, 1],
            ),
            "places": _table(self._sites[:2], kind=np.arange(2)),
        }  # fmt: skip


def _table(places: Any, **columns: Any) -> dict[str, Any]:
    """Return columns with their units, by their names' endings."""
    ends = {"_m": "m", "_s": "s", "_ms": "ms", "_kg": "kg"}
    if places is not None:
        columns = {"x_m": places[:, 0], "y_m": places[:, 1], **columns}
    return {
        name: {
            "unit": next((unit for end, unit in ends.items() if name.endswith(end)), "1"),
            "values": np.asarray(values).tolist(),
        }
        for name, values in columns.items()
    }
