"""Reading a month of records: controller events, detector counts, calls, weighings; each a CSV with a known header.

Columns are found by name, in any order and the usual spellings. A row that is wrong is counted and set aside with its
line; a file without the columns it needs is refused.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import InputError

__all__ = ["KINDS", "Calls", "Counts", "Events", "SetAside", "Weighings", "kind_of", "read_detectors", "read_records"]

KINDS = ("events", "counts", "calls", "weighings")
_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "events": {
        "signal": ("signalid", "signal_id", "deviceid", "locationidentifier"),
        "at": ("timestamp", "time"),
        "code": ("eventcode", "eventcodeid", "event_code", "eventid"),
        "param": ("eventparam", "event_param", "parameter"),
    },
    "counts": {
        "detector": ("detector", "stream", "sensor", "site_id"),
        "at": ("begin", "timestamp", "time", "datetime"),
        "count": ("count", "volume", "vehicles", "count_veh"),
    },
    "calls": {
        "call": ("call", "call_id", "incident", "incident_id", "callnumber"),
        "received": ("received", "call_received", "received_at"),
        "dispatched": ("dispatched", "dispatch", "dispatched_at"),
        "arrived": ("arrived", "on_scene", "onscene", "arrived_at"),
        "cleared": ("cleared", "available", "cleared_at"),
        "unit": ("unit", "unit_id", "vehicle"),
        "x": ("x_m", "x", "lon", "longitude"),
        "y": ("y_m", "y", "lat", "latitude"),
    },
    "weighings": {
        "site": ("site", "container", "location", "site_id"),
        "at": ("time", "timestamp", "weighed_at", "date"),
        "kg": ("kg", "weight", "weight_kg", "net_kg"),
    },
}
_KEPT_EXAMPLES = 20


@dataclass(slots=True)
class SetAside:
    """Rows that could not be used: how many, and the first of them."""

    rows: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, path: Path, line: int, why: str) -> None:
        """Count one."""
        self.rows += 1
        if len(self.examples) < _KEPT_EXAMPLES:
            self.examples.append(f"{path.name} line {line}: {why}")


@dataclass(frozen=True, slots=True)
class Events:
    """High-resolution events, sorted by instant."""

    signals: tuple[str, ...]
    signal: I64
    at_ms: I64
    code: I64
    param: I64


@dataclass(frozen=True, slots=True)
class Counts:
    """Detector counts, one row an interval."""

    detectors: tuple[str, ...]
    detector: I64
    at_ms: I64
    count: F64


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls for help with their time stamps [ms], NaN where one is missing."""

    units: tuple[str, ...]
    unit: I64
    received_ms: F64
    dispatched_ms: F64
    arrived_ms: F64
    cleared_ms: F64
    x_m: F64
    y_m: F64


@dataclass(frozen=True, slots=True)
class Weighings:
    """What was taken from containers."""

    sites: tuple[str, ...]
    site: I64
    at_ms: I64
    kg: F64


Records = Events | Counts | Calls | Weighings


def kind_of(path: Path) -> str:
    """Tell which kind of records a file holds, by its header."""
    header = [name.strip().lower() for name in next(_rows(path), [])]
    for kind, columns in _NAMES.items():
        if all(any(name in header for name in names) for names in columns.values()):
            return kind
    wanted = "; ".join(f"{kind}: {', '.join(names[0] for names in c.values())}" for kind, c in _NAMES.items())
    raise InputError(f"{path}, line 1: the columns {', '.join(header)[:120]} fit no kind of records ({wanted})")


def read_records(paths: Sequence[Path], kind: str, zone: tzinfo, aside: SetAside) -> Records:
    """Read files of one kind as one."""
    columns = _NAMES[kind]
    keys, named = list(columns), "unit" if kind == "calls" else next(iter(columns))
    rank: dict[str, int] = {}
    rows_of, numbers, width = array("q"), array("d"), 0
    for path in paths:
        rows = _rows(path)
        header = [name.strip().lower() for name in next(rows, [])]
        places = {
            key: next((i for i, name in enumerate(header) if name in names), -1) for key, names in columns.items()
        }
        missing = [columns[key][0] for key, place in places.items() if place < 0]
        if missing:
            raise InputError(f"{path}, line 1: no column {missing[0]!r} among {', '.join(header)[:120]}")
        degrees = kind == "calls" and header[places["y"]] in ("lat", "latitude")
        for line, row in enumerate(rows, start=2):
            if not row:
                continue
            try:
                cell = {key: row[places[key]].strip() for key in keys}
                value = _values(kind, cell, zone, degrees)
            except (ValueError, IndexError, OverflowError) as error:
                aside.add(path, line, str(error)[:80])
                continue
            rows_of.append(rank.setdefault(cell[named], len(rank)))
            numbers.extend(value)
            width = len(value)
    if not width:
        why = "; ".join(aside.examples[:1]) or "it is empty"
        raise InputError(f"{paths[0]}: holds no row that could be used ({why})")
    return _packed(kind, rank, np.array(rows_of, np.int64), np.array(numbers, np.float64).reshape(-1, width))


def _values(kind: str, cell: Mapping[str, str], zone: tzinfo, degrees: bool) -> list[float]:
    """Return a row's numbers; raises ValueError where one is wrong."""
    if kind == "events":
        code, param = int(cell["code"]), int(cell["param"])
        if not 0 <= code <= 65_535 or not 0 <= param <= 65_535 or not cell["signal"]:
            raise ValueError(f"signal, code or parameter out of range: {cell['signal']}, {code}, {param}")
        return [_instant(cell["at"], zone), code, param]
    if kind == "counts":
        count = float(cell["count"]) if cell["count"] else math.nan
        if count < 0 or math.isinf(count):
            raise ValueError(f"count {cell['count']} is below 0")
        return [_instant(cell["at"], zone), count]
    if kind == "weighings":
        kg = float(cell["kg"])
        if not 0 <= kg <= 60_000:
            raise ValueError(f"{kg:g} kg is not between 0 and 60,000")
        return [_instant(cell["at"], zone), kg]
    stamps = [
        _instant(cell[key], zone) if cell[key] else math.nan for key in ("received", "dispatched", "arrived", "cleared")
    ]
    if math.isnan(stamps[0]):
        raise ValueError("no time of receipt")
    x, y = float(cell["x"] or "nan"), float(cell["y"] or "nan")
    if degrees:
        # Metres about the equirectangular plane: exact enough for distances within a city.
        x, y = x * 111_320.0 * math.cos(math.radians(y)), y * 110_574.0
    return [*stamps, x, y]


def _packed(kind: str, rank: Mapping[str, int], rows: I64, numbers: F64) -> Records:
    names = tuple(sorted(rank))
    place = np.zeros(len(names), np.int64)
    for at, name in enumerate(names):
        place[rank[name]] = at
    rows = place[rows]
    order = np.argsort(numbers[:, 0], kind="stable")
    rows, numbers = rows[order], numbers[order]
    if kind == "events":
        whole = numbers.astype(np.int64)
        return Events(names, rows, whole[:, 0], whole[:, 1], whole[:, 2])
    if kind == "counts":
        return Counts(names, rows, numbers[:, 0].astype(np.int64), numbers[:, 1])
    if kind == "weighings":
        return Weighings(names, rows, numbers[:, 0].astype(np.int64), numbers[:, 1])
    return Calls(names, rows, *(numbers[:, column] for column in range(6)))


def read_detectors(path: Path) -> dict[tuple[str, int], tuple[int, float]]:
    """Read which phase each detector calls and how far before the stop line it lies [m].

    Columns SignalID, Detector, Phase and, where not 0, Setback_m.
    """
    rows = _rows(path)
    header = [name.strip().lower() for name in next(rows, [])]
    wanted = ("signalid", "detector", "phase")
    if not all(name in header for name in wanted):
        raise InputError(f"{path}, line 1: give the columns SignalID, Detector, Phase and, if known, Setback_m")
    found: dict[tuple[str, int], tuple[int, float]] = {}
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            signal, detector, phase = (row[header.index(name)].strip() for name in wanted)
            setback = row[header.index("setback_m")].strip() if "setback_m" in header else ""
            found[signal, int(detector)] = (int(phase), float(setback or 0))
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}, line {line}: {error}; give numbers for detector, phase and setback") from error
    return found


def _instant(text: str, zone: tzinfo) -> float:
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from csv.reader(stream)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from error
