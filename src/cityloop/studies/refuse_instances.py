"""Read published routing instances into the project's own case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cityloop.domains.refuse.schema import Breaks, Depots, Metric, RoundCase, Stops, Tips, Travel, Trucks
from cityloop.kernel.errors import InputError

__all__ = ["METRES_PER_MILE", "PUBLISHED", "Published", "read_kim"]

METRES_PER_FOOT = 0.3048
METRES_PER_MILE = 1609.344
M3_PER_CUBIC_YARD = 0.764554857984
_UNBOUNDED = 1e9


def read_kim(path: Path, trucks: int) -> RoundCase:
    """Read an instance of Kim, Kim and Sahoo (2006) for a fleet of so many trucks.

    Distances are rectangular, as its authors have them; lunch begins between 11:00 and 12:00 and is due to whoever
    works after 12:00.

    References
    ----------
    .. [1] Kim, B.-I., Kim, S. and Sahoo, S. (2006). Waste collection vehicle routing problem with time windows.
       Computers & Operations Research, 33(12), 3624-3642. doi:10.1016/j.cor.2005.02.045
    """
    header, rows = _kim_lines(path)
    capacity_yd3, daily_yd3, stops_most, lunch_s, speed_mph = header
    by_kind = {kind: [row for row in rows if row[7] == kind] for kind in (0, 1, 2)}
    if len(by_kind[0]) != 1 or not by_kind[1] or not by_kind[2]:
        raise InputError(
            f"{path}: {len(by_kind[0])} depots, {len(by_kind[2])} landfills and {len(by_kind[1])} stops; "
            "there must be one depot and at least one landfill and stop."
        )
    depot, tips, stops = (np.array(by_kind[kind]) for kind in (0, 2, 1))
    return RoundCase(
        name=path.name,
        depots=Depots(*_place(depot), *_window(depot)),
        tips=Tips(*_place(tips), *_window(tips), tips[:, 5].copy()),
        stops=Stops(
            *_place(stops), *_window(stops), stops[:, 5].copy(), stops[:, 6] * M3_PER_CUBIC_YARD,
            np.zeros(len(stops)), np.full(len(stops), np.nan),
        ),
        trucks=Trucks(
            np.zeros(trucks, np.int32), np.repeat(_window(depot)[0], trucks), np.repeat(_window(depot)[1], trucks),
            np.full(trucks, capacity_yd3 * M3_PER_CUBIC_YARD), np.full(trucks, _UNBOUNDED),
            np.full(trucks, daily_yd3 * M3_PER_CUBIC_YARD), np.full(trucks, _UNBOUNDED),
            np.full(trucks, int(stops_most), np.int32), np.zeros(trucks), np.zeros(trucks), np.zeros(trucks),
        ),
        breaks=Breaks(
            np.arange(trucks, dtype=np.int32), np.full(trucks, 11 * 3600.0), np.full(trucks, 12 * 3600.0),
            np.full(trucks, lunch_s), np.zeros(trucks, bool),
        ),
        travel=Travel(Metric.MANHATTAN, speed_mph * METRES_PER_MILE / 3600),
        depot_ids=_ids(depot),
        tip_ids=_ids(tips),
        stop_ids=_ids(stops),
        truck_ids=tuple(str(truck + 1) for truck in range(trucks)),
        half_hours=True,
        unit="mi",
    )  # fmt: skip


def _kim_lines(path: Path) -> tuple[list[float], list[list[float]]]:
    header: list[float] = []
    rows: list[list[float]] = []
    try:
        text = path.read_text(encoding="latin1")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("//")[0].replace('"', " ").split()
        if not words or words[0].startswith("Stop_ID"):
            continue
        try:
            values = [float(word) for word in words[:8]]
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}; eight numbers a stop are expected.") from error
        if len(header) < 5:
            header.append(values[0])
        elif len(values) == 8:
            rows.append(values)
        else:
            raise InputError(f"{path}, line {number}: {len(values)} values, eight a stop are expected.")
    if len(header) < 5:
        raise InputError(f"{path}: {len(header)} header lines, five are expected.")
    return header, rows


def _place(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> tuple[np.ndarray, np.ndarray]:
    return rows[:, 1] * METRES_PER_FOOT, rows[:, 2] * METRES_PER_FOOT


def _window(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> tuple[np.ndarray, np.ndarray]:
    early, late = (rows[:, column].astype(np.int64) for column in (3, 4))
    return (early // 100 * 3600.0 + early % 100 * 60.0), (late // 100 * 3600.0 + late % 100 * 60.0)


def _ids(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> tuple[str, ...]:
    return tuple(str(int(number)) for number in rows[:, 0])


@dataclass(frozen=True, slots=True)
class Published:
    """The best published value of an instance."""

    trucks: int
    distance: float
    source: str


_BENJAMIN = "Benjamin and Beasley, Computers & Operations Research 37(12), 2010"
_BUHRKAL = "Buhrkal, Larsen and Ropke, Procedia - Social and Behavioral Sciences 39, 2012"
PUBLISHED: dict[str, Published] = {
    f"{stops}_stop.txt": Published(trucks, miles, f"{_BENJAMIN}; {_BUHRKAL}")
    for stops, trucks, miles in (
        (102, 3, 174.5), (277, 3, 447.6), (335, 6, 182.1), (444, 11, 78.3), (1051, 17, 2250.5),
        (1599, 13, 1170.2), (1932, 16, 1128.7),
    )
}  # fmt: skip
"""By file name: trucks and miles, the better of the two papers."""
