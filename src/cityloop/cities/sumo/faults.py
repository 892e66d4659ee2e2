"""Seeded faults of detectors, on request: noise, lies, delay, dropout, stuck and dead devices.

A device is what fails together: an area detector with its three streams, a loop with its two, a push
button, a field controller's report. Every fault draws from a generator of its own, spawned from the run's
seed: one more at the end of a plan leaves the others as they were.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import numpy as np

from cityloop.cities.sumo.units import AVL_KINDS
from cityloop.domains.signals.schema import SignalAssets
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.errors import ConfigError
from cityloop.kernel.layout import Layout, StreamKind

__all__ = ["Fault", "FaultInjector", "FaultPlan", "Readings", "read_fault_plan"]

Readings = tuple[I32, I64, I64, F64]
"""Streams, observed_at_ms, received_at_ms and values."""

_FAMILIES: tuple[tuple[StreamKind, ...], ...] = (
    (StreamKind.OBJECT_DISTANCE_M, StreamKind.OBJECT_SPEED_MPS, StreamKind.OBJECT_COUNT),
    (StreamKind.STOP_LINE_COUNT, StreamKind.STOP_LINE_OCCUPANCY),
    (StreamKind.ADVANCE_COUNT, StreamKind.ADVANCE_OCCUPANCY),
    (StreamKind.STAGE_SHOWN, StreamKind.CONTROL_MODE),
    (StreamKind.CROSSING_CALL,),
    (StreamKind.CROSSING_OCCUPIED,),
    AVL_KINDS,
)
_DETECTORS = tuple(kind for family in _FAMILIES[:3] for kind in family) + _FAMILIES[4]
_UNITS = 6
_CONTINUOUS = (
    StreamKind.OBJECT_DISTANCE_M,
    StreamKind.OBJECT_SPEED_MPS,
    StreamKind.STOP_LINE_OCCUPANCY,
    StreamKind.ADVANCE_OCCUPANCY,
)
_OCCUPANCIES = (StreamKind.STOP_LINE_OCCUPANCY, StreamKind.ADVANCE_OCCUPANCY)
_WINDOW = tuple[float, float]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault, of the devices it names. Windows are seconds since the run's begin."""

    kinds: tuple[str, ...] = ()
    """Stream kinds by name; none means every detector. One stream's fault is its whole device's, save noise
    and offset, which touch the named kinds alone (none: distances, speeds and occupancies)."""
    assets: tuple[int, ...] = ()
    """Rows in the table of the kind; none means all."""
    junctions: tuple[str, ...] = ()
    """Only devices at these junctions, by external name; none means all."""
    share: float = 1.0
    """Share of those devices that have the fault, drawn from the seed."""
    noise_sd: float = 0.0
    """Standard deviation of what is added to each value, in the stream's unit."""
    offset: float = 0.0
    """What is added to each value, in the stream's unit: a lying detector."""
    delay_s: float = 0.0
    dropout: float = 0.0
    """Share of reports lost."""
    stuck_s: _WINDOW | None = None
    """The device repeats its last report."""
    dead_s: _WINDOW | None = None
    """The device is silent."""

    def __post_init__(self) -> None:
        """Refuse what no device can do."""
        names = [kind.name for kind in StreamKind]
        for kind in self.kinds:
            if kind not in names:
                raise ValueError(f"kinds: {kind!r} is not a stream kind; give one of {', '.join(names)}")
        for key in ("share", "dropout"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key}: {getattr(self, key):g} is not a share; give 0 to 1")
        for key in ("noise_sd", "delay_s"):
            if not getattr(self, key) >= 0:
                raise ValueError(f"{key}: {getattr(self, key):g} is negative; give 0 or more")
        for key in ("stuck_s", "dead_s"):
            window = getattr(self, key)
            if window is not None and not 0 <= window[0] < window[1]:
                raise ValueError(f"{key}: {list(window)} is not a span of time; give [from, to]")


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults of a run, applied in the order given."""

    faults: tuple[Fault, ...] = ()


def read_fault_plan(path: Path) -> FaultPlan:
    """Read a plan from TOML: a table ``[[faults]]`` for each."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), FaultPlan)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); check it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error


class FaultInjector:
    """Applies a plan to one step's readings after another; owns what is late and what is stuck."""

    def __init__(self, plan: FaultPlan, layout: Layout, assets: SignalAssets, seed: int, begin_ms: int) -> None:
        self._begin_ms = begin_ms
        self._kind = layout.streams.kind
        self._devices = _Devices(layout, assets)
        seeds = np.random.SeedSequence([seed, 0x6661756C74]).spawn(len(plan.faults))
        self._faults = [
            _Running(fault, self._devices, np.random.default_rng(seed))
            for fault, seed in zip(plan.faults, seeds, strict=True)
        ]
        self._late: list[Readings] = []

    def apply(self, stream: I32, value: F64, now_ms: int) -> Readings:
        """Return what is received in a step in which these readings were taken."""
        since_begin_s = (now_ms - self._begin_ms) / 1000
        delay_ms = np.zeros(len(self._devices.names), np.int64)
        for running in self._faults:
            stream, value = running.apply(stream, value, since_begin_s, self._devices, self._kind)
            delay_ms += running.delay_ms
        observed = np.full(len(stream), now_ms, np.int64)
        received = observed + delay_ms[self._devices.of_stream[stream]]
        parts = [*self._late, (stream, observed, received, value)]
        joined = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
        here = joined[2] <= now_ms
        self._late = [] if here.all() else [_rows(joined, ~here)]
        arrived = _rows(joined, here)
        order = np.argsort(arrived[2], kind="stable")
        return _rows(arrived, order)


class _Devices:
    """Which stream belongs to which device."""

    def __init__(self, layout: Layout, assets: SignalAssets) -> None:
        family = {int(kind): number for number, kinds in enumerate(_FAMILIES) for kind in kinds}
        keys: dict[tuple[int, int], int] = {}
        self.of_stream = np.array(
            [
                keys.setdefault((family[int(kind)], int(asset)), len(keys)) if int(kind) in family else 0
                # Words of crews and of dispatch pass by: no fault of a detector is theirs.
                for kind, asset in zip(layout.streams.kind, layout.streams.asset, strict=True)
            ],
            np.int64,
        )
        self.names = tuple(keys)
        names = layout.names["junctions"]
        at = (assets.approaches.junction,) * 3 + (np.arange(len(names)),) + (assets.links.junction,) * 2
        # A unit stands at no junction: no fault that names one is its.
        self.junctions = tuple("" if number == _UNITS else names[int(at[number][asset])] for number, asset in keys)

    def of(self, fault: Fault) -> BOOL:
        """Return which devices a fault may be of."""
        kinds = [StreamKind[name] for name in fault.kinds] or list(_DETECTORS)
        families = {number for number, family in enumerate(_FAMILIES) if set(family) & set(kinds)}
        for name in fault.junctions:
            if name not in self.junctions:
                raise ConfigError(f"faults: no signal {name!r} in this city; give a junction's name")
        return np.array(
            [
                family in families
                and (not fault.assets or asset in fault.assets)
                and (not fault.junctions or junction in fault.junctions)
                for (family, asset), junction in zip(self.names, self.junctions, strict=True)
            ],
            np.bool_,
        )


class _Running:
    """One fault with its generator and its memory."""

    def __init__(self, fault: Fault, devices: _Devices, rng: np.random.Generator) -> None:
        self._fault, self._rng = fault, rng
        concerned = devices.of(fault)
        self._has = concerned & (rng.random(len(concerned)) < fault.share)
        self.delay_ms = np.where(self._has, round(fault.delay_s * 1000), 0)
        self._kinds = [StreamKind[name] for name in fault.kinds] or list(_CONTINUOUS)
        self._last: tuple[I32, F64] | None = None

    def apply(self, stream: I32, value: F64, now_s: float, devices: _Devices, kinds: I32) -> tuple[I32, F64]:
        """Return what the devices say instead."""
        fault = self._fault
        mine = self._has[devices.of_stream[stream]]
        if fault.stuck_s is not None:
            stuck = fault.stuck_s[0] <= now_s < fault.stuck_s[1]
            if self._last is None or not stuck:
                self._last = (stream[mine].copy(), value[mine].copy())
            if stuck:
                stream = np.concatenate([stream[~mine], self._last[0]])
                value = np.concatenate([value[~mine], self._last[1]])
                mine = self._has[devices.of_stream[stream]]
        if fault.noise_sd or fault.offset:
            value = self._distort(stream, value, mine, kinds)
        lost = np.zeros(len(stream), np.bool_)
        if fault.dropout:
            lost |= mine & (self._rng.random(len(self._has)) < fault.dropout)[devices.of_stream[stream]]
        if fault.dead_s is not None and fault.dead_s[0] <= now_s < fault.dead_s[1]:
            lost |= mine
        return (stream[~lost], value[~lost]) if lost.any() else (stream, value)

    def _distort(self, stream: I32, value: F64, mine: BOOL, kinds: I32) -> F64:
        kind = kinds[stream]
        touched = mine & np.isin(kind, self._kinds)
        noise = self._rng.normal(0.0, self._fault.noise_sd, int(touched.sum()))
        value = value.copy()
        distorted = value[touched] + self._fault.offset + noise
        whole = ~np.isin(kind[touched], _CONTINUOUS)
        distorted[whole] = np.round(distorted[whole])
        low = np.where(kind[touched] == StreamKind.STAGE_SHOWN, -1.0, 0.0)
        high = np.where(np.isin(kind[touched], (*_OCCUPANCIES, StreamKind.CROSSING_CALL)), 1.0, np.inf)
        value[touched] = np.clip(distorted, low, high)
        _nearest_first(stream, value, kind)
        return value


def _nearest_first(stream: I32, value: F64, kind: I32) -> None:
    """Put each scan's objects back into order of distance, speeds along with them."""
    distances = np.flatnonzero(kind == StreamKind.OBJECT_DISTANCE_M)
    speeds = np.flatnonzero(kind == StreamKind.OBJECT_SPEED_MPS)
    if len(distances) != len(speeds):
        return
    order = np.lexsort((value[distances], stream[distances]))
    by_stream = np.argsort(stream[distances], kind="stable")
    moved_distance, moved_speed = value[distances][order], value[speeds][order]
    value[distances[by_stream]], value[speeds[by_stream]] = moved_distance, moved_speed


def _rows(readings: tuple[np.ndarray, ...], chosen: np.ndarray) -> Readings:
    stream, observed, received, value = (column[chosen] for column in readings)
    return stream, observed, received, value
