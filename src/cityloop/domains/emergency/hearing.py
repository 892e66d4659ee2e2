"""Readings -> what is known: calls as the dispatch centre lists them, what crews key in, where radios say they are.

The dispatch centre hands over all of its open calls together, whenever one changes and again every few seconds. So a
brain that has just begun, or comes back, knows in a moment what is open; and nothing can be lost for a lost message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cityloop.domains.emergency.intake import CallFault, PositionFault, Positions, judge_calls, judge_positions
from cityloop.domains.emergency.schema import DOMAIN, CallStatus
from cityloop.kernel.batch import Batch, Quality
from cityloop.kernel.columns import BOOL, F64, I32, I64
from cityloop.kernel.layout import Layout, StreamKind

__all__ = ["Heard", "Known", "hear", "start_hearing"]

_FIRST, _LAST = int(StreamKind.UNIT_X_M), int(StreamKind.UNIT_SITE)
_FROM_HOSPITALS = (StreamKind.HOSPITAL_OPEN, StreamKind.HOSPITAL_DIVERTING, StreamKind.UNIT_NEEDS)
_LONG_AGO_MS = -(2**40)
_CALL_COLUMNS = (
    StreamKind.CALL_NUMBER,
    StreamKind.CALL_PRIORITY,
    StreamKind.CALL_DETERMINANT,
    StreamKind.CALL_X_M,
    StreamKind.CALL_Y_M,
    StreamKind.CALL_WAITED_S,
    StreamKind.CALL_EDGE,
    StreamKind.CALL_EDGE_M,
    StreamKind.CALL_STATUS,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A call that the dispatch centre lists."""

    number: int
    priority: int
    determinant: int
    x_m: float
    y_m: float
    edge: int
    edge_m: float
    received_ms: int
    ready_ms: int
    """When it was first listed."""
    attended: bool
    fault: int
    """A ``CallFault``."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard last, of every unit and call."""

    kind: I32
    """Of every stream, 0 where it is another domain's."""
    asset: I32
    calls: tuple[Known, ...]
    status: I32
    call: I64
    site: I32
    x_m: F64
    y_m: F64
    speed_mps: F64
    heading_deg: F64
    edge: I32
    edge_m: F64
    seen_at_ms: I64
    needs: I32
    """What the patient aboard each unit needs of a hospital, by the crew's word."""
    site_open: BOOL
    """By a hospital's own declaration; all other sites are open."""
    site_diverting: BOOL
    keyed: bool
    """Whether crews' status has been heard at all."""
    listed: bool
    torn: int
    """Lists of calls that were not whole."""
    positions_refused: int
    changed: bool
    """Whether there is news to decide on."""


def start_hearing(layout: Layout, n_units: int, n_priorities: int) -> Heard:
    """Return what is known before the first reading."""
    kind = layout.streams.kind
    mine = ((kind >= _FIRST) & (kind <= _LAST)) | np.isin(kind, [int(one) for one in _FROM_HOSPITALS])
    n_sites = len(layout.tables[DOMAIN].sites.kind)
    nothing = np.full(n_units, np.nan)
    return Heard(
        kind=np.where(mine, kind, 0).astype(np.int32),
        asset=layout.streams.asset,
        calls=(),
        status=np.zeros(n_units, np.int32),
        call=np.full(n_units, -1, np.int64),
        site=np.full(n_units, -1, np.int32),
        x_m=nothing,
        y_m=nothing,
        speed_mps=nothing,
        heading_deg=nothing,
        edge=np.full(n_units, -1, np.int32),
        edge_m=np.zeros(n_units),
        seen_at_ms=np.full(n_units, _LONG_AGO_MS, np.int64),
        needs=np.zeros(n_units, np.int32),
        site_open=np.ones(n_sites, np.bool_),
        site_diverting=np.zeros(n_sites, np.bool_),
        keyed=False,
        listed=False,
        torn=0,
        positions_refused=0,
        changed=False,
    )


def hear(heard: Heard, batch: Batch, now_ms: int, n_edges: int, lowest: int) -> Heard:
    """Return what is known after the readings of a step."""
    rows = np.flatnonzero((heard.kind[batch.stream] > 0) & (batch.quality != int(Quality.BAD)))
    if not len(rows):
        return replace(heard, changed=False) if heard.changed else heard
    kind, asset = heard.kind[batch.stream[rows]], heard.asset[batch.stream[rows]]
    value, at_ms = batch.value[rows], batch.observed_at_ms[rows]
    n = len(heard.status)
    mine = asset < n
    heard = _positions(replace(heard, changed=False), kind, asset, value, at_ms, mine, now_ms)
    heard = _keyed(heard, kind, asset, value, mine)
    heard = _from_hospitals(heard, kind, asset, value)
    counts = np.flatnonzero(kind == StreamKind.CALL_COUNT)
    if len(counts):
        last = counts[-1]
        same = at_ms == at_ms[last]
        found = {one: value[same & (kind == one)] for one in _CALL_COLUMNS}
        if any(len(column) != int(value[last]) for column in found.values()):
            return replace(heard, torn=heard.torn + 1)
        heard = _listed(heard, found, int(at_ms[last]), n_edges, lowest)
    return heard


def _positions(heard: Heard, kind: I32, asset: I32, value: F64, at_ms: I64, mine: BOOL, now_ms: int) -> Heard:
    at = {one: np.flatnonzero((kind == one) & mine) for one in range(_FIRST, int(StreamKind.UNIT_EDGE_M) + 1)}
    x, y = at[StreamKind.UNIT_X_M], at[StreamKind.UNIT_Y_M]
    if not len(x) or any(len(rows) != len(x) for rows in at.values()):
        return heard
    reports = Positions(asset[x], at_ms[x], value[x], value[y])
    fault = judge_positions(reports, heard.seen_at_ms, heard.x_m, heard.y_m, now_ms)
    good = np.flatnonzero(fault == PositionFault.NONE)
    refused = heard.positions_refused + int((fault > PositionFault.NONE).sum())
    if not len(good):
        return replace(heard, positions_refused=refused)
    unit = asset[x[good]]

    def put(column: F64 | I32, one: StreamKind) -> np.ndarray:
        changed = column.copy()
        changed[unit] = value[at[one][good]]
        return changed

    seen = heard.seen_at_ms.copy()
    seen[unit] = at_ms[x[good]]
    return replace(
        heard,
        x_m=put(heard.x_m, StreamKind.UNIT_X_M),
        y_m=put(heard.y_m, StreamKind.UNIT_Y_M),
        speed_mps=put(heard.speed_mps, StreamKind.UNIT_SPEED_MPS),
        heading_deg=put(heard.heading_deg, StreamKind.UNIT_HEADING_DEG),
        edge=put(heard.edge, StreamKind.UNIT_EDGE),
        edge_m=put(heard.edge_m, StreamKind.UNIT_EDGE_M),
        seen_at_ms=seen,
        positions_refused=refused,
    )


def _keyed(heard: Heard, kind: I32, asset: I32, value: F64, mine: BOOL) -> Heard:
    columns: list[np.ndarray] = []
    for one, column in (
        (StreamKind.UNIT_STATUS, heard.status),
        (StreamKind.UNIT_CALL, heard.call),
        (StreamKind.UNIT_SITE, heard.site),
    ):
        rows = np.flatnonzero((kind == one) & mine & np.isfinite(value))
        after = column.copy()
        after[asset[rows]] = value[rows]
        columns.append(after)
    status, call, site = columns
    news = bool((status != heard.status).any() or (call != heard.call).any() or (site != heard.site).any())
    told = bool((kind == StreamKind.UNIT_STATUS).any())
    if not news and heard.keyed >= told:
        return heard
    return replace(heard, status=status, call=call, site=site, keyed=heard.keyed or told, changed=heard.changed or news)


def _from_hospitals(heard: Heard, kind: I32, asset: I32, value: F64) -> Heard:
    """Take in what hospitals declare, and what crews say that their patients need."""
    if not np.isin(kind, [int(one) for one in _FROM_HOSPITALS]).any():
        return heard

    def put(column: np.ndarray, one: StreamKind) -> np.ndarray:
        rows = np.flatnonzero((kind == one) & (asset < len(column)) & np.isfinite(value) & (value >= 0))
        after = column.copy()
        after[asset[rows]] = value[rows]
        return after

    is_open = put(heard.site_open, StreamKind.HOSPITAL_OPEN)
    diverting = put(heard.site_diverting, StreamKind.HOSPITAL_DIVERTING)
    news = bool((is_open != heard.site_open).any() or (diverting != heard.site_diverting).any())
    return replace(
        heard,
        needs=put(heard.needs, StreamKind.UNIT_NEEDS),
        site_open=is_open,
        site_diverting=diverting,
        changed=heard.changed or news,
    )


def _listed(heard: Heard, found: dict[StreamKind, F64], at_ms: int, n_edges: int, lowest: int) -> Heard:
    """Take a whole list of calls; one that is not on it any more is closed."""
    before = {call.number: call for call in heard.calls}
    number = found[StreamKind.CALL_NUMBER].astype(np.int64)
    edge = found[StreamKind.CALL_EDGE]
    placed = (edge >= 0) & (edge < n_edges)
    priority = np.nan_to_num(found[StreamKind.CALL_PRIORITY], nan=0.0).astype(np.int32)
    offroad_m = np.where(placed, 0.0, np.nan)
    fault = judge_calls(number, offroad_m, priority, np.zeros(0, np.int64), lowest=lowest)
    calls: list[Known] = []
    for k in range(len(number)):
        if fault[k] == CallFault.DUPLICATE:
            continue
        old = before.get(int(number[k]))
        waited_ms = round(float(found[StreamKind.CALL_WAITED_S][k]) * 1000)
        calls.append(
            Known(
                number=int(number[k]),
                priority=int(priority[k]),
                determinant=int(found[StreamKind.CALL_DETERMINANT][k]),
                x_m=float(found[StreamKind.CALL_X_M][k]),
                y_m=float(found[StreamKind.CALL_Y_M][k]),
                edge=int(edge[k]) if placed[k] else -1,
                edge_m=float(found[StreamKind.CALL_EDGE_M][k]) if placed[k] else 0.0,
                received_ms=at_ms - waited_ms if old is None else old.received_ms,
                ready_ms=at_ms if old is None else old.ready_ms,
                attended=int(found[StreamKind.CALL_STATUS][k]) >= CallStatus.ATTENDED,
                fault=int(fault[k]),
            )
        )
    after = tuple(calls)
    return replace(heard, calls=after, listed=True, changed=heard.changed or after != heard.calls)
