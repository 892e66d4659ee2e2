"""Read recorded weighings and fill levels: Amsterdam's residual waste, Wyndham's smart bins.

Both are public records; neither is part of this repository. A folder of each is named by the user.
"""

from __future__ import annotations

import csv
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cityloop.kernel.columns import F64, I64
from cityloop.kernel.errors import InputError

__all__ = ["AMSTERDAM_WEIGHINGS", "WYNDHAM_LEVELS", "Levels", "Visits", "read_amsterdam", "read_wyndham"]

AMSTERDAM_WEIGHINGS = "rest_weighings_2020-01_2021-06.csv.xz"
AMSTERDAM_POSITIONS = "positions.csv"
WYNDHAM_LEVELS = "wyndham_waste_data_cleaned.csv"

_MERGE_S = 30 * 60
"""Rows of one site closer than this are one visit: several containers, or one that was lifted twice."""
_PRESS_KG = 1200.0
"""A site whose median row is heavier holds a press container: another truck fetches it."""
_LEAST_VISITS = 30


@dataclass(frozen=True, slots=True)
class Visits:
    """Recorded visits, one row a visit, sorted by site and time."""

    site: I64
    at_s: I64
    """Seconds since 1970, UTC."""
    mass_kg: F64
    rows: I64
    """Recorded rows merged into the visit."""
    site_names: tuple[str, ...]
    x_m: F64
    """Of the sites, east of the mean. [m]"""
    y_m: F64
    centre: tuple[float, float]
    """Latitude and longitude from which the metres count. [deg]"""
    containers: I64
    """Containers of the site: how many rows its fuller visits have (75th percentile)."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Daily readings of level sensors."""

    level: npt.NDArray[np.float64]
    """As recorded, 0 to 10; NaN where there is none; shape (bins, days)."""
    first_day: np.datetime64


def _rows(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    """Read some columns of a CSV file, compressed or not."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the folder that holds it.")
    with lzma.open(path, "rt", newline="") if path.suffix == ".xz" else path.open(newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader, [])
        missing = [name for name in columns if name not in header]
        if missing:
            raise InputError(f"{path}: no column {missing[0]!r}; there are {', '.join(header)}.")
        index = [header.index(name) for name in columns]
        return [[row[k] for k in index] for row in reader if len(row) == len(header)]


def read_amsterdam(folder: Path) -> Visits:
    """Read the weighings, merge rows into visits, and keep the sites that one kind of truck can serve regularly.

    Kept are sites with at least 30 visits whose median row is below 1,200 kg. Exact duplicates count once, negative
    weights as nothing found.
    """
    records = sorted(set(map(tuple, _rows(folder / AMSTERDAM_WEIGHINGS, ("id", "dateObserved", "weight")))))
    names, site = np.unique([row[0] for row in records], return_inverse=True)
    at = np.array([row[1].rstrip("Z") for row in records], "datetime64[s]").astype(np.int64)
    mass = np.array([float(row[2] or 0.0) for row in records])
    mass = np.maximum(mass, 0.0)
    order = np.lexsort((at, site))
    site, at, mass = site[order], at[order], mass[order]
    begins = np.concatenate([[True], (np.diff(site) != 0) | (np.diff(at) > _MERGE_S)])
    visit = np.cumsum(begins) - 1
    v_site, v_at = site[begins], at[begins]
    v_mass, v_rows = np.bincount(visit, mass), np.bincount(visit)
    places = {
        row[0]: (float(row[1]), float(row[2])) for row in _rows(folder / AMSTERDAM_POSITIONS, ("id", "lat", "long"))
    }
    starts = np.searchsorted(site, np.arange(len(names) + 1))
    v_starts = np.searchsorted(v_site, np.arange(len(names) + 1))
    keep = np.zeros(len(names), bool)
    containers = np.ones(len(names), np.int64)
    for k, name in enumerate(names):
        own = v_rows[v_starts[k] : v_starts[k + 1]]
        keep[k] = len(own) >= _LEAST_VISITS and str(name) in places
        keep[k] &= bool(np.median(mass[starts[k] : starts[k + 1]]) < _PRESS_KG)
        containers[k] = max(1, round(float(np.percentile(own, 75))))
    kept = np.flatnonzero(keep)
    renumbered = np.full(len(names), -1)
    renumbered[kept] = np.arange(len(kept))
    mine = keep[v_site]
    lat = np.array([places[str(names[k])][0] for k in kept])
    lon = np.array([places[str(names[k])][1] for k in kept])
    x = (lon - lon.mean()) * np.cos(np.radians(lat.mean())) * 111_320.0
    y = (lat - lat.mean()) * 111_195.0
    return Visits(
        renumbered[v_site[mine]],
        v_at[mine],
        v_mass[mine],
        v_rows[mine],
        tuple(str(names[k]) for k in kept),
        x,
        y,
        (float(lat.mean()), float(lon.mean())),
        containers[kept],
    )


def read_wyndham(folder: Path) -> Levels:
    """Read the bins' daily fill levels; days that were filled in by interpolation elsewhere are missing here."""
    path = folder / WYNDHAM_LEVELS
    records = _rows(path, ("timestamp", "serialNumber", "latestFullness"))
    bins = sorted({row[1] for row in records})
    day = np.array([row[0] for row in records], "datetime64[D]")
    first = day.min()
    level = np.full((len(bins), int((day.max() - first).astype(int)) + 1), np.nan)
    row_of = {name: k for k, name in enumerate(bins)}
    for (_, name, value), when in zip(records, day, strict=True):
        level[row_of[name], int((when - first).astype(int))] = float(value)
    return Levels(level, first)
