"""Bring your own month: records in, a calibration certificate and a shadow back-test out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np

import cityloop
from cityloop.kernel.columns import BOOL, F64, I64
from cityloop.kernel.errors import ConfigError, InputError
from cityloop.studies.month.phases import DetectorHealth, SignalPlan, detector_health, greens_of, plan_of
from cityloop.studies.month.rates import RateCertificate, certify_rates
from cityloop.studies.month.records import (
    Calls,
    Counts,
    Events,
    SetAside,
    Weighings,
    kind_of,
    read_detectors,
    read_records,
)
from cityloop.studies.month.services import CallsTest, WeighingsTest, judge_calls, judge_weighings
from cityloop.studies.month.shadow import ShadowTest, shadow_test

__all__ = ["Certificate", "MonthSpec", "SignalMonth", "day_matrix", "study_month"]

FORMAT = 1
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
_SLOT_MS = {"events": 900_000, "counts": 900_000, "calls": 10_800_000, "weighings": _DAY_MS}
_ON = 82
_MOST_STREAMS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSpec:
    """What is brought, and how much of it is served again."""

    files: tuple[Path, ...]
    zone: str = "UTC"
    detectors: Path | None = None
    """Which phase each detector calls; without it a signal has no back-test."""
    hours: int = 24
    """Hours of each signal that are served again, drawn from the seed."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        if not self.files:
            raise ConfigError("give at least one file of records")
        if not 2 <= self.hours <= 744:
            raise ConfigError(f"--hours {self.hours}: give 2 to 744")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigError(f"--zone {self.zone}: not a time zone's name, such as Europe/Berlin") from error


class SignalMonth(msgspec.Struct, frozen=True, kw_only=True):
    """One signal's month."""

    name: str
    plan: SignalPlan
    detectors: tuple[DetectorHealth, ...]
    shadow: ShadowTest | None
    why_not: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """How far a month of records can be trusted, and what the brain would have done."""

    format: int = FORMAT
    cityloop_version: str
    inputs: dict[str, str]
    """SHA-256 of each file."""
    kinds: dict[str, int]
    """Rows used, by kind."""
    set_aside: int
    examples: tuple[str, ...]
    begin: str
    end: str
    days: int
    whole_days: int
    """Days of which no hour is without any record of a kind that is dense."""
    rates: dict[str, RateCertificate]
    signals: tuple[SignalMonth, ...]
    calls: CallsTest | None
    weighings: WeighingsTest | None
    seed: int
    warnings: tuple[str, ...]


def study_month(spec: MonthSpec, progress: Callable[[str], None]) -> Certificate:
    """Read, certify and back-test a month of records."""
    zone, aside = ZoneInfo(spec.zone), SetAside()
    by_kind: dict[str, list[Path]] = {}
    for path in spec.files:
        by_kind.setdefault(kind_of(path), []).append(path)
    records = {}
    for kind, paths in by_kind.items():
        progress(f"reading {len(paths)} file(s) of {kind}")
        records[kind] = read_records(paths, kind, zone, aside)
    begin_ms = min(int(_instants(one)[0]) for one in records.values())
    end_ms = max(int(_instants(one)[-1]) for one in records.values()) + 1
    local = {kind: _local(_instants(one), zone) for kind, one in records.items()}
    first = min(int(one.min()) // _DAY_MS for one in local.values())
    days = max(int(one.max()) // _DAY_MS for one in local.values()) - first + 1
    if days > 400:
        raise InputError(f"{spec.files[0]}: the records span {days} days; give 400 at most, best 30 to 90")
    # The first of January 1970 was a Thursday.
    weekend: BOOL = (np.arange(first, first + days) + 3) % 7 >= 5
    progress("certifying rates")
    rates = {
        kind: certify_rates(_matrix(one, local[kind] - first * _DAY_MS, days, _SLOT_MS[kind]), weekend)
        for kind, one in records.items()
    }
    signals: tuple[SignalMonth, ...] = ()
    events = records.get("events")
    if isinstance(events, Events):
        mapping = read_detectors(spec.detectors) if spec.detectors is not None else None
        signals = tuple(
            _signal(events, row, mapping, (begin_ms, end_ms), spec, progress) for row in range(len(events.signals))
        )
    calls, weighings = records.get("calls"), records.get("weighings")
    return Certificate(
        cityloop_version=cityloop.__version__,
        inputs={path.name: _digest(path) for path in spec.files},
        kinds={kind: len(_instants(one)) for kind, one in records.items()},
        set_aside=aside.rows,
        examples=tuple(aside.examples),
        begin=datetime.fromtimestamp(begin_ms / 1000, zone).isoformat(timespec="seconds"),
        end=datetime.fromtimestamp(end_ms / 1000, zone).isoformat(timespec="seconds"),
        days=days,
        whole_days=_whole_days({kind: one - first * _DAY_MS for kind, one in local.items()}, days),
        rates=rates,
        signals=signals,
        calls=judge_calls(calls) if isinstance(calls, Calls) else None,
        weighings=judge_weighings(weighings) if isinstance(weighings, Weighings) else None,
        seed=spec.seed,
        warnings=_warnings(days, aside, rates, signals),
    )


def _signal(
    events: Events,
    row: int,
    mapping: Mapping[tuple[str, int], tuple[int, float]] | None,
    span_ms: tuple[int, int],
    spec: MonthSpec,
    progress: Callable[[str], None],
) -> SignalMonth:
    name = events.signals[row]
    progress(f"signal {name}")
    greens = greens_of(events, row)
    plan = plan_of(events, row, greens)
    health = detector_health(events, row, *span_ms)
    mine = {number: place for (signal, number), place in (mapping or {}).items() if signal == name}
    bad = {one.detector for one in health if not one.fit}
    why = ""
    if len(plan.stages) < 2:
        why = "fewer than two stages are in the events"
    elif mapping is None:
        why = "no detector table: give --detectors with SignalID, Detector, Phase, Setback_m"
    elif not mine:
        why = f"the detector table names no detector of signal {name}"
    elif not set(mine) - bad:
        why = "no detector of the table is fit"
    if why:
        return SignalMonth(name=name, plan=plan, detectors=health, shadow=None, why_not=why)
    of = events.signal == row
    on = of & (events.code == _ON)
    arrivals: dict[int, F64] = {}
    setback: dict[int, float] = {}
    for phase in plan.phases:
        numbers = [number for number, (to, _) in mine.items() if to == phase and number not in bad]
        chosen = on & np.isin(events.param, numbers)
        arrivals[phase] = np.sort(events.at_ms[chosen]).astype(np.float64)
        setback[phase] = max((mine[number][1] for number in numbers), default=0.0)
    hours = np.unique(events.at_ms[of & np.isin(events.code, (1, _ON))] // _HOUR_MS) * _HOUR_MS
    hours = hours[(hours >= span_ms[0]) & (hours + _HOUR_MS <= span_ms[1])]
    rng = np.random.default_rng(spec.seed + row)
    drawn = np.sort(rng.choice(hours, min(spec.hours, len(hours)), replace=False)).tolist()
    unheard = [phase for phase in plan.phases if len(arrivals[phase]) == 0]
    gap = f"no fit detector on phase {', '.join(map(str, unheard))}" if len(unheard) == len(plan.phases) else ""
    shadow = shadow_test(name, plan, greens, arrivals, setback, drawn, dict.fromkeys(drawn, gap))
    return SignalMonth(name=name, plan=plan, detectors=health, shadow=shadow)


def day_matrix(records: Events | Counts | Calls | Weighings, zone: ZoneInfo, slot_ms: int) -> tuple[F64, BOOL]:
    """Return counts by stream, local day and slot of the day, and which days are weekend."""
    local = _local(_instants(records), zone)
    first, last = int(local.min()) // _DAY_MS, int(local.max()) // _DAY_MS
    days = last - first + 1
    # The first of January 1970 was a Thursday.
    weekend: BOOL = (np.arange(first, last + 1) + 3) % 7 >= 5
    return _matrix(records, local - first * _DAY_MS, days, slot_ms), weekend


def _instants(records: Events | Counts | Calls | Weighings) -> I64:
    return records.received_ms.astype(np.int64) if isinstance(records, Calls) else records.at_ms


def _matrix(records: Events | Counts | Calls | Weighings, local_ms: I64, days: int, slot_ms: int) -> F64:
    """Return counts by stream, day and slot; a day without any record of a stream is unknown, not empty."""
    slots = _DAY_MS // slot_ms
    at = local_ms // slot_ms
    weight: F64 | None = None
    stream = np.zeros(len(at), np.int64)
    keep = np.ones(len(at), np.bool_)
    match records:
        case Events():
            keep = records.code == _ON
            stream = records.signal * 100_000 + records.param
        case Counts():
            stream, weight = records.detector, records.count
            keep = np.isfinite(records.count)
        case Calls():
            pass
        case Weighings():
            stream, weight = records.site, records.kg
    names, which = np.unique(stream[keep], return_inverse=True)
    chosen = which < _MOST_STREAMS
    n = min(len(names), _MOST_STREAMS)
    flat = which[chosen] * (days * slots) + at[keep][chosen]
    size = max(n, 1) * days * slots
    sums = np.bincount(flat, None if weight is None else weight[keep][chosen], minlength=size)[:size]
    values = sums.reshape(max(n, 1), days, slots).astype(np.float64)
    if isinstance(records, Counts):
        values[np.bincount(flat, minlength=size)[:size].reshape(values.shape) == 0] = np.nan
    elif not isinstance(records, Weighings):
        values[values.sum(axis=2) == 0] = np.nan
    # The first and the last day are seldom whole.
    edge = np.zeros(days, np.bool_)
    edge[[0, -1]] = days > 2
    values[:, edge] = np.nan
    return values


def _whole_days(local_ms: Mapping[str, I64], days: int) -> int:
    whole = np.ones(days, np.bool_)
    for kind, at_ms in local_ms.items():
        heard = np.unique(at_ms // _HOUR_MS) // 24
        whole &= np.bincount(heard, minlength=days)[:days] >= (20 if kind in ("events", "counts") else 1)
    return int(whole.sum())


def _local(at_ms: I64, zone: ZoneInfo) -> I64:
    """Return instants on the city's own clock: slots of the day keep their hour over a change of the clocks."""
    hours, which = np.unique(at_ms // _HOUR_MS, return_inverse=True)
    offset_ms = [_offset_ms(int(hour) * _HOUR_MS, zone) for hour in hours.tolist()]
    return at_ms + np.array(offset_ms, np.int64)[which]


def _offset_ms(at_ms: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def _warnings(
    days: int, aside: SetAside, rates: Mapping[str, RateCertificate], signals: Sequence[SignalMonth]
) -> tuple[str, ...]:
    said = []
    if days < 28:
        said.append(f"{days} days are less than four weeks: weekdays and weekends are hardly told apart")
    if aside.rows:
        said.append(f"{aside.rows} rows were set aside")
    wrong = [kind for kind, one in rates.items() if one.n and not one.calibrated]
    said += [f"the rates of {kind} do not cover what they say" for kind in wrong]
    bad = sum(not one.fit for signal in signals for one in signal.detectors)
    if bad:
        said.append(f"{bad} detector(s) are unfit and were left out")
    return tuple(said)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
