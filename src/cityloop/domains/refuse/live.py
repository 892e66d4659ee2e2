"""The containers of a running city: readings in, belief forward, view out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cityloop.domains.refuse.containers import ContainersTable, ContainersView, EmptyToday
from cityloop.domains.refuse.decide.brain import BrainParams, Map, Memory, start_memory
from cityloop.domains.refuse.forecast import Outlook, outlook_of, working_days
from cityloop.domains.refuse.progress import LISTEN_MS, Progress, follow, start_progress
from cityloop.domains.refuse.schema import DOMAIN, DriveRoute, PlanRound, RoundsTable
from cityloop.domains.refuse.state import FillState, chance_of, collected, fill_of, passed, read_levels, start_fill
from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.columns import F64, I64
from cityloop.kernel.domain import Views
from cityloop.kernel.errors import LayoutError
from cityloop.kernel.layout import Layout, StreamKind
from cityloop.kernel.messages import Proposal, Refused, Verdict
from cityloop.methods.fill_belief import FULL_CELL
from cityloop.methods.fill_rate import RateParams, start_rates

__all__ = ["LiveState", "accept", "local_day", "predict", "start", "update", "view"]

_STEP_MS = 15 * 60 * 1000
"""Deposits are let pass in steps of this length: levels move by hours, the tick by seconds."""
_DISPERSION = 0.03
_CIRCUITY = 1.3
_HORIZON = 6
_MAYBE_CELLS = FULL_CELL + FULL_CELL // 5
"""A container not followed so far may hold up to a fifth more than it should."""
_GATHERED_DAYS = 2.0
"""And has gathered so long, for all that is known without a sensor. [d]"""


@dataclass(frozen=True, slots=True)
class LiveState:
    """Belief of every container, and what was decided of it."""

    table: ContainersTable
    fill: FillState
    upto_ms: int
    """Deposits have been let pass up to here."""
    place: Map
    memory: Memory
    asked_day: I64
    """Local day for which each container was last asked for, -1 for never."""
    level_of: I64
    """Container by stream, -1 where the stream is no level sensor."""
    collected_of: I64
    progress: Progress | None = None
    """The round under way, where the layout has trucks."""
    level_at_ms: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    """When each container's level was last heard, -1 for never."""

    def today(self, now_ms: int) -> int:
        """Return the day that containers are asked for: the depot's round where one opens them, else the local day."""
        return local_day(self.table, now_ms)[0] if self.progress is None else self.progress.round


def local_day(table: ContainersTable, now_ms: int) -> tuple[int, int, int]:
    """Return days since 1970, weekday (Monday 0) and second of the day, in local time."""
    day, second = divmod(now_ms // 1000 + table.utc_offset_s, 86_400)
    return day, (day + 3) % 7, second


def start(layout: Layout, now_ms: int) -> LiveState:
    """Return the state before any reading: containers taken to have been emptied just now."""
    table = layout.tables.get(DOMAIN)
    if not isinstance(table, ContainersTable):
        raise LayoutError("The layout has no table of refuse containers; add one under its tables as 'refuse'.")
    own = table.containers
    n = len(own.x_m)
    if n == 0:
        raise LayoutError("The table of refuse containers is empty, must have at least one row.")
    x = np.concatenate([[table.tip_x_m], own.x_m])
    y = np.concatenate([[table.tip_y_m], own.y_m])
    rounds = table if isinstance(table, RoundsTable) else None
    distance = (_CIRCUITY * np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])).astype(np.float32)
    if rounds is not None:
        distance = rounds.metres[1:, 1:].astype(np.float32)
    place = Map(distance, np.arange(1, n + 1), 0, own.x_m, own.y_m)
    rates = start_rates(np.maximum(own.rate_per_day, 1e-4), np.full(n, _DISPERSION), np.ones(7), RateParams())
    weekday = local_day(table, now_ms)[1]
    kind, asset = layout.streams.kind, layout.streams.asset
    fill = start_fill(rates, weekday, np.flatnonzero(own.sensed))
    return LiveState(
        table=table,
        fill=fill if rounds is None else _some_time_gone(fill, n),
        upto_ms=now_ms,
        place=place,
        memory=start_memory(place, BrainParams()),
        asked_day=np.full(n, -1, np.int64),
        level_of=np.where(kind == StreamKind.FILL_FRAC, asset, -1).astype(np.int64),
        collected_of=np.where(kind == StreamKind.COLLECTED_FRAC, asset, -1).astype(np.int64),
        progress=None if rounds is None else start_progress(layout, rounds, now_ms),
        level_at_ms=np.full(n, -1, np.int64),
    )


def _some_time_gone(fill: FillState, n: int) -> FillState:
    """Return the state of containers that were not followed so far: anything may lie in them."""
    level = np.zeros_like(fill.belief.level)
    level[:, :_MAYBE_CELLS] = 1.0 / _MAYBE_CELLS
    return replace(fill, since=np.full(n, _GATHERED_DAYS), belief=replace(fill.belief, level=level))


def update(state: LiveState, batch: Batch, views: Views, now_ms: int) -> LiveState:
    """Let time pass and take levels and weighings."""
    if now_ms - state.upto_ms >= _STEP_MS:
        day = local_day(state.table, state.upto_ms)[1]
        gone = passed(replace(state.fill, weekday=day), (now_ms - state.upto_ms) / 86_400_000.0)
        state = replace(state, fill=replace(gone, weekday=local_day(state.table, now_ms)[1]), upto_ms=now_ms)
    if not len(batch):
        return state
    if state.progress is not None:
        state = replace(state, progress=follow(state.progress, batch, now_ms))
    good = batch.quality != Quality.BAD
    rows = state.collected_of[batch.stream]
    emptied = np.flatnonzero(good & (rows >= 0))
    fill = state.fill
    if len(emptied):
        # A container lifted twice within a step counts once, with what both lifts found.
        own, inverse = np.unique(rows[emptied], return_inverse=True)
        found: F64 = np.asarray(np.bincount(inverse, batch.value[emptied]), np.float64)
        fill = collected(fill, own, found)
    levels = state.level_of[batch.stream]
    heard = np.flatnonzero(good & (levels >= 0))
    if len(heard):
        reading: F64 = np.full(len(state.asked_day), np.nan)
        reading[levels[heard]] = batch.value[heard]
        fill = read_levels(fill, reading)
        seen = state.level_at_ms.copy()
        seen[levels[heard]] = batch.observed_at_ms[heard]
        state = replace(state, level_at_ms=seen)
    return replace(state, fill=fill)


def predict(state: LiveState, views: Views, now_ms: int) -> Outlook | None:
    """Look ahead once a day, when the day's containers are chosen; None at other times."""
    progress = state.progress
    if progress is not None:
        # Plans are told again every minute: who has just begun waits until he would have heard of one.
        unheard = progress.round < 0 or now_ms - progress.began_ms < LISTEN_MS
        if unheard or progress.version or (state.asked_day == progress.round).any():
            return None
        weekday = progress.round % 6
        return outlook_of(replace(state.fill, weekday=weekday), working_days(weekday, state.table.works, _HORIZON))
    day, weekday, second = local_day(state.table, now_ms)
    if second < state.table.decide_at_s or not state.table.works[weekday] or (state.asked_day == day).any():
        return None
    return outlook_of(state.fill, working_days(weekday, state.table.works, _HORIZON))


def accept(state: LiveState, verdicts: Sequence[tuple[Proposal, Verdict]], now_ms: int) -> LiveState:
    """Remember what was asked for."""
    if not verdicts:
        return state
    asked, progress = state.asked_day.copy(), state.progress
    for proposal, verdict in verdicts:
        if isinstance(verdict, Refused):
            continue
        match proposal.action:
            case EmptyToday(day=day):
                asked[proposal.target] = day
            case PlanRound(version=version, reason=reason) if progress is not None:
                progress = replace(progress, asked=version, asked_ms=now_ms, asked_for=reason)
            case DriveRoute(version=version) if progress is not None:
                told = progress.told.copy()
                told[proposal.target] = version
                progress = replace(progress, told=told)
            case _:
                pass
    return replace(state, asked_day=asked, progress=progress)


def view(state: LiveState) -> ContainersView:
    """Publish what is believed of each container."""
    faulty = np.full(len(state.asked_day), np.nan)
    faulty[state.fill.sensed] = state.fill.belief.faulty
    tomorrow = chance_of(state.fill, float(state.fill.rates.weekday[state.fill.weekday]))
    return ContainersView(np.minimum(fill_of(state.fill), 2.0), np.clip(tomorrow, 0.0, 1.0), faulty, state.asked_day)
