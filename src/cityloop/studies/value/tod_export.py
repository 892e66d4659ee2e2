"""Times of day as a table: when each period begins on weekdays and weekends, and how much drives in it."""

from __future__ import annotations

import csv
import io
from zoneinfo import ZoneInfo

import numpy as np

from cityloop.kernel.errors import InputError
from cityloop.studies.month.rates import expected_rates
from cityloop.studies.month.records import Calls, Counts, Events, Weighings
from cityloop.studies.month.study import day_matrix
from cityloop.studies.value.time_of_day import best_breaks

__all__ = ["times_csv"]

_LEAST_SLOTS = 4
_SLOT_MIN = 15


def times_csv(records: Counts | Events | Calls | Weighings, zone: ZoneInfo, periods: int) -> tuple[str, int]:
    """Return the table, and of how many days it was made."""
    values, weekend = day_matrix(records, zone, _SLOT_MIN * 60_000)
    means = expected_rates(values, weekend)
    if not np.isfinite(means).any():
        raise InputError("the counts hold no whole day; give at least three days")
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("day", "period", "begin", "end", "counted_per_h"))
    for which, name in ((0, "weekday"), (1, "weekend")):
        profile = np.nan_to_num(means[:, which].T)
        breaks = best_breaks(profile, periods, _LEAST_SLOTS)
        for number, (begin, end) in enumerate(zip(breaks, [*breaks[1:], len(profile)], strict=True), start=1):
            per_h = float(profile[begin:end].sum(axis=1).mean()) * 60 / _SLOT_MIN
            rows.writerow((name, number, _clock(begin), _clock(end), round(per_h, 1)))
    return out.getvalue(), int(values.shape[1])


def _clock(slot: int) -> str:
    return f"{slot * _SLOT_MIN // 60:02d}:{slot * _SLOT_MIN % 60:02d}"
