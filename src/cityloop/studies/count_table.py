"""Detector counts and journey times from CSV files, checked row by row."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cityloop.kernel.errors import InputError

__all__ = ["CountRow", "JourneyRow", "read_counts", "read_journeys"]

_COUNT_COLUMNS = ("edge", "begin_s", "end_s", "count")
_JOURNEY_COLUMNS = ("from_edge", "to_edge", "begin_s", "end_s", "travel_time_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """Vehicles counted on a link in an interval."""

    edge: str
    begin_s: float
    end_s: float
    count_veh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyRow:
    """Mean travel time from the end of one link to the end of another."""

    from_edge: str
    to_edge: str
    begin_s: float
    end_s: float
    travel_time_s: float


def read_counts(path: Path, edges: Collection[str], net_file: Path) -> tuple[CountRow, ...]:
    """Read the columns edge, begin_s, end_s, count; each link and interval may stand in one row only."""
    rows: list[CountRow] = []
    last: dict[str, list[tuple[float, float, int]]] = {}
    for number, raw in _rows(path, _COUNT_COLUMNS):
        edge = _edge(path, number, raw, "edge", edges, net_file)
        begin_s, end_s = _interval_s(path, number, raw)
        for other_begin_s, other_end_s, other in last.get(edge, ()):
            if begin_s < other_end_s and other_begin_s < end_s:
                raise InputError(
                    f"{path}, row {number}: link {edge!r} is counted twice in {begin_s:g}-{end_s:g} s "
                    f"(see row {other}); keep one of the two"
                )
        last.setdefault(edge, []).append((begin_s, end_s, number))
        count_veh = _number(path, number, raw, "count")
        if count_veh < 0:
            raise InputError(f"{path}, row {number}: count is {count_veh:g}; give 0 or more vehicles")
        rows.append(CountRow(edge=edge, begin_s=begin_s, end_s=end_s, count_veh=count_veh))
    if not rows:
        raise InputError(f"{path}: no counts; add rows under {','.join(_COUNT_COLUMNS)}")
    return tuple(rows)


def read_journeys(path: Path, edges: Collection[str], net_file: Path) -> tuple[JourneyRow, ...]:
    """Read the columns from_edge, to_edge, begin_s, end_s, travel_time_s."""
    rows: list[JourneyRow] = []
    for number, raw in _rows(path, _JOURNEY_COLUMNS):
        begin_s, end_s = _interval_s(path, number, raw)
        travel_time_s = _number(path, number, raw, "travel_time_s")
        if travel_time_s <= 0:
            raise InputError(
                f"{path}, row {number}: travel_time_s is {travel_time_s:g}; give a positive number of seconds"
            )
        rows.append(
            JourneyRow(
                from_edge=_edge(path, number, raw, "from_edge", edges, net_file),
                to_edge=_edge(path, number, raw, "to_edge", edges, net_file),
                begin_s=begin_s,
                end_s=end_s,
                travel_time_s=travel_time_s,
            )
        )
    return tuple(rows)


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows with the line number that an editor shows."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a CSV file in UTF-8") from error
    reader = csv.DictReader(text.splitlines())
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{path}, row 1: no column {missing[0]!r}; the first row must be {','.join(columns)}")
    found = []
    for raw in reader:
        if any(raw[column] is None for column in columns):
            raise InputError(f"{path}, row {reader.line_num}: too few values; give {','.join(columns)}")
        found.append((reader.line_num, raw))
    return found


def _edge(path: Path, number: int, raw: dict[str, str], key: str, edges: Collection[str], net_file: Path) -> str:
    edge = raw[key].strip()
    if edge not in edges:
        raise InputError(
            f"{path}, row {number}: {key} {edge!r} is not a link that cars may use in {net_file}; "
            "correct the name or remove the row"
        )
    return edge


def _interval_s(path: Path, number: int, raw: dict[str, str]) -> tuple[float, float]:
    begin_s, end_s = _number(path, number, raw, "begin_s"), _number(path, number, raw, "end_s")
    if end_s <= begin_s:
        raise InputError(f"{path}, row {number}: end_s is {end_s:g}, not after begin_s {begin_s:g}; give a later end_s")
    return begin_s, end_s


def _number(path: Path, number: int, raw: dict[str, str], key: str) -> float:
    try:
        value = float(raw[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, row {number}: {key} is {raw[key]!r}; give a number")
    return value
